"""The search for learning rate, batch size and optimiser of one task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from sklearn.model_selection import train_test_split
from torch.utils.data import Subset

from ..files import fingerprint
from ..search import open_study, run_study
from .distributed import rank
from .task import SEARCH_VIEWS, Task
from .train import fit, head_of, trained_state

KNOWN_GOOD = {  # the values of the reference report, then the best of earlier trainings of this project
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
) -> optuna.Study | None:
    """Return the study of learning rate, batch size and optimiser by ROC AUC on the task's set "search".

    Of several processes that train together, the first has the study, and the others get None.
    Each trial starts from the task's present weights, with its `search_head`, and learns from the training paintings
    that are not in that set.

    Args:
        num_paintings: training paintings per epoch, another stratified sample in each epoch; 0 takes all.
        storage: database URL of a study that other workers share; by default a file in the task's folder.
        on_epoch: called with each epoch's row, which also holds the trial's number and values.
    """
    before = trained_state(task.learning)
    if task.search_head:
        head_of(task.learning).load_state_dict(task.search_head.state_dict())
    start = trained_state(task.learning)
    name = study_name(task, num_epochs, num_paintings)
    study = open_study(name, storage or task.folder / "study.db", prune=True) if rank() == 0 else None
    known_good = KNOWN_GOOD[task.model.network]

    def objective(trial: optuna.Trial) -> float:
        suggest_training(trial)
        # Of a trial that several processes share, `params` has the exact numbers.
        config = replace(task.config, **trial.params, num_epochs=num_epochs, val_views=SEARCH_VIEWS)

        def report(row: dict[str, float]) -> None:
            if on_epoch:
                on_epoch({"trial": trial.number, **trial.params, **row})
            trial.report(row["val_auc"], int(row["epoch"]))
            if row["epoch"] < num_epochs and trial.should_prune():
                raise optuna.TrialPruned

        checkpoint = task.folder / f"trial-{fingerprint(vars(config), num_paintings)}.pt"
        train_set = Sample(task.sets["train"], task.search_rows, num_paintings, task.setup.seed)
        try:
            result = fit(
                task.learning, train_set, task.sets["search"], config, task.setup.device, checkpoint, report, on_batch
            )
        except (optuna.TrialPruned, FloatingPointError) as error:  # a trial that diverged must not end the study
            forget(checkpoint)
            raise optuna.TrialPruned(str(error)) from error
        finally:
            task.learning.load_state_dict(start, strict=False)
        forget(checkpoint)
        return result.best_value

    try:
        return run_study(study, objective, num_trials, task.setup.seed, first=known_good, shared=bool(storage))
    finally:
        task.learning.load_state_dict(before, strict=False)


def forget(checkpoint: Path) -> None:
    """Remove a trial's checkpoint, which the first process wrote."""
    if rank() == 0:
        checkpoint.unlink(missing_ok=True)


def study_name(task: Task, num_epochs: int, num_paintings: int) -> str:
    """Return the name under which a storage keeps the study of these trials."""
    return f"{task.key}-{num_epochs}-{num_paintings}"


def pictures_per_trial(task: Task, num_epochs: int, num_paintings: int = 0) -> int:
    """Return how many training paintings a trial sees, if it is not stopped early."""
    available = len(task.search_rows)
    return num_epochs * min(num_paintings or available, available)


@dataclass
class Sample:
    """A stratified part of some rows of a data set, which `draw` draws anew for every view; all rows if `count` is 0.

    A network would soon know a fixed part by heart, and the trials would then compare memories.
    """

    dataset: Any
    rows: Sequence[int]
    count: int
    seed: int

    def __len__(self) -> int:
        return self.count if 0 < self.count < len(self.rows) else len(self.rows)

    def draw(self, view: int) -> Subset:
        """Return the part of one view, with its `targets`."""
        self.dataset.view, rows = view, list(self.rows)
        if len(self) < len(rows):
            targets = [self.dataset.targets[row] for row in rows]
            options = {"train_size": self.count, "stratify": targets, "random_state": self.seed + view}
            rows = sorted(train_test_split(rows, **options)[0])
        part = Subset(self.dataset, rows)
        part.targets = [self.dataset.targets[row] for row in rows]
        return part


def suggest_training(trial: optuna.Trial) -> dict[str, Any]:
    """Return learning rate (log scale), batch size and optimiser of a classification trial."""
    return {
        "lr": trial.suggest_float("lr", 1e-6, 1e-3, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32]),
        "optimizer": trial.suggest_categorical("optimizer", ["AdamW", "SGD"]),
    }
