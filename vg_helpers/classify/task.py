"""One network learns one split: features of its frozen part, a linear head, a search, the final training, predictions.

Convention: everything costly is kept in the task's folder and is not done again; the folder's name depends on what it
is made from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from scipy.special import softmax
from torch import nn

from ..data.splits import SPLITS
from ..data.views import EVAL_VIEWS, build_dataset
from ..files import fingerprint
from ..models.classifier import TEXTURE_LAYER as LAYER
from ..models.classifier import Classifier, Texture, Textured, build_classifier
from .features import cache_features, probe, set_head
from .train import FitResult, TrainConfig, choose_depth, fit, predict, prepare, trained_layers

PROTOCOL = 7  # raise it when the same parameters no longer give the same numbers: kept work is then done again
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
