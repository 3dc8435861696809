"""Sentences about people's answers: one test for each thing they can say."""

import math

import pandas as pd
import pytest

from vg_helpers.findings.study import PEOPLE, agreement, participants, results, strengths, taken_for_real
from vg_helpers.intervals import Estimate

NAN = math.nan


def answers_of(num_raters):
    return pd.DataFrame({"rater": [f"r{i}" for i in range(num_raters) for _ in range(4)], "seconds": 2.25})


@pytest.mark.parametrize(
    ("num_raters", "sentence"),
    [
        (0, "Nobody has answered the questions of this study yet."),
        (1, "1 person gave 4 answers, in 2.2 s each (median). The answers of one person have no interval."),
        (
            3,
            "3 people gave 12 answers, in 2.2 s each (median). The intervals cover the choice of people, not of "
            "pictures. Intervals from so few people are rough.",
        ),
        (
            5,
            "5 people gave 20 answers, in 2.2 s each (median). The intervals cover the choice of people, not of "
            "pictures.",
        ),
    ],
)
def test_participants(num_raters, sentence):
    assert participants(answers_of(num_raters)) == sentence


def test_taken_for_real():
    shares = {
        "vgg19": Estimate(0.2, 0.1, 0.3), "alexnet": Estimate(0.45, 0.3, 0.6), "x": Estimate(0.8, 0.7, 0.9)
    }  # fmt: skip
    assert taken_for_real(shares) == (
        "Beside a real Van Gogh, VGG-19's pictures were taken for it in 20% [10%, 30%] of the pairs, less often than "
        "the real one; AlexNet's pictures were taken for it in 45% [30%, 60%] of the pairs, which is not measurably "
        "different from guessing; x's pictures were taken for it in 80% [70%, 90%] of the pairs, more often than the "
        "real one."
    )
    assert taken_for_real({}) == ""


def test_strengths():
    values = {
        "van_gogh": Estimate(0, 0, 0), "vgg19": Estimate(-1, -2, -0.5), "alexnet": Estimate(-0.1, -0.5, 0.3)
    }  # fmt: skip
    assert strengths("van_gogh", values) == (
        "Most like Van Gogh to people: the real ones, then AlexNet's pictures, then VGG-19's pictures. Compared with "
        "the real ones, VGG-19's pictures are chosen less often (log odds -1.00 [-2.00, -0.50]); AlexNet's pictures "
        "show no measurable difference (log odds -0.10 [-0.50, +0.30])."
    )
    better = {"alexnet": Estimate(0, 0, 0), "vgg19": Estimate(1, 0.5, 2)}
    assert strengths("photo", better) == (
        "What keeps the photo best to people: VGG-19's pictures, then AlexNet's pictures. Compared with AlexNet's "
        "pictures, VGG-19's pictures keep it better (log odds +1.00 [+0.50, +2.00])."
    )
    assert strengths("photo", {"vgg19": Estimate(0, 0, 0)}) == strengths("photo", {}) == ""


def test_agreement():
    shares = {
        "p_vgg19": Estimate(0.4, 0.3, 0.45),
        "log_odds_forewarned_vgg19": Estimate(0.7, 0.6, 0.8),
        "p_alexnet": Estimate(0.5, 0.4, 0.6),
        PEOPLE: Estimate(0.8, 0.7, 0.9),
    }
    assert agreement("van_gogh", shares) == (
        "Asked which picture is by Van Gogh, judges agree with people's answers: forewarned VGG-19 in 70% [60%, 80%]; "
        "AlexNet in 50% [40%, 60%] (not measurably different from chance); VGG-19 in 40% [30%, 45%] (less than "
        "chance). Two people agree in 80% [70%, 90%]."
    )
    one = {"ssim": Estimate(0.7, 0.6, 0.8), PEOPLE: Estimate(NAN, NAN, NAN)}
    assert agreement("photo", one) == (
        "Asked which picture keeps the photo better, judges agree with people's answers: structural similarity in 70% "
        "[60%, 80%]."
    )
    assert agreement("photo", {PEOPLE: Estimate(0.8, 0.7, 0.9)}) == ""


def test_results_are_the_sentences_of_both_kinds_of_question():
    rows = [
        ("van_gogh", "strength", "van_gogh", 0, 0, 0),
        ("van_gogh", "strength", "vgg19", -1, -2, -0.5),
        ("van_gogh", "taken for real", "vgg19", 0.2, 0.1, 0.3),
        ("photo", "agreement", "ssim", 0.7, 0.6, 0.8),
    ]
    sentences = results(pd.DataFrame(rows, columns=["kind", "result", "name", "value", "low", "high"]))
    starts = ["Beside a real Van Gogh, VGG", "Most like Van Gogh", "Asked which picture keeps the photo better"]
    assert [sentence.startswith(start) for sentence, start in zip(sentences, starts, strict=True)] == [True] * 3


def test_without_intervals_nothing_is_compared():
    share = Estimate(0.2, NAN, NAN)
    assert taken_for_real({"vgg19": share}) == (
        "Beside a real Van Gogh, VGG-19's pictures were taken for it in 20% [–, –] of the pairs."
    )
    assert strengths("photo", {"alexnet": Estimate(0, NAN, NAN), "vgg19": Estimate(1, NAN, NAN)}) == (
        "What keeps the photo best to people: VGG-19's pictures, then AlexNet's pictures."
    )
    assert agreement("photo", {"ssim": share}).endswith("structural similarity in 20% [–, –].")
