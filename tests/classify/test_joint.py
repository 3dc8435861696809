"""joint: a network and its texture judge together, weighed by validation, asked one by one or in batches."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, logit

from vg_helpers.calibration import threshold_for_f1
from vg_helpers.classify import joint, steps
from vg_helpers.classify.answers import choose_margin
from vg_helpers.classify.judge import judge
from vg_helpers.images import load_image
from vg_helpers.stage import Stage

SPLIT = "split_grouped"


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path / "build", "02_classify", {})


def test_network_and_texture_judge_are_joined_by_what_validation_says():
    rng, label = np.random.default_rng(0), np.tile([0, 1], 200)
    index = pd.DataFrame({"label": label, SPLIT: np.repeat(["val", "test"], 200)})
    good, poor = (
        {part: expit(2 * label[:200] - 1 + noise * rng.normal(size=200)) for part in ("val", "test")}
        for noise in (1, 4)
    )
    networks, textures = {"vgg19": good, "alexnet": poor}, {"vgg19_texture": poor, "alexnet_texture": good}
    probs, weights = joint.join(networks, textures, index, SPLIT)
    assert list(probs) == ["vgg19_with_texture", "alexnet_with_texture"]
    assert weights["vgg19"][0] > 5 * weights["vgg19"][1] and weights["alexnet"][1] > 5 * weights["alexnet"][0]
    a, b, bias = weights["vgg19"]
    expected = expit(a * logit(good["test"]) + b * logit(poor["test"]) + bias)
    np.testing.assert_allclose(probs["vgg19_with_texture"]["test"], expected, atol=1e-6)


def test_rules_come_from_validation_and_training_paintings_alone(index, setup, stage):
    moments = joint.measure_textures(index, setup)
    copies = joint.measure_copies(index[index[SPLIT] == "train"], setup)
    textures = joint.fit_textures(moments, copies, index, SPLIT, 42, stage.keep)
    train = index[index[SPLIT] == "train"]
    label = np.tile([0, 1], 100)
    held = pd.DataFrame({"label": label, "group": range(200), "split": np.repeat(["val", "test"], 100)})
    odds = np.where(np.arange(200) % 10 < 2, -0.3, 1.0) * (2 * label - 1)
    names = [f"p_{network}{kind}" for network in ("vgg19", "alexnet") for kind in ("", "_texture", "_with_texture")]
    held = held.assign(**dict.fromkeys(names, expit(odds)))
    thresholds = dict.fromkeys(["vgg19_with_texture", "alexnet_with_texture"], 0.5)
    weights = dict.fromkeys(["vgg19", "alexnet"], (0.5, 0.6, 0.1))
    options = {"views": 4, "patches": 3, "error_rate": 0.1}
    rule = joint.fit_rules(textures, weights, held, thresholds, train, **options)["vgg19"]
    assert (rule.network, rule.texture, rule.bias, rule.views, rule.patches) == (0.5, 0.6, 0.1, 4, 3)
    val = held[held.split == "val"]
    distances = joint.left_out_log_odds(val.p_vgg19, val.p_vgg19_texture, val.label, val.group)
    assert rule.margin == choose_margin(distances, val.label, val.group, 0.5, 0.1) > 0
    spoilt = held.assign(**{name: held[name].where(held.split == "val", 0.9) for name in names})
    assert joint.fit_rules(textures, weights, spoilt, thresholds, train, **options)["vgg19"] == rule


def test_a_painting_and_its_twins_have_no_say_in_how_far_they_are_from_the_threshold():
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(40), 2)
    labels = np.repeat(np.arange(40) % 2, 2)
    network, texture = (expit(2 * labels - 1 + rng.normal(size=80)) for _ in range(2))
    distances = joint.left_out_log_odds(network, texture, labels, groups)
    turned = np.where(groups == 7, 1 - labels, labels)
    others = joint.left_out_log_odds(network, texture, turned, groups)
    assert np.array_equal(distances[groups == 7], others[groups == 7])
    assert not np.isclose(distances[groups != 7], others[groups != 7]).any()


def test_a_class_of_one_painting_has_no_distance():
    probs = np.array([0.9, 0.2, 0.1, 0.3])
    assert joint.left_out_log_odds(probs, probs, [1, 0, 0, 0], range(4))[0] == 0


def test_the_last_paintings_before_the_threshold_count_as_errors_if_they_set_it():
    odds = np.array([-3.0, -2.5, -2.0, -0.1, 0.1, 2.0, 2.5, 3.0] * 3)
    labels = np.tile([0, 0, 0, 0, 1, 1, 1, 1], 3)
    probs, groups = expit(odds), np.tile(np.arange(8), 3)
    a, b, bias = joint.combine(odds, odds, labels)
    joined = (a + b) * odds + bias
    assert ((joined >= logit(threshold_for_f1(labels, expit(joined)))) == (labels == 1)).all()
    wrong = (joint.left_out_log_odds(probs, probs, labels, groups) >= 0) != (labels == 1)
    assert set(groups[wrong]) and set(groups[wrong]) <= {3, 4}


def test_pictures_are_judged_as_the_kept_paintings_are(index, setup, stage):
    task = steps.build_tasks(index, SPLIT, setup)["alexnet"]
    moments = joint.measure_textures(index, setup)
    copies = joint.measure_copies(index[index[SPLIT] == "train"], setup)
    fits = joint.fit_textures(moments, copies, index, SPLIT, 42, stage.keep)
    test = (index[SPLIT] == "test").to_numpy()
    ask = joint.JointJudge(task, fits["alexnet"], (0.7, 0.4, -0.2))
    pictures = [load_image(f"{setup.data_dir}/{path}") for path in index.path[test]]
    probs = ask(iter(pictures))
    assert list(probs) == ["alexnet", "alexnet_texture", "alexnet_with_texture"]
    np.testing.assert_allclose(probs["alexnet"], judge(task.model, pictures, setup.device, setup.size), atol=0.02)
    kept = joint.judge_textures(fits, moments, index, SPLIT)["alexnet_texture"]["test"]
    np.testing.assert_allclose(probs["alexnet_texture"], kept, atol=0.03)
    both = expit(0.7 * logit(probs["alexnet"]) + 0.4 * logit(probs["alexnet_texture"]) - 0.2)
    np.testing.assert_allclose(probs["alexnet_with_texture"], both, atol=1e-6)
    before = stage.keep("ask", asked, ask, pictures[:1])
    with torch.no_grad():
        next(iter(parameters(task))).add_(1.0)
    again = joint.JointJudge(ask.task, ask.fit, ask.weights)
    assert not np.array_equal(stage.keep("ask", asked, again, pictures[:1])["alexnet"], before["alexnet"])


def asked(ask, pictures):
    return ask(pictures)


def parameters(task):
    return [p for p in task.learning.parameters() if p.requires_grad][-1:]
