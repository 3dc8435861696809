"""Paintings on disk: index, labels, quarantine, splits, a cache of decoded pictures, transforms, Dataset.

Convention: a data folder has the layout of Kaggle's steubk/wikiart, `Post_Impressionism/<artist>_<title>.jpg` and
`classes.csv`. Label 1 is Vincent van Gogh. Pictures come out as (3, H, W) in [0, 1]; the models normalise them.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from .artifacts import atomic

STYLE_FOLDER = "Post_Impressionism"
ARTIST = "vincent van gogh"
SUFFIXES = {".jpg", ".jpeg", ".png"}
UNREADABLE = (OSError, SyntaxError, Image.DecompressionBombError)  # SyntaxError: Pillow on a broken PNG
SHORT_SIDE = 256  # pixels of a cached picture's shorter side: what validation and test resize to
NEAR_DUPLICATE = 8  # differing bits of 64 up to which two hashes mean the same picture
MEDIUMS = {  # what titles tell, the more telling first
    "self-portrait": r"\bself-?portrait",
    "watercolour": r"\b(watercolou?r|aquarelle|gouache)",
    "print": r"\b(lithograph|etching|woodcut|poster)",
    "drawing or sketch": r"\b(drawing(?!-room)|sketch(?!ing)|pencil|charcoal|chalk|ink\b)",
    "study": r"\bstud(y|ies)\b",
}
SPLITS = ("train", "val", "test")
EVAL_VIEWS = 2  # a picture's centre and its mirror image; two more for each end of its longer side
TURN = 8  # degrees by which an end is turned when judged: about the mean of the turns in training


def find_folder(given: str, variable: str, default: str | Path | None) -> Path | None:
    """Return the folder that was given, else the one the environment names, else `default` if it is there.

    Raises:
        ValueError: if a folder that was asked for does not exist.
    """
    for name, source in ((given, "the parameter"), (os.environ.get(variable, ""), variable)):
        if name:
            folder = Path(name).expanduser()
            if not folder.is_dir():
                raise ValueError(f"{folder} (from {source}) is not a folder; give one that exists or leave it out")
            return folder.resolve()
    return Path(default).resolve() if default and Path(default).is_dir() else None


def list_images(folder: Path) -> list[Path]:
    """Return the JPEG and PNG files of a folder, sorted by name.

    Raises:
        ValueError: if there are none.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder} holds no JPEG or PNG files; give a folder with pictures")
    return paths


def index_paintings(
    data_dir: Path,
    cache_dir: Path,
    max_paintings: int = 0,
    seed: int = 42,
    progress: Callable = lambda items, **_: items,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the index (path, artist, title, label, width, height, phash, group) and the quarantine (path, reason).

    Every file is decoded once, which also fills the cache. Files that cannot be read are left out, never replaced.

    Args:
        max_paintings: a sample of this size, classes in proportion; 0 takes all.
        progress: wraps an iterable, such as tqdm.

    Raises:
        ValueError: if the folder has no paintings, or not both classes.
    """
    folder = data_dir / STYLE_FOLDER
    if not folder.is_dir():
        raise ValueError(f"{data_dir} has no folder {STYLE_FOLDER}; give the folder that holds it and classes.csv")
    frame = _label(list_images(folder), data_dir)
    _need_both_classes(frame["label"], str(folder))
    if 0 < max_paintings < len(frame):
        try:
            frame, _ = train_test_split(frame, train_size=max_paintings, stratify=frame["label"], random_state=seed)
        except ValueError as error:
            raise ValueError(f"max_paintings={max_paintings} cannot be drawn ({error}); 0 takes all") from error
        frame = frame.sort_values("path")
    with ThreadPoolExecutor() as pool:
        jobs = pool.map(lambda name: _inspect(data_dir / name, cache_dir), frame["path"])
        facts = pd.DataFrame(list(progress(jobs, total=len(frame))), index=frame.index)
    frame = pd.concat([frame, facts], axis=1)
    bad = frame["reason"] != ""
    index = frame[~bad].drop(columns="reason").reset_index(drop=True)
    _need_both_classes(index["label"], f"the readable part of {folder}")
    index[["width", "height"]] = index[["width", "height"]].astype(int)
    index["group"] = group_paintings(index)
    return index, frame.loc[bad, ["path", "reason"]].reset_index(drop=True)


def _label(paths: list[Path], data_dir: Path) -> pd.DataFrame:
    """Return path, artist, title, label: artist from classes.csv, else from the name up to the first underscore."""
    names = [unicodedata.normalize("NFC", path.stem) for path in paths]
    frame = pd.DataFrame(
        {
            "path": [path.relative_to(data_dir).as_posix() for path in paths],
            "artist": [name.partition("_")[0].replace("-", " ").casefold() for name in names],
            "title": [name.partition("_")[2] for name in names],
        }
    )
    csv = data_dir / "classes.csv"
    if csv.is_file():
        listed = pd.read_csv(csv, usecols=["filename", "artist"], encoding="utf-8").dropna()
        key = listed["filename"].map(lambda name: unicodedata.normalize("NFC", name))
        artist = dict(zip(key, listed["artist"].str.casefold().str.strip(), strict=True))
        known = frame["path"].map(lambda name: artist.get(unicodedata.normalize("NFC", name)))
        frame["artist"] = known.fillna(frame["artist"])
    frame["label"] = (frame["artist"] == ARTIST).astype(int)
    return frame


def _need_both_classes(labels: pd.Series, where: str) -> None:
    if labels.nunique() < 2:
        missing = "no painting by Vincent van Gogh" if not labels.any() else "paintings by Vincent van Gogh alone"
        raise ValueError(
            f"{where} holds {missing}; give a folder with his (vincent-van-gogh_*.jpg) and other paintings"
        )


def _inspect(path: Path, cache_dir: Path) -> dict:
    try:
        with Image.open(path) as opened:
            width, height = opened.size
        pixels = load_pixels(path, cache_dir)
        return {"width": width, "height": height, "phash": perceptual_hash(pixels), "reason": ""}
    except UNREADABLE as error:
        return {"width": 0, "height": 0, "phash": "", "reason": f"{type(error).__name__}: {error}".split("\n")[0]}


def load_pixels(path: Path, cache_dir: Path) -> np.ndarray:
    """Return a painting as (H, W, 3) uint8 with a shorter side of SHORT_SIDE, decoded once and then cached.

    The cache's key is path, size in bytes and time of change, so that a replaced file is decoded again.
    """
    facts = path.stat()
    key = hashlib.sha1(f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{SHORT_SIDE}".encode()).hexdigest()
    cached = cache_dir / key[:2] / f"{key}.npy"
    if cached.is_file():
        return np.load(cached)
    pixels = read_pixels(path)
    with atomic(cached) as part:
        np.save(part, pixels)
    return pixels


def read_pixels(path: Path) -> np.ndarray:
    """Return a picture file as (H, W, 3) uint8, upright and RGB, its shorter side scaled to SHORT_SIDE.

    Raises one of UNREADABLE.
    """
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * SHORT_SIDE, 2 * SHORT_SIDE))
        image = ImageOps.exif_transpose(opened).convert("RGB")
    scale = SHORT_SIDE / min(image.size)
    size = tuple(max(SHORT_SIDE, round(side * scale)) for side in image.size)
    return np.array(image.resize(size, Image.Resampling.BICUBIC) if size != image.size else image)


def perceptual_hash(pixels: np.ndarray) -> str:
    """Return 64 bits as 16 hex digits: which of the 8x8 lowest cosine frequencies lie above their median."""
    grey = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(grey, dtype=np.float64))[:8, :8]
    bits = (low > np.median(low)).flatten()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def clean_title(title: str) -> str:
    """Return a title without years and copy numbers such as "(2)", in lower case."""
    title = re.sub(r"\(\d+\)", "", title.casefold())
    return re.sub(r"-?\b1[5-9]\d\d\b(-\d+)?", "", title).strip("-_ ")


def medium_of(title: str) -> str:
    """Return what a title tells of how a picture was made, such as "drawing or sketch"; else "not told"."""
    return next((name for name, words in MEDIUMS.items() if re.search(words, title.casefold())), "not told")


def group_paintings(index: pd.DataFrame) -> np.ndarray:
    """Return a group number per painting: near-duplicates and title-mates of one artist share it."""
    rows, columns = [], []
    for _, part in index.groupby("artist"):
        hashes = np.array([int(code, 16) for code in part["phash"]], dtype=np.uint64)
        near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= NEAR_DUPLICATE
        titles = part["title"].map(clean_title).to_numpy()
        near |= (titles[:, None] == titles[None]) & (titles[:, None] != "")
        i, j = np.nonzero(np.triu(near, 1))
        rows.extend(part.index[i])
        columns.extend(part.index[j])
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(index), len(index)))
    return connected_components(links, directed=False)[1]


def find_twins(index: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the val and test paintings that share a group with a training painting, and that painting."""
    train = index[index[split] == "train"].drop_duplicates("group")[["group", "path", "title"]]
    rest = index[index[split] != "train"][["group", "path", "title", "artist", "label", split]]
    return rest.merge(train, on="group", suffixes=("", "_train")).rename(columns={split: "split"}).drop(columns="group")


def split_seed(labels: Sequence[int], seed: int = 42) -> np.ndarray:
    """Return "train", "val" or "test" per painting: 80/10/10, stratified, the reference protocol's random split."""
    labels, where = np.asarray(labels), np.arange(len(labels))
    try:
        _, rest = train_test_split(where, train_size=0.8, stratify=labels, random_state=seed)
        val, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=seed)
    except ValueError as error:
        raise ValueError(f"too few paintings of one class to split 80/10/10 ({error}); add paintings") from error
    return _names(labels, val, test)


def split_grouped(labels: Sequence[int], groups: Sequence[int], seed: int = 42) -> np.ndarray:
    """Return "train", "val" or "test" per painting: 80/10/10, stratified, no group on both sides of a border.

    Raises:
        ValueError: if a split would lack a class.
    """
    labels = np.asarray(labels)
    if np.bincount(labels, minlength=2).min() < 10:
        raise ValueError("fewer than 10 paintings of one class: too few to split 80/10/10; add paintings")
    folds = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=seed).split(labels, labels, groups)
    (_, test), (_, val) = next(folds), next(folds)
    return _names(labels, val, test)


def _names(labels: np.ndarray, val: np.ndarray, test: np.ndarray) -> np.ndarray:
    names = np.full(len(labels), "train", dtype=object)
    names[val], names[test] = "val", "test"
    for name in SPLITS:
        if len(set(labels[names == name])) < 2:
            raise ValueError(f"the {name} split would hold one class only; add paintings of both classes")
    return names


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
            torch.manual_seed(hash((self.seed, self.view, position)) & 0x7FFFFFFF)
            return self.transform(image), int(self.targets[position])


def build_dataset(
    index: pd.DataFrame, data_dir: Path, cache_dir: Path, augment: bool = False, size: int = 224, seed: int = 0
) -> PaintingDataset:
    """Return the dataset of an index's rows, in their order."""
    paths = [Path(data_dir, name) for name in index["path"]]
    return PaintingDataset(paths, index["label"].tolist(), Path(cache_dir), size, augment, seed)
