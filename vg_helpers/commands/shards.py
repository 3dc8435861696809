"""One share of a long list for each of several processes, and one file of all their rows in the end.

Convention: shard 3/16 takes the inputs number 2, 18, 34 … (from 0). Its rows lie in part-03-of-16/ in chunks while it
works, each named by its first row and the one after its last, and in part-03-of-16.csv when it is done. Whenever it is
killed, the chunks on disk are whole, and the same command goes on after them.
"""

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ..files import NO_RECORD, UNDECODED, atomic, read_json, write_json, write_text

CHUNK_SECONDS = 5.0  # of work that a kill can cost
ANSWERS = ("file", "p_van_gogh")  # the first columns of a table of `predict` or `merge`
POSITION = "row"  # the column of a part that says where in the whole list a row belongs


@dataclass(frozen=True)
class Shard:
    """Number `number` (from 1) of `count` processes that share a list."""

    number: int = 1
    count: int = 1

    @property
    def name(self) -> str:
        """The beginning of its files' names.

        >>> Shard(3, 16).name
        'part-03-of-16'
        """
        return f"part-{self.number:0{len(str(self.count))}}-of-{self.count}"

    def takes(self, position: int) -> bool:
        """Return whether the input at this position, from 0, is this shard's."""
        return position % self.count == self.number - 1


def read_shard(text: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the shard that "3/16" means, and of it the share of this process if torchrun started it.

    Raises:
        ValueError: if the text means none.

    >>> read_shard("2/4", {}), read_shard(None, {})
    (Shard(number=2, count=4), Shard(number=1, count=1))
    >>> read_shard("2/4", {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2"})
    Shard(number=4, count=8)
    """
    numbers = re.fullmatch(r"(\d+)/(\d+)", text or "1/1")
    number, count = map(int, numbers.groups()) if numbers else (0, 0)
    if not 0 < number <= count:
        raise ValueError(f"--shard {text} must be like 3/16: a number from 1, and how many there are")
    if "LOCAL_RANK" not in environment:
        return Shard(number, count)
    rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    return Shard((number - 1) * size + rank + 1, count * size)


def share(inputs: Iterable[Any], shard: Shard) -> tuple[list[Any], dict[str, Any]]:
    """Return a shard's inputs, and facts about the whole list that all its shards must have in common."""
    mine, total, digest = [], 0, hashlib.sha256()
    for total, item in enumerate(inputs, start=1):
        digest.update(f"{item}\n".encode(errors="surrogatepass"))
        if shard.takes(total - 1):
            mine.append(item)
    return mine, {"total": total, "list": digest.hexdigest()}


@dataclass
class Part:
    """The rows of one shard in a folder; `facts` say what they are made from, with the list's `total`.

    Raises:
        ValueError: if the folder holds parts of another list, or made otherwise; the sentence names them.
    """

    folder: Path
    shard: Shard
    columns: Sequence[str]
    facts: dict[str, Any]
    rows: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if odd := [shard for shard in _started(self.folder) if _facts(self.folder, shard) != self.facts]:
            raise ValueError(
                f"{self.folder} holds {_named(odd)} made from another list or classifier: give --out another folder, "
                f"or delete {_files(odd)} in it"
            )
        write_json(_record(self.folder, self.shard), self.facts)
        self.saved_at = time.monotonic()
        self.saved = self.done

    @property
    def file(self) -> Path:
        """Where the whole part will lie."""
        return self.folder / f"{self.shard.name}.csv"

    @property
    def total(self) -> int:
        """How many rows the whole part has."""
        return math.ceil((self.facts["total"] - self.shard.number + 1) / self.shard.count)

    @property
    def done(self) -> int:
        """How many rows are on disk."""
        return self.total if self.file.is_file() else max((end for _, end in self.chunks()), default=0)

    def chunks(self) -> list[tuple[Path, int]]:
        """Return the files of chunks that follow on each other, with the row after the last of each."""
        ends = {}
        for path in (self.folder / self.shard.name).glob("[0-9]*-[0-9]*.csv"):
            start, end = map(int, path.stem.split("-"))
            ends[start] = path, end
        found, start = [], 0
        while start in ends:
            found.append(ends[start])
            start = ends[start][1]
        return found

    def add(self, row: Mapping[str, Any]) -> None:
        """Take the next row; a cell that it lacks is empty."""
        position = (self.saved + len(self.rows)) * self.shard.count + self.shard.number - 1
        self.rows.append([position, *cells(row, self.columns)])
        if time.monotonic() - self.saved_at >= CHUNK_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the rows that are not on disk yet as one more chunk."""
        if self.rows:
            end = self.saved + len(self.rows)
            write_text(self.folder / self.shard.name / f"{self.saved:010}-{end:010}.csv", csv_text(self.rows))
            self.rows, self.saved = [], end
        self.saved_at = time.monotonic()

    def finish(self) -> None:
        """Put all chunks into the file of the part, unless an earlier process that was not killed has done it."""
        self.save()
        try:
            if not self.file.is_file():
                self._write_whole()
        except FileNotFoundError:  # that process is removing the chunks now
            if not self.file.is_file():
                raise
        shutil.rmtree(self.folder / self.shard.name, ignore_errors=True)

    def _write_whole(self) -> None:
        paths = [path for path, _ in self.chunks()]
        with atomic(self.file) as part, part.open("wb") as whole:
            whole.write(csv_text([[POSITION, *self.columns]]).encode())
            for path in paths:
                whole.write(path.read_bytes())
            if self.done < self.total:
                raise FileNotFoundError(errno.ENOENT, "rows are missing; run this shard again", str(self.file))


def cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    """Return a row's cells; one that is missing or NaN is empty."""
    values = (row.get(column, "") for column in columns)
    return ["" if isinstance(value, float) and math.isnan(value) else value for value in values]


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as the text of a CSV file."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def merge(folder: Path, write: Callable[[list[str]], Any]) -> int:
    """Hand the rows of all shards to `write`, first the columns' names and then each row once, in the list's order.

    Return how many rows there are.

    Raises:
        ValueError: if a part is missing, not finished, damaged, or does not fit the others; the sentence names it.
    """
    shards, facts = complete(folder)
    with ExitStack() as stack:
        tables = [_rows(stack.enter_context(_open(folder / f"{shard.name}.csv"))) for shard in shards]
        headers = [next(table, [""]) for table in tables]
        for shard, header in zip(shards, headers, strict=True):
            if header[0] != POSITION:
                raise ValueError(_damaged(folder, shard))
        _check_alike(folder, shards, headers, "with other columns")
        write(headers[0][1:])
        for position in range(facts["total"]):
            shard = shards[position % len(shards)]
            row = next(tables[shard.number - 1], [""])
            if row[0] != str(position) or len(row) != len(headers[0]):
                raise ValueError(_damaged(folder, shard))
            write(row[1:])
        for shard, table in zip(shards, tables, strict=True):
            if next(table, None) is not None:
                raise ValueError(_damaged(folder, shard))
    return facts["total"]


def complete(folder: Path) -> tuple[list[Shard], dict[str, Any]]:
    """Return the shards whose parts are to be merged, all of them finished, and the facts they have in common.

    Raises:
        ValueError: as `merge` does.
    """
    started = _started(folder)
    if not started:
        raise ValueError(f"{folder} holds no parts; run `predict --out {folder} --shard 1/2` and so on first")
    records = [_facts(folder, shard) for shard in started]
    _check_alike(folder, started, records, "from another list or classifier")
    missing = {}
    for count in sorted({shard.count for shard in started}):
        shards = [Shard(number, count) for number in range(1, count + 1)]
        missing[count] = [shard for shard in shards if not (folder / f"{shard.name}.csv").is_file()]
        if not missing[count]:
            for shard in shards:
                _facts(folder, shard)
            return shards, records[0]
    unfinished = min(missing.values(), key=len)
    numbers = ", ".join(str(shard.number) for shard in unfinished[:10]) + (" …" if len(unfinished) > 10 else "")
    count = unfinished[0].count
    raise ValueError(f"{folder} lacks {len(unfinished)} of {count} parts ({numbers}): run their shards again")


def _started(folder: Path) -> list[Shard]:
    """Return the shards that have a record in the folder."""
    names = (re.fullmatch(r"part-(\d+)-of-(\d+)\.json", path.name) for path in folder.glob("part-*.json"))
    shards = {Shard(*map(int, name.groups())) for name in names if name}
    known = [shard for shard in shards if 0 < shard.number <= shard.count and _record(folder, shard).is_file()]
    return sorted(known, key=lambda shard: (shard.count, shard.number))


def _record(folder: Path, shard: Shard) -> Path:
    return folder / f"{shard.name}.json"


def _facts(folder: Path, shard: Shard) -> dict[str, Any]:
    try:
        facts = read_json(_record(folder, shard))
        if type(facts["total"]) is not int:
            raise TypeError
    except FileNotFoundError as error:
        raise ValueError(f"{_record(folder, shard)} is missing: {_again(shard)}") from error
    except NO_RECORD as error:
        raise ValueError(f"{_record(folder, shard)} is damaged: delete it and {_again(shard)}") from error
    return facts


def _check_alike(folder: Path, shards: Sequence[Shard], values: Sequence[Any], how: str) -> None:
    """Raise a ValueError that names the parts whose values, such as facts or header, are not those of most parts."""
    texts = [json.dumps(value, sort_keys=True) for value in values]
    usual, _ = Counter(texts).most_common(1)[0]
    if odd := [shard for shard, text in zip(shards, texts, strict=True) if text != usual]:
        raise ValueError(
            f"{folder} holds {_named(odd)} made {how} than the other parts: delete {_files(odd)} in it, and run "
            "what is then missing"
        )


def _named(shards: Sequence[Shard]) -> str:
    return shards[0].name + (f" and {len(shards) - 1} more" if len(shards) > 1 else "")


def _files(shards: Sequence[Shard]) -> str:
    """Return which files and folders the shards have, as words."""
    if len(shards) == 1:
        return "{0}.json, {0}.csv and {0}/".format(shards[0].name)
    return f".json, .csv and folder of {', '.join(shard.name for shard in shards)}"


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8", errors=UNDECODED, newline="")


def _rows(stream: TextIO) -> Iterator[list[str]]:
    """Yield the rows of a CSV file; what cannot be read is one row that fits nowhere."""
    try:
        for row in csv.reader(stream, strict=True):
            yield row or [""]  # an empty line
    except csv.Error:
        yield [""]


def _damaged(folder: Path, shard: Shard) -> str:
    return f"{folder / shard.name}.csv is damaged; delete it with {shard.name}.json and {_again(shard)}"


def _again(shard: Shard) -> str:
    return f"run shard {shard.number}/{shard.count} again" if shard.count > 1 else "run `predict` again"
