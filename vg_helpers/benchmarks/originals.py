"""What large original files cost: index, cache and texture, per file and for a whole collection.

Convention: the files are made here, as large as WikiArt's. All steps grow in proportion to the number of files, except
the search for twins in the index, which is measured on the files that were made.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pandas as pd
import psutil

from ..classify.joint import texture_extractor
from ..classify.setup import Setup
from ..classify.texture import paintings_moments
from ..commands.entry import run
from ..data.labels import STYLE_FOLDER
from ..data.paintings import index_paintings
from ..device import pick_device
from . import loading

COLLECTION = 6450  # WikiArt's Post-Impressionists on Kaggle


def make_collection(data_dir: Path, count: int) -> None:
    """Write so many large paintings, the first half of them Van Goghs."""
    folder = data_dir / STYLE_FOLDER
    folder.mkdir(parents=True)
    for number, path in enumerate(loading.make_originals(folder, count, loading.LONG_SIDE)):
        painter = "vincent-van-gogh" if number < count // 2 else "claude-monet"
        path.replace(folder / f"{painter}_painting-{number}.jpg")


def measure(setup: Setup, network: str, patches: list[int]) -> pd.DataFrame:
    """Return one row per step: step, seconds and megabytes on disk per file, and memory_gb, the growth of the process.

    Args:
        patches: of each file, one step for each number.
    """
    process, rows = psutil.Process(), []
    count = len(list((setup.data_dir / STYLE_FOLDER).iterdir()))

    def timed(step: str, folder: Path, function: Callable[..., Any], *arguments: Any) -> Any:
        started, size, memory = perf_counter(), _bytes(folder), process.memory_info().rss
        result = function(*arguments)
        grown = (process.memory_info().rss - memory) / 1e9
        rows.append([step, (perf_counter() - started) / count, (_bytes(folder) - size) / count / 1e6, grown])
        return result

    index, _ = timed("index and cache", setup.cache_dir, index_paintings, setup.data_dir, setup.cache_dir)
    setup.state_dir.mkdir(parents=True, exist_ok=True)
    for number in patches:
        step = f"texture, {number} patches" if number else "texture of the centre"
        timed(step, setup.state_dir, paintings_moments, texture_extractor(network, setup), index, setup, number)
    return pd.DataFrame(rows, columns=["step", "seconds", "megabytes", "memory_gb"])


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def main(arguments: list[str] | None = None) -> int:
    """Print what large original files cost, per file and for WikiArt's Post-Impressionists."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.originals", description=main.__doc__)
    parser.add_argument("--files", type=int, default=40, help="number of files to make, at least 2")
    parser.add_argument(
        "--patches", type=int, nargs="+", default=[0, 8], help="patches of each file; 0: the centre alone"
    )
    parser.add_argument("--network", choices=("vgg19", "alexnet"), default="vgg19")
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--device", default="auto")
    return run(parser, work, arguments)


def work(options: argparse.Namespace) -> None:
    """Make the files, measure, and print the table."""
    if options.files < 2:
        raise ValueError(f"--files {options.files} must be at least 2")
    with TemporaryDirectory() as folder:
        places = [Path(folder, name) for name in ("data", "cache", "state")]
        make_collection(places[0], options.files)
        setup = Setup(*places, pick_device(options.device), weights=options.weights)
        table = measure(setup, options.network, options.patches)
    table[f"minutes for {COLLECTION:,}"] = table["seconds"] * COLLECTION / 60
    table[f"GB for {COLLECTION:,}"] = table["megabytes"] * COLLECTION / 1e3
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    sys.exit(main())
