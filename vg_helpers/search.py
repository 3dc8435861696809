"""Optuna studies: a storage that survives a kill, trials that are never repeated, several workers.

Convention: the values of a trial depend on the seed and on the finished trials alone, so that an interrupted study
continues with the values it would have tried anyway. A trial that a kill left unfinished is tried again under a new
number.
"""

import logging
import sqlite3
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import torch.distributed as dist
from optuna.trial import TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .files import ROOT, expand_home, set_aside
from .passwords import whole

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# Random trials before the sampler models the finished ones; Optuna's default of 10 is more than most studies here have.
STARTUP_TRIALS = 3
LOCK_TIMEOUT = 60  # seconds that SQLite waits for another process


def open_study(name: str, storage: str | Path, prune: bool = False, num_values: int = 1) -> optuna.Study:
    """Return the study that maximises its value, or several at once, new or continued.

    Args:
        storage: an SQLite file of our own, as a path; a damaged one is set aside. Or the URL of a database that several
            workers share. A relative file in a URL, as in sqlite:///search.db, lies in the project's folder, so that
            notebooks and workers mean the same file.
        prune: stop trials that fall behind the median of those before them.
        num_values: how many values a trial has.

    Raises:
        ValueError: if the database cannot be opened.
    """
    quiet()
    shared = isinstance(storage, str)
    if not shared:
        _check_file(storage)
    backend = _connect(database_url(storage), heartbeat=30 if shared else None)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0) if prune else optuna.pruners.NopPruner()
    directions = ["maximize"] * num_values
    study = optuna.create_study(
        study_name=name, storage=backend, directions=directions, pruner=pruner, load_if_exists=True
    )
    if not shared:  # nobody else works on it, so every trial that still runs was killed
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def quiet() -> None:
    """Let Optuna warn of problems alone: not of each trial, of a package it would like, or that a check is new."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("optuna._gp.batched_lbfgsb").setLevel(logging.ERROR)  # greenlet
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def database_url(storage: str | Path) -> str:
    """Return the URL of a database; a relative file lies in the project's folder.

    Raises:
        ValueError: if a text is no URL.

    >>> database_url("sqlite:///search.db") == f"sqlite:///{ROOT.as_posix()}/search.db"
    True
    >>> database_url("postgresql://db.example.org/search")
    'postgresql://db.example.org/search'
    """
    if isinstance(storage, Path):
        return URL.create("sqlite", database=storage.resolve().as_posix()).render_as_string()
    storage = whole(storage)
    try:
        url = make_url(storage)
    except (SQLAlchemyError, ValueError) as error:
        raise ValueError(f"{storage} is no database URL; give sqlite:///search.db or postgresql://…") from error
    file = url.database or ""
    if url.get_backend_name() != "sqlite" or not file or file.startswith((":memory:", "file:")):
        return storage
    return url.set(database=(ROOT / expand_home(file)).as_posix()).render_as_string()


def _check_file(path: Path) -> None:
    """Set a database aside that SQLite finds damaged."""
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT)) as connection:
            damaged = connection.execute("PRAGMA quick_check").fetchone() != ("ok",)
    except sqlite3.OperationalError:  # locked, or not readable: no damage
        return
    except sqlite3.DatabaseError:
        damaged = True
    if damaged:
        set_aside(path)
        for suffix in ("-journal", "-wal", "-shm"):  # they belong to the damaged file
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _connect(url: str, heartbeat: int | None = None) -> optuna.storages.RDBStorage:
    """Return the storage. Another worker may be creating its tables at this very moment, so a failure is repeated."""
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback() if heartbeat else None
    options = {"connect_args": {"timeout": LOCK_TIMEOUT}} if url.startswith("sqlite") else {}
    for attempts_left in range(5, -1, -1):
        try:
            return optuna.storages.RDBStorage(
                url, options, heartbeat_interval=heartbeat, heartbeat_stale_trial_callback=retry
            )
        except (SQLAlchemyError, RuntimeError) as error:  # RuntimeError: tables of another version of Optuna
            if attempts_left and isinstance(error, DBAPIError):
                time.sleep(1)
                continue
            place = make_url(url).render_as_string(hide_password=True)
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
            raise ValueError(f"the database {place} cannot be opened ({reason})") from error


class _KnownFirst:
    """A sampler that gives the first trials values known to be good.

    In a shared study a trial's number says which of them; in a study of our own the number of finished trials, `done`,
    says it, so that a trial that was killed is tried again.
    """

    def __init__(self, first: Sequence[dict[str, Any]], done: int | None, **options: Any) -> None:
        super().__init__(n_startup_trials=STARTUP_TRIALS, **options)
        self.known = lambda trial: dict(enumerate(first)).get(trial.number if done is None else done, {})

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {} if self.known(trial) else super().sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        known = self.known(trial)
        return known[name] if name in known else super().sample_independent(study, trial, name, distribution)


class KnownThenTrees(_KnownFirst, optuna.samplers.TPESampler):
    """Then tree-structured Parzen estimators choose, which also learn from trials that were stopped early."""


class KnownThenGaussian(_KnownFirst, optuna.samplers.GPSampler):
    """Then the expected gain of hypervolume under Gaussian processes: few trials teach them more than trees."""


def run_study(
    study: optuna.Study | None,
    objective: Callable[[optuna.Trial], float],
    num_trials: int,
    seed: int,
    first: Sequence[dict[str, Any]] = (),
    on_trial: Callable[[optuna.trial.FrozenTrial], None] | None = None,
    shared: bool = False,
) -> optuna.Study | None:
    """Run the study until `num_trials` trials are finished (completed or pruned); finished ones are never repeated.

    If torch.distributed is initialised, all processes compute each trial together: every one calls this function, the
    first with the study and the others with None.

    Args:
        first: the values of the first trials, known to be good.
        on_trial: called with each trial as it finishes.
        shared: other workers run trials of the same study. Then their order decides, not the seed; a worker that has
            no trial left to start waits for those of the others, one of which may die.
    """
    quiet()
    if study is None:
        _follow(objective)
        return None

    def finished(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if trial.state == TrialState.FAIL:  # it would be drawn again and again
            raise FloatingPointError(f"trial {trial.number} has no finite value, with {trial.params}")
        if on_trial:
            on_trial(trial)

    while (done := _count(study, *FINISHED)) < num_trials:
        running = _count(study, TrialState.RUNNING)
        if shared and done + running >= num_trials:
            time.sleep(1)
            optuna.storages.fail_stale_trials(study)
            continue
        study.sampler = _sampler(study, first, None if shared else done, seed + done)
        study.optimize(partial(_lead, objective), n_trials=1, callbacks=[finished])
    _broadcast(False)
    return study


def _sampler(
    study: optuna.Study, first: Sequence[dict[str, Any]], done: int | None, seed: int
) -> optuna.samplers.BaseSampler:
    """Return the sampler of the next trial; `done` is None in a shared study, where the seed does not count."""
    if len(study.directions) > 1:
        options = {"deterministic_objective": True, "warn_independent_sampling": False}
        return KnownThenGaussian(first, done, seed=None if done is None else seed, **options)
    options = {"constant_liar": True} if done is None else {"seed": seed}
    return KnownThenTrees(first, done, multivariate=True, **options)


def _lead(objective: Callable[[Any], float], trial: optuna.Trial) -> float:
    """Return the value of a trial that all processes compute together, of which this is the first."""
    if not _broadcast(True):
        return objective(trial)
    from optuna_integration import TorchDistributedTrial

    return objective(TorchDistributedTrial(trial, group=_group()))


def _follow(objective: Callable[[Any], float]) -> None:
    """Take part in the trials of the first process until it ends the study."""
    from optuna_integration import TorchDistributedTrial

    while _broadcast(None):
        with suppress(optuna.TrialPruned):  # which the first process reports
            objective(TorchDistributedTrial(None, group=_group()))


def _broadcast(more: bool | None) -> bool | None:
    """Return in all processes whether the first one starts another trial; None if there is only one process."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return None
    values = [more]
    dist.broadcast_object_list(values, group=_group())
    return values[0]


def _group() -> Any:
    """Return the group of all processes that hands over values in the CPU's memory, as Optuna's trials need it."""
    return dist.group.WORLD if dist.get_backend() == "gloo" else _gloo()


@cache
def _gloo() -> Any:
    return dist.new_group(backend="gloo", timeout=timedelta(days=1))


def _count(study: optuna.Study, *states: TrialState) -> int:
    return len(study.get_trials(deepcopy=False, states=states))


def trials_frame(study: optuna.Study) -> pd.DataFrame:
    """Return one row per finished trial: place in order, parameters, value, state, seconds, number.

    A study of several values has them as value_0, value_1 and so on. The value of a pruned trial is its last. `number`
    is the study's own, which counts killed attempts too.
    """
    rows = []
    for place, trial in enumerate(study.get_trials(deepcopy=False, states=FINISHED)):
        seconds = trial.duration.total_seconds() if trial.duration else float("nan")
        several = len(study.directions) > 1
        values = {f"value_{k}": v for k, v in enumerate(trial.values)} if several else {"value": trial.value}
        result = {"state": trial.state.name, "seconds": seconds, "number": trial.number}
        rows.append({"trial": place, **trial.params, **values, **result})
    return pd.DataFrame(rows)


def importances(study: optuna.Study, seed: int = 0) -> dict[str, float]:
    """Return the share of the completed trials' variance that each parameter explains, the largest first.

    By functional analysis of variance of a random forest (Hutter et al. 2014, "An efficient approach for assessing
    hyperparameter importance"). Empty if there are fewer than three different values.
    """
    values = {trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < 3:
        return {}
    return optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=seed)
    )
