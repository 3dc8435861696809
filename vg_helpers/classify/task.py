"""One network learns one split: features of its frozen part, a linear head, the final training, predictions.

Convention: everything costly is kept in the task's folder and is not computed again; the folder's name depends on all
that the task is made from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from ..data.splits import SPLITS
from ..data.views import EVAL_VIEWS, build_dataset
from ..files import fingerprint
from ..models.classifier import Classifier, build_classifier
from ..models.layers import TITLES
from .features import cache_features, probe, set_head
from .setup import PROTOCOL, Setup, identity
from .train import HEAD, FitResult, TrainConfig, choose_depth, fit, predict, prepare

SEARCH_VIEWS = 1  # of a painting by which trials are compared
# torchvision drops half. With so much dropout AlexNet, whose layers are all trained, learns little in a few epochs. For
# VGG-19, whose fc6 and fc7 stay frozen, less dropout gave worse results.
DROPOUT = {"vgg19": 0.5, "alexnet": 0.2}


@dataclass(frozen=True)
class Probe:
    """A logistic regression on frozen features as a layer of two outputs, and its P(van_gogh) of val and test.

    `search_head` learned only from the training paintings that do not compare the trials of a search.
    """

    head: nn.Linear
    search_head: nn.Linear
    probs: dict[str, np.ndarray]


@dataclass
class Task:
    """A network, its part that learns, and the train, val, test and search sets as that part sees them.

    "search" holds the paintings that compare trials: val, and those of train that `held_for_search` names. Trials learn
    from the rows `search_rows` of train and start with the last layer `search_head`; None leaves it as it is.
    """

    model: Classifier
    learning: nn.Module
    sets: dict[str, Any]
    search_rows: list[int]
    config: TrainConfig
    setup: Setup
    folder: Path
    search_head: nn.Linear | None = None

    @property
    def key(self) -> str:
        """The folder's name, which changes with everything the task is made from."""
        return self.folder.name

    @property
    def title(self) -> str:
        """The network's name in print."""
        return TITLES[self.model.network]

    @property
    def facts(self) -> dict[str, str]:
        """Network and depth, for the records of its trainings."""
        return {"network": self.model.network, "depth": self.config.depth}

    def content(self) -> tuple[Any, ...]:
        """Return what predictions depend on, for `Stage.keep`: the task's key, its setup and the trained weights."""
        trained = {name: p for name, p in self.learning.named_parameters() if p.requires_grad}
        return self.key, self.setup.content(), trained

    def start_from(self, probe: Probe) -> None:
        """Give the network's last layer the weights of `fit_probe`, and trials those of its `search_head`."""
        self.model.module_of(HEAD).load_state_dict(probe.head.state_dict())
        self.search_head = probe.search_head

    def probs(self, split: str, views: int | None = None) -> np.ndarray:
        """Return P(van_gogh) of a split, logits averaged over `views` views of each painting, by default all."""
        logits = predict(self.learning, self.sets[split], self.setup.device, views or self.setup.eval_views)
        return softmax(logits.astype(np.float64), axis=1)[:, 1]


def build_task(
    network: str, index: pd.DataFrame, split: str, setup: Setup, on_batch: Callable[[int], None] | None = None
) -> Task:
    """Return the task of training `network` on the paintings of `index[split]`; frozen features are kept on disk."""
    depth = choose_depth(setup.depth, setup.device, network)
    model = build_classifier(network, setup.weights, setup.seed)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = DROPOUT[network]
    lower, upper = prepare(model, depth)
    made_from = (PROTOCOL, network, depth, setup.views, setup.size, setup.seed, model.weights.sha256)
    rows = identity(index) | index[["label", split]].to_dict("list")
    folder = Path(setup.state_dir, f"{network}-{fingerprint(made_from, rows)}")
    folder.mkdir(parents=True, exist_ok=True)
    sets, learning = _pictures(index, split, setup), model
    search_rows = np.flatnonzero(~held_for_search(index[index[split] == "train"], setup.seed)).tolist()
    if len(lower) > 1:  # a single module is the normalisation: nothing is frozen
        sets, learning = _features(lower, sets, setup, folder, on_batch), upper
    config = TrainConfig(depth=depth, val_views=EVAL_VIEWS, seed=setup.seed)
    return Task(model, learning, sets, search_rows, config, setup, folder)


def _features(
    lower: nn.Module, sets: dict[str, Any], setup: Setup, folder: Path, on_batch: Callable[[int], None] | None
) -> dict[str, Any]:
    """Return the sets as the frozen part of the network sees them."""
    cached, views_of = {}, {"train": setup.views, "search": SEARCH_VIEWS}
    for name, pictures in sets.items():
        views = views_of.get(name, setup.eval_views)
        path = folder / f"{name}-{views}.npy"
        with FileLock(path.with_suffix(".lock")):  # several workers may share the folder
            cached[name] = cache_features(lower, pictures, views, path, setup.device, on_batch)
    return cached


def _pictures(index: pd.DataFrame, split: str, setup: Setup) -> dict[str, Any]:
    parts = {name: index[index[split] == name] for name in SPLITS}
    held = held_for_search(parts["train"], setup.seed)
    parts["search"] = pd.concat([parts["val"], parts["train"][held]])
    folders, options = (setup.data_dir, setup.cache_dir), (setup.size, setup.seed)
    return {name: build_dataset(rows, *folders, name == "train", *options) for name, rows in parts.items()}


def held_for_search(train: pd.DataFrame, seed: int) -> np.ndarray:
    """Return which training paintings (N,), a third by groups, no trial of a search learns from.

    Together with the validation paintings they compare the trials: on those alone, chance would choose.
    """
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=seed).split(train, train["label"], train["group"])
    _, held = next(folds)
    return np.isin(np.arange(len(train)), held)


def fit_probe(task: Task) -> Probe:
    """Return a logistic regression on the last layer's inputs, which `Task.start_from` makes the last layer.

    Called before any training, when all weights are the pre-trained ones. Held-out features are means over the views.
    """
    body = below_head(task.model)
    if task.learning is not task.model:
        body = nn.Sequential(*list(task.learning.children())[:-1])
    setup = task.setup
    views = {"train": 1, "val": setup.eval_views, "test": setup.eval_views}
    features = {name: predict(body, task.sets[name], setup.device, count) for name, count in views.items()}
    train, targets = features["train"], np.asarray(task.sets["train"].targets)
    fitted = probe(train, targets, setup.seed)
    for_search = probe(train[task.search_rows], targets[task.search_rows], setup.seed)
    heads = (set_head(nn.Linear(train.shape[1], 2), regression) for regression in (fitted, for_search))
    return Probe(*heads, {name: fitted.predict_proba(features[name])[:, 1] for name in ("val", "test")})


def below_head(model: Classifier) -> nn.Module:
    """Return the network without its last layer."""
    below, _ = model.split(HEAD)
    return below


def held_out_probs(task: Task) -> dict[str, np.ndarray]:
    """Return P(van_gogh) of val and test."""
    return {split: task.probs(split) for split in ("val", "test")}


def train_finally(
    task: Task,
    values: dict[str, Any],
    num_epochs: int,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
    patience: int = 0,
) -> FitResult:
    """Train with the best values and leave the task's model with the weights of its best epoch; `patience` as in `fit`.

    With more patience than before, training continues from where it stopped.
    """
    config = TrainConfig(**{**vars(task.config), **values, "num_epochs": num_epochs})
    checkpoint, sets = task.folder / f"final-{fingerprint(vars(config))}.pt", task.sets
    return fit(
        task.learning, sets["train"], sets["val"], config, task.setup.device, checkpoint, on_epoch, on_batch, patience
    )
