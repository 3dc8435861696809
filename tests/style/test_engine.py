"""stylize from outside: what it leaves alone, what each parameter does, what it says about inputs that do not fit."""

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from stand_ins import CONTENT, CPU, EXACT, STYLE, Tiny, change, noise
from torch import nn

from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.weights import Weights
from vg_helpers.style.convolutions import prepare
from vg_helpers.style.engine import Inputs, StyleParams, build_objective, params_for, stylize
from vg_helpers.style.pixels import keep_luminance_only, match_colors


def loss_of(image):
    """Return the total loss of an image in float32, the common judge of several runs."""
    params = change(content_layer="content", style_layers=("fine", "coarse"))
    return build_objective(Inputs(CONTENT, [STYLE]), prepare(Tiny(), CPU, "float32"), params)(image)["total"].item()


def test_inputs_extractor_and_grad_mode_are_left_as_they_were():
    extractor, content, style = Tiny().train(), CONTENT.clone(), STYLE.clone()
    before = {key: value.clone() for key, value in extractor.state_dict().items()}
    result = stylize(content, style, extractor, EXACT)
    assert torch.equal(content, CONTENT) and torch.equal(style, STYLE)
    assert extractor.training and all(p.requires_grad and p.grad is None for p in extractor.parameters())
    assert all(torch.equal(value, before[key]) for key, value in extractor.state_dict().items())
    assert not result.image.requires_grad and result.image.min() >= 0 and result.image.max() <= 1


def test_losses_fall_and_are_kept_for_every_step():
    result = stylize(CONTENT, STYLE, Tiny(), EXACT)
    assert result.losses.step.tolist() == list(range(1, 31))
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


def test_total_variation_is_multiplied_by_the_first_stride():
    extractor = Tiny()
    extractor.first.stride = (2, 2)
    last = stylize(CONTENT, STYLE, extractor, EXACT).losses.iloc[-1]
    weighted = EXACT.content_weight * last.content + EXACT.style_weight * last["style"] + 2 * EXACT.tv_weight * last.tv
    assert last.total == pytest.approx(weighted, rel=1e-5)


def test_a_batch_gives_each_pair_what_it_gets_alone():
    params = change(num_steps=40)
    contents, styles = noise(5, n=3), noise(6, n=3, height=10, width=20)
    together = stylize(contents, styles, Tiny(), params)
    for pair in range(3):
        alone = stylize(contents[pair : pair + 1], styles[pair : pair + 1], Tiny(), params)
        torch.testing.assert_close(together.image[pair : pair + 1], alone.image, atol=2e-3, rtol=0)
        assert len(together.losses.query("pair == @pair")) == len(alone.losses)


def test_one_style_serves_a_whole_batch():
    contents = noise(5, n=2)
    torch.testing.assert_close(
        stylize(contents, STYLE, Tiny(), EXACT).image,
        stylize(contents, STYLE.repeat(2, 1, 1, 1), Tiny(), EXACT).image,
    )


def test_half_precision_ends_within_three_per_cent_of_float32():
    exact, half = (
        loss_of(stylize(CONTENT, STYLE, Tiny(), change(num_steps=80, precision=precision)).image)
        for precision in ("float32", "bfloat16")
    )
    assert half == pytest.approx(exact, rel=0.03)


def test_lbfgs_returns_the_best_image_it_saw():
    with pytest.raises(ValueError, match="one photo at a time, not 2"):
        stylize(noise(5, n=2), STYLE, Tiny(), change(optimizer="lbfgs"))
    result = stylize(CONTENT, STYLE, Tiny(), change(optimizer="lbfgs", lr=1.0, num_steps=40, frame=0))
    assert loss_of(result.image) == pytest.approx(result.losses.total.min(), rel=0.02)
    assert loss_of(result.image) < loss_of(stylize(CONTENT, STYLE, Tiny(), change(num_steps=40, frame=0)).image)


def test_coarse_levels_come_first_and_the_size_is_kept():
    result = stylize(CONTENT, STYLE, Tiny(), change(coarse=((0.5, 10), (0.75, 5)), num_steps=20))
    assert result.losses.height.tolist() == [8] * 10 + [12] * 5 + [16] * 20
    assert result.image.shape == CONTENT.shape


def test_a_layer_without_weight_does_not_count():
    only = change(style_layers=("fine",)), change(layer_weights=(2.0, 0.0)), change(layer_weights=(1.0, 1.0))
    one, same, both = (stylize(CONTENT, STYLE, Tiny(), params).image for params in only)
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one, both)


def test_the_frame_is_multiplied_by_the_first_stride():
    sizes = []

    class Striding(Tiny):
        def forward(self, images):
            sizes.append(tuple(images.shape[2:]))
            return super().forward(images)

    extractor = Striding()
    extractor.first.stride = (2, 2)
    result = stylize(noise(1, height=40, width=36), STYLE, extractor, change(num_steps=1, frame=3))
    assert sizes[-1] == (40 + 2 * 6, 36 + 2 * 6) and result.image.shape[2:] == (40, 36)
    assert (result.settings["frame"], result.settings["tv_weight"]) == (3, EXACT.tv_weight)  # what was asked for


def test_blending_mixes_gram_matrices():
    other = noise(9)
    alone = stylize(CONTENT, STYLE, Tiny(), EXACT).image
    torch.testing.assert_close(stylize(CONTENT, [STYLE, other], Tiny(), EXACT, blend=[1, 0]).image, alone)
    torch.testing.assert_close(stylize(CONTENT, [STYLE, STYLE], Tiny(), EXACT, blend=[2, 1]).image, alone)
    assert not torch.allclose(stylize(CONTENT, [STYLE, other], Tiny(), EXACT).image, alone, atol=0.01)


def test_ones_are_no_mask_and_zeros_no_style():
    ones, params = torch.ones(1, 1, 16, 12), change(optimizer="lbfgs", lr=1.0, num_steps=8)
    torch.testing.assert_close(
        stylize(CONTENT, STYLE, Tiny(), params, masks=ones).image, stylize(CONTENT, STYLE, Tiny(), params).image
    )
    assert torch.equal(stylize(CONTENT, STYLE, Tiny(), EXACT, masks=0 * ones).image, CONTENT)


def test_a_mask_keeps_the_style_on_its_side():
    mask = torch.zeros(1, 1, 16, 24)
    mask[..., :12] = 1
    content = noise(7, width=24)
    params = change(content_layer="fine", style_layers=("coarse",))
    moved = (stylize(content, STYLE, Tiny(), params, masks=mask).image - content).abs().mean((0, 1, 2))
    assert moved[:10].min() > 0.01 and moved[20:].max() < 0.002


def test_a_soft_border_of_a_mask_leaves_no_seam():
    contents = nn.functional.interpolate(noise(7, n=4, height=4, width=12), size=(24, 72), mode="bicubic").clamp(0, 1)
    mask = ((48 - torch.arange(72.0)) / 24).clamp(0, 1).expand(1, 1, 24, 72)  # fades from column 24 to column 48
    result = stylize(contents, noise(2, height=24, width=24), Tiny(), change(num_steps=60), masks=mask).image
    moved = (result - contents).abs().mean((0, 1, 2)).unflatten(0, (12, 6)).mean(1)
    edges = (result[..., 1:] - result[..., :-1]).abs().mean((0, 1, 2))[:66].unflatten(0, (11, 6)).mean(1)
    assert (moved[:-1] - moved[1:]).max() < 0.4 * moved.max()  # a mask of 0 and 1 falls by 0.58 at its border
    assert edges[4:8].max() < 1.1 * edges[:4].max() and (edges[4:].diff() < 0).all()


def test_same_inputs_give_the_same_bytes():
    assert torch.equal(stylize(CONTENT, STYLE, Tiny(), EXACT).image, stylize(CONTENT, STYLE, Tiny(), EXACT).image)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("start", ["content", "style", "patches"])
def test_without_strength_or_reach_the_photo_stays_at_every_level(optimizer, start):
    params = change(optimizer=optimizer, start=start, coarse=((0.25, 5), (0.5, 5)), num_steps=5)
    photo, none = noise(7, height=64, width=48), torch.zeros(1, 1, 64, 48)
    weak = dataclasses.replace(params, strength=0.0, tv_weight=0.0)
    for result in (stylize(photo, STYLE, Tiny(), weak), stylize(photo, STYLE, Tiny(), params, masks=none)):
        assert torch.equal(result.image, photo) and result.losses.notna().all().all()


def test_a_protected_side_stays_at_every_level():
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., :48] = 1
    photo, params = noise(7, height=64, width=96), change(content_layer="fine", style_layers=("coarse",))
    for coarse in ((), ((0.5, 15),)):
        result = stylize(photo, STYLE, Tiny(), dataclasses.replace(params, coarse=coarse), masks=mask).image
        moved = (result - photo).abs().mean((0, 1, 2))
        assert moved[:40].min() > 0.01 and moved[56:].max() < 0.002


@pytest.mark.parametrize(("source", "start"), [("imagenet", "content"), ("embedded", "patches"), ("none", "content")])
def test_embedded_weights_alone_start_from_patches(source, start):
    assert StyleParams(**params_for(Weights("vgg19", source, None, None, ""))).start == start


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_strength_goes_from_the_photo_to_the_style(strength):
    result = stylize(CONTENT, STYLE, Tiny(), change(strength=strength, tv_weight=0.0))
    assert torch.equal(result.image, CONTENT) == (strength == 0)


def test_colors_can_be_the_photos():
    result = stylize(CONTENT, STYLE, Tiny(), EXACT).image
    kept = stylize(CONTENT, STYLE, Tiny(), change(colors="luminance")).image
    assert torch.equal(kept, keep_luminance_only(result, CONTENT))
    matched = stylize(CONTENT, STYLE, Tiny(), change(colors="histogram")).image
    assert torch.equal(matched, stylize(CONTENT, match_colors(STYLE, CONTENT), Tiny(), EXACT).image)


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
    "fields",
    [{"optimizer": "sgd"}, {"start": "noise"}, {"scaling": "new"}, {"style_weight": -1}, {"lr": 0}, {"strength": 2}],
)
def test_params_say_what_is_wrong_with_them(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        StyleParams(**fields)


class Everywhere(Tiny):
    """A network whose features depend on the whole picture."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)


def test_little_memory_is_for_networks_and_losses_that_can_be_shown_tiles():
    with pytest.raises(ValueError, match="each layer of which sees a part of the picture; leave it out"):
        stylize(CONTENT, STYLE, Everywhere(), change(low_memory=True))
    with pytest.raises(ValueError, match=r"^loss='neighbours' needs the whole picture at once; loss='gram' can be"):
        stylize(CONTENT, STYLE, Tiny(), change(low_memory=True, loss="neighbours"))
    results = [stylize(CONTENT, STYLE, Tiny(), change(low_memory=low, num_steps=2)) for low in (None, True)]
    assert [result.settings["low_memory"] for result in results] == [False, True]
    torch.testing.assert_close(*(result.image for result in results))


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_real_networks_agree_in_both_precisions(network):
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
        features = prepare(extractor, CPU, "float32")
        judge = build_objective(Inputs(content, [style]), features, dataclasses.replace(params, **names))
        losses[precision] = judge(result.image)["total"].item()
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.03)
