"""Convolutions with fewer products against torch's own, in float64 and rounded, and their gradients."""

import pytest
import torch
from torch import nn

from vg_helpers.models.winograd import FEWEST_TILES, WinogradConv2d, winograd_pays


def _both_ways(module, image, dtype=torch.float64):
    image = image.detach().to(dtype).requires_grad_()
    result = module(image)
    result.square().sum().backward()
    return result.detach().double(), image.grad.double()


def _wide(dtype=torch.float64, bias=True):
    torch.manual_seed(0)
    return nn.Conv2d(128, 256, 3, padding=1, bias=bias).to(dtype)


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (11, 14), (1, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_with_fewer_products_is_the_same_convolution(size, bias):
    conv = _wide(bias=bias)
    image = torch.randn(2, 128, *size, generator=torch.Generator().manual_seed(1))
    for mine, theirs in zip(_both_ways(WinogradConv2d(conv), image), _both_ways(conv, image), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("dtype, error", [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@pytest.mark.parametrize("size", [26, 34, 66])  # tiles below half the channels there and back, back alone, not at all
def test_its_rounding_stays_small_there_and_back(dtype, error, size):
    image = torch.randn(1, 128, size, size, generator=torch.Generator().manual_seed(1)).to(dtype)
    taken = _both_ways(WinogradConv2d(_wide(dtype)), image, dtype)
    for mine, theirs in zip(taken, _both_ways(_wide(torch.float32).double(), image), strict=True):
        assert 0 < (mine - theirs).norm() < error * theirs.norm()


def test_its_memory_layout_is_channels_last():
    module = WinogradConv2d(_wide(torch.float32))
    assert module(torch.randn(1, 128, 41, 33)).is_contiguous(memory_format=torch.channels_last)


def test_few_tiles_are_summed_directly(monkeypatch):
    taken = []
    monkeypatch.setattr(WinogradConv2d, "convolve", lambda self, images, *_: taken.append(images.shape[2]) or images)
    module, rows = WinogradConv2d(_wide(torch.float32)), FEWEST_TILES[torch.float32]
    for tiles in (rows - 1, rows):
        module(torch.randn(1, 128, 4 * tiles, 4))
    assert taken == [4 * rows]


@pytest.mark.parametrize(
    "fields",
    [
        {"kernel_size": 5},
        {"stride": 2},
        {"padding": 0},
        {"dilation": 2},
        {"groups": 2},
        {"padding_mode": "replicate"},
        {"in_channels": 64},
        {"out_channels": 128},
    ],
)
def test_it_knows_what_it_cannot_be(fields):
    usual = {"in_channels": 128, "out_channels": 256, "kernel_size": 3, "padding": 1}
    assert WinogradConv2d.supports(nn.Conv2d(**usual))
    assert not WinogradConv2d.supports(nn.Conv2d(**usual | fields))


@pytest.mark.parametrize(
    "machine, amx, dtype, pays",
    [
        ("x86_64", False, torch.bfloat16, True),
        ("AMD64", True, torch.float32, True),
        ("x86_64", True, torch.bfloat16, False),
        ("arm64", False, torch.float32, False),
    ],
)
def test_fewer_products_pay_where_no_unit_computes_whole_matrices(monkeypatch, machine, amx, dtype, pays):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("vg_helpers.models.winograd.cpu_capabilities", lambda: {"amx_bf16": amx})
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)
    assert winograd_pays.__wrapped__(torch.device("cpu"), dtype) is pays
    assert winograd_pays.__wrapped__("cuda", dtype) is False
