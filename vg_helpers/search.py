"""The two Optuna studies: a storage that survives a kill, trials that are never repeated, several workers.

Convention: the values of a trial depend on the seed and on the finished trials alone, so that an interrupted study goes
on with what it would have tried anyway. A trial that a kill left unfinished is tried again under a new number.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import sqlalchemy.exc
from optuna.trial import TrialState

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# Random trials before the sampler models what it has seen; Optuna's own default of 10 exceeds the study.
STARTUP_TRIALS = 3
optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # what finds dead workers is new


def open_study(name: str, storage: str | Path, prune: bool = False) -> optuna.Study:
    """Return the study that maximises its value, new or continued.

    Args:
        storage: an SQLite file of our own, or a database URL that several workers share.
        prune: stop trials that fall behind the median of those before them.
    """
    shared = isinstance(storage, str) and "://" in storage
    backend = _connect(storage, heartbeat=30) if shared else _connect(f"sqlite:///{Path(storage).as_posix()}")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0) if prune else optuna.pruners.NopPruner()
    study = optuna.create_study(
        study_name=name, storage=backend, direction="maximize", pruner=pruner, load_if_exists=True
    )
    if not shared:  # nobody else works on it, so whatever still runs was killed
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def _connect(url: str, heartbeat: int | None = None) -> optuna.storages.RDBStorage:
    """Return the storage; its tables may be made by another worker at this very moment, so it is asked again."""
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback() if heartbeat else None
    for patience in range(5, -1, -1):
        try:
            return optuna.storages.RDBStorage(url, heartbeat_interval=heartbeat, heartbeat_stale_trial_callback=retry)
        except sqlalchemy.exc.DBAPIError:
            if not patience:
                raise
            time.sleep(1)


class KnownFirst(optuna.samplers.TPESampler):
    """Tree-structured Parzen estimators that give the first trials values known to be good.

    In a shared study a trial's number says which of them; in a study of our own it is `done`, the number of finished
    trials, so that an attempt that was killed is made again.
    """

    def __init__(self, first: Sequence[dict[str, Any]], done: int | None, **options: Any) -> None:
        super().__init__(n_startup_trials=STARTUP_TRIALS, multivariate=True, **options)
        self.known = lambda trial: dict(enumerate(first)).get(trial.number if done is None else done, {})

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {} if self.known(trial) else super().sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        known = self.known(trial)
        return known[name] if name in known else super().sample_independent(study, trial, name, distribution)


def run_study(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float],
    num_trials: int,
    seed: int,
    first: Sequence[dict[str, Any]] = (),
    on_trial: Callable[[optuna.trial.FrozenTrial], None] | None = None,
    shared: bool = False,
) -> optuna.Study:
    """Run the study until `num_trials` trials are finished, completed or pruned; finished ones are never repeated.

    Args:
        first: the values of the first trials, known to be good.
        on_trial: called with each trial as it finishes.
        shared: other workers are on the same study. Their order decides then, not the seed; a worker with nothing left
            to start waits for the trials of the others, one of which may die.
    """

    def finished(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if trial.state == TrialState.FAIL:  # it would be drawn again, for ever
            raise FloatingPointError(f"trial {trial.number} has no finite value, with {trial.params}")
        if on_trial:
            on_trial(trial)

    while (done := _count(study, *FINISHED)) < num_trials:
        running = _count(study, TrialState.RUNNING)
        if shared and done + running >= num_trials:
            time.sleep(1)
            optuna.storages.fail_stale_trials(study)
            continue
        draws = {"constant_liar": True} if shared else {"seed": seed + done}
        study.sampler = KnownFirst(first, None if shared else done, **draws)
        study.optimize(objective, n_trials=1, callbacks=[finished])
    return study


def _count(study: optuna.Study, *states: TrialState) -> int:
    return len(study.get_trials(deepcopy=False, states=states))


def trials_frame(study: optuna.Study) -> pd.DataFrame:
    """Return one row per finished trial: place in order, parameters, value, state, seconds, number.

    The value of a pruned trial is its last. `number` is the study's own, which counts killed attempts too.
    """
    rows = []
    for place, trial in enumerate(study.get_trials(deepcopy=False, states=FINISHED)):
        seconds = trial.duration.total_seconds() if trial.duration else float("nan")
        rows.append(
            {
                **{"trial": place, **trial.params, "value": trial.value},
                **{"state": trial.state.name, "seconds": seconds, "number": trial.number},
            }
        )
    return pd.DataFrame(rows)


def importances(study: optuna.Study, seed: int = 0) -> dict[str, float]:
    """Return the share of the completed trials' variance that each parameter explains, the largest first.

    By functional analysis of variance of a random forest (Hutter et al. 2014, "An efficient approach for assessing
    hyperparameter importance"). Empty where the trials are too few or too alike to have a variance.
    """
    values = {trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < 3:
        return {}
    return optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=seed)
    )
