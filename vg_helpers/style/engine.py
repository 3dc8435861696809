"""Style transfer after Gatys, Ecker and Bethge (CVPR 2016): Gram losses, StyleParams, stylize.

Convention: images are (N, 3, H, W) float tensors in [0, 1], RGB; losses come one per image, shape (N,). An extractor is
any module that turns images into a dict of layer name -> features (N, C, h, w), and lists those names in `.layers`.
Convolutions run in the precision that the device does fast; Gram matrices, losses, image and optimiser are float32.
"""

import copy
import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..device import fast_dtype
from ..files import fingerprint
from ..models.weights import Weights
from .checks import Features, check_inputs, check_memory, free_memory, memory_errors, needed_memory
from .convolutions import BlockConv2d, WinogradConv2d, winograd_pays
from .losses import _at_least_float32, content_loss, gram_matrix, style_loss, total_variation
from .optimize import Objective, OnStep, Run, Watch, optimise
from .pixels import add_frame, keep_luminance_only, match_colors, resize, scaled_size
from .start import start_image

VERSION = 4  # of the pixels: raised whenever the same settings paint something else, so that kept pictures are redone


@dataclass(frozen=True)
class StyleParams:
    """Everything that decides what a stylised image looks like, besides the images and the network.

    Args:
        content_weight, style_weight: α and β. With scaling "relative" each layer's loss is divided by its target's
            energy, so that both are of order 1 to 100 at every size and for every network; "classic" is the plain mean
            squared error of features and of Gram matrices divided by C·H·W.
        tv_weight: counts times the stride of the network's first convolution: between the places that AlexNet looks at
            nothing but total variation holds noise down.
        content_layer, style_layers: None takes the extractor's last named layer, and all its others.
        strength: how far the way goes from the photo's own Gram matrices (0) to the style's (1).
        layer_weights: one per style layer, made to add up to 1; None weighs them equally.
        optimizer: "adam", or "lbfgs" (lr is then a fraction of the quasi-Newton step; 1 is usual).
        start: "content", "style" (the photo in the style's colours), "patches" (it is made of the style's patches) or
            "noise". What is masked, or of little strength, stays or half stays the photo.
        colors: "style", or the photo's own: "luminance" transfers brightness alone, "histogram" first gives the style
            image the photo's mean and covariance.
        coarse: (fraction of the size, steps) pairs that run before the num_steps at full size.
        plateau: stop when the total loss fell by less than this fraction over 20 steps; 0 never stops early.
        frame: pixels painted beyond each border and cut off in the end; counts times the same stride.
        precision: "auto" (what the device does fast), "float32" or "bfloat16", for the convolutions.
        low_memory: recompute activations in the backward pass, if the extractor has a `checkpointing` switch; None
            does so only where they would not fit into the memory that is free.
    """

    content_weight: float = 1.0
    style_weight: float = 20.0
    tv_weight: float = 10.0
    strength: float = 1.0
    num_steps: int = 200
    lr: float = 0.02
    optimizer: str = "adam"
    scaling: str = "relative"
    content_layer: str | None = None
    style_layers: tuple[str, ...] | None = None
    layer_weights: tuple[float, ...] | None = None
    start: str = "content"
    colors: str = "style"
    coarse: tuple[tuple[float, int], ...] = ()
    plateau: float = 0.0
    frame: int = 4
    precision: str = "auto"
    low_memory: bool | None = False
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {
            "optimizer": ("adam", "lbfgs"),
            "scaling": ("relative", "classic"),
            "start": ("content", "style", "patches", "noise"),
            "colors": ("style", "luminance", "histogram"),
            "precision": ("auto", "float32", "bfloat16"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; choose {', '.join(allowed)}")
        for name in ("content_weight", "style_weight", "tv_weight", "plateau"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or a positive number")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength={self.strength} must be from 0 (the photo) to 1 (the style)")
        if min(self.num_steps, self.frame) < 0 or not self.lr > 0:
            raise ValueError(f"num_steps={self.num_steps}, frame={self.frame} must be 0 or more, lr={self.lr} above 0")


def params_for(weights: Weights) -> dict[str, Any]:
    """Return the fields of StyleParams that should differ from their defaults for a network with these weights.

    The embedded weights keep too much of the photo's colours, know too little of brushstrokes, and stipple flat areas
    if they pull for long or hard.
    """
    return {"start": "patches", "tv_weight": 50.0, "lr": 0.01} if weights.source == "embedded" else {}


@dataclass(frozen=True)
class StyleResult:
    """A stylised image (N, 3, H, W), its losses per step, and how it was made.

    `losses` is a frame with the columns pair, step, height, content, style, tv (unweighted) and total (weighted), each
    measured before the step was taken. `steps` counts the steps of each pair.
    """

    image: Tensor
    losses: pd.DataFrame
    settings: dict[str, object]
    seconds: float
    steps: tuple[int, ...]


def prepare(extractor: nn.Module, device: torch.device, precision: str = "auto", low_memory: bool = False) -> Features:
    """Return a frozen copy of the extractor as a function of images.

    Its convolutions have the precision, the memory layout and the form (`convolutions`) that are fast on the device.
    The first one continues the image beyond the border instead of surrounding it with zeros.
    """
    dtype = fast_dtype(device) if precision == "auto" else getattr(torch, precision)
    net = copy.deepcopy(extractor).to(device).requires_grad_(False).eval()
    if low_memory:
        if not hasattr(net, "checkpointing"):
            raise ValueError("low_memory=True needs an extractor with a `checkpointing` switch; leave low_memory out")
        net.checkpointing = True
    fewer_products = winograd_pays(device, dtype)
    for number, (name, module) in enumerate(_convolutions(net)):
        module.to(dtype=dtype if dtype == torch.bfloat16 else None, memory_format=torch.channels_last)
        if number == 0:
            module.padding_mode = "replicate"  # zeros around the image would be painted as a frame
        if BlockConv2d.can_be(module):
            net.set_submodule(name, BlockConv2d(module))
        elif fewer_products and WinogradConv2d.can_be(module):
            net.set_submodule(name, WinogradConv2d(module))

    def features(images: Tensor) -> dict[str, Tensor]:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            return net(images)

    return features


def _convolutions(net: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    return [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]


def build_objective(
    content_image: Tensor,
    styles: Sequence[Tensor],
    features: Features,
    params: StyleParams,
    *,
    blend: Sequence[float] | None = None,
    masks: Sequence[Tensor] | None = None,
) -> Objective:
    """Return the function image -> losses, each (N,), with all targets computed once.

    Without masks the styles' Gram matrices are blended into one target. With masks each style pulls where its mask
    says; its term counts by the mask's share of the picture, so that a pixel is pulled as strongly as without a mask.
    Total variation counts where any style applies.
    """
    weights = params.layer_weights or [1.0] * len(params.style_layers)
    layers = {name: weight / sum(weights) for name, weight in zip(params.style_layers, weights, strict=True)}
    blend = list(blend or [1.0] * len(styles))
    with torch.no_grad():
        own = _try_features(features, content_image, "content")
        target, own = _at_least_float32(own[params.content_layer]), {name: gram_matrix(own[name]) for name in layers}
        grams = []
        for style in styles:
            found = _try_features(features, style, "style")
            grams.append({name: own[name].lerp(gram_matrix(found[name]), params.strength) for name in layers})
    if masks is None:
        shares = [share / sum(blend) for share in blend]
        blended = {name: sum(share * gram[name] for share, gram in zip(shares, grams, strict=True)) for name in layers}
        terms = [(None, 1.0, blended)]
    else:
        terms = [(m, share * m.mean((1, 2, 3)), gram) for m, share, gram in zip(masks, blend, grams, strict=True)]

    painted = None if masks is None else sum(masks).clamp(max=1)

    def objective(image: Tensor) -> dict[str, Tensor]:
        found = features(image)
        style = 0.0
        for mask, share, gram in terms:
            for name, weight in layers.items():
                small = None if mask is None else F.interpolate(mask, found[name].shape[2:], mode="area")
                style = style + weight * share * style_loss(found[name], gram[name], scaling=params.scaling, mask=small)
        content = content_loss(found[params.content_layer], target, scaling=params.scaling)
        tv = total_variation(image, painted)
        total = params.content_weight * content + params.style_weight * style + params.tv_weight * tv
        return {"total": total, "content": content, "style": style, "tv": tv}

    return objective


def _try_features(features: Features, image: Tensor, role: str) -> dict[str, Tensor]:
    try:
        return features(image)
    except RuntimeError as error:
        if "too small" in str(error) or "Kernel size can't be greater" in str(error):
            raise ValueError(f"the {role} image is too small for the deepest layer; use a larger one") from error
        raise


def stylize(
    content_image: Tensor,
    style_image: Tensor | Sequence[Tensor],
    extractor: nn.Module,
    params: StyleParams | None = None,
    *,
    blend: Sequence[float] | None = None,
    masks: Tensor | Sequence[Tensor] | None = None,
    on_step: OnStep | None = None,
    every: int = 10,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 50,
) -> StyleResult:
    """Return the content image repainted in the style of the style image.

    Args:
        content_image: (N, 3, H, W) in [0, 1]; the computation runs on its device.
        style_image: (N or 1, 3, h, w), one style per content image or one for all; or several such tensors, blended.
        blend: how much each of several styles counts; equal if left out.
        masks: where each style applies, (N or 1, 1, H, W) in [0, 1], one per style; 0 leaves the photo alone. `blend`
            then says how strongly each pulls, 1 if left out.
        on_step: called as on_step(step, losses, image) every `every` steps and after the last one. The losses are those
            of the last step, (N,) each. What it raises ends the run.
        checkpoint: file from which an interrupted run continues; written every `checkpoint_every` steps and removed at
            the end. L-BFGS takes the pairs of a batch one by one, with one such file each.

    Raises:
        ValueError: for images, masks, layers or a checkpoint that do not fit, with the way out.
        NonFiniteLoss: if the loss overflows; it holds the step and the last good image.
    """
    started = time.perf_counter()
    params = _with_layers(params or StyleParams(), extractor)
    styles = [style_image] if isinstance(style_image, Tensor) else list(style_image)
    masks = [masks] if isinstance(masks, Tensor) else masks
    blend = list(blend or [1.0] * len(styles))
    check_inputs(content_image, styles, blend, masks)
    watch = Watch(on_step, every, Path(checkpoint) if checkpoint else None, checkpoint_every)
    if params.optimizer == "lbfgs" and len(content_image) > 1:
        parts = []
        for pair in range(len(content_image)):
            one, several, areas = _pick(pair, content_image, styles, masks)
            parts.append(stylize(one, several, extractor, params, blend=blend, masks=areas, **watch.of(pair)))
        return _join(parts)
    if params.low_memory is None:
        plain = prepare(extractor, content_image.device, params.precision)
        tight = needed_memory(plain, content_image) > free_memory(content_image.device)
        params = replace(params, low_memory=tight and hasattr(extractor, "checkpointing"))
    asked, stride = params, first_stride(extractor)
    params = replace(params, frame=params.frame * stride, tv_weight=params.tv_weight * stride)
    features = prepare(extractor, content_image.device, params.precision, params.low_memory)
    check_memory(features, content_image)
    run = Run(params, len(content_image), content_image.device, masked=masks is not None)
    if watch.checkpoint is not None:
        same = replace(asked, low_memory=False)  # the same picture either way
        run.load(watch.checkpoint, _identity(same, extractor, blend, content_image, *styles, *(masks or [])))
    if params.colors == "histogram":
        styles = [match_colors(style.expand(len(content_image), -1, -1, -1), content_image) for style in styles]
    for level in range(run.level, len(params.coarse) + 1):
        fraction, steps = [*params.coarse, (1.0, params.num_steps)][level]
        content = resize(content_image, scaled_size(content_image, fraction))
        small = [resize(style, scaled_size(style, fraction)) for style in styles]
        areas = None if masks is None else [F.interpolate(mask, content.shape[2:], mode="area") for mask in masks]
        amount = params.strength * (1.0 if areas is None else sum(areas).clamp(max=1))
        areas = areas and [add_frame(area, params.frame) for area in areas]
        start = partial(start_image, params.start, content, small, blend, params.seed, amount)
        run.enter(level, start, content.shape[2:])
        framed = add_frame(content, params.frame)
        with memory_errors(content):
            optimise(run, build_objective(framed, small, features, params, blend=blend, masks=areas), steps, watch)
    image = run.result()
    image = keep_luminance_only(image, content_image) if params.colors == "luminance" else image
    if watch.checkpoint is not None:
        watch.checkpoint.unlink(missing_ok=True)
    settings = asdict(asked) | {"network": getattr(extractor, "network", type(extractor).__name__)}
    return StyleResult(image, run.frame(), settings, run.elapsed + time.perf_counter() - started, run.steps_per_pair())


def _with_layers(params: StyleParams, extractor: nn.Module) -> StyleParams:
    names = tuple(extractor.layers)
    content = params.content_layer or names[-1]
    styles = params.style_layers or tuple(name for name in names if name != content)
    for name in (content, *styles):
        if name not in names:
            raise ValueError(f"the extractor has no layer {name!r}; it was built with {', '.join(names)}")
    if not styles:
        raise ValueError("there is no style layer; build the extractor with more layers or name them in style_layers")
    weights = params.layer_weights
    if weights is not None and (len(weights) != len(styles) or min(weights) < 0 or sum(weights) <= 0):
        raise ValueError(f"layer_weights={weights} must have one weight, 0 or more, for each of {', '.join(styles)}")
    return replace(params, content_layer=content, style_layers=styles)


def first_stride(extractor: nn.Module) -> int:
    """Return the stride of the extractor's first convolution."""
    return next((module.stride[0] for _, module in _convolutions(extractor)), 1)


def _identity(params: StyleParams, extractor: nn.Module, blend: Sequence[float], *images: Tensor) -> str:
    digests = [hashlib.sha256(image.detach().cpu().contiguous().numpy().tobytes()).hexdigest() for image in images]
    origin = [str(getattr(extractor, name, "")) for name in ("network", "layers", "weights")]
    return fingerprint(VERSION, asdict(params), origin, list(blend), digests)


def _pick(pair: int, *groups: Tensor | Sequence[Tensor] | None) -> list:
    def pick(group: Tensor | Sequence[Tensor] | None) -> Tensor | list[Tensor] | None:
        if isinstance(group, Tensor):
            return group[pair : pair + 1] if len(group) > 1 else group
        return None if group is None else [pick(tensor) for tensor in group]

    return [pick(group) for group in groups]


def _join(parts: Sequence[StyleResult]) -> StyleResult:
    image = torch.cat([part.image for part in parts])
    losses = pd.concat([part.losses.assign(pair=pair) for pair, part in enumerate(parts)], ignore_index=True)
    steps = tuple(step for part in parts for step in part.steps)
    return StyleResult(image, losses, parts[0].settings, sum(part.seconds for part in parts), steps)
