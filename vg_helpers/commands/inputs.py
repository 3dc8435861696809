"""Which pictures a command is given: files, folders, patterns, lists and tables, always in the same order.

Convention: a picture is named by a path, relative to the current folder, or by an http(s) address.
"""

import codecs
import csv
import glob
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from ..files import UNDECODED, expand_home
from ..images import SUFFIXES, ImageError, Upload, list_images

LISTS, TABLES = (".txt", ".lst"), (".csv", ".parquet")
COLUMNS = ("path", "file", "filename", "url", "image_url")  # of a table; the first that it has counts
TEXT = {"encoding": "utf-8-sig", "errors": UNDECODED, "newline": ""}


def pictures_of(name: str) -> Iterator[str]:
    """Yield the path or address of each picture that a name stands for.

    A folder stands for the pictures in it, a pattern such as "scans/**/*.jpg" for those that match, a text file for
    the paths in it, one a line, and a table (CSV, or Parquet where pyarrow is installed) for a column of COLUMNS.

    Raises:
        ValueError: if there are none; the sentence says why.
    """
    path = expand_home(name)
    if is_address(name):
        yield name
    elif path.is_dir():
        yield from map(str, list_images(path))
    elif glob.has_magic(name) and not path.exists():
        yield from _matches(str(path))
    elif path.suffix.lower() in LISTS:
        with _open(path) as lines:
            yield from _some(filter(None, (line.strip("\r\n") for line in lines)), path, "path a line")
    elif path.suffix.lower() in TABLES:
        yield from _some(filter(None, _cells(path)), path, "row for each, below its header")
    else:
        yield str(path)


def folders_of(name: str) -> list[Path]:
    """Return the folder from which a name takes pictures itself, as a list does not.

    >>> [str(folder) for folder in folders_of("scans/**/*.jpg")], folders_of("a.csv")
    (['scans'], [])
    """
    path = expand_home(name)
    if path.is_dir():
        return [path]
    if is_address(name) or path.suffix.lower() in (*LISTS, *TABLES):
        return []
    fixed = itertools.takewhile(lambda part: path.exists() or not glob.has_magic(part), path.parts[:-1])
    return [Path(*fixed)]


def is_address(name: str) -> bool:
    """Return whether a name is an http(s) address.

    >>> is_address("https://example.org/a.jpg"), is_address("https.jpg")
    (True, False)
    """
    return re.match("https?://", name, re.IGNORECASE) is not None


def _matches(pattern: str) -> list[str]:
    files = (name for name in glob.iglob(pattern, recursive=True) if Path(name).suffix.lower() in SUFFIXES)
    if matches := sorted(name for name in files if Path(name).is_file()):
        return matches
    raise ValueError(f"no picture matches {pattern}; in ** and * a name that begins with a dot does not count")


def _open(path: Path) -> TextIO:
    """Return a list's or a table's text.

    Raises:
        ValueError: if it is not UTF-8, as Windows writes it.
    """
    stream = path.open("rb")
    start = stream.peek(64)[:64]
    if b"\0" in start or start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        stream.close()
        raise ValueError(f"{path} is UTF-16, or no text: save it as UTF-8")
    return io.TextIOWrapper(stream, **TEXT)


def _some(names: Iterator[str], path: Path, wanted: str) -> Iterator[str]:
    """Yield the names; raise a ValueError that names the file if there are none."""
    first = next(names, None)
    if first is None:
        raise ValueError(f"{path} lists no pictures; write one {wanted}")
    yield first
    yield from names


def _cells(path: Path) -> Iterator[str]:
    """Yield the cells of the column that names pictures."""
    if path.suffix.lower() == ".parquet":
        yield from _parquet_cells(path)
        return
    try:
        with _open(path) as lines:
            rows = csv.DictReader(lines, strict=True)
            column = _column(rows.fieldnames or [], path)
            yield from (row[column] or "" for row in rows)
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a table ({error}); write it as CSV again") from error


def _parquet_cells(path: Path) -> Iterator[str]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError(f"{path} needs pyarrow: install it, or write the table as CSV") from error
    try:
        with ParquetFile(path) as table:
            column = _column(table.schema_arrow.names, path)
            for batch in table.iter_batches(columns=[column]):
                yield from (cell or "" for cell in batch.column(0).to_pylist())
    except ArrowInvalid as error:
        raise ValueError(f"{path} cannot be read as a table ({error}); write it again") from error


def _column(names: Any, path: Path) -> str:
    for column in COLUMNS:
        for name in names:
            if name.strip().casefold() == column:
                return name
    raise ValueError(f"{path} has no column that names pictures; call one of its columns path or url")


def source_of(name: str) -> Path | Upload:
    """Return what `images` reads for a path or an address."""
    return Remote(name) if is_address(name) else Path(name)


@dataclass(frozen=True)
class Remote(Upload):
    """A picture at an address. It is fetched when it is read, and nothing of it stays on disk."""

    data: bytes = b""

    @cached_property
    def content(self) -> bytes:
        """The file's bytes.

        Raises:
            ImageError: if it cannot be fetched or is no picture.
        """
        with TemporaryDirectory() as folder:
            file = Path(folder, "picture")
            if reason := _downloader().fetch(self.name, file):
                raise ImageError(self.name, reason, "check the address")
            return file.read_bytes()

    def open(self, mode: str = "rb") -> io.BytesIO:
        """Return a stream of the bytes."""
        return io.BytesIO(self.content)


@cache
def _downloader() -> Any:
    from ..data.download import Downloader  # here alone, so that local files are judged sooner

    return Downloader(Path())
