"""findings.summary: each sentence in each of its branches; names stay as they were typed."""

import pytest

from vg_helpers.findings import summary
from vg_helpers.intervals import Estimate

HALF = Estimate(0.5, 0.25, 0.75)


def test_what_a_user_typed_stays_and_what_is_missing_is_named():
    lines = summary.signature("Deep *Learning*", "", " 山田 太郎 ,, <b> $5 & O'Neil", "").split("  \n")
    assert lines[0] == r"**Course** Deep \*Learning\*"
    assert lines[1] == "**Group** *(not given)*" and lines[3] == "**Due** *(not given)*"
    assert lines[2] == r"**Members** 山田 太郎, \<b\> \$5 \& O'Neil"
    assert summary.literal("a\n\n# b") == r"a \# b"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ((0, 0, False), "VGG-19 and AlexNet learn to tell Van Gogh's paintings from others"),
        ((600, 151, True), "**No number says anything about Van Gogh:** 600 procedural paintings, 151 by the demo's"),
        ((2748, 745, False), "2,748 paintings, 745 of them Van Gogh's. VGG-19 and AlexNet learn to tell his from"),
    ],
)
def test_the_subject_says_what_the_networks_learn_from(facts, words):
    assert summary.subject(*facts).startswith(words)


def test_every_result_has_its_interval_and_its_figure():
    for sentence, words in (
        (summary.classifier("VGG-19", *[HALF] * 4), "**0.500 [0.250, 0.750]**, with its texture judge **0.500"),
        (summary.style_transfer(HALF, Estimate(0, 0, 0.79)), "**50% [25%, 75%]** of the photos"),
        (summary.speed(Estimate(12.3, 11.9, 12.8), "Tesla T4"), "**12.3 [11.9, 12.8]** times as fast on the Tesla T4"),
        (summary.grad_cam(HALF, HALF), "gains **0.500 [0.250, 0.750]** by insertion and **0.500"),
    ):
        assert words in sentence and "([@fig:0" in sentence


def test_a_classifier_that_never_answers_says_why():
    answers = summary.classifier("VGG-19", HALF, HALF, Estimate(0.9, 0.8, 0.95), Estimate(0.04, 0.02, 0.07))
    assert "answer for **90%** of the paintings, 4% of it wrongly" in answers
    never = summary.classifier("VGG-19", HALF, HALF, Estimate(0, 0, 0.1), Estimate(float("nan"), 0, 1))
    assert "never answer" in never and "nan" not in never


def test_the_circumstances_name_devices_weights_and_fallbacks():
    said = summary.circumstances("my_profile", 12.34, ["cpu", "cuda", "cpu"], ["none", "imagenet"], 2)
    assert r"*my\_profile*" in said or "*my_profile*" in said
    assert "12.3 minutes on a CUDA GPU and the CPU" in said
    assert "started from ImageNet's and random weights. Fallbacks: 2, listed in Appendix E." in said
    said = summary.circumstances("demo", 0, [], [], 0)
    assert "on no device" in said and "weights" not in said and said.endswith("There was no fallback.")


def test_what_is_missing_is_said_and_what_is_not_is_not():
    assert summary.not_part([]) == "" and summary.not_part(["a", "b"]) == "**Not part of this run:** `a`, `b`."
    assert (
        summary.no_results("metrics", "02_classify") == "*This run holds no metrics: `02_classify` has not been run.*"
    )
    assert summary.fallbacks({}).endswith("None.")
    assert "- No GPU. (`a`, `b`)\n- Demo. (`c`)" in summary.fallbacks({"No GPU.": ["a", "b"], "Demo.": ["c"]})
    assert r"the photo a \$b;" in summary.pictures("the night", "a $b")
    assert summary.bullets(["x", "y"]) == "- x\n- y"
