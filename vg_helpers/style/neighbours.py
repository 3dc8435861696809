"""A style loss of nearest neighbours: each of the photo's features is replaced by the painting's most similar one.

After Kolkin et al. 2022, "Neural neighbor style transfer" (arXiv:2203.13215): similar means the least angle, once the
mean of each picture's features is taken away. Convention: features are (N, C, h, w), masks (N or 1, 1, h, w).
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .losses import at_least_float32

CHUNK = 2**24  # cosines held at a time
INSIDE = 0.5  # of a mask's highest value: what lies below counts as outside


def nearest_features(photo: Tensor, style: Tensor, mask: Tensor | None = None, region: Tensor | None = None) -> Tensor:
    """Return the photo's features (N, C, h, w), each replaced by the style's most similar one.

    Args:
        style: (N or 1, C, any, any).
        mask: where in the photo the style applies; only this part decides the photo's mean.
        region: the part of the style's positions that may be taken.

    >>> photo, style = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[10.0, 30.0, 50.0]]]])
    >>> nearest_features(photo, style)  # below the mean becomes below the mean
    tensor([[[[10., 50.]]]])
    """
    replaced = []
    for number, features in enumerate(at_least_float32(photo)):
        keys = at_least_float32(style[number % len(style)]).flatten(1).t()
        if region is not None:
            inside = region[number % len(region)].flatten()
            keys = keys[inside >= INSIDE * inside.max()]
        weights = None if mask is None else mask[number % len(mask)].to(features.dtype).flatten()
        queries = features.flatten(1).t()
        nearest = _nearest(_directions(queries, weights), _directions(keys, None))
        replaced.append(keys[nearest].t().unflatten(1, features.shape[1:]))
    return torch.stack(replaced)


def _directions(rows: Tensor, weights: Tensor | None) -> Tensor:
    """Return the rows (P, C) without their weighted mean, scaled to length 1."""
    shares = rows.new_full((len(rows),), 1 / len(rows)) if weights is None else weights / weights.sum().clamp_min(1e-6)
    return F.normalize(rows - shares @ rows, dim=1)


def _nearest(queries: Tensor, keys: Tensor) -> Tensor:
    """Return for each query (Q, C) the index of the key (K, C) with the largest product."""
    parts = queries.split(max(1, CHUNK // len(keys)))
    return torch.cat([(part @ keys.t()).argmax(1) for part in parts])


class NeighbourTerm:
    """The weighted sum over layers of the squared distance to replaced features, as `content_loss` scales it."""

    def __init__(
        self,
        targets: dict[str, Tensor],
        weights: dict[str, float | Tensor],
        *,
        scaling: str = "relative",
        mask: Tensor | None = None,
    ) -> None:
        """Prepare for these targets.

        Args:
            targets: features (N, C, h, w) by layer.
            weights: by layer, one for all images or (N or 1,).
            mask: (N or 1, 1, H, W) of any size; each position counts by its weight.
        """
        self.parts = {}
        for name, weight in weights.items():
            target = targets[name]
            share = target.new_ones(1, 1, 1, 1)
            if mask is not None:
                share = F.interpolate(mask.to(target.dtype), target.shape[2:], mode="area")
            size = target.square() if scaling == "relative" else torch.ones_like(target)
            energy = (share * size).sum((1, 2, 3)).clamp_min(1e-30)
            self.parts[name] = target, share * (weight / energy).view(-1, 1, 1, 1)

    def __call__(self, features: dict[str, Tensor]) -> Tensor:
        """Return the loss (N,)."""
        return sum(_Distance.apply(features[name], *part) for name, part in self.parts.items())


class _Distance(torch.autograd.Function):
    """Σ slope · (F − F*)² (N,), with the gradient in the features' precision."""

    @staticmethod
    def forward(ctx, features: Tensor, target: Tensor, slope: Tensor) -> Tensor:
        difference = at_least_float32(features) - target
        pull = difference * slope
        ctx.save_for_backward(pull)
        ctx.dtype = features.dtype
        return (pull * difference).sum((1, 2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (pull,) = ctx.saved_tensors
        return (pull * (2 * grad).view(-1, 1, 1, 1)).to(ctx.dtype), None, None
