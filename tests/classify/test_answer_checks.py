"""answer_checks: counts by hand, and examples that are what their names say."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from stand_ins import RULE, tiny_judge

from vg_helpers.classify import answer_checks as checks
from vg_helpers.classify.answers import Neighbors
from vg_helpers.classify.texture import Choice, TextureFit
from vg_helpers.intervals import Estimate, proportion

ODDS = np.array([3.0, 2.0, 0.4, 0.2, -0.3, -0.5, -2.0, -4.0])
LABELS = np.array([1, 0, 1, 0, 1, 0, 0, 1])
RULE = dataclasses.replace(RULE, threshold=0.5, margin=0.4, familiar=1.5)


def test_evaluation_by_hand():
    frame = checks.evaluate_answers(ODDS, LABELS, RULE, [0, 1, 0, 0, 1, 0, 0, 0])
    assert frame["answered"].tolist() == [proportion(8, 8), proportion(6, 8), proportion(5, 8)]
    assert frame["wrong"].tolist() == [proportion(4, 8), proportion(2, 6), proportion(1, 5)]
    assert frame["wrong_van_gogh"].tolist() == [proportion(2, 4), proportion(1, 3), proportion(0, 2)]
    assert frame["wrong_other"].tolist() == [proportion(2, 4), proportion(1, 3), proportion(1, 3)]
    assert list(checks.evaluate_answers(ODDS, LABELS, RULE).index) == ["two", "three"]


def test_without_any_answer_there_is_no_rate():
    frame = checks.evaluate_answers(ODDS, LABELS, dataclasses.replace(RULE, margin=math.inf))
    assert frame.loc["three", "answered"] == proportion(0, 8) and math.isnan(frame.loc["three", "wrong"].value)


def test_the_table_has_a_row_for_each_kind_of_answers():
    table = checks.answers_table({"VGG-19": checks.evaluate_answers(ODDS, LABELS, RULE, np.zeros(8, bool))})
    assert table["answers"].tolist() == list(checks.ROWS.values())
    assert table["answered"][1].startswith("0.750 [") and table["wrong"][0].startswith("0.500 [")
    silent = dataclasses.replace(RULE, margin=math.inf)
    never = checks.answers_table({"AlexNet": checks.evaluate_answers(ODDS, LABELS, silent)})
    assert never["answered"][1].startswith("0.000") and never["wrong"][1] == "–"


def test_the_curve_ends_with_all_answers_and_ties_share_a_point():
    curve = checks.risk_curve([2.0, -2.0, 1.0, -0.5], [1, 1, 1, 0], 0.5)
    assert curve.to_numpy().tolist() == [[2, 0.5, 0.5], [1, 0.75, pytest.approx(1 / 3)], [0.5, 1, 0.25]]
    three = checks.evaluate_answers(ODDS, LABELS, RULE).loc["three"]
    point = checks.risk_curve(ODDS, LABELS, 0.5).query("margin >= 0.4").iloc[-1]
    assert (point["answered"], point["wrong"]) == (three["answered"].value, three["wrong"].value)


def test_examples_are_the_clearest_of_their_kind():
    distance = np.array([1, 1, 1, 1, 1.6, 1, 1.9, 1])
    found = checks.examples(ODDS, LABELS, RULE, distance)
    assert found == {"rightly Van Gogh": 0, "rightly other": 6, "wrong": 7, "cannot_tell": 3, "unfamiliar": 6}
    assert checks.examples(ODDS[:1], LABELS[:1], RULE, [1.0]) == {"rightly Van Gogh": 0}


def test_shown_paintings_stand_in_the_order_of_the_figure():
    test = pd.DataFrame({"path": ["t0", "t1"], "artist": ["x", "y"]}, index=[7, 9])
    train = pd.DataFrame({"path": list("abcd"), "artist": list("ABCD")})
    neighbors = Neighbors(np.array([[0, 1], [1, 0]]), np.array([[2, 3], [3, 2]]), np.zeros(2))
    rows = checks.shown({"wrong": 1}, neighbors, test, train)
    assert rows["path"].tolist() == ["t1", "b", "a", "d", "c"] and set(rows["kind"]) == {"wrong"}
    assert rows["role"].tolist() == ["test", "van_gogh", "van_gogh", "other", "other"]
    assert checks.shown({}, neighbors, test, train).empty


def test_networks_are_evaluated_on_the_test_paintings_alone():
    held = pd.DataFrame({"split": ["val"] * 8 + ["test"] * 8, "label": [*1 - LABELS, *LABELS]})
    held["p_vgg19_with_texture"] = expit([*ODDS, *ODDS])
    near = Neighbors(np.zeros((8, 3), int), np.zeros((8, 3), int), np.array([1, 2, 1, 1, 2, 1, 1, 1.0]))
    frames = checks.evaluate_networks(held, {"vgg19": RULE}, {"vgg19": near})
    frame, metrics = frames["vgg19"], {"vgg19_with_texture": {"threshold": 0.4}}
    checks.add_to_metrics(metrics, frames)
    assert Estimate.read(metrics["vgg19_with_texture"]["answers"]["wrong"]) == frame.loc["three", "wrong"]
    assert frame.equals(checks.evaluate_answers(ODDS, LABELS, RULE, near.distance > 1.5))
    curve = checks.risk_curves(held, {"vgg19": RULE})["vgg19"]
    np.testing.assert_allclose(curve[-3:], checks.risk_curve(ODDS, LABELS, 0.5)[-3:], rtol=1e-6)


def test_neighbours_are_those_of_the_test_paintings():
    judge, moments = tiny_judge(3), torch.rand(5, 6).add(torch.tensor([0.0] * 3 + [1.0] * 3)).numpy()
    fit = TextureFit(judge, Choice(1.0, 1.0, pd.DataFrame()), np.zeros(8))
    index = pd.DataFrame({"split": ["test", "train", "val", "test", "train"]})
    near = checks.nearest_to_test({"vgg19": fit}, {"vgg19": moments}, index, "split")["vgg19"]
    distances = judge.distances(torch.from_numpy(moments[[0, 3]])).numpy()
    np.testing.assert_allclose(near.distance, distances.min(axis=1), rtol=1e-6)
    assert near.van_goghs[:, 0].tolist() == [[1, 3, 5, 7][row[1::2].argmin()] for row in distances]


def test_close_paintings_are_counted_and_left_out():
    label = np.tile([0, 1], 20)
    held = pd.DataFrame({"split": ["val"] * 10 + ["test"] * 30, "label": label, "group": range(40)})
    held = held.assign(p_vgg19=np.where(label == 1, 0.9, 0.1))
    held.loc[10:13, "p_vgg19"] = [0.95, 0.05, 0.95, 0.05]  # wrong, all of them close to a training painting
    distance = np.where(np.arange(30) < 4, 0.1, 0.6)
    count, whole, rest = checks.without_close(held, "vgg19", distance, 1.0)
    assert count == 4 and whole.value < rest.value == 1
    assert checks.without_close(held, "vgg19", distance / 100, 0.01) == (count, whole, rest)  # in any unit
    assert checks.without_close(held, "vgg19", distance, 0.1) == (0, whole, whole)
    assert checks.without_close(held, "vgg19", distance, np.inf) == (0, whole, whole)
    assert checks.without_close(held, "vgg19", distance, 100.0) == (30, whole, None)
