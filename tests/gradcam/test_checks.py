"""Checks of maps: closed forms, directions, and what happens to maps without a value."""

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import Layered, noise
from torch import nn

from vg_helpers.gradcam import checks
from vg_helpers.gradcam.maps import coarse
from vg_helpers.models.texture import TextureClassifier


@pytest.fixture
def net():
    torch.manual_seed(4)  # a net in which every layer speaks for every class
    return Layered()


@pytest.fixture
def images():
    return noise(0, n=5)


class BrightCorner(nn.Module):
    """P(class 1) depends on the fine pattern of the upper left quarter alone."""

    def forward(self, x):
        quarter = x[..., : x.shape[-2] // 2, : x.shape[-1] // 2]
        evidence = 40 * quarter.diff(dim=-1).abs().mean((1, 2, 3)) - 4
        return torch.stack([torch.zeros_like(evidence), evidence], dim=1)


def test_deletion_and_insertion_prefer_the_map_that_points_at_the_evidence():
    images = torch.rand(4, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    right, wrong = torch.zeros(4, 1, 56, 56), torch.ones(4, 1, 56, 56)
    right[..., :28, :28], wrong[..., :28, :28] = 1, 0
    model, chance = BrightCorner(), checks.random_maps(images)
    methods = {"right": right, "chance": chance, "wrong": wrong}
    areas = checks.areas(checks.faithfulness(model, images, methods))["network"]
    assert len(areas) == 4
    deletion, insertion = areas["deletion"], areas["insertion"]
    assert (deletion["right"] < deletion["chance"]).all() and (deletion["chance"] < deletion["wrong"]).all()
    assert (insertion["right"] > insertion["chance"]).all() and (insertion["chance"] > insertion["wrong"]).all()


def curve_of(frame, curve, method, judge="network"):
    """Return the values (images, steps) along one curve."""
    rows = frame[(frame["curve"] == curve) & (frame["method"] == method) & (frame["judge"] == judge)]
    return rows.pivot(index="image", columns="fraction", values="p")


def test_curves_go_from_the_whole_to_the_blurred_image_and_back(net, images):
    maps, done = {"edges": checks.edge_maps(images), "random": checks.random_maps(images)}, []
    frame = checks.faithfulness(net, images, maps, num_steps=4, on_curve=lambda: done.append(1))
    assert len(done) == 4 and len(frame) == 2 * 2 * 5 * 5
    blurred = coarse(images)
    for method, ranked in maps.items():
        shown = (ranked >= ranked.flatten(1).quantile(0.75, 1).view(-1, 1, 1, 1)).expand_as(images)
        for curve, start, end in (("deletion", images, blurred), ("insertion", blurred, images)):
            probs = curve_of(frame, curve, method)
            assert probs.columns.tolist() == [0, 0.25, 0.5, 0.75, 1]
            mixed = torch.where(shown, end, start)
            for fraction, pictures in ((0, start), (0.25, mixed), (1, end)):
                with torch.no_grad():
                    expected = net.eval()(pictures).softmax(1)[:, 1]
                np.testing.assert_allclose(probs[fraction], expected, rtol=1e-5)


def test_a_texture_classifier_scores_by_both_of_its_judges(net, images):
    class Both(TextureClassifier):
        def __init__(self):
            nn.Module.__init__(self)
            self.net, self.judge = net, nn.Linear(3, 1)

        def forward(self, pictures):
            return self.net(pictures), pictures.mean((2, 3))

    model = Both()
    model.judge.forward = lambda moments: moments.float().sum(1)
    with torch.autocast("cpu", torch.bfloat16):
        probs = checks.probs_by_judge(model, images)
    np.testing.assert_allclose(probs["texture"], images.mean((2, 3)).sum(1).sigmoid(), rtol=1e-6)
    assert list(checks.probs_by_judge(net, images)) == ["network"]
    frame = checks.faithfulness(model, images, {"random": checks.random_maps(images)}, 2)
    np.testing.assert_allclose(curve_of(frame, "deletion", "random", "texture")[0], probs["texture"], rtol=1e-6)
    assert list(checks.areas(frame)) == ["network", "texture"]
    assert set(checks.mean_curves(frame)["judge"]) == {"network", "texture"}


def test_areas_closed_form():
    rows = {"image": [0, 0, 0, 1, 1, 1], "fraction": [1, 0, 0.5, 0, 0.5, 1], "p": [0, 1, 0.5, 1, 1, 1]}
    areas = checks.areas(pd.DataFrame({**rows, "judge": "texture", "curve": "deletion", "method": "map"}))["texture"]
    assert areas["deletion", "map"].to_dict() == {0: 0.5, 1: 1.0}


def test_the_band_of_a_mean_curve_closed_form():
    labels = {"judge": "network", "curve": "deletion", "method": "map"}
    curves = pd.DataFrame({**labels, "fraction": [0, 0, 1, 1], "p": [0.2, 0.4, 1.0, 1.0]})
    mean = checks.mean_curves(curves)
    assert mean["p"].tolist() == pytest.approx([0.3, 1])
    assert mean["low"].tolist() == pytest.approx([0.3 - 1.96 * 0.1, 1])
    assert mean["high"].tolist() == pytest.approx([0.3 + 1.96 * 0.1, 1])
    wide = checks.mean_curves(curves.assign(p=[0.0, 1.0, 0.0, 1.0]))
    assert wide["low"].min() == 0 and wide["high"].max() == 1  # probabilities


def test_ranks_are_a_permutation_that_follows_the_map():
    maps = torch.zeros(2, 1, 20, 30)
    maps[:, :, :5] = 1
    ranks = checks._ranks(maps)
    torch.testing.assert_close(ranks.flatten(1).sort(1).values, (torch.arange(600) / 600).expand(2, -1))
    assert ranks[:, :, :5].max() < 0.25 <= ranks[:, :, 5:].min()
    assert not torch.equal(ranks[0], ranks[1])  # ties fall by chance, not from top to bottom


def test_maps_without_a_value_spoil_no_check(net, images):
    zero = torch.zeros(5, 1, 16, 12)
    assert np.isnan(checks.share_inside(zero, checks.texture_mask(images))).all()
    assert np.isnan(checks.rank_correlation(zero, checks.edge_maps(images))).all()
    assert np.isfinite(checks.faithfulness(net, images, {"zero": zero}, 3)["p"]).all()
    assert np.isfinite(checks.overlap(zero, zero)).all()


def test_texture_is_where_the_stripes_are():
    images = torch.full((1, 3, 56, 56), 0.5)
    images[..., :28, 28:] += 0.4 * torch.tensor([1.0, 1, -1, -1]).repeat(7)
    mask = checks.texture_mask(images)
    assert mask.float().mean() == 0.25
    assert mask[..., :28, 28:].float().mean() > 0.8


def test_edges_are_those_of_the_luminance():
    grey = torch.full((1, 3, 28, 28), 0.5)
    hue = grey.clone()
    hue[:, 0, :, 14:], hue[:, 2, :, 14:] = 0.5 + 0.114 * 0.5, 0.5 - 0.2989 * 0.5  # another hue, equally bright
    hue[:, 0, :14, :5] += 0.2  # brighter
    edges = checks.edge_maps(hue)
    assert edges[..., :8].max() == 1
    assert edges[..., 14:].max() < 0.01


def test_share_inside_by_hand():
    maps = torch.tensor([[1.0, 0.5], [0.5, 0]]).view(1, 1, 2, 2)
    assert checks.share_inside(maps, torch.tensor([[True, False], [False, True]]).view(1, 1, 2, 2)) == 0.5


def test_other_map_is_the_one_of_the_image_before():
    masks = torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    masks[0, 0, 0] = masks[1, 0, 1] = True  # upper half, lower half
    maps = masks.float() + 1  # two thirds inside its own mask
    shares = checks.shares_inside(maps, masks)
    assert shares.columns.tolist() == ["own map", "other map", "chance"]
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3, 0.5]] * 2)


def test_agreement_of_maps():
    maps = checks.random_maps(torch.zeros(6, 3, 56, 56))
    np.testing.assert_allclose(checks.rank_correlation(maps, maps**2), 1)
    np.testing.assert_allclose(checks.rank_correlation(maps, 1 - maps), -1)
    np.testing.assert_array_equal(checks.overlap(maps, maps), 1)
    np.testing.assert_array_equal(checks.overlap(maps, 1 - maps), 0)
    same = checks.agreement(maps, maps)
    np.testing.assert_allclose(same["overlap"] - same["above chance"], checks.CHANCE_OVERLAP)


def test_unrelated_maps_overlap_as_expected():
    images = torch.zeros(40, 3, 56, 56)
    maps, other = checks.random_maps(images), checks.random_maps(images, seed=1)
    frame = checks.agreement(maps, other)
    assert abs(frame["correlation"].mean()) < 0.05
    assert abs(frame["above chance"].mean()) < 0.02


def states_at(net, images, layers, monkeypatch):
    """Return the maps, and the network's state at each call of Grad-CAM."""
    states, grad_cam = [], checks.grad_cam

    def remember(model, *arguments):
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        return grad_cam(model, *arguments)

    monkeypatch.setattr(checks, "grad_cam", remember)
    return checks.randomised_maps(net, images, layers, "relu2"), states


def test_randomising_goes_down_from_the_output_layer_by_layer(net, images, monkeypatch):
    maps, states = states_at(net, images, ["fc", "conv2"], monkeypatch)
    before = net.state_dict()
    changed = [{name for name in before if not torch.equal(before[name], state[name])} for state in states]
    fc, conv = {"layers.fc.weight", "layers.fc.bias"}, {"layers.conv2.weight", "layers.conv2.bias"}
    assert changed == [fc, fc | conv]
    assert list(maps) == ["fc", "conv2"] and not torch.equal(maps["conv2"], maps["fc"])


def test_random_weights_keep_the_spread_around_zero(net, images, monkeypatch):
    _, (state,) = states_at(net, images, ["fc"], monkeypatch)
    old, new = net.state_dict()["layers.fc.weight"], state["layers.fc.weight"]
    assert abs(new.std() / old.square().mean().sqrt() - 1) < 0.1 and abs(new.mean()) < 0.1 * new.std()


def test_randomising_is_the_same_each_time(net, images):
    first, again = (checks.randomised_maps(net, images, ["fc", "conv2"], "relu2") for _ in range(2))
    assert all(torch.equal(first[layer], again[layer]) for layer in first)


def test_of_a_map_that_vanished_nothing_is_left():
    maps = checks.random_maps(torch.zeros(2, 3, 28, 28))
    left = checks.similarity_left(maps, {"fc": maps, "conv": torch.zeros_like(maps)})
    np.testing.assert_allclose(left["fc"], 1)
    assert left["conv"].tolist() == [0, 0]
