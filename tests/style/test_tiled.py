"""tiled: losses and gradients are those of the whole picture, whatever the tiles, the network and the masks."""

from dataclasses import replace

import pytest
import torch
from stand_ins import Tiny, change, noise
from torch import nn

from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.winograd import WinogradConv2d
from vg_helpers.style.checks import needed_memory
from vg_helpers.style.convolutions import prepare
from vg_helpers.style.engine import Inputs, build_objective, stylize
from vg_helpers.style.tiled import MODEST, Reach, Tiles, choose_tiles, reach_of

CPU = torch.device("cpu")


def gradient_of(objective, image):
    image = image.clone().requires_grad_()
    losses = objective(image)
    losses["total"].backward(torch.tensor([1.0, 3.0])[: len(image)])
    return {name: loss.detach() for name, loss in losses.items()}, image.grad


def assert_same(extractor, inputs, params, side, count):
    names = tuple(extractor.layers)
    params = change(content_layer=names[-1], style_layers=names[:-1], **params)
    network = prepare(extractor, CPU, "float32")
    tiles = Tiles(network, reach_of(extractor), side)
    assert tiles.count(inputs.content) == count
    image = noise(9, *inputs.content.shape[:1], *inputs.content.shape[2:])
    losses, gradient = gradient_of(build_objective(inputs, network, params), image)
    tiled_losses, tiled = gradient_of(build_objective(inputs, network, params, tiles), image)
    for name, loss in losses.items():
        torch.testing.assert_close(tiled_losses[name], loss, rtol=1e-4, atol=1e-9)
    assert (tiled - gradient).norm() < 1e-4 * gradient.norm()
    assert (tiled - gradient).abs().max() < 1e-4 * gradient.abs().max()


@pytest.mark.parametrize("scaling", ["relative", "classic"])
@pytest.mark.parametrize("size", [(16, 12), (37, 41), (5, 30)])
def test_tiles_add_up_to_the_whole(size, scaling):
    inputs = Inputs(noise(1, 2, *size), [noise(2, height=33, width=18)])
    count = -(-size[0] // 6) * -(-size[1] // 6)
    assert_same(Tiny(), inputs, {"scaling": scaling, "strength": 0.7}, 6, {(37, 41): 42}.get(size, count))


def test_masks_and_several_styles_add_up_too():
    mask = torch.linspace(0, 1, 30).view(1, 1, 1, 30).expand(2, 1, 22, 30)
    inputs = Inputs(noise(1, 2, 22, 30), [noise(2), noise(3, 2)], (1.0, 0.5), [mask, 1 - mask])
    for strength in (1.0, 0.5):  # with less, each style starts from the part of the photo behind its mask
        assert_same(Tiny(), inputs, {"strength": strength}, 8, 12)


def test_parts_of_paintings_add_up_too():
    regions = [noise(4, 1, 33, 18)[:, :1] > 0.7, torch.linspace(0, 1, 22).view(1, 1, 22, 1).expand(2, 1, 22, 30)]
    styles = [noise(2, height=33, width=18), noise(3, 2, 22, 30)]
    inputs = Inputs(noise(1, 2, 22, 30), styles, (1.0, 0.5), None, [region.float() for region in regions])
    for strength in (1.0, 0.5):  # with less, each style starts from the part of the photo behind its mask
        assert_same(Tiny(), inputs, {"strength": strength}, 8, 12)


@pytest.mark.parametrize(("network", "size", "count"), [("vgg19", (150, 215), 6), ("alexnet", (131, 190), 9)])
def test_deep_networks_add_up_too(tiny_zoo, network, size, count):
    extractor = build_extractor(network, weights="none")
    inputs = Inputs(noise(1, 1, *size), [noise(2, 1, 100, 180)])
    assert_same(extractor, inputs, {}, 64, count)


class Wide(Tiny):
    """So wide that its second and third convolution are Winograd's where these pay."""

    def __init__(self):
        nn.Module.__init__(self)
        torch.manual_seed(4)
        self.first, self.pool = nn.Conv2d(3, 128, 3, padding=1), nn.MaxPool2d(2)
        self.second, self.third = nn.Conv2d(128, 256, 3, padding=1), nn.Conv2d(256, 128, 3, padding=1)

    def forward(self, images):
        fine = self.first(images - 0.5).relu()
        coarse = self.second(self.pool(fine)).relu()
        return {"fine": fine, "coarse": coarse, "content": self.third(coarse).relu()}


def test_tiles_round_like_the_whole_where_convolutions_are_winograds(monkeypatch):
    monkeypatch.setattr("vg_helpers.style.convolutions.winograd_pays", lambda device, dtype: True)
    network, reach = prepare(Wide(), CPU, "float32"), reach_of(Wide())
    assert isinstance(network.net.second, WinogradConv2d) and reach.grid == 4 * reach.stride
    image = noise(9, 1, 140, 140)
    whole = network(image)["coarse"]

    def rounded(grid):
        tiles = Tiles(network, replace(reach, grid=grid), 72)
        parts = [(window.own["coarse"], features["coarse"]) for window, features in tiles.look(image)]
        return max((features - whole[(..., *own)]).abs().max().item() for own, features in parts)

    assert rounded(reach.grid) < rounded(reach.stride) / 3


def test_reach_is_what_a_change_of_one_pixel_reaches():
    layers = nn.Conv2d(3, 2, 5, stride=2, padding=1), nn.AvgPool2d(3, 2), nn.Conv2d(2, 1, 3, padding=2, dilation=2)
    network = nn.Sequential(*layers).double()
    for parameter in network.parameters():
        parameter.data = 1 + parameter.data.abs()  # nothing cancels out
    reach, image, position = reach_of(network), torch.ones(1, 3, 160, 160).double(), 18
    first, last = position * reach.stride - reach.before, position * reach.stride + reach.after
    with torch.no_grad():
        before = network(image)[0, 0, position]
        for pixel, seen in [(first - 1, False), (first, True), (last, True), (last + 1, False)]:
            changed = image.clone()
            changed[..., pixel, :] = 5
            assert torch.equal(network(changed)[0, 0, position], before) is not seen


def test_tiles_begin_where_every_layer_has_a_position():
    thirds = nn.Conv2d(128, 256, 3, padding=1), nn.MaxPool2d(3), nn.Conv2d(256, 8, 3, padding=1)
    assert reach_of(nn.Sequential(*thirds)).grid == 12  # a multiple of Winograd's four and of the stride


def test_networks_that_see_everything_are_not_shown_tiles():
    assert reach_of(Tiny()) == Reach(2, 2, 2, 2)
    for layer in (
        nn.AdaptiveAvgPool2d(1),
        nn.InstanceNorm2d(3),
        nn.Conv2d(3, 3, (3, 5)),
        nn.Conv2d(3, 3, 3, padding="same"),
    ):
        assert reach_of(nn.Sequential(nn.Conv2d(3, 3, 3), layer)) is None


def test_tiles_are_as_large_as_memory_allows():
    extractor = Tiny()
    network, image = prepare(extractor, CPU, "float32"), torch.zeros(1, 3, 1500, 1200)
    sides = [choose_tiles(extractor, network, image, free) for free in (10**10, 10**9 // 3, 10**8)]
    assert sides[0].side == 512 and sides[2] is None
    assert sides[1] is None or sides[1].side <= 512
    assert choose_tiles(extractor, network, image, 10**10, MODEST).side == MODEST == 384


def free_bytes(monkeypatch, free):
    for module in ("engine", "checks"):
        monkeypatch.setattr(f"vg_helpers.style.{module}.free_memory", lambda device: free)


def test_a_picture_too_large_for_memory_is_painted_in_tiles_without_a_seam(monkeypatch):
    content, style = noise(1, 1, 300, 140), noise(2, 1, 60, 60)
    monkeypatch.setattr("vg_helpers.style.tiled.SIDES", (48,))
    monkeypatch.setattr("vg_helpers.style.tiled.COPIES", 0)
    whole = stylize(content, style, Tiny(), change(low_memory=None, num_steps=20)).image
    free_bytes(monkeypatch, int(needed_memory(prepare(Tiny(), CPU, "float32"), content) / 2))
    with pytest.raises(ValueError, match="are free"):
        stylize(content, style, Tiny(), change(low_memory=False, num_steps=20))
    seen = []

    class Watched(Tiny):
        def forward(self, images):
            seen.append(images.shape[2] * images.shape[3])
            return super().forward(images)

    tiled = stylize(content, style, Watched(), change(low_memory=None, num_steps=20)).image
    assert 0 < max(seen) < content[0, 0].numel() / 2
    assert (tiled - whole).abs().mean() < 1e-4 < (whole - content).abs().mean()
    rows = (tiled[..., 1:, :] - tiled[..., :-1, :]).abs().mean((0, 1, 3))
    at_borders = rows[[row - 4 - 1 for row in range(48, 300, 48)]]  # a frame of 4 pixels was painted and cut off
    assert abs(at_borders.mean() - rows.mean()) < 3 * rows.std() / len(at_borders) ** 0.5
