"""Each branch of the sentences of 03."""

import numpy as np
import pandas as pd
import pytest

from vg_helpers.findings.style_search import (
    against_chance,
    best_trial,
    forewarned_judge,
    front,
    repeated,
    starting_image,
)
from vg_helpers.intervals import Estimate


def trials(*probs):
    weights = np.arange(1, len(probs) + 1)
    odds = np.log(probs) - np.log1p(-np.array(probs))
    columns = {"content_weight": weights, "style_weight": 20.0 * weights, "log_odds": odds, "p_van_gogh": probs}
    return pd.DataFrame(columns)


def values(*points):
    return pd.DataFrame(points, columns=["log_odds", "ssim"])


def test_only_a_start_from_patches_needs_a_sentence():
    assert "patches of the painting [@granot2022]" in starting_image("patches")
    assert starting_image("content") == ""


def test_the_best_trial_is_named_with_its_weights():
    sentence = best_trial(trials(0.2, 0.7, 0.4), before=0.1)
    assert "The best of 3 trials has α = 2.00, β = 40.0." in sentence
    assert "P(van_gogh) is 0.100 for the photo and 0.700 for this result, whose log odds are 0.85" in sentence


@pytest.mark.parametrize(
    ("before", "after", "decision"),
    [
        (0.1, 0.5, "VGG-19 takes only the result for a Van Gogh"),
        (0.1, 0.4, "VGG-19 takes neither for a Van Gogh"),
        (0.5, 0.9, "VGG-19 takes both for a Van Gogh"),
        (0.6, 0.4, "VGG-19 takes the photo, but not the result, for a Van Gogh"),
    ],
)
def test_the_decision_is_that_at_one_half(before, after, decision):
    assert decision in best_trial(trials(after), before)


def test_the_spread_says_whether_weights_matter():
    assert "the weights matter: over the trials the log odds range from -1.39 to 0.85." in best_trial(
        trials(0.2, 0.7), 0.1
    )
    assert "the weights hardly matter: over the trials the log odds" in best_trial(trials(0.2, 0.22), 0.1)
    assert best_trial(trials(0.2), 0.1).endswith("takes neither for a Van Gogh.")  # one trial has no spread


def test_defaults_that_stay_unbeaten_are_named():
    assert best_trial(trials(0.7, 0.2), 0.1).endswith("No trial beats the default weights.")
    assert "default" not in best_trial(trials(0.2, 0.7), 0.1) + best_trial(trials(0.2), 0.1)


def test_trials_that_are_all_certain_are_told_apart():
    certain = trials(0.7, 0.2).assign(p_van_gogh=1.0, log_odds=[17.0, 19.0])
    assert "has α = 2.00" in best_trial(certain, 0.1) and "from 17.00 to 19.00" in best_trial(certain, 0.1)


def test_the_forewarned_judge_is_named_with_what_warned_it():
    sentence = forewarned_judge(Estimate(0.9, 0.88, 0.92), 24, 1)
    assert "ROC AUC of 0.900 [0.880, 0.920]" in sentence
    assert "warned by 24 repainted photos and 1 untouched one, none of the pair" in sentence
    assert forewarned_judge(Estimate(0.9, 0.88, 0.92), 0, 0).endswith("so it stays as it was.")


KNEE = {"trial": 3, "content_weight": 0.5, "tv_weight": 10.0, "loss": "gram", "log_odds": 1.25, "ssim": 0.6}


def test_the_front_is_named_with_its_ends_and_its_knee():
    sentence = front(values((3, 0.2), (1.25, 0.6), (-2, 0.9)), KNEE, -4.0)
    assert "log odds of -4.00 to the forewarned judge" in sentence
    assert "3 trials make the front, from 3.00 at a similarity of 0.20 to -2.00 at 0.90." in sentence
    assert "log odds 1.25 and a similarity of 0.60 (α = 0.500, γ = 10.0, loss = gram)" in sentence
    assert "A single trial is best in both directions" in front(values((1.25, 0.6)), KNEE, -4.0)


@pytest.mark.parametrize(
    ("guided", "chance", "part"),
    [
        (1.3, 1.0, "worth its effort: its front encloses 1.30 times the area of 9 random trials"),
        (1.1, 1.0, "gains little"),
        (0.9, 1.0, "gains nothing"),
        (0.9, 0.0, "No random trial of 9 convinces the judge more than the photo does."),
    ],
)
def test_the_guided_search_is_compared_with_chance(guided, chance, part):
    assert part in against_chance(guided, chance, 9)
    assert against_chance(0.0, 0.0, 9) == ""


def test_repeated_trials_keep_their_order_or_do_not():
    small, same = values((3, 0.2), (1, 0.6), (0, 0.9)), values((5, 0.1), (4, 0.2), (1, 0.3))
    assert "keep their order in both directions; the log odds change by +2.00" in repeated(small, same, 256)
    other = same.assign(log_odds=[4, 5, 1])
    assert "do not all keep their order (Kendall's τ 0.33 for the log odds and 1.00" in repeated(small, other, 256)
    assert repeated(small[:1], same[:1], 256) == ""
