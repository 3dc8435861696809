"""One network learns one split: features of its frozen part, a linear head, a search, the final training, predictions.

Convention: everything costly is kept in the task's folder and is not done again; the folder's name depends on what it
is made from.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import sqlalchemy.exc
import torch
from filelock import FileLock
from scipy.special import softmax
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import Subset

from . import search
from .artifacts import fingerprint, read_json
from .data import EVAL_VIEWS, SPLITS, build_dataset
from .device import pick_device
from .features import cache_features, probe, set_head
from .models import CHOICES, Classifier, build_classifier
from .texture import LAYER, Texture, Textured
from .train import (
    FitResult,
    TrainConfig,
    choose_depth,
    fit,
    join_processes,
    leave_processes,
    of_the_first,
    predict,
    prepare,
    rank,
    trained_layers,
)

PROTOCOL = 6  # raise it when the same parameters no longer give the same numbers: kept work is then done again
GENTLER = 0.5  # the rate once deeper layers learn too, as a share of the one that the search found for the others
# AlexNet, all of whose layers learn, gets nowhere in a few epochs with the half that torchvision drops; VGG-19, whose
# fc6 and fc7 stay frozen, is held back by less.
DROPOUT = {"vgg19": 0.5, "alexnet": 0.2}
SCRATCH = {"lr": 1e-4, "batch_size": 32, "optimizer": "AdamW"}  # of an AlexNet that starts from random weights


@dataclass(frozen=True)
class Setup:
    """What a task depends on besides network and paintings.

    `views` counts the augmented views that are kept, `eval_views` those of a held-out painting that are averaged.
    """

    data_dir: Path
    cache_dir: Path
    state_dir: Path
    device: torch.device
    depth: str = "auto"
    weights: str = "auto"
    views: int = 2
    size: int = 224
    seed: int = 42
    eval_views: int = EVAL_VIEWS

    def __post_init__(self) -> None:
        if self.eval_views not in (2, 4, 6):
            raise ValueError(
                f"eval_views={self.eval_views}: choose 2 (the centre, mirrored too), 4 or 6 (its ends, turned, too)"
            )


@dataclass
class Task:
    """A network, its part that learns, and the train, val and test sets as that part sees them."""

    model: Classifier
    learning: nn.Module
    sets: dict[str, Any]
    config: TrainConfig
    setup: Setup
    folder: Path

    @property
    def key(self) -> str:
        """The folder's name, which changes with everything the task is made from."""
        return self.folder.name

    def probs(self, split: str, views: int | None = None) -> np.ndarray:
        """Return P(van_gogh) of a split, logits averaged over each painting's views, all of them unless told."""
        logits = predict(self.learning, self.sets[split], self.setup.device, views or self.setup.eval_views)
        return softmax(logits.astype(np.float64), axis=1)[:, 1]


def build_task(
    network: str, index: pd.DataFrame, split: str, setup: Setup, on_batch: Callable[[int], None] | None = None
) -> Task:
    """Return the task of teaching `network` the training paintings of `index[split]`; frozen features come once."""
    depth = choose_depth(setup.depth, setup.device, network)
    model = build_classifier(network, setup.weights, setup.seed)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = DROPOUT[network]
    lower, upper = prepare(model, depth)
    made_from = (PROTOCOL, network, depth, setup.views, setup.size, setup.seed, model.weights.sha256)
    rows = index[["path", "label", split]].to_dict("list")
    folder = Path(setup.state_dir, f"{network}-{fingerprint(made_from, rows)}")
    folder.mkdir(parents=True, exist_ok=True)
    sets = _pictures(index, split, setup)
    for name in sets if len(lower) > 1 else ():  # the first module is the normalisation alone
        views = setup.views if name == "train" else setup.eval_views
        path = folder / f"{name}-{views}.npy"
        with FileLock(path.with_suffix(".lock")):  # several workers may share the folder
            sets[name] = cache_features(lower, sets[name], views, path, setup.device, on_batch)
    learning = upper if len(lower) > 1 else model
    config = TrainConfig(depth=depth, val_views=EVAL_VIEWS, seed=setup.seed)
    return Task(model, learning, sets, config, setup, folder)


def _pictures(index: pd.DataFrame, split: str, setup: Setup) -> dict[str, Any]:
    parts = {name: index[index[split] == name] for name in SPLITS}
    options = setup.size, setup.seed
    return {k: build_dataset(v, setup.data_dir, setup.cache_dir, k == "train", *options) for k, v in parts.items()}


def unfreeze(task: Task, index: pd.DataFrame, split: str, result: FitResult) -> Task:
    """Return the sequel of a training of the upper layers alone, which gave `result` and its weights to the model.

    Deeper layers learn too, from pictures that are augmented anew in every epoch. From the top down: Howard and Ruder
    2018, "Universal language model fine-tuning for text classification".
    """
    prepare(task.model, "deeper")
    folder = task.folder / fingerprint(result.history)
    folder.mkdir(exist_ok=True)
    config = replace(task.config, depth="deeper")
    return Task(task.model, task.model, _pictures(index, split, task.setup), config, task.setup, folder)


def gentler(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the search found best for the upper layers, made fit for their training with deeper ones."""
    return {**values, "lr": values["lr"] * GENTLER}


def fit_probe(task: Task) -> dict[str, np.ndarray]:
    """Return P(van_gogh) of val and test by logistic regression on the last layer's inputs, and set that layer to it.

    Called before any training, so the weights are pre-trained throughout. Held-out features are means over the views.
    """
    body = nn.Sequential(*list(task.learning.children())[:-1]) if task.learning is not task.model else _body(task.model)
    views = {"train": 1, "val": task.setup.eval_views, "test": task.setup.eval_views}
    features = {name: predict(body, task.sets[name], task.setup.device, n) for name, n in views.items()}
    fitted = probe(features["train"], np.asarray(task.sets["train"].targets), task.setup.seed)
    set_head(task.model.module_of("fc8"), fitted)
    return {name: fitted.predict_proba(features[name])[:, 1] for name in ("val", "test")}


def add_texture(task: Task, index: pd.DataFrame, split: str) -> tuple[Textured, dict[str, np.ndarray]]:
    """Return the task's network with a head that sees texture, and P(van_gogh) of val and test by this head alone.

    The head is a logistic regression, fitted after the network's own training and to its own middle layer.
    """
    model, setup = task.model, task.setup
    layer = LAYER[model.network]
    kept = task.learning is not model and trained_layers(model.network, task.config.depth)[0] == layer
    sets = task.sets if kept else _pictures(index, split, setup)
    body = nn.Sequential(*(() if kept else model.split(layer)[0]), Texture())
    views = {"train": setup.views, "val": setup.eval_views, "test": setup.eval_views}
    found = {name: predict(body, sets[name], setup.device, n) for name, n in views.items()}
    fitted = probe(found["train"], np.asarray(sets["train"].targets), setup.seed)
    head = nn.Linear(found["train"].shape[1], 2)
    set_head(head, fitted)
    return Textured(model, head), {name: fitted.predict_proba(found[name])[:, 1] for name in ("val", "test")}


def probe_splits(task: Task, index: pd.DataFrame, splits: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return split -> its test paintings with their P(van_gogh) in a column p, by logistic regression on one network.

    Every painting's features are the same in all splits, those of its centre, so that only the border differs. Called
    before any training, as `fit_probe` is.
    """
    setup, found = task.setup, {}
    everything = build_dataset(index, setup.data_dir, setup.cache_dir, False, setup.size, setup.seed)
    features = predict(_body(task.model), everything, setup.device)
    for split in splits:
        train, test = (index[split].to_numpy() == name for name in ("train", "test"))
        fitted = probe(features[train], index.label[train].to_numpy(), setup.seed)
        found[split] = index[test].assign(p=fitted.predict_proba(features[test])[:, 1])
    return found


def _body(model: Classifier) -> nn.Module:
    lower, _ = model.split("fc8")
    return lower


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
    study = search.open_study(name, storage or task.folder / "study.db", prune=True)
    known_good = search.KNOWN_GOOD[task.model.network]

    def objective(trial: optuna.Trial) -> float:
        config = TrainConfig(**{**vars(task.config), **search.suggest_training(trial), "num_epochs": num_epochs})

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

    return search.run_study(study, objective, num_trials, task.setup.seed, first=known_good, shared=bool(storage))


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


def train_finally(
    task: Task,
    values: dict[str, Any],
    num_epochs: int,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
    patience: int = 0,
) -> FitResult:
    """Train with the best values found and leave the task's model with its best epoch's weights; `patience` as in fit.

    Longer patience goes on from where a shorter one stopped.
    """
    config = TrainConfig(**{**vars(task.config), **values, "num_epochs": num_epochs})
    checkpoint, sets = task.folder / f"final-{fingerprint(vars(config))}.pt", task.sets
    return fit(
        task.learning, sets["train"], sets["val"], config, task.setup.device, checkpoint, on_epoch, on_batch, patience
    )


def main(arguments: list[str] | None = None) -> int:
    """Join a search as one more worker, or with --final train together what torchrun started.

    The same profile's 01_data must be there, on every machine. A notebook 02 with the same parameters and the same
    `storage` finds done what is done here.
    """
    parser = argparse.ArgumentParser(prog="run.py search", description=main.__doc__)
    parser.add_argument("--model", choices=sorted(search.KNOWN_GOOD), required=True)
    parser.add_argument("--storage", required=True, metavar="URL", help="sqlite:///search.db or postgresql://…")
    parser.add_argument("--profile", default="demo", help="whose paintings, report/build/PROFILE/01_data")
    parser.add_argument("--num-trials", type=int, default=8)
    parser.add_argument("--num-epochs", type=int, default=3)
    parser.add_argument("--num-paintings", type=int, default=0, help="training paintings per epoch; 0 takes all")
    parser.add_argument("--final", type=int, default=0, metavar="EPOCHS", help="train with the best values instead")
    parser.add_argument("--views", type=int, default=Setup.views, help="augmented views kept of each painting")
    parser.add_argument("--depth", default="auto")
    parser.add_argument("--weights", choices=CHOICES, default="auto")
    parser.add_argument("--split", default="split_grouped")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        study = _work(options)
        if rank() == 0:
            print(search.trials_frame(study).to_string(index=False))
    except (ValueError, OSError, sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        print(f"search: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    finally:
        leave_processes()
    return 0


def _work(options: argparse.Namespace) -> optuna.Study:
    if "://" not in options.storage:
        raise ValueError(f"--storage {options.storage} is no database URL; give sqlite:///search.db or postgresql://…")
    data = Path(__file__).parents[1] / "report" / "build" / options.profile / "01_data"
    if not (data / "index.csv").is_file():
        raise ValueError(f"{data} holds no index.csv: run `run.py report --profile {options.profile} --only 01` first")
    sources, index = read_json(data / "sources.json"), pd.read_csv(data / "index.csv", keep_default_na=False)
    state = data.parent / "02_classify" / "state"
    device = join_processes(pick_device(options.device)) if options.final else pick_device(options.device)
    setup = Setup(
        sources["data_dir"], sources["cache_dir"], state, device, options.depth, options.weights, options.views
    )
    task = build_task(options.model, index, options.split, setup)
    if options.final:
        study = search.open_study(_study_name(task, options.num_epochs, options.num_paintings), options.storage)
        best = of_the_first(_best_values(study, options))  # another worker's trial may have ended meanwhile
        fit_probe(task)
        train_finally(task, best, options.final)
        return study
    fit_probe(task)
    return search_training(task, options.num_trials, options.num_epochs, options.num_paintings, options.storage)


def _best_values(study: optuna.Study, options: argparse.Namespace) -> dict[str, Any]:
    try:
        return study.best_params
    except ValueError as error:
        raise ValueError(
            f"no trial is complete with --num-epochs {options.num_epochs} --num-paintings {options.num_paintings}: "
            "give both, and the other options, as the search had them"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
