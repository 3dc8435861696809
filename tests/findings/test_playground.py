"""The sentences of the playground, branch by branch."""

import pytest

from vg_helpers.findings.playground import progress, verdict


def test_a_verdict_has_three_answers():
    assert verdict("vgg19", 0.912, "van_gogh") == "VGG-19 takes it for a Van Gogh (P = 0.91)."
    assert verdict("alexnet", 0.1, "other", False, 0.05) == (
        "AlexNet does not take it for a Van Gogh (P = 0.10, after 0.05 for the photo)."
    )
    sentence = verdict("vgg19", 0.5, "cannot_tell", True)
    assert "cannot tell" in sentence and sentence.endswith("It has learned from no painting like this one.")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("ready", "press Paint"),
        ("preparing", "Preparing"),
        ("painting", "step 3 of 9, about 5 s left"),
        ("stopped", "Stopped after step 3 of 9"),
        ("finished", "Ended after step 3 of 9"),
    ],
)
def test_each_state_has_its_words(state, words):
    assert words in progress(state, 3, 9, 4.6)


def test_the_time_left_is_unknown_at_first_and_a_failure_has_its_own_sentence():
    assert progress("painting", 1, 9, None) == "Painting: step 1 of 9."
    assert progress("failed", 1, 9, None) == "" and progress("finished", 1, 1, 0) == "Finished after 1 step."
    assert progress("finished", 9, 9, 0) == "Finished after 9 steps."
    assert progress("painting", 2, 450, 1246) == "Painting: step 2 of 450, about 21 min left."
