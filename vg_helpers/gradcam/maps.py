"""Grad-CAM: where a classifier finds its evidence."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
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
