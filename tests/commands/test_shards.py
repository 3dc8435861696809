"""shards: every input once, whatever was killed; parts that do not fit together are refused."""

import csv
import random
from itertools import chain, pairwise

import pytest

from vg_helpers.commands import shards
from vg_helpers.commands.shards import Part, Shard, merge, read_shard, share

NAMES = [f"picture {number}, “x”\n.jpg" for number in range(23)]
COLUMNS = ("file", "p", "error")


class Killed(BaseException):
    """Ends a process in the middle of its work."""


@pytest.fixture(autouse=True)
def every_row_is_a_chunk(monkeypatch):
    monkeypatch.setattr(shards, "CHUNK_SECONDS", 0.0)


def work(folder, shard, stop_after=10**9, names=NAMES, version=1):
    """Write the rows of a shard like `predict`; return how many were written now."""
    mine, facts = share(names, shard)
    part = Part(folder, shard, COLUMNS, facts | {"version": version})
    for count, name in enumerate(mine[part.saved :]):
        if count == stop_after:
            raise Killed
        part.add({"file": name, "p": len(name) / 7})
    part.finish()
    return part.total


def merged(folder):
    rows = []
    assert merge(folder, rows.append) == len(rows) - 1
    return rows


def test_shards_share_a_list_without_gap_or_repetition():
    for count in (1, 3, 16, 40):
        mine = [share(NAMES, Shard(number, count))[0] for number in range(1, count + 1)]
        assert sorted(chain(*mine)) == sorted(NAMES)
        assert mine[0][:2] == NAMES[::count][:2] and max(map(len, mine)) - min(map(len, mine)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/0", "-1/4", "1/4/2"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"must be like 3/16"):
        read_shard(text, {})


def test_torchrun_fills_the_shard_in_and_divides_a_given_one():
    torchrun = [{"LOCAL_RANK": "0", "RANK": str(rank), "WORLD_SIZE": "3"} for rank in range(3)]
    assert [read_shard(None, each) for each in torchrun] == [Shard(1, 3), Shard(2, 3), Shard(3, 3)]
    parts = {read_shard(f"{number}/2", each) for number in (1, 2) for each in torchrun}
    assert parts == {Shard(number, 6) for number in range(1, 7)}
    assert read_shard(None, {"RANK": "1", "WORLD_SIZE": "3"}) == Shard()  # not set by torchrun


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_and_started_again_it_ends_like_one_process(tmp_path, seed, monkeypatch):
    rng = random.Random(seed)
    work(tmp_path / "alone", Shard())
    for number in (3, 1, 2, 4):
        while True:
            monkeypatch.setattr(shards, "CHUNK_SECONDS", rng.choice([0.0, 1e9]))  # killed with rows in memory, too
            try:
                work(tmp_path / "four", Shard(number, 4), rng.randrange(5))
                break
            except Killed:
                continue
    rows = merged(tmp_path / "four")
    assert rows == merged(tmp_path / "alone") and [row[0] for row in rows] == ["file", *NAMES]
    assert not [path for path in (tmp_path / "four").iterdir() if path.is_dir()]


def test_rows_on_disk_are_not_computed_again(tmp_path):
    with pytest.raises(Killed):
        work(tmp_path, Shard(2, 2), stop_after=4)
    mine, facts = share(NAMES, Shard(2, 2))
    assert Part(tmp_path, Shard(2, 2), COLUMNS, facts | {"version": 1}).saved == 4
    assert work(tmp_path, Shard(2, 2)) == len(mine) == 11
    part = Part(tmp_path, Shard(2, 2), COLUMNS, facts | {"version": 1})
    before = part.file.read_bytes()
    part.finish()
    assert part.saved == 11 and part.file.read_bytes() == before


def test_a_chunk_that_does_not_follow_does_not_count(tmp_path):
    with pytest.raises(Killed):
        work(tmp_path, Shard(1, 2), stop_after=6)
    chunks = sorted((tmp_path / "part-1-of-2").iterdir())
    assert len(chunks) == 6
    chunks[2].unlink()
    _, facts = share(NAMES, Shard(1, 2))
    part = Part(tmp_path, Shard(1, 2), COLUMNS, facts | {"version": 1})
    assert part.saved == 2
    work(tmp_path, Shard(1, 2))
    with part.file.open(encoding="utf-8", newline="") as stream:
        positions = [int(row["row"]) for row in csv.DictReader(stream)]
    assert all(later - earlier == 2 for earlier, later in pairwise(positions)) and len(positions) == 12


def test_more_shards_than_inputs_leave_empty_parts(tmp_path):
    for number in range(1, 6):
        work(tmp_path, Shard(number, 5), names=NAMES[:2])
    assert [row[0] for row in merged(tmp_path)] == ["file", *NAMES[:2]]
    for number in range(1, 3):
        work(tmp_path / "none", Shard(number, 2), names=[])
    assert merged(tmp_path / "none") == [list(COLUMNS)]


def test_the_folder_of_other_work_is_refused(tmp_path):
    work(tmp_path, Shard(1, 2))
    for change in ({"names": NAMES[:-1]}, {"version": 2}, {"names": NAMES[::-1]}):
        for shard in (Shard(1, 2), Shard(2, 2), Shard(4, 4)):  # another number of processes does not help
            with pytest.raises(ValueError, match="holds part-1-of-2 made from another list or classifier: give") as no:
                work(tmp_path, shard, **change)
            assert "or delete part-1-of-2.json, part-1-of-2.csv and part-1-of-2/ in it" in str(no.value)
    assert len(list(tmp_path.iterdir())) == 2


def test_parts_that_do_not_fit_together_are_named(tmp_path):
    for number in (1, 2):
        work(tmp_path / "other", Shard(number, 4), version=2)
    for number in (1, 2, 3):
        work(tmp_path / "all", Shard(number, 3))
    assert len(merged(tmp_path / "all")) == 24
    for path in (tmp_path / "other").iterdir():  # copied from another machine
        path.rename(tmp_path / "all" / path.name)
    with pytest.raises(ValueError, match="holds part-1-of-4 and 1 more made from another list or classifier") as caught:
        merged(tmp_path / "all")
    assert "delete .json, .csv and folder of part-1-of-4, part-2-of-4 in it" in str(caught.value)


def test_a_part_with_other_columns_is_named(tmp_path):
    for number in (1, 2, 3):
        work(tmp_path, Shard(number, 3))
    part = tmp_path / "part-2-of-3.csv"
    part.write_text(part.read_text(encoding="utf-8").replace("row,file", "row,name", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="holds part-2-of-3 made with other columns than the other parts: delete part"):
        merged(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"total": "3"}', "[" * 100_000])
def test_a_damaged_record_is_named(tmp_path, content):
    for number in (1, 2):
        work(tmp_path, Shard(number, 2))
    (tmp_path / "part-2-of-2.json").write_text(content, encoding="utf-8")
    for function in (merged, lambda folder: work(folder, Shard(2, 2))):
        with pytest.raises(ValueError, match=r"part-2-of-2\.json is damaged: delete it and run shard 2/2 again$"):
            function(tmp_path)
    (tmp_path / "part-2-of-2.json").unlink()
    with pytest.raises(ValueError, match=r"part-2-of-2\.json is missing: run shard 2/2 again$"):
        merged(tmp_path)
    work(tmp_path, Shard(2, 2))
    assert len(merged(tmp_path)) == 24


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no parts"):
        merged(tmp_path)
    for number in (1, 4):
        work(tmp_path, Shard(number, 4))
    with pytest.raises(Killed):
        work(tmp_path, Shard(2, 4), stop_after=2)
    with pytest.raises(ValueError, match=r"lacks 2 of 4 parts \(2, 3\): run their shards again"):
        merged(tmp_path)
    work(tmp_path, Shard(1, 3))  # begun with another number of processes, and given up
    for number in (2, 3):
        work(tmp_path, Shard(number, 4))
    assert len(merged(tmp_path)) == 24


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
        lambda lines: [*lines[:3], lines[3].split(",")[0] + "\n", *lines[4:]],
        lambda lines: [*lines[:-1], lines[-1] + '"'],
        lambda lines: [],
        lambda lines: ["\n", *lines],
        lambda lines: [*lines[:3], "\n", *lines[3:]],
        lambda lines: [lines[0].replace("row", "line"), *lines[1:]],
    ],
)
def test_a_damaged_part_is_found(tmp_path, damage):
    names = [f"{number}.jpg" for number in range(20)]
    for number in (1, 2):
        work(tmp_path, Shard(number, 2), names=names)
    part = tmp_path / "part-2-of-2.csv"
    part.write_text("".join(damage(part.read_text(encoding="utf-8").splitlines(True))), encoding="utf-8")
    with pytest.raises(ValueError, match=r"part-2-of-2\.csv is damaged; delete it"):
        merged(tmp_path)
