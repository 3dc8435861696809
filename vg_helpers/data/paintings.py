"""The paintings of a data folder: their index, and the quarantine of files that cannot be read.

Convention: a data folder has the layout of Kaggle's steubk/wikiart, `Post_Impressionism/<artist>_<title>.jpg` and
`classes.csv`. Label 1 is Vincent van Gogh.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from ..files import printable, write_csv, write_json
from ..images import ImageError, image_size, list_images, read_pixels
from .labels import STYLE_FOLDER, contradictions, label_paintings
from .twins import group_paintings, perceptual_hash
from .views import load_pixels

FACTS = ["width", "height", "phash", "reason"]
WAITING = 1024  # paintings that the threads are given at a time


def list_paintings(data_dir: Path) -> list[Path]:
    """Return the painting files of a data folder, sorted by name.

    Raises:
        ValueError: if it has no folder of paintings, or the folder is empty.
    """
    folder = data_dir / STYLE_FOLDER
    if not folder.is_dir():
        raise ValueError(f"{data_dir} has no folder {STYLE_FOLDER}; give the folder that holds it and classes.csv")
    return list_images(folder)


def index_paintings(
    data_dir: Path,
    cache_dir: Path | None,
    max_paintings: int = 0,
    seed: int = 42,
    progress: Callable = lambda items, **_: items,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the index (path, artist, title, label, width, height, phash, group) and the quarantine (path, reason).

    Every file is decoded once, which also fills the cache. Files that cannot be read are left out, never replaced.

    Args:
        cache_dir: None fills no cache, which takes about 0.25 MB for each painting.
        max_paintings: a sample of this size, classes in proportion; 0 takes all.
        progress: wraps an iterable, such as tqdm.

    Raises:
        ValueError: if the folder has no paintings, or not both classes.
    """
    folder = data_dir / STYLE_FOLDER
    frame = label_paintings(list_paintings(data_dir), data_dir)
    _need_both_classes(frame, str(folder))
    if 0 < max_paintings < len(frame):
        try:
            frame, _ = train_test_split(frame, train_size=max_paintings, stratify=frame["label"], random_state=seed)
        except ValueError as error:
            raise ValueError(f"max_paintings={max_paintings} cannot be drawn ({error}); 0 takes all") from error
        frame = frame.sort_values("path")
    facts = list(progress(_inspect_all([data_dir / name for name in frame["path"]], cache_dir), total=len(frame)))
    facts = pd.DataFrame(facts, columns=FACTS, index=frame.index)
    frame = pd.concat([frame, facts], axis=1)
    bad = frame["reason"] != ""
    index = frame[~bad].drop(columns="reason").reset_index(drop=True)
    _need_both_classes(index, f"the readable part of {folder}")
    index[["width", "height"]] = index[["width", "height"]].astype(int)
    index["group"] = group_paintings(index)
    return index, frame.loc[bad, ["path", "reason"]].reset_index(drop=True)


def _need_both_classes(frame: pd.DataFrame, where: str) -> None:
    if frame["label"].nunique() < 2:
        missing = "paintings by Vincent van Gogh alone" if frame["label"].any() else "no painting by Vincent van Gogh"
        if len(differ := contradictions(frame)):
            row = differ.iloc[0]
            raise ValueError(
                f"by classes.csv {where} holds {missing}, but {printable(row.path)}, which it gives to "
                f"{printable(row.artist)!r}, is called otherwise: correct classes.csv or delete it"
            )
        raise ValueError(
            f"{where} holds {missing}; give a folder with his (vincent-van-gogh_*.jpg) and other paintings"
        )


def _inspect_all(paths: Sequence[Path], cache_dir: Path | None) -> Iterator[tuple[int, int, str, str]]:
    """Yield FACTS of each painting; only so many are waiting for the threads at a time that memory does not grow."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), WAITING):
            yield from pool.map(lambda path: _inspect(path, cache_dir), paths[start : start + WAITING])


def _inspect(path: Path, cache_dir: Path | None) -> tuple[int, int, str, str]:
    try:
        width, height = image_size(path)
        pixels = read_pixels(path) if cache_dir is None else load_pixels(path, cache_dir)
    except ImageError as error:
        return 0, 0, "", error.reason
    return width, height, perceptual_hash(pixels), ""


def overview(index: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Return the table of the paintings: what is counted, and how many."""
    rows = [
        ("Paintings", f"{len(index):,}"),
        ("Artists", f"{index['artist'].nunique():,}"),
        ("Van Gogh", f"{index['label'].sum():,}"),
        ("Share of Van Gogh", f"{index['label'].mean():.1%}"),
        ("Files left out, because they cannot be read", f"{len(quarantine):,}"),
    ]
    return pd.DataFrame(rows, columns=["counted", "number"])


def examples(index: pd.DataFrame, count: int, seed: int = 42) -> pd.DataFrame:
    """Return rows of `count` paintings of each class, drawn at random, Van Gogh first."""
    rows = index.sort_values("label", ascending=False).groupby("label", sort=False)
    return rows.sample(count, random_state=seed)


def write_index(folder: Path, index: pd.DataFrame, quarantine: pd.DataFrame, **counts: int) -> dict[str, int]:
    """Write index.csv, quarantine.csv and counts.json into `folder`, and return the counts.

    Args:
        counts: further ones.
    """
    write_csv(folder / "index.csv", index)
    write_csv(folder / "quarantine.csv", quarantine)
    totals = {"paintings": len(index), "van_gogh": int(index["label"].sum()), "quarantined": len(quarantine)}
    counts = totals | {"groups": int(index["group"].nunique())} | counts
    write_json(folder / "counts.json", counts)
    return counts
