"""How far the texture judge can be trusted: painters it never saw, fewer paintings, another draw of the paintings.

Convention: a judge's paintings are those it learned from, in its order; `index` has a row for each, found by its path.
P is P(van_gogh) by machines that saw neither the painting nor its twins. Only machines are fitted anew: kernel,
strength, standardisation and calibration stay as they are.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.model_selection import StratifiedGroupKFold
from tqdm.auto import tqdm

from ..calibration import log_odds
from ..intervals import Estimate, proportion
from ..metrics import auc_difference, resample_counts, score_table
from ..models.texture import TextureJudge, mean_squared_differences
from .answers import choose_margin, is_answered
from .texture import FOLDS, TextureFit, group_draws, scores_of

FEWEST = 20  # paintings by a painter who is left out: with fewer, his rates would be guesses
SHARES = (0.1, 0.25, 0.5, 1.0)
DRAWS = 3
COLUMNS = ["path", "artist", "label", "group"]  # of an index
UNSTEADY = 0.1  # the share of refits with another answer, from which on an answer counts as unsteady

OnMachine = Callable[[int], object]


class Unseen(NamedTuple):
    """What it costs that a painter was never seen: shares mistaken for Van Goghs, ROC AUC, and how both change."""

    seen: Estimate
    unseen: Estimate
    rise: Estimate
    auc_seen: Estimate
    auc_unseen: Estimate
    auc_change: Estimate


class Stability(NamedTuple):
    """The share of unsteady answers, and the shares of wrong ones among them and among the others."""

    unsteady: Estimate
    wrong_if_unsteady: Estimate
    wrong_if_steady: Estimate


def painters_left_out(
    judge: TextureJudge, strength: float, index: pd.DataFrame, seed: int = 42, on_machine: OnMachine | None = None
) -> pd.DataFrame:
    """Return path, artist, label, group of the paintings by Van Gogh and by painters of at least FEWEST, and their P.

    In the columns `seen` and `unseen`: the machine learned from other paintings by the same painter, or from none, and
    otherwise from the same ones. For Van Goghs both are the same. `distance` is the mean squared difference from the
    nearest painting that the unseen machine could learn from.
    """
    rows, kernel = paintings_of(judge, index), kernel_of(judge)
    labels, artists = rows["label"].to_numpy(), rows["artist"].to_numpy()
    painters = _left_out(rows)
    seen, unseen, nearest = np.empty((3, len(rows)))
    for train, held in _folds(rows, seed):
        seen[held] = unseen[held] = scores_of(kernel, labels, strength, train, held)
        nearest[held] = kernel[np.ix_(held, train)].max(axis=1)
        for painter in painters:
            his, others = held[artists[held] == painter], train[artists[train] != painter]
            if len(his):
                unseen[his] = scores_of(kernel, labels, strength, others, his)
                nearest[his] = kernel[np.ix_(his, others)].max(axis=1)
            if on_machine:
                on_machine(1)
    columns = {"seen": probs_of(judge, seen), "unseen": probs_of(judge, unseen)}
    columns["distance"] = -np.log(nearest) / float(judge.gamma)
    return rows.assign(**columns)[(labels == 1) | rows["artist"].isin(painters)].reset_index(drop=True)


def painter_rates(scores: pd.DataFrame, threshold: float, seed: int = 0) -> pd.DataFrame:
    """Return one row per painter left out: paintings, and seen, unseen (shares mistaken), auc_seen, auc_unseen.

    All but the first are Estimates. The ROC AUC is that of his paintings against all Van Goghs.

    Args:
        scores: of `painters_left_out`.
        threshold: on P.
    """
    table = {}
    for painter, his in scores[scores["label"] == 0].groupby("artist"):
        both = pd.concat([scores[scores["label"] == 1], his])
        table[painter] = {"paintings": len(his)}
        for kind in ("seen", "unseen"):
            auc = score_table(both["label"], both[kind], groups=both["group"], seed=seed).loc["roc_auc"]
            table[painter] |= {
                kind: proportion((his[kind] >= threshold).sum(), len(his)),
                f"auc_{kind}": Estimate.read(auc),
            }
    frame = pd.DataFrame.from_dict(table, orient="index").rename_axis("artist")
    order = sorted(frame.index, key=lambda painter: frame.loc[painter, "unseen"].value, reverse=True)
    return frame.loc[order]


def painters_table(rates: pd.DataFrame, artist_name: Callable[[str], str] = str) -> pd.DataFrame:
    """Return `painter_rates` as they are printed; `artist_name` says how a painter is printed."""
    cells = [
        [artist_name(row.Index), row.paintings, *(f"{value:.2f}" for value in (row.seen, row.unseen))]
        + [f"{value:.3f}" for value in (row.auc_seen, row.auc_unseen)]
        for row in rates.itertuples()
    ]
    columns = ["painter", "paintings", "mistaken if seen", "if left out", "ROC AUC if seen", "ROC AUC if left out"]
    return pd.DataFrame(cells, columns=columns)


def unseen_painters(scores: pd.DataFrame, threshold: float, seed: int = 0) -> Unseen:
    """Return what it costs that a painter was never seen, over all painters left out.

    The intervals resample painters, and Van Goghs by groups of twins: the question is about the next painter.

    Args:
        scores: of `painters_left_out`.
    """
    others = scores[scores["label"] == 0]
    counts = resample_counts(len(others), others["artist"], seed=seed)
    mistaken = {kind: (others[kind] >= threshold).to_numpy(dtype=float) for kind in ("seen", "unseen")}
    shares = [_mean(values, counts) for values in (*mistaken.values(), mistaken["unseen"] - mistaken["seen"])]
    groups = scores["group"].astype(str).where(scores["label"] == 1, scores["artist"])
    aucs = [
        Estimate.read(score_table(scores["label"], scores[kind], groups=groups, seed=seed).loc["roc_auc"])
        for kind in ("seen", "unseen")
    ]
    change = auc_difference(scores["label"], scores["unseen"], scores["seen"], groups=groups, seed=seed)
    return Unseen(*shares, *aucs, change)


def margin_when_seen(scores: pd.DataFrame, threshold: float, error_rate: float) -> float:
    """Return the margin of log odds that promises this share of wrong answers for painters that were seen.

    Args:
        scores: of `painters_left_out`.
    """
    return choose_margin(log_odds(scores["seen"]), scores["label"], scores["group"], threshold, error_rate)


def unseen_answers(scores: pd.DataFrame, threshold: float, margin: float, familiar: float) -> pd.DataFrame:
    """Return how often paintings by painters never seen are mistaken, by which of them get an answer.

    One row for all paintings, for those with log odds at least `margin` away from those at the threshold, and for those
    of them within the distance `familiar` of a painting that was learned from: answered (the share), mistaken.

    Args:
        scores: of `painters_left_out`.
    """
    others = scores[scores["label"] == 0]
    mistaken = others["unseen"] >= threshold
    sure = is_answered(log_odds(others["unseen"]), threshold, margin)
    familiar_ones = sure & (others["distance"] <= familiar).to_numpy()
    kinds = {"all": np.full(len(others), True), "sure": sure, "sure and familiar": familiar_ones}
    rows = {}
    for name, kind in kinds.items():
        rows[name] = {"answered": proportion(kind.sum(), len(others))}
        rows[name]["mistaken"] = proportion(mistaken[kind].sum(), kind.sum())
    return pd.DataFrame.from_dict(rows, orient="index")


def learning_curve(
    judge: TextureJudge, strength: float, index: pd.DataFrame, seed: int = 42, on_machine: OnMachine | None = None
) -> tuple[pd.DataFrame, Estimate]:
    """Return the ROC AUC by the share of paintings that machines learn from, and its gain by the last doubling.

    Cross-validation judges every painting; each fold's machines learn from a share of the other folds' groups, drawn
    DRAWS times. The frame has a row per share: share, paintings, value, low, high; the ends of intervals are means over
    the draws.
    """
    rows, kernel = paintings_of(judge, index), kernel_of(judge)
    labels, rng = rows["label"].to_numpy(), np.random.default_rng(seed)
    folds, probs, table = list(_folds(rows, seed)), {}, []
    for share in SHARES:
        draws, sizes = (DRAWS if share < 1 else 1), []
        probs[share] = np.empty((draws, len(rows)))
        for draw in range(draws):
            for train, held in folds:
                part = train[_drawn(rows.iloc[train], share, rng)]
                probs[share][draw, held] = probs_of(judge, scores_of(kernel, labels, strength, part, held))
                sizes.append(len(part))
                if on_machine:
                    on_machine(1)
        aucs = [score_table(labels, values, groups=rows["group"]).loc["roc_auc"] for values in probs[share]]
        table.append({"share": share, "paintings": round(np.mean(sizes)), **pd.DataFrame(aucs).mean()})
    gains = [auc_difference(labels, probs[1.0][0], half, groups=rows["group"]) for half in probs[0.5]]
    return pd.DataFrame(table), Estimate(*np.mean(gains, axis=0).tolist())


def leave_painters_out(fit: TextureFit, index: pd.DataFrame, seed: int, keep: Callable[..., Any]) -> pd.DataFrame:
    """Return `painters_left_out` of a fit, with a bar; `keep` is `Stage.keep`."""
    with tqdm(total=num_machines(fit.judge, index)["painters"], desc="painters left out", unit=" machines") as bar:
        values = fit.judge, fit.choice.strength, index[COLUMNS], seed
        return keep("painters_left_out", painters_left_out, *values, on_machine=bar.update)


def learn_from_fewer(
    fit: TextureFit, index: pd.DataFrame, seed: int, keep: Callable[..., Any]
) -> tuple[pd.DataFrame, Estimate]:
    """Return `learning_curve` of a fit, with a bar; `keep` is `Stage.keep`."""
    with tqdm(total=num_machines(fit.judge, index)["learning"], desc="fewer paintings", unit=" machines") as bar:
        values = fit.judge, fit.choice.strength, index[COLUMNS], seed
        return keep("learning_curve", learning_curve, *values, on_machine=bar.update)


def num_machines(judge: TextureJudge, index: pd.DataFrame) -> dict[str, int]:
    """Return how many machines `painters_left_out` and `learning_curve` fit."""
    painters = len(_left_out(paintings_of(judge, index)))
    return {"painters": FOLDS * painters, "learning": FOLDS * (DRAWS * (len(SHARES) - 1) + 1)}


def refit_stability(fit: TextureFit, index: pd.DataFrame, threshold: float, seed: int = 42) -> Stability:
    """Return how far answers at a threshold on P depend on the draw of the paintings, and how often they are wrong.

    An answer, itself out of fold, is unsteady if at least UNSTEADY of the refits that did not draw the painting give
    the other one.

    Args:
        seed: of the fit.

    Raises:
        ValueError: if the refits are not those of this seed.
    """
    judge, rows = fit.judge, paintings_of(fit.judge, index)
    labels = rows["label"].to_numpy()
    draws = np.array(group_draws(rows["group"].to_numpy(), labels, len(judge.weights) - 1, seed))
    if judge.weights[1:, : len(rows)].numpy()[draws == 0].any():
        raise ValueError(f"seed={seed} is not the seed of the texture judge: give the one that it was fitted with")
    odds = judge.log_odds(distances_of(judge)[: len(rows)])[:, 1:].T.numpy()
    answers = fit.out_of_fold >= log_odds(threshold)
    others = ((odds >= log_odds(threshold)) != answers) & (draws == 0)
    with np.errstate(invalid="ignore"):  # a painting that every refit drew
        unsteady = others.sum(axis=0) / (draws == 0).sum(axis=0) >= UNSTEADY
    wrong = answers != labels
    shares = (proportion(wrong[kind].sum(), kind.sum()) for kind in (unsteady, ~unsteady))
    return Stability(proportion(unsteady.sum(), len(rows)), *shares)


def paintings_of(judge: TextureJudge, index: pd.DataFrame) -> pd.DataFrame:
    """Return path, artist, label and group of a judge's paintings."""
    return index.set_index("path").loc[judge.names, COLUMNS[1:]].reset_index()


def distances_of(judge: TextureJudge) -> torch.Tensor:
    """Return the mean squared differences (M, M) between a judge's paintings and their copies."""
    support = judge.support.float()
    return mean_squared_differences(support, support)


def kernel_of(judge: TextureJudge) -> NDArray[np.float64]:
    """Return the kernel (M, M) between a judge's paintings and their copies."""
    return np.exp(-float(judge.gamma) * distances_of(judge).double().numpy())


def probs_of(judge: TextureJudge, scores: NDArray) -> NDArray[np.float64]:
    """Return P of decision values, calibrated as the judge is."""
    return expit(float(judge.slope) * scores + float(judge.shift))


def _left_out(rows: pd.DataFrame) -> list[str]:
    """Return the other painters of at least FEWEST paintings, most first."""
    counts = rows.loc[rows["label"] == 0, "artist"].value_counts()
    return list(counts.index[counts >= FEWEST])


def _folds(rows: pd.DataFrame, seed: int) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield the folds of `out_of_fold`, as positions."""
    labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
    return StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels, groups)


def _drawn(rows: pd.DataFrame, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows belong to a share of the groups of each class, at least two of them, drawn at random."""
    drawn = np.zeros(len(rows), dtype=bool)
    for label in (0, 1):
        of_class = rows["label"] == label
        groups = rng.permutation(rows.loc[of_class, "group"].unique())
        drawn |= of_class & rows["group"].isin(groups[: max(2, round(share * len(groups)))])
    return drawn


def _mean(values: NDArray, counts: NDArray) -> Estimate:
    """Return the mean of values with its interval over resamples."""
    low, high = np.quantile(counts @ values / counts.sum(axis=1), (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))
