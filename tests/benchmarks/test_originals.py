"""originals: every step has its cost, and the collection's is in proportion."""

import pytest
from stand_ins import CPU

from vg_helpers.benchmarks import loading, originals
from vg_helpers.classify.task import Setup


def test_the_command_prints_every_step_per_file_and_for_the_collection(tiny_zoo, monkeypatch, capsys):
    monkeypatch.setattr(loading, "LONG_SIDE", 700)
    arguments = ["--files", "4", "--patches", "0", "2", "--network", "alexnet", "--weights", "none", "--device", "cpu"]
    assert originals.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "minutes for 6,450" in lines[0]
    assert ["index and cache" in lines[1], "centre" in lines[2], "2 patches" in lines[3]] == [True] * 3


def test_the_cache_and_the_moments_take_the_room_that_the_table_says(tiny_zoo, monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "LONG_SIDE", 600)
    originals.make_collection(tmp_path / "data", 4)
    setup = Setup(*(tmp_path / name for name in ("data", "cache", "state")), CPU, weights="none")
    table = originals.measure(setup, "alexnet", [0])
    cached = sum(path.stat().st_size for path in (tmp_path / "cache").glob("??/*.npy"))
    assert table["megabytes"][0] == pytest.approx(cached / 4 / 1e6)
    kept = list((tmp_path / "state").glob("*.npy"))
    assert table["megabytes"][1] == pytest.approx(kept[0].stat().st_size / 4 / 1e6, rel=0.01)
    assert (table["seconds"] > 0).all()


def test_one_file_is_no_collection(capsys):
    assert originals.main(["--files", "1"]) == 2
    assert "--files 1 must be at least 2" in capsys.readouterr().err
