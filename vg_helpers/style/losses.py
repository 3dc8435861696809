"""The losses of style transfer (Gatys, Ecker and Bethge, CVPR 2016).

Convention: features are (N, C, h, w), images (N, 3, H, W) in [0, 1]; losses come one per image, shape (N,). The
gradients are written out by hand, because autograd's own take several times as long.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
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
    return _product(_weighted(features, mask), rows) / _positions(features, mask)


def style_loss(features: Tensor, target: Tensor, *, scaling: str = "relative", mask: Tensor | None = None) -> Tensor:
    """Return the squared distance (N,) between the features' Gram matrices and `target` (N or 1, C, C).

    "relative" divides by the target's own squared norm (0 is the same texture, 1 is as far as a black image); "classic"
    is the mean over the C² entries.

    >>> style_loss(torch.zeros(1, 2, 4, 4), torch.eye(2)[None])
    tensor([1.])
    """
    return StyleTerm({"": features}, {"": target}, {"": 1.0}, scaling=scaling, mask=mask)({"": features})


class StyleTerm:
    """The weighted sum over layers of `style_loss`, called with features of the same shapes at each step.

    What no step changes is computed once, and the Gram matrices of all layers lie in one row: a GPU takes longer to
    start small kernels than to run them.
    """

    def __init__(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        weights: dict[str, float | Tensor],
        *,
        scaling: str = "relative",
        mask: Tensor | None = None,
    ) -> None:
        """Prepare for features of these shapes.

        Args:
            targets: Gram matrices (N or 1, C, C) by layer.
            weights: by layer, one for all images or (N or 1,).
            mask: (N or 1, 1, H, W) of any size.
        """
        rows, slopes, self.parts = [], [], {}
        for name, weight in weights.items():
            like, target = features[name], targets[name]
            small = None if mask is None else F.interpolate(mask, like.shape[2:], mode="area")
            slope = weight / _energy(target, scaling)
            rows.append(target.flatten(1))
            slopes.append(slope.view(-1, 1).expand(-1, rows[-1].shape[1]))
            self.parts[name] = small, _positions(like, small)
        self.target, self.slope = _side_by_side(rows), _side_by_side(slopes)

    def __call__(self, features: dict[str, Tensor]) -> Tensor:
        """Return the loss (N,)."""
        return self.distance(self.grams(features))

    def grams(self, features: dict[str, Tensor], own: dict[str, tuple[slice, slice]] | None = None) -> list[Tensor]:
        """Return the Gram matrices (N, C, C) by layer, or what the rows and columns `own` add to them."""
        parts = self.parts
        if own is not None:
            parts = {
                name: (None if mask is None else mask[(..., *own[name])], positions)
                for name, (mask, positions) in parts.items()
            }
        return [_Gram.apply(features[name], *part) for name, part in parts.items()]

    def distance(self, grams: Sequence[Tensor]) -> Tensor:
        """Return the loss (N,) of Gram matrices by layer."""
        return _Distance.apply(self.target, self.slope, *grams)


def content_loss(
    features: Tensor, target: Tensor, *, scaling: str = "relative", energy: Tensor | None = None
) -> Tensor:
    """Return the squared distance (N,) to the target features: over the target's squared norm, or their mean.

    Args:
        energy: `content_energy(target, scaling)`, if it is known.

    >>> content_loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4))
    tensor([1.])
    """
    target = at_least_float32(target)
    return _ContentLoss.apply(features, target, content_energy(target, scaling) if energy is None else energy)


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


class _Gram(torch.autograd.Function):
    """A Gram matrix. It expects the slope that _Distance returns: symmetric, and counting both factors."""

    @staticmethod
    def forward(ctx, features: Tensor, mask: Tensor | None, positions: float | Tensor) -> Tensor:
        ctx.save_for_backward(features, mask)
        ctx.positions = positions
        return _product(_weighted(features, mask), features.flatten(2).transpose(1, 2)) / positions

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, mask = ctx.saved_tensors
        pull = _weighted(features, mask) @ (grad / ctx.positions).to(features.dtype)
        return pull.transpose(1, 2).unflatten(2, features.shape[2:]), None, None


class _Distance(torch.autograd.Function):
    """Σ slope · (G − target)² (N,) of symmetric matrices (N, C, C) side by side; their slope counts both factors."""

    @staticmethod
    def forward(ctx, target: Tensor, slope: Tensor, *grams: Tensor) -> Tensor:
        difference = torch.cat([gram.flatten(1) for gram in grams], 1) - target
        pull = difference * slope
        ctx.sides = [gram.shape[1] for gram in grams]
        ctx.save_for_backward(pull)
        return (pull * difference).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (pull,) = ctx.saved_tensors
        parts = (pull * (4 * grad).view(-1, 1)).split([side * side for side in ctx.sides], 1)
        return None, None, *[part.unflatten(1, (side, side)) for part, side in zip(parts, ctx.sides, strict=True)]


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
        pull[..., 1:, :].addcmul_(down, slope)
        pull[..., :-1, :].addcmul_(down, slope, value=-1)
        pull[..., 1:].addcmul_(right, slope)
        pull[..., :-1].addcmul_(right, slope, value=-1)
        return pull, None


def content_energy(target: Tensor, scaling: str) -> Tensor:
    """Return what the squared distance to target features is divided by, (N or 1,)."""
    return _energy(at_least_float32(target), scaling)


def _energy(target: Tensor, scaling: str) -> Tensor:
    """Return the squared norm of each target, at least 1e-30, or the count of its numbers if the scaling is classic."""
    if scaling == "relative":
        return target.square().flatten(1).sum(1).clamp_min(1e-30)
    return target.new_full((1,), target[0].numel())


def _side_by_side(rows: list[Tensor]) -> Tensor:
    """Return (N, ·) rows joined; those for one image serve all."""
    count = max(len(row) for row in rows)
    return torch.cat([row.expand(count, -1) for row in rows], 1)


def _weighted(features: Tensor, mask: Tensor | None) -> Tensor:
    """Return the features as rows (N, h·w, C), each position weighted by the mask."""
    rows = features.flatten(2).transpose(1, 2)
    return rows if mask is None else rows * mask.flatten(2).transpose(1, 2).to(rows.dtype)


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
