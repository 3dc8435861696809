"""summary on nine held-out paintings: every number is counted by hand or asked of the metrics themselves."""

import numpy as np
import pandas as pd
import pytest

from vg_helpers import metrics as scoring
from vg_helpers.classify import summary
from vg_helpers.intervals import Estimate

SPLIT = ["train", "val", "val", "val", "val", "test", "test", "test", "test", "test"]
INDEX = pd.DataFrame(
    {
        "path": [f"{number}.jpg" for number in range(10)],
        "artist": ["v", "v", "v", "a", "b", "v", "v", "a", "a", "b"],
        "title": ["t", "t", "t", "t", "t", "a-sketch", "t", "t", "t", "t"],
        "label": [1, 1, 1, 0, 0, 1, 1, 0, 0, 0],
        "group": [0, 1, 2, 3, 4, 0, 5, 6, 7, 8],
        "split_grouped": SPLIT,
    }
)
VAL = np.array([0.9, 0.8, 0.3, 0.2])
PROBS = {
    "vgg19": {"val": VAL, "test": np.array([0.95, 0.1, 0.2, 0.9, 0.05])},
    "alexnet": {"val": VAL, "test": np.array([0.9, 0.8, 0.1, 0.95, 0.2])},
    "vgg19_texture": {"val": VAL, "test": np.array([0.9, 0.8, 0.1, 0.2, 0.3])},
    "alexnet_texture": {"val": VAL, "test": np.array([0.1, 0.2, 0.9, 0.8, 0.7])},
}
HELD = summary.held_out(INDEX, "split_grouped", PROBS)
METRICS = summary.evaluate(HELD, views=2, seed=1)
TESTED = summary.predictions(HELD, METRICS).query("split == 'test'")


def test_held_out_puts_every_probability_beside_its_painting():
    assert HELD["path"].tolist() == [f"{number}.jpg" for number in range(1, 10)]
    assert HELD["split"].tolist() == SPLIT[1:]
    assert HELD["p_vgg19"].tolist() == [*VAL, 0.95, 0.1, 0.2, 0.9, 0.05]
    assert summary.classifiers(HELD) == list(PROBS)


def test_evaluate_chooses_on_validation_and_scores_on_test():
    called = []
    metrics = summary.evaluate(HELD[["label", "group", "split", "p_vgg19"]], 2, 1, lambda: called.append(1))
    assert metrics == {"vgg19": METRICS["vgg19"]} and called == [1]
    entry = METRICS["vgg19"]
    assert list(entry) == ["threshold", "views", "best", "even"] and entry["views"] == 2
    assert 0.3 < entry["threshold"] < 0.8
    test = INDEX[5:]
    for kind, threshold in (("best", entry["threshold"]), ("even", 0.5)):
        table = scoring.score_table(test.label, PROBS["vgg19"]["test"], threshold, groups=test.group, seed=1)
        assert entry[kind] == table.to_dict("index")


def test_differences_pair_the_variants_of_each_network():
    gains = summary.differences(HELD, "_texture", "", seed=1)
    assert list(gains) == ["vgg19", "alexnet"]
    test, probs = INDEX[5:], PROBS
    expected = scoring.auc_difference(
        test.label, probs["vgg19_texture"]["test"], probs["vgg19"]["test"], groups=test.group, seed=1
    )
    assert gains["vgg19"] == expected and gains["vgg19"].value > 0 > gains["alexnet"].value


def test_errors_are_counted_at_each_threshold():
    wrong = summary.wrong(HELD, METRICS)
    assert wrong["vgg19"].tolist() == [False, True, False, True, False]
    assert wrong["alexnet"].tolist() == [False, False, False, True, False]
    assert summary.compare_errors(HELD, METRICS)[:2] == (0, 1)
    assert summary.confusions(HELD, METRICS)["vgg19"].tolist() == [[2, 1], [1, 1]]
    raised = METRICS | {"vgg19": {"threshold": 0.99}}
    assert summary.wrong(HELD, raised)["vgg19"].tolist() == [True, True, False, False, False]


def test_reliability_is_that_of_the_test_paintings_before_and_after():
    tables, errors = summary.reliability(HELD, dict.fromkeys(("vgg19", "alexnet"), 1e6))
    assert list(tables) == list(errors) == ["vgg19", "alexnet", "vgg19 calibrated", "alexnet calibrated"]
    assert tables["vgg19"]["count"].sum() == 5
    assert tables["vgg19 calibrated"]["mean_prob"].to_numpy() == pytest.approx(0.5, abs=1e-3)
    assert set(summary.temperatures(HELD)) == {"vgg19", "alexnet"}


def test_tables_print_each_classifier():
    table = summary.results_table(METRICS)
    assert table["classifier"].tolist() == ["VGG-19", "AlexNet", "VGG-19, texture alone", "AlexNet, texture alone"]
    assert table["ROC AUC"][2].startswith("1.000 [1.000")
    rows = summary.metric_rows(METRICS | {"vgg19_with_texture": METRICS["vgg19"]})
    assert rows["model"].unique().tolist() == ["vgg19", "alexnet", "vgg19_with_texture"]
    assert rows["metric"].unique().tolist() == list(summary.SHOWN)
    assert rows["value"][0] == METRICS["vgg19"]["best"]["roc_auc"]["value"]


def test_predictions_are_those_of_the_networks():
    assert list(TESTED)[-3:] == ["p_vgg19", "p_alexnet", "outcome"]
    assert TESTED["outcome"].tolist() == ["TP", "FN", "TN", "FP", "TN"]


def test_examples_and_mistakes_are_the_surest():
    examples = summary.examples(TESTED, count=1)
    assert list(examples) == ["TP", "FP", "TN", "FN"]
    assert examples["TN"]["p_vgg19"].tolist() == [0.05] and examples["TP"]["p_vgg19"].tolist() == [0.95]
    errors = summary.mistakes(TESTED.assign(p_vgg19=[0.95, 0.3, 0.2, 0.9, 0.05]))
    assert errors["path"].tolist() == ["8.jpg", "6.jpg"]
    table = summary.mistakes_table(errors, str.upper)
    assert table["no."].tolist() == [1, 2] and table["artist"].tolist() == ["A", "V"]
    assert summary.mistakes_table(errors[:0]).empty


def test_artists_are_those_taken_for_van_gogh_first():
    table = summary.artists_table(TESTED, str.upper)
    assert table["artist"].tolist() == ["A", "B"] and table["test paintings"].tolist() == [2, 1]
    assert table["share taken for a Van Gogh"][0].startswith("0.50 [") and table["mean P"][0] == pytest.approx(0.55)
    assert len(summary.artists_table(TESTED, count=1)) == 1


def test_mediums_come_from_the_titles():
    table = summary.mediums_table(TESTED).set_index("medium")
    assert table.loc["drawing or sketch", "Van Goghs"] == 1 and table["others"].sum() == 3


def test_twins_of_a_split_are_counted():
    tested = {"split_grouped": INDEX[5:].assign(p=PROBS["vgg19"]["test"])}
    rows = summary.split_scores(tested, INDEX, seed=1)
    assert rows.loc["split_grouped", "twins"] == 1 and rows.loc["split_grouped", "paintings"] == 5
    assert rows.loc["split_grouped", "roc_auc"] == Estimate.read(METRICS["vgg19"]["even"]["roc_auc"])
    assert summary.splits_table(rows)["split"].tolist() == ["grouped"]


def test_palettes_give_both_values_and_the_change():
    held = summary.held_out(
        INDEX,
        "split_grouped",
        {"vgg19_own": {"test": PROBS["vgg19_texture"]["test"]}, "vgg19_swapped": {"test": PROBS["vgg19"]["test"]}},
    )
    row = summary.palettes_table(held, {"vgg19": Estimate(-0.5, -0.9, -0.1)}).iloc[0].tolist()
    assert row == ["VGG-19", 1.0, pytest.approx(4 / 6), -0.5, -0.9, -0.1]
