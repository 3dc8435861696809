"""Sentences of 02 about the third answer.

Convention: frames as `classify.answer_checks.evaluate_answers` returns them, with the rows "two", "three" and, if it is
known what is unfamiliar, "familiar"; rates are shares in [0, 1].
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..intervals import Estimate
from ..plots.look import counted, name_of

MUCH = 0.85  # of the pictures, at least, should get an answer


def margins(margins: Mapping[str, float], error_rate: float, num_held_out: int) -> str:
    """Return from how many held-out paintings the margins come, and by how much log odds must differ for an answer.

    Args:
        margins: by classifier; inf if none was safe, 0 if none was needed.
        error_rate: the highest share of wrong answers that is allowed.
        num_held_out: validation paintings.
    """
    parts = []
    for name, margin in margins.items():
        if np.isinf(margin):
            parts.append(f"{name_of(name)}: none of the margins is safe, so it cannot tell about any picture")
        elif margin == 0:
            parts.append(f"{name_of(name)}: no margin is needed, so every picture gets an answer")
        else:
            parts.append(f"{name_of(name)}: log odds must be {margin:.2f} away from those of the threshold")
    return (
        f"Margins that allow at most {error_rate:.0%} wrong answers, chosen on "
        f"{counted(num_held_out, 'validation painting')}. {'; '.join(parts)}."
    )


def third_answer(evaluation: pd.DataFrame, error_rate: float) -> str:
    """Return what the third answer brings on the test paintings, and whether its promise holds there."""
    two, three = evaluation.loc["two"], evaluation.loc["three"]
    if three["answered"].value == 0:
        return "With three answers no test painting gets one, because no margin is safe. More paintings may help."
    answered, wrong = (Estimate(*three[column]) for column in ("answered", "wrong"))
    start = f"With three answers {answered:.1%} of the test paintings get one"
    if answered.value == 1:
        return f"{start}: no margin was needed. Of these answers {wrong:.1%} are wrong. {_promise(wrong, error_rate)}"
    change = "fewer" if wrong.value < two["wrong"].value else "no fewer"
    few = "" if answered.value >= MUCH else " That is a high price: the classifier is unsure of many paintings."
    return (
        f"{start}.{few} Of these answers {wrong:.1%} are wrong, {change} than of the answers to all paintings "
        f"({Estimate(*two['wrong']):.1%}). {_promise(wrong, error_rate)}"
    )


def _promise(wrong: Estimate, error_rate: float) -> str:
    return Estimate(*(value - error_rate for value in wrong)).choose(
        f"That is more than the {error_rate:.0%} promised: the test paintings are harder than those of validation.",
        f"That agrees with the promise of at most {error_rate:.0%}.",
        f"That is less than the {error_rate:.0%} allowed.",
    )


def kinds_of_errors(evaluation: pd.DataFrame) -> str:
    """Return which of the answers is wrong more often; "" if none is given."""
    van_gogh, other = (Estimate(*evaluation.loc["three", f"wrong_{answer}"]) for answer in ("van_gogh", "other"))
    if np.isnan(van_gogh.value) or np.isnan(other.value):
        return ""
    if van_gogh.low > other.high or other.low > van_gogh.high:
        first, second = ("van_gogh", "other") if van_gogh.value > other.value else ("other", "van_gogh")
        verdict = f"The answer “{first}” is wrong more often than “{second}”"
    else:
        verdict = "Both answers are about equally reliable, as far as so few errors show"
    return f"{verdict}: “van_gogh” {van_gogh:.1%}, “other” {other:.1%}. The promise holds for both together."


def unfamiliar(evaluation: pd.DataFrame, share: float) -> str:
    """Return how many test paintings are unfamiliar, and whether leaving them out would save errors; "" if not known.

    Args:
        share: of the test paintings that are unfamiliar.
    """
    if "familiar" not in evaluation.index or evaluation.loc["three", "answered"].value == 0:
        return ""
    if share == 0:
        return "No test painting is unfamiliar: all of them resemble training paintings by texture."
    before, after = (Estimate(*evaluation.loc[row, "wrong"]) for row in ("three", "familiar"))
    saved = "lower" if after.value < before.value else "no lower"
    return (
        f"{share:.1%} of the test paintings are unfamiliar by texture. Without them the share of wrong answers is "
        f"{saved}: {after:.1%} instead of {before:.1%}."
    )


def close_paintings(count: int, total: int, with_them: Estimate, without: Estimate | None) -> str:
    """Return how many test paintings may have a photograph of the same work in training, and what that changes.

    Args:
        with_them: ROC AUC on all test paintings; without: on the others, None if those lack a class.
    """
    if not count:
        return (
            "No test painting is so close in texture to a training painting that both could be photographs of one work."
        )
    have = "has" if count == 1 else "have"
    aucs = (
        "The others are too few for a ROC AUC of their own."
        if without is None
        else f"Without them, VGG-19 and its texture judge together have a ROC AUC of {without:.3f}, instead of "
        f"{with_them:.3f}."
    )
    return (
        f"{counted(count, 'test painting')} of {total:,} {have} almost the texture of a training painting: they may be "
        f"photographs of one work, with other colours or another crop, which the hash of 01 does not recognise. {aucs}"
    )
