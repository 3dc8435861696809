"""The losses of style transfer (Gatys, Ecker and Bethge, CVPR 2016).

Convention: features are (N, C, h, w), images (N, 3, H, W) in [0, 1]; losses come one per image, shape (N,). The
gradients are written out by hand, because autograd's own take several times as long.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .checks import pixels


def gram_matrix(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the Gram matrices (N, C, C) of features, divided by C and by the number of positions.

    With a mask (N or 1, 1, h, w) in [0, 1] each position counts by its weight and the divisor is the mask's sum, so
    that the same texture has the same Gram matrix whatever area it covers.

    >>> gram_matrix(torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]]))  # two channels at two positions
    tensor([[[1.2500, 0.5000],
             [0.5000, 0.2500]]])
    """
    rows = features.flatten(2).transpose(1, 2)  # (N, h·w, C): a view in either memory layout
    weighted = rows if mask is None else rows * mask.flatten(2).transpose(1, 2).to(rows.dtype)
    return _product(weighted, rows) / _positions(features, mask)


def style_loss(features: Tensor, target: Tensor, *, scaling: str = "relative", mask: Tensor | None = None) -> Tensor:
    """Return the squared distance (N,) between the features' Gram matrices and `target` (N or 1, C, C).

    "relative" divides by the target's own squared norm (0 is the same texture, 1 is as far as a black image); "classic"
    is the mean over the C² entries.

    >>> style_loss(torch.zeros(1, 2, 4, 4), torch.eye(2)[None])
    tensor([1.])
    """
    energy = target.square().sum((1, 2)) if scaling == "relative" else target.new_full((1,), target[0].numel())
    return _StyleLoss.apply(features, target, energy.clamp_min(1e-30), mask)


def content_loss(features: Tensor, target: Tensor, *, scaling: str = "relative") -> Tensor:
    """Return the squared distance (N,) to the target features: over the target's squared norm, or their mean.

    >>> content_loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4))
    tensor([1.])
    """
    target = at_least_float32(target)
    energy = target.square().sum((1, 2, 3)) if scaling == "relative" else target.new_full((1,), target[0].numel())
    return _ContentLoss.apply(features, target, energy.clamp_min(1e-30))


def total_variation(image: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean squared difference (N,) between neighbouring pixels.

    With a mask (N or 1, 1, H, W) in [0, 1] each pair of neighbours counts by the product of their weights.

    Raises:
        ValueError: if the image has fewer than 2 rows or columns.

    >>> total_variation(torch.ones(1, 3, 4, 4))
    tensor([0.])
    """
    if min(image.shape[-2:]) < 2:
        raise ValueError(f"total variation needs at least 2×2 pixels, not {pixels(image)}")
    return _TotalVariation.apply(image, mask)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the tensor, in float32 if its precision was lower."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


class _StyleLoss(torch.autograd.Function):
    """‖G − G*‖² / energy, whose gradient is 4·F·(G − G*) / (energy · positions): one matrix product."""

    @staticmethod
    def forward(ctx, features: Tensor, target: Tensor, energy: Tensor, mask: Tensor | None) -> Tensor:
        difference = gram_matrix(features, mask) - target
        slope = 4 * difference / (energy.view(-1, 1, 1) * _positions(features, mask))
        ctx.save_for_backward(features, slope, mask)
        return difference.square().sum((1, 2)) / energy

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, slope, mask = ctx.saved_tensors
        rows = features.flatten(2).transpose(1, 2)
        pull = rows @ (slope * grad.view(-1, 1, 1)).to(rows.dtype)
        if mask is not None:
            pull = pull * mask.flatten(2).transpose(1, 2).to(rows.dtype)
        return pull.transpose(1, 2).unflatten(2, features.shape[2:]), None, None, None


class _ContentLoss(torch.autograd.Function):
    """‖F − F*‖² / energy; autograd takes ten times as long for its gradient in channels_last."""

    @staticmethod
    def forward(ctx, features: Tensor, target: Tensor, energy: Tensor) -> Tensor:
        difference = at_least_float32(features) - target
        ctx.save_for_backward(difference, energy)
        ctx.dtype = features.dtype
        return difference.square().sum((1, 2, 3)) / energy

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        difference, energy = ctx.saved_tensors
        return (difference * (2 * grad / energy).view(-1, 1, 1, 1)).to(ctx.dtype), None, None


class _TotalVariation(torch.autograd.Function):
    """Autograd would fill and add up eight images for this gradient."""

    @staticmethod
    def forward(ctx, image: Tensor, mask: Tensor | None) -> Tensor:
        rows, columns = image[..., 1:, :] - image[..., :-1, :], image[..., 1:] - image[..., :-1]
        ctx.count = rows[0].numel() + columns[0].numel()
        down, right = rows, columns
        if mask is not None:
            down = rows * (mask[..., 1:, :] * mask[..., :-1, :])
            right = columns * (mask[..., 1:] * mask[..., :-1])
        ctx.save_for_backward(image, down, right)
        return ((down * rows).sum((1, 2, 3)) + (right * columns).sum((1, 2, 3))) / ctx.count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        image, down, right = ctx.saved_tensors
        slope, pull = (2 * grad / ctx.count).view(-1, 1, 1, 1), torch.zeros_like(image)
        down, right = down * slope, right * slope
        pull[..., 1:, :] += down
        pull[..., :-1, :] -= down
        pull[..., 1:] += right
        pull[..., :-1] -= right
        return pull, None


def _positions(features: Tensor, mask: Tensor | None) -> float | Tensor:
    """Return what a Gram matrix is divided by: channels times positions, or times the mask's sum."""
    channels, height, width = features.shape[1:]
    if mask is None:
        return channels * height * width
    return channels * at_least_float32(mask).sum((1, 2, 3)).clamp_min(1e-6).view(-1, 1, 1)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Return leftᵀ·right (N, C, C) of (N, positions, C), added up in float32."""
    if left.dtype != torch.bfloat16:
        return at_least_float32(left).transpose(1, 2) @ at_least_float32(right)
    if left.device.type == "cuda":
        return torch.bmm(left.transpose(1, 2), right, out_dtype=torch.float32)
    # Elsewhere a bfloat16 product is rounded to bfloat16: multiply it in parts, and add those up in float32.
    count, positions, channels = left.shape
    parts = math.gcd(positions, 16) if positions >= 16 * channels else 1
    left, right = (rows.unflatten(1, (parts, -1)).flatten(0, 1) for rows in (left, right))
    if len(left) == 1:
        return (left[0].t() @ right[0]).float()[None]  # several times as fast as a batch of one
    return (left.transpose(1, 2) @ right).unflatten(0, (count, parts)).sum(1, dtype=torch.float32)
