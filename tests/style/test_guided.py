"""Guided transfer: measures by hand and by direction, and the comparison at equal probability."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vg_helpers.style.engine import StyleParams
from vg_helpers.style.guided import (
    MEASURES,
    at_probability,
    compare,
    compare_at_equal_p,
    compare_at_last_step,
    follow,
    follow_both,
    measure,
    measure_runs,
)


class Filters(nn.Module):
    """A one-layer extractor."""

    layers, network = ("conv",), "vgg19"

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images):
        return {"conv": self.conv(images)}


def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 24, 20, generator=generator), torch.rand(1, 3, 24, 20, generator=generator) ** 3


def left_mask():
    mask = torch.zeros(2, 1, 24, 20)
    mask[..., :10] = 1
    return mask


def test_an_untouched_photo_keeps_everything():
    photo, style = pictures()
    row = measure(photo, photo, style, left_mask(), Filters(), "conv")
    assert row["content_inside"].tolist() == [0, 0]
    np.testing.assert_allclose(row["ssim_inside"], 1)
    assert (row["style_outside"] > 0).all()


def test_only_the_inside_counts_for_content_and_the_outside_for_style():
    photo, style = pictures()
    mask = left_mask()
    repainted = photo.clone()
    repainted[..., 14:] = style[..., 14:]  # outside, and out of reach of filters at the border
    row, before = (measure(image, photo, style, mask, Filters(), "conv") for image in (repainted, photo))
    assert row["content_inside"].max() < 1e-12
    assert (row["style_outside"] < before["style_outside"]).all()
    inside = photo.clone()
    inside[..., :6] = style[..., :6]
    row = measure(inside, photo, style, mask, Filters(), "conv")
    assert (row["content_inside"] > 0.01).all() and (row["ssim_inside"] < 0.9).all()
    np.testing.assert_allclose(row["style_outside"], before["style_outside"], rtol=1e-5)


def test_style_distance_of_the_style_itself_is_zero():
    photo, style = pictures()
    row = measure(style.expand(2, -1, -1, -1), photo, style, torch.zeros(2, 1, 24, 20), Filters(), "conv")
    assert row["style_outside"].max() < 1e-9


def test_follow_returns_the_photo_and_each_picture_on_the_way():
    photo, style = pictures()
    steps = []
    params = StyleParams(num_steps=6, content_layer="conv", style_layers=("conv",), precision="float32")
    images = follow(photo, style, Filters(), params, masks=1 - left_mask(), every=2, on_step=steps.append)
    assert list(images) == [0, 2, 4, 6] and steps == [2, 4, 6]
    assert torch.equal(images[0], photo)
    levels = images[6] * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    moved = (images[6] - photo).abs().mean((0, 1, 2))
    assert moved[12:].mean() > 3 * moved[:8].mean()


def test_both_runs_start_at_the_photo_and_guiding_holds_the_style_back():
    photo, style = pictures()
    params = StyleParams(num_steps=3, content_layer="conv", style_layers=("conv",), precision="float32")
    runs = follow_both(photo, style, left_mask(), Filters(), params)
    assert {run: list(images) for run, images in runs.items()} == {"guided": [0, 1, 2, 3], "unguided": [0, 1, 2, 3]}
    moved = {run: (images[3] - photo).abs()[..., :8].mean() for run, images in runs.items()}
    assert moved["guided"] < 0.5 * moved["unguided"]


class Brightness(nn.Module):
    """P(class 1) grows with the mean of the pixels."""

    def forward(self, images):
        return torch.stack([torch.zeros(len(images)), 4 * images.mean((1, 2, 3))], dim=1)


def test_runs_are_measured_at_each_step():
    photo, style = pictures()
    features = Filters()
    features.network, features.layers = "alexnet", ("conv4",)
    features.forward = lambda images: {"conv4": features.conv(images)}
    brighter = (photo + 0.2).clamp(0, 1)
    runs = {"guided": {0: photo, 5: brighter}, "unguided": {0: photo}}
    measured = measure_runs(runs, photo, style, left_mask(), features, Brightness())
    assert {run: len(frame) for run, frame in measured.items()} == {"guided": 4, "unguided": 2}
    first, last = (measured["guided"][measured["guided"]["step"] == step] for step in (0, 5))
    assert first["pair"].tolist() == last["pair"].tolist() == [0, 1]
    assert first["content_inside"].tolist() == [0, 0] and (last["content_inside"] > 0).all()
    assert (last["p"].to_numpy() > first["p"].to_numpy()).all()
    np.testing.assert_allclose(last["p"], (4 * brighter.mean((1, 2, 3))).sigmoid(), rtol=1e-6)


def test_value_at_a_probability_is_interpolated_at_the_first_crossing():
    probs, values = np.array([0.1, 0.3, 0.2, 0.9]), np.array([0.0, 1.0, 5.0, 7.0])
    assert at_probability(probs, values, 0.2) == pytest.approx(0.5)
    assert at_probability(probs, values, 0.05) == 0
    assert at_probability(probs, values, 0.55) == pytest.approx(6)
    with pytest.raises(ValueError, match="ask for less"):
        at_probability(probs, values, 0.95)


def test_runs_are_compared_where_both_arrive():
    def run(probs, content):
        columns = {"pair": 0, "step": [0, 10, 20], "p": probs, "content_inside": content}
        return pd.DataFrame({**columns, "ssim_inside": 1.0, "style_outside": 0.5})

    runs = {"guided": run([0.0, 0.3, 0.6], [0.0, 0.1, 0.2]), "unguided": run([0.0, 0.5, 1.0], [0.0, 0.4, 0.8])}
    row = compare_at_equal_p(runs).iloc[0]
    assert row["p"] == 0.6
    assert row["content_inside_guided"] == pytest.approx(0.2) and row["content_inside_unguided"] == pytest.approx(0.48)
    assert row["step_guided"] == 20 and row["step_unguided"] == pytest.approx(12)


def test_a_photo_that_no_transfer_improves_is_left_out():
    columns = {"pair": 0, "step": [0, 10], "content_inside": 0.1, "ssim_inside": 1.0, "style_outside": 0.5}
    falls, rises = pd.DataFrame({**columns, "p": [0.4, 0.2]}), pd.DataFrame({**columns, "p": [0.4, 0.9]})
    assert compare_at_equal_p({"guided": falls, "unguided": rises}).empty
    assert len(compare_at_equal_p({"guided": rises, "unguided": rises})) == 1


def test_the_last_step_pairs_both_runs_and_keeps_p():
    runs = {}
    for run, shift in (("guided", 0.0), ("unguided", 0.3)):
        rows = [(pair, step, 0.1 * pair + 0.01 * step + shift) for pair in (1, 0) for step in (5, 10)]
        frame = pd.DataFrame(rows, columns=["pair", "step", "p"])
        runs[run] = frame.assign(**dict.fromkeys(MEASURES, shift))
    ended = compare_at_last_step(runs)
    assert ended["pair"].tolist() == [0, 1]
    np.testing.assert_allclose(ended["p_guided"], [0.1, 0.2])
    np.testing.assert_allclose(ended["p_unguided"], [0.4, 0.5])
    assert (ended["content_inside_unguided"] == 0.3).all() and (ended["content_inside_guided"] == 0).all()
    assert compare(runs)["last step"].equals(ended) and compare(runs)["equal P"].equals(compare_at_equal_p(runs))


def test_without_runs_there_is_nothing_to_compare():
    assert [frame.empty for frame in compare({}).values()] == [True, True]
