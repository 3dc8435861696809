"""The texture judge learns: moments of paintings, width and strength by grouped cross-validation, refits to resamples.

Convention: moments (N, 2C) as in models.texture; labels are 0 or 1 (1 = van_gogh); groups hold twins together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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

from ..data.views import PatchDataset, build_dataset
from ..files import fingerprint
from ..models.extractor import FeatureExtractor, build_extractor
from ..models.texture import TEXTURE_LAYERS, TextureJudge, channel_moments, mean_squared_differences, statistics
from .features import cache_features
from .task import PROTOCOL, Setup, identity

GAMMAS = (0.4, 0.75, 1.5)  # of the mean squared difference between standardised statistics
STRENGTHS = (3.0, 10.0)
FOLDS = 5
REFITS = 30
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
    network: str, index: pd.DataFrame, setup: Setup, patches: int = 0, on_batch: Callable[[int], None] | None = None
) -> NDArray[np.float32]:
    """Return the moments (N, 2C) of all paintings of an index, by a pre-trained network; they are kept on disk.

    Args:
        patches: how many patches near its own resolution join the centre of a painting whose file is large enough.
    """
    extractor = build_extractor(network, TEXTURE_LAYERS[network], setup.weights)
    pictures = build_dataset(index, setup.data_dir, setup.cache_dir, False, setup.size, setup.seed)
    if patches:
        pictures = PatchDataset(pictures.paths, pictures.targets, pictures.cache_dir, setup.size, patches=patches)
    made_from = PROTOCOL, network, TEXTURE_LAYERS[network], setup.size, extractor.weights.sha256, patches
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
    moments: NDArray, labels: Sequence[int], groups: Sequence[int], names: Sequence[str], seed: int = 42
) -> TextureFit:
    """Return the judge of training paintings.

    Width and strength have the highest ROC AUC of a grouped cross-validation, whose scores also calibrate the machine
    (Platt 1999). The refits learn from groups that are drawn with replacement; they show what depends on the draw of
    the paintings.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    values = statistics(torch.from_numpy(np.asarray(moments, dtype=np.float32)))
    center, scale = values.mean(0), values.std(0).clamp(min=1e-6)
    support = ((values - center) / scale).half()  # as it is saved, so that a loaded judge gives the same answers
    distances = mean_squared_differences(support.float(), support.float()).numpy()
    choice, scores = choose(distances, labels, groups, seed)
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(scores[:, None], labels)
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    kernel = np.exp(-choice.gamma * distances)
    draws = [np.ones(len(labels)), *group_draws(groups, labels, REFITS, seed)]
    machines = [machine(kernel, labels, choice.strength, draw) for draw in draws]
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
        weights, bias = machine(kernel[np.ix_(train, train)], labels[train], strength)
        scores[held] = kernel[np.ix_(held, train)] @ weights + bias
    return scores


def machine(
    kernel: NDArray, labels: NDArray, strength: float, sample_weight: NDArray | None = None
) -> tuple[NDArray[np.float64], float]:
    """Return the weights (N,) and the bias of a support vector machine on a kernel (N, N); both classes count alike."""
    svc = SVC(C=strength, kernel="precomputed", class_weight="balanced", cache_size=500)
    weights, rows = np.zeros(len(labels)), np.arange(len(labels))
    if sample_weight is not None:  # scikit-learn names the wrong support vectors if some weights are 0
        rows = np.flatnonzero(sample_weight)
        kernel, sample_weight = kernel[np.ix_(rows, rows)], sample_weight[rows]
    svc.fit(kernel, labels[rows], sample_weight=sample_weight)
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
