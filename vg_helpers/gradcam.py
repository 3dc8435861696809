"""Grad-CAM by hooks, and the measures that say whether a map deserves to be believed.

Convention: images are (N, 3, H, W) in [0, 1]; maps are (N, 1, H, W) float32 in [0, 1] with maximum 1, or 0 everywhere
when nothing in the layer speaks for the class. `model` gives logits and has `module_of(name)`; see models.Classifier.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 14  # resolution of the maps that VGG-19's last convolutions give of 224 pixels; baselines have the same


@contextmanager
def evaluating(model: nn.Module, freeze: bool = True) -> Iterator[nn.Module]:
    """Yield the model in evaluation mode and with frozen parameters, then restore both, module by module.

    Args:
        freeze: without gradients nothing needs freezing, and autocast keeps converted weights only of free parameters.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval()
        if freeze:
            model.requires_grad_(False)
        yield model
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def tapped(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that a forward hook fills with "activations" and a backward hook with "gradients".

    The graph starts at the layer: nothing below it takes a gradient. What goes on from there is a copy, so that a layer
    that works in place afterwards cannot change what was kept. The hook is removed in any case.
    """
    taps: dict[str, Tensor] = {}

    def keep_gradients(gradients: Tensor) -> None:
        taps["gradients"] = gradients.detach()

    def keep_activations(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        taps["activations"] = output.detach()
        leaf = output.detach().clone().requires_grad_()
        leaf.register_hook(keep_gradients)
        return leaf.clone()

    handle = module.register_forward_hook(keep_activations)
    try:
        yield taps
    finally:
        handle.remove()


def grad_cam(
    model: nn.Module,
    images: Tensor,
    target_layer: str | nn.Module = "relu5_4",
    class_idx: int | Tensor = 1,
    batch_size: int = 16,
) -> Tensor:
    """Return maps of where the layer speaks for the class: ReLU(Σ weights · activations), upsampled.

    The weights are the spatial means of the gradients of the class's logit (Selvaraju et al. 2017, "Grad-CAM",
    equations 1 and 2). The model's mode, gradients and flags are left as they were; works under autocast.

    Args:
        target_layer: a name that `model.module_of` knows, or the module itself; AlexNet's last ReLU is "relu5".
        class_idx: one class for all images, or a tensor (N,) with one for each.

    Raises:
        ValueError: if the layer has no spatial maps or was not run, or the class does not exist.
    """
    module = model.module_of(target_layer) if isinstance(target_layer, str) else target_layer
    classes = torch.as_tensor(class_idx, device=images.device).expand(len(images))
    with evaluating(model), tapped(module) as taps, torch.enable_grad():
        maps = [
            _map_of(model, chunk.detach(), chosen, taps)
            for chunk, chosen in zip(images.split(batch_size), classes.split(batch_size), strict=True)
        ]
    return torch.cat(maps)


def _map_of(model: nn.Module, images: Tensor, classes: Tensor, taps: dict[str, Tensor]) -> Tensor:
    taps.clear()
    logits = model(images)
    if "activations" not in taps or taps["activations"].ndim != 4:
        raise ValueError(
            "Grad-CAM needs a target layer that the forward pass runs and that gives (N, C, h, w) features."
        )
    if int(classes.max()) >= logits.shape[1]:
        raise ValueError(
            f"class_idx {int(classes.max())} does not exist: the model tells {logits.shape[1]} classes apart."
        )
    logits.float().gather(1, classes[:, None]).sum().backward()
    weights = taps["gradients"].float().mean((2, 3), keepdim=True)
    raw = (weights * taps["activations"].float()).sum(1, keepdim=True).relu()
    return scale(F.interpolate(raw, images.shape[-2:], mode="bilinear", align_corners=False))


def scale(maps: Tensor) -> Tensor:
    """Return maps divided by their maximum, each by its own; a map without a positive value becomes 0 everywhere."""
    peak = maps.amax((1, 2, 3), keepdim=True)
    return torch.where(peak > 0, maps / peak.where(peak > 0, torch.ones_like(peak)), torch.zeros_like(maps)).clamp(0, 1)


def content_mask(model: nn.Module, image: Tensor, target: str | nn.Module, size: int = 224) -> Tensor:
    """Return (N, 1, H, W) in [0, 1]: how much each place of a photo matters to what an ImageNet classifier sees in it.

    This is Grad-CAM of the classifier's own first choice, computed with the shorter side at `size` pixels.

    Args:
        model: takes images in [0, 1], so a torchvision network goes behind a normalising layer in an nn.Sequential.
        target: the layer to read, for example the network's `features[35]`.
    """
    height, width = image.shape[-2:]
    ratio = size / min(height, width)
    small = F.interpolate(
        image.detach(), (round(height * ratio), round(width * ratio)), mode="bilinear", antialias=True
    )
    with evaluating(model), torch.no_grad():
        first_choice = model(small).argmax(1)
    maps = grad_cam(model, small, target, first_choice)
    return scale(F.interpolate(maps, (height, width), mode="bilinear", align_corners=False))


def _coarse(x: Tensor, grid: int = GRID) -> Tensor:
    """Return x as it looks at grid × grid resolution, in its own size."""
    small = F.interpolate(x, (min(grid, x.shape[-2]), min(grid, x.shape[-1])), mode="area")
    return F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)


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
