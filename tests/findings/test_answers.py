"""Each sentence about the third answer in each of its branches."""

import math

import pandas as pd
import pytest

from vg_helpers.findings import answers as findings
from vg_helpers.intervals import Estimate, proportion

NONE = proportion(0, 0)


def frame(answered, wrong, two=(12, 100), van_gogh=NONE, other=NONE, familiar=None):
    """Return an evaluation of 100 paintings with so many answers, and so many of them wrong."""
    rows = {"two": [proportion(100, 100), proportion(*two), NONE, NONE]}
    rows["three"] = [proportion(answered, 100), proportion(wrong, answered), van_gogh, other]
    if familiar:
        rows["familiar"] = [proportion(familiar[1], 100), proportion(*familiar), NONE, NONE]
    columns = ["answered", "wrong", "wrong_van_gogh", "wrong_other"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def test_margins_that_are_needed_needless_or_not_safe():
    text = findings.margins({"vgg19_with_texture": 0.734, "alexnet": math.inf, "b": 0.0}, 0.05, 275)
    assert text.startswith("Margins that allow at most 5% wrong answers, chosen on 275 validation paintings. ")
    assert "VGG-19 with texture: log odds must be 0.73 away" in text
    assert "AlexNet: none of the margins is safe, so it cannot tell about any picture" in text
    assert text.endswith("b: no margin is needed, so every picture gets an answer.")
    assert "on 1 validation painting." in findings.margins({"b": 0.0}, 0.05, 1)


def test_third_answer_with_some_all_and_no_answers():
    text = findings.third_answer(frame(90, 2), 0.05)
    assert text.startswith("With three answers 90.0% [82.6%, 94.5%] of the test paintings get one. Of these answers 2")
    assert "fewer than of the answers to all paintings (12.0% [" in text and "no fewer" not in text
    assert text.endswith("That agrees with the promise of at most 5%.")
    assert "no fewer than" in findings.third_answer(frame(90, 20), 0.05)
    text = findings.third_answer(frame(60, 1), 0.05)
    assert "high price" in text
    text = findings.third_answer(frame(100, 3, two=(3, 100)), 0.05)
    assert "get one: no margin was needed. Of these answers 3.0%" in text and "fewer" not in text
    assert findings.third_answer(frame(0, 0), 0.05).startswith("With three answers no test painting gets one, because")


@pytest.mark.parametrize(
    ("rate", "end"),
    [(0.01, "are harder than those of validation."), (0.12, "promise of at most 12%."), (0.6, "60% allowed.")],
)
def test_third_answer_above_at_and_below_the_promise(rate, end):
    assert findings.third_answer(frame(80, 10), rate).endswith(end)


def test_kinds_of_errors_that_differ_or_not():
    many, few = Estimate(0.3, 0.2, 0.4), Estimate(0.05, 0.01, 0.1)
    text = findings.kinds_of_errors(frame(90, 2, van_gogh=many, other=few))
    assert text.startswith("The answer “van_gogh” is wrong more often than “other”: “van_gogh” 30.0% [20.0%, 40.0%]")
    text = findings.kinds_of_errors(frame(90, 2, van_gogh=few, other=many))
    assert text.startswith("The answer “other” is wrong more often than “van_gogh”: “van_gogh” 5.0%")
    assert findings.kinds_of_errors(frame(90, 2, van_gogh=few, other=few)).startswith("Both answers are about equally")
    assert findings.kinds_of_errors(frame(90, 2, van_gogh=few)) == ""


def test_unfamiliar_paintings_that_matter_or_not_or_do_not_exist():
    text = findings.unfamiliar(frame(90, 9, familiar=(2, 85)), 0.03)
    assert text.startswith("3.0% of the test paintings are unfamiliar by texture.")
    assert "is lower: 2.4% [" in text and "instead of 10.0% [" in text
    assert "is no lower" in findings.unfamiliar(frame(90, 1, familiar=(8, 85)), 0.03)
    assert findings.unfamiliar(frame(90, 1, familiar=(1, 90)), 0.0).startswith("No test painting is unfamiliar")
    assert findings.unfamiliar(frame(90, 1), 0.03) == ""
    assert findings.unfamiliar(frame(0, 0, familiar=(0, 0)), 0.03) == ""


def test_close_paintings_may_be_the_same_work():
    whole, rest = Estimate(0.98, 0.97, 0.99), Estimate(0.975, 0.96, 0.99)
    assert "No test painting" in findings.close_paintings(0, 275, whole, whole)
    several = findings.close_paintings(5, 275, whole, rest)
    assert "5 test paintings of 275 have" in several and "0.975 [0.960, 0.990], instead of 0.980" in several
    assert "1 test painting of 275 has" in findings.close_paintings(1, 275, whole, rest)
    assert "too few for a ROC AUC" in findings.close_paintings(275, 275, whole, None)
