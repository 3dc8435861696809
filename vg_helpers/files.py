"""Files written whole or not at all: text, JSON, CSV, tensors; and the hashes that name their content.

Convention: text is UTF-8. Names of files may hold bytes that are not (old zip archives); such a name is written and
read back byte for byte.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[1]  # the project's folder
NAMES = "name path path_train file filename photo content content_path style style_path"
WORDS = "artist title title_train reason phash extractor network medium decision error source licence recipe"
TEXT_COLUMNS = frozenset(f"{NAMES} {WORDS} split split_seed split_grouped split_given".split())  # of the whole chain
# What reading text raises, what NumPy raises for a file that was cut, and what taking apart one that holds something
# else raises
UNREADABLE = (OSError, ValueError)
CUT = (*UNREADABLE, EOFError)
MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, OverflowError)
NO_RECORD = (OSError, *MALFORMED)  # what reading a record raises that is missing, cut or something else
UNDECODED = sys.getfilesystemencodeerrors()  # how names that are not UTF-8 come as text
LONGEST_NAME = 100  # bytes: two names, a network's and a suffix together stay below the 255 that file systems allow


def short_name(name: str, longest: int = 150) -> str:
    """Return a part of a file's name as it is, or its beginning and a hash if it has more than `longest` bytes.

    File systems take 255 bytes.

    >>> short_name("starry-night")
    'starry-night'
    """
    return name if len(os.fsencode(name)) <= longest else f"{name[:24]}-{fingerprint(name)}"


def result_name(style: str, content: str, extractor: str) -> str:
    """Return the file name of a repainted photo.

    >>> result_name("starry-night", "harbour", "vgg19")
    'result_starry-night_harbour_vgg19.png'
    """
    return f"result_{short_name(style, 100)}_{short_name(content, 100)}_{extractor}.png"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{short_name(path.stem)}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def check_place(path: str | Path, room: int = 0) -> None:
    """Make sure, before a long computation, that its result can be written to `path`; nothing is made there.

    Args:
        room: bytes that must be free.

    Raises:
        OSError: if `path` is a folder, its folder cannot be made or written, its name is too long or the disk is full.
    """
    path = Path(path)
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, "this is a folder; name a file in it", str(path))
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "writing this file is not allowed", str(path))
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    try:
        for name in path.absolute().relative_to(folder).parts:
            with suppress(FileNotFoundError):  # a name that is too long is another error
                os.lstat(folder / name)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"0")
    except OSError as error:  # which names a file that nobody asked for
        raise type(error)(error.errno, error.strerror, str(path)) from error
    if shutil.disk_usage(folder).free < room:
        raise OSError(errno.ENOSPC, f"{room / 1e6:.0f} MB are needed", str(path))


def expand_home(path: str | Path) -> Path:
    """Return a path whose ~ is the home folder; one that names nobody's home stays as it is.

    >>> str(expand_home("~nobody-of-this-name/x"))
    '~nobody-of-this-name/x'
    """
    return Path(os.path.expanduser(path))  # Path.expanduser raises a RuntimeError


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8", errors=UNDECODED, newline="\n")


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON; NumPy scalars and arrays become numbers and lists, everything else unknown its `str`."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n")


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        ValueError: if the file is empty or damaged; the sentence names it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8", errors=UNDECODED))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is empty or damaged ({error}); run again what writes it") from error


def write_csv(path: str | Path, frame: Any) -> None:
    """Write a pandas frame without its index."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def read_csv(path: str | Path, text: Collection[str] = TEXT_COLUMNS) -> Any:
    """Return a CSV file as a pandas frame in which text columns stay text: a photo may be called 001 or NA.

    Args:
        text: names of text columns, in which an empty cell is "". In the others it is NaN.

    Raises:
        ValueError: if the file is empty or damaged; the sentence names it.
    """
    import pandas as pd

    options = {"encoding": "utf-8", "encoding_errors": UNDECODED}
    try:
        columns = pd.read_csv(path, nrows=0, **options).columns
        numbers = {column: ["", "nan", "NaN"] for column in columns if column not in text}
        words = {column: object for column in columns if column in text}
        return pd.read_csv(path, dtype=words, keep_default_na=False, na_values=numbers, **options)
    except ValueError as error:
        raise ValueError(f"{path} is empty or damaged ({error}); run again what writes it") from error


def save_torch(path: str | Path, content: Any) -> None:
    """Write tensors and plain values, to be read with `torch.load(path, weights_only=True)`."""
    import torch

    with atomic(path) as part, part.open("wb") as stream:  # given a path, torch would write its name into the file
        writer = _Writer(stream)
        try:
            torch.save(content, writer)
        except RuntimeError as error:  # torch's own, about what the stream could not take
            raise writer.error or error from error


class _Writer:
    """A stream that keeps the error with which writing failed, such as a full disk."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.error = stream, None

    def write(self, data: bytes) -> int:
        try:
            return self.stream.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.stream.flush()


def load_torch(path: str | Path, advice: str, **options: Any) -> Any:
    """Return what `save_torch` wrote, on the CPU.

    Args:
        advice: what to do about a damaged file, as the end of a sentence.

    Raises:
        ValueError: if it is damaged or holds something else; the sentence names the file.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, **options)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # a file that was cut or is something else: torch and pickle raise many kinds
        reason = str(error).strip().split("\n")[0].split(". ")[0] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}); {advice}") from error


def set_aside(path: str | Path) -> Path:
    """Rename a damaged file to <name>.damaged, say so, and return its new path."""
    path = Path(path)
    damaged = path.with_name(f"{path.name}.damaged")
    os.replace(path, damaged)
    print(f"{path} is damaged: it is now called {damaged.name}, and what it held is computed again.")
    return damaged


def file_sha256(path: str | Path) -> str:
    """Return a file's SHA-256 as 64 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(*parts: Any) -> str:
    """Return 16 hex digits that change when any of the JSON-able parts changes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()[:16]


def printable(text: str) -> str:
    """Return a text that can be shown and encoded: bytes that are no UTF-8 become "�", line breaks and the like spaces.

    >>> printable("caf\\udce9\\n")
    'caf� '
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", re.sub("[\ud800-\udfff]", "\ufffd", text))


def unique_names(paths: Sequence[str | Path]) -> list[str]:
    """Return a name for each file: its stem, fit for further file names and different from all others.

    Upper and lower case count as the same, as they do on macOS and Windows.

    >>> unique_names(["a/sky.jpg", "b/sky.png", "c/001.jpg"])
    ['sky', 'sky-2', '001']
    """
    names, taken = [], set()
    stems = [_short(printable(Path(path).stem).replace("\ufffd", "_").strip() or "picture") for path in paths]
    for stem in stems:
        name, number = stem, 1
        while _same(name) in taken or (number > 1 and _same(name) in map(_same, stems)):
            number += 1
            name = f"{stem}-{number}"
        taken.add(_same(name))
        names.append(name)
    return names


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _short(stem: str) -> str:
    """Return a stem of at most LONGEST_NAME bytes; a longer one ends in the hash of what it was."""
    raw = stem.encode()
    if len(raw) <= LONGEST_NAME:
        return stem
    return f"{raw[: LONGEST_NAME - 9].decode(errors='ignore')}-{fingerprint(stem)[:8]}"


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
