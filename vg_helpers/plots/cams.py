"""Figures of Grad-CAM: panels, evidence, mean maps, the randomisation test, faithfulness, guided transfer.

Convention: images are (N, 3, H, W), maps (N, 1, h, w) or (N, h, w), both in [0, 1]; blue is 0 and red is 1.
"""

import itertools
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
SCORERS = {"network": "VGG-19", "texture": "the texture judge"}


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
def plot_evidence(
    images: Any,
    cams: Any,
    evidence: Any,
    artists: Sequence[str],
    log_odds: Sequence[float],
    title: str | None = None,
) -> Figure:
    """Return the first five images, Grad-CAM over them, and the evidence for (red) and against Van Gogh (blue).

    Args:
        evidence: signed maps in log odds. The colours stand for the log odds of a hundredth of the area, white for 0.
        artists, log_odds: written above the originals.
    """
    if len(images) == 0:
        return empty_figure("evidence")
    pictures = [as_array(image) for image in images[:BLOCK]]
    maps = np.asarray(evidence, dtype=np.float32).reshape(-1, *evidence.shape[-2:])[:BLOCK]
    maps = maps * maps[0].size / 100
    limit = max(float(np.quantile(np.abs(maps), 0.99)), 1e-6)
    rows = [
        [*pictures, None],
        [*(_overlaid(picture, cam, 0.4) for picture, cam in zip(pictures, cams, strict=False)), None],
        [*(_tinted(picture, values / limit) for picture, values in zip(pictures, maps, strict=True)), None],
    ]
    names = [f"{artist_name(artist)}\nlog odds {odds:+.1f}" for artist, odds in zip(artists, log_odds, strict=True)][
        :BLOCK
    ]
    figure = grid(rows, [names, [], []], row_labels=["original", "Grad-CAM", "evidence"], title=title)
    _add_scale(figure, limit)
    return figure


def _tinted(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the image in grey under the colours of values in [−1, 1]."""
    scaled = Image.fromarray(values).resize(image.shape[1::-1], Image.Resampling.BILINEAR)
    colours = matplotlib.colormaps["RdBu_r"](np.clip((np.asarray(scaled) + 1) / 2, 0, 1))[..., :3]
    return colours * (0.6 + 0.4 * image.mean(2, keepdims=True))


def _add_scale(figure: Figure, limit: float) -> None:
    """Draw the scale of the evidence to the right of the last picture."""
    place = figure.axes[-1].get_position()
    axes = figure.add_axes((place.x1 + 0.015, place.y0, 0.015, place.height))
    axes.imshow(np.linspace(1, 0, 64)[:, None], cmap="RdBu_r", aspect="auto")
    axes.set_axis_off()
    for height, text in ((0.95, f"+{limit:.2g} for"), (0.5, "0"), (0.05, f"−{limit:.2g} against")):
        y = place.y0 + height * place.height
        figure.text(place.x1 + 0.037, y, text, fontsize=7.5, va="center")


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
    """Return the mean deletion and insertion curves of each map with their intervals, a row of panels per judge.

    Args:
        curves: columns judge ("network", "texture"), curve ("deletion", "insertion"), method, fraction (of the image),
            p, low, high.
    """
    if curves.empty:
        return empty_figure("faithfulness curves")
    names, methods, texts = list(curves["curve"].unique()), list(curves["method"].unique()), []
    judges = list(curves["judge"].unique())
    figure, panels = canvas(0.3 + 2.4 * len(judges), len(judges), len(names), squeeze=False, sharey=True)
    for (judge, name), axes in zip(itertools.product(judges, names), panels.flat, strict=True):
        areas = _draw_curves(axes, curves[(curves["judge"] == judge) & (curves["curve"] == name)], methods)
        x_label, y_label = f"share of the image {ACTIONS[name]}, highest first", f"mean {P_LABEL}"
        axes.set(xlabel=x_label, ylabel=y_label, title=f"{plain(name)}, scored by {SCORERS[judge]}")
        axes.label_outer(remove_inner_ticks=False)
        texts += [f"{name} {areas}"] if judge == judges[0] else []
    computed = f"Area under the curve, scored by {SCORERS[judges[0]]}: {'; '.join(texts)}"
    return finish(figure, title, computed, legend=panels[0][0])


def _draw_curves(axes: Any, curves: pd.DataFrame, methods: Sequence[str]) -> str:
    """Draw the curve of each method with its interval, and return the areas under them as text."""
    areas = []
    for method in methods:
        rows = curves[curves["method"] == method].sort_values("fraction")
        style = {**style_of(method, methods), "markevery": max(1, len(rows) // 6)}
        axes.plot(rows["fraction"], rows["p"], **style, label=name_of(method))
        axes.fill_between(rows["fraction"], rows["low"], rows["high"], color=style["color"], alpha=0.15, lw=0)
        areas.append(f"{name_of(method)} {np.trapezoid(rows['p'], rows['fraction']):.2f}")
    return ", ".join(areas)


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
