"""An extractor as the style transfer uses it: frozen, its convolutions in the form that is fastest on the device.

Convention: images are (N, C, H, W), preferably channels_last. Each class replaces an nn.Conv2d of a kind that
`supports` names; its results are the same up to rounding.
"""

import copy
import logging
import math
import platform
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..device import cpu_capabilities, fast_dtype

TILE = 4  # rows and columns of the output that are computed together
FEWEST_TILES = {torch.bfloat16: 16, torch.float32: 64}  # below that, the direct sum is faster
POINTS = (0, 1, -1, 0.5, -2, math.inf)  # 0.5 in place of 2 takes a third off the rounding error
PRODUCTS = len(POINTS) ** 2


class FrozenExtractor(nn.Module):
    """A frozen copy of an extractor, called in the same way; `net` is the copy, `dtype` its convolutions' precision.

    `checkpointing` turns on the switch of that name: activations are computed again in the backward pass, which takes
    more time and less memory.
    """

    def __init__(self, extractor: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = copy.deepcopy(extractor).to(device).requires_grad_(False).eval()
        self.device_type, self.dtype = device.type, dtype
        self.fused: nn.Module | None = None  # the same network with fewer passes over memory

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return layer name -> features (N, C, h, w)."""
        with torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return (self.fused if self.fused is not None and not self.checkpointing else self.net)(images)

    @property
    def checkpointing(self) -> bool | None:
        """Whether activations are computed again; None if the extractor cannot."""
        return getattr(self.net, "checkpointing", None)

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        if on and self.checkpointing is None:
            raise ValueError("low_memory=True needs an extractor with a `checkpointing` switch; leave low_memory out")
        if self.checkpointing is not None:
            self.net.checkpointing = on


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


def convolutions(net: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    """Return the convolutions of a network with their names, in order."""
    return [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]


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


class WinogradConv2d(nn.Module):
    """A 3 × 3 convolution of stride 1 with a quarter of the multiplications: Lavin and Gray, CVPR 2016, F(4×4, 3×3).

    Tiles of the image and the weights are evaluated at POINTS, multiplied there, and interpolated: a row of four
    outputs takes 6 products in place of 12. In bfloat16 a layer is off by 2 % in place of 0.3 %, at random; the loss
    that a style transfer of 200 steps ends with stays within 2 % of float32's.
    """

    def __init__(self, conv: nn.Conv2d, needs_grad: bool = True) -> None:
        super().__init__()
        weight = conv.weight.detach()
        transforms = (torch.kron(matrix, matrix).to(weight.dtype) for matrix in _row_algorithm())
        self.output_transform, evaluate, self.input_transform = transforms
        self.forward_kernel = _evaluate(weight, evaluate)
        # The gradient is a convolution too: of the output's gradient, with the weights turned round.
        turned = weight.flip(2, 3).transpose(0, 1)
        self.backward_kernel = _evaluate(turned, evaluate) if needs_grad else None
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.direct = conv

    @staticmethod
    def supports(conv: nn.Conv2d) -> bool:
        """Return whether it is such a convolution, with enough channels to outweigh the transforms."""
        same = (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
        wide = min(conv.in_channels, conv.out_channels) >= 128 and max(conv.in_channels, conv.out_channels) >= 256
        return same and wide and conv.groups == 1 and conv.padding_mode == "zeros"

    def forward(self, images: Tensor) -> Tensor:
        """Return what the convolution returns."""
        (count, _, height, width), dtype = images.shape, self.forward_kernel.dtype
        if count * -(-height // TILE) * -(-width // TILE) < FEWEST_TILES.get(dtype, 1):
            return self.direct(images)
        return _Winograd.apply(images.to(dtype), self)

    def convolve(self, images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the sums (N, C_out, H, W) of kernels (PRODUCTS · C_out, C_in, 1, 1)."""
        count, channels, height, width = images.shape
        rows, columns, side = -(-height // TILE), -(-width // TILE), TILE + 2
        right, below = columns * TILE - width + 1, rows * TILE - height + 1
        padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, right, 1, below))
        tiles = padded.unfold(1, side, TILE).unfold(2, side, TILE).permute(0, 1, 2, 4, 5, 3)
        tiles = self.input_transform @ tiles.reshape(-1, side * side, channels)
        products = self._multiply(tiles, kernels)
        if bias is not None:
            products[:, len(POINTS) + 1] += bias  # rows and columns at 1: that product counts for every output
        sums = (self.output_transform @ products).view(count, rows, columns, TILE, TILE, -1).permute(0, 1, 3, 2, 4, 5)
        sums = sums.reshape(count, rows * TILE, columns * TILE, -1)[:, :height, :width]
        return sums.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def _multiply(self, tiles: Tensor, kernels: Tensor) -> Tensor:
        """Return (tiles, PRODUCTS, C_out) of (tiles, PRODUCTS, C_in): a matrix product for each of PRODUCTS."""
        count, _, channels = tiles.shape
        if tiles.dtype == torch.bfloat16 and count < channels / 2:
            matrices = kernels.view(PRODUCTS, -1, channels).transpose(1, 2)
            return torch.bmm(tiles.transpose(0, 1), matrices).transpose(0, 1)
        flat = tiles.view(1, 1, count, -1).permute(0, 3, 1, 2)
        return F.conv2d(flat, kernels, groups=PRODUCTS).permute(0, 2, 3, 1).reshape(count, PRODUCTS, -1)


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor, conv: WinogradConv2d) -> Tensor:
        ctx.conv = conv
        return conv.convolve(images, conv.forward_kernel, conv.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.conv.convolve(grad, ctx.conv.backward_kernel), None


def _evaluate(kernel: Tensor, evaluate: Tensor) -> Tensor:
    """Return the 3 × 3 kernels (C_out, C_in, 3, 3), evaluated at POINTS, as (PRODUCTS · C_out, C_in, 1, 1)."""
    evaluated = evaluate @ kernel.flatten(2).permute(2, 0, 1).flatten(1)
    return evaluated.view(-1, kernel.shape[1], 1, 1)


def _row_algorithm() -> tuple[Tensor, Tensor, Tensor]:
    """Return A, G, B in float64: TILE sums along a row d with weights g are A·((G·g)·(B·d)).

    Polynomials g and y are multiplied by evaluating both at POINTS, and C interpolates; turned round, that makes the
    sums of a convolution: A is the transpose of y's evaluation, B that of C.
    """
    weights, outputs = _evaluation(3), _evaluation(TILE)
    pairs = [(i, j) for i in range(3) for j in range(TILE)]
    powers = torch.stack([weights[:, i] * outputs[:, j] for i, j in pairs])
    wanted = torch.eye(TILE + 2, dtype=torch.float64)[[i + j for i, j in pairs]]
    return outputs.T, weights, torch.linalg.lstsq(powers, wanted).solution


def _evaluation(length: int) -> Tensor:
    """Return the matrix (POINTS, length) that evaluates a polynomial; at infinity that is its last coefficient."""
    last = [0.0] * (length - 1) + [1.0]
    rows = [last if point == math.inf else [float(point) ** power for power in range(length)] for point in POINTS]
    return torch.tensor(rows, dtype=torch.float64)


@cache
def winograd_pays(device: torch.device | str, dtype: torch.dtype) -> bool:
    """Return whether convolutions with fewer products but more memory traffic are faster.

    They are on x86 processors with AVX2 or AVX-512, where this was measured. Processors with AMX, and GPUs, multiply
    whole matrices in one unit, which makes products cheap; there it was not measured and stays False.
    """
    if torch.device(device).type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return torch.backends.mkldnn.is_available() and not (dtype == torch.bfloat16 and cpu_capabilities().get("amx_bf16"))
