"""The stroke judge: what the brush does, measured without any network and without colour.

Convention: a relief (H, W) is the luminance of a picture with equal brightness and contrast everywhere. Angles lie in
[0, π) and grow from the direction of a row towards that of a column.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.feature import structure_tensor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ..data.views import build_dataset, eval_view
from ..metrics import score_table
from .setup import Setup

LUMINANCE = np.float32([0.299, 0.587, 0.114])
SURROUNDINGS = 8.0  # pixels: standard deviation of the area to whose brightness and contrast a place is compared
NEIGHBORHOOD = 2.0  # pixels: the same of the area in which a direction is measured
DISTANCES = (1, 2, 3, 4, 6, 8, 12, 16)  # pixels between two places along a stroke or across it
STEPS = (1, 2, 4, 8)  # between two places whose directions are compared, in units of GRID
GRID = 3  # pixels between the places that are measured
BINS = 16  # of the direction histogram
HARMONICS = 4
OCTAVES = 5
STRENGTH = 1.0  # of the logistic regression: scikit-learn's C
FOLDS = 5


@dataclass(frozen=True)
class Directions:
    """At each place (H, W): the stroke's angle, its coherence in [0, 1], and how much contrast there is."""

    angle: NDArray
    coherence: NDArray
    energy: NDArray


def luminance(picture: Tensor) -> NDArray[np.float32]:
    """Return the luminance (H, W) of a picture (3, H, W) in [0, 1]."""
    return np.tensordot(LUMINANCE, picture.detach().cpu().float().numpy(), 1)


def relief_of(gray: NDArray) -> NDArray:
    """Return the relief of a luminance (H, W)."""
    raised = gray - _smooth(gray, SURROUNDINGS)
    return raised / (np.sqrt(_smooth(raised**2, SURROUNDINGS)) + np.float32(0.01))


def directions(relief: NDArray) -> Directions:
    """Return the strokes' directions, from the structure tensor.

    Coherence is the difference of its eigenvalues over their sum: 1 for parallel strokes, 0 where no direction
    prevails.
    """
    rows, mixed, columns = (_smooth(part, NEIGHBORHOOD) for part in structure_tensor(relief, order="rc"))
    energy, lean, slant = rows + columns, columns - rows, 2 * mixed
    steepest = np.arctan2(slant, lean) / 2
    return Directions((steepest + np.pi / 2) % np.pi, np.hypot(lean, slant) / (energy + 1e-6), energy)


def _smooth(values: NDArray, deviation: float) -> NDArray:
    return gaussian_filter(values, deviation, truncate=3, mode="nearest")


def direction_histogram(strokes: Directions) -> NDArray[np.float64]:
    """Return how much of the strokes has which direction, (BINS,) with the sum 1; coherent places count more.

    If a picture is turned by 90 degrees, its histogram is rolled by half of its bins.
    """
    bins = np.floor(strokes.angle * (BINS / np.pi)).astype(int) % BINS
    counts = np.bincount(bins.ravel(), (strokes.energy * strokes.coherence).ravel(), BINS)
    return counts / max(counts.sum(), 1e-12)


def stroke_numbers(picture: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return what is measured of a picture (3, H, W) in [0, 1], by name.

    Turning the picture by 90 degrees leaves all of it alone, and so does any change of colour that keeps the
    luminance. Both sides need at least 2 ** OCTAVES pixels.

    - coherence: its mean weighted by energy, and quantiles;
    - directions: the harmonics of the histogram, and its entropy: one direction prevails, or all occur;
    - length, width: how alike the relief is at places so far apart, along the strokes and across them;
    - rhythm: how alike the directions are of places so far apart;
    - fineness: the contrast in each octave of sizes;
    - relief: quantiles and moments: thin dark lines on a light ground, or the reverse.
    """
    gray = luminance(picture)
    relief = relief_of(gray)
    strokes, places = directions(relief), np.ix_(*map(_grid, relief.shape))
    part = Directions(strokes.angle[places], strokes.coherence[places], strokes.energy[places])
    weight = part.energy / max(part.energy.sum(), 1e-12)
    histogram, heights = direction_histogram(strokes), relief[places].astype(np.float64)
    along, across = (_likeness(relief, places, part, turn) for turn in (0, np.pi / 2))
    entropy = -(histogram * np.log(histogram + 1e-9)).sum()
    return {
        "coherence": np.array([(weight * part.coherence).sum(), *np.quantile(part.coherence, (0.1, 0.5, 0.9))]),
        "directions": np.array([*np.abs(np.fft.rfft(histogram))[1 : HARMONICS + 1], entropy]),
        "length": along,
        "width": across,
        "rhythm": _rhythm(part),
        "fineness": _octaves(gray.astype(np.float64)),
        "relief": np.array([*np.quantile(heights, (0.02, 0.1, 0.5, 0.9, 0.98)), *_moments(heights)]),
    }


def _grid(length: int) -> NDArray[np.intp]:
    """Return places GRID apart that lie the same from either end, so that turning a picture keeps them."""
    margin = next((m for m in range(GRID) if (length - 1 - 2 * m) % GRID == 0), 0)
    return np.arange(margin, length - margin, GRID)


def _likeness(relief: NDArray, places: Any, strokes: Directions, turn: float) -> NDArray[np.float64]:
    """Return the correlation of the relief with itself at DISTANCES in the strokes' direction, turned by an angle."""
    margin = max(DISTANCES) + 1
    padded = np.pad(relief, margin, mode="symmetric")
    rows, columns = places[0] + margin, places[1] + margin
    here, weight = padded[rows, columns], np.sqrt(strokes.energy * strokes.coherence)
    down, right = np.sin(strokes.angle + turn), np.cos(strokes.angle + turn)
    correlations = []
    for distance in DISTANCES:
        step = np.rint(distance * down).astype(int), np.rint(distance * right).astype(int)
        there = padded[rows + step[0], columns + step[1]] + padded[rows - step[0], columns - step[1]]
        correlations.append((weight * here * there).sum() / 2)
    return np.array(correlations) / max((weight * here**2).sum(), 1e-12)


def _rhythm(strokes: Directions) -> NDArray[np.float64]:
    """Return the mean cosine of twice the angle between the strokes of places STEPS apart, in rows and columns."""
    weight = np.sqrt(strokes.energy * strokes.coherence)
    arrows = weight * np.exp(2j * strokes.angle)
    values = []
    for step in STEPS:
        pairs = (arrows[step:], arrows[:-step]), (arrows[:, step:], arrows[:, :-step])
        alike = sum((first * second.conj()).real.sum() for first, second in pairs)
        values.append(alike / max(sum(np.abs(first * second).sum() for first, second in pairs), 1e-12))
    return np.array(values)


def _octaves(gray: NDArray) -> NDArray[np.float64]:
    """Return the logarithm of the contrast that each halving of the size removes, and of what is left."""
    contrasts = []
    for _ in range(OCTAVES):
        height, width = (side // 2 * 2 for side in gray.shape)
        blocks = gray[:height, :width].reshape(height // 2, 2, width // 2, 2)
        contrasts.append(np.sqrt(blocks.var(axis=(1, 3)).mean()))
        gray = blocks.mean(axis=(1, 3))
    return np.log(np.array([*contrasts, gray.std()]) + 1e-4)


def _moments(heights: NDArray) -> tuple[float, float]:
    return float((heights**3).mean()), float((heights**4).mean())


def measure_strokes(pictures: Iterable[Tensor], size: int = 224) -> NDArray[np.float64]:
    """Return the numbers (N, D) of pictures (1, 3, H, W) in [0, 1], each seen as a held-out painting is."""
    return np.stack([_row(eval_view(picture[0], size, 0)) for picture in pictures])


def _row(picture: Tensor) -> NDArray[np.float64]:
    return np.concatenate(list(stroke_numbers(picture).values()))


def paintings_strokes(
    index: pd.DataFrame, setup: Setup, on_painting: Callable[[int], Any] | None = None
) -> NDArray[np.float64]:
    """Return the numbers (N, D) of all paintings of an index; `on_painting(1)` is called after each."""
    pictures = build_dataset(index, setup.data_dir, setup.cache_dir, False, setup.size, setup.seed)
    rows = []
    for position in range(len(pictures)):
        rows.append(_row(pictures[position][0]))
        if on_painting:
            on_painting(1)
    return np.stack(rows)


@dataclass(frozen=True)
class StrokeJudge:
    """A logistic regression on the numbers of pictures that are seen at a size."""

    regression: Pipeline
    size: int = 224

    def content(self) -> tuple[Any, ...]:
        """Return what its answers depend on, for `Stage.keep`."""
        scaler, line = self.regression[0], self.regression[-1]
        return scaler.mean_, scaler.scale_, line.coef_, line.intercept_, self.size

    def probs(self, numbers: NDArray) -> NDArray[np.float64]:
        """Return P(van_gogh) of numbers (N, D)."""
        return self.regression.predict_proba(numbers)[:, 1]

    def __call__(self, pictures: Iterable[Tensor]) -> NDArray[np.float64]:
        """Return P(van_gogh) of pictures (1, 3, H, W) in [0, 1]."""
        return self.probs(measure_strokes(pictures, self.size))


def fit_stroke_judge(numbers: NDArray, labels: NDArray, seed: int = 42, size: int = 224) -> StrokeJudge:
    """Return the judge of training paintings, of which both classes count alike."""
    return StrokeJudge(_pipeline(seed).fit(numbers, labels), size)


def cross_validate(numbers: NDArray, labels: NDArray, groups: NDArray, seed: int = 42) -> pd.Series:
    """Return value, low and high of the ROC AUC over paintings that are judged without them and their twins."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    options = {"groups": groups, "cv": folds, "method": "predict_proba"}
    probs = cross_val_predict(_pipeline(seed), numbers, labels, **options)[:, 1]
    return score_table(labels, probs, groups=groups, seed=seed).loc["roc_auc"]


def _pipeline(seed: int) -> Pipeline:
    line = LogisticRegression(C=STRENGTH, max_iter=2000, class_weight="balanced", random_state=seed)
    return make_pipeline(StandardScaler(), line)
