"""Where a command may write its table: never over a file that it reads, and only over a table that it wrote before."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..files import check_place

FOOTER = 2**20  # bytes at a Parquet file's end, in which its columns are named


def check_table(
    path: Path, columns: Sequence[str], inputs: Iterable[Path] = (), suffixes: Sequence[str] = (".csv",)
) -> None:
    """Try the place of a table, before any work.

    Args:
        columns: the first columns of such a table, by which an earlier one is known.
        inputs: the files that the command reads.
        suffixes: of which the name must end in one.

    Raises:
        ValueError: if the name does not fit, or the place holds a file to read or something that is no such table.
        OSError: if nothing can be written there.
    """
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"--out {path} must end in {' or '.join(suffixes)}")
    check_place(path)
    if not path.exists():
        return
    if any(other.exists() and path.samefile(other) for other in inputs):
        raise ValueError(f"--out {path} is one of the files to read; give another name")
    if not _begins_with(path, columns):
        raise ValueError(f"--out {path} holds something else; give another name")


def _begins_with(path: Path, columns: Sequence[str]) -> bool:
    with path.open("rb") as stream:
        if path.suffix.lower() != ".parquet":
            start = ",".join(columns).encode()
            return stream.read(len(start)) == start
        stream.seek(max(0, path.stat().st_size - FOOTER))
        end = stream.read()
        return end.endswith(b"PAR1") and all(name.encode() in end for name in columns)
