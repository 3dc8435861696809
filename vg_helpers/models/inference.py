"""Models that only answer: frozen, in the precision and the form that is fastest on the device."""

import torch
from torch import nn

from ..device import fast_dtype
from .texture import TextureClassifier
from .winograd import WinogradConv2d, convolutions, winograd_pays


def convert_weights(model: nn.Module, device: torch.device) -> None:
    """Move a model to the device, its convolutions and linear layers in the precision in which they compute there.

    Autocast would convert them anew for every batch, which takes longer than the batch itself if that is small.
    """
    model.to(device, memory_format=torch.channels_last).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(fast_dtype(device))


def speed_up(model: nn.Module, device: torch.device) -> None:
    """Change a model so that it answers as fast as it can: weights of `convert_weights`, convolutions of `winograd`.

    It can be trained no more. In bfloat16 its log odds change by about 0.04, a tenth of what the refits of the texture
    judge differ by.
    """
    if isinstance(model, TextureClassifier):  # what network and texture judge have in common, the latter computes
        for index in range(model.shared):
            model.model.net.features[index] = nn.Identity()
    convert_weights(model, device)
    if winograd_pays(device, fast_dtype(device)):
        for name, conv in convolutions(model):
            if WinogradConv2d.supports(conv):
                model.set_submodule(name, WinogradConv2d(conv, needs_grad=False))
