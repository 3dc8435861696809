"""Sentences of 03 that depend on its results. P and its log odds are VGG-19's, unless the forewarned judge is named."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.stats import kendalltau

from ..intervals import Estimate
from ..plots.look import counted, short

LITTLE = 0.5  # a difference in log odds that hardly matters
BETTER = 1.2  # times the area of the random search's front that a guided search should reach
SYMBOLS = {"content_weight": "α", "style_weight": "β", "tv_weight": "γ", "style_scale": "stroke size"}
SETTINGS = (*SYMBOLS, "strength", "loss")


def starting_image(start: str) -> str:
    """Return what a transfer starts from and why, if it is not the photo itself.

    Args:
        start: as in StyleParams, "content" or "patches".
    """
    if start != "patches":
        return ""
    return (
        "The embedded weights know little of brushstrokes. The transfer therefore starts from a version of the photo "
        "that is made of patches of the painting [@granot2022]."
    )


def best_trial(trials: pd.DataFrame, before: float) -> str:
    """Return the answer of the search: the best weights, and what they do to the photo's P.

    Args:
        trials: columns content_weight, style_weight, log_odds, p_van_gogh, the engine's default weights first.
        before: P of the untouched photo.
    """
    best = trials.loc[trials.log_odds.idxmax()]
    weights = f"α = {short(best.content_weight)}, β = {short(best.style_weight)}"
    after = best.p_van_gogh
    answer = (
        f"**Style search.** The best of {len(trials)} trials has {weights}. P(van_gogh) is {before:.3f} for the photo "
        f"and {after:.3f} for this result, whose log odds are {best.log_odds:.2f} ([@fig:03_style_search-best]): "
        f"{_decision(before, after)}."
    )
    return f"{answer} {_spread(trials)}".strip()


def _decision(before: float, after: float) -> str:
    """Return whether VGG-19 takes photo and result for Van Goghs at one half."""
    if before >= 0.5:
        return "VGG-19 takes " + ("both" if after >= 0.5 else "the photo, but not the result,") + " for a Van Gogh"
    return "VGG-19 " + ("takes only the result" if after >= 0.5 else "takes neither") + " for a Van Gogh"


def _spread(trials: pd.DataFrame) -> str:
    """Return how much the weights matter, if there is more than one trial."""
    if len(trials) < 2:
        return ""
    low, high = trials.log_odds.min(), trials.log_odds.max()
    matter = "hardly matter" if high - low < LITTLE else "matter"
    default = " No trial beats the default weights." if trials.log_odds.idxmax() == trials.index[0] else ""
    return (
        f"For this pair the weights {matter}: over the trials the log odds range from {low:.2f} to {high:.2f}.{default}"
    )


def forewarned_judge(auc: Estimate, pictures: int, photos: int) -> str:
    """Return what the forewarned judge learned from, and how well the judge it stands on tells paintings apart.

    Args:
        auc: of the texture judge for pictures of this size, cross-validated on the training paintings.
        pictures, photos: how many repainted and untouched photos it learned from.
    """
    judge = f"At this size, AlexNet's texture judge has a cross-validated ROC AUC of {auc:.3f} on paintings."
    if not pictures:
        return f"{judge} There is no other photo or painting to warn it with, so it stays as it was."
    repainted, untouched = counted(pictures, "repainted photo"), counted(photos, "untouched one")
    return f"{judge} It has been warned by {repainted} and {untouched}, none of the pair that is searched."


def front(front: pd.DataFrame, knee: Mapping[str, Any], photo: float) -> str:
    """Return what the front offers, and what its knee is.

    Args:
        front: columns log_odds and ssim, the most convincing trial first.
        knee: its row of settings and values.
        photo: log odds of the untouched photo by the forewarned judge.
    """
    settings = ", ".join(f"{SYMBOLS.get(name, name)} = {_value(knee[name])}" for name in knee if name in SETTINGS)
    values = f"log odds {knee['log_odds']:.2f} and a similarity of {knee['ssim']:.2f}"
    start = f"**Front.** The untouched photo has log odds of {photo:.2f} to the forewarned judge."
    if len(front) == 1:
        return f"{start} A single trial is best in both directions, with {values} ({settings})."
    ends = f"from {front.log_odds.iloc[0]:.2f} at a similarity of {front.ssim.iloc[0]:.2f} to"
    ends = f"{ends} {front.log_odds.iloc[-1]:.2f} at {front.ssim.iloc[-1]:.2f}"
    part = "Where it is at least as good as the default weights in both directions"
    return f"{start} {len(front)} trials make the front, {ends}. {part}, its knee has {values} ({settings})."


def _value(value: Any) -> str:
    return str(value) if isinstance(value, str) else short(float(value))


def against_chance(guided: float, chance: float, trials: int) -> str:
    """Return whether the guided search's front is better than that of as many random trials.

    Args:
        guided, chance: the areas between the fronts and the untouched photo's log odds at a similarity of 0.
    """
    if not chance > 0:
        return "" if not guided > 0 else f"No random trial of {trials} convinces the judge more than the photo does."
    ratio = guided / chance
    numbers = f"{ratio:.2f} times the area of {counted(trials, 'random trial')}"
    if ratio >= BETTER:
        return f"For this pair and seed the guided search is worth its effort: its front encloses {numbers}."
    if ratio >= 1:
        return f"Guiding the search gains little: its front encloses {numbers}, with the same budget."
    return f"Guiding the search gains nothing here: its front encloses {numbers}, with the same budget."


def repeated(small: pd.DataFrame, large: pd.DataFrame, size: int) -> str:
    """Return whether the order along the front is the same when its pictures are painted at full size.

    Args:
        small, large: the same trials, with log_odds and ssim of the cheap and of the repeated pictures.
    """
    if len(small) < 2:
        return ""
    names = ("log_odds", "ssim")
    if any(frame[name].nunique() < 2 for frame in (small, large) for name in names):
        return ""
    orders = [kendalltau(small[name], large[name]).statistic for name in names]
    change = f"the log odds change by {(large.log_odds - small.log_odds).mean():+.2f} on average"
    if min(orders) > 1 - 1e-9:
        return f"Painted again at {size} pixels, the trials keep their order in both directions; {change}."
    numbers = f"Kendall's τ {orders[0]:.2f} for the log odds and {orders[1]:.2f} for the similarity"
    return f"Painted again at {size} pixels, the trials do not all keep their order ({numbers}); {change}."
