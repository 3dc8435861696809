"""What a network sees of a painting: the cache of decoded pictures, transforms, views, Dataset.

Convention: pictures come out as (3, H, W) in [0, 1]; the models normalise them.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from ..files import CUT, atomic
from ..images import SHORT_SIDE, image_size, load_image, read_pixels

DECODER = 2  # of the cached pictures: raised whenever `read_pixels` gives other values for the same file
EVAL_VIEWS = 2  # a picture's centre and its mirror image; two more for each end of its longer side
PATCH_SIDE = 800  # pixels of the shorter side of a picture from which patches are taken
TURN = 8  # degrees by which an end is turned when judged: about the mean of the turns in training


def load_pixels(path: Path, cache_dir: Path) -> np.ndarray:
    """Return a painting as (H, W, 3) uint8 with a shorter side of SHORT_SIDE, decoded once and then cached.

    The cache's key is path, size in bytes and time of change, so that a replaced file is decoded again. So is one of
    which the cached copy is damaged.

    Raises:
        ImageError: if the file is missing or no image.
    """
    try:
        facts = path.stat()
    except OSError:
        return read_pixels(path)  # says what is wrong
    key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{SHORT_SIDE}|{DECODER}"
    key = hashlib.sha1(os.fsencode(key)).hexdigest()
    cached = cache_dir / key[:2] / f"{key}.npy"
    with suppress(*CUT):  # missing, or cut when a disk was full
        return np.load(cached)
    pixels = read_pixels(path)
    with atomic(cached) as part:
        np.save(part, pixels)
    return pixels


def train_transform(size: int = 224) -> v2.Transform:
    """Return the augmentation of the protocol: crop of 80–100 %, flip, colour jitter, rotation of up to 15 degrees."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.8, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.2, 0.2, 0.2, 0.05),
            v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def eval_transform(size: int = 224) -> v2.Transform:
    """Return the view that is judged: shorter side to 8/7 of `size` (256 for 224), then the centre.

    Pictures become 8-bit first, as the cached ones are, so that the same resampling finds the same values.
    """
    resize = v2.Resize(round(size * 8 / 7), v2.InterpolationMode.BICUBIC, antialias=True)
    as_bytes, as_floats = v2.ToDtype(torch.uint8, scale=True), v2.ToDtype(torch.float32, scale=True)
    return v2.Compose([as_bytes, resize, v2.CenterCrop(size), as_floats])


def eval_view(image: Tensor, size: int, view: int) -> Tensor:
    """Return one view (3, size, size) of a held-out image (3, H, W), 8-bit or in [0, 1].

    Views 0 and 1 are the centre and its mirror image, 2 and 3 the start of the longer side with the whole of the
    shorter one, turned anticlockwise, 4 and 5 its end, turned clockwise; so a square image has six views as well.
    """
    side, start = min(image.shape[1:]), view < 4
    if view < 2:
        picture = eval_transform(size)(image)
    else:
        square = v2.functional.to_dtype(image, torch.uint8, scale=True)
        square = square[:, :side, :side] if start else square[:, -side:, -side:]
        square = v2.functional.resize(square, [size, size], v2.InterpolationMode.BICUBIC, antialias=True)
        turned = v2.functional.rotate(square, TURN if start else -TURN, v2.InterpolationMode.BILINEAR)
        picture = v2.functional.to_dtype(turned, torch.float32, scale=True)
    return picture.flip(-1) if view % 2 else picture


@dataclass
class PaintingDataset(Dataset):
    """Paintings as (picture (3, size, size) in [0, 1], target), in one of several views.

    `view` chooses the random augmentation while training, so that epoch, seed and position alone decide what comes out,
    whatever the number of workers. When judging it is the one of `eval_view`.
    """

    paths: Sequence[Path]
    targets: Sequence[int]
    cache_dir: Path
    size: int = 224
    augment: bool = False
    seed: int = 0
    view: int = 0

    def __post_init__(self) -> None:
        self.transform = train_transform(self.size)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(load_pixels(Path(self.paths[position]), Path(self.cache_dir))).permute(2, 0, 1)
        if not self.augment:
            return eval_view(image, self.size, self.view), int(self.targets[position])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([self.seed, self.view, position]).generate_state(1)[0]))
            return self.transform(image), int(self.targets[position])

    def picture(self, position: int, view: int) -> Tensor:
        """Return one picture in one view, whatever view the data set is set to."""
        return replace(self, view=view)[position][0]


@dataclass
class PatchDataset(PaintingDataset):
    """Paintings as (views (1 + patches, 3, size, size) in [0, 1], target): the centre, and patches of large files."""

    patches: int = 8

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        centre, target = super().__getitem__(position)
        native = native_patches(Path(self.paths[position]), self.patches, self.size)
        if not len(native):  # a small file has nothing finer to show
            native = centre.expand(self.patches, -1, -1, -1)
        return torch.cat([centre[None], native]), target


def native_patches(path: Path, count: int, size: int = 224) -> Tensor:
    """Return patches (count, 3, size, size) of a picture file near its own resolution; none (0, …) of a small file.

    A file is large if its shorter side has at least twice SHORT_SIDE; more than PATCH_SIDE are scaled down to that.
    """
    width, height = image_size(path)
    if min(width, height) < 2 * SHORT_SIDE:
        return torch.empty(0, 3, size, size)
    pixels = torch.from_numpy(read_pixels(path, min(width, height, PATCH_SIDE))).permute(2, 0, 1)
    corners = patch_corners(*pixels.shape[1:], count, size)
    return torch.stack([pixels[:, top : top + size, left : left + size] for top, left in corners]).float() / 255


def patch_corners(height: int, width: int, count: int, size: int) -> list[tuple[int, int]]:
    """Return the upper left corners of `count` squares, spread evenly over a picture.

    >>> patch_corners(800, 1000, 4, 224)
    [(0, 0), (0, 776), (576, 0), (576, 776)]
    """
    rows = max(1, round((count * height / width) ** 0.5))
    corners = []
    for row in range(rows):
        columns = count // rows + (row < count % rows)
        top = round((height - size) * (row / (rows - 1) if rows > 1 else 0.5))
        steps = [column / (columns - 1) for column in range(columns)] if columns > 1 else [0.5] * columns
        corners += [(top, round((width - size) * step)) for step in steps]
    return corners


def load_originals(folder: str | Path, names: Sequence[str]) -> list[Tensor]:
    """Return pictures (3, H, W) as they are in their files, for figures."""
    return [load_image(Path(folder, name))[0] for name in names]


def build_dataset(
    index: Any, data_dir: Path, cache_dir: Path, augment: bool = False, size: int = 224, seed: int = 0
) -> PaintingDataset:
    """Return the dataset of the rows of an index (a pandas frame), in their order."""
    paths = [Path(data_dir, name) for name in index["path"]]
    return PaintingDataset(paths, index["label"].tolist(), Path(cache_dir), size, augment, seed)
