"""search: trials that are counted once, resumed to the same study, and shared by workers."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest

from vg_helpers import search
from vg_helpers.classify.tuning import KNOWN_GOOD, suggest_training

FIRST = KNOWN_GOOD["vgg19"][0]


def score(trial):
    """A landscape with its summit at lr 1e-4, batch size 32, SGD, climbed in three epochs."""
    values = suggest_training(trial)
    height = (
        -abs(math.log10(values["lr"]) + 4) + 0.1 * (values["batch_size"] == 32) + 0.05 * (values["optimizer"] == "SGD")
    )
    for epoch in (1, 2, 3):
        trial.report(height - 1 / epoch, epoch)
        if epoch < 3 and trial.should_prune():
            raise optuna.TrialPruned
    return height


def study_of(folder, num_trials=8, objective=score, first=(FIRST,), seed=42, **options):
    study = search.open_study("study", folder / "study.db", prune=True)
    return search.run_study(study, objective, num_trials, seed, first, **options)


def facts_of(study):
    return search.trials_frame(study).drop(columns=["seconds", "number"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted study of eight trials."""
    return study_of(tmp_path_factory.mktemp("whole"))


def test_as_many_trials_as_asked_for_and_the_known_good_first(whole):
    frame = search.trials_frame(whole)
    assert list(frame) == ["trial", "lr", "batch_size", "optimizer", "value", "state", "seconds", "number"]
    assert frame.trial.tolist() == list(range(8)) and (frame.seconds >= 0).all()
    assert frame.loc[0, list(FIRST)].to_dict() == FIRST
    assert not frame.duplicated(["lr"]).any() and frame.lr.between(1e-6, 1e-3).all()
    assert set(frame.batch_size) <= {16, 32} and set(frame.optimizer) <= {"AdamW", "SGD"}
    assert whole.best_value == frame.value.max()


def test_several_known_good_trials_come_in_their_order_also_after_an_interruption(tmp_path):
    known = KNOWN_GOOD["alexnet"]

    def stop(trial):
        suggest_training(trial)
        raise KeyboardInterrupt if len(trial.study.trials) == 3 else optuna.TrialPruned

    with pytest.raises(KeyboardInterrupt):
        study_of(tmp_path, 4, stop, first=known[:1] * 2 + known)
    frame = search.trials_frame(study_of(tmp_path, 5, first=known[:1] * 2 + known))
    assert frame[list(FIRST)].to_dict("records")[:4] == [known[0], known[0], known[0], known[1]]
    assert frame.loc[4, "lr"] not in {values["lr"] for values in known}


def test_pruned_trials_count_and_keep_their_last_value(whole):
    frame = search.trials_frame(whole)
    pruned = frame[frame.state == "PRUNED"]
    assert 1 <= len(pruned) < 6 and set(frame.state) == {"COMPLETE", "PRUNED"}
    trial = whole.trials[int(pruned.trial.iloc[0])]
    assert pruned.value.iloc[0] == trial.intermediate_values[max(trial.intermediate_values)]


def test_importances_share_the_variance_among_the_parameters(whole, tmp_path):
    shares = search.importances(whole)
    assert list(shares) == sorted(shares, key=shares.get, reverse=True) and sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "lr" and set(shares) == set(FIRST) and shares == search.importances(whole)
    assert search.importances(study_of(tmp_path, num_trials=2)) == {}


def test_another_seed_is_another_study_and_the_same_seed_the_same(whole, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert facts_of(study_of(tmp_path / "a")).equals(facts_of(whole))
    assert not facts_of(study_of(tmp_path / "b", 2, seed=43)).equals(facts_of(whole)[:2])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_study_goes_on_as_if_it_had_not_been(whole, tmp_path, error):
    calls, finished = [], []
    for stop in (1, 4, 5, 99):  # the first trial, one in the middle, and the same one again

        def objective(trial, stop=stop):
            calls.append(trial.number)
            if len(calls) == stop:
                suggest_training(trial)
                raise error
            return score(trial)

        if stop < 99:
            with pytest.raises(error):
                study_of(tmp_path, objective=objective, on_trial=lambda trial: finished.append(trial.number))
        else:
            study = study_of(tmp_path, objective=objective, on_trial=lambda trial: finished.append(trial.number))
    assert facts_of(study).equals(facts_of(whole))
    assert len(calls) == 11 and len(finished) == 8 == len(set(finished))
    assert len(facts_of(study_of(tmp_path, objective=lambda _: pytest.fail("nothing is left to try")))) == 8
    assert len(facts_of(study_of(tmp_path, 9))) == 9


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {root!r}]
from test_search import score, study_of

def objective(trial):
    if trial.number == 3:
        trial.report(0.5, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    return score(trial)

study_of(Path({folder!r}), objective=objective)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_a_killed_study_goes_on_as_if_it_had_not_been(whole, tmp_path):
    here = Path(__file__).resolve().parent
    code = KILLED.format(tests=str(here), root=str(here.parent), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    tried = []
    study = study_of(tmp_path, objective=lambda trial: tried.append(trial.number) or score(trial))
    assert facts_of(study).equals(facts_of(whole))
    assert tried == [4, 5, 6, 7, 8]  # the killed one anew, no finished one again


def test_three_trials_at_most_are_random(tmp_path, monkeypatch):
    drawn, original = set(), optuna.samplers.RandomSampler.sample_independent

    def watched(self, study, trial, *rest):
        drawn.add(trial.number)
        return original(self, study, trial, *rest)

    monkeypatch.setattr(optuna.samplers.RandomSampler, "sample_independent", watched)
    study_of(tmp_path, 6)
    assert drawn == {1, 2}
    without_first = search.run_study(search.open_study("b", tmp_path / "b.db"), score, 5, 0)
    assert drawn <= {0, 1, 2} and len(without_first.trials) == 5


def test_without_pruning_every_trial_is_completed(tmp_path):
    study = search.run_study(search.open_study("a", tmp_path / "a.db"), score, 6, 42, [FIRST])
    assert set(search.trials_frame(study).state) == {"COMPLETE"}


def test_a_value_that_is_no_number_ends_the_search_instead_of_repeating_it_for_ever(tmp_path):
    with pytest.raises(FloatingPointError, match=r"^trial 0 has no finite value, with {.*lr"):
        study_of(tmp_path, objective=lambda trial: score(trial) * math.nan)


def work(url, record, num_trials=8):
    """Be one of several workers; write down every trial begun."""

    def objective(trial):
        with Path(record).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([trial.number, suggest_training(trial)]) + "\n")
        time.sleep(0.4)
        return score(trial)

    return search.run_study(
        search.open_study("shared", url, prune=True), objective, num_trials, 42, [FIRST], shared=True
    )


WORKER = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from test_search import work

work({url!r}, {record!r})
"""


def test_workers_that_start_at_the_same_moment_do_the_known_good_trial_once(tmp_path, monkeypatch):
    url, together = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}", threading.Barrier(2, timeout=60)
    counted, count = threading.local(), search._count

    def count_together(study, *states):
        found = count(study, *states)
        counted.times = getattr(counted, "times", 0) + 1
        if counted.times == 2:  # both have seen an empty study before either begins
            together.wait()
        return found

    monkeypatch.setattr(search, "_count", count_together)
    search.open_study("shared", url, prune=True)
    workers = [threading.Thread(target=work, args=(url, tmp_path / name, 4)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    began = [json.loads(line) for name in "ab" for line in (tmp_path / name).read_text().splitlines()]
    assert [number for number, values in began if values == FIRST] == [0]
    assert 4 <= len(began) <= 5 and len({number for number, _ in began}) == len(began)


def share(tmp_path, url):
    """Let two processes, started at the same moment, do a study of eight trials; no trial is done twice."""
    here = Path(__file__).resolve().parent
    codes = [WORKER.format(tests=str(here), root=str(here.parent), url=url, record=str(tmp_path / n)) for n in "ab"]
    workers = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for code in codes]
    outcomes = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outcomes
    began = [[json.loads(line) for line in (tmp_path / name).read_text().splitlines()] for name in "ab"]
    numbers = [number for part in began for number, _ in part]
    values = [json.dumps(found, sort_keys=True) for part in began for _, found in part]
    assert len(numbers) == len(set(numbers)) and len(values) == len(set(values))
    assert sum(found == FIRST for part in began for _, found in part) == 1
    assert len(began[0]) >= 2 and len(began[1]) >= 2
    # Two that look at the same moment may both take what they hold to be the last trial: one more at most.
    study = search.open_study("shared", url)
    assert 8 <= len(search.trials_frame(study)) == len(numbers) <= 9


@pytest.mark.slow
def test_two_workers_share_a_study_without_doing_a_trial_twice(tmp_path):
    share(tmp_path, f"sqlite:///{(tmp_path / 'shared.db').as_posix()}")


@pytest.fixture
def postgres():
    """The URL of a PostgreSQL server of our own, which is gone afterwards; it does not run as root."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver (psycopg)")
    programs = [shutil.which("pg_ctl"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")))[::-1]]
    if os.name == "nt" or not any(programs):
        pytest.skip("no PostgreSQL server (pg_ctl)")
    pg_ctl, user = next(filter(None, programs)), "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def pg(action, *options):
        command = [pg_ctl, action, "-D", str(folder / "data"), *options]
        with (folder / "pg_ctl.log").open("a") as log:  # no pipe: the server would keep it open
            done = subprocess.run(command, user=user, cwd=folder, stdout=log, stderr=log, timeout=120)
        assert done.returncode == 0, (folder / "pg_ctl.log").read_text()

    pg("init", "-o", "-U worker --auth=trust --encoding=UTF8 --no-sync")
    listen = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -p {port}"
    pg("start", "-l", str(folder / "server.log"), "-o", listen)
    try:
        yield f"postgresql+psycopg://worker@127.0.0.1:{port}/postgres"
    finally:
        pg("stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.postgres
@pytest.mark.postgres
def test_two_workers_share_a_study_on_postgresql(tmp_path, postgres):
    share(tmp_path, postgres)


def test_a_worker_leaves_the_running_trials_of_others_alone(tmp_path):
    url = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"
    theirs = search.open_study("shared", url).ask()
    ours = search.open_study("shared", url)
    assert ours.trials[theirs.number].state.name == "RUNNING"
    own = search.open_study("own", tmp_path / "own.db").ask()
    assert search.open_study("own", tmp_path / "own.db").trials[own.number].state.name == "FAIL"


def test_a_worker_waits_for_the_last_trials_of_others(tmp_path, monkeypatch):
    url = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"
    study = search.open_study("shared", url)
    theirs = study.ask()
    waited = []

    def sleep(_):
        waited.append(len(study.trials))
        study.tell(theirs, 0.5)

    monkeypatch.setattr(search.time, "sleep", sleep)
    search.run_study(search.open_study("shared", url), lambda _: pytest.fail("one too many"), 1, 0, shared=True)
    assert waited == [1]


def test_a_relative_file_is_the_same_for_notebooks_and_workers(tmp_path, monkeypatch):
    root = tmp_path / "project ü"
    monkeypatch.setattr(search, "ROOT", root)
    for name in ("notebooks", "elsewhere"):
        (root / name).mkdir(parents=True)
        monkeypatch.chdir(root / name)
        search.open_study("shared", "sqlite:///search.db")
    assert [path.name for path in root.rglob("*.db")] == ["search.db"] and (root / "search.db").is_file()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    place = tmp_path.as_posix()
    for text, url in {
        "sqlite:///~/a.db": f"sqlite:///{place}/a.db",
        f"sqlite:///{place}/a.db": f"sqlite:///{place}/a.db",
        "sqlite://": "sqlite://",
        "sqlite:///:memory:": "sqlite:///:memory:",
        "postgresql+psycopg://ada:p%40ss@db:5432/vg": "postgresql+psycopg://ada:p%40ss@db:5432/vg",
    }.items():
        assert search.database_url(text) == url
    with pytest.raises(
        ValueError, match=r"^search\.db is no database URL; give sqlite:///search\.db or postgresql://…$"
    ):
        search.open_study("shared", "search.db")


@pytest.mark.parametrize("damage", ["half", "text", "header", "page"])
def test_a_damaged_file_of_our_own_is_set_aside_and_the_study_made_again(whole, tmp_path, damage, capsys):
    study_of(tmp_path, 3)
    path = tmp_path / "study.db"
    content = path.read_bytes()
    page = content[:4096] + b"\xff" * 20000 + content[24096:]
    pieces = {"half": content[: len(content) // 2], "text": b"<html>" * 999, "header": bytes(100) + content[100:]}
    path.write_bytes({**pieces, "page": page}[damage])
    assert facts_of(study_of(tmp_path, 3)).equals(facts_of(whole)[:3])
    assert "study.db is damaged: it is now called study.db.damaged" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.db", "study.db.damaged"]


def test_an_empty_file_is_a_new_study(whole, tmp_path):
    (tmp_path / "study.db").touch()
    assert facts_of(study_of(tmp_path, 2)).equals(facts_of(whole)[:2])


def test_a_locked_file_is_waited_for(tmp_path):
    for storage in (tmp_path / "study.db", f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"):
        with search._connect(search.database_url(storage)).engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000  # milliseconds


def test_odd_characters_in_a_path_are_kept(tmp_path):
    folder = tmp_path / "a b#c%41 ü"
    folder.mkdir()
    search.open_study("study", folder / "study.db")
    assert [path.name for path in folder.iterdir()] == ["study.db"]


def test_what_optuna_calls_experimental_is_not_shown(tmp_path):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        work(f"sqlite:///{(tmp_path / 'shared.db').as_posix()}", tmp_path / "a", 2)
    assert not [str(warning.message) for warning in shown if "experimental" in str(warning.message)]


def test_a_study_of_several_values_maximises_each(tmp_path):
    def both(trial):
        x = trial.suggest_float("x", 0, 1)
        return x, 1 - x**2

    study = search.run_study(search.open_study("two", tmp_path / "two.db", num_values=2), both, 5, 42, [{"x": 0.5}])
    trials = search.trials_frame(study)
    assert trials.loc[0, ["value_0", "value_1"]].tolist() == [0.5, 0.75]
    assert trials.value_0.tolist() == trials.x.tolist() and len(study.best_trials) == 5


TWO_VALUES = """
import sys
sys.modules["greenlet"] = None  # as where it is not installed
from pathlib import Path
from vg_helpers import search
from vg_helpers.style.front import random_values
points = [{"x": 0.1 * k} for k in range(len(random_values(4, 0)))]
study = search.open_study("two", Path("two.db"), num_values=2)
search.run_study(study, lambda trial: (trial.suggest_float("x", 0, 1), -trial.params["x"]), 6, 1, points)
"""


def test_a_search_for_two_values_prints_nothing(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(search.ROOT)}
    command = [sys.executable, "-c", TWO_VALUES]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_few_trials_of_two_values_find_more_than_chance(tmp_path):
    def gains(trial):  # both largest where the other three settings are 0.7
        x, *others = (trial.suggest_float(name, 0, 1) for name in "xabc")
        loss = sum((other - 0.7) ** 2 for other in others)
        return x - loss, 1 - x**2 - loss

    def area(seed, points):  # of what the trials reach beyond (0, 0)
        study = search.open_study(f"{seed} {len(points)}", tmp_path / "gains.db", num_values=2)
        trials = search.trials_frame(search.run_study(study, gains, 20, seed, points))
        reached, total = 0.0, 0.0
        for first, second in sorted(zip(trials.value_0, trials.value_1, strict=True), reverse=True):
            total, reached = total + max(first, 0) * max(second - reached, 0), max(reached, second)
        return total

    guided, chance = 0.0, 0.0
    for seed in (1, 2, 3):
        points = [dict(zip("xabc", row, strict=True)) for row in np.random.default_rng(seed).random((20, 4))]
        guided, chance = guided + area(seed, points[:5]), chance + area(seed, points)
    assert guided > 1.15 * chance
