"""Each branch of the sentences of 04."""

import numpy as np
import pandas as pd
import pytest

from vg_helpers.findings.style_eval import (
    convinced,
    cost_of_conviction,
    differing_judges,
    disputed_titles,
    starting_images,
    untouched_photos,
)
from vg_helpers.intervals import Estimate

ABOVE, UNCLEAR, BELOW = Estimate(0.3, 0.1, 0.5), Estimate(0.1, -0.1, 0.3), Estimate(-0.3, -0.5, -0.1)
COUNTS = {"both": 3, "only one": 2, "neither": 1}
SHARE, SIMILARITY = Estimate(0.5, 0.19, 0.81), Estimate(0.46, 0.4, 0.52)


def test_untouched_van_goghs_are_counted_by_classifier():
    some = untouched_photos({"vgg19": 2, "alexnet": 0}, 6)
    assert some.startswith("Before painting, VGG-19 takes 2 and AlexNet takes 0 of 6 photos for a Van Gogh")
    assert "None of the 6 untouched photos" in untouched_photos({"vgg19": 0, "alexnet": 0}, 6)


def test_starting_images_are_counted_by_classifier():
    some = starting_images({"vgg19": [0.5, 0.2, 0.9], "alexnet": [0.1, 0.2, 0.3]})
    none = starting_images({"vgg19": [0.4, 0.2, 0.1], "alexnet": [0.1, 0.2, 0.3]})
    assert "VGG-19 takes 2 and AlexNet takes 0 of these 3 starting images for a Van Gogh: only" in some
    assert "None of these 3 starting images" in none
    assert all("patches of the painting [@granot2022]" in sentence for sentence in (some, none))


def test_the_gap_says_who_is_convinced_more_easily():
    sure, unsure = [0.9, 0.8, 0.95, 0.85], [0.3, 0.1, 0.35, 0.2]
    assert "VGG-19 is convinced more easily (mean difference in P +0.638 [+0.561" in differing_judges(sure, unsure)
    assert "AlexNet is convinced more easily" in differing_judges(unsure, sure)
    assert "Neither is measurably easier to convince" in differing_judges([0.1, 0.9], [0.9, 0.1])


def test_disagreements_are_those_across_one_half():
    assert differing_judges([0.5, 0.9], [0.4, 0.8]).startswith(
        "The classifiers disagree about 1 of 2 repainted photos."
    )
    assert differing_judges([0.5, 0.1], [0.9, 0.4]).startswith("The classifiers agree about all 2 repainted photos.")


def test_disputed_pictures_say_who_painted_and_both_probabilities():
    row = {"content": "001", "extractor": "alexnet", "p_vgg19": 0.256, "p_alexnet": 0.9}
    assert disputed_titles(pd.DataFrame([row])) == ["001, AlexNet-styled\nP: 0.26 | 0.90"]


def test_a_relation_needs_three_photos_that_differ():
    assert "are related; here are 2." in cost_of_conviction([0.1, 0.2], [0.5, 0.4])
    assert cost_of_conviction([0.5] * 4, [0.1, 0.2, 0.3, 0.4]) == ""


def test_a_relation_has_its_direction():
    p = np.linspace(0.1, 0.9, 9)
    assert cost_of_conviction(p, -(p**3)).startswith("Photos with a higher P(van_gogh) keep less")
    assert "ρ = -1.00" in cost_of_conviction(p, -(p**3))
    assert cost_of_conviction(p, p**3).startswith("Photos with a higher P(van_gogh) keep more")
    assert "no measurable relation" in cost_of_conviction(p, np.cos(20 * p))
    assert "9 photos" in cost_of_conviction(p, np.cos(20 * p))


@pytest.mark.parametrize(
    ("lift", "verb"),
    [(ABOVE, "P rises (mean change +0.300"), (UNCLEAR, "P does not change measurably"), (BELOW, "P falls")],
)
def test_the_result_says_whether_p_rose(lift, verb):
    sentence = convinced("alexnet", COUNTS, SHARE, lift, SIMILARITY)
    assert verb in sentence and "AlexNet's features" in sentence
    assert (
        "3 of 6 repainted photos are a Van Gogh to both classifiers (50% [19%, 81%]), 2 to one, 1 to neither"
        in sentence
    )
    assert "similarity to the photo is 0.46 [0.40, 0.52]" in sentence
