"""Figures made of pictures, in aligned cells: every function returns a closed matplotlib Figure.

Convention: an image is a (3, H, W) array or tensor in [0, 1]; several are an (N, 3, H, W) tensor or a list, whose sizes
may differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .look import WIDTH, empty_figure, name_of, plain, styled, title_text, typeset, wrap

HEIGHT = 5.0  # inches: about half a page, so that text or another figure goes beside it


def as_array(image: Any) -> np.ndarray:
    """Return (H, W, 3) float in [0, 1] from a (3, H, W), (1, 3, H, W) or (1, H, W) tensor or array."""
    array = np.asarray(image.detach().cpu().float() if hasattr(image, "detach") else image, dtype=np.float32)
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or array.shape[0] not in (1, 3):
        raise ValueError(f"an image has shape (3, H, W), this one has {array.shape}: pass one image at a time")
    return np.clip(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0), 0, 1)


@dataclass(frozen=True)
class _Cells:
    """Where the cells of a grid are, in inches from the figure's top left corner."""

    lefts: list[float]
    tops: list[float]
    width: float
    heights: list[float]
    total: float


def grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    titles: Sequence[Sequence[object]] | None = None,
    row_labels: Sequence[object] = (),
    column_labels: Sequence[object] = (),
    title: str | None = None,
    gaps: Mapping[int, float] | None = None,
    widest: float = 1.4,
    tallest: float = HEIGHT,
) -> Figure:
    """Return pictures in aligned cells, each whole and undistorted; None leaves a cell empty.

    Args:
        rows: (H, W, 3) arrays.
        titles: a text above each picture, in the shape of `rows`; a row's list may be empty.
        gaps: extra inches before a column, by its number.
        widest: inches that a cell of several rows may take; the cells of a single row may take half as much again.
        tallest: inches that all rows together may take.
    """
    left = 0.26 if any(row_labels) else 0.02
    columns, gaps = max(len(row) for row in rows), gaps or {}
    width = (WIDTH - left - 0.02 - sum(gaps.values()) - 0.06 * (columns - 1)) / columns
    width = min(width, 1.5 * widest if len(rows) == 1 else widest)
    texts = [[wrap(text, width) if text else "" for text in row] for row in titles or [[]] * len(rows)]
    heads = [wrap(typeset(label), width, 8, lines=4) for label in column_labels]
    top = (0.17 * _lines(title_text(title)) + 0.08 if title else 0) + 0.135 * max(map(_lines, heads), default=0)
    lefts = [left + c * (width + 0.06) + sum(gap for at, gap in gaps.items() if at <= c) for c in range(columns)]
    cells = _place_cells(rows, texts, lefts, width, top, tallest)
    figure = Figure(figsize=(WIDTH, cells.total))
    if title:
        figure.suptitle(title_text(title), x=0.005, y=1 - 0.03 / cells.total, ha="left", va="top")
    for at, head in zip(cells.lefts, heads, strict=False):
        _write(figure, at + width / 2, top, head, size=8)
    for r, row in enumerate(rows):
        if r < len(row_labels) or not _any_picture(row):
            _label_row(figure, cells, r, row_labels[r] if r < len(row_labels) else "", left, _any_picture(row))
        for c, image in enumerate(row):
            if image is not None:
                _draw_picture(figure, cells, r, c, image)
                _write(figure, cells.lefts[c] + width / 2, cells.tops[r], texts[r][c] if c < len(texts[r]) else "")
    return figure


def _place_cells(rows: Any, texts: Any, lefts: list[float], width: float, top: float, tallest: float) -> _Cells:
    """Return the cells, as high as the pictures' middle aspect ratio asks for and `tallest` allows."""
    shapes = [image.shape for row in rows for image in row if image is not None]
    aspect = float(np.clip(np.median([shape[0] / shape[1] for shape in shapes]), 0.6, 1.35))
    bands = [0.07 + 0.12 * max(map(_lines, row), default=0) for row in texts]
    full = [_any_picture(row) for row in rows]
    height = min(width * aspect, (tallest - top - sum(bands)) / max(sum(full), 1))
    heights = [height if pictures else 0.16 for pictures in full]
    ends = np.cumsum([band + height for band, height in zip(bands, heights, strict=True)])
    tops = [float(top + end - height) for end, height in zip(ends, heights, strict=True)]
    return _Cells(lefts, tops, width, heights, top + sum(bands) + sum(heights) + 0.02)


def _draw_picture(figure: Figure, cells: _Cells, row: int, column: int, image: np.ndarray) -> None:
    """Draw the picture in the middle of its cell, as large as it fits."""
    height = cells.heights[row]
    scale = min(cells.width / image.shape[1], height / image.shape[0])
    w, h = image.shape[1] * scale, image.shape[0] * scale
    x, below = cells.lefts[column] + (cells.width - w) / 2, cells.tops[row] + (height + h) / 2
    axes = figure.add_axes((x / WIDTH, 1 - below / cells.total, w / WIDTH, h / cells.total))
    axes.imshow(image.clip(0, 1), aspect="auto", interpolation="antialiased")
    axes.set_axis_off()


def _label_row(figure: Figure, cells: _Cells, row: int, label: object, left: float, pictures: bool) -> None:
    """Write the row's label upright at its left, or "<label>: none" across a row without pictures."""
    height = cells.heights[row]
    y = 1 - (cells.tops[row] + height / 2) / cells.total
    if pictures:
        middle = {"va": "center", "ha": "center", "rotation": 90, "fontsize": 8}
        figure.text(0.5 * left / WIDTH, y, wrap(label, height, 8), **middle)
    else:
        none = f"{label}: none" if label else "none"
        figure.text(cells.lefts[0] / WIDTH, y, plain(none), va="center", fontsize=8)


def _write(figure: Figure, x: float, y: float, text: str, size: float = 7.5) -> None:
    """Write lines centred at x, the last one standing on y, in inches from the figure's top left corner."""
    for k, line in enumerate(reversed(text.splitlines())):
        height = 1 - (y - 0.04 - k * 1.18 * size / 72) / figure.get_figheight()
        figure.text(x / WIDTH, height, line, ha="center", va="baseline", fontsize=size)


def _any_picture(row: Sequence[np.ndarray | None]) -> bool:
    return any(image is not None for image in row)


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _in_rows(items: Sequence[Any], columns: int) -> list[list[Any]]:
    """Return the items in rows; None fills the last one, unless it is the only one."""
    rows = [list(items[start : start + columns]) for start in range(0, len(items), columns)]
    rows[-1] += [None] * (min(columns, len(items)) - len(rows[-1]))
    return rows


@styled
def plot_samples(images: Any, titles: Sequence[object], columns: int = 6, title: str | None = None) -> Figure:
    """Return the images as a grid with a title above each."""
    if len(images) == 0:
        return empty_figure("images")
    pictures = [as_array(image) for image in images]
    return grid(_in_rows(pictures, columns), _in_rows(titles, columns), title=title)


@styled
def plot_augmentations(originals: Any, augmented: Any, title: str | None = None) -> Figure:
    """Return each original with its augmented versions beside it.

    Args:
        originals: R images.
        augmented: R groups of versions.
    """
    if len(originals) == 0:
        return empty_figure("augmented images")
    rows = [[as_array(image) for image in (first, *group)] for first, group in zip(originals, augmented, strict=True)]
    return grid(rows, column_labels=["original", "augmented"], title=title, gaps={1: 0.12})


@styled
def plot_twins(
    pairs: Sequence[tuple[Any, Any]], titles: Sequence[tuple[object, object]], title: str | None = None
) -> Figure:
    """Return near-duplicates side by side, two pairs to a row.

    Args:
        pairs: (image, image).
        titles: (title, title) of each pair.
    """
    if len(pairs) == 0:
        return empty_figure("near-duplicates")
    flat = [as_array(image) for pair in pairs for image in pair]
    texts = [text for pair in titles for text in pair]
    gaps = {2: 0.16, 4: 0.16} if len(flat) > 4 else {2: 0.16}
    return grid(_in_rows(flat, 6), _in_rows(texts, 6), title=title, gaps=gaps)


@styled
def plot_result_grid(
    contents: Any,
    styles: Any,
    results: Mapping[str, Any],
    p_values: Mapping[str, Sequence[tuple[float, float]]],
    title: str | None = None,
) -> Figure:
    """Return one row per photo, as wide as the text: content, style, and the result of each extractor.

    Args:
        contents: the photos, four to six for one page.
        styles: the style painting of each photo.
        results: by extractor, the result for each photo.
        p_values: by extractor, P(van_gogh) of each result by VGG-19 and by AlexNet.
    """
    if len(contents) == 0:
        return empty_figure("repainted photos")
    rows, titles = [], []
    for i, (content, style) in enumerate(zip(contents, styles, strict=True)):
        rows.append([as_array(image) for image in (content, style, *(images[i] for images in results.values()))])
        titles.append(["", "", *(" | ".join(f"{p:.2f}" for p in p_values[extractor][i]) for extractor in results)])
    heads = ["content", "style", *(f"{name_of(extractor)} features\nP: VGG | Alex" for extractor in results)]
    return grid(rows, titles, column_labels=heads, title=title, widest=1.6, tallest=8.4)
