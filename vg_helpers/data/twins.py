"""Twins: paintings that are nearly the same picture, or versions of one subject under the same title."""

import re

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NEAR_DUPLICATE = 8  # differing bits of 64 up to which two hashes mean the same picture
MEDIUMS = {  # what titles say, the more specific first
    "self-portrait": r"\bself-?portrait",
    "watercolour": r"\b(watercolou?r|aquarelle|gouache)",
    "print": r"\b(lithograph|etching|woodcut|poster)",
    "drawing or sketch": r"\b(drawing(?!-room)|sketch(?!ing)|pencil|charcoal|chalk|ink\b)",
    "study": r"\bstud(y|ies)\b",
}


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
    """Return what a title says of how a picture was made, such as "drawing or sketch"; else "not stated"."""
    return next((name for name, words in MEDIUMS.items() if re.search(words, title.casefold())), "not stated")


def group_paintings(index: pd.DataFrame) -> np.ndarray:
    """Return a group number per painting, which near-duplicates and same titles of one artist share."""
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


def group_sizes(index: pd.DataFrame) -> pd.Series:
    """Return the number of paintings by group, of the groups that hold several."""
    sizes = index["group"].value_counts()
    return sizes[sizes > 1]


def twin_titles(twins: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what stands above each pair of pictures: the held-out painting's split and title, its twin's title."""
    columns = (twins["split"], twins["title"], twins["title_train"])
    return [(f"{split}: {title}", f"train: {twin}") for split, title, twin in zip(*columns, strict=True)]
