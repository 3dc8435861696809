"""The search command: one more worker, processes that train together, and one sentence for wrong use."""

import os
import socket

import pytest
import torch

from vg_helpers.classify.tuning import KNOWN_GOOD
from vg_helpers.commands import search
from vg_helpers.files import write_csv, write_json


@pytest.fixture
def command(index, folder, tmp_path, tiny_zoo, monkeypatch):
    """The arguments of a worker, whose profile's 01_data is there."""
    monkeypatch.setattr(search, "BUILD", tmp_path / "build")
    data = tmp_path / "build" / "p" / "01_data"
    write_csv(data / "index.csv", index)
    write_json(data / "sources.json", {"data_dir": str(folder), "cache_dir": str(folder / "cache")})
    url = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"
    arguments = ["--model", "alexnet", "--storage", url, "--profile", "p", "--num-trials", "1", "--num-epochs", "1"]
    return [*arguments, "--weights", "none", "--device", "cpu", "--depth", "head"]


def test_the_command_joins_a_search(command, tmp_path, capsys):
    assert search.main([*command, "--profile", "full"]) == 2
    assert capsys.readouterr().err.strip().endswith("run `python3 run.py report --profile full --only 01` first")
    assert search.main([*command, "--profile", "q"]) == 2
    assert capsys.readouterr().err == "error: there is no profile 'q': choose from (demo, full, smoke)\n"
    assert search.main([*command, "--storage", "search.db"]) == 2
    assert "error: search.db is no database URL; give sqlite:///search.db" in capsys.readouterr().err
    assert search.main(command) == 0
    assert "COMPLETE" in capsys.readouterr().out and os.path.exists(tmp_path / "shared.db")


def test_a_database_that_cannot_be_opened_is_one_sentence_without_its_password(command, tmp_path, capsys):
    (tmp_path / "text.db").write_text("no database " * 500, encoding="utf-8")
    for url, sentence in (
        (
            f"sqlite:///{tmp_path.as_posix()}/missing/a.db",
            "missing/a.db cannot be opened (unable to open database file)",
        ),
        (f"sqlite:///{tmp_path.as_posix()}/text.db", "text.db cannot be opened (file is not a database)"),
        ("nonsense://ada:secret@db/search", "nonsense"),
    ):
        assert search.main([*command, "--storage", url]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and sentence in error and "secret" not in error and error.count("\n") == 1
    assert (tmp_path / "text.db").is_file()  # it is not ours


def be_started_by_torchrun(monkeypatch):
    for name, value in {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))


@pytest.mark.parametrize("number", [0, 1])
def test_the_command_trains_together_with_the_first_ones_values(command, tmp_path, monkeypatch, capsys, number):
    def broadcast_object(values):
        assert set(values) == set(KNOWN_GOOD["alexnet"][0]) and torch.distributed.get_world_size() == 1
        return {**values, "lr": 0.5}

    search.main(command)
    capsys.readouterr()
    be_started_by_torchrun(monkeypatch)
    monkeypatch.setattr(search, "broadcast_object", broadcast_object)
    monkeypatch.setattr(search, "rank", lambda: number)
    assert search.main([*command, "--final", "2"]) == 0 and not torch.distributed.is_initialized()
    assert ("COMPLETE" in capsys.readouterr().out) == (number == 0)
    (trained,) = (tmp_path / "build" / "p").rglob("final-*.pt")
    saved = torch.load(trained, weights_only=True)
    assert saved["config"]["lr"] == 0.5 and [row["epoch"] for row in saved["result"]["history"]] == [1, 2]


def test_values_of_another_search_are_missed_before_any_work(command, monkeypatch, capsys):
    search.main(command)
    be_started_by_torchrun(monkeypatch)
    monkeypatch.setattr(search, "fit_probe", lambda _: pytest.fail("too late"))
    assert search.main([*command, "--final", "2", "--num-epochs", "3"]) == 2
    assert "no trial is complete with --num-epochs 3 --num-paintings 0: " in capsys.readouterr().err
    assert not torch.distributed.is_initialized()
