"""Probabilities that mean what they say: the threshold for F1, temperature scaling, reliability.

Throughout, as in metrics: targets are 0 or 1 (1 = van_gogh), probs are P(van_gogh) in [0, 1].
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression

from .intervals import proportion
from .metrics import checked


def threshold_for_f1(targets: ArrayLike, probs: ArrayLike) -> float:
    """Return the threshold of the highest expected F1; choose it on validation and use it, unchanged, on test.

    A logistic regression on the log odds calibrates the probs (Platt 1999, "Probabilistic outputs for support vector
    machines"); for calibrated ones the best threshold is half the highest expected F1 (Lipton et al. 2014, "Optimal
    thresholding of classifiers to maximize F1 measure"). The threshold with the highest F1 on the validation paintings
    themselves would depend on the few nearest to it. Uninformative or inverted probs give 0: everything is called a
    Van Gogh.

    Raises:
        ValueError: if there is one class only.
    """
    targets, probs = checked(targets, probs)
    if targets.min() == targets.max():
        raise ValueError("a threshold for F1 needs validation paintings of both classes")
    odds = log_odds(probs)[:, None]
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(odds, targets)
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope <= 0:
        return 0.0
    sure = np.sort(platt.predict_proba(odds)[:, 1])[::-1]
    best = (2 * sure.cumsum() / (np.arange(1, len(sure) + 1) + sure.sum())).max()
    return float(special.expit((special.logit(best / 2) - shift) / slope))


def log_odds(probs: ArrayLike) -> NDArray[np.float64]:
    """Return the logits (log odds) of probs; probs that a float32 softmax rounded to 0 or 1 stay finite."""
    return special.logit(np.clip(np.asarray(probs, dtype=np.float64), 1e-8, 1 - 1e-8))


def fit_temperature(targets: ArrayLike, probs: ArrayLike) -> float:
    """Return the temperature T that minimises the log loss of sigmoid(log_odds / T); fit it on validation.

    Guo et al. 2017, "On calibration of modern neural networks". T above 1: the classifier was too sure of itself.
    Perfectly separated classes have no finite optimum: T ends at 1/20, the border of the search.
    """
    targets, probs = checked(targets, probs)
    odds = np.where(targets == 1, -1, 1) * log_odds(probs)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, odds / np.exp(log_temperature)).mean())

    border = np.log(20)
    return float(np.exp(optimize.minimize_scalar(loss, bounds=(-border, border), method="bounded").x))


def calibrate(probs: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return sigmoid(log_odds / temperature); the order of the paintings, and so the ROC AUC, stays.

    >>> calibrate([0.5, 0.9], 1.0).round(3).tolist()
    [0.5, 0.9]
    """
    return special.expit(log_odds(probs) / temperature)


def reliability_table(targets: ArrayLike, probs: ArrayLike, num_bins: int = 10) -> pd.DataFrame:
    """Return one row per non-empty bin of equal width: from, to, count, mean_prob, fraction, low, high (Wilson)."""
    targets, probs = checked(targets, probs)
    bins = np.minimum((probs * num_bins).astype(int), num_bins - 1)
    rows = []
    for index in np.unique(bins):
        inside = bins == index
        fraction = proportion(targets[inside].sum(), inside.sum())
        edges = index / num_bins, (index + 1) / num_bins
        rows.append([*edges, int(inside.sum()), probs[inside].mean(), fraction.value, fraction.low, fraction.high])
    return pd.DataFrame(rows, columns=["from", "to", "count", "mean_prob", "fraction", "low", "high"])


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean distance between probs and observed fraction over a reliability table, weighted by paintings."""
    return float(np.average((table["mean_prob"] - table["fraction"]).abs(), weights=table["count"]))
