"""Convolutions in other forms against torch's own, in float64 and rounded, and their gradients."""

import pytest
import torch
from stand_ins import CPU, Tiny
from torch import nn

from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.winograd import WinogradConv2d
from vg_helpers.style import convolutions
from vg_helpers.style.convolutions import BlockConv2d, prepare


@pytest.mark.parametrize(
    "kernel, stride, padding, mode", [(11, 4, 2, "replicate"), (3, 2, 1, "zeros"), (4, 2, 0, "zeros")]
)
@pytest.mark.parametrize("size", [(40, 43), (41, 52)])
def test_a_convolution_taken_in_blocks_is_the_same_convolution(kernel, stride, padding, mode, size):
    conv = nn.Conv2d(3, 5, kernel, stride, padding, padding_mode=mode).double()
    found = []
    for module in (conv, BlockConv2d(conv)):
        image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
        result = module(image)
        result.square().sum().backward()
        found.append((result.detach(), image.grad))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, mine)


def test_the_border_is_no_edge_to_the_first_layer():
    fine = prepare(Tiny(), CPU, "float32")(torch.full((1, 3, 8, 8), 0.9))["fine"]
    torch.testing.assert_close(fine, fine[..., 3:4, 3:4].expand_as(fine))


@pytest.mark.parametrize(("pays", "wide"), [(False, []), (True, ["body.6", "body.8"])])
def test_convolutions_take_their_faster_forms(monkeypatch, pays, wide):
    monkeypatch.setattr(convolutions, "winograd_pays", lambda device, dtype: pays)
    network = prepare(build_extractor("alexnet", ("conv1", "conv4"), weights="none"), CPU, "float32")
    forms = {name: type(module) for name, module in network.net.named_modules()}
    assert [name for name, form in forms.items() if form is BlockConv2d] == ["body.0"]
    assert [name for name, form in forms.items() if form is WinogradConv2d] == wide
