"""`run.py data`: fetch WikiArt's Post-Impressionists into data/."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..data.fetch import FOLDER, fetch_paintings, quiet_kagglehub
from ..files import ROOT, expand_home
from .entry import run


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `data` command."""
    parser = argparse.ArgumentParser(prog="run.py data", description="Fetch the paintings from Kaggle into data/.")
    default = expand_home(os.environ.get("VG_DATA_DIR") or ROOT / "data")
    parser.add_argument("--data-dir", type=Path, default=default, help="the folder to fill (VG_DATA_DIR, else data/)")
    parser.add_argument("--limit", type=int, help="fetch only this many paintings")
    parser.add_argument("--threads", type=int, default=4, help="files fetched at the same time")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the paintings, print how many there are, and return the exit code."""
    return run(build_parser(), fetch, arguments, "Stopped; the same command continues from here.")


def fetch(options: argparse.Namespace) -> None:
    """Fetch the paintings and print how many there are and how many are missing."""
    for name in ("limit", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} {value} must be 1 or more")
    folder = expand_home(options.data_dir)
    quiet_kagglehub()
    missing = fetch_paintings(folder, options.limit, options.threads)
    count = sum(1 for _ in (folder / FOLDER).glob("*.jpg"))
    print(f"{count:,} paintings in {folder / FOLDER}")
    if len(missing):
        print(f"{len(missing):,} could not be downloaded, see {folder / 'missing.csv'}; another run tries them again")


if __name__ == "__main__":
    sys.exit(main())
