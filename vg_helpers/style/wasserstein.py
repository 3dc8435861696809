"""The squared 2-Wasserstein distance between Gaussians fitted to features, as a style loss.

‖μ − μ*‖² + tr Σ + tr Σ* − 2 tr (R Σ R)^½ with R = Σ*^½ (Dowson and Landau 1982, "The Fréchet distance between
multivariate normal distributions"). Convention: features are (N, C, h, w), means (N, C), covariances (N, C, C).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .losses import at_least_float32

RIDGE = 0.01  # of the target's mean variance, added to all variances: float32 cannot tell smaller ones from 0
ROUNDS = 30  # of the iteration for a barycentre, at most
SETTLED = 1e-5  # relative change of a barycentre that ends the iteration


class Gaussian(NamedTuple):
    """Mean (N, C) and covariance (N, C, C) of features over positions."""

    mean: Tensor
    covariance: Tensor


def gaussian_of(features: Tensor, mask: Tensor | None = None) -> Gaussian:
    """Return the Gaussian that fits the features; with a mask (N or 1, 1, h, w) each position counts by its weight.

    >>> gaussian_of(torch.tensor([[[[1.0, 3.0]]]])).covariance
    tensor([[[1.]]])
    """
    mean, centred, shares = _centre(features, mask)
    return Gaussian(mean, centred.transpose(1, 2) @ (centred * shares))


def barycenter(gaussians: Sequence[Gaussian], shares: Sequence[float]) -> Gaussian:
    """Return the Gaussian with the least weighted sum of squared Wasserstein distances to those given.

    That of one Gaussian is itself, and of two it lies on the shortest way between them. The covariance is the fixed
    point of Álvarez-Esteban et al. 2016, "A fixed-point approach to barycenters in Wasserstein space".

    Args:
        shares: sum to 1.
    """
    parts = [(share, gaussian) for share, gaussian in zip(shares, gaussians, strict=True) if share]
    mean = sum(share * gaussian.mean for share, gaussian in parts)
    if len(parts) == 1:
        return Gaussian(mean, parts[0][1].covariance)
    like = parts[0][1].covariance
    exact = [(share, gaussian.covariance.cpu().double()) for share, gaussian in parts]  # float32 may overflow
    covariances = [(share, with_ridge(covariance, covariance)) for share, covariance in exact]
    ridge = sum(share * (ridged - plain) for (share, ridged), (_, plain) in zip(covariances, exact, strict=True))
    middle = covariances[0][1]  # from one of two Gaussians, the first step leads to their barycentre
    for _ in range(1 if len(parts) == 2 else ROUNDS):
        values, vectors = eigh(middle)
        root, inverse = (_rebuild(values.clamp_min(1e-30) ** power, vectors) for power in (0.5, -0.5))
        roots = sum(share * square_root(root @ covariance @ root) for share, covariance in covariances)
        before, middle = middle, inverse @ roots @ roots @ inverse
        if (middle - before).norm() < SETTLED * middle.norm():
            break
    return Gaussian(mean, (middle - ridge).to(like))


def square_root(matrices: Tensor) -> Tensor:
    """Return the symmetric square roots of positive matrices (N, C, C)."""
    values, vectors = eigh(matrices)
    return _rebuild(values.clamp_min(0).sqrt(), vectors)


def with_ridge(covariance: Tensor, target: Tensor) -> Tensor:
    """Return the covariance with RIDGE of the target's mean variance on its diagonal."""
    variance = target.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-20)
    return covariance + RIDGE * torch.diag_embed(variance[:, None].expand(-1, covariance.shape[1]))


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues (N, C) and eigenvectors (N, C, C) of symmetric matrices, those of 0 where numbers overflowed.

    Float64 takes over where the iteration does not converge in float32. On Apple's GPUs, for which torch has no such
    function, the CPU computes them.
    """
    even = torch.nan_to_num((matrices + matrices.transpose(1, 2)) / 2, nan=0.0, posinf=0.0, neginf=0.0)
    even = even.cpu() if even.device.type == "mps" else even
    try:
        pair = torch.linalg.eigh(even)
    except torch.linalg.LinAlgError:
        pair = None
    if pair is None or not all(part.isfinite().all() for part in pair):
        pair = torch.linalg.eigh(even.double())
    return tuple(part.to(matrices) for part in pair)


def wasserstein_loss(
    features: Tensor, target: Gaussian, *, scaling: str = "relative", mask: Tensor | None = None
) -> Tensor:
    """Return the squared 2-Wasserstein distance (N,) between the Gaussians of the features and the target.

    "relative" divides by the target's mean squared feature (0 is the same Gaussian, 1 is as far as a black image);
    "classic" by the number of channels.

    >>> black, target = torch.zeros(1, 1, 2, 2), Gaussian(torch.tensor([[3.0]]), torch.tensor([[[16.0]]]))
    >>> wasserstein_loss(black, target).round(decimals=1)  # (3² + 4²) / (3² + 4²), but for the ridge
    tensor([0.9000])
    """
    term = WassersteinTerm({"": features}, {"": target}, {"": 1.0}, scaling=scaling, mask=mask)
    return term({"": features})


class WassersteinTerm:
    """The weighted sum over layers of `wasserstein_loss`; the square roots of the targets are computed once."""

    def __init__(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Gaussian],
        weights: dict[str, float | Tensor],
        *,
        scaling: str = "relative",
        mask: Tensor | None = None,
    ) -> None:
        """Prepare for features of these shapes; arguments as for `losses.StyleTerm`."""
        self.parts = {}
        for name, weight in weights.items():
            mean, covariance = targets[name]
            small = None if mask is None else F.interpolate(mask, features[name].shape[2:], mode="area")
            trace, ridged = _trace(covariance), with_ridge(covariance, covariance)
            energy = mean.square().sum(1) + trace if scaling == "relative" else trace.new_full((1,), mean.shape[1])
            ridge = (_trace(ridged) - trace) / mean.shape[1]
            goal = mean, square_root(ridged), _trace(ridged), ridge
            self.parts[name] = small, goal, weight / energy.clamp_min(1e-30)

    def __call__(self, features: dict[str, Tensor]) -> Tensor:
        """Return the loss (N,)."""
        return sum(
            slope * _Wasserstein.apply(features[name], mask, *goal) for name, (mask, goal, slope) in self.parts.items()
        )


class _Wasserstein(torch.autograd.Function):
    """The distance (N,) to a Gaussian of this mean, square root of the covariance, and trace.

    Its gradient needs no derivative of an eigenvector: a feature x moves to where the optimal transport takes it,
    μ* + T·(x − μ) with T = R (R Σ R)^-½ R.
    """

    @staticmethod
    def forward(
        ctx, features: Tensor, mask: Tensor | None, mean: Tensor, root: Tensor, trace: Tensor, ridge: Tensor
    ) -> Tensor:
        own_mean, centred, shares = _centre(features, mask)
        covariance = centred.transpose(1, 2) @ (centred * shares)
        covariance.diagonal(dim1=1, dim2=2).add_(ridge[:, None])
        values, vectors = eigh(root @ covariance @ root)
        roots = values.clamp_min(0).sqrt()
        least = (ridge[:, None] * 0.1).clamp_min(1e-30)  # the exact ones are at least the ridge, if the target's are
        transport = root @ _rebuild(1 / torch.maximum(roots, least), vectors) @ root
        shift = own_mean - mean
        ctx.save_for_backward(centred, shares, transport, shift)
        ctx.shape, ctx.dtype = features.shape, features.dtype
        return shift.square().sum(1) + _trace(covariance) + trace - 2 * roots.sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        centred, shares, transport, shift = ctx.saved_tensors
        pull = (centred - centred @ transport + shift[:, None]) * (2 * grad.view(-1, 1, 1) * shares)
        return pull.to(ctx.dtype).transpose(1, 2).unflatten(2, ctx.shape[2:]), *[None] * 5


def _centre(features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (N, C), features without it as rows (N, h·w, C), and the share (N or 1, h·w, 1) of each position."""
    rows = at_least_float32(features).flatten(2).transpose(1, 2)
    if mask is None:
        shares = rows.new_full((1, rows.shape[1], 1), 1 / rows.shape[1])
    else:
        weights = at_least_float32(mask).to(rows.dtype).flatten(2).transpose(1, 2)
        shares = weights / weights.sum(1, keepdim=True).clamp_min(1e-6)
    mean = (rows * shares).sum(1)
    return mean, rows - mean[:, None], shares


def _rebuild(values: Tensor, vectors: Tensor) -> Tensor:
    """Return the symmetric matrices (N, C, C) with these eigenvalues and eigenvectors."""
    return (vectors * values[:, None]) @ vectors.transpose(1, 2)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)
