"""Models that only answer give what they gave before, up to rounding."""

import torch
from stand_ins import CPU
from torch import nn

from vg_helpers.device import autocast, fast_dtype
from vg_helpers.models import inference
from vg_helpers.models.inference import convert_weights, speed_up
from vg_helpers.models.winograd import WinogradConv2d


def test_weights_are_converted_once_and_give_what_autocast_gives():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 2)).train()
    images = torch.rand(4, 3, 8, 8)
    with torch.inference_mode(), autocast(CPU):
        expected = model.eval()(images).float()
        convert_weights(model.train(), CPU)
        torch.testing.assert_close(model(images).float(), expected, atol=0.02, rtol=0)
    assert model[0].weight.dtype == model[3].weight.dtype == fast_dtype(CPU)
    assert model[1].weight.dtype == torch.float32 and not model.training


def test_convolutions_with_fewer_products_give_the_same_up_to_rounding(monkeypatch):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(128, 256, 3, padding=1), nn.Conv2d(256, 8, 3))
    images = torch.rand(2, 128, 24, 24)
    expected = net(images)
    monkeypatch.setattr(inference, "winograd_pays", lambda *_: True)
    speed_up(net, CPU)
    assert isinstance(net[0], WinogradConv2d) and isinstance(net[1], nn.Conv2d)
    with torch.inference_mode(), autocast(CPU):
        assert (net(images).float() - expected).norm() < 0.03 * expected.norm()
