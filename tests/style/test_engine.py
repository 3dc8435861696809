"""The style-transfer engine against closed forms, float64 loops and itself: batched, interrupted, in half precision."""

import dataclasses
import inspect
import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from vg_helpers.benchmarks.style import compare_quality, compare_speed, describe_ceiling, time_to_quality
from vg_helpers.models.extractor import build_extractor
from vg_helpers.style import engine, optimize
from vg_helpers.style.checks import check_memory, needed_memory
from vg_helpers.style.convolutions import BlockConv2d, WinogradConv2d
from vg_helpers.style.engine import StyleParams, build_objective, prepare, stylize
from vg_helpers.style.losses import content_loss, gram_matrix, style_loss, total_variation
from vg_helpers.style.optimize import CHECK_EVERY, NonFiniteLoss
from vg_helpers.style.pixels import add_frame, cut_frame, keep_luminance_only, match_colors


class Tiny(nn.Module):
    """A two-layer stand-in for a trunk: any module that names its layers will do."""

    layers = ("fine", "coarse", "content")

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2, padding=1)
        generator = torch.Generator().manual_seed(3)
        for parameter in self.parameters():
            parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator)

    def forward(self, images):
        fine = self.first(images - 0.5)
        coarse = self.second(fine.relu())
        return {"fine": fine, "coarse": coarse, "content": coarse}


class Sabotaged(Tiny):
    """The stand-in, with features that overflow from one call on."""

    def __init__(self, good_calls: int) -> None:
        super().__init__()
        self.calls, self.good_calls = 0, good_calls

    def forward(self, images):
        self.calls += 1
        factor = 1.0 if self.calls <= self.good_calls else float("inf")
        return {name: features * factor for name, features in super().forward(images).items()}


def picture(seed, n=1, height=16, width=12):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


CONTENT, STYLE = picture(1), picture(2, height=14, width=18)
EXACT = StyleParams(style_weight=10.0, tv_weight=1.0, num_steps=30, precision="float32")


def change(**fields):
    return dataclasses.replace(EXACT, **fields)


# Losses


def test_gram_matrix_is_the_mean_of_outer_products():
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    expected = torch.zeros(2, 3, 3, dtype=torch.float64)
    for n, a, b, i, j in torch.cartesian_prod(*map(torch.arange, (2, 3, 3, 4, 5))):
        expected[n, a, b] += features[n, a, i, j] * features[n, b, i, j] / (3 * 4 * 5)
    torch.testing.assert_close(gram_matrix(features), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_matrix_ignores_where_things_are(layout):
    features = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    shuffled = features.flatten(2)[..., torch.randperm(36)].view_as(features).contiguous(memory_format=layout)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features))


@pytest.mark.parametrize("scaling", ["relative", "classic"])
@pytest.mark.parametrize("masked", [False, True])
def test_style_loss_has_the_gradient_that_autograd_finds(scaling, masked):
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64).requires_grad_()
    target = gram_matrix(torch.randn(2, 3, 6, 6, dtype=torch.float64))
    mask = torch.rand(2, 1, 4, 5, dtype=torch.float64) if masked else None
    assert torch.autograd.gradcheck(lambda f: style_loss(f, target, scaling=scaling, mask=mask), features)
    squared = (gram_matrix(features, mask) - target).square()
    plain = squared.sum((1, 2)) / target.square().sum((1, 2)) if scaling == "relative" else squared.mean((1, 2))
    torch.testing.assert_close(style_loss(features, target, scaling=scaling, mask=mask), plain)


@pytest.mark.parametrize("scaling", ["relative", "classic"])
def test_content_loss_has_the_gradient_that_autograd_finds(scaling):
    features, target = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: content_loss(f, target, scaling=scaling), features.requires_grad_())
    squared = (features - target).square()
    plain = (
        squared.sum((1, 2, 3)) / target.square().sum((1, 2, 3)) if scaling == "relative" else squared.mean((1, 2, 3))
    )
    torch.testing.assert_close(content_loss(features, target, scaling=scaling), plain)


@pytest.mark.parametrize("masked", [False, True])
def test_total_variation_has_the_gradient_that_autograd_finds(masked):
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64).requires_grad_()
    mask = torch.rand(2, 1, 4, 5, dtype=torch.float64) if masked else None
    assert torch.autograd.gradcheck(lambda x: total_variation(x, mask), image)


def test_style_loss_keeps_the_memory_layout_of_its_features():
    features = torch.randn(1, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    style_loss(features, torch.eye(4)[None]).sum().backward()
    assert features.grad.is_contiguous(memory_format=torch.channels_last)


def test_relative_losses_do_not_depend_on_scale_or_size():
    features, other = torch.randn(2, 1, 4, 6, 6, dtype=torch.float64)
    loss = style_loss(features, gram_matrix(other))
    torch.testing.assert_close(style_loss(7 * features, gram_matrix(7 * other)), loss)
    torch.testing.assert_close(style_loss(features.repeat(1, 1, 2, 3), gram_matrix(other)), loss)
    assert style_loss(0 * features, gram_matrix(other)).item() == pytest.approx(1)
    assert content_loss(7 * features, 7 * other).item() == pytest.approx(
        ((features - other).square().sum() / other.square().sum()).item()
    )


def test_a_texture_has_the_same_gram_under_masks_of_any_area():
    texture = torch.randn(1, 5, 2, 2, dtype=torch.float64).repeat(1, 1, 8, 8)
    clutter = torch.randn(1, 5, 16, 16, dtype=torch.float64)
    whole = gram_matrix(texture)
    for columns in (2, 6, 14):
        mask = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
        mask[..., :columns] = 1
        torch.testing.assert_close(gram_matrix(torch.where(mask > 0, texture, clutter), mask), whole)
        torch.testing.assert_close(gram_matrix(texture, 0.3 * mask), whole)


def test_total_variation_of_a_checkerboard_is_one():
    board = (torch.arange(6)[:, None] + torch.arange(4)).remainder(2).float().expand(2, 3, 6, 4)
    assert total_variation(board).tolist() == [1, 1]
    assert total_variation(board, torch.ones(1, 1, 6, 4)).tolist() == [1, 1]
    assert total_variation(board, torch.zeros(1, 1, 6, 4)).tolist() == [0, 0]
    assert total_variation(torch.full((1, 3, 5, 5), 0.4)).item() == 0
    with pytest.raises(ValueError, match="2×2"):
        total_variation(board[..., :1])


# What a run does


def test_inputs_extractor_and_grad_mode_are_left_as_they_were():
    extractor, content, style = Tiny().train(), CONTENT.clone(), STYLE.clone()
    before = {key: value.clone() for key, value in extractor.state_dict().items()}
    result = stylize(content, style, extractor, EXACT)
    assert torch.equal(content, CONTENT) and torch.equal(style, STYLE)
    assert extractor.training and all(p.requires_grad and p.grad is None for p in extractor.parameters())
    assert all(torch.equal(value, before[key]) for key, value in extractor.state_dict().items())
    assert not result.image.requires_grad and result.image.min() >= 0 and result.image.max() <= 1


def test_the_border_is_no_edge_to_the_first_layer():
    features = prepare(Tiny(), torch.device("cpu"), "float32")
    fine = features(torch.full((1, 3, 8, 8), 0.9))["fine"]
    torch.testing.assert_close(fine, fine[..., 3:4, 3:4].expand_as(fine))


def test_losses_fall_and_are_told_for_every_step():
    result = stylize(CONTENT, STYLE, Tiny(), EXACT)
    assert result.losses.step.tolist() == list(range(1, 31)) and result.steps == (30,)
    first, last = result.losses.iloc[0], result.losses.iloc[-1]
    assert last.total < 0.8 * first.total
    weighted = EXACT.content_weight * last.content + EXACT.style_weight * last["style"] + EXACT.tv_weight * last.tv
    assert last.total == pytest.approx(weighted, rel=1e-5)
    assert result.settings["style_layers"] == ("fine", "coarse")


@pytest.mark.parametrize(
    "weight, term", [("content_weight", "content"), ("style_weight", "style"), ("tv_weight", "tv")]
)
def test_raising_a_weight_lowers_what_it_weighs(weight, term):
    final = [stylize(CONTENT, STYLE, Tiny(), change(**{weight: w})).losses[term].iloc[-1] for w in (1.0, 10.0, 100.0)]
    assert final[0] > final[1] > final[2]


def test_total_variation_counts_for_every_pixel_that_the_first_layer_steps_over():
    extractor = Tiny()
    extractor.first.stride = (2, 2)
    last = stylize(CONTENT, STYLE, extractor, EXACT).losses.iloc[-1]
    weighted = EXACT.content_weight * last.content + EXACT.style_weight * last["style"] + 2 * EXACT.tv_weight * last.tv
    assert last.total == pytest.approx(weighted, rel=1e-5)


@pytest.mark.parametrize("optimizer, lr", [("adam", 0.02), ("lbfgs", 1.0)])
def test_a_batch_gives_each_pair_what_it_gets_alone(optimizer, lr):
    params = change(optimizer=optimizer, lr=lr, plateau=0.02, num_steps=80, start="noise")
    contents, styles = picture(5, n=3), picture(6, n=3, height=10, width=20)
    together = stylize(contents, styles, Tiny(), params)
    for pair in range(3):
        alone = stylize(contents[pair : pair + 1], styles[pair : pair + 1], Tiny(), params)
        torch.testing.assert_close(together.image[pair : pair + 1], alone.image, atol=2e-3, rtol=0)
        assert together.steps[pair] == alone.steps[0]
        assert len(together.losses.query("pair == @pair")) == alone.steps[0]


def test_one_style_serves_a_whole_batch():
    contents = picture(5, n=2)
    torch.testing.assert_close(
        stylize(contents, STYLE, Tiny(), EXACT).image,
        stylize(contents, STYLE.repeat(2, 1, 1, 1), Tiny(), EXACT).image,
    )


def test_same_seed_same_bytes_other_seed_other_image():
    first, again, other = (
        stylize(CONTENT, STYLE, Tiny(), change(start="noise", seed=seed)).image for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.allclose(first, other, atol=0.01)


def loss_of(image):
    """Return the total loss of an image in float32, the common judge of several runs."""
    params = change(content_layer="content", style_layers=("fine", "coarse"))
    features = prepare(Tiny(), torch.device("cpu"), "float32")
    return build_objective(CONTENT, [STYLE], features, params)(image)["total"].item()


def test_half_precision_ends_within_three_per_cent_of_float32():
    exact, half = (
        loss_of(stylize(CONTENT, STYLE, Tiny(), change(num_steps=80, precision=precision)).image)
        for precision in ("float32", "bfloat16")
    )
    assert half == pytest.approx(exact, rel=0.03)


def test_lbfgs_returns_the_best_image_it_saw():
    result = stylize(CONTENT, STYLE, Tiny(), change(optimizer="lbfgs", lr=1.0, num_steps=40, frame=0))
    assert loss_of(result.image) == pytest.approx(result.losses.total.min(), rel=0.02)
    assert loss_of(result.image) < loss_of(stylize(CONTENT, STYLE, Tiny(), change(num_steps=40, frame=0)).image)


def test_a_plateau_ends_the_run_early():
    result = stylize(CONTENT, STYLE, Tiny(), change(num_steps=400, plateau=0.01))
    assert CHECK_EVERY < result.steps[0] < 400 and len(result.losses) == result.steps[0]


def test_coarse_levels_come_first_and_the_size_is_kept():
    result = stylize(CONTENT, STYLE, Tiny(), change(coarse=((0.5, 10), (0.75, 5)), num_steps=20))
    assert result.losses.height.tolist() == [8] * 10 + [12] * 5 + [16] * 20
    assert result.image.shape == CONTENT.shape


# Blends, masks, strength, colours


def test_blending_mixes_gram_matrices():
    other = picture(9)
    alone = stylize(CONTENT, STYLE, Tiny(), EXACT).image
    torch.testing.assert_close(stylize(CONTENT, [STYLE, other], Tiny(), EXACT, blend=[1, 0]).image, alone)
    torch.testing.assert_close(stylize(CONTENT, [STYLE, STYLE], Tiny(), EXACT, blend=[2, 1]).image, alone)
    assert not torch.allclose(stylize(CONTENT, [STYLE, other], Tiny(), EXACT).image, alone, atol=0.01)


def test_a_mask_of_ones_is_no_mask_and_one_of_zeros_no_style():
    ones, params = torch.ones(1, 1, 16, 12), change(optimizer="lbfgs", lr=1.0, num_steps=8)
    torch.testing.assert_close(
        stylize(CONTENT, STYLE, Tiny(), params, masks=ones).image, stylize(CONTENT, STYLE, Tiny(), params).image
    )
    assert torch.equal(stylize(CONTENT, STYLE, Tiny(), EXACT, masks=0 * ones).image, CONTENT)


def test_a_mask_keeps_the_style_on_its_side():
    mask = torch.zeros(1, 1, 16, 24)
    mask[..., :12] = 1
    content = picture(7, width=24)
    params = change(content_layer="fine", style_layers=("coarse",))
    moved = (stylize(content, STYLE, Tiny(), params, masks=mask).image - content).abs().mean((0, 1, 2))
    assert moved[:10].min() > 0.01 and moved[20:].max() < 0.002


def test_a_soft_border_of_a_mask_leaves_no_seam():
    contents = nn.functional.interpolate(picture(7, n=4, height=4, width=12), size=(24, 72), mode="bicubic").clamp(0, 1)
    mask = ((48 - torch.arange(72.0)) / 24).clamp(0, 1).expand(1, 1, 24, 72)  # fades from column 24 to column 48
    result = stylize(contents, picture(2, height=24, width=24), Tiny(), change(num_steps=60), masks=mask).image
    moved = (result - contents).abs().mean((0, 1, 2)).unflatten(0, (12, 6)).mean(1)
    edges = (result[..., 1:] - result[..., :-1]).abs().mean((0, 1, 2))[:66].unflatten(0, (11, 6)).mean(1)
    assert (moved[:-1] - moved[1:]).max() < 0.4 * moved.max()  # a mask of 0 and 1 falls by 0.58 at its border
    assert edges[4:8].max() < 1.1 * edges[:4].max() and (edges[4:].diff() < 0).all()


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_strength_goes_from_the_photo_to_the_style(strength):
    result = stylize(CONTENT, STYLE, Tiny(), change(strength=strength, tv_weight=0.0))
    assert torch.equal(result.image, CONTENT) == (strength == 0)


def test_colors_can_be_the_photos():
    result = stylize(CONTENT, STYLE, Tiny(), EXACT).image
    kept = stylize(CONTENT, STYLE, Tiny(), change(colors="luminance")).image
    assert torch.equal(kept, keep_luminance_only(result, CONTENT))
    soft = 0.4 + 0.2 * CONTENT
    difference = keep_luminance_only(0.4 + 0.2 * result, soft) - soft
    torch.testing.assert_close(difference[:, :1].expand_as(difference), difference, atol=1e-6, rtol=0)


def test_match_colors_takes_mean_and_covariance_over():
    image, reference = 0.4 + 0.2 * picture(3, n=2), 0.3 + 0.3 * picture(4, n=2, height=9)
    matched = match_colors(image, reference)
    torch.testing.assert_close(matched.mean((2, 3)), reference.mean((2, 3)), atol=1e-4, rtol=0)
    for pair in range(2):
        found, wanted = (torch.cov(x[pair].flatten(1), correction=0) for x in (matched, reference))
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=0)


# Interruptions


@pytest.mark.parametrize(
    "fields", [{}, {"optimizer": "lbfgs", "lr": 1.0}, {"coarse": ((0.5, 12),)}, {"plateau": 0.05, "num_steps": 60}]
)
def test_a_killed_run_ends_with_the_same_image(tmp_path, fields):
    params, path = change(**fields), tmp_path / "run.pt"
    contents = picture(5, n=2) if "plateau" in fields else CONTENT
    whole = stylize(contents, STYLE, Tiny(), params)

    def kill(step, losses, image):
        if step == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(contents, STYLE, Tiny(), params, checkpoint=path, checkpoint_every=7, on_step=kill, every=5)
    steps = []
    resumed = stylize(
        contents, STYLE, Tiny(), params, checkpoint=path, on_step=lambda step, *_: steps.append(step), every=1
    )
    assert steps[0] == 22
    assert torch.equal(resumed.image, whole.image)
    assert resumed.losses.equals(whole.losses) and resumed.steps == whole.steps
    assert not path.exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.pt"

    def kill(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(CONTENT, STYLE, Tiny(), EXACT, checkpoint=path, checkpoint_every=5, on_step=kill)
    with pytest.raises(ValueError, match=r"run\.pt belongs to other images"):
        stylize(STYLE, CONTENT, Tiny(), EXACT, checkpoint=path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"run\.pt cannot be read"):
        stylize(CONTENT, STYLE, Tiny(), EXACT, checkpoint=path)


def test_on_step_comes_at_its_interval_and_at_the_end():
    calls = []
    result = stylize(CONTENT, STYLE, Tiny(), change(num_steps=25), on_step=lambda *call: calls.append(call), every=10)
    assert [step for step, _, _ in calls] == [10, 20, 25]
    assert torch.equal(calls[-1][2], result.image)
    assert calls[-1][1]["total"].item() == pytest.approx(result.losses.total.iloc[-1])


def test_a_loss_that_overflows_stops_the_run_with_the_last_good_image():
    extractor = Sabotaged(good_calls=3 + 13)  # one call for memory, two for targets, then one per step
    with pytest.raises(NonFiniteLoss, match="step 14") as caught:
        stylize(CONTENT, STYLE, extractor, EXACT)
    assert caught.value.step == 14
    assert torch.equal(caught.value.image, stylize(CONTENT, STYLE, Tiny(), change(num_steps=10)).image)


# Bad input


@pytest.mark.parametrize(
    "content, style, fields, sentence",
    [
        (CONTENT[:, :1], STYLE, {}, r"content image has shape \(1, 1, 16, 12\)"),
        (CONTENT, STYLE[0], {}, r"style image has shape \(3, 14, 18\)"),
        (CONTENT * float("nan"), STYLE, {}, "content image has NaN"),
        (CONTENT, STYLE * 255, {}, r"scale it to \[0, 1\]"),
        (CONTENT, STYLE.repeat(3, 1, 1, 1), {}, "3 style images for 1 content images"),
        (CONTENT, STYLE, {"style_layers": ("fine", "nowhere")}, "no layer 'nowhere'; it was built with fine, coarse"),
        (CONTENT, STYLE, {"layer_weights": (1.0,)}, "one weight, 0 or more, for each of fine, coarse"),
        (CONTENT, STYLE, {"low_memory": True}, "leave low_memory out"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(content, style, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        stylize(content, style, Tiny(), change(**fields))


@pytest.mark.parametrize(
    "extra, sentence",
    [
        ({"blend": [1, 2]}, "one weight, 0 or more, for each of the 1 styles"),
        ({"masks": [torch.ones(1, 1, 16, 12)] * 2}, "2 masks for 1 styles"),
        ({"masks": torch.ones(1, 1, 16, 13)}, "a mask has shape"),
        ({"masks": 2 * torch.ones(1, 1, 16, 12)}, r"outside \[0, 1\]"),
    ],
)
def test_masks_and_blends_that_do_not_fit(extra, sentence):
    with pytest.raises(ValueError, match=sentence):
        stylize(CONTENT, STYLE, Tiny(), EXACT, **extra)


@pytest.mark.parametrize(
    "fields", [{"optimizer": "sgd"}, {"scaling": "new"}, {"style_weight": -1}, {"lr": 0}, {"strength": 2}]
)
def test_params_say_what_is_wrong_with_them(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        StyleParams(**fields)


def huge(device):
    """Ask the CPU's allocator for what no machine has; a GPU's error is what torch raises there."""
    if device == "cuda":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return torch.empty(2**58, dtype=torch.uint8)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_memory_that_runs_out_on_the_way_is_said_with_a_size_and_the_checkpoint_stays(device, tmp_path):
    class Hungry(Tiny):
        calls = 0

        def forward(self, images):
            Hungry.calls += 1
            if Hungry.calls == 12:
                huge(device)
            return super().forward(images)

    path = tmp_path / "run.pt"
    with pytest.raises(ValueError, match=r"ran out of memory at 1 image\(s\) of 12×16 pixels: try 11 pixels"):
        stylize(CONTENT, STYLE, Hungry(), EXACT, checkpoint=path, checkpoint_every=2)
    assert path.is_file()
    stylize(CONTENT, STYLE, Hungry(), EXACT, checkpoint=path, checkpoint_every=2)  # goes on from there


@pytest.mark.parametrize("pays, wide", [(False, []), (True, ["body.6", "body.8"])])
def test_convolutions_are_taken_in_their_faster_forms(monkeypatch, pays, wide):
    extractor = build_extractor("alexnet", ("conv1", "conv4"), weights="none")
    monkeypatch.setattr(engine, "winograd_pays", lambda device, dtype: pays)
    features = prepare(extractor, torch.device("cpu"), "float32")
    forms = {name: type(module) for name, module in inspect.getclosurevars(features).nonlocals["net"].named_modules()}
    assert [name for name, form in forms.items() if form is BlockConv2d] == ["body.0"]
    assert [name for name, form in forms.items() if form is WinogradConv2d] == wide
    image = picture(1, height=580, width=570)
    inner = (..., slice(8, -8), slice(8, -8))  # at the border the image goes on, in place of zeros
    for layer, found in features(image).items():
        torch.testing.assert_close(found[inner], extractor(image)[layer][inner], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_gram_matrices_of_bfloat16_features_are_added_up_in_float32(count):
    features = torch.rand(count, 8, 40, 50, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    torch.testing.assert_close(gram_matrix(features).double(), gram_matrix(features.double()), rtol=2e-3, atol=0)


def test_each_pair_of_a_batch_has_its_own_unit_of_gradient():
    run = optimize.Run(EXACT, 2, torch.device("cpu"))
    run.enter(0, lambda: torch.cat([CONTENT, CONTENT]), CONTENT.shape[2:])
    steepness = torch.tensor([1.0, 1000.0]).view(2, 1, 1, 1)
    optimize._gradient(run, lambda image: {"total": (steepness * image).sum((1, 2, 3))})
    torch.testing.assert_close(run.image.grad, torch.ones_like(run.image))


def test_a_layer_without_weight_does_not_count():
    only = change(style_layers=("fine",)), change(layer_weights=(2.0, 0.0)), change(layer_weights=(1.0, 1.0))
    one, same, both = (stylize(CONTENT, STYLE, Tiny(), params).image for params in only)
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one, both)


@pytest.mark.parametrize("role", ["content", "style"])
def test_images_too_small_for_the_deepest_layer(role):
    class Deep(Tiny):
        def forward(self, images):
            return {name: nn.functional.max_pool2d(x, 8) for name, x in super().forward(images).items()}

    images = dict.fromkeys(("content", "style"), picture(1, height=24, width=24)) | {
        role: picture(1, height=4, width=4)
    }
    with pytest.raises(ValueError, match=f"the {role} image is too small for the deepest layer"):
        stylize(images["content"], images["style"], Deep(), EXACT)


def test_low_memory_turns_the_switch_on_in_the_copy_alone():
    seen = []

    class Switched(Tiny):
        checkpointing = False

        def forward(self, images):
            seen.append(self.checkpointing)
            return super().forward(images)

    net = Switched()
    for low_memory in (True, False):
        prepare(net, torch.device("cpu"), "float32", low_memory)(CONTENT)
    assert seen == [True, False] and not net.checkpointing


def test_the_frame_counts_times_the_first_stride_for_deeper_layers_see_as_much_further():
    sizes = []

    class Striding(Tiny):
        def forward(self, images):
            sizes.append(tuple(images.shape[2:]))
            return super().forward(images)

    extractor = Striding()
    extractor.first.stride = (2, 2)
    result = stylize(picture(1, height=40, width=36), STYLE, extractor, change(num_steps=1, frame=3))
    assert sizes[-1] == (40 + 2 * 6, 36 + 2 * 6) and result.image.shape[2:] == (40, 36)
    assert (result.settings["frame"], result.settings["tv_weight"]) == (3, EXACT.tv_weight)  # what was asked for


def test_a_frame_is_painted_beyond_the_border_and_cut_off():
    framed = add_frame(CONTENT, 4)
    assert framed.shape[2:] == (24, 20) and torch.equal(framed[..., 0, 4:-4], CONTENT[..., 4, :])
    assert torch.equal(cut_frame(framed, (16, 12)), CONTENT)
    assert add_frame(CONTENT[..., :2, :], 4).shape[2:] == (4, 20)


def test_out_of_memory_says_which_size_would_fit():
    features = prepare(Tiny(), torch.device("cpu"), "float32")
    with pytest.raises(ValueError, match="at most") as caught:
        check_memory(features, torch.zeros(1, 3, 400, 300), free=10_000_000)
    fits = int(str(caught.value).split("at most ")[1].split()[0])
    assert 100 < fits < 400
    check_memory(features, torch.zeros(1, 3, fits, fits * 3 // 4), free=10_000_000)


def test_memory_is_saved_where_it_is_short(monkeypatch, tiny_zoo):
    extractor, content, style = build_extractor("vgg19", weights="none"), *picture(8, n=2, height=48, width=48).split(1)
    whole, saving = (
        needed_memory(prepare(extractor, torch.device("cpu"), "float32", low), content) for low in (False, True)
    )
    pictures = []
    for free, saved in [(2 * whole, False), ((whole + saving) / 2, True)]:
        monkeypatch.setattr("vg_helpers.style.engine.free_memory", lambda device, free=free: free)
        monkeypatch.setattr("vg_helpers.style.checks.free_memory", lambda device, free=free: free)
        result = stylize(content, style, extractor, change(low_memory=None, num_steps=2))
        assert result.settings["low_memory"] is saved
        pictures.append(result.image)
    torch.testing.assert_close(*pictures)
    assert stylize(CONTENT, STYLE, Tiny(), change(low_memory=None, num_steps=1)).settings["low_memory"] is False


# Other machines, real networks


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_captured_step_does_what_single_steps_do(monkeypatch):

    captured = stylize(CONTENT.cuda(), STYLE.cuda(), Tiny(), EXACT)
    monkeypatch.setattr(optimize, "GRAPH_AFTER", 10**9)
    single = stylize(CONTENT.cuda(), STYLE.cuda(), Tiny(), EXACT)
    torch.testing.assert_close(captured.image, single.image, atol=1e-3, rtol=0)
    torch.testing.assert_close(captured.image.cpu(), stylize(CONTENT, STYLE, Tiny(), EXACT).image, atol=0.02, rtol=0)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_real_networks_agree_in_both_precisions(network):
    missing = [name for name in ("TORCH_HOME", "VG_PHOTOS_DIR", "VG_STYLES_DIR") if not os.environ.get(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not set")
    from vg_helpers.images import load_image

    content, style = (
        load_image(sorted(Path(os.environ[name]).glob("*.jpg"))[0], 128) for name in ("VG_PHOTOS_DIR", "VG_STYLES_DIR")
    )
    extractor = build_extractor(network)
    losses = {}
    for precision in ("float32", "bfloat16"):
        params = StyleParams(num_steps=20, precision=precision)
        result = stylize(content, style, extractor, params)
        names = {key: result.settings[key] for key in ("content_layer", "style_layers")}
        features = prepare(extractor, torch.device("cpu"), "float32")
        judge = build_objective(content, [style], features, dataclasses.replace(params, **names))
        losses[precision] = judge(result.image)["total"].item()
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.03)


def test_time_to_quality_is_when_the_engine_is_as_good_as_the_listing_in_the_end():
    curve = pd.DataFrame(
        [("listing", 1, 10.0, 9.0), ("listing", 2, 20.0, 4.0), ("engine", 1, 1.0, 5.0), ("engine", 2, 2.5, 3.9)],
        columns=["variant", "step", "seconds", "loss"],
    )
    assert time_to_quality(curve)["ratio"] == pytest.approx(20 / 2.5)
    assert time_to_quality(curve[:3]).isna()["engine"]


@pytest.mark.real
@pytest.mark.slow
def test_the_listing_minimises_the_engines_classic_loss():
    if not os.environ.get("TORCH_HOME"):
        pytest.skip("TORCH_HOME not set")
    content, style = picture(1, height=64, width=64), picture(2, height=64, width=64)
    curve = compare_quality(content, style, "alexnet", steps=20, every=5)
    ends = curve.groupby("variant").loss.agg(["first", "last"])
    assert (ends["last"] < ends["first"]).all() and len(ends) == 2


def test_the_ceiling_is_the_engines_operations_at_the_peak():
    table = pd.DataFrame(
        [("vgg19", 256, "listing", 2.0, 300.0, 1.0), ("vgg19", 256, "bfloat16", 0.5, 200.0, 4.0)],
        columns=["network", "size", "variant", "seconds", "gflop", "speed_up"],
    )
    sentence = describe_ceiling(table, {"float32": 1e11, "bfloat16": 1e12})
    assert "200.0 GFLOP at the 1.00 TFLOP/s" in sentence and "take 0.2 s, 10.0 times" in sentence
    assert "measured are 4.0 times" in sentence and "run at 0.15 TFLOP/s" in sentence


@pytest.mark.real
@pytest.mark.slow
def test_every_variant_is_timed_and_its_operations_counted():
    if not os.environ.get("TORCH_HOME"):
        pytest.skip("TORCH_HOME not set")
    table = compare_speed([256], repeats=1, device="cpu", networks=["alexnet"])
    gflop = dict(zip(table.variant, table.gflop, strict=True))
    assert (table.seconds > 0).all() and table.speed_up[0] == 1 and table.floors.iloc[-1] == 1
    listing, exact, single, batch, floor = gflop.values()
    assert listing > exact >= single == pytest.approx(batch) and single > floor  # bfloat16 may take fewer products
