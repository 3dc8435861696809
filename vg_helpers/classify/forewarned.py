"""The forewarned judge: the texture judge's machine, which has also learned from repainted photos.

Convention: moments (N, 2C) as in models.texture. `pictures` is a frame with one row per picture and the columns content
and style, the names of its photo and of the painting in whose style it is; an untouched photo has the style "".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from ..data.twins import NEAR_DUPLICATE, perceptual_hash
from ..data.views import eval_view
from ..device import autocast
from ..images import read_pixels
from ..models.extractor import FeatureExtractor
from ..models.texture import TextureJudge, channel_moments, mean_squared_differences, standardised, statistics
from .texture import COPY_WEIGHT, machine, out_of_fold

STRENGTH = 10.0  # of the machine: the C that cross-validation chose for both networks
PHOTO_FOLDS = 5  # photos are left out in so many groups, paintings one by one
MISTAKEN = 0.02  # of further photos may be taken for Van Goghs
FEWEST_PHOTOS = 3  # from which a bound is estimated
BATCH = 8


@torch.inference_mode()
def measure_textures(
    extractor: FeatureExtractor, pictures: Iterable[Tensor], device: torch.device, size: int = 224
) -> NDArray[np.float32]:
    """Return the moments (N, 2C) of pictures (1, 3, H, W) in [0, 1], each seen as a held-out painting is.

    Args:
        size: of the view, in pixels; the shorter side of a picture becomes 8/7 of it.
    """
    extractor, pictures, rows = extractor.to(device), iter(pictures), []
    while batch := list(islice(pictures, BATCH)):
        views = torch.stack([eval_view(picture[0].cpu(), size, 0) for picture in batch]).to(device)
        with autocast(device):
            features = extractor(views)
        rows.append(channel_moments(features).cpu().numpy())
    return np.concatenate(rows)


def learn_paintings(
    moments: NDArray, labels: NDArray, groups: NDArray, names: Sequence[str], gamma: float, seed: int = 42
) -> tuple[TextureJudge, NDArray[np.float64]]:
    """Return a texture judge without refits and the log odds (N,) of its paintings, by machines that saw no twin.

    Args:
        gamma: the kernel's width, of a judge that saw the same paintings at another size.
    """
    values = statistics(torch.from_numpy(np.asarray(moments, dtype=np.float32)))
    center, scale = values.mean(0), values.std(0).clamp(min=1e-6)
    support = standardised(values, center, scale).half()
    kernel = np.exp(-gamma * mean_squared_differences(support.float(), support.float()).numpy())
    scores = out_of_fold(kernel, labels, groups, STRENGTH, seed)
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(scores[:, None], labels)
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    tensors = {
        "center": center, "scale": scale, "support": support, "labels": torch.tensor(labels),
        "gamma": torch.tensor(gamma), "slope": torch.tensor(slope), "shift": torch.tensor(shift),
        **_tensors(machine(kernel, labels, STRENGTH)),
    }  # fmt: skip
    return TextureJudge(tensors, list(names)).eval(), slope * scores + shift


def _tensors(fitted: tuple[NDArray, float]) -> dict[str, Tensor]:
    weights, bias = fitted
    return {
        "weights": torch.tensor(weights[None], dtype=torch.float32),
        "biases": torch.tensor([bias], dtype=torch.float32),
    }


def same_paintings(index: pd.DataFrame, files: Iterable[str | Path]) -> NDArray[np.bool_]:
    """Return for each row of an index whether it, or a twin of it, is nearly the same picture as one of the files."""
    hashes = np.array([int(code, 16) for code in index["phash"]], dtype=np.uint64)
    near = np.zeros(len(index), dtype=bool)
    for file in files:
        code = np.uint64(int(perceptual_hash(read_pixels(Path(file))), 16))
        near |= np.bitwise_count(hashes ^ code) <= NEAR_DUPLICATE
    return index["group"].isin(set(index["group"][near])).to_numpy()


def photo_bound(odds: NDArray) -> float:
    """Return the log odds that a further photo reaches with a chance of MISTAKEN, judging by those of some photos.

    It is Student's prediction bound. It is 0, the odds' own threshold, if that is higher or there are too few photos.
    """
    if len(odds) < FEWEST_PHOTOS:
        return 0.0
    margin = stats.t.ppf(1 - MISTAKEN, len(odds) - 1) * np.std(odds, ddof=1) * np.sqrt(1 + 1 / len(odds))
    return max(0.0, float(np.mean(odds) + margin))


def forewarn(
    judge: TextureJudge, moments: NDArray, pictures: pd.DataFrame, left_out: NDArray | None = None
) -> TextureJudge:
    """Return a judge that learned from a judge's paintings and, as no Van Goghs, from pictures with these moments.

    Its log odds are lower by `photo_bound` of the untouched photos, each judged by a machine that learned neither it
    nor what was painted from it. It has no refits.

    Args:
        left_out: (n,) which of the paintings it does not learn from.
    """
    kernel, labels, weights = _kernel(judge, moments), _labels(judge, len(moments)), _weights(judge, len(moments))
    learned = _learned(judge, left_out)
    rows = np.concatenate([learned, np.arange(len(judge.support), len(kernel))])
    support = torch.cat([judge.support.float(), judge.standardise(torch.from_numpy(moments))])[rows]
    untouched = (pictures["style"] == "").to_numpy()
    bound = photo_bound(_cross_fitted(judge, moments, pictures, left_out, untouched)[untouched])
    tensors = dict(judge.state_dict()) | {"support": support.half(), "labels": torch.from_numpy(labels[rows])}
    tensors |= _tensors(machine(kernel[np.ix_(rows, rows)], labels[rows], STRENGTH, weights[rows]))
    names = [judge.names[row % len(judge.names)] for row in learned]
    names += [f"picture {number}" for number in range(len(moments))]
    return TextureJudge(tensors | {"shift": judge.shift - bound}, names).eval()


def cross_fit(
    judge: TextureJudge,
    moments: NDArray,
    pictures: pd.DataFrame,
    left_out: NDArray | None = None,
    on_block: Callable[[int], Any] | None = None,
) -> NDArray[np.float64]:
    """Return the log odds (N,) of pictures, each by a forewarned judge that learned from others of them.

    The judge of a picture learned from no picture of the same photo or in the style of the same painting. Nor does its
    `photo_bound` depend on that photo.

    Args:
        moments: (N, 2C) of the pictures, the untouched photos among them.
        left_out: (n,) which paintings nobody learns from: those whose style the pictures have.
        on_block: called with the number of pictures that were just judged.
    """
    everything, untouched = np.ones(len(moments), dtype=bool), (pictures["style"] == "").to_numpy()
    odds = _cross_fitted(judge, moments, pictures, left_out, everything, on_block)
    bounds = np.zeros(len(moments))
    for judged, learned in blocks(pictures):
        bounds[judged] = photo_bound(odds[learned][untouched[learned]])
    return odds - bounds


def _cross_fitted(
    judge: TextureJudge,
    moments: NDArray,
    pictures: pd.DataFrame,
    left_out: NDArray | None,
    asked: NDArray[np.bool_],
    on_block: Callable[[int], Any] | None = None,
) -> NDArray[np.float64]:
    """Return the log odds (N,) of the pictures that are `asked` about, before any bound; NaN of the others."""
    kernel, paintings = _kernel(judge, moments), _learned(judge, left_out)
    labels, shares = _labels(judge, len(moments)), _weights(judge, len(moments))
    count, odds = len(judge.support), np.full(len(moments), np.nan)
    for judged, learned in blocks(pictures):
        if not asked[judged].any():
            continue
        rows = np.concatenate([paintings, count + learned])
        weights, bias = machine(kernel[np.ix_(rows, rows)], labels[rows], STRENGTH, shares[rows])
        values = kernel[np.ix_(count + judged, rows)] @ weights + bias
        odds[judged] = float(judge.slope) * values + float(judge.shift)
        if on_block:
            on_block(len(judged))
    return odds


def blocks(pictures: pd.DataFrame) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield which pictures are judged together, and which ones their judge may learn from: rows of the frame.

    Photos are left out a fold at a time, paintings one by one.
    """
    fold = pd.factorize(pictures["content"])[0] % PHOTO_FOLDS
    style = pictures["style"].to_numpy()
    for photos, painting in sorted(set(zip(fold.tolist(), style.tolist(), strict=True))):
        others = (fold != photos) & ((style != painting) | (style == ""))
        yield np.flatnonzero((fold == photos) & (style == painting)), np.flatnonzero(others)


def _kernel(judge: TextureJudge, moments: NDArray) -> NDArray[np.float64]:
    """Return the kernel (M + N, M + N) of a judge's support and of pictures."""
    rows = torch.cat([judge.support.float(), judge.standardise(torch.from_numpy(moments))])
    return torch.exp(-judge.gamma * mean_squared_differences(rows, rows)).double().numpy()


def _learned(judge: TextureJudge, left_out: NDArray | None) -> NDArray[np.intp]:
    """Return the rows of the support that are learned from: paintings and, if the judge has them, their copies."""
    allowed = np.ones(len(judge.labels), dtype=bool) if left_out is None else ~np.asarray(left_out)
    return np.flatnonzero(np.tile(allowed, len(judge.support) // len(judge.labels)))


def _labels(judge: TextureJudge, count: int) -> NDArray[np.int64]:
    """Return the labels of a judge's support and of so many pictures, which are no Van Goghs."""
    labels = np.tile(judge.labels.numpy(), len(judge.support) // len(judge.labels))
    return np.concatenate([labels, np.zeros(count, dtype=np.int64)])


def _weights(judge: TextureJudge, count: int) -> NDArray[np.float64]:
    """Return how much the errors of all of them count: those of corrupted copies less."""
    weights = np.ones(len(judge.support) + count)
    weights[len(judge.labels) : len(judge.support)] = COPY_WEIGHT
    return weights


@dataclass(frozen=True)
class TextureLook:
    """A judge that looks at pictures through its network: P(van_gogh) and log odds of pictures at a size."""

    extractor: FeatureExtractor
    judge: TextureJudge
    device: torch.device
    size: int = 224

    def log_odds(self, pictures: Iterable[Tensor]) -> NDArray[np.float64]:
        """Return the log odds (N,) of pictures (1, 3, H, W) in [0, 1]."""
        moments = measure_textures(self.extractor, pictures, self.device, self.size)
        return self.judge(torch.from_numpy(moments)).double().numpy()

    def __call__(self, pictures: Iterable[Tensor]) -> NDArray[np.float64]:
        """Return P(van_gogh) of pictures (1, 3, H, W) in [0, 1]."""
        return expit(self.log_odds(pictures))

    def content(self) -> tuple[Any, ...]:
        """Return what its answers depend on, for `Stage.keep`."""
        return dict(self.extractor.state_dict()), self.judge.content(), str(self.device), self.size
