"""Sentences of 03 that depend on its results. P is VGG-19's P(van_gogh) throughout."""

import pandas as pd

from ..plots.look import short

LITTLE = 0.05  # a difference in P that hardly matters


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
        trials: columns content_weight, style_weight, p_van_gogh, the engine's default weights first.
        before: P of the untouched photo.
    """
    best = trials.loc[trials.p_van_gogh.idxmax()]
    weights = f"α = {short(best.content_weight)}, β = {short(best.style_weight)}"
    after = best.p_van_gogh
    answer = (
        f"**Style search.** The best of {len(trials)} trials has {weights}. P(van_gogh) is {before:.3f} for the photo "
        f"and {after:.3f} for this result ([@fig:03_style_search-best]): {_decision(before, after)}."
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
    low, high = trials.p_van_gogh.min(), trials.p_van_gogh.max()
    matter = "hardly matter" if high - low < LITTLE else "matter"
    default = " No trial beats the default weights." if trials.p_van_gogh.idxmax() == trials.index[0] else ""
    return f"For this pair the weights {matter}: over the trials P ranges from {low:.3f} to {high:.3f}.{default}"
