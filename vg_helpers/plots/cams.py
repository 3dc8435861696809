"""Figures of Grad-CAM: panels, the randomisation test, faithfulness."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from .look import P_LABEL, canvas, empty_figure, finish, name_of, plain, style_of, styled
from .pictures import as_array, grid


def jet(cam: Any, size: tuple[int, int]) -> np.ndarray:
    """Return the map as (H, W, 3) jet colours, bilinearly scaled to `size` = (H, W)."""
    scaled = Image.fromarray(np.clip(_stack(cam)[0], 0, 1)).resize(size[::-1], Image.Resampling.BILINEAR)
    return matplotlib.colormaps["jet"](np.asarray(scaled))[..., :3]


@styled
def plot_cam_panels(
    images: Any,
    cams: Any,
    titles: Sequence[object] | None = None,
    overlay: float = 0.4,
    title: str | None = None,
) -> Figure:
    """Return for each image: original, heat map in jet colours, and the map over the image; five images to a block.

    Args:
        cams: (N, h, w) in [0, 1], any resolution.
        overlay: the share of the heat map in the overlay.
    """
    if len(images) == 0:
        return empty_figure("class activation maps")
    rows, texts = [], []
    names = [""] * len(images) if titles is None else list(titles)
    for start in range(0, len(images), 5):
        block = [as_array(images[i]) for i in range(start, min(start + 5, len(images)))]
        maps = [jet(cams[start + i], image.shape[:2]) for i, image in enumerate(block)]
        mixed = [(1 - overlay) * image + overlay * colours for image, colours in zip(block, maps, strict=True)]
        empty = [None] * (min(5, len(images)) - len(block))
        rows += [block + empty, maps + empty, mixed + empty]
        texts += [names[start : start + 5], [], []]
    labels = ["original", "heat map", "overlay"] * (len(rows) // 3)
    return grid(rows, texts if titles is not None else None, row_labels=labels, title=title)


@styled
def plot_randomisation(
    cams: Mapping[str, Any],
    images: Any = None,
    similarity: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Return the maps after more and more layers lost their training: a row for each image, a column for each layer.

    Args:
        cams: by layer, in the order of the randomisation, the map (h, w) in [0, 1], or one per image, (N, h, w).
        images: (3, H, W), or N of them; maps are laid over them when given.
        similarity: by layer, the similarity to the trained network's map.
    """
    if not cams:
        return empty_figure("maps of randomised layers")
    stacks = {layer: _stack(cam) for layer, cam in cams.items()}
    if images is not None:
        images = [as_array(image) for image in ([images] if getattr(images, "ndim", 4) == 3 else images)]
    rows = []
    for i in range(len(next(iter(stacks.values())))):
        first = [] if images is None else [images[i]]
        maps = [jet(stack[i], first[0].shape[:2] if first else (224, 224)) for stack in stacks.values()]
        rows.append([*first, *(0.5 * first[0] + 0.5 * colours if first else colours for colours in maps)])
    known = similarity or {}
    labels = [f"{layer}\nsimilarity {known[layer]:.2f}" if layer in known else layer for layer in cams]
    return grid(rows, column_labels=[*([] if images is None else ["image"]), *labels], title=title)


def _stack(cam: Any) -> np.ndarray:
    array = np.asarray(cam.detach().cpu().float() if hasattr(cam, "detach") else cam, dtype=np.float32)
    return array.reshape(-1, *array.shape[-2:])


@styled
def plot_faithfulness(frame: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the deletion and insertion curves of each map with their intervals.

    Args:
        frame: columns curve ("deletion", "insertion"), method, fraction (of the image), p, and low, high where known.
    """
    if frame.empty:
        return empty_figure("faithfulness curves")
    curves, methods, found = list(frame["curve"].unique()), list(frame["method"].unique()), []
    figure, panels = canvas(2.7, 1, len(curves), squeeze=False, sharey=True)
    for axes, curve in zip(panels[0], curves, strict=True):
        areas = {}
        for method in methods:
            own = frame[(frame["curve"] == curve) & (frame["method"] == method)].sort_values("fraction")
            style = {**style_of(method, methods), "markevery": max(1, len(own) // 6)}
            axes.plot(own["fraction"], own["p"], **style, label=name_of(method))
            if {"low", "high"} <= set(own):
                axes.fill_between(own["fraction"], own["low"], own["high"], color=style["color"], alpha=0.15, lw=0)
            areas[method] = np.trapezoid(own["p"], own["fraction"])
        done = {"deletion": "blurred", "insertion": "shown"}.get(curve, "changed")
        axes.set(xlabel=f"share of the image {done}, highest first", ylabel=f"mean {P_LABEL}", title=plain(curve))
        axes.label_outer(remove_inner_ticks=False)
        found.append(f"{curve} " + ", ".join(f"{name_of(method)} {area:.2f}" for method, area in areas.items()))
    return finish(figure, title, f"Area under the curve: {'; '.join(found)}", legend=panels[0][0])
