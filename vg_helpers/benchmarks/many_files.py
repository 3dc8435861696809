"""Time and memory of 01's index for many files: `python -m vg_helpers.benchmarks.many_files --count 100000`.

Convention: the files are small synthetic JPEGs in a temporary folder, some of them copies. Each count is measured in a
process of its own, so that its peak memory is its own. No cache is filled; it would take 20 GB for 100,000 files.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
import pandas as pd
import psutil
from PIL import Image

from ..data.labels import STYLE_FOLDER
from ..data.paintings import index_paintings
from ..data.twins import group_paintings

ARTISTS, VAN_GOGHS, COPIES = 40, 0.1, 0.02  # artists; shares of the files
CELLS = 8  # of a picture's side: coarse noise, whose hashes differ as those of paintings do
MILLION = 1_000_000


def make_files(data_dir: Path, count: int, side: int, seed: int = 0) -> None:
    """Write JPEG files of noise by ARTISTS artists, one of them Van Gogh; COPIES of them are compressed anew."""
    folder, rng = data_dir / STYLE_FOLDER, np.random.default_rng(seed)
    folder.mkdir(parents=True)
    picture = None
    for number in range(count):
        is_copy = picture is not None and rng.random() < COPIES
        if not is_copy:
            artist = "vincent-van-gogh" if rng.random() < VAN_GOGHS else f"painter-{rng.integers(1, ARTISTS)}"
            noise = Image.fromarray(rng.integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8))
            picture = noise.resize((side, side), Image.Resampling.BICUBIC)
        picture.save(folder / f"{artist}_picture-no{number}.jpg", quality=70 if is_copy else 90)


def measure(data_dir: Path) -> dict[str, float]:
    """Return how long the index of a folder takes, and the peak of this process's memory in MB."""
    wall, cpu = perf_counter(), process_time()
    index, _ = index_paintings(data_dir, None)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    twins = process_time()
    group_paintings(index)
    twins = process_time() - twins
    groups = index["group"].nunique()
    facts = {"files": len(index), "groups": groups, "seconds": wall, "cpu_seconds": cpu, "twins_cpu_seconds": twins}
    return facts | {"peak_mb": peak_memory() / MILLION}


def peak_memory() -> int:
    """Return the largest memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a tenth of the count and the count; print both, and how many times as long the second took."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.many_files", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="files; a tenth of them is measured first")
    parser.add_argument("--size", type=int, default=64, help="pixels of a side")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made (the system's)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return 0
    rows = []
    for count in (max(100, options.count // 10), options.count):
        with TemporaryDirectory(dir=options.folder) as folder:
            make_files(Path(folder), count, options.size)
            command = [sys.executable, "-m", "vg_helpers.benchmarks.many_files", "--measure", folder]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    table = pd.DataFrame(rows)
    print(table.round(1).to_string(index=False))
    ratio = table.iloc[-1] / table.iloc[0]
    print(f"{ratio['files']:.3g} times the files: {ratio['cpu_seconds']:.1f} times the CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
