"""Checks of maps: controls, deletion and insertion, randomised weights."""

import copy
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from .maps import GRID, _coarse, evaluating, grad_cam, scale


def random_maps(images: Tensor, seed: int = 0) -> Tensor:
    """Return maps that know nothing of the image, as smooth as Grad-CAM's."""
    noise = torch.rand(len(images), 1, GRID, GRID, generator=torch.Generator().manual_seed(seed))
    return scale(F.interpolate(noise, images.shape[-2:], mode="bilinear", align_corners=False)).to(images.device)


def edge_maps(images: Tensor) -> Tensor:
    """Return the density of edges, as smooth as Grad-CAM's: the mean gradient of the luminance around each pixel."""
    luminance = (images.float() * images.new_tensor([0.299, 0.587, 0.114]).float().view(1, 3, 1, 1)).sum(
        1, keepdim=True
    )
    rows, columns = torch.gradient(luminance, dim=(2, 3))
    return scale(_coarse(torch.hypot(rows, columns)))


def texture_mask(images: Tensor, fraction: float = 0.25) -> Tensor:
    """Return (N, 1, H, W) booleans: the `fraction` of each image with the densest edges."""
    return _ranks(edge_maps(images)) < fraction


def share_inside(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N,) the share of each map that falls inside its mask, NaN for an all-zero map, and (N,) chance.

    Chance is the mask's share of the area: what a map that knows nothing has inside on average.
    """
    masks = masks.to(maps).expand_as(maps)
    return (maps * masks).sum((1, 2, 3)) / maps.sum((1, 2, 3)), masks.mean((1, 2, 3))


def rank_correlation(maps_a: Tensor, maps_b: Tensor) -> NDArray[np.float64]:
    """Return (N,) Spearman correlations between the pixels of two maps; NaN where one of them is constant."""
    pairs = zip(maps_a.flatten(1).cpu().numpy(), maps_b.flatten(1).cpu().numpy(), strict=True)
    constant = float("nan")
    return np.array([stats.spearmanr(a, b)[0] if np.ptp(a) and np.ptp(b) else constant for a, b in pairs])


def overlap(maps_a: Tensor, maps_b: Tensor, fraction: float = 0.2) -> Tensor:
    """Return (N,) intersections over unions of the highest `fraction` of each map; chance is about f / (2 − f)."""
    top_a, top_b = _ranks(maps_a) < fraction, _ranks(maps_b, seed=1) < fraction
    return (top_a & top_b).sum((1, 2, 3)) / (top_a | top_b).sum((1, 2, 3))


def _ranks(maps: Tensor, seed: int = 0) -> Tensor:
    """Return each pixel's rank from 0 (highest) to just below 1; ties, such as zeros, fall as in `random_maps`."""
    by_chance = random_maps(maps, seed).flatten(1).argsort(dim=1, descending=True, stable=True)
    by_map = maps.flatten(1).gather(1, by_chance).argsort(dim=1, descending=True, stable=True)
    order = by_chance.gather(1, by_map)
    steps = torch.arange(order.shape[1], device=order.device) / order.shape[1]
    return torch.zeros_like(order, dtype=torch.float32).scatter_(1, order, steps.expand_as(order)).view_as(maps)


def deletion_curves(model: nn.Module, images: Tensor, maps: Tensor, num_steps: int = 10, class_idx: int = 1) -> Tensor:
    """Return (N, num_steps + 1) probs while the places that the map ranks highest are blurred away first.

    The faster the curve falls, the more the map's places matter (Petsiuk et al. 2018, "RISE", section 4.3). Blurred
    means the image at Grad-CAM's own resolution: colours and layout stay, brushwork goes.
    """
    return _perturb(model, images, _coarse(images), maps, num_steps, class_idx)


def insertion_curves(model: nn.Module, images: Tensor, maps: Tensor, num_steps: int = 10, class_idx: int = 1) -> Tensor:
    """Return (N, num_steps + 1) probs while the places that the map ranks highest appear first in a blurred image."""
    return _perturb(model, _coarse(images), images, maps, num_steps, class_idx)


@torch.no_grad()
def _perturb(model: nn.Module, start: Tensor, end: Tensor, maps: Tensor, num_steps: int, class_idx: int) -> Tensor:
    ranks, curves = _ranks(maps), []
    with evaluating(model, freeze=False):
        for step in range(num_steps + 1):
            mixed = torch.where(ranks < step / num_steps, end, start)
            probs = [model(chunk).float().softmax(1)[:, class_idx] for chunk in mixed.split(32)]
            curves.append(torch.cat(probs))
    return torch.stack(curves, dim=1)


def faithfulness(
    model: nn.Module, images: Tensor, maps: Tensor, method: str, num_steps: int = 10, class_idx: int = 1
) -> pd.DataFrame:
    """Return both curves of each image as rows: image, curve ("deletion", "insertion"), method, fraction, p."""
    frames = []
    for curve, follow in (("deletion", deletion_curves), ("insertion", insertion_curves)):
        probs = follow(model, images, maps, num_steps, class_idx).cpu().numpy()
        image, step = np.indices(probs.shape)
        frames.append(
            pd.DataFrame(
                {
                    "image": image.ravel(),
                    "curve": curve,
                    "method": method,
                    "fraction": step.ravel() / num_steps,
                    "p": probs.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def areas(curves: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with one row per image and a column (curve, method) for each area under a curve.

    Low is good for deletion, high for insertion; 1 is a curve that stays at P = 1.
    """
    groups = curves.sort_values("fraction").groupby(["image", "curve", "method"], sort=False)
    area = groups[["fraction", "p"]].apply(lambda curve: np.trapezoid(curve["p"], curve["fraction"]))
    return area.unstack(["curve", "method"])


def randomised_maps(
    model: nn.Module, images: Tensor, layers: Sequence[str], target_layer: str = "relu5_4", class_idx: int = 1
) -> dict[str, Tensor]:
    """Return layer -> maps once this layer and all before it in `layers` have lost their training.

    Cascading randomisation (Adebayo et al. 2018, "Sanity Checks for Saliency Maps"): the weights of a layer are drawn
    anew with the same spread around zero, so that what was learnt goes. Works on a copy; the model is left alone.

    Args:
        layers: names, from the output downwards.
    """
    model, generator, maps = copy.deepcopy(model), torch.Generator().manual_seed(0), {}
    for layer in layers:
        with torch.no_grad():
            for parameter in model.module_of(layer).parameters():
                spread = parameter.square().mean().sqrt().item()
                parameter.copy_(torch.empty(parameter.shape).normal_(0, spread, generator=generator))
        maps[layer] = grad_cam(model, images, target_layer, class_idx)
    return maps
