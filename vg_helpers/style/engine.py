"""Style transfer after Gatys, Ecker and Bethge (CVPR 2016): Gram losses, StyleParams, stylize.

Convention: images are (N, 3, H, W) float tensors in [0, 1], RGB; losses come one per image, shape (N,). An extractor is
any module that turns images into a dict of layer name -> features (N, C, h, w), and lists those names in `.layers`.
Convolutions run in the device's fastest precision; Gram matrices, losses, image and optimiser are float32.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ..files import fingerprint
from ..models.weights import Weights
from .checks import Features, check_inputs, check_memory, free_memory, memory_errors, needed_memory, size_errors
from .convolutions import FrozenExtractor, first_stride, prepare
from .inputs import Inputs
from .losses import at_least_float32, content_energy, content_loss, total_variation
from .optimize import Callbacks, Objective, OnStep, StyleRun, optimize
from .pixels import keep_luminance_only
from .start import start_image
from .targets import DEEPEST, LOSSES, gram_terms, photo_parts, style_terms
from .tiled import LARGEST, MODEST, TiledObjective, Tiles, choose_tiles, reach_of

SUITED = {  # by loss: fields with which pictures of 256 pixels looked good
    "gram": {},
    "wasserstein": {"loss": "wasserstein", "style_weight": 10.0},
    "neighbours": {"loss": "neighbours", "style_weight": 8.0, "start": "patches", "tv_weight": 50.0},
}
VERSION = 5  # raised whenever the same settings give other pixels, so that kept pictures are painted again


@dataclass(frozen=True)
class StyleParams:
    """Everything that decides what a stylised image looks like, besides the images and the network.

    Args:
        content_weight, style_weight: α and β. With scaling "relative" each layer's loss is divided by its target's
            energy, so that both are of order 1 to 100 at every size and for every network; "classic" is the plain mean
            squared error of features and of Gram matrices divided by C·H·W.
        tv_weight: is multiplied by the stride of the network's first convolution: between the positions of a stride
            only total variation suppresses noise.
        content_layer, style_layers: None takes the extractor's last named layer, and all its others.
        strength: 0 aims at the photo's own Gram matrices, 1 at the style's; between them the two are mixed.
        loss: "gram", "wasserstein" (distance between Gaussians fitted to the features) or "neighbours" (distance to
            features of the painting, the most similar one at each place). `params_for` has the weights that suit each.
        style_scale: the painting is resized by this factor first, so that 2 doubles the size of its brushstrokes.
        layer_weights: one per style layer, scaled to sum to 1; None weighs them equally.
        optimizer: "adam", or "lbfgs" (one photo; lr is then a fraction of the quasi-Newton step, commonly 1).
        start: "content", "style" (the photo in the style's colours) or "patches" (the photo made of the style's
            patches). Masks and strength apply to it too: where nothing is to change, it is the photo.
        colors: "style", or the photo's own: "luminance" transfers only brightness, "histogram" first gives the style
            image the mean and covariance of the photo's colours.
        coarse: (fraction of the size, steps) pairs that run before the num_steps at full size.
        frame: pixels painted beyond each border and cut off at the end; multiplied by the same stride.
        precision: "auto" (the device's fastest), "float32" or "bfloat16", for the convolutions.
        low_memory: show the network the picture in tiles, whose losses and gradients add up to the same; None does so
            only if the whole picture would not fit into the free memory. loss="gram" alone can be painted so.

    >>> deep = StyleParams(style_layers=("conv1_1", "conv5_1"), layer_weights=(1.0, 3.0))  # three quarters from conv5_1
    >>> deep.style_weight
    20.0
    >>> StyleParams(strength=2)
    Traceback (most recent call last):
    ValueError: strength=2 must be from 0 (the photo) to 1 (the style)
    """

    content_weight: float = 1.0
    style_weight: float = 20.0
    tv_weight: float = 10.0
    strength: float = 1.0
    num_steps: int = 200
    lr: float = 0.02
    optimizer: str = "adam"
    loss: str = "gram"
    style_scale: float = 1.0
    scaling: str = "relative"
    content_layer: str | None = None
    style_layers: tuple[str, ...] | None = None
    layer_weights: tuple[float, ...] | None = None
    start: str = "content"
    colors: str = "style"
    coarse: tuple[tuple[float, int], ...] = ()
    frame: int = 4
    precision: str = "auto"
    low_memory: bool | None = False
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {
            "optimizer": ("adam", "lbfgs"),
            "loss": LOSSES,
            "scaling": ("relative", "classic"),
            "start": ("content", "style", "patches"),
            "colors": ("style", "luminance", "histogram"),
            "precision": ("auto", "float32", "bfloat16"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; choose {', '.join(allowed)}")
        for name in ("content_weight", "style_weight", "tv_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or a positive number")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength={self.strength} must be from 0 (the photo) to 1 (the style)")
        if not 0 < self.style_scale < float("inf"):
            raise ValueError(f"style_scale={self.style_scale} must be above 0; 1 leaves the painting as it is")
        if min(self.num_steps, self.frame) < 0 or not self.lr > 0:
            raise ValueError(f"num_steps={self.num_steps}, frame={self.frame} must be 0 or more, lr={self.lr} above 0")


def params_for(weights: Weights, loss: str = "gram") -> dict[str, Any]:
    """Return the fields of StyleParams that should differ from their defaults for a network and a loss.

    The embedded weights keep too much of the photo's colours, know too little of brushstrokes, and stipple flat areas
    if they pull for long or hard.
    """
    embedded = {"start": "patches", "tv_weight": 50.0, "lr": 0.01} if weights.source == "embedded" else {}
    return SUITED[loss] | embedded


@dataclass(frozen=True)
class StyleResult:
    """A stylised image (N, 3, H, W), its losses per step, and how it was made.

    `losses` is a frame with the columns pair, step, height, content, style, tv (unweighted) and total (weighted), each
    measured before the step was taken.
    """

    image: Tensor
    losses: pd.DataFrame
    settings: dict[str, object]
    seconds: float


def build_objective(inputs: Inputs, features: Features, params: StyleParams, tiles: Tiles | None = None) -> Objective:
    """Return the function image -> losses, each (N,), with all targets computed once.

    Without masks the styles are blended into one target. With masks each style pulls where its mask applies; its term
    counts by the mask's share of the picture, so that a pixel is pulled as strongly as without a mask. Total variation
    counts where any style applies.

    Args:
        tiles: show the network the pictures in tiles, which takes less memory.
    """
    weights = params.layer_weights or [1.0] * len(params.style_layers)
    layers = {name: weight / sum(weights) for name, weight in zip(params.style_layers, weights, strict=True)}
    content_layer, scaling, reach = params.content_layer, params.scaling, inputs.reach()
    if tiles is not None and tiles.count(inputs.content) > 1:
        return _build_tiled(inputs, params, tiles, layers)
    with torch.no_grad():
        photo = features(inputs.content)
        target = at_least_float32(photo[content_layer])
        energy = content_energy(target, scaling)
        terms = style_terms(inputs, photo, features, layers, params)

    def objective(image: Tensor) -> dict[str, Tensor]:
        outputs = features(image)
        style = sum(term(outputs) for term in terms)
        content = content_loss(outputs[content_layer], target, scaling=scaling, energy=energy)
        tv = total_variation(image, reach)
        total = params.content_weight * content + params.style_weight * style + params.tv_weight * tv
        return {"total": total, "content": content, "style": style, "tv": tv}

    objective.capturable = params.loss != "wasserstein"  # eigenvectors make the host wait for the GPU
    return objective


@torch.no_grad()
def _build_tiled(inputs: Inputs, params: StyleParams, tiles: Tiles, layers: dict[str, float]) -> TiledObjective:
    """Return the same objective in tiles."""
    objective = TiledObjective(tiles, inputs.content, params, inputs.reach())
    photos = photo_parts(inputs, partial(tiles.grams, inputs.content, list(layers)))
    pairs = zip(inputs.styles, inputs.regions_or_none(), strict=True)
    styles = [tiles.grams(image, list(layers), region) for image, region in pairs]
    objective.terms = gram_terms(inputs, tiles.shapes(inputs.content), photos, styles, layers, params)
    return objective


def stylize(
    content_image: Tensor,
    style_image: Tensor | Sequence[Tensor],
    extractor: nn.Module,
    params: StyleParams | None = None,
    *,
    blend: Sequence[float] | None = None,
    masks: Tensor | Sequence[Tensor] | None = None,
    style_masks: Tensor | Sequence[Tensor] | None = None,
    on_step: OnStep | None = None,
    every: int = 10,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 50,
    keep_checkpoint: bool = False,
    network: FrozenExtractor | None = None,
) -> StyleResult:
    """Return the content image repainted in the style of the style image.

    Args:
        content_image: (N, 3, H, W) in [0, 1]; the computation runs on its device.
        style_image: (N or 1, 3, h, w), one style per content image or one for all; or several such tensors, blended.
        blend: how much each of several styles counts; equal if left out.
        masks: where each style applies, (N or 1, 1, H, W) in [0, 1], one per style; 0 leaves the photo unchanged.
            `blend` then says how strongly each pulls, 1 if left out.
        style_masks: which part of each style is learnt from, (N or 1, 1, h, w) in [0, 1], one per style.
        on_step: called as on_step(step, losses, image) every `every` steps and after the last one. The losses are those
            of the last step, (N,) each. What it raises ends the run.
        checkpoint: file from which an interrupted run continues; written every `checkpoint_every` steps and removed at
            the end unless `keep_checkpoint`, for callers that first save the result.
        network: `prepare(extractor, device, precision)` of an earlier call, for callers that paint many pictures.

    Raises:
        ValueError: for images, masks, layers or sizes that do not fit; the sentence says what would.
        NonFiniteLoss: if the loss overflows; it holds the step and the last good image.

    >>> from vg_helpers.models.extractor import build_extractor
    >>> photo, painting = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    >>> extractor = build_extractor("alexnet", weights="none")
    >>> result = stylize(photo, painting, extractor, StyleParams(num_steps=2))
    >>> result.image.shape, len(result.losses)
    (torch.Size([1, 3, 64, 64]), 2)
    """
    started = time.perf_counter()
    callbacks = Callbacks(on_step, every, checkpoint and Path(checkpoint), checkpoint_every)
    params = _with_layers(params or StyleParams(), extractor)
    styles = [style_image] if isinstance(style_image, Tensor) else list(style_image)
    masks = [masks] if isinstance(masks, Tensor) else masks
    regions = [style_masks] if isinstance(style_masks, Tensor) else style_masks
    inputs = Inputs(content_image, styles, list(blend or [1.0] * len(styles)), masks, regions)
    check_inputs(inputs.content, inputs.styles, inputs.blend, inputs.masks, inputs.regions)
    if params.optimizer == "lbfgs" and len(content_image) > 1:
        raise ValueError(f"L-BFGS paints one photo at a time, not {len(content_image)}; use optimizer='adam'")
    network = network or prepare(extractor, content_image.device, params.precision)
    params, tiles = _decide_memory(params, network, extractor, content_image)
    run = _paint(inputs, network, params, extractor, callbacks, tiles)
    if callbacks.checkpoint is not None and not keep_checkpoint:
        callbacks.checkpoint.unlink(missing_ok=True)
    image = run.result()
    image = keep_luminance_only(image, content_image) if params.colors == "luminance" else image
    settings = asdict(params) | {"network": getattr(extractor, "network", type(extractor).__name__)}
    return StyleResult(image, run.frame(), settings, run.seconds + time.perf_counter() - started)


def _with_layers(params: StyleParams, extractor: nn.Module) -> StyleParams:
    """Return the parameters with the names of the content layer and the style layers.

    Raises:
        ValueError: if the extractor lacks one of them, or layer_weights do not match.
    """
    names = tuple(extractor.layers)
    content = params.content_layer or names[-1]
    styles = params.style_layers or tuple(name for name in names if name != content)
    if params.loss == "neighbours" and params.style_layers is None:
        styles = styles[-DEEPEST:]
    for name in (content, *styles):
        if name not in names:
            raise ValueError(f"the extractor has no layer {name!r}; it was built with {', '.join(names)}")
    if not styles:
        raise ValueError("there is no style layer; build the extractor with more layers or name them in style_layers")
    weights = params.layer_weights
    if weights is not None and (len(weights) != len(styles) or min(weights) < 0 or sum(weights) <= 0):
        raise ValueError(f"layer_weights={weights} must have one weight, 0 or more, for each of {', '.join(styles)}")
    return replace(params, content_layer=content, style_layers=styles)


def _decide_memory(
    params: StyleParams, network: FrozenExtractor, extractor: nn.Module, content_image: Tensor
) -> tuple[StyleParams, Tiles | None]:
    """Return the tiles to show the picture in, if the parameters say so, or leave it open and memory is short.

    Raises:
        ValueError: if the image would not fit all the same, or cannot be shown in tiles.
    """
    low_memory, free = params.low_memory, free_memory(content_image.device)
    advice = f"loss={params.loss!r} needs the whole picture at once; loss='gram' can be painted in tiles"
    tiles = None
    if low_memory and params.loss != "gram":
        raise ValueError(advice)
    if low_memory and reach_of(extractor) is None:
        raise ValueError("low_memory=True needs a network each layer of which sees a part of the picture; leave it out")
    if low_memory or (low_memory is None and params.loss == "gram" and needed_memory(network, content_image) > free):
        tiles = choose_tiles(extractor, network, content_image, free, MODEST if low_memory else LARGEST)
    if tiles is None:
        try:
            check_memory(network, content_image, free)
        except ValueError as error:
            if params.loss == "gram" or low_memory is False:
                raise
            raise ValueError(f"{error}; {advice}") from error
    return replace(params, low_memory=tiles is not None), tiles


def _paint(
    inputs: Inputs,
    network: FrozenExtractor,
    params: StyleParams,
    extractor: nn.Module,
    callbacks: Callbacks,
    tiles: Tiles | None,
) -> StyleRun:
    """Return the finished run over all levels, from coarse to full size."""
    stride, count = first_stride(extractor), len(inputs.content)
    unscaled, params = params, replace(params, frame=params.frame * stride, tv_weight=params.tv_weight * stride)
    run = StyleRun(params, count, inputs.content.device, masked=inputs.masks is not None)
    if callbacks.checkpoint is not None:
        run.load(callbacks.checkpoint, _identity(unscaled, extractor, inputs))
    inputs = inputs.with_styles_scaled(params.style_scale)
    if params.colors == "histogram":
        inputs = inputs.with_colors_of_photo()
    for level, (fraction, steps) in enumerate([*params.coarse, (1.0, params.num_steps)]):
        if level < run.level:
            continue
        scaled = inputs.scaled(fraction)
        reach = scaled.reach()
        amount = params.strength * (1.0 if reach is None else reach)
        pictures = params.start, scaled.content, scaled.styles, inputs.blend
        start = partial(start_image, *pictures, params.seed, amount, scaled.regions_or_none())
        with size_errors(inputs.content, inputs.styles, network, fraction, params.frame), memory_errors(scaled.content):
            objective = build_objective(scaled.framed(params.frame), network, params, tiles)
            run.enter(level, start, scaled.content, reach)
            optimize(run, objective, steps, callbacks)
    return run


def _identity(params: StyleParams, extractor: nn.Module, inputs: Inputs) -> str:
    """Return a hash of all that decides the picture; low_memory does not."""
    images = inputs.images()
    digests = [hashlib.sha256(image.detach().cpu().contiguous().numpy().tobytes()).hexdigest() for image in images]
    origin = [str(getattr(extractor, name, "")) for name in ("network", "layers", "weights")]
    roles = [list(inputs.blend), inputs.masks is not None, inputs.regions is not None]
    return fingerprint(VERSION, asdict(replace(params, low_memory=False)), origin, roles, digests)
