"""Grad-CAM: where a classifier finds its evidence.

Convention: images are (N, 3, H, W) in [0, 1]; maps are (N, 1, H, W) in [0, 1], each scaled by its own maximum. Images
are moved to the model's device, maps come back on the images' own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 14  # rows and columns that VGG-19's last convolutions have left of 224 pixels; the controls get as many
LAST_RELU = {"vgg19": "relu5_4", "alexnet": "relu5"}


@contextmanager
def evaluating(model: nn.Module, freeze: bool = True) -> Iterator[nn.Module]:
    """Yield the model in evaluation mode and with frozen parameters, then restore both, module by module.

    Args:
        freeze: False leaves the parameters free: without gradients nothing needs freezing, and autocast keeps converted
            weights only of free parameters.
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
def captured(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that a forward hook fills with "activations" and a backward hook with "gradients".

    The graph starts at the layer, so nothing below it takes a gradient. The layers after it get a copy: one that works
    in place cannot change what was captured. The hook is removed in any case.
    """
    tensors: dict[str, Tensor] = {}

    def keep_gradients(gradients: Tensor) -> None:
        tensors["gradients"] = gradients.detach()

    def keep_activations(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        tensors["activations"] = output.detach()
        leaf = output.detach().clone().requires_grad_()
        leaf.register_hook(keep_gradients)
        return leaf.clone()

    handle = module.register_forward_hook(keep_activations)
    try:
        yield tensors
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
        target_layer: a name that `model.module_of` knows, or the module itself.
        class_idx: one class for all images, or a tensor (N,) with one for each.

    Raises:
        ValueError: if the layer is not run or has no spatial features, or the class does not exist.
    """
    module = model.module_of(target_layer) if isinstance(target_layer, str) else target_layer
    classes = torch.as_tensor(class_idx).expand(len(images))
    with evaluating(model), captured(module) as tensors, torch.enable_grad():
        maps = [
            _map_of(model, batch.detach(), targets, tensors)
            for batch, targets in zip(images.split(batch_size), classes.split(batch_size), strict=True)
        ]
    return torch.cat(maps)


def _map_of(model: nn.Module, images: Tensor, classes: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    tensors.clear()
    logits = model(images.to(device_of(model)))
    if "activations" not in tensors or tensors["activations"].ndim != 4:
        raise ValueError("the target layer must be run by the model and give features (N, C, h, w)")
    for index in classes.tolist():
        if not 0 <= index < logits.shape[1]:
            raise ValueError(f"class_idx {index} does not exist; the model has the classes 0 to {logits.shape[1] - 1}")
    logits.float().gather(1, classes.to(logits.device)[:, None]).sum().backward()
    weights = tensors["gradients"].float().mean((2, 3), keepdim=True)
    raw = (weights * tensors["activations"].float()).sum(1, keepdim=True).relu()
    return scale(F.interpolate(raw, images.shape[-2:], mode="bilinear", align_corners=False)).to(images.device)


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model's parameters; the CPU if it has none."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def scale(maps: Tensor) -> Tensor:
    """Return maps divided by their maximum, each by its own; a map without a positive value becomes 0 everywhere."""
    peak = maps.amax((1, 2, 3), keepdim=True)
    return torch.where(peak > 0, maps / peak.where(peak > 0, torch.ones_like(peak)), torch.zeros_like(maps)).clamp(0, 1)


def coarse(images: Tensor) -> Tensor:
    """Return images as they look at a resolution of GRID × GRID, in their own size."""
    small = F.interpolate(images, [min(GRID, side) for side in images.shape[-2:]], mode="area")
    return F.interpolate(small, images.shape[-2:], mode="bilinear", align_corners=False)


def maps_of_groups(model: nn.Module, groups: Mapping[str, Tensor], target_layer: str) -> dict[str, Tensor]:
    """Return name -> Grad-CAM maps for van_gogh of each named group of images."""
    return {name: grad_cam(model, images, target_layer) for name, images in groups.items()}


def content_mask(model: nn.Module, image: Tensor, target: str | nn.Module, size: int = 224) -> Tensor:
    """Return (N, 1, H, W) in [0, 1]: how much each place of a photo matters to the class that the model ranks first.

    Args:
        model: takes images in [0, 1], like a `Classifier` with all classes of ImageNet.
        target: the layer to read, for example "relu5_4".
        size: the shorter side, in pixels, at which the map is computed.
    """
    height, width = image.shape[-2:]
    ratio = size / min(height, width)
    shape = (round(height * ratio), round(width * ratio))
    small = F.interpolate(image.detach(), shape, mode="bilinear", antialias=True)
    with evaluating(model), torch.no_grad():
        first_choice = model(small.to(device_of(model))).argmax(1)
    maps = grad_cam(model, small, target, first_choice)
    return scale(F.interpolate(maps, (height, width), mode="bilinear", align_corners=False))
