"""Sentences of 02 about what makes its answers worse.

Convention: intervals come as Estimates, classifiers by their key ("vgg19_with_texture").
"""

from typing import Any

import pandas as pd

from ..intervals import Estimate
from ..plots.look import artist_name, name_of, percent

FLOOR = 0.95  # the ROC AUC that a classifier should keep under every corruption


def painters_left_out(unseen: Any, rates: pd.DataFrame) -> str:
    """Return what it costs that a painter was never seen; "" if none has paintings enough to be left out.

    Args:
        unseen: seen, unseen and rise (shares mistaken), auc_seen, auc_unseen and auc_change.
        rates: one row per painter, with unseen as an Estimate, most often mistaken first.
    """
    if rates.empty:
        return ""
    verdict = unseen.rise.choose("more often than", "about as often as", "less often than")
    return (
        f"Painters whom the texture judge has never seen are mistaken {verdict} those it knows: it takes "
        f"{percent(unseen.unseen.value)} of their paintings for Van Goghs, against {percent(unseen.seen.value)} if it "
        f"has learned from other works of theirs. The hardest is {artist_name(rates.index[0])} "
        f"({percent(rates['unseen'].iloc[0].value)}). The ROC AUC changes from {unseen.auc_seen.value:.3f} to "
        f"{unseen.auc_unseen.value:.3f} ({unseen.auc_change:+.3f})."
    )


def no_painters(num_painters: int) -> str:
    """Return why there is no figure of painters left out, if there is none."""
    return "" if num_painters else "No painter has enough paintings here to be left out."


def unseen_answers(answers: pd.DataFrame, rate: float) -> str:
    """Return how far "cannot tell" and "unfamiliar" protect against painters that were never seen; "" without any.

    Args:
        answers: rows "all", "sure" and "sure and familiar", columns answered and mistaken as Estimates.
        rate: the share of wrong answers that is promised.
    """
    everyone, sure, familiar = answers["mistaken"]
    if not sure.value >= 0:  # there is no answer at all
        return ""
    answered = percent(answers["answered"].iloc[1].value)
    compared = "more than" if sure.low > rate else "less than" if sure.high < rate else "not measurably other than"
    return (
        f"Asked about painters it has never seen, the texture judge answers for {answered} of the paintings and takes "
        f"{percent(sure.value)} of those for Van Goghs, against {percent(everyone.value)} if it always answers. "
        f"That is {compared} the {percent(rate)} of wrong answers that are allowed for painters it has seen. Among "
        f"paintings that it does not call unfamiliar, {percent(familiar.value)} of the answers are wrong."
    )


def corruptions(changes: pd.DataFrame, model: str) -> str:
    """Return which corruption costs a classifier most, and where its ROC AUC falls below FLOOR; "" without any.

    Args:
        changes: columns corruption, model, auc, change (Estimates); the first corruption is none at all.
    """
    rows = changes[changes["model"] == model]
    if len(rows) < 2:
        return ""
    unchanged, rows = rows["auc"].iloc[0], rows.iloc[1:]
    worst = min(rows.itertuples(), key=lambda row: row.change.value)
    cost = worst.change.choose(
        f"No corruption costs {name_of(model)} anything",
        f"No corruption costs {name_of(model)} a measurable part of its ROC AUC; {worst.corruption} has the lowest",
        f"{worst.corruption} costs {name_of(model)} most",
    )
    below = sorted((row.auc.value, row.corruption) for row in rows.itertuples() if row.auc.value < FLOOR)
    if unchanged.value < FLOOR:
        floor = f"It is below {FLOOR} already without them"
    elif below:
        floor = f"It falls below {FLOOR} under {', '.join(f'{name} ({value:.3f})' for value, name in below)}"
    else:
        floor = f"It stays at {FLOOR} or more under each of them"
    sentence = f"{cost} (ROC AUC {unchanged.value:.3f} → {worst.auc.value:.3f}, change {worst.change:+.3f}). {floor}."
    return sentence[:1].upper() + sentence[1:]


def no_corruptions(count: int) -> str:
    """Return why there is no figure of corruptions, if no painting is corrupted."""
    return "" if count else "This run corrupts no test paintings: the parameter `num_stress` is zero."


def more_paintings(gain: Estimate, paintings: int) -> str:
    """Return whether more paintings help, from what the last doubling, up to `paintings`, changes in the ROC AUC."""
    doubled = f"from {paintings // 2:,} to {paintings:,} paintings changes the ROC AUC by {gain:+.3f}"
    return gain.choose(
        f"More paintings help: learning {doubled}, so still more would probably help as well.",
        f"More paintings make no clear difference: learning {doubled}.",
        f"More paintings do not help: learning {doubled}.",
    )


def refits(stability: Any) -> str:
    """Return how far the answers depend on which paintings were drawn.

    Args:
        stability: unsteady (the share of answers that change in at least a tenth of the refits), wrong_if_unsteady and
            wrong_if_steady.
    """
    if not stability.unsteady.value:
        return "No answer of the texture judge changes in a tenth of its refits to resampled paintings."
    unsteady, steady = stability.wrong_if_unsteady, stability.wrong_if_steady
    verdict = "so they mark where it errs" if unsteady.low > steady.high else "which is no clear difference"
    return (
        f"{percent(stability.unsteady.value)} of the texture judge's answers change in at least a tenth of its refits "
        f"to resampled paintings. It is wrong on {percent(unsteady.value)} of those and on {percent(steady.value)} of "
        f"the others, {verdict}."
    )
