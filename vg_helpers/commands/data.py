"""`run.py data`: fetch WikiArt's Post-Impressionists into data/."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..data.fetch import FOLDER, _quiet, fetch_paintings


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the paintings, say what is there, and return the exit code."""
    parser = argparse.ArgumentParser(prog="run.py data", description="Fetch the paintings from Kaggle into data/.")
    default = Path(os.environ.get("VG_DATA_DIR") or Path(__file__).parents[2] / "data")
    parser.add_argument("--data-dir", type=Path, default=default)
    parser.add_argument("--limit", type=int, help="fetch only this many paintings")
    parser.add_argument("--threads", type=int, default=4, help="files fetched at the same time")
    options = parser.parse_args(arguments)
    try:
        for name in ("limit", "threads"):
            if getattr(options, name) is not None and getattr(options, name) < 1:
                raise ValueError(f"--{name} {getattr(options, name)} must be 1 or more")
        _quiet()
        missing = fetch_paintings(options.data_dir, options.limit, options.threads)
    except (ValueError, OSError) as error:
        print(f"run.py data: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run.py data: stopped; run the same command again to go on", file=sys.stderr)
        return 130
    there = sum(1 for _ in (options.data_dir / FOLDER).glob("*.jpg"))
    print(f"{there:,} paintings in {options.data_dir / FOLDER}")
    if len(missing):
        print(
            f"{len(missing):,} could not be had, see {options.data_dir / 'missing.csv'}; another run tries them again"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
