"""Figures of Grad-CAM: panels, mean maps, the randomisation test, faithfulness, guided transfer.

Convention: images are (N, 3, H, W), maps (N, 1, h, w) or (N, h, w), both in [0, 1]; blue is 0 and red is 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from .look import P_LABEL, artist_name, canvas, empty_figure, finish, name_of, plain, style_of, styled
from .pictures import as_array, grid

BLOCK = 5  # pictures beside each other
ACTIONS = {"deletion": "blurred", "insertion": "shown"}


def jet(cam: Any, size: tuple[int, int]) -> np.ndarray:
    """Return the map as (H, W, 3) jet colours, bilinearly scaled to `size` = (H, W)."""
    values = np.asarray(cam, dtype=np.float32).reshape(cam.shape[-2:])
    scaled = Image.fromarray(np.clip(values, 0, 1)).resize(size[::-1], Image.Resampling.BILINEAR)
    return matplotlib.colormaps["jet"](np.asarray(scaled))[..., :3]


def _overlaid(image: np.ndarray, cam: Any, share: float) -> np.ndarray:
    return (1 - share) * image + share * jet(cam, image.shape[:2])


@styled
def plot_cam_panels(
    images: Any,
    cams: Any,
    artists: Sequence[str] = (),
    probs: Sequence[float] = (),
    overlay: float = 0.4,
    title: str | None = None,
) -> Figure:
    """Return for each image: original, heat map, and the map over the image; five images to a block.

    Args:
        artists, probs: written above the originals, P(van_gogh) below the artist; empty for photos.
        overlay: the share of the heat map in the overlay.
    """
    if len(images) == 0:
        return empty_figure("class activation maps")
    names = [f"{artist_name(artist)}\nP = {p:.2f}" for artist, p in zip(artists, probs, strict=True)]
    rows, texts = [], []
    for start in range(0, len(images), BLOCK):
        block = [as_array(image) for image in images[start : start + BLOCK]]
        pairs = list(zip(block, cams[start : start + BLOCK], strict=True))
        empty = [None] * (min(BLOCK, len(images)) - len(block))
        rows.append(block + empty)
        rows.append([jet(cam, image.shape[:2]) for image, cam in pairs] + empty)
        rows.append([_overlaid(image, cam, overlay) for image, cam in pairs] + empty)
        texts += [names[start : start + BLOCK], [], []]
    labels = ["original", "heat map", "overlay"] * (len(rows) // 3)
    return grid(rows, texts if names else None, row_labels=labels, title=title)


@styled
def plot_mean_maps(cams: Mapping[str, Any], title: str | None = None) -> Figure:
    """Return the mean map of each named group of maps; the title gives their mean values."""
    if not cams:
        return empty_figure("mean maps")
    means = {
        name: np.asarray(maps, dtype=np.float32).reshape(-1, *maps.shape[-2:]).mean(0) for name, maps in cams.items()
    }
    values = ", ".join(f"{name} {mean.mean():.2f}" for name, mean in means.items())
    labels = [f"{name} (mean of {len(maps)})" for name, maps in cams.items()]
    row = [jet(mean, (224, 224)) for mean in means.values()]
    return grid([row], column_labels=labels, title=f"Mean of the maps: {values}" if title is None else title)


@styled
def plot_randomisation(
    images: Any, cams: Mapping[str, Any], similarity: Mapping[str, float], title: str | None = None
) -> Figure:
    """Return the maps over each image (row) after more and more layers lost their training (column).

    Args:
        cams: by layer, in the order of the randomisation, one map per image.
        similarity: by layer, the mean similarity to the trained network's map; some layers may be missing.
    """
    if not cams:
        return empty_figure("maps of randomised layers")
    pictures = [as_array(image) for image in images]
    rows = [
        [picture, *(_overlaid(picture, maps[i], 0.5) for maps in cams.values())] for i, picture in enumerate(pictures)
    ]
    labels = [f"{layer}\nsimilarity {similarity[layer]:.2f}" if layer in similarity else layer for layer in cams]
    return grid(rows, column_labels=["image", *labels], title=title)


@styled
def plot_faithfulness(curves: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the mean deletion and insertion curves of each map with their intervals.

    Args:
        curves: columns curve ("deletion", "insertion"), method, fraction (of the image), p, low, high.
    """
    if curves.empty:
        return empty_figure("faithfulness curves")
    names, methods, texts = list(curves["curve"].unique()), list(curves["method"].unique()), []
    figure, panels = canvas(2.7, 1, len(names), squeeze=False, sharey=True)
    for axes, name in zip(panels[0], names, strict=True):
        areas = []
        for method in methods:
            rows = curves[(curves["curve"] == name) & (curves["method"] == method)].sort_values("fraction")
            style = {**style_of(method, methods), "markevery": max(1, len(rows) // 6)}
            axes.plot(rows["fraction"], rows["p"], **style, label=name_of(method))
            axes.fill_between(rows["fraction"], rows["low"], rows["high"], color=style["color"], alpha=0.15, lw=0)
            areas.append(f"{name_of(method)} {np.trapezoid(rows['p'], rows['fraction']):.2f}")
        x_label = f"share of the image {ACTIONS[name]}, highest first"
        axes.set(xlabel=x_label, ylabel=f"mean {P_LABEL}", title=plain(name))
        axes.label_outer(remove_inner_ticks=False)
        texts.append(f"{name} {', '.join(areas)}")
    return finish(figure, title, f"Area under the curve: {'; '.join(texts)}", legend=panels[0][0])


@styled
def plot_guided(
    photos: Any, results: Mapping[str, Any], probs: Mapping[str, Sequence[float]], title: str | None = None
) -> Figure:
    """Return photos (first row) and what each run made of them, with P(van_gogh) above; the first five photos.

    Args:
        results: by run, one image per photo.
        probs: by run, P(van_gogh) of each image.
    """
    if len(photos) == 0:
        return empty_figure("guided transfers")
    rows = [[as_array(image) for image in images[:BLOCK]] for images in (photos, *results.values())]
    texts = [[], *([f"P = {p:.2f}" for p in probs[run][:BLOCK]] for run in results)]
    means = ", ".join(f"{run} {np.mean(probs[run]):.2f}" for run in results)
    title = f"Mean P after the last step: {means}" if title is None else title
    return grid(rows, texts, row_labels=["photo", *results], title=title)
