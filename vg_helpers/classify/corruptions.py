"""What a poor photograph does to the answers: test paintings compressed, cropped, tilted, tinted and so on.

Convention: a corruption takes a picture (3, H, W) as uint8 and a random generator, and returns another as uint8, in
which nothing but picture shows. The picture's shorter side is SHORT_SIDE. A painting's path and the seed decide every
draw, so that all classifiers see the same pictures.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F
from tqdm.auto import tqdm

from ..data.views import eval_view, load_pixels
from ..intervals import Estimate
from ..metrics import auc_difference, score_table
from .setup import Setup

Judge = Callable[[Iterable[Tensor]], dict[str, np.ndarray]]  # pictures (1, 3, H, W) in [0, 1] → P by classifier
UNCHANGED = "unchanged"
BICUBIC, BILINEAR = InterpolationMode.BICUBIC, InterpolationMode.BILINEAR


def jpeg(image: Tensor, _: np.random.Generator, quality: int) -> Tensor:
    """Return the picture compressed as JPEG."""
    file = BytesIO()
    F.to_pil_image(image).save(file, "JPEG", quality=quality)
    return F.pil_to_tensor(Image.open(file))


def half_size(image: Tensor, _: np.random.Generator) -> Tensor:
    """Return the picture scaled to half its size and back."""
    height, width = image.shape[1:]
    small = F.resize(image, [height // 2, width // 2], BICUBIC, antialias=True)
    return F.resize(small, [height, width], BICUBIC, antialias=True)


def crop(image: Tensor, rng: np.random.Generator, side: float = 0.6) -> Tensor:
    """Return a part with `side` of the width and of the height, anywhere in the picture."""
    (height, width), (top, left) = image.shape[1:], rng.random(2)
    rows, columns = round(side * height), round(side * width)
    return F.crop(image, round(top * (height - rows)), round(left * (width - columns)), rows, columns)


def colour_cast(image: Tensor, rng: np.random.Generator, strength: float = 0.2) -> Tensor:
    """Return the picture under warm or cool light: more red and less blue, or the other way round."""
    warmth = strength * rng.choice([-1, 1])
    return _as_bytes(image * torch.tensor([1 + warmth, 1, 1 - warmth]).view(3, 1, 1))


def glare(image: Tensor, rng: np.random.Generator, strength: float = 0.8, radius: float = 0.2) -> Tensor:
    """Return the picture with a soft white spot, whose standard deviation is `radius` of the shorter side."""
    height, width = image.shape[1:]
    row, column = rng.uniform(0.25, 0.75, 2) * (height, width)
    rows, columns = torch.arange(height)[:, None] - row, torch.arange(width)[None] - column
    spot = strength * torch.exp(-(rows**2 + columns**2) / (2 * (radius * min(height, width)) ** 2))
    return _as_bytes(image + spot * (255 - image.float()))


def rotation(image: Tensor, rng: np.random.Generator, degrees: float = 5) -> Tensor:
    """Return the picture turned either way, cut to the largest part of the same shape that shows no corner."""
    height, width = image.shape[1:]
    turned = F.rotate(image, degrees * rng.choice([-1, 1]), BILINEAR)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    scale = min(width / (width * cos + height * sin), height / (width * sin + height * cos))
    return F.center_crop(turned, [int(scale * height) - 2, int(scale * width) - 2])


def perspective(image: Tensor, rng: np.random.Generator, depth: float = 0.12) -> Tensor:
    """Return the picture as seen from the side: each corner moves out by up to `depth` of the sides."""
    height, width = image.shape[1:]
    end = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (width - 1, height - 1)
    inward = 1 + depth * rng.random((4, 2)) * (width, height)  # at least a pixel, or the border would show
    start = end + np.where(end == 0, inward, -inward)
    return F.perspective(image, start.round().astype(int).tolist(), end.tolist(), BILINEAR)


def blur(image: Tensor, _: np.random.Generator, sigma: float = 1.5) -> Tensor:
    """Return the picture after a Gaussian blur of `sigma` pixels."""
    return F.gaussian_blur(image, [9, 9], [sigma, sigma])


def noise(image: Tensor, rng: np.random.Generator, deviation: float = 15) -> Tensor:
    """Return the picture with normal noise on every number, whose standard deviation is in 255ths."""
    return _as_bytes(image + torch.from_numpy(rng.normal(0, deviation, image.shape)))


def grey(image: Tensor, _: np.random.Generator) -> Tensor:
    """Return the picture in shades of grey."""
    return F.rgb_to_grayscale(image, num_output_channels=3)


CORRUPTIONS: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {
    UNCHANGED: lambda image, _: image,
    **{f"JPEG quality {quality}": partial(jpeg, quality=quality) for quality in (95, 75, 50, 30)},
    "half size": half_size,
    "crop to 60 %": crop,
    "colour cast": colour_cast,
    "glare": glare,
    "rotation by 5°": rotation,
    "perspective": perspective,
    "blur": blur,
    "noise": noise,
    "shades of grey": grey,
}


def corrupted(name: str, path: str, setup: Setup) -> Tensor:
    """Return a painting after one of CORRUPTIONS, as (1, 3, H, W) in [0, 1]."""
    pixels = load_pixels(Path(setup.data_dir, path), Path(setup.cache_dir))
    rng = np.random.default_rng([setup.seed, zlib.crc32(path.encode()), zlib.crc32(name.encode())])
    return CORRUPTIONS[name](torch.from_numpy(pixels).permute(2, 0, 1), rng)[None] / 255


@dataclass
class CopyDataset(Dataset):
    """Paintings as (centre of a corrupted copy (3, size, size) in [0, 1], target); path and seed choose the kind."""

    paths: Sequence[str]
    targets: Sequence[int]
    setup: Setup
    view: int = 0

    def __len__(self) -> int:
        return len(self.paths)

    def kind(self, position: int) -> str:
        """Return the name of the corruption."""
        rng = np.random.default_rng([self.setup.seed, zlib.crc32(self.paths[position].encode())])
        return str(rng.choice(list(CORRUPTIONS)[1:]))

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        image = corrupted(self.kind(position), self.paths[position], self.setup)[0]
        return eval_view(image, self.setup.size, self.view), int(self.targets[position])


def examples(path: str, setup: Setup) -> dict[str, Tensor]:
    """Return a painting (3, H, W) after each of CORRUPTIONS, for a figure."""
    return {name: corrupted(name, path, setup)[0] for name in CORRUPTIONS}


def choose_paintings(index: pd.DataFrame, split: str, count: int, seed: int = 42) -> pd.DataFrame:
    """Return `count` test paintings drawn at random, half of them Van Goghs as far as there are so many; 0 gives none.

    A ROC AUC compares Van Goghs with others, so equal numbers of both say most about it.

    Raises:
        ValueError: if count is 1, which leaves nothing to compare.
    """
    if count == 1:
        raise ValueError("num_stress=1: one painting cannot be compared with another; give 2 or more, or 0 for none")
    test = index[index[split] == "test"]
    van_goghs, others = (test[test["label"] == label].sample(frac=1, random_state=seed) for label in (1, 0))
    half = max(count // 2, count - len(others))
    van_goghs = van_goghs[:half]
    return pd.concat([van_goghs, others[: count - len(van_goghs)]]).sort_index().reset_index(drop=True)


def judge_corrupted(
    name: str, judge: Judge, rows: pd.DataFrame, setup: Setup, on_picture: Callable[[int], object] | None = None
) -> dict[str, np.ndarray]:
    """Return by classifier P(van_gogh) of paintings after one corruption."""

    def pictures() -> Iterator[Tensor]:
        for path in rows["path"]:
            yield corrupted(name, path, setup)
            if on_picture:
                on_picture(1)

    return judge(pictures())


def judge_all(judge: Judge, rows: pd.DataFrame, setup: Setup, keep: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Return by corruption and classifier P(van_gogh) of paintings; `keep` is `Stage.keep`. None for no paintings."""
    if rows.empty:
        return {}
    probs, rows = {}, rows[["path"]]
    with tqdm(total=len(CORRUPTIONS) * len(rows), desc="corruptions", unit=" pictures") as bar:
        for number, name in enumerate(CORRUPTIONS):
            values = name, judge, rows, setup
            probs[name] = keep(f"corruption_{number}", judge_corrupted, *values, on_picture=bar.update)
    return probs


def corruption_changes(
    rows: pd.DataFrame, probs: Mapping[str, Mapping[str, np.ndarray]], seed: int = 0
) -> pd.DataFrame:
    """Return one row per corruption and classifier: corruption, model, auc, change (from unchanged), both Estimates.

    Args:
        rows: columns label and group, in the order of the paintings that `judge_all` judged.
    """
    labels, options, table = rows["label"], {"groups": rows["group"], "seed": seed}, []
    for name, by_model in probs.items():
        for model, values in by_model.items():
            auc = Estimate.read(score_table(labels, values, **options).loc["roc_auc"])
            change = auc_difference(labels, values, probs[UNCHANGED][model], **options)
            table.append({"corruption": name, "model": model, "auc": auc, "change": change})
    return pd.DataFrame(table, columns=["corruption", "model", "auc", "change"])


def _as_bytes(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
