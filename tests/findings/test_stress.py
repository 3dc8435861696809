"""Each sentence about painters left out, corruptions, more paintings and refits, in each of its branches."""

from types import SimpleNamespace

import pandas as pd
import pytest

from vg_helpers.findings import stress as findings
from vg_helpers.intervals import Estimate

ABOVE, UNCLEAR, BELOW = Estimate(0.1, 0.05, 0.15), Estimate(0.01, -0.1, 0.12), Estimate(-0.1, -0.15, -0.05)
RATES = pd.DataFrame(
    {"paintings": [37, 60], "unseen": [Estimate(0.6, 0.4, 0.8), Estimate(0.1, 0, 0.2)]},
    index=["georges seurat", "henri rousseau"],
)


def exactly(value):
    return Estimate(value, value - 0.01, value + 0.01)


@pytest.mark.parametrize(
    ("rise", "words"),
    [(ABOVE, "mistaken more often than"), (UNCLEAR, "mistaken about as often as"), (BELOW, "mistaken less often than")],
)
def test_painters_left_out(rise, words):
    shares = {"seen": exactly(0.043), "unseen": exactly(0.135), "rise": rise}
    aucs = {"auc_seen": exactly(0.983), "auc_unseen": exactly(0.952), "auc_change": Estimate(-0.031, -0.05, -0.01)}
    text = findings.painters_left_out(SimpleNamespace(**shares, **aucs), RATES)
    assert f"{words} those it knows: it takes 13.5 % of their paintings for Van Goghs, against 4.3 % if" in text
    assert "The hardest is Georges Seurat (60.0 %)." in text
    assert text.endswith("changes from 0.983 to 0.952 (-0.031 [-0.050, -0.010]).")
    assert findings.painters_left_out(None, RATES[:0]) == ""


def answers(sure):
    shares = {"answered": [exactly(1.0), exactly(0.85), exactly(0.8)], "mistaken": [exactly(0.14), sure, exactly(0.07)]}
    return pd.DataFrame(shares, index=["all", "sure", "sure and familiar"])


def test_answers_about_unseen_painters():
    text = findings.unseen_answers(answers(exactly(0.1)), 0.05)
    assert "answers for 85.0 % of the paintings and takes 10.0 % of those for Van Goghs, against 14.0 % if" in text
    assert (
        "That is more than the 5.0 % of wrong answers that are allowed" in text and "unfamiliar, 7.0 % of the" in text
    )
    unclear, fewer = (
        findings.unseen_answers(answers(each), 0.05) for each in (Estimate(0.06, 0.02, 0.1), exactly(0.01))
    )
    assert "not measurably other than the 5.0 %" in unclear and "That is less than the 5.0 %" in fewer
    assert findings.unseen_answers(answers(Estimate(float("nan"), 0, 1)), 0.05) == ""


def changes(**by_corruption):
    rows = [("unchanged", "vgg19_with_texture", exactly(0.98), Estimate(0, 0, 0))]
    rows += [(name.replace("_", " "), "vgg19_with_texture", *values) for name, values in by_corruption.items()]
    rows.append(("blur", "vgg19", exactly(0.5), Estimate(-0.4, -0.5, -0.3)))  # another classifier
    return pd.DataFrame(rows, columns=["corruption", "model", "auc", "change"])


def test_the_worst_corruption_is_named_and_who_stays_above_the_floor():
    few = {"half_size": (exactly(0.96), Estimate(-0.02, -0.03, -0.01)), "blur": (exactly(0.97), UNCLEAR)}
    text = findings.corruptions(changes(**few), "vgg19_with_texture")
    assert text == (
        "Half size costs VGG-19 with texture most (ROC AUC 0.980 → 0.960, change -0.020 [-0.030, -0.010]). "
        "It stays at 0.95 or more under each of them."
    )


def test_corruptions_below_the_floor_are_named_lowest_first():
    low = {"noise": (exactly(0.94), BELOW), "glare": (exactly(0.9), Estimate(-0.2, -0.3, -0.1))}
    text = findings.corruptions(changes(**low), "vgg19_with_texture")
    assert text.startswith("Glare costs") and text.endswith("It falls below 0.95 under glare (0.900), noise (0.940).")


def test_corruptions_without_a_measurable_cost():
    unclear = findings.corruptions(changes(blur=(exactly(0.97), UNCLEAR)), "vgg19_with_texture")
    assert unclear.startswith("No corruption costs VGG-19 with texture a measurable part of its ROC AUC; blur has the")
    above = findings.corruptions(changes(blur=(exactly(0.99), ABOVE)), "vgg19_with_texture")
    assert above.startswith("No corruption costs VGG-19 with texture anything (ROC AUC 0.980 → 0.990")


def test_a_classifier_below_the_floor_from_the_start():
    frame = changes(blur=(exactly(0.9), BELOW))
    frame.at[0, "auc"] = exactly(0.94)
    assert findings.corruptions(frame, "vgg19_with_texture").endswith("It is below 0.95 already without them.")


def test_no_corruptions():
    assert findings.corruptions(changes(), "vgg19_with_texture") == ""
    assert "`num_stress` is zero" in findings.no_corruptions(0) and findings.no_corruptions(3) == ""


@pytest.mark.parametrize(
    ("gain", "start"),
    [(ABOVE, "More paintings help:"), (UNCLEAR, "More paintings make no"), (BELOW, "More paintings do not")],
)
def test_more_paintings(gain, start):
    text = findings.more_paintings(gain, 2198)
    assert text.startswith(start) and "from 1,099 to 2,198 paintings changes the ROC AUC by" in text
    assert ("would probably help" in text) == (gain is ABOVE)


def test_refits():
    shares = {"unsteady": exactly(0.076), "wrong_if_unsteady": exactly(0.33), "wrong_if_steady": exactly(0.037)}
    text = findings.refits(SimpleNamespace(**shares))
    assert text.startswith("7.6 % of the texture judge's answers change")
    assert "wrong on 33.0 % of those and on 3.7 % of the others, so they mark where it errs." in text
    shares["wrong_if_unsteady"] = Estimate(0.1, 0.01, 0.5)
    assert findings.refits(SimpleNamespace(**shares)).endswith("which is no clear difference.")
    assert findings.refits(SimpleNamespace(unsteady=Estimate(0, 0, 0.01))).startswith("No answer")


def test_no_painter_can_be_left_out():
    assert findings.no_painters(3) == "" and "enough paintings" in findings.no_painters(0)
