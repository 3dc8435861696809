"""What each style loss aims at: from photos, paintings and masks to the terms of the loss.

A term is a function from layer name -> features to a loss (N,). Convention: without masks there is one term, whose
target mixes the styles by their shares; with masks each style has a term of its own, which counts by the mask's share
of the picture, so that a pixel is pulled as strongly as without a mask.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import Features
from .inputs import Inputs
from .losses import StyleTerm, at_least_float32, gram_matrix
from .neighbours import NeighbourTerm, nearest_features
from .wasserstein import Gaussian, WassersteinTerm, barycenter, gaussian_of

LOSSES = ("gram", "wasserstein", "neighbours")
DEEPEST = 2  # style layers whose features have neighbours, unless the parameters name some
Term = Callable[[dict[str, Tensor]], Tensor]
Grams = dict[str, Tensor]


def style_terms(
    inputs: Inputs, photo: dict[str, Tensor], features: Features, layers: dict[str, float], params: Any
) -> list[Term]:
    """Return the terms of the loss that `params`, StyleParams, name.

    Args:
        photo: the photo's features.
        layers: the weight of each style layer.
    """
    build = {"gram": _gram_terms, "wasserstein": _wasserstein_terms, "neighbours": _neighbour_terms}[params.loss]
    return build(inputs, photo, features, layers, params)


def _gram_terms(
    inputs: Inputs, photo: dict[str, Tensor], features: Features, layers: dict[str, float], params: Any
) -> list[Term]:
    photos = photo_parts(inputs, partial(_grams, photo, layers))
    styles = [
        _grams(features(style), layers, region)
        for style, region in zip(inputs.styles, inputs.regions_or_none(), strict=True)
    ]
    return gram_terms(inputs, photo, photos, styles, layers, params)


def photo_parts(inputs: Inputs, measure: Callable[[Tensor | None], Any]) -> list[Any]:
    """Return what `measure` says of the part of the photo that each style replaces: its mask, or everything."""
    if inputs.masks is None:
        return [measure(None)] * len(inputs.styles)
    return [measure(mask) for mask in inputs.masks]


def gram_terms(
    inputs: Inputs,
    photo: dict[str, Tensor],
    photos: Sequence[Grams],
    styles: Sequence[Grams],
    layers: dict[str, float],
    params: Any,
) -> list[StyleTerm]:
    """Return the terms of the Gram loss from the photo's and the styles' Gram matrices.

    Args:
        photo: features, or tensors of their shapes.
        photos: of `photo_parts`.
    """
    grams = [_mixed_grams(part, style, params.strength) for part, style in zip(photos, styles, strict=True)]
    if inputs.masks is None:
        shares = inputs.shares()
        grams = [{name: sum(s * gram[name] for s, gram in zip(shares, grams, strict=True)) for name in grams[0]}]
    return [
        StyleTerm(photo, gram, weights, scaling=params.scaling, mask=mask)
        for gram, (weights, mask) in zip(grams, _pulls(inputs, layers), strict=True)
    ]


def _wasserstein_terms(
    inputs: Inputs, photo: dict[str, Tensor], features: Features, layers: dict[str, float], params: Any
) -> list[Term]:
    """Return one term, or one for each mask; strength and blend mix Gaussians to their barycentre."""
    if params.strength == 0:  # the photo is its own target; rounding alone would move it
        return [_nothing]
    photos, styles = photo_parts(inputs, partial(_gaussians, photo, layers)), []
    for style, region in zip(inputs.styles, inputs.regions_or_none(), strict=True):
        styles.append(_gaussians(features(style), layers, region))
    groups = [[style] for style in styles] if inputs.masks is not None else [styles]
    shares = [[1.0]] * len(styles) if inputs.masks is not None else [inputs.shares()]
    terms = []
    pulls = _pulls(inputs, layers)
    for part, group, parts, (weights, mask) in zip(photos[: len(pulls)], groups, shares, pulls, strict=True):
        mixed = [1 - params.strength, *(params.strength * part for part in parts)]
        targets = {name: barycenter([part[name], *(style[name] for style in group)], mixed) for name in layers}
        terms.append(WassersteinTerm(photo, targets, weights, scaling=params.scaling, mask=mask))
    return terms


def _nothing(features: dict[str, Tensor]) -> Tensor:
    """Return a loss of 0 for each image."""
    first = next(iter(features.values()))
    return first.new_zeros(len(first), dtype=torch.promote_types(first.dtype, torch.float32))


def _neighbour_terms(
    inputs: Inputs, photo: dict[str, Tensor], features: Features, layers: dict[str, float], params: Any
) -> list[Term]:
    """Return one term, or one for each mask; strength and blend mix the photo's features with the replaced ones."""
    replaced = []
    for number, (style, region) in enumerate(zip(inputs.styles, inputs.regions_or_none(), strict=True)):
        painting = features(style)
        replaced.append(
            {
                name: at_least_float32(photo[name]).lerp(
                    nearest_features(
                        photo[name],
                        painting[name],
                        _small(inputs.masks and inputs.masks[number], photo[name]),
                        _small(region, painting[name]),
                    ),
                    params.strength,
                )
                for name in layers
            }
        )
    if inputs.masks is None:
        shares = inputs.shares()
        replaced = [{name: sum(s * style[name] for s, style in zip(shares, replaced, strict=True)) for name in layers}]
    return [
        NeighbourTerm(targets, weights, scaling=params.scaling, mask=mask)
        for targets, (weights, mask) in zip(replaced, _pulls(inputs, layers), strict=True)
    ]


def _pulls(inputs: Inputs, layers: dict[str, float]) -> list[tuple[dict[str, float | Tensor], Tensor | None]]:
    """Return the weights of the layers and the mask of each term."""
    if inputs.masks is None:
        return [(layers, None)]
    return [
        ({name: weight * share * mask.mean((1, 2, 3)) for name, weight in layers.items()}, mask)
        for mask, share in zip(inputs.masks, inputs.blend, strict=True)
    ]


def _grams(features: dict[str, Tensor], layers: Iterable[str], region: Tensor | None = None) -> Grams:
    return {name: gram_matrix(features[name], _small(region, features[name])) for name in layers}


def _mixed_grams(photo: Grams, style: Grams, strength: float) -> Grams:
    """Return layer -> Gram matrix, `strength` of the way from the photo's to the style's."""
    return {name: gram.lerp(style[name], strength) for name, gram in photo.items()}


def _gaussians(features: dict[str, Tensor], layers: Iterable[str], region: Tensor | None = None) -> dict[str, Gaussian]:
    return {name: gaussian_of(features[name], _small(region, features[name])) for name in layers}


def _small(mask: Tensor | None, features: Tensor) -> Tensor | None:
    """Return the mask at the size of the features."""
    return None if mask is None else F.interpolate(mask, features.shape[2:], mode="area")
