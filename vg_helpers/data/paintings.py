"""The paintings of a data folder: index, labels, quarantine.

Convention: a data folder has the layout of Kaggle's steubk/wikiart, `Post_Impressionism/<artist>_<title>.jpg` and
`classes.csv`. Label 1 is Vincent van Gogh.
"""

import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split

from ..images import UNREADABLE, list_images
from .twins import group_paintings, perceptual_hash
from .views import load_pixels

STYLE_FOLDER = "Post_Impressionism"
ARTIST = "vincent van gogh"


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
