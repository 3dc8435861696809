"""Each branch of the sentences of 04."""

import numpy as np
import pytest

from vg_helpers.findings.style_eval import (
    convinced,
    cost_of_conviction,
    differing_judges,
    starting_images,
    untouched_photos,
)
from vg_helpers.intervals import Estimate

ABOVE, UNCLEAR, BELOW = Estimate(0.3, 0.1, 0.5), Estimate(0.1, -0.1, 0.3), Estimate(-0.3, -0.5, -0.1)
COUNTS = {"both": 3, "only one": 2, "neither": 1}
SHARE, SIMILARITY = Estimate(0.5, 0.19, 0.81), Estimate(0.46, 0.4, 0.52)


@pytest.mark.parametrize("sentence", [starting_images, untouched_photos])
def test_van_goghs_before_painting_are_counted_by_classifier(sentence):
    some = sentence({"vgg19": 2, "alexnet": 0}, 6)
    assert "VGG-19 takes 2 and AlexNet takes 0 of the" in some and some.count("6") == 1
    assert "is a Van Gogh to either classifier" in sentence({"vgg19": 0, "alexnet": 0}, 6)


def test_starting_images_say_where_they_come_from():
    for taken in (0, 2):
        assert "patches of the painting [@granot2022]" in starting_images({"vgg19": taken, "alexnet": 0}, 6)


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (ABOVE, "VGG-19 is convinced more easily (mean difference in P +0.300 [+0.100, +0.500])"),
        (UNCLEAR, "Neither is measurably easier to convince"),
        (BELOW, "AlexNet is convinced more easily"),
    ],
)
def test_the_gap_says_who_is_convinced_more_easily(gap, verdict):
    assert verdict in differing_judges(2, 12, gap)


def test_disagreements_are_counted():
    assert differing_judges(2, 12, ABOVE).startswith("The classifiers disagree about 2 of 12 repainted photos.")
    assert differing_judges(0, 12, ABOVE).startswith("The classifiers agree about all 12 repainted photos.")


def test_a_relation_needs_three_photos_that_differ():
    assert "fewer than three photos; here are 2." in cost_of_conviction([0.1, 0.2], [0.5, 0.4])
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
