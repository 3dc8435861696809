"""Each branch of the sentences of 03."""

import pandas as pd
import pytest

from vg_helpers.findings.style_search import best_trial, starting_image


def trials(*probs):
    weights = range(1, len(probs) + 1)
    return pd.DataFrame({"content_weight": weights, "style_weight": [20.0 * w for w in weights], "p_van_gogh": probs})


def test_only_a_start_from_patches_needs_a_sentence():
    assert "patches of the painting [@granot2022]" in starting_image("patches")
    assert starting_image("content") == ""


def test_the_best_trial_is_named_with_its_weights():
    sentence = best_trial(trials(0.2, 0.7, 0.4), before=0.1)
    assert "The best of 3 trials has α = 2.00, β = 40.0." in sentence
    assert "P(van_gogh) is 0.100 for the photo and 0.700 for this result" in sentence


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
    assert "the weights matter: over the trials P ranges from 0.200 to 0.700." in best_trial(trials(0.2, 0.7), 0.1)
    assert "the weights hardly matter: over the trials P ranges" in best_trial(trials(0.2, 0.22), 0.1)
    assert best_trial(trials(0.2), 0.1).endswith("takes neither for a Van Gogh.")  # one trial has no spread


def test_defaults_that_stay_unbeaten_are_named():
    assert best_trial(trials(0.7, 0.2), 0.1).endswith("No trial beats the default weights.")
    assert "default" not in best_trial(trials(0.2, 0.7), 0.1) + best_trial(trials(0.2), 0.1)
