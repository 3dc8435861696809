"""joint: a network and its texture judge together, weighed by validation, asked one by one or in batches."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, logit

from vg_helpers.classify import joint, steps
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
    textures = joint.fit_textures(moments, index, SPLIT, 42, stage.keep)
    train = index[index[SPLIT] == "train"]
    label = np.tile([0, 1], 100)
    held = pd.DataFrame({"label": label, "group": range(200), "split": np.repeat(["val", "test"], 100)})
    odds = np.where(np.arange(200) % 10 < 2, -0.3, 1.0) * (2 * label - 1)
    held = held.assign(p_vgg19_with_texture=expit(odds), p_alexnet_with_texture=expit(odds))
    thresholds = dict.fromkeys(["vgg19_with_texture", "alexnet_with_texture"], 0.5)
    weights = dict.fromkeys(["vgg19", "alexnet"], (0.5, 0.6, 0.1))
    options = {"views": 4, "patches": 3, "error_rate": 0.1}
    rule = joint.fit_rules(textures, weights, held, thresholds, train, **options)["vgg19"]
    assert (rule.network, rule.texture, rule.bias, rule.views, rule.patches) == (0.5, 0.6, 0.1, 4, 3)
    assert rule.margin == pytest.approx(1.0) and np.isfinite([rule.threshold]).all()
    spoilt = held.assign(p_vgg19_with_texture=held.p_vgg19_with_texture.where(held.split == "val", 0.9))
    assert joint.fit_rules(textures, weights, spoilt, thresholds, train, **options)["vgg19"] == rule


def test_pictures_are_judged_as_the_kept_paintings_are(index, setup, stage):
    task = steps.build_tasks(index, SPLIT, setup)["alexnet"]
    moments = joint.measure_textures(index, setup)
    fits = joint.fit_textures(moments, index, SPLIT, 42, stage.keep)
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
    assert not np.array_equal(stage.keep("ask", asked, ask, pictures[:1])["alexnet"], before["alexnet"])


def asked(ask, pictures):
    return ask(pictures)


def parameters(task):
    return [p for p in task.learning.parameters() if p.requires_grad][-1:]
