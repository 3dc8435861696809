"""How good the third answer is on test paintings: how many get an answer, and how many of these are wrong.

Convention: log odds are those of a Van Gogh; labels are 0 or 1 (1 = van_gogh); answers as in `answers`. `held` is the
frame of `summary.held_out`, and `rules` and `neighbors` are by network.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from ..calibration import log_odds as log_odds_of
from ..intervals import Estimate, proportion
from ..metrics import score_table
from ..models.texture import Rule
from .answers import CANNOT_TELL, OTHER, VAN_GOGH, Neighbors, answers_of, is_answered, logit, neighbors_of
from .texture import TextureFit

ROWS = {"two": "van_gogh or other", "three": "or cannot_tell", "familiar": "or cannot_tell, and familiar"}
# Share of the distance of unfamiliar pictures; all closer pairs that we looked at were photographs of one work
SAME_WORK = 0.23


def evaluate_answers(
    log_odds: ArrayLike, labels: ArrayLike, rule: Rule, unfamiliar: ArrayLike | None = None
) -> pd.DataFrame:
    """Return how many of the paintings are answered, and how many of the answers are wrong.

    One row for two answers ("two"), one for three ("three"), and one for the paintings among the latter that are not
    unfamiliar ("familiar"; only if it is known which are). The columns answered, wrong, wrong_van_gogh (of the answers
    "van_gogh") and wrong_other are Estimates with Wilson's intervals.
    """
    labels, odds = np.asarray(labels), np.asarray(log_odds, dtype=np.float64)
    answers = answers_of(odds, rule.threshold)
    wrong = (answers == VAN_GOGH) != (labels == 1)
    sure = is_answered(odds, rule.threshold, rule.margin)
    given = {"two": np.full(len(labels), True), "three": sure}
    if unfamiliar is not None:
        given["familiar"] = sure & ~np.asarray(unfamiliar)
    rows = {}
    for name, chosen in given.items():
        rows[name] = {"answered": proportion(chosen.sum(), len(labels)), "wrong": proportion(*_counts(wrong, chosen))}
        for answer in (VAN_GOGH, OTHER):
            rows[name][f"wrong_{answer}"] = proportion(*_counts(wrong, chosen & (answers == answer)))
    return pd.DataFrame.from_dict(rows, orient="index")


def nearest_to_test(
    textures: Mapping[str, TextureFit], moments: Mapping[str, NDArray], index: pd.DataFrame, split: str
) -> dict[str, Neighbors]:
    """Return by network the training paintings nearest to each test painting, in the order of the index."""
    test = (index[split] == "test").to_numpy()
    return {name: neighbors_of(fit.judge, torch.from_numpy(moments[name][test])) for name, fit in textures.items()}


def on_test(held: pd.DataFrame, network: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the log odds of the test paintings by a network and its texture judge, and their labels."""
    test = held[held["split"] == "test"]
    return log_odds_of(test[f"p_{network}_with_texture"]), test["label"].to_numpy()


def evaluate_networks(
    held: pd.DataFrame, rules: Mapping[str, Rule], neighbors: Mapping[str, Neighbors]
) -> dict[str, pd.DataFrame]:
    """Return `evaluate_answers` on the test paintings for each network with its texture judge, by network."""
    return {
        name: evaluate_answers(*on_test(held, name), rule, neighbors[name].distance > rule.familiar)
        for name, rule in rules.items()
    }


def add_to_metrics(metrics: dict[str, Any], evaluations: Mapping[str, pd.DataFrame]) -> None:
    """Write into metrics, under "answers" of "vgg19_with_texture" and so on, the shares answered and wrong of three."""
    for network, frame in evaluations.items():
        three = frame.loc["three"]
        metrics[f"{network}_with_texture"]["answers"] = {key: three[key]._asdict() for key in ("answered", "wrong")}


def without_close(
    held: pd.DataFrame, classifier: str, distance: ArrayLike, familiar: float, seed: int = 0
) -> tuple[int, Estimate, Estimate | None]:
    """Return how many test paintings nearly equal a training painting in texture, and the ROC AUC with and without.

    There is no second one (None) if the others lack a class.

    Args:
        distance: (N,) of the test paintings from the training painting of nearest texture.
        familiar: as in `Rule`; distances have no unit, so that it says what is near. If it is infinite, nothing is.
    """
    test = held[held["split"] == "test"]
    close = np.asarray(distance) < (SAME_WORK * familiar if familiar < np.inf else 0.0)

    def auc(rows: pd.DataFrame) -> Estimate:
        table = score_table(rows["label"], rows[f"p_{classifier}"], groups=rows["group"], seed=seed)
        return Estimate.read(table.loc["roc_auc"])

    rest = test[~close]
    return int(close.sum()), auc(test), auc(rest) if rest["label"].nunique() == 2 else None


def risk_curves(held: pd.DataFrame, rules: Mapping[str, Rule]) -> dict[str, pd.DataFrame]:
    """Return `risk_curve` on the test paintings for each network with its texture judge, by network."""
    return {name: risk_curve(*on_test(held, name), rule.threshold) for name, rule in rules.items()}


def _counts(wrong: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> tuple[int, int]:
    return int((wrong & chosen).sum()), int(chosen.sum())


def answers_table(evaluations: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what `evaluate_answers` returned, by the name of the classifier, as it is printed."""
    rows = [
        [name, ROWS[row.Index], *(f"{value:.3f}" if value.value >= 0 else "–" for value in row[1:])]
        for name, frame in evaluations.items()
        for row in frame.itertuples()
    ]
    columns = ["classifier", "answers", "answered", "wrong", "wrong “van_gogh”", "wrong “other”"]
    return pd.DataFrame(rows, columns=columns)


def risk_curve(log_odds: ArrayLike, labels: ArrayLike, threshold: float) -> pd.DataFrame:
    """Return, from the surest answer to all of them, margin, answered (share) and wrong (share of the answered)."""
    odds, labels = np.asarray(log_odds, dtype=np.float64), np.asarray(labels)
    distance, wrong = np.abs(odds - logit(threshold)), (odds >= logit(threshold)) != (labels == 1)
    order = np.argsort(-distance, kind="stable")
    number = np.arange(1, len(odds) + 1)
    curve = {"margin": distance[order], "answered": number / len(odds), "wrong": np.cumsum(wrong[order]) / number}
    return pd.DataFrame(curve).drop_duplicates("margin", keep="last", ignore_index=True)


def examples(log_odds: ArrayLike, labels: ArrayLike, rule: Rule, distance: ArrayLike) -> dict[str, int]:
    """Return the position of one painting for each kind of answer, as far as there is one.

    The surest right answer of both kinds, the surest wrong one, the nearest miss between two answers, and the least
    familiar painting.

    Args:
        distance: (N,) from the nearest training painting.
    """
    labels, odds = np.asarray(labels), np.asarray(log_odds, dtype=np.float64)
    answers, near = answers_of(odds, rule.threshold, rule.margin), np.asarray(distance, dtype=np.float64)
    away = np.abs(odds - logit(rule.threshold))
    right = (answers == VAN_GOGH) == (labels == 1)
    kinds = {
        "rightly Van Gogh": (right & (answers == VAN_GOGH), away),
        "rightly other": (right & (answers == OTHER), away),
        "wrong": (~right & (answers != CANNOT_TELL), away),
        CANNOT_TELL: (answers == CANNOT_TELL, -away),
        "unfamiliar": (near > rule.familiar, near),
    }
    return {name: int(np.where(mask, score, -np.inf).argmax()) for name, (mask, score) in kinds.items() if mask.any()}


def shown(positions: Mapping[str, int], neighbors: Neighbors, test: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each example and each training painting near it: kind, role, path, artist.

    The role is "test", "van_gogh" or "other"; the nearest of a role come first.

    Args:
        positions: of `examples`, among the test paintings.
        train: the judge's paintings, in its order.
    """
    rows = []
    for kind, place in positions.items():
        groups: Sequence[tuple[str, pd.DataFrame]] = (
            ("test", test.iloc[[place]]),
            (VAN_GOGH, train.iloc[neighbors.van_goghs[place]]),
            (OTHER, train.iloc[neighbors.others[place]]),
        )
        rows += [part[["path", "artist"]].assign(kind=kind, role=role) for role, part in groups]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["path", "artist", "kind", "role"])
