"""`run.py data`: fetch paintings into data/ — WikiArt's Post-Impressionists, a public set, or those of any list."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..data.fetch import FOLDER, fetch_paintings, quiet_kagglehub
from ..data.protocols import fetch_list, fetch_vgdb
from ..files import ROOT, expand_home, read_csv
from .entry import run

INCOMPLETE = 1  # the exit code if some paintings are missing


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `data` command."""
    parser = argparse.ArgumentParser(
        prog="run.py data",
        description="Fetch paintings. The exit code is 1 if some are missing; missing.csv says which, and why.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--set", choices=("wikiart", "vgdb"), default="wikiart", help="a public set, from Kaggle (wikiart)"
    )
    what.add_argument("--list", type=Path, metavar="FILE.csv", help="or the pictures of a list: url, artist, split")
    folder = "the folder to fill (VG_DATA_DIR, else data/; in it vgdb/, or the list's name)"
    parser.add_argument("--data-dir", type=Path, help=folder)
    parser.add_argument("--from", type=Path, dest="copy", metavar="COPY", help="vgdb: a folder or archive you have")
    parser.add_argument("--split-column", default="", help="list: the column of the split, or its beginning (run_3)")
    parser.add_argument("--limit", type=int, help="fetch only this many paintings (not for vgdb)")
    parser.add_argument("--threads", type=int, default=4, help="files fetched at the same time, 1 to 8 (4)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the paintings, print how many there are, and return the exit code."""
    return run(build_parser(), fetch, arguments, "Stopped; the same command continues from here.")


def fetch(options: argparse.Namespace) -> int:
    """Fetch the paintings, print how many there are and how many are missing, and return the exit code."""
    check_options(options)
    data = expand_home(os.environ.get("VG_DATA_DIR") or ROOT / "data")
    if options.list:
        folder = expand_home(options.data_dir or data / options.list.stem)
        missing = fetch_list(
            expand_home(options.list), folder, options.split_column, limit=options.limit, num_threads=options.threads
        )
    elif options.set == "vgdb":
        folder = expand_home(options.data_dir or data / "vgdb")
        copy = expand_home(options.copy) if options.copy else None
        missing = fetch_vgdb(folder, copy, num_threads=options.threads)
    else:
        folder = expand_home(options.data_dir or data)
        quiet_kagglehub()
        missing = fetch_paintings(folder, options.limit, options.threads)
        print(f"{sum(1 for _ in (folder / FOLDER).glob('*.jpg')):,} paintings in {folder / FOLDER}")
    if options.list or options.set == "vgdb":
        print(_summary(folder))
    if missing.empty:
        return 0
    print(f"{len(missing):,} could not be fetched, see {folder / 'missing.csv'}; another run tries them again")
    return INCOMPLETE


def check_options(options: argparse.Namespace) -> None:
    """Raise a ValueError that names the option that does not fit, alone or beside others."""
    of_vgdb = options.list is None and options.set == "vgdb"
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit {options.limit} must be 1 or more")
    if not 1 <= options.threads <= 8:
        raise ValueError(f"--threads {options.threads} must be from 1 to 8")
    if options.copy and not of_vgdb:
        raise ValueError("--from names a copy of VGDB: add --set vgdb, or leave it out")
    if options.split_column and not options.list:
        raise ValueError("--split-column names a column of a list: give the list with --list FILE.csv")
    if options.limit and of_vgdb:
        raise ValueError("--limit does not fit --set vgdb, whose split needs all its paintings: leave it out")


def _summary(folder: Path) -> str:
    """Return what a protocol's folder holds, and how to use its split."""
    rows = read_csv(folder / "classes.csv", text=("filename", "artist", "split", "url"))
    here = rows[[(folder / name).is_file() for name in rows["filename"]]]
    counts = here["split"].value_counts()
    parts = ", ".join(f"{counts[name]:,} {name}" for name in ("train", "val", "test") if name in counts)
    text = f"{len(here):,} of {len(rows):,} paintings are in {folder / FOLDER}{f' ({parts})' if parts else ''}"
    if not parts:
        return f"{text}; use them with `python3 run.py report --data-dir {folder}`"
    return f"{text}; take this split with `python3 run.py report --data-dir {folder} -p 02_classify.split=given`"


if __name__ == "__main__":
    sys.exit(main())
