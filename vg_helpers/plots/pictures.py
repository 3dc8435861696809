"""Figures made of pictures, in aligned cells: every function returns a closed matplotlib Figure.

Convention: an image is a (3, H, W) array or tensor in [0, 1]; several are an (N, 3, H, W) tensor or a list, whose sizes
may differ.
"""

from collections.abc import Mapping, Sequence
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


def grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    titles: Sequence[Sequence[object]] | None = None,
    row_labels: Sequence[object] = (),
    column_labels: Sequence[object] = (),
    title: str | None = None,
    gaps: Mapping[int, float] | None = None,
    tallest: float = HEIGHT,
) -> Figure:
    """Return pictures in aligned cells, each whole and undistorted; None leaves a cell empty.

    Args:
        rows: (H, W, 3) arrays.
        titles: a text above each picture, in the shape of `rows`; a row's list may be empty.
        gaps: extra inches before a column, by its number.
        tallest: inches that all rows together may take.
    """
    columns, gaps = max(len(row) for row in rows), gaps or {}
    left = 0.26 if any(row_labels) else 0.02
    room = WIDTH - left - 0.02 - sum(gaps.values()) - 0.06 * (columns - 1)
    width = min(room / columns, 2.1 if len(rows) == 1 else 1.4)
    shapes = [image.shape for row in rows for image in row if image is not None]
    aspect = float(np.clip(np.median([shape[0] / shape[1] for shape in shapes]), 0.6, 1.35))
    texts = [[wrap(text, width) if text else "" for text in row] for row in titles or [[]] * len(rows)]
    bands = [0.07 + 0.12 * max((_lines(text) for text in row), default=0) for row in texts]
    heads = [wrap(typeset(label), width, 8, lines=4) for label in column_labels]
    top = (0.17 * _lines(title_text(title)) + 0.08 if title else 0) + 0.135 * max(map(_lines, heads), default=0)
    full = [any(image is not None for image in row) for row in rows]
    height = min(width * aspect, (tallest - top - sum(bands)) / max(sum(full), 1))
    heights = [height if pictures else 0.16 for pictures in full]
    total = top + sum(bands) + sum(heights) + 0.02
    figure = Figure(figsize=(WIDTH, total))
    if title:
        figure.suptitle(title_text(title), x=0.005, y=1 - 0.03 / total, ha="left", va="top")

    def write(x: float, y: float, text: str, size: float = 7.5) -> None:
        """Write lines centred at x, the last one standing on y, in inches from the top left."""
        for k, line in enumerate(reversed(text.splitlines())):
            height_of_line = 1 - (y - 0.04 - k * 1.18 * size / 72) / total
            figure.text(x / WIDTH, height_of_line, line, ha="center", va="baseline", fontsize=size)

    starts = [left + c * (width + 0.06) + sum(extra for at, extra in gaps.items() if at <= c) for c in range(columns)]
    for start, head in zip(starts, heads, strict=False):
        write(start + width / 2, top, head, size=8)
    y = top
    for r, row in enumerate(rows):
        y += bands[r]
        if not full[r]:
            none = f"{row_labels[r]}: none" if r < len(row_labels) else "none"
            figure.text(starts[0] / WIDTH, 1 - (y + heights[r] / 2) / total, plain(none), va="center", fontsize=8)
        elif r < len(row_labels):
            label = wrap(row_labels[r], height, 8, lines=2)
            middle = {"va": "center", "ha": "center", "rotation": 90, "fontsize": 8}
            figure.text(0.5 * left / WIDTH, 1 - (y + height / 2) / total, label, **middle)
        for c, image in enumerate(row):
            if image is None:
                continue
            scale = min(width / image.shape[1], height / image.shape[0])
            w, h = image.shape[1] * scale, image.shape[0] * scale
            x, below = starts[c] + (width - w) / 2, y + (height + h) / 2
            axes = figure.add_axes((x / WIDTH, 1 - below / total, w / WIDTH, h / total))
            axes.imshow(image.clip(0, 1), aspect="auto", interpolation="antialiased")
            axes.set_axis_off()
            if c < len(texts[r]) and texts[r][c]:
                write(starts[c] + width / 2, y, texts[r][c])
        y += heights[r]
    return figure


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _chunks(items: Sequence[Any], length: int) -> list[list[Any]]:
    return [list(items[start : start + length]) for start in range(0, len(items), length)]


@styled
def plot_samples(
    images: Any, titles: Sequence[object] | None = None, columns: int = 6, title: str | None = None
) -> Figure:
    """Return the images as a grid with a title above each."""
    if len(images) == 0:
        return empty_figure("images")
    rows = _chunks([as_array(image) for image in images], columns)
    rows[-1] += [None] * (min(columns, len(images)) - len(rows[-1]))
    return grid(rows, _chunks(list(titles), columns) if titles is not None else None, title=title)


@styled
def plot_augmentations(original: Any, augmented: Any, title: str | None = None) -> Figure:
    """Return original and augmented versions side by side.

    Args:
        original: one image, or R of them.
        augmented: K versions of the one image, (K, 3, H, W), or R such groups.
    """
    one = getattr(original, "ndim", 0) == 3 or (
        getattr(original, "ndim", 0) == 4 and getattr(augmented, "ndim", 0) != 5
    )
    originals, groups = ([original], [augmented]) if one else (original, augmented)
    if len(originals) == 0:
        return empty_figure("augmented images")
    rows = [
        [as_array(image), *(as_array(version) for version in group)]
        for image, group in zip(originals, groups, strict=True)
    ]
    return grid(rows, column_labels=["original", "augmented"], title=title, gaps={1: 0.12})


@styled
def plot_twins(
    pairs: Sequence[tuple[Any, Any]], titles: Sequence[tuple[object, object]] | None = None, title: str | None = None
) -> Figure:
    """Return near-duplicates side by side, two pairs to a row.

    Args:
        pairs: (image, image).
        titles: (title, title) of each pair.
    """
    if len(pairs) == 0:
        return empty_figure("near-duplicates")
    flat = [as_array(image) for pair in pairs for image in pair]
    rows = _chunks(flat, 6)
    rows[-1] += [None] * (min(6, len(flat)) - len(rows[-1]))
    texts = _chunks([text for pair in titles for text in pair], 6) if titles is not None else None
    return grid(rows, texts, title=title, gaps={2: 0.16, 4: 0.16} if len(flat) > 4 else {2: 0.16})


@styled
def plot_prediction_examples(
    images: Sequence[Any],
    titles: Sequence[Sequence[object]],
    row_labels: Sequence[str] = ("true positives", "false positives", "true negatives", "false negatives"),
    title: str | None = None,
) -> Figure:
    """Return one row of examples for each outcome; a row may be empty.

    Args:
        images: one list of images for each row.
        titles: the same shape.
    """
    if not any(len(row) for row in images):
        return empty_figure("examples")
    columns = max(len(row) for row in images)
    rows = [[as_array(image) for image in row] + [None] * (columns - len(row)) for row in images]
    return grid(rows, titles, row_labels=row_labels, title=title)


@styled
def plot_triptych(
    content: Any,
    style: Any,
    result: Any,
    titles: Sequence[object] = ("content", "style", "result"),
    title: str | None = None,
) -> Figure:
    """Return content photo, style painting and result side by side."""
    return grid([[as_array(content), as_array(style), as_array(result)]], [titles], title=title)


@styled
def plot_result_grid(
    contents: Any,
    styles: Any,
    results: Mapping[str, Any],
    p_values: Mapping[str, Sequence[Any]] | None = None,
    title: str | None = None,
) -> Figure:
    """Return one row per photo: content, style, and the result of each extractor with P(van_gogh) above it.

    More than six photos are set as two blocks side by side.

    Args:
        contents: the photos.
        styles: the style painting of each photo.
        results: by extractor, the result for each photo.
        p_values: by extractor, P(van_gogh) of each result: a number, or the pair of VGG-19's and AlexNet's.
    """
    if len(contents) == 0:
        return empty_figure("stylised images")
    blocks = 2 if len(contents) > 6 else 1
    pairs = bool(p_values) and np.ndim(next(iter(p_values.values()))) == 2
    judges = "\nP: VGG | Alex" if pairs else ""
    heads = ["content", "style", *(f"{name_of(extractor)} features{judges}" for extractor in results)]
    rows, titles = [], []
    for i in range(len(contents)):
        cells = [as_array(image) for image in (contents[i], styles[i], *(made[i] for made in results.values()))]
        texts = ["", "", *(_p_text(p_values[extractor][i]) if p_values else "" for extractor in results)]
        if i % blocks == 0:
            rows, titles = [*rows, cells], [*titles, texts]
        else:
            rows[-1], titles[-1] = rows[-1] + cells, titles[-1] + texts
    rows[-1] += [None] * (len(rows[0]) - len(rows[-1]))
    gaps = {len(heads): 0.14} if blocks == 2 else None
    texts = titles if p_values else None
    return grid(rows, texts, column_labels=heads * blocks, title=title, gaps=gaps, tallest=6.4)


def _p_text(value: Any) -> str:
    return f"P = {value:.2f}" if np.ndim(value) == 0 else " | ".join(f"{p:.2f}" for p in value)
