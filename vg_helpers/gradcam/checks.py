"""Can a map be believed? Controls, agreement, texture, deletion and insertion, randomised weights.

Convention: images and maps are as in `maps`; a value per image comes as a NumPy array, NaN where it is not defined.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

from ..models.texture import TextureClassifier
from .maps import GRID, coarse, device_of, evaluating, grad_cam, scale

TOP = 0.2  # the share of a map's area, highest first, whose overlap is compared
CHANCE_OVERLAP = TOP / (2 - TOP)  # the intersection over union that two unrelated maps have
TEXTURE = 0.25  # the share of an image, densest edges first, that counts as texture


def random_maps(images: Tensor, seed: int = 0) -> Tensor:
    """Return maps that know nothing of the images, as smooth as Grad-CAM's."""
    noise = torch.rand(len(images), 1, GRID, GRID, generator=torch.Generator().manual_seed(seed))
    return scale(F.interpolate(noise, images.shape[-2:], mode="bilinear", align_corners=False)).to(images.device)


def edge_maps(images: Tensor) -> Tensor:
    """Return the density of edges, as smooth as Grad-CAM's: the mean gradient of the luminance around each pixel."""
    rows, columns = torch.gradient(rgb_to_grayscale(images.float()), dim=(2, 3))
    return scale(coarse(torch.hypot(rows, columns)))


def texture_mask(images: Tensor) -> Tensor:
    """Return (N, 1, H, W) booleans: the part TEXTURE of each image with the densest edges."""
    return _ranks(edge_maps(images)) < TEXTURE


def share_inside(maps: Tensor, masks: Tensor) -> NDArray[np.float64]:
    """Return (N,) the share of each map that falls inside its mask, NaN for an all-zero map."""
    maps = maps.double()
    return ((maps * masks).sum((1, 2, 3)) / maps.sum((1, 2, 3))).cpu().numpy()


def shares_inside(maps: Tensor, masks: Tensor) -> pd.DataFrame:
    """Return for each image the share inside its mask of "own map", "other map" and "chance".

    The other map is that of the image before: it shares the biases of all maps, for example towards the centre. Chance
    is the mask's share of the area, which an uninformative map would have inside on average.
    """
    shares = {"own map": share_inside(maps, masks), "other map": share_inside(maps.roll(1, 0), masks)}
    return pd.DataFrame({**shares, "chance": masks.double().mean((1, 2, 3)).cpu().numpy()})


def rank_correlation(maps_a: Tensor, maps_b: Tensor) -> NDArray[np.float64]:
    """Return (N,) Spearman correlations between the pixels of two maps; NaN if one of them is constant."""
    pairs = zip(maps_a.flatten(1).cpu().numpy(), maps_b.flatten(1).cpu().numpy(), strict=True)
    return np.array([stats.spearmanr(a, b)[0] if np.ptp(a) and np.ptp(b) else np.nan for a, b in pairs])


def overlap(maps_a: Tensor, maps_b: Tensor) -> NDArray[np.float64]:
    """Return (N,) intersections over unions of the highest part TOP of each map."""
    top_a, top_b = _ranks(maps_a) < TOP, _ranks(maps_b, seed=1) < TOP
    return ((top_a & top_b).sum((1, 2, 3)) / (top_a | top_b).sum((1, 2, 3))).cpu().numpy()


def agreement(maps_a: Tensor, maps_b: Tensor) -> pd.DataFrame:
    """Return for each image the rank correlation of two maps, their overlap, and the overlap minus chance."""
    shared = overlap(maps_a, maps_b)
    correlation = rank_correlation(maps_a, maps_b)
    return pd.DataFrame({"correlation": correlation, "overlap": shared, "above chance": shared - CHANCE_OVERLAP})


def _ranks(maps: Tensor, seed: int = 0) -> Tensor:
    """Return each pixel's rank from 0 (highest) to just below 1; ties such as zeros fall as in `random_maps`."""
    by_chance = random_maps(maps, seed).flatten(1).argsort(dim=1, descending=True, stable=True)
    by_map = maps.flatten(1).gather(1, by_chance).argsort(dim=1, descending=True, stable=True)
    order = by_chance.gather(1, by_map)
    steps = torch.arange(order.shape[1], device=order.device) / order.shape[1]
    return torch.zeros_like(order, dtype=torch.float32).scatter_(1, order, steps.expand_as(order)).view_as(maps)


@torch.no_grad()
def probs_by_judge(model: nn.Module, images: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return P(van_gogh) (N,) by the "network" and, if the model is a `TextureClassifier`, by its "texture" judge."""
    device, probs = device_of(model), []
    with evaluating(model, freeze=False):
        for batch in images.split(32):
            output = model(batch.to(device))
            logits, moments = output if isinstance(model, TextureClassifier) else (output, None)
            probs.append({"network": logits.float().softmax(1)[:, 1].cpu()})
            if moments is not None:
                with torch.autocast(device.type, enabled=False):
                    probs[-1]["texture"] = model.judge(moments).sigmoid().cpu()
    return {judge: torch.cat([part[judge] for part in probs]).double().numpy() for judge in probs[0]}


def faithfulness(
    model: nn.Module,
    images: Tensor,
    maps: Mapping[str, Tensor],
    num_steps: int = 10,
    on_curve: Callable[[], object] | None = None,
) -> pd.DataFrame:
    """Return P(van_gogh) along both curves: columns judge (see `probs_by_judge`), image, curve, method, fraction, p.

    In "deletion" the places that a map ranks highest are blurred away first: the faster the curve falls, the more these
    places matter. In "insertion" they appear first in a blurred image (Petsiuk et al. 2018, "RISE", section 4.3).
    Blurred means the image at Grad-CAM's own resolution: colours and layout stay, brushwork goes.

    Args:
        maps: by method.
        on_curve: called after each of the two curves of a method.
    """
    blurred, frames = coarse(images), []
    whole, rest = (probs_by_judge(model, pictures) for pictures in (images, blurred))  # the same for all maps
    ends = {"deletion": (images, blurred, whole, rest), "insertion": (blurred, images, rest, whole)}
    for method, ranked in maps.items():
        ranks = _ranks(ranked)
        for curve, (start, end, first, last) in ends.items():
            steps = (torch.where(ranks < step / num_steps, end, start) for step in range(1, num_steps))
            for step, probs in enumerate([first, *(probs_by_judge(model, mixed) for mixed in steps), last]):
                rows = pd.DataFrame(probs).rename_axis("image").reset_index().melt("image", None, "judge", "p")
                frames.append(rows.assign(curve=curve, method=method, fraction=step / num_steps))
            if on_curve:
                on_curve()
    return pd.concat(frames, ignore_index=True)


def mean_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the mean p at each fraction, with a 95 % interval (low, high) within [0, 1], of what `faithfulness` gives.

    The interval is normal, 1.96 standard errors, as a band around a curve.
    """
    groups = curves.groupby(["judge", "curve", "method", "fraction"], sort=False)["p"]
    spread = groups.agg(["mean", "sem"]).reset_index()
    margin = 1.96 * spread["sem"]
    low, high = (spread["mean"] - margin).clip(0), (spread["mean"] + margin).clip(0, 1)
    return spread.assign(p=spread["mean"], low=low, high=high)


def areas(curves: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by judge a frame with one row per image and a column (curve, method) for each area under a curve.

    Low is good for deletion, high for insertion; 1 is a curve that stays at P = 1.
    """
    groups = curves.sort_values("fraction").groupby(["judge", "image", "curve", "method"], sort=False)
    area = groups[["fraction", "p"]].apply(lambda curve: np.trapezoid(curve["p"], curve["fraction"]))
    return {judge: rows.droplevel("judge").unstack(["curve", "method"]) for judge, rows in area.groupby("judge")}


def randomised_maps(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    target_layer: str = "relu5_4",
    on_layer: Callable[[], object] | None = None,
) -> dict[str, Tensor]:
    """Return layer -> maps once this layer and all before it in `layers` have lost their training.

    Cascading randomisation (Adebayo et al. 2018, "Sanity Checks for Saliency Maps"): the weights of a layer are drawn
    anew around zero with the same spread, so that what was learnt is lost. Works on a copy; the model is left alone.

    Args:
        layers: names, from the output downwards.
        on_layer: called after each layer.
    """
    model, generator, maps = copy.deepcopy(model), torch.Generator().manual_seed(0), {}
    for layer in layers:
        with torch.no_grad():
            for parameter in model.module_of(layer).parameters():
                spread = parameter.square().mean().sqrt().item()
                parameter.copy_(torch.empty(parameter.shape).normal_(0, spread, generator=generator))
        maps[layer] = grad_cam(model, images, target_layer)
        if on_layer:
            on_layer()
    return maps


def similarity_left(maps: Tensor, randomised: Mapping[str, Tensor]) -> pd.DataFrame:
    """Return for each image (row) the rank correlation of its map to those after each randomised layer (column).

    A map that has vanished has a correlation of 0: nothing of it is left.
    """
    return pd.DataFrame({layer: rank_correlation(maps, after) for layer, after in randomised.items()}).fillna(0)
