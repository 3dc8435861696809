"""The texture judge learns: moments of paintings, width and strength by grouped cross-validation, refits to resamples.

Convention: moments (N, 2C) as in models.texture; labels are 0 or 1 (1 = van_gogh); groups hold twins together. A judge
may learn from a corrupted copy of each painting as well: then kernels and distances are (2N, 2N), copies last, and
labels and groups are still those of the N paintings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..data.views import PatchDataset, build_dataset
from ..files import fingerprint
from ..models.extractor import FeatureExtractor
from ..models.texture import (
    TextureJudge,
    channel_moments,
    mean_squared_differences,
    standardised,
    statistics,
)
from .corruptions import CopyDataset
from .features import cache_features
from .setup import PROTOCOL, Setup, identity

GAMMAS = (0.4, 0.75, 1.5)  # of the mean squared difference between standardised statistics
STRENGTHS = (3.0, 10.0)
FOLDS = 5
REFITS = 30
COPY_WEIGHT = 0.3  # of a copy's error; by grouped cross-validation 1 costs AlexNet accuracy, 0.1 helps less
VIEWS = 1  # of a painting: its centre


class Moments(nn.Module):
    """Gives the moments (N, 2C) of pictures (N, 3, H, W), or the mean over views of (N, views, 3, H, W)."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, pictures: Tensor) -> Tensor:
        if pictures.ndim == 4:
            return channel_moments(self.extractor(pictures))
        return torch.stack([channel_moments(self.extractor(views)).mean(0) for views in pictures])


@dataclass(frozen=True)
class Choice:
    """The kernel's width, the machine's strength C, and the cross-validated ROC AUC of each pair that was tried."""

    gamma: float
    strength: float
    tried: pd.DataFrame


@dataclass(frozen=True)
class TextureFit:
    """A judge and the calibrated log odds (N,) of its training paintings, each by a machine that did not see it."""

    judge: TextureJudge
    choice: Choice
    out_of_fold: NDArray[np.float64]


def paintings_moments(
    extractor: FeatureExtractor,
    index: pd.DataFrame,
    setup: Setup,
    patches: int = 0,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the moments (N, 2C) of all paintings of an index; they are kept on disk.

    Args:
        patches: how many patches near its own resolution join the centre of a painting whose file is large enough.
    """
    pictures = build_dataset(index, setup.data_dir, setup.cache_dir, False, setup.size, setup.seed)
    if patches:
        pictures = PatchDataset(pictures.paths, pictures.targets, pictures.cache_dir, setup.size, patches=patches)
    return _kept_moments(extractor, index, pictures, setup, patches, on_batch)


def copies_moments(
    extractor: FeatureExtractor, index: pd.DataFrame, setup: Setup, on_batch: Callable[[int], None] | None = None
) -> NDArray[np.float32]:
    """Return the moments (N, 2C) of a copy of each painting, corrupted in one of many ways; they are kept on disk."""
    pictures = CopyDataset(index["path"].tolist(), index["label"].tolist(), setup)
    return _kept_moments(extractor, index, pictures, setup, ("copies", setup.seed), on_batch)


def _kept_moments(
    extractor: FeatureExtractor,
    index: pd.DataFrame,
    pictures: Any,
    setup: Setup,
    kind: Any,
    on_batch: Callable[[int], None] | None,
) -> NDArray[np.float32]:
    network, of_extractor = extractor.network, (extractor.layers, extractor.scales, extractor.weights.sha256)
    made_from = PROTOCOL, network, of_extractor, setup.size, kind
    path = Path(setup.state_dir, f"{network}-moments-{fingerprint(made_from, identity(index))}.npy")
    with FileLock(path.with_suffix(".lock")):
        options = VIEWS, path, setup.device, on_batch, np.float32
        return cache_features(Moments(extractor), pictures, *options).features.mean(0)


def combine(network: NDArray, texture: NDArray, labels: NDArray) -> tuple[float, float, float]:
    """Return the weights of two log odds and the bias of their sum, fitted to held-out paintings.

    By logistic regression (stacking; Wolpert 1992). Its mild penalty keeps the weights finite where the classes are
    separated.
    """
    odds = np.stack([network, texture], axis=1)
    scale = odds.std(axis=0) + 1e-9
    fitted = LogisticRegression(max_iter=1000).fit(odds / scale, labels)
    first, second = np.maximum(fitted.coef_[0], 0) / scale  # neither may count against its own verdict
    return float(first), float(second), float(fitted.intercept_[0])


def fit_texture_judge(
    moments: NDArray,
    labels: Sequence[int],
    groups: Sequence[int],
    names: Sequence[str],
    seed: int = 42,
    copies: NDArray | None = None,
) -> TextureFit:
    """Return the judge of training paintings.

    Width and strength have the highest ROC AUC of a grouped cross-validation, whose scores also calibrate the machine
    (Platt 1999). The refits learn from groups that are drawn with replacement; they show what depends on the draw of
    the paintings.

    Args:
        copies: moments (N, 2C) of a corrupted copy of each painting, to learn from as well.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    rows = moments if copies is None else np.concatenate([moments, copies])
    values = statistics(torch.from_numpy(np.asarray(rows, dtype=np.float32)))
    center, scale = values[: len(labels)].mean(0), values[: len(labels)].std(0).clamp(min=1e-6)
    support = standardised(values, center, scale).half()  # as it is saved: a loaded judge gives the same answers
    distances = mean_squared_differences(support.float(), support.float()).numpy()
    choice, scores = choose(distances, labels, groups, seed)
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(scores[:, None], labels)
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    kernel = np.exp(-choice.gamma * distances)
    draws = [np.ones(len(labels)), *group_draws(groups, labels, REFITS, seed)]
    machines = [machine(kernel, labels, choice.strength, draw) for draw in tqdm(draws, desc="refits", leave=False)]
    tensors = {
        "center": center, "scale": scale, "support": support, "labels": torch.tensor(labels),
        "weights": torch.tensor(np.array([weights for weights, _ in machines]), dtype=torch.float32),
        "biases": torch.tensor([bias for _, bias in machines], dtype=torch.float32),
        "gamma": torch.tensor(choice.gamma), "slope": torch.tensor(slope), "shift": torch.tensor(shift),
    }  # fmt: skip
    return TextureFit(TextureJudge(tensors, list(names)).eval(), choice, slope * scores + shift)


def choose(distances: NDArray, labels: NDArray, groups: NDArray, seed: int = 42) -> tuple[Choice, NDArray]:
    """Return width and strength by grouped cross-validation, and the out-of-fold scores (N,) of that pair."""
    rows, scores = [], {}
    for gamma in GAMMAS:
        kernel = np.exp(-gamma * distances)
        for strength in STRENGTHS:
            scores[gamma, strength] = out_of_fold(kernel, labels, groups, strength, seed)
            rows.append([gamma, strength, roc_auc_score(labels, scores[gamma, strength])])
    tried = pd.DataFrame(rows, columns=["gamma", "strength", "roc_auc"])
    gamma, strength, _ = tried.loc[tried["roc_auc"].idxmax()]
    return Choice(float(gamma), float(strength), tried), scores[gamma, strength]


def out_of_fold(
    kernel: NDArray, labels: NDArray, groups: NDArray, strength: float, seed: int = 42, folds: int = FOLDS
) -> NDArray[np.float64]:
    """Return the decision value (N,) of each painting by a machine that saw neither it nor its twins."""
    scores = np.empty(len(labels))
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    for train, held in splits:
        scores[held] = scores_of(kernel, labels, strength, train, held)
    return scores


def scores_of(kernel: NDArray, labels: NDArray, strength: float, train: NDArray, held: NDArray) -> NDArray[np.float64]:
    """Return the decision values of the paintings `held` by a machine that learned from the paintings `train`."""
    learned = train if len(kernel) == len(labels) else np.concatenate([train, train + len(labels)])
    weights, bias = machine(kernel[np.ix_(learned, learned)], labels[train], strength)
    return kernel[np.ix_(held, learned)] @ weights + bias


def machine(
    kernel: NDArray, labels: NDArray, strength: float, sample_weight: NDArray | None = None
) -> tuple[NDArray[np.float64], float]:
    """Return the weights (M,) and the bias of a support vector machine on a kernel (M, M); both classes count alike.

    Args:
        labels, sample_weight: (N,) of the paintings; copies, if the kernel has them, count COPY_WEIGHT as much.
    """
    svc = SVC(C=strength, kernel="precomputed", class_weight="balanced", cache_size=500)
    sample_weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    if len(kernel) > len(labels):
        labels, sample_weight = np.tile(labels, 2), np.concatenate([sample_weight, COPY_WEIGHT * sample_weight])
    weights = np.zeros(len(labels))
    rows = np.flatnonzero(sample_weight)  # scikit-learn names the wrong support vectors if some weights are 0
    svc.fit(kernel[np.ix_(rows, rows)], labels[rows], sample_weight=sample_weight[rows])
    weights[rows[svc.support_]] = svc.dual_coef_[0]
    return weights, float(svc.intercept_[0])


def group_draws(groups: NDArray, labels: NDArray, count: int, seed: int) -> list[NDArray[np.float64]]:
    """Return `count` resamples: how often each painting (N,) is drawn when as many groups are drawn as there are."""
    rng, codes = np.random.default_rng(seed), pd.factorize(groups)[0]
    draws = []
    while len(draws) < count:
        times = rng.multinomial(codes.max() + 1, np.full(codes.max() + 1, 1 / (codes.max() + 1)))[codes].astype(float)
        if len(set(labels[times > 0])) == 2:
            draws.append(times)
    return draws
