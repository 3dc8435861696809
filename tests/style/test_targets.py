"""stylize with each style loss: batches, masks, strength, several styles, interruptions, and parts of a painting."""

import pytest
import torch
from stand_ins import CONTENT, STYLE, Tiny, change, interrupt_at, noise

from vg_helpers.models.weights import Weights
from vg_helpers.style.checks import needed_memory
from vg_helpers.style.convolutions import prepare
from vg_helpers.style.engine import Inputs, StyleParams, build_objective, params_for, stylize
from vg_helpers.style.targets import LOSSES

NEW = [loss for loss in LOSSES if loss != "gram"]
CPU = torch.device("cpu")
LEFT = torch.zeros(1, 1, 16, 12)
LEFT[..., :6] = 1


@pytest.mark.parametrize("loss", NEW)
def test_losses_fall_and_differ_from_gram(loss):
    result = stylize(CONTENT, STYLE, Tiny(), change(loss=loss))
    assert result.losses["style"].iloc[-1] < 0.6 * result.losses["style"].iloc[0]
    assert (result.image - stylize(CONTENT, STYLE, Tiny(), change()).image).abs().mean() > 0.01
    assert result.settings["loss"] == loss


@pytest.mark.parametrize("loss", NEW)
def test_a_batch_gives_each_pair_what_it_gets_alone(loss):
    contents, styles = noise(5, n=3), noise(6, n=3, height=10, width=20)
    together = stylize(contents, styles, Tiny(), change(loss=loss))
    for pair in range(3):
        one = slice(pair, pair + 1)
        alone = stylize(contents[one], styles[one], Tiny(), change(loss=loss))
        torch.testing.assert_close(together.image[one], alone.image, atol=5e-3, rtol=0)


@pytest.mark.parametrize("loss", NEW)
def test_masks_of_ones_are_none_and_a_mask_keeps_the_style_on_its_side(loss):
    params, content, left = change(loss=loss, num_steps=15), noise(1, width=32), torch.zeros(1, 1, 16, 32)
    left[..., :10] = 1
    marked = stylize(content, STYLE, Tiny(), params, masks=torch.ones_like(left)).losses
    whole = stylize(content, STYLE, Tiny(), params).losses
    assert marked["style"].iloc[0] == pytest.approx(whole["style"].iloc[0], rel=1e-4)
    moved = (stylize(content, STYLE, Tiny(), params, masks=left).image - content).abs().mean((0, 1, 2))
    assert moved[20:].max() < 0.1 * moved[:8].min()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("strength", [0.0, 0.001])
def test_behind_a_mask_strength_starts_from_what_is_there(loss, strength):
    """Not from the whole photo: what is protected would pull at the rest."""
    content, left = noise(1, width=32), torch.zeros(1, 1, 16, 32)
    left[..., :10] = 1
    content[..., 10:] *= 0.2
    layers = {"content_layer": "content", "style_layers": ("fine", "coarse")}
    params, features = change(loss=loss, strength=strength, **layers), prepare(Tiny(), CPU, "float32")
    losses = [
        float(build_objective(Inputs(content, [STYLE], [1.0], masks), features, params)(content)["style"])
        for masks in ([left], None)
    ]
    assert losses[0] < max(3 * losses[1], 1e-6)


@pytest.mark.parametrize("loss", NEW)
def test_each_style_stays_behind_its_mask(loss):
    params, features = change(loss=loss, content_layer="content", style_layers=("fine",)), prepare(Tiny(), CPU)
    styles = [noise(2), noise(3)]
    image = noise(9).requires_grad_()
    gradients = []
    for pair in (styles, [styles[0], noise(4)]):
        objective = build_objective(Inputs(CONTENT, pair, [1.0, 1.0], [LEFT, 1 - LEFT]), features, params)
        gradients.append(torch.autograd.grad(objective(image)["style"].sum(), image)[0])
    same = (gradients[0] - gradients[1]).abs().amax((0, 1, 2)) == 0
    assert same[:5].all() and not same[7:].any()


@pytest.mark.parametrize("loss", NEW)
@pytest.mark.parametrize("start", ["content", "patches"])
def test_without_strength_the_photo_stays_and_with_more_it_changes_more(loss, start):
    fields = {"loss": loss, "start": start, "tv_weight": 0.0, "coarse": ((0.5, 5),)}
    changes = []
    for strength in (0.0, 0.3, 1.0):
        image = stylize(CONTENT, STYLE, Tiny(), change(strength=strength, **fields)).image
        changes.append((image - CONTENT).abs().mean().item())
    assert changes[0] < 0.01 < changes[1] < changes[2]


@pytest.mark.parametrize("loss", NEW)
def test_several_styles_lie_between_each_of_them(loss):
    params, styles = change(loss=loss), [STYLE, noise(7, height=20, width=10)]
    first = {}
    for name, blend in {"a": [1, 0], "ab": [1, 1], "b": [0, 1]}.items():
        first[name] = stylize(CONTENT, styles, Tiny(), params, blend=blend).image
    torch.testing.assert_close(first["a"], stylize(CONTENT, STYLE, Tiny(), params).image, atol=1e-3, rtol=0)
    whole = (first["a"] - first["b"]).abs().mean()
    assert max((first["ab"] - first[name]).abs().mean() for name in "ab") < whole


@pytest.mark.parametrize("loss", NEW)
def test_half_precision_ends_near_float32(loss):
    ends = [
        stylize(CONTENT, STYLE, Tiny(), change(loss=loss, precision=precision)).losses.total.iloc[-1]
        for precision in ("float32", "bfloat16")
    ]
    assert ends[1] == pytest.approx(ends[0], rel=0.03)


@pytest.mark.parametrize("loss", NEW)
@pytest.mark.parametrize("masks", [None, [LEFT, 1 - LEFT]])
def test_an_interrupted_run_ends_with_the_same_pixels(tmp_path, loss, masks):
    params, file = change(loss=loss, coarse=((0.5, 10),), strength=0.8), tmp_path / "state"
    inputs = CONTENT, [STYLE, noise(7)], Tiny(), params
    whole = stylize(*inputs, masks=masks).image
    for step in (7, 24):  # on the coarse level, then at full size
        with pytest.raises(KeyboardInterrupt):
            options = {"checkpoint": file, "checkpoint_every": 2, "on_step": interrupt_at(step), "every": 1}
            stylize(*inputs, masks=masks, **options)
    assert torch.equal(stylize(*inputs, masks=masks, checkpoint=file).image, whole)


def test_a_checkpoint_of_another_loss_or_part_of_the_painting_is_not_continued(tmp_path):
    file, region = tmp_path / "state", torch.ones(1, 1, 14, 18)
    stylize(CONTENT, STYLE, Tiny(), change(), checkpoint=file, checkpoint_every=10, keep_checkpoint=True)
    for fields, extra in (({"loss": "wasserstein"}, {}), ({"style_scale": 2.0}, {}), ({}, {"style_masks": region})):
        result = stylize(CONTENT, STYLE, Tiny(), change(**fields, num_steps=5), **extra, checkpoint=file)
        assert len(result.losses) == 5
        stylize(CONTENT, STYLE, Tiny(), change(), checkpoint=file, checkpoint_every=10, keep_checkpoint=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_neighbours_are_those_of_the_deepest_layers_and_the_others_of_all(loss):
    extractor = Tiny()
    extractor.layers = ("first", "fine", "coarse", "content")
    extractor.forward = lambda images: {"first": images} | Tiny.forward(extractor, images)
    layers = stylize(CONTENT, STYLE, extractor, change(loss=loss, num_steps=1)).settings["style_layers"]
    assert layers == (("fine", "coarse") if loss == "neighbours" else ("first", "fine", "coarse"))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fields", [{}, {"start": "style"}, {"start": "patches"}, {"colors": "histogram"}])
def test_only_the_marked_part_of_a_painting_is_learnt_from(loss, fields):
    painting, region = noise(2, height=40, width=60), torch.zeros(1, 1, 40, 60)
    region[..., :30] = 1
    other = painting.clone()
    other[..., 46:] = noise(3, height=40, width=14)
    params = change(loss=loss, num_steps=5, **fields)
    content = noise(1, height=32, width=32)
    pictures = [stylize(content, style, Tiny(), params, style_masks=region).image for style in (painting, other)]
    assert torch.equal(*pictures)
    assert not torch.equal(pictures[0], stylize(content, painting, Tiny(), params).image)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_bright_mask_on_a_painting_changes_nothing_but_rounding(loss):
    whole = stylize(CONTENT, STYLE, Tiny(), change(loss=loss, num_steps=5)).image
    marked = stylize(CONTENT, STYLE, Tiny(), change(loss=loss, num_steps=5), style_masks=torch.ones(1, 1, 14, 18))
    torch.testing.assert_close(marked.image, whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ([torch.ones(1, 1, 14, 18)] * 2, "2 style masks for 1 styles"),
        (torch.ones(1, 1, 14, 17), "a style mask has shape"),
        (2 * torch.ones(1, 1, 14, 18), r"outside \[0, 1\]"),
        (torch.zeros(1, 1, 14, 18), "dark everywhere"),
    ],
)
def test_parts_of_paintings_that_do_not_fit(region, sentence):
    with pytest.raises(ValueError, match=sentence):
        stylize(CONTENT, STYLE, Tiny(), change(), style_masks=region)


def test_a_scale_resizes_the_painting_before_anything_is_learnt_from_it():
    painting, region = noise(2, height=20, width=30), noise(4, height=20, width=30)[:, :1]
    twice = torch.nn.functional.interpolate(painting, (40, 60), mode="bicubic", antialias=True).clamp(0, 1)
    marked = torch.nn.functional.interpolate(region, (40, 60), mode="area")
    scaled = stylize(CONTENT, painting, Tiny(), change(style_scale=2.0, num_steps=5), style_masks=region).image
    assert torch.equal(scaled, stylize(CONTENT, twice, Tiny(), change(num_steps=5), style_masks=marked).image)
    assert not torch.equal(scaled, stylize(CONTENT, painting, Tiny(), change(num_steps=5), style_masks=region).image)


@pytest.mark.parametrize("fields", [{"loss": "sinkhorn"}, {"style_scale": 0.0}, {"style_scale": float("inf")}])
def test_params_say_what_is_wrong_with_them(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        StyleParams(**fields)


@pytest.mark.parametrize("source", ["imagenet", "embedded"])
@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_has_parameters_that_suit_it(loss, source):
    fields = params_for(Weights("vgg19", source, None, None, ""), loss)
    assert StyleParams(**fields).loss == loss
    assert StyleParams(**fields).start == "patches" or source == "imagenet"


@pytest.mark.parametrize("loss", NEW)
def test_only_gram_is_painted_in_tiles(monkeypatch, loss):
    content = noise(1, 1, 300, 140)
    free = int(needed_memory(prepare(Tiny(), CPU, "float32"), content) / 2)
    for module in ("engine", "checks"):
        monkeypatch.setattr(f"vg_helpers.style.{module}.free_memory", lambda device: free)
    with pytest.raises(ValueError, match=f"loss='{loss}' needs the whole picture at once; loss='gram' can be"):
        stylize(content, noise(2), Tiny(), change(loss=loss, low_memory=None))
