"""The benchmark of the search in two directions: both searches for every seed, and a run that continues."""

import pandas as pd
import pytest

from vg_helpers.benchmarks import front


def test_every_seed_searches_twice_and_what_is_searched_stays(profile, tmp_path, monkeypatch, capsys):
    words = ["--profile", profile, "--trials", "7", "--steps", "1", "--size", "64", "--pool", "2", "--device", "cpu"]
    words += ["--seeds", "2", "--out", str(tmp_path / "out")]
    assert front.main(words) == 0
    said, table = capsys.readouterr().out, pd.read_csv(tmp_path / "out" / "fronts.csv")
    assert table.seed.tolist() == [0, 1] and "median ratio" in said
    assert (table.guided >= 0).all() and table.ratio.equals(table.guided / table.random)
    monkeypatch.setattr("vg_helpers.style.once.stylize", lambda *_, **__: pytest.fail("painted twice"))
    assert front.main(words) == 0
    assert capsys.readouterr().out == said


def test_a_profile_that_has_not_run_is_one_sentence(tmp_path, capsys):
    assert front.main(["--profile", "nothing", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "index.csv is missing: run `run.py report --profile nothing` first" in error and error.count("\n") == 1
