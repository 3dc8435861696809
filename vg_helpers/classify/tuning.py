"""The search for learning rate, batch size and optimizer of one task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from sklearn.model_selection import train_test_split
from torch.utils.data import Subset

from ..files import fingerprint
from ..search import open_study, run_study
from .task import Task
from .train import TrainConfig, fit

KNOWN_GOOD = {  # the reference report's values, then what served here
    "vgg19": [
        {"lr": 1.18e-5, "batch_size": 16, "optimizer": "AdamW"},
        {"lr": 3e-5, "batch_size": 16, "optimizer": "AdamW"},
    ],
    "alexnet": [
        {"lr": 9e-5, "batch_size": 16, "optimizer": "SGD"},
        {"lr": 1e-4, "batch_size": 32, "optimizer": "AdamW"},
    ],
}


def search_training(
    task: Task,
    num_trials: int,
    num_epochs: int,
    num_paintings: int = 0,
    storage: str | Path | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> optuna.Study:
    """Return the study of learning rate, batch size and optimiser by validation ROC AUC.

    Each trial starts from the weights that the task has now.

    Args:
        num_paintings: training paintings per epoch, a stratified sample that changes with it; 0 takes all.
        on_epoch: called with each epoch's row, which also holds the trial's number and values.
    """
    start = {name: p.detach().clone() for name, p in task.learning.named_parameters() if p.requires_grad}
    name = _study_name(task, num_epochs, num_paintings)
    study = open_study(name, storage or task.folder / "study.db", prune=True)
    known_good = KNOWN_GOOD[task.model.network]

    def objective(trial: optuna.Trial) -> float:
        config = TrainConfig(**{**vars(task.config), **suggest_training(trial), "num_epochs": num_epochs})

        def report(row: dict[str, float]) -> None:
            if on_epoch:
                on_epoch({"trial": trial.number, **trial.params, **row})
            trial.report(row["val_auc"], int(row["epoch"]))
            if row["epoch"] < num_epochs and trial.should_prune():
                raise optuna.TrialPruned

        checkpoint = task.folder / f"trial-{fingerprint(vars(config), num_paintings)}.pt"
        train_set = task.sets["train"]
        if 0 < num_paintings < len(train_set):
            train_set = Sample(train_set, num_paintings, task.setup.seed)
        try:
            result = fit(
                task.learning, train_set, task.sets["val"], config, task.setup.device, checkpoint, report, on_batch
            )
        except (optuna.TrialPruned, FloatingPointError) as error:  # a diverged trial is a bad one, not the study's end
            checkpoint.unlink(missing_ok=True)
            raise optuna.TrialPruned(str(error)) from error
        finally:
            task.learning.load_state_dict(start, strict=False)
        checkpoint.unlink(missing_ok=True)
        return result.best_value

    return run_study(study, objective, num_trials, task.setup.seed, first=known_good, shared=bool(storage))


def _study_name(task: Task, num_epochs: int, num_paintings: int) -> str:
    return f"{task.key}-{num_epochs}-{num_paintings}"


class Sample(Subset):
    """A stratified part of a data set, another one in every view, with its `targets`; `view` is the data set's own.

    The same part in every epoch would soon be known by heart, and a trial would be judged by that.
    """

    def __init__(self, dataset: Any, count: int, seed: int) -> None:
        super().__init__(dataset, [])
        self.count, self.seed, self.view = count, seed, 0

    @property
    def view(self) -> int:
        """The view of the data set beneath."""
        return self.dataset.view

    @view.setter
    def view(self, view: int) -> None:
        self.dataset.view, targets = view, self.dataset.targets
        drawn = {"train_size": self.count, "stratify": targets, "random_state": self.seed + view}
        self.indices = sorted(train_test_split(range(len(targets)), **drawn)[0])
        self.targets = [targets[index] for index in self.indices]


def suggest_training(trial: optuna.Trial) -> dict[str, Any]:
    """Return learning rate (log scale), batch size and optimiser of a classification trial."""
    return {
        "lr": trial.suggest_float("lr", 1e-6, 1e-3, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32]),
        "optimizer": trial.suggest_categorical("optimizer", ["AdamW", "SGD"]),
    }
