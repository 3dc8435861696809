"""How long a style step takes beside another busy program, with OpenMP's own way of waiting and with this project's.

Convention: OpenMP reads how threads wait when torch is loaded, so each row is measured in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from tqdm import tqdm

from .. import CALM_THREADS
from ..commands.entry import run
from ..files import ROOT
from ..models.extractor import build_extractor
from .style import engine_step
from .timing import time_steps

WAITING = {  # how threads wait, and what a process imports for it: vg_helpers changes nothing if torch is loaded
    "OpenMP's own": "import torch; from vg_helpers.benchmarks import busy",
    "calm": "from vg_helpers.benchmarks import busy",
}
COMPETITOR = """
import torch
torch.set_num_threads({threads})
images, kernels = torch.rand(1, 32, 128, 128), torch.rand(32, 32, 3, 3)
print("up", flush=True)
while True:
    torch.conv2d(images, kernels)
"""


def style_seconds(size: int, network: str, repeats: int) -> list[float]:
    """Return the seconds of each of `repeats` steps of a style transfer on the CPU, as this process's threads wait."""
    content, style = torch.rand(2, 1, 3, size, size, generator=torch.Generator().manual_seed(0))
    return time_steps(engine_step(content, style, build_extractor(network)), "cpu", 2, repeats).tolist()


@contextmanager
def competitor(threads: int) -> Iterator[None]:
    """Let another torch program compute convolutions with so many threads until the block ends; 0 starts none."""
    if not threads:
        yield
        return
    command = [sys.executable, "-c", COMPETITOR.format(threads=threads)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()
            yield
        finally:
            process.kill()
            process.wait()  # which Ctrl-C would cut short


def environment() -> dict[str, str]:
    """Return this process's variables without those that say how threads wait."""
    names = {"OMP_WAIT_POLICY", *CALM_THREADS}
    return {name: value for name, value in os.environ.items() if name not in names}


def measure(waiting: str, size: int, network: str, repeats: int) -> list[float]:
    """Return `style_seconds` of a new process whose threads wait in this way, a key of WAITING."""
    code = f"{WAITING[waiting]}; import json; print(json.dumps(busy.style_seconds({size}, {network!r}, {repeats})))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(size: int, network: str, repeats: int, threads: Sequence[int]) -> pd.DataFrame:
    """Return the columns waiting, beside, seconds (median of the steps) and times_quiet (over those of no other)."""
    rows = []
    with tqdm(total=len(WAITING) * (1 + len(threads)), desc="Style steps", disable=None) as bar:
        for waiting in WAITING:
            for count in (0, *threads):
                with competitor(count):
                    seconds = pd.Series(measure(waiting, size, network, repeats)).median()
                rows.append((waiting, f"torch with {count} threads" if count else "nothing", seconds))
                bar.update()
    frame = pd.DataFrame(rows, columns=["waiting", "beside", "seconds"])
    return frame.assign(times_quiet=frame.seconds / frame.groupby("waiting").seconds.transform("first"))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.busy", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256, help="pixels of the square image (256)")
    parser.add_argument("--network", choices=("vgg19", "alexnet"), default="vgg19")
    parser.add_argument("--repeats", type=int, default=5, help="steps of which the median counts (5)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of the other program (1 2)")
    return parser


def work(options: argparse.Namespace) -> None:
    """Print the table."""
    table = compare(options.size, options.network, options.repeats, options.threads)
    print(table.to_string(index=False, float_format="%.3f"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments)


if __name__ == "__main__":
    sys.exit(main())
