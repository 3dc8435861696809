"""Read thousands of damaged pictures, by hand: `python tests/fuzz_images.py [COUNT] [SEED]`.

Each is to become a picture or one sentence: no other error, no crash, nothing that takes longer than LIMIT seconds, and
never more than MEMORY bytes. The exit code is 1 if one is not. A file that fails is kept in the folder that is printed.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from multiprocessing import TimeoutError, get_context
from pathlib import Path

import psutil
from test_images import damaged, seeds
from tqdm import tqdm

from vg_helpers.images import ImageError, image_size, load_image, load_mask, read_metadata, read_pixels

LIMIT, MEMORY = 10, 2e9


def read(path: Path) -> tuple[str, float, int]:
    """Return how reading the file in every way ended, the seconds it took, and this process's memory in bytes."""
    import torchvision  # noqa: F401  its import is not to be counted

    began, ends = time.perf_counter(), set()
    for load in (image_size, read_pixels, load_image, lambda file: load_mask(file, (20, 30)), read_metadata):
        try:
            load(path)
            ends.add("picture")
        except ImageError as error:
            ends.add("sentence" if "\n" not in str(error) and path.name in str(error) else f"bad sentence {error}")
        except Exception as error:  # this is what the script is there to find
            ends.add(f"traceback {error!r}")
    worst = max(ends, key=lambda end: -1 if end == "picture" else end != "sentence")
    return worst, time.perf_counter() - began, psutil.Process().memory_info().rss


def main(count: int = 2000, seed: int = 0) -> int:
    """Read `count` damaged files and print how they ended; return the exit code."""
    folder, files, rng = Path(tempfile.mkdtemp()), seeds(), random.Random(seed)
    ends, slowest, most = Counter(), 0.0, 0
    pool = get_context("spawn").Pool(1)
    for number in tqdm(range(count), unit="file"):
        name = rng.choice(sorted(files))
        path = folder / f"{number:05}-{name}"
        path.write_bytes(damaged(files[name], rng))
        try:
            end, seconds, memory = pool.apply_async(read, (path,)).get(timeout=LIMIT + 20 * (number == 0))
        except TimeoutError:  # also what the end of a crashed process looks like
            end, seconds, memory = "hang or crash", LIMIT, 0
            pool.terminate()
            pool = get_context("spawn").Pool(1)
        ends[end] += 1
        slowest, most = max(slowest, seconds), max(most, memory)
        if end in ("picture", "sentence"):
            path.unlink()
    pool.terminate()
    print(f"{count} files, seed {seed}: {dict(ends)}; slowest {slowest:.2f} s, at most {most / 1e6:.0f} MB, {folder}")
    return int(set(ends) > {"picture", "sentence"} or most > MEMORY)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
