"""Style transfer in tiles: the whole picture's losses and gradient, with the activations of one tile at a time.

Gram matrices and the content loss are sums over positions. A first pass adds them up tile by tile; a second one sends
the gradient of the sums through each tile. Tiles overlap by what their network sees, so that each feature has the value
that it has in the whole picture, and belongs to one tile alone. Convention: images are (N, 3, H, W).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from ..models.layers import Normalize
from ..models.winograd import TILE, WinogradConv2d
from .checks import Features, needed_memory
from .losses import at_least_float32, content_loss, gram_matrix, total_variation

SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
POINTWISE = (nn.ReLU, nn.Identity, nn.Dropout, nn.BatchNorm2d, Normalize)
SIDES = (512, 384, 256, 192, 128)  # pixels of a tile, without what it shares with its neighbours
LARGEST, MODEST = SIDES[:2]  # the side to begin with: where memory is short; where little is to be taken
COPIES = 14  # of the picture that the optimiser and total variation hold at a time
Grams = dict[str, Tensor]


@dataclass(frozen=True)
class Reach:
    """What a network sees: position i of its deepest layer depends on pixels i·stride − before to i·stride + after.

    Tiles begin at multiples of `grid` pixels. Winograd's convolutions then group the positions of a tile as they do in
    the whole picture and round them alike, which brings the gradients fifty times closer. The deepest convolution is
    left out of this: no other layer builds on what it rounds, and it would make the tiles overlap more.
    """

    stride: int
    before: int
    after: int
    grid: int


def reach_of(extractor: nn.Module) -> Reach | None:
    """Return the reach of a network whose layers follow each other; None if a layer of it may see everything."""
    stride, before, after, grids = 1, 0, 0, []
    deepest_before, deepest_after = 0, 0
    for layer in extractor.modules():
        if isinstance(layer, SLIDING):
            sides = [getattr(layer, name, 1) for name in ("kernel_size", "stride", "padding", "dilation")]
            square = [side if isinstance(side, int) else side[0] for side in sides if not isinstance(side, str)]
            if len(square) < len(sides) or any(isinstance(side, tuple) and len(set(side)) > 1 for side in sides):
                return None
            kernel, step, padding, dilation = square
            before += padding * stride
            after += (dilation * (kernel - 1) - padding) * stride
            deepest_before, deepest_after = max(deepest_before, before), max(deepest_after, after)
            if isinstance(layer, nn.Conv2d):
                grids.append(stride * TILE if WinogradConv2d.supports(layer) else stride)
            stride *= step
        elif not any(layer.children()) and not isinstance(layer, POINTWISE):
            return None
    return Reach(stride, deepest_before, deepest_after, math.lcm(stride, *grids[:-1]))


@dataclass(frozen=True)
class Span:
    """One tile along one side of a picture: pixels start to end are its own, those from outer to outer_end it sees."""

    start: int
    end: int
    outer: int
    outer_end: int
    is_last: bool

    def own(self, stride: int, count: int) -> slice:
        """Return which positions of a layer with this stride, and so many in the whole picture, are its own."""
        return slice(min(self.start // stride, count), count if self.is_last else min(self.end // stride, count))


@dataclass(frozen=True)
class Window:
    """One tile of a picture; `own` has, by layer, the rows and columns of the whole picture that are the tile's."""

    rows: Span
    columns: Span
    own: dict[str, tuple[slice, slice]]

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Which rows and columns of the picture the tile sees."""
        return slice(self.rows.outer, self.rows.outer_end), slice(self.columns.outer, self.columns.outer_end)


class Tiles:
    """A network that is shown a picture tile by tile."""

    def __init__(self, features: Features, reach: Reach, side: int) -> None:
        """Prepare for tiles of about `side` pixels, without their overlap."""
        self.features, self.reach = features, reach
        self.side = max(2 * reach.grid, side // reach.grid * reach.grid)
        self.strides: dict[str, int] = {}

    def count(self, image: Tensor) -> int:
        """Return how many tiles the image has."""
        return len(self._spans(image.shape[2])) * len(self._spans(image.shape[3]))

    def shapes(self, image: Tensor) -> dict[str, Tensor]:
        """Return empty tensors in the shape of the whole image's features."""
        step = self.reach.stride
        small = self.reach.before + self.reach.after + 2 * step
        sides = [small + (side - small) % step for side in image.shape[2:]]
        probe = self._probe(image, *sides)
        if not self.strides:
            larger = self._probe(image, *(side + step for side in sides))
            self.strides = {name: step // (larger[name].shape[2] - like.shape[2]) for name, like in probe.items()}
        shapes = {}
        for name, like in probe.items():
            whole = [
                have + (side - small_side) // self.strides[name]
                for have, side, small_side in zip(like.shape[2:], image.shape[2:], sides, strict=True)
            ]
            shapes[name] = torch.empty(len(image), like.shape[1], *whole, device="meta")
        return shapes

    @torch.no_grad()
    def _probe(self, image: Tensor, height: int, width: int) -> dict[str, Tensor]:
        return self.features(image.new_zeros(1, 3, height, width))

    def _spans(self, length: int) -> list[Span]:
        grid = self.reach.grid
        count = -(-length // self.side)
        side = -(-length // (count * grid)) * grid
        starts = [start for start in range(0, length, side) if start == 0 or length - start >= 2 * self.reach.stride]
        spans = []
        for start, end in zip(starts, [*starts[1:], length], strict=True):
            outer = max(0, (start - self.reach.before) // grid * grid)
            spans.append(Span(start, end, outer, min(length, end + self.reach.after), end == length))
        return spans

    def windows(self, image: Tensor) -> list[Window]:
        """Return the tiles of an image."""
        shapes = self.shapes(image)
        return [
            Window(
                rows,
                columns,
                {
                    name: (rows.own(self.strides[name], like.shape[2]), columns.own(self.strides[name], like.shape[3]))
                    for name, like in shapes.items()
                },
            )
            for rows in self._spans(image.shape[2])
            for columns in self._spans(image.shape[3])
        ]

    def show(self, tile: Tensor, window: Window) -> dict[str, Tensor]:
        """Return the tile's own features; `tile` is what it sees of the picture."""
        outputs = self.features(tile)
        own = {}
        for name, (rows, columns) in window.own.items():
            down, right = (span.outer // self.strides[name] for span in (window.rows, window.columns))
            inner_rows = slice(rows.start - down, rows.stop - down)
            own[name] = outputs[name][..., inner_rows, columns.start - right : columns.stop - right]
        return own

    def look(self, image: Tensor) -> Iterator[tuple[Window, dict[str, Tensor]]]:
        """Yield each tile and its own features."""
        for window in self.windows(image):
            yield window, self.show(cut(image, window), window)

    def grams(self, image: Tensor, names: Sequence[str], region: Tensor | None = None) -> Grams:
        """Return the Gram matrices of the whole image, or of its part in the region (N or 1, 1, H, W)."""
        shapes, sums = self.shapes(image), {}
        for window, features in self.look(image):
            for name in names:
                own, part = features[name], None
                share = own[0, 0].numel() / shapes[name][0, 0].numel()
                if region is not None:
                    small = F.interpolate(region, shapes[name].shape[2:], mode="area")
                    part = small[(..., *window.own[name])]
                    share = (part.sum((1, 2, 3)) / small.sum((1, 2, 3)).clamp_min(1e-6)).view(-1, 1, 1)
                if own[0, 0].numel():
                    sums[name] = sums.get(name, 0) + gram_matrix(own, part) * share
        return sums


def cut(image: Tensor, window: Window) -> Tensor:
    """Return what a tile sees of the image."""
    rows, columns = window.pixels
    return image.detach()[..., rows, columns].contiguous(memory_format=torch.channels_last)


def choose_tiles(
    extractor: nn.Module, features: Features, image: Tensor, free: int, largest: int = LARGEST
) -> Tiles | None:
    """Return tiles, as large as the free bytes allow; None if none would fit or the network cannot be shown tiles."""
    reach = reach_of(extractor)
    if reach is None:
        return None
    free -= COPIES * image.numel() * 4
    for side in (side for side in SIDES if side <= largest):
        whole = [min(length, side + reach.before + reach.grid + reach.after) for length in image.shape[2:]]
        if needed_memory(features, image[:, :, : whole[0], : whole[1]]) < free:
            return Tiles(features, reach, side)
    return None


class TiledObjective:
    """The function image -> losses, each (N,), which needs the memory of one tile; its parts are those of the engine.

    Adam's step is not captured as a CUDA graph with it: that would keep the activations of all tiles.
    """

    capturable = False

    def __init__(self, tiles: Tiles, content: Tensor, params: Any, reach: Tensor | None) -> None:
        """Look at the photo (N, 3, H, W); `params` are StyleParams, `terms` are to be set before the first call."""
        self.tiles, self.params, self.reach, self.terms = tiles, params, reach, []
        layer, like = params.content_layer, tiles.shapes(content)[params.content_layer]
        self.targets = [features[layer].clone() for _, features in tiles.look(content)]
        if params.scaling == "relative":
            squares = (at_least_float32(target).square() for target in self.targets)
            self.energy = sum(square.flatten(1).sum(1) for square in squares).clamp_min(1e-30)
        else:
            self.energy = content.new_full((1,), like[0].numel())

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """Return the losses by name, the weighted sum among them."""
        params = self.params
        # First, so that its gradient comes last, and computed again for that: no tile is in memory then.
        tv = checkpoint(total_variation, image, self.reach, use_reentrant=False)
        content, style = _Tiled.apply(image, self)
        total = params.content_weight * content + params.style_weight * style + params.tv_weight * tv
        return {"total": total, "content": content, "style": style, "tv": tv}

    def parts(self, features: dict[str, Tensor], window: Window, target: Tensor) -> list[Tensor]:
        """Return what one tile adds to the content loss, then to the Gram matrices of each term."""
        own = features[self.params.content_layer]
        parts = [content_loss(own, at_least_float32(target), energy=self.energy)]
        for term in self.terms:
            parts += term.grams(features, window.own)
        return parts

    def style_of(self, grams: Sequence[Tensor]) -> Tensor:
        """Return the style loss (N,) of all terms' Gram matrices in a row."""
        style, start = 0, 0
        for term in self.terms:
            count = len(term.parts)
            style, start = style + term.distance(grams[start : start + count]), start + count
        return style


class _Tiled(torch.autograd.Function):
    """Content and style loss of an image; the gradient comes tile by tile."""

    @staticmethod
    def forward(ctx, image: Tensor, objective: TiledObjective) -> tuple[Tensor, Tensor]:
        sums = None
        for (window, features), target in zip(objective.tiles.look(image), objective.targets, strict=True):
            parts = objective.parts(features, window, target)
            sums = parts if sums is None else [whole + part for whole, part in zip(sums, parts, strict=True)]
        content, *grams = sums
        with torch.enable_grad():
            grams = [gram.requires_grad_() for gram in grams]
            style = objective.style_of(grams)
            ctx.pulls = torch.autograd.grad(style.sum(), grams)
        ctx.objective = objective
        ctx.save_for_backward(image)
        return content, style.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx, content_slope: Tensor, style_slope: Tensor) -> tuple[Tensor, None]:
        (image,), objective = ctx.saved_tensors, ctx.objective
        gradient = torch.zeros_like(image)
        slopes = [content_slope, *(pull * style_slope.view(-1, 1, 1) for pull in ctx.pulls)]
        for window, target in zip(objective.tiles.windows(image), objective.targets, strict=True):
            with torch.enable_grad():
                tile = cut(image, window).requires_grad_()
                parts = objective.parts(objective.tiles.show(tile, window), window, target)
                (part,) = torch.autograd.grad(parts, tile, slopes)
            rows, columns = window.pixels
            gradient[..., rows, columns] += part
        return gradient, None
