"""Each sentence of 02 in each of its branches."""

from types import SimpleNamespace

import pandas as pd
import pytest

from vg_helpers.findings import classify as findings
from vg_helpers.intervals import Estimate

ABOVE, UNCLEAR, BELOW = Estimate(0.1, 0.05, 0.15), Estimate(0.01, -0.1, 0.12), Estimate(-0.1, -0.15, -0.05)
THREE = pytest.mark.parametrize("place", [0, 1, 2], ids=["above", "unclear", "below"])


def test_frozen_layers_are_named_with_the_reason():
    depths = {"vgg19": "top", "alexnet": "all"}
    assert findings.frozen_layers(depths, because_of_cpu=True) == [
        "VGG-19: only the upper layers are trained, on features of the frozen lower ones. Reason: the device is a CPU; "
        "depth 'all' trains everything."
    ]
    (sentence,) = findings.frozen_layers({"alexnet": "head"}, because_of_cpu=False)
    assert "only the last layer" in sentence and "the parameter depth asks for it" in sentence
    assert findings.frozen_layers({"vgg19": "all"}, because_of_cpu=True) == []


def test_best_trials_give_settings_and_cost():
    rows = [("vgg19", "COMPLETE", 60.0), ("vgg19", "PRUNED", 30.0), ("alexnet", "COMPLETE", 6.0)]
    trials = pd.DataFrame(rows, columns=["model", "state", "seconds"])
    values = {"lr": 3e-5, "batch_size": 16, "optimizer": "SGD", "value": 0.95}
    text = findings.best_trials(trials, {"vgg19": values, "alexnet": values})
    assert "VGG-19 does best with SGD, learning rate 3.00e-05 and batch size 16 (validation AUC 0.950)." in text
    assert "The search made 2 trials, 1 of them stopped early, in 1.5 minutes." in text
    assert text.endswith("The search made 1 trial, in 0.1 minutes.")


@pytest.mark.parametrize(
    ("mode", "words"),
    [("online", "locally and on Weights"), ("offline", "`wandb sync`"), ("off", "is off"), ("disabled", "is off")],
)
def test_records(mode, words):
    assert words in findings.records(mode)


def test_importances_of_many_few_and_no_trials():
    shares = {"vgg19": {"lr": 0.8, "batch_size": 0.2}, "alexnet": {}}
    text = findings.importances(shares, {"vgg19": 8, "alexnet": 2})
    assert "VGG-19: learning rate 80%, batch size 20% of the variance of 8 completed trials." in text
    assert "AlexNet" not in text and text.endswith("this is only a hint.")
    assert "hint" not in findings.importances(shares, {"vgg19": findings.FEW_TRIALS, "alexnet": 2})
    assert findings.importances({"vgg19": {}}, {"vgg19": 2}).startswith("The completed trials are too few")


@THREE
def test_networks_differ(place):
    text = findings.networks_differ((ABOVE, UNCLEAR, BELOW)[place], SimpleNamespace(only_a=1, only_b=7, p_value=0.07))
    starts = "VGG-19 ranks the", "This test set shows no clear difference", "AlexNet ranks the"
    assert text.startswith(starts[place])
    assert "right on 1 painting and only AlexNet on 7 paintings, which chance may well explain" in text
    assert "p = 0.07" in text


def test_an_imbalance_beyond_chance_is_called_so():
    text = findings.networks_differ(ABOVE, SimpleNamespace(only_a=1, only_b=12, p_value=0.0034))
    assert "more than chance explains (McNemar, p = 0.0034)" in text


def test_networks_that_err_alike_need_no_test():
    text = findings.networks_differ(UNCLEAR, SimpleNamespace(only_a=0, only_b=0, p_value=1.0))
    assert text.endswith("Both are wrong on the same paintings.") and "McNemar" not in text


@THREE
@pytest.mark.parametrize(
    ("sentences", "words"),
    [
        (findings.fine_tuning_gains, ("improves VGG-19", "no clear difference to VGG-19", "makes VGG-19 worse")),
        (findings.texture_gains, ("improves VGG-19", "no clear difference to VGG-19", "makes VGG-19 worse")),
        (findings.palettes, ("help VGG-19", "no clear difference to VGG-19", "cost VGG-19")),
    ],
)
def test_gains_have_three_sentences(sentences, words, place):
    estimate = (ABOVE, UNCLEAR, BELOW)[place]
    text = sentences({"vgg19": estimate})
    assert words[place] in text and f"{estimate.value:+.3f}" in text
    assert not any(other in text for other in words if other != words[place])
    both = sentences({"vgg19": estimate, "alexnet": UNCLEAR})
    assert words[place] in both and "no clear difference to AlexNet" in both
    assert sentences({}) in ("", "So this check shows no reliance on colour.")


def test_a_loss_without_the_own_palettes_is_put_down_to_colour():
    assert "relied on colour" in findings.palettes({"vgg19": UNCLEAR, "alexnet": BELOW})
    assert "no reliance on colour" in findings.palettes({"vgg19": UNCLEAR, "alexnet": ABOVE})


@THREE
def test_pretraining(place):
    words = "Pre-training helps", "no clear difference", "Random weights do better"
    assert words[place] in findings.pretraining_gain((ABOVE, UNCLEAR, BELOW)[place])
    assert "scratch_epochs" in findings.pretraining_gain(None)


@pytest.mark.parametrize(
    ("random", "words"),
    [
        (Estimate(0.95, 0.9, 0.99), "the random split flatters"),
        (Estimate(0.82, 0.78, 0.86), "does not show that"),
        (Estimate(0.6, 0.5, 0.7), "is the harder one"),
    ],
)
def test_splits_differ(random, words):
    text = findings.splits_differ(random, Estimate(0.8, 0.75, 0.85), 3)
    assert words in text and text.startswith("3 test paintings of the random split have a twin")
    assert f"{abs(random.value - 0.8):.3f} {'above' if random.value > 0.8 else 'below'} that" in text
    assert findings.splits_differ(random, random, 1).startswith("1 test painting of the random split has a twin")


def test_wrong_answers_name_the_artists():
    rows = [
        ("van gogh", "TP"),
        ("van gogh", "FN"),
        ("paul gauguin", "FP"),
        ("paul gauguin", "FP"),
        ("b", "FP"),
        ("c", "TN"),
    ]
    text = findings.wrong_answers(pd.DataFrame(rows, columns=["artist", "outcome"]))
    assert "finds 1 of 2 Van Goghs and takes 3 of 4 other paintings for his" in text
    assert text.endswith("most often those by Paul Gauguin (2), B (1).")


def test_no_wrong_answer_names_nobody():
    text = findings.wrong_answers(pd.DataFrame({"artist": ["van gogh", "b"], "outcome": ["TP", "TN"]}))
    assert text.endswith("finds 1 of 1 Van Gogh and takes 0 of 1 other painting for his.")


def test_right_answers_are_counted():
    tested = pd.DataFrame({"outcome": ["TP", "TN", "FN", "FP", "TN"]})
    assert findings.right_answers(tested).startswith("VGG-19 is right about 3 of 5 test paintings;")


def test_shared_errors_against_independence():
    wrong = {"vgg19": [True, True, False, False], "alexnet": [True, False, True, False]}
    text = findings.shared_errors(wrong)
    assert text == (
        "VGG-19 and AlexNet are both wrong on 1 test painting; if their errors were independent, 1.0 would be expected."
    )
    assert findings.shared_errors(wrong | {"alexnet": [False] * 4}) == ""


def test_what_is_missing_is_said():
    assert findings.no_mistakes(pd.DataFrame()) == "VGG-19 is right about every test painting."
    assert findings.no_mistakes(pd.DataFrame({"no.": [1]})) == ""
    assert "name no medium" in findings.no_mediums(pd.DataFrame({"medium": ["not stated"]}))
    assert findings.no_mediums(pd.DataFrame({"medium": ["not stated", "print"]})) == ""


@pytest.mark.parametrize(("is_demo", "words"), [(True, "the demo's Van Gogh"), (False, "Van Gogh from other p")])
def test_headline(is_demo, words):
    entry = {"value": 0.9, "low": 0.8, "high": 0.95}
    metrics = {"best": dict.fromkeys(("roc_auc", "f1", "accuracy"), entry)}
    lines = findings.headline(dict.fromkeys(findings.HEADLINE, metrics), 1, is_demo).split("\n")
    assert [line.split("**")[1] for line in lines] == ["VGG-19", "AlexNet", "VGG-19 with texture"]
    assert words in lines[0] and "ROC AUC of 0.900 [0.800, 0.950]" in lines[0] and "on 1 test painting (" in lines[0]


def test_limits():
    assert "twin in training" in findings.limits("split_grouped", 4) and "beyond the 4 in" in findings.limits("", 4)
    assert "random split" in findings.limits("split_seed", 4)
    assert "split that came with the list of paintings" in findings.limits("split_given", 4)
