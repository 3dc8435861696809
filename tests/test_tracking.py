"""tracking: a record that survives a kill, and W&B beside it without a key in any file."""

import json
import math
import os
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from vg_helpers import tracking
from vg_helpers.files import fingerprint

KEY = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in for W&B that records its calls."""
    calls = SimpleNamespace(init=[], rows=[], finished=0)

    def init(**options):
        calls.init.append(options)
        if calls.refuse(options):
            raise ValueError("API key must have 40 characters\nand more")
        end = {"log": calls.rows.append, "finish": lambda: setattr(calls, "finished", calls.finished + 1)}
        return SimpleNamespace(**end, offline=options["mode"] == "offline", path="me/project/run")

    def ask(path):
        if not calls.answers:
            raise OSError("no network")
        return SimpleNamespace(scan_history=lambda: [{"_step": i, **row} for i, row in enumerate(calls.answer)])

    calls.refuse, calls.answer, calls.answers = lambda _: False, [], True
    api = SimpleNamespace(run=ask)
    settings = SimpleNamespace(settings=SimpleNamespace(base_url="https://api.tracker.example"))
    module = SimpleNamespace(init=init, Settings=lambda **options: options, setup=lambda: settings, Api=lambda: api)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return calls


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder without any key, and no W&B settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def track(folder, rows, use_wandb=False, run="vgg19-final"):
    with tracking.Tracker(folder, run, "final", {"lr": 0.1}, use_wandb) as tracker:
        for row in rows:
            tracker.log(row)


ROWS = [{"epoch": n, "val_auc": 0.1 * n, "name": "é"} for n in (1, 2, 3)]


def test_rows_reported_again_are_recorded_once(tmp_path, wandb):
    track(tmp_path / "new", ROWS[:2], use_wandb=True)
    track(tmp_path / "new", ROWS, use_wandb=True)
    path = tmp_path / "new" / "vgg19-final.jsonl"
    assert tracking.read_rows(path) == ROWS and len(path.read_text(encoding="utf-8").splitlines()) == 3
    assert wandb.rows == ROWS and wandb.finished == 2


def test_a_row_is_on_disk_before_the_next_one(tmp_path):
    with tracking.Tracker(tmp_path, "a", "g", {}, use_wandb=False) as tracker:
        tracker.log(ROWS[0])
        assert tracking.read_rows(tmp_path / "a.jsonl") == ROWS[:1]
        tracker.log({"auc": math.nan})
        tracker.log({"auc": math.nan})
    assert len(tracking.read_rows(tmp_path / "a.jsonl")) == 2


def test_a_line_that_was_cut_off_is_left_out_and_does_not_spoil_the_next(tmp_path, capsys):
    path = tmp_path / "vgg19-final.jsonl"
    track(tmp_path, ROWS)
    whole = path.read_bytes()
    for cut in (1, 10, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        assert tracking.read_rows(path) == (ROWS if cut == 1 else ROWS[:2])
        track(tmp_path, ROWS)
        assert path.read_bytes() == whole
    assert "vgg19-final.jsonl: a line that was cut off is left out" in capsys.readouterr().out


def test_without_wandb_nothing_of_it_is_imported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it would raise
    track(tmp_path, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["vgg19-final.jsonl"]


def test_online_needs_the_users_own_key(home, wandb, monkeypatch):
    assert tracking.wandb_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert tracking.wandb_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert tracking.wandb_mode() == "offline"


NETRC = f"machine {{}} login user password {KEY}\n"


@pytest.mark.parametrize(
    ("host", "base_url", "mode"),
    [
        ("example.org", "", "offline"),
        ("api.wandb.ai", "", "online"),
        ("api.tracker.example", "", "online"),  # the server in W&B's own settings
        ("ml.corp.example", "", "offline"),
        ("ml.corp.example", "https://ml.corp.example", "online"),
        ("ml.corp.example", "https://ml.corp.example:8080/", "online"),
        ("ml.corp.example:8080", "https://ml.corp.example:8080", "online"),
        ("ml.corp.example", "https://[nonsense", "offline"),
    ],
)
@pytest.mark.parametrize("place", [".netrc", "_netrc", "NETRC"])
def test_a_key_in_a_netrc_file_counts_for_its_server(home, wandb, monkeypatch, place, host, base_url, mode):
    path = home / ("elsewhere" if place == "NETRC" else place)
    path.write_text(NETRC.format(host), encoding="utf-8")
    path.chmod(0o600)
    if place == "NETRC":
        monkeypatch.setenv("NETRC", str(path))
    if base_url:
        monkeypatch.setenv("WANDB_BASE_URL", base_url)
    assert tracking.wandb_mode() == mode


def test_a_netrc_that_cannot_be_read_is_no_key(home, wandb, tmp_path, monkeypatch):
    path = home / ".netrc"
    path.mkdir()
    assert tracking.wandb_mode() == "offline"  # a folder: Docker makes one for a file that is missing
    path.rmdir()
    for content in (b"machine \xff\xfe login", b"nonsense\n", b"machine a login", b"\x00"):
        path.write_bytes(content)
        assert tracking.wandb_mode() == "offline"
    monkeypatch.setenv("NETRC", str(home / "missing"))
    assert tracking.wandb_mode() == "offline"
    track(tmp_path, ROWS, use_wandb=True)
    assert [options["mode"] for options in wandb.init] == ["offline"]


def test_a_user_without_a_home_has_no_key(wandb, monkeypatch):
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python does if nobody knows the home
    assert tracking.wandb_mode() == "offline"


@pytest.mark.parametrize(
    ("name", "value"),
    [("WANDB_MODE", "disabled"), ("WANDB_MODE", "Disabled"), ("WANDB_DISABLED", "true"), ("WANDB_DISABLED", "1")],
)
def test_disabled_writes_nothing_of_wandb_and_says_so(home, tmp_path, wandb, monkeypatch, name, value):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv(name, value)
    with tracking.Tracker(tmp_path / "log", "a", "final", {}) as tracker:
        tracker.log(ROWS[0])
    assert tracker.mode == "disabled" and not wandb.init and tracker.rows() == ROWS[:1]
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["a.jsonl"]
    with tracking.Tracker(tmp_path / "log", "a", "final", {}, use_wandb=False) as tracker:
        assert tracker.mode == "off"


def test_an_online_run_goes_on_by_its_name_and_an_offline_one_does_not(home, tmp_path, wandb, monkeypatch):
    track(tmp_path, ROWS, use_wandb=True)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    track(tmp_path, ROWS, use_wandb=True)
    offline, online = wandb.init
    assert (offline["mode"], offline["id"], offline["resume"]) == ("offline", None, None)
    assert (online["mode"], online["id"], online["resume"]) == ("online", "final-vgg19-final", "allow")
    for options in wandb.init:
        assert (options["project"], options["name"], options["group"]) == (
            "van-gogh-style-transfer",
            "vgg19-final",
            "final",
        )
        assert options["config"] == {"lr": 0.1} and options["dir"] == tmp_path
        assert KEY not in json.dumps(options, default=str)


def test_a_wandb_that_refuses_is_offline_and_then_left_out(home, tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "wrong")
    for number, modes in ((1, ["online"]), (2, ["online", "offline"])):
        wandb.init.clear()
        problems = []
        wandb.refuse = lambda options, modes=modes: options["mode"] in modes
        with tracking.Tracker(tmp_path, f"run-{number}", "final", {}, on_problem=problems.append) as tracker:
            tracker.log(ROWS[0])
        assert [options["mode"] for options in wandb.init] == ["online", "offline"]
        sentence = (
            "Weights & Biases could not be started {} (API key must have 40 characters); the local record is kept."
        )
        assert problems == [sentence.format(mode) for mode in modes]
        assert tracker.rows() == ROWS[:1] and tracker.mode == ("offline" if number == 1 else "off")
    assert wandb.rows == ROWS[:1]


def test_an_online_runs_rows_come_from_wandb_and_from_the_record_where_they_cannot(home, tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    problems = []
    with tracking.Tracker(tmp_path, "vgg19-final", "final", {}, on_problem=problems.append) as tracker:
        for row in ROWS:
            tracker.log(row)
    wandb.answer = [{**row, "val_auc": 0.5} for row in ROWS]
    assert tracker.rows() == wandb.answer and tracker.mode == "online" and not problems
    wandb.answer = [{**row, "val_auc": 0.2} for row in ROWS] + wandb.answer  # from a build folder that was deleted
    assert tracker.rows() == wandb.answer[3:]
    wandb.answer = wandb.answer[:2]  # not taken in yet
    assert tracker.rows() == ROWS
    wandb.answers = False
    assert tracker.rows() == ROWS and "could not be read (no network)" in problems[0]
    monkeypatch.delenv("WANDB_API_KEY")
    with tracking.Tracker(tmp_path, "vgg19-final", "final", {}) as tracker:
        assert tracker.rows() == ROWS and len(problems) == 1


def test_a_part_of_a_task_is_tracked_under_a_name_that_changes_with_its_config(home, tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    task = SimpleNamespace(
        key="alexnet-12", folder=tmp_path, title="AlexNet", facts={"network": "alexnet", "depth": "top"}
    )
    for part, config in (("search", {"epochs": 2}), ("search", {"epochs": 3}), ("final", {"epochs": 2})):
        with tracking.tracked(task, part, config, 10) as (tracker, bar):
            tracker.log(ROWS[0])
            bar.update(10)
        whole = {"network": "alexnet", "depth": "top", **config}
        name = f"alexnet-{part}-{fingerprint('alexnet-12', whole)}"
        assert tracker.path == tmp_path / "log" / f"{name}.jsonl" and tracker.path.is_file()
        assert wandb.init[-1]["id"] == f"{part}-{name}" and wandb.init[-1]["config"] == whole
    assert len({options["id"] for options in wandb.init}) == 3 and wandb.finished == 3


def test_a_trials_value_is_its_best_epoch_and_a_pruned_ones_last():
    trials = pd.DataFrame({"number": [0, 2, 3], "value": [0.1, 0.1, 0.7], "state": ["COMPLETE", "PRUNED", "PRUNED"]})
    values = [(0, 1, 0.6), (0, 2, 0.9), (0, 3, 0.8), (1, 1, 0.99), (2, 1, 0.5), (2, 2, 0.4)]
    keys = "trial", "epoch", "val_auc"
    rows = [dict(zip(keys, row, strict=True)) | {"val_auc_se": row[1] / 100} for row in values]
    logged = tracking.trial_values_from_log(trials, rows[::-1])
    assert logged.value.tolist() == [0.9, 0.4, 0.7]
    assert logged.se[:2].tolist() == [0.02, 0.02] and np.isnan(logged.se[2])
    assert tracking.trial_values_from_log(trials, []).value.tolist() == [0.1, 0.1, 0.7]


@pytest.mark.slow
def test_wandb_itself_runs_offline_and_writes_no_key(home, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    track(tmp_path / "log", ROWS, use_wandb=True)
    assert tracking.read_rows(tmp_path / "log" / "vgg19-final.jsonl") == ROWS
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert not any(KEY.encode() in path.read_bytes() for path in files)
