"""An extractor as the style transfer uses it: frozen, its convolutions in the form that is fastest on the device.

Convention: images are (N, C, H, W), preferably channels_last. Each class replaces an nn.Conv2d of a kind that
`supports` names; its results are the same up to rounding.
"""

import copy
import logging
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..device import fast_dtype
from ..models.winograd import WinogradConv2d, convolutions, winograd_pays


class FrozenExtractor(nn.Module):
    """A frozen copy of an extractor, called in the same way; `net` is the copy, `dtype` its convolutions' precision."""

    def __init__(self, extractor: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = copy.deepcopy(extractor).to(device).requires_grad_(False).eval()
        self.device_type, self.dtype = device.type, dtype
        self.fused: nn.Module | None = None  # the same network with fewer passes over memory

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return layer name -> features (N, C, h, w)."""
        with torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return (self.fused or self.net)(images)


def prepare(extractor: nn.Module, device: torch.device, precision: str = "auto") -> FrozenExtractor:
    """Return a frozen copy of the extractor whose convolutions have the fastest precision, memory layout and form.

    The first one continues the image beyond its border instead of surrounding it with zeros.

    Args:
        precision: "float32", "bfloat16", or "auto" for the faster of the two.
    """
    dtype = fast_dtype(device) if precision == "auto" else getattr(torch, precision)
    frozen = FrozenExtractor(extractor, device, dtype)
    fewer_products = winograd_pays(device, dtype)
    for number, (name, conv) in enumerate(convolutions(frozen.net)):
        conv.to(dtype=dtype if dtype == torch.bfloat16 else None, memory_format=torch.channels_last)
        if number == 0:
            conv.padding_mode = "replicate"  # zeros around the image would be painted as a frame
        if BlockConv2d.supports(conv):
            frozen.net.set_submodule(name, BlockConv2d(conv))
        elif fewer_products and WinogradConv2d.supports(conv):
            frozen.net.set_submodule(name, WinogradConv2d(conv))
    if device.type == "cuda" and (kernels := load_kernels()) and kernels.supports(frozen.net):
        frozen.fused = kernels(frozen.net)
    return frozen


@cache
def load_kernels() -> type | None:
    """Return FusedExtractor, or None if Triton is not installed or cannot build its kernels on this machine."""
    try:
        from .fused import FusedExtractor, build_kernels
    except ImportError:  # Windows and macOS
        return None
    try:
        build_kernels()
    except Exception as error:  # a missing compiler, driver or tool: Triton raises many kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        logging.getLogger(__name__).warning(
            "Triton cannot build kernels on this machine (%s): the style transfer runs without them, more slowly.",
            reason[0],
        )
        return None
    return FusedExtractor


def first_stride(extractor: nn.Module) -> int:
    """Return the stride of the extractor's first convolution, 1 if it has none."""
    return next((conv.stride[0] for _, conv in convolutions(extractor)), 1)


class BlockConv2d(nn.Module):
    """A convolution of stride s as one of stride 1 over blocks of s × s pixels.

    On a CPU the backward pass through AlexNet's first layer takes a fraction of the time.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.padding = (conv.padding[1],) * 2 + (conv.padding[0],) * 2
        self.mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        self.kernel, self.stride, self.bias = conv.kernel_size, conv.stride[0], conv.bias
        rest = [-side % self.stride for side in self.kernel]
        whole = F.pad(conv.weight.detach(), (0, rest[1], 0, rest[0]))
        self.weight = nn.Parameter(F.pixel_unshuffle(whole, self.stride), requires_grad=False)

    @staticmethod
    def supports(conv: nn.Conv2d) -> bool:
        """Return whether the convolution has a stride, the same in both directions, and no groups or dilation."""
        return conv.stride[0] == conv.stride[1] > 1 and conv.groups == 1 and conv.dilation == (1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return what the convolution returns."""
        x, step = F.pad(images, self.padding, mode=self.mode), self.stride
        blocks = [
            (n - k) // step + side for n, k, side in zip(x.shape[2:], self.kernel, self.weight.shape[2:], strict=True)
        ]
        missing = [step * count - n for count, n in zip(blocks, x.shape[2:], strict=True)]  # below zero is cut off
        x = F.pad(x, (0, missing[1], 0, missing[0]))
        return F.conv2d(F.pixel_unshuffle(x, step), self.weight, self.bias)
