"""Convolutions with fewer products: Winograd's algorithm, for processors without a unit that multiplies matrices.

Convention: images are (N, C, H, W), preferably channels_last.
"""

import math
import platform
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..device import cpu_capabilities

TILE = 4  # rows and columns of the output that are computed together
FEWEST_TILES = {torch.bfloat16: 16, torch.float32: 64}  # below that, the direct sum is faster
POINTS = (0, 1, -1, 0.5, -2, math.inf)  # 0.5 in place of 2 takes a third off the rounding error
PRODUCTS = len(POINTS) ** 2


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


def convolutions(net: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    """Return the convolutions of a network with their names, in order."""
    return [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]


@cache
def winograd_pays(device: torch.device | str, dtype: torch.dtype) -> bool:
    """Return whether convolutions with fewer products but more memory traffic are faster.

    They are on x86 processors with AVX2 or AVX-512, where this was measured. Processors with AMX, and GPUs, multiply
    whole matrices in one unit, which makes products cheap; there it was not measured and stays False.
    """
    if torch.device(device).type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return torch.backends.mkldnn.is_available() and not (dtype == torch.bfloat16 and cpu_capabilities().get("amx_bf16"))
