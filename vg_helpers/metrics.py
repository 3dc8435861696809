"""Numbers that judge a classifier, each with a 95 % interval.

Throughout: targets are 0 or 1 (1 = van_gogh), probs are P(van_gogh) in [0, 1], and preds = probs >= threshold.
Bootstraps resample whole groups (near-duplicates and same titles stay together): twins are not independent evidence.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn import metrics as sk

from .intervals import Estimate, proportion

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "average_precision",
    "f1",
    "precision",
    "recall",
    "brier",
    "log_loss",
)


class McNemar(NamedTuple):
    """How often only one of two classifiers is right, and the exact two-sided p-value of that imbalance."""

    only_a: int
    only_b: int
    p_value: float


def checked(targets: ArrayLike, probs: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return targets as integers and probs as float64, both (N,).

    Raises:
        ValueError: if the lengths differ or a value is out of range.
    """
    targets, probs = np.asarray(targets), np.asarray(probs, dtype=np.float64)
    if targets.ndim != 1 or targets.shape != probs.shape or not len(targets):
        raise ValueError(f"targets {targets.shape} and probs {probs.shape} must be two lists of the same length")
    if not np.isin(targets, (0, 1)).all():
        raise ValueError("targets must be 0 (other) or 1 (van_gogh)")
    if not ((probs >= 0) & (probs <= 1)).all():
        raise ValueError("probs must lie in [0, 1] without NaN: pass probabilities, not logits")
    return targets.astype(np.int64), probs


def score(targets: ArrayLike, probs: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """Return every metric of METRICS by name; precision and F1 are 0 when nothing is called a Van Gogh.

    Raises:
        ValueError: if the lengths differ, a value is out of range, or one of the two classes is missing.
    """
    targets, probs = checked(targets, probs)
    if targets.min() == targets.max():
        raise ValueError("the metrics need paintings of both classes, and these targets hold only one")
    preds = probs >= threshold
    return {
        "accuracy": float(sk.accuracy_score(targets, preds)),
        "balanced_accuracy": float(sk.balanced_accuracy_score(targets, preds)),
        "roc_auc": float(sk.roc_auc_score(targets, probs)),
        "average_precision": float(sk.average_precision_score(targets, probs)),
        "f1": float(sk.f1_score(targets, preds, zero_division=0)),
        "precision": float(sk.precision_score(targets, preds, zero_division=0)),
        "recall": float(sk.recall_score(targets, preds)),
        "brier": float(sk.brier_score_loss(targets, probs)),
        "log_loss": float(sk.log_loss(targets, probs)),
    }


def score_table(
    targets: ArrayLike,
    probs: ArrayLike,
    threshold: float = 0.5,
    *,
    groups: ArrayLike | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return a frame with one row per metric and the columns value, low, high (95 % percentile bootstrap).

    Args:
        groups: (N,) labels; paintings of one group are drawn together. None: each painting is its own group.
    """
    values = score(targets, probs, threshold)
    targets, probs = checked(targets, probs)
    counts = resample_counts(len(targets), groups, num_resamples, seed)
    low, high = _interval(_weighted_scores(targets, probs, threshold, counts))
    return pd.DataFrame({"value": values, "low": low, "high": high}).rename_axis("metric")


def resample_counts(
    num_items: int, groups: ArrayLike | None = None, num_resamples: int = 1000, seed: int = 0
) -> NDArray[np.int64]:
    """Return (num_resamples, num_items): how often each item occurs when as many groups as there are are drawn anew."""
    codes = np.arange(num_items) if groups is None else pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
    if len(codes) != num_items:
        raise ValueError(f"groups has {len(codes)} entries for {num_items} paintings: give one per painting")
    num_groups = int(codes.max()) + 1
    draws = np.random.default_rng(seed).multinomial(num_groups, np.full(num_groups, 1 / num_groups), num_resamples)
    return draws[:, codes]


def _interval(samples: NDArray) -> tuple[dict[str, float], dict[str, float]]:
    """Return the 2.5 % and 97.5 % quantiles of each metric; resamples with one class have no AUC and are left out."""
    frame = pd.DataFrame(samples, columns=METRICS)
    return frame.quantile(0.025).to_dict(), frame.quantile(0.975).to_dict()


def _weighted_scores(targets: NDArray, probs: NDArray, threshold: float, counts: NDArray) -> NDArray:
    """Return (R, len(METRICS)): `score` of R resamples at once, because a thousand times scikit-learn is too slow."""
    preds = probs >= threshold
    clipped = np.clip(probs, np.finfo(float).eps, 1 - np.finfo(float).eps)
    columns = np.stack(
        [
            targets * preds,
            (1 - targets) * preds,
            targets,
            np.ones(len(targets)),
            (probs - targets) ** 2,
            -np.log(np.where(targets == 1, clipped, 1 - clipped)),
        ],
        axis=1,
    )
    true_pos, false_pos, positives, total, brier, log_loss = (counts.astype(np.float64) @ columns).T
    negatives, called = total - positives, true_pos + false_pos
    roc_auc, average_precision = _weighted_ranking(targets, probs, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, specificity = true_pos / positives, 1 - false_pos / negatives
        scores = {
            "accuracy": (true_pos + negatives - false_pos) / total,
            "balanced_accuracy": (recall + specificity) / 2,
            "roc_auc": roc_auc,
            "average_precision": average_precision,
            "f1": 2 * true_pos / (positives + called),
            "precision": np.where(called > 0, true_pos / called, 0.0),
            "recall": recall,
            "brier": brier / total,
            "log_loss": log_loss / total,
        }
    return np.stack([scores[name] for name in METRICS], axis=1)


def _weighted_ranking(targets: NDArray, probs: NDArray, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Return (R,) ROC AUC and (R,) average precision; equal probs count half in the AUC and as one step in the AP."""
    order = np.argsort(-probs, kind="stable")
    starts = np.flatnonzero(np.diff(probs[order], prepend=2.0))  # where a new distinct value begins
    positives = np.add.reduceat(counts[:, order] * targets[order], starts, axis=1).astype(np.float64)
    negatives = np.add.reduceat(counts[:, order] * (1 - targets[order]), starts, axis=1).astype(np.float64)
    true_pos, false_pos = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        wins = (negatives * (true_pos - positives / 2)).sum(axis=1)
        roc_auc = wins / (true_pos[:, -1] * false_pos[:, -1])
        precision = np.where(true_pos + false_pos > 0, true_pos / (true_pos + false_pos), 0.0)
        average_precision = (positives * precision).sum(axis=1) / true_pos[:, -1]
    return roc_auc, average_precision


def auc_difference(
    targets: ArrayLike,
    probs_a: ArrayLike,
    probs_b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Return ROC AUC of a minus that of b; the paired bootstrap draws the same paintings for both."""
    value = score(targets, probs_a)["roc_auc"] - score(targets, probs_b)["roc_auc"]
    targets, probs_a = checked(targets, probs_a)
    counts = resample_counts(len(targets), groups, num_resamples, seed)
    auc_b = _weighted_ranking(targets, np.asarray(probs_b, dtype=np.float64), counts)[0]
    low, high = np.nanquantile(_weighted_ranking(targets, probs_a, counts)[0] - auc_b, (0.025, 0.975))
    return Estimate(value, float(low), float(high))


def auc_standard_error(targets: ArrayLike, scores: ArrayLike) -> float:
    """Return the standard error of the ROC AUC of scores (N,) of any scale; NaN for fewer than two of a class.

    DeLong et al. 1988, "Comparing the areas under two or more correlated receiver operating characteristic curves".

    >>> round(auc_standard_error([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8]), 3)
    0.354
    """
    targets, scores = np.asarray(targets), np.asarray(scores, dtype=np.float64)
    positives, negatives = scores[targets == 1], scores[targets == 0]
    if min(len(positives), len(negatives)) < 2:
        return float("nan")
    ranks = stats.rankdata(scores)
    above = (ranks[targets == 1] - stats.rankdata(positives)) / len(negatives)  # share of the negatives below each
    below = (ranks[targets == 0] - stats.rankdata(negatives)) / len(positives)
    return float(np.sqrt(above.var(ddof=1) / len(positives) + below.var(ddof=1) / len(negatives)))


def mcnemar(targets: ArrayLike, preds_a: ArrayLike, preds_b: ArrayLike) -> McNemar:
    """Return McNemar's exact test of two classifiers on the same paintings (a binomial test of the discordant ones)."""
    right_a = np.asarray(preds_a).astype(bool) == np.asarray(targets).astype(bool)
    right_b = np.asarray(preds_b).astype(bool) == np.asarray(targets).astype(bool)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p_value = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return McNemar(only_a, only_b, float(p_value))


def confusion_of(targets: ArrayLike, probs: ArrayLike, threshold: float = 0.5) -> NDArray[np.int64]:
    """Return [[TN, FP], [FN, TP]]: rows true, columns predicted, other before van_gogh."""
    targets, probs = checked(targets, probs)
    return sk.confusion_matrix(targets, probs >= threshold, labels=[0, 1])


def outcomes_of(targets: ArrayLike, probs: ArrayLike, threshold: float = 0.5) -> NDArray[np.str_]:
    """Return "TP", "FP", "TN" or "FN" for each painting."""
    targets, probs = checked(targets, probs)
    return np.array([["TN", "FP"], ["FN", "TP"]])[targets, (probs >= threshold).astype(int)]


def rates_by(targets: ArrayLike, preds: ArrayLike, by: ArrayLike) -> pd.DataFrame:
    """Return one row per value of `by`: van_goghs, found, others, mistaken.

    These are the number of Van Goghs, the share of them that is recognised, the number of other paintings and the share
    of them taken for Van Goghs. The shares are Estimates with Wilson's interval; NaN if there are no such paintings.
    """
    frame = pd.DataFrame({"target": np.asarray(targets), "pred": np.asarray(preds).astype(int), "by": np.asarray(by)})
    rows = {}
    for value, part in frame.groupby("by"):
        van_goghs, others = part["pred"][part["target"] == 1], part["pred"][part["target"] == 0]
        rows[value] = {"van_goghs": len(van_goghs), "found": proportion(van_goghs.sum(), len(van_goghs))}
        rows[value] |= {"others": len(others), "mistaken": proportion(others.sum(), len(others))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("by")
