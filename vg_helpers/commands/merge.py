"""The `merge` command: the parts that shards of `predict` wrote, as one file in the order of the whole list."""

import argparse
import csv
import re
import sys
from pathlib import Path

from ..files import UNDECODED, atomic, expand_home
from .entry import run
from .outputs import check_table
from .shards import ANSWERS, complete, merge

DESCRIPTION = "Join the parts that `predict` wrote into a folder, in the order of the whole list."
NUMBERS = ("p_van_gogh", "p_low", "p_high")  # columns of a Parquet file that are no text


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="run.py merge", description=DESCRIPTION)
    parser.add_argument("folder", type=expand_home, help="the folder that --out of `predict` named")
    place = "file to write: .csv, or .parquet where pyarrow is installed (answers.csv in the folder)"
    parser.add_argument("--out", type=expand_home, metavar="FILE", help=place)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Write the file; return 0, 1 if it has pictures that could not be read, 2 if a part is missing or damaged."""
    return run(build_parser(), work, arguments)


def work(options: argparse.Namespace) -> int:
    """Merge, and say how many rows there are."""
    if options.folder.is_file():
        raise ValueError(f"{options.folder} is a file: name the folder that --out of `predict` named")
    out = options.out or options.folder / "answers.csv"
    if re.fullmatch(r"part-\d+-of-\d+", out.stem):
        raise ValueError(f"--out {out} is the name of a part; give another name")
    check_table(out, ANSWERS, suffixes=(".csv", ".parquet"))
    complete(options.folder)  # before a file is begun
    with atomic(out) as part:
        table = part.with_suffix(".csv")
        try:
            total, unread = write_merged(options.folder, table)
            if table != part:
                convert_to_parquet(table, part)
        finally:
            if table != part:
                table.unlink(missing_ok=True)
    print(f"{out}: {total} rows" + (f", {unread} of them with an error" if unread else ""))
    return int(unread > 0)


def write_merged(folder: Path, table: Path) -> tuple[int, int]:
    """Write the parts in a folder as one CSV file; return how many rows there are, and how many with an error."""
    unread, place = 0, None
    with table.open("w", encoding="utf-8", errors=UNDECODED, newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")

        def write(row: list[str]) -> None:
            nonlocal unread, place
            if place is None:
                place = row.index("error") if "error" in row else -1
            elif place >= 0:
                unread += row[place] != ""
            writer.writerow(row)

        return merge(folder, write), unread


def convert_to_parquet(table: Path, target: Path) -> None:
    """Write a CSV file as Parquet, a piece at a time.

    Raises:
        ValueError: if pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import csv as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError("a .parquet file needs pyarrow: install it, or end the name of --out in .csv") from error
    with table.open(encoding="utf-8", errors=UNDECODED, newline="") as stream:
        header = next(csv.reader(stream))
    types = {name: pyarrow.float64() if name in NUMBERS else pyarrow.string() for name in header}
    options = {
        "parse_options": arrow.ParseOptions(newlines_in_values=True),
        "convert_options": arrow.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False),
    }
    with arrow.open_csv(table, **options) as pieces, parquet.ParquetWriter(target, pieces.schema) as writer:
        for piece in pieces:
            writer.write_batch(piece)


if __name__ == "__main__":
    sys.exit(main())
