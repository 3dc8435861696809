"""What `predict` can do: `python -m vg_helpers.benchmarks.shards --profile full`, per stage and by several processes.

Convention: stages are CPU milliseconds per picture on one thread, so that another busy program does not count. Rates
are pictures per second by the clock, from the moment at which all processes have loaded the classifier.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ..classify.judge import BATCH, views_of
from ..commands import predict
from ..commands.entry import run
from ..device import steady_memory
from ..images import read_pixels
from . import loading

SIDES = (324, loading.LONG_SIDE)  # pixels of the longer side: of a sample of 256 by 324, and of WikiArt's originals
COLLECTIONS = (10**6, 10**7)


def cpu_ms(function: Callable[[], Any], count: int, repeats: int = 3) -> float:
    """Return the CPU milliseconds of a call per picture, the least of several calls."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        seconds.append(time.process_time() - started)
    return 1000 * min(seconds) / count


def stages(trained: predict.Trained, paths: list[Path]) -> dict[str, float]:
    """Return the CPU milliseconds of decoding, transforming and judging a picture."""
    batch = max(1, BATCH // trained.views)
    pixels = [read_pixels(path) for path in paths]
    images = torch.stack([views_of(picture, trained.views) for picture in (pixels * batch)[:batch]])
    with steady_memory(trained.device):  # as in `predict`
        return {
            "decode": cpu_ms(lambda: [read_pixels(path) for path in paths], len(paths)),
            "transform": cpu_ms(lambda: [views_of(picture, trained.views) for picture in pixels], len(paths)),
            "network": cpu_ms(lambda: trained.answer(images.to(trained.device)), batch),
        }


def bound_by(times: dict[str, float]) -> str:
    """Return the stage that takes most of the time.

    >>> bound_by({"decode": 10.0, "network": 300.0})
    'network'
    """
    return max(times, key=times.__getitem__)


def rate(options: argparse.Namespace, paths: list[Path], count: int) -> tuple[float, float]:
    """Return pictures per second of so many processes with a thread each, and CPU milliseconds per picture."""
    context = get_context("spawn")
    gate, results = context.Barrier(count), context.Queue()
    shares = [paths[number::count] for number in range(count)]
    processes = [context.Process(target=_judge, args=(options, share, gate, results)) for share in shares]
    for process in processes:
        process.start()
    ends = [results.get() for _ in processes]
    for process in processes:
        process.join()
    starts, stops, seconds = zip(*ends, strict=True)
    return len(paths) / (max(stops) - min(starts)), 1000 * sum(seconds) / len(paths)


def _judge(options: argparse.Namespace, paths: list[Path], gate: Any, results: Any) -> None:
    torch.set_num_threads(1)
    trained = predict.load_trained(options)
    names = [(str(path), "") for path in paths]
    list(predict.judged(names[:4], trained))
    gate.wait()
    started, cpu = time.time(), time.process_time()
    list(predict.judged(names, trained))
    results.put((started, time.time(), time.process_time() - cpu))


def forecast(times: dict[str, float], network_rate: float, count: int) -> tuple[float, float]:
    """Return the hours that a collection takes a device, and the cores that keep it busy.

    Args:
        network_rate: pictures per second of the network on the device.

    >>> forecast({"decode": 9.0, "transform": 1.0}, 1000.0, 3_600_000)
    (1.0, 10.0)
    """
    return count / network_rate / 3600, network_rate * (times["decode"] + times["transform"]) / 1000


def main(arguments: list[str] | None = None) -> int:
    """Print what each stage of `predict` takes, how fast several processes are, and what a large collection takes."""
    parser = predict.build_parser()
    parser.prog, parser.description = "python -m vg_helpers.benchmarks.shards", main.__doc__
    parser.add_argument("--count", type=int, default=32, help="number of JPEG files to make of each size")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    return run(parser, work, ["-", *(sys.argv[1:] if arguments is None else arguments)])


def work(options: argparse.Namespace) -> None:
    """Make the files, measure and print."""
    torch.set_num_threads(1)
    trained = predict.load_trained(options)
    with TemporaryDirectory() as folder:
        for side in SIDES:
            place = Path(folder, str(side))
            place.mkdir()
            paths = loading.make_originals(place, options.count, side)
            times = stages(trained, paths[:16])
            shown = ", ".join(f"{stage} {value:.1f} ms" for stage, value in times.items())
            print(f"{side}-pixel files: {shown}; bound by the {bound_by(times)}", flush=True)
            for processes in options.processes:
                per_second, milliseconds = rate(options, paths, processes)
                print(
                    f"  {processes} processes: {per_second:.2f} pictures/s, {milliseconds:.0f} CPU ms each", flush=True
                )
    if trained.device.type == "cpu":
        times["network"] *= 1 / (os.cpu_count() or 1)
    for count in COLLECTIONS:
        hours, cores = forecast(times, 1000 / times["network"], count)
        print(f"{count:,} files of {side} pixels: {hours:.1f} hours of the network; {cores:.2f} cores to decode for it")


if __name__ == "__main__":
    sys.exit(main())
