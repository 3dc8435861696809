"""The texture judge learns: moments of paintings, width and strength by grouped cross-validation, refits to resamples.

Convention: moments (N, 2C) as in models.texture; labels are 0 or 1 (1 = van_gogh); groups hold twins together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC

from ..models.texture import TextureJudge, mean_squared_differences, statistics

GAMMAS = (0.25, 0.5, 1.0)  # of the mean squared difference between standardised statistics
STRENGTHS = (1.0, 3.0, 10.0)
FOLDS = 5
REFITS = 30


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
        "center": center, "scale": scale, "support": support, "labels": torch.from_numpy(labels),
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
    svc.fit(kernel, labels, sample_weight=sample_weight)
    weights = np.zeros(len(labels))
    weights[svc.support_] = svc.dual_coef_[0]
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
