"""Each branch of the sentences of 04."""

import numpy as np
import pandas as pd
import pytest

from vg_helpers.findings.style_eval import (
    convinced,
    cost_of_conviction,
    cost_of_warning,
    deception,
    differing_judges,
    disputed_titles,
    judges_on_paintings,
    knee_against_optimum,
    photos_that_pass,
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


def asked(by_vgg, by_alexnet):
    """Return pictures of different photos, with P by both classifiers."""
    return pd.DataFrame({"content": range(len(by_vgg)), "p_vgg19": by_vgg, "p_alexnet": by_alexnet})


def test_starting_images_are_counted_by_classifier():
    some = starting_images({"vgg19": [0.5, 0.2, 0.9], "alexnet": [0.1, 0.2, 0.3]}, "gram")
    none = starting_images({"vgg19": [0.4, 0.2, 0.1], "alexnet": [0.1, 0.2, 0.3]}, "neighbours")
    assert some.startswith("With the embedded weights, each") and none.startswith("With the loss of nearest neighbours")
    assert "VGG-19 takes 2 and AlexNet takes 0 of these 3 starting images for a Van Gogh: only" in some
    assert "None of these 3 starting images" in none
    assert all("patches of the painting [@granot2022]" in sentence for sentence in (some, none))


def test_the_gap_says_who_is_convinced_more_easily():
    sure, unsure = [0.9, 0.8, 0.95, 0.85], [0.3, 0.1, 0.35, 0.2]
    said = differing_judges(asked(sure, unsure))
    assert "VGG-19 is convinced more easily (mean difference in P +0.638 [+0.561" in said
    assert "AlexNet is convinced more easily" in differing_judges(asked(unsure, sure))
    assert "Neither is measurably easier to convince" in differing_judges(asked([0.1, 0.9], [0.9, 0.1]))


def test_two_pictures_of_a_photo_count_once():
    once = asked([0.9, 0.2, 0.7], [0.3, 0.3, 0.3])
    assert differing_judges(pd.concat([once, once])).split("(")[1] == differing_judges(once).split("(")[1]


def test_disagreements_are_those_across_one_half():
    some, none = asked([0.5, 0.9], [0.4, 0.8]), asked([0.5, 0.1], [0.9, 0.4])
    assert differing_judges(some).startswith("The classifiers disagree about 1 of 2 repainted photos.")
    assert differing_judges(none).startswith("The classifiers agree about all 2 repainted photos.")


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


TESTS = {"strokes": Estimate(0.89, 0.85, 0.93), "strokes_validated": ABOVE, "attribution": Estimate(0.5, 0.4, 0.6)}


def test_the_price_of_being_warned_is_named():
    sentence = judges_on_paintings(TESTS)
    assert "0.890 [0.850, 0.930] on the test paintings, 0.300 [0.100, 0.500] cross-validated" in sentence
    assert "names 50% [40%, 60%] of the painters rightly" in sentence
    same, fewer = [True] * 18 + [False] * 2, [True] * 4 + [False] * 16
    dear, cheap = cost_of_warning("alexnet", -0.002, same, fewer), cost_of_warning("vgg19", 0.001, same, same)
    assert "AlexNet's texture recognises fewer of the test paintings by Van Gogh: 20% [8%, 42%], before 90%" in dear
    assert dear.endswith("changes by -0.002.") and "measurably neither fewer nor more" in cheap
    assert "neither fewer" in cost_of_warning("vgg19", 0.0, [True] * 3, [False, True, True])  # three tell little


def test_the_bound_of_photos_is_kept_or_not():
    few = photos_that_pass([False] * 8, "x")
    assert "takes 0% [0%, 32%] of the untouched photos for Van Goghs: so few photos cannot tell whether it keeps" in few
    assert "it does not keep its bound of 2%" in photos_that_pass([False] * 5 + [True] * 5, "x")
    assert "it keeps its bound of 2%" in photos_that_pass([False] * 300, "x")


def test_deception_rates_are_compared_with_those_of_photos():
    photos, high = Estimate(0.0, 0.0, 0.16), Estimate(0.7, 0.5, 0.9)
    both = deception({"vgg19": high, "alexnet": high}, photos)
    assert "70% [50%, 90%] with VGG-19's features, 70%" in both and "0% [0%, 16%] are attributed to Van Gogh." in both
    assert both.endswith("The rates of VGG-19 and AlexNet are clearly higher than that.")
    one = deception({"vgg19": high, "alexnet": UNCLEAR}, photos)
    assert one.endswith("The rate of VGG-19 is clearly higher than that.")
    assert deception({"vgg19": UNCLEAR}, photos).endswith("The intervals overlap with that.")
    lower = deception({"vgg19": Estimate(0.05, 0.01, 0.2), "alexnet": high}, Estimate(0.8, 0.6, 0.95))
    assert lower.endswith("The rate of VGG-19 is clearly lower than that.")


@pytest.mark.parametrize(
    ("gains", "changes", "kept", "conviction"),
    [
        ([ABOVE, ABOVE, UNCLEAR], [ABOVE, BELOW], "by 2 of 3 measures.", "VGG-19 more often. It convinces the stroke"),
        ([BELOW, UNCLEAR, ABOVE], [BELOW, UNCLEAR], "by 1 of 3 measures, and less by 1.", "It convinces VGG-19 less"),
        ([UNCLEAR] * 3, [UNCLEAR, ABOVE], "by 0 of 3 measures.", "It convinces the stroke judge more often."),
        ([UNCLEAR] * 3, [UNCLEAR] * 2, "by 0 of 3 measures.", "No judge is convinced measurably more or less"),
    ],
)
def test_the_knee_is_compared_with_the_optimum(gains, changes, kept, conviction):
    names = dict(zip(("ssim", "edges", "perceptual"), gains, strict=True))
    sentence = knee_against_optimum(names, dict(zip(("vgg19", "strokes"), changes, strict=True)), 20)
    assert f"more of the 20 photos {kept}" in sentence and conviction in sentence
