"""Part-wise evidence: what each place of a picture adds to the verdict of the texture judge.

Convention: images are (N, 3, H, W) in [0, 1]. Maps are (N, 1, H, W) in log odds, positive where a place speaks for Van
Gogh and negative where it speaks against him; all places of a map add up to the verdict minus a baseline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.classifier import Classifier
from ..models.texture import TextureClassifier, TextureJudge, channel_moments, load_texture_classifier
from .maps import GRID

NODES = 16  # of the quadrature: its error is about that of float32


@dataclass(frozen=True)
class Evidence:
    """Maps (N, 1, H, W) whose sums are `log_odds` (N,) minus the number `baseline`."""

    maps: Tensor
    log_odds: Tensor
    baseline: float


def load_judge(
    find: Callable[[str, str], Path], model: Classifier, fallback: Callable[[str], object]
) -> TextureClassifier | None:
    """Return a network with the texture judge that 02 wrote for it; None, after `fallback`, if there is none.

    Args:
        find: gives the path of a stage's file, or raises FileNotFoundError.
        fallback: is called with a sentence.
    """
    try:
        return load_texture_classifier(find("02_classify", f"{model.network}_texture.pt"), model)[0]
    except (FileNotFoundError, ValueError):  # missing, or what earlier versions of 02 wrote under this name
        fallback("02 left no texture judge that this version can read, so its evidence is not shown; run 02 again.")
        return None


def evidence(classifier: TextureClassifier, images: Tensor, batch_size: int = 8) -> Evidence:
    """Return what each place adds to the log odds of its picture.

    The log odds depend on moments, and moments are means over places. So the gradients of the log odds, integrated
    along the straight line from the moments of the baseline to those of the picture, tell what each place contributes
    (Sundararajan et al. 2017, "Axiomatic attribution for deep networks", equation 1, applied to moments). Maps have
    Grad-CAM's resolution: GRID rows and columns, smoothly enlarged.
    """
    parts = [_evidence_of_batch(classifier, batch) for batch in images.split(batch_size)]
    maps, log_odds = (torch.cat(part).to(images.device) for part in zip(*parts, strict=True))
    judge = classifier.judge
    with torch.autocast(judge.center.device.type, enabled=False):
        return Evidence(maps, log_odds, judge(baseline_moments(judge)).item())


def evidence_of_groups(classifier: TextureClassifier, groups: Mapping[str, Tensor]) -> dict[str, Evidence]:
    """Return name -> evidence of each named group of images."""
    return {name: evidence(classifier, images) for name, images in groups.items()}


@torch.no_grad()
def _evidence_of_batch(classifier: TextureClassifier, images: Tensor) -> tuple[Tensor, Tensor]:
    judge = classifier.judge
    features = classifier.extractor(images.to(judge.center.device))
    with torch.autocast(judge.center.device.type, enabled=False):
        moments, start = channel_moments(features), baseline_moments(judge)
        layers = contributions(features, mean_gradients(judge, start, moments), start)
        return _add_layers(layers, images.shape[-2:])[:, None], judge(moments)


def baseline_moments(judge: TextureJudge) -> Tensor:
    """Return the moments (1, 2C) at which every statistic is the mean of the training paintings."""
    mean, deviation = judge.center.square().chunk(2)
    return torch.cat([mean, deviation.square() + mean.square()])[None]


def mean_gradients(judge: TextureJudge, start: Tensor, end: Tensor, num_nodes: int = NODES) -> Tensor:
    """Return the mean gradient (N, 2C) of the judge's log odds over the line from moments (1, 2C) to (N, 2C).

    Gauss–Legendre quadrature in u, where a place on the line is t = u⁴ (35 − 84u + 70u² − 20u³). Statistics are up to
    fourth roots of moments, and their slope has no bound where a channel is silent at one end; in u it has one.
    """
    total = torch.zeros_like(end)
    for node, weight in zip(*np.polynomial.legendre.leggauss(num_nodes), strict=True):
        u, v = (1 + node) / 2, (1 - node) / 2
        here, there = (w**4 * (35 - 84 * w + 70 * w**2 - 20 * w**3) for w in (u, v))  # here + there = 1
        with torch.enable_grad():
            point = (there * start + here * end).requires_grad_()
            (gradient,) = torch.autograd.grad(judge(point).sum(), point)
        # a channel that is silent all along the line has no slope, and contributes nothing
        total += weight / 2 * 140 * (u * v) ** 3 * gradient.nan_to_num(0, 0, 0)
    return total


def contributions(features: Mapping[str, Tensor], gradients: Tensor, start: Tensor) -> list[Tensor]:
    """Return for each layer (N, h, w): what its places contribute, compared with the baseline's moments (1, 2C)."""
    sizes = [layer.shape[1] for layer in features.values()]
    slopes = zip(*(half.split(sizes, 1) for half in gradients.chunk(2, 1)), strict=True)
    levels = zip(*(half.split(sizes, 1) for half in (gradients * start).chunk(2, 1)), strict=True)
    maps = []
    for layer, (of_mean, of_square), level in zip(features.values(), slopes, levels, strict=True):
        values = layer.float()
        local = torch.einsum("nchw,nc->nhw", values, of_mean) + torch.einsum("nchw,nc->nhw", values.square(), of_square)
        maps.append((local - torch.cat(level, 1).sum(1)[:, None, None]) / local[0].numel())
    return maps


def _add_layers(maps: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Return the sum (N, H, W) of maps of several sizes, seen at a resolution of GRID × GRID."""
    coarse = [min(GRID, side) for side in size]
    return resize(torch.stack([resize(layer, coarse) for layer in maps]).sum(0), size)


def resize(maps: Tensor, size: tuple[int, int] | list[int]) -> Tensor:
    """Return maps (N, h, w) as (N, H, W), interpolated bilinearly in such a way that each keeps its sum."""
    rows, columns = (_shares(*sides).to(maps) for sides in zip(maps.shape[1:], size, strict=True))
    return rows.T @ maps @ columns


def _shares(before: int, after: int) -> Tensor:
    """Return (before, after): which share of each old value goes to each new one; rows add up to one."""
    weights = F.interpolate(torch.eye(before)[None, None], (before, after), mode="bilinear", antialias=True)[0, 0]
    return weights / weights.sum(1, keepdim=True)
