"""Twins: paintings that are nearly the same picture, or versions of one subject under the same title."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NEAR_DUPLICATE = 8  # differing bits of 64 up to which two hashes mean the same picture
BANDS = ((0, 21), (21, 21), (42, 22))  # first bit and number of bits
BLOCK = 1 << 20  # pairs that are compared at a time
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
    artists = pd.factorize(index["artist"])[0]
    hashes = np.array([int(code, 16) for code in index["phash"]], dtype=np.uint64)
    titles = index["title"].map(clean_title)
    titled = np.flatnonzero(titles != "")
    names = index.assign(title=titles).iloc[titled].groupby(["artist", "title"]).ngroup().to_numpy()
    same_title = titled, titled[_first_of(names)]
    return _components(len(index), chain([same_title], near_duplicates(hashes, artists)))


def near_duplicates(hashes: np.ndarray, artists: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield links (i, j) of paintings by one artist; those that a chain of links connects are near-duplicates.

    Two hashes that differ in at most eight bits differ in at most two bits in one of three bands. So each band is
    looked up with all patterns of up to two bits: for some hundred thousand paintings the work grows almost as their
    number, and not as its square, as that of all pairs. Equal hashes are linked first and looked up once.

    Args:
        hashes: (N,) uint64.
        artists: (N,) numbers.
    """
    pairs = np.stack([artists.astype(np.uint64), hashes], axis=1)
    _, codes = np.unique(pairs, axis=0, return_inverse=True)
    first = _first_of(codes.reshape(-1))
    yield np.arange(len(hashes)), first
    kept = np.unique(first)
    hashes, artists = hashes[kept], artists[kept]
    for start, width in BANDS:
        keys = ((hashes >> np.uint64(start)) & np.uint64((1 << width) - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        for one, other in _bucket_pairs(keys[order], width):
            one, other = order[one], order[other]
            near = np.bitwise_count(hashes[one] ^ hashes[other]) <= NEAR_DUPLICATE
            near &= artists[one] == artists[other]
            yield kept[one[near]], kept[other[near]]


def _bucket_pairs(keys: np.ndarray, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of positions whose keys differ in at most two bits, each once, a block at a time.

    Args:
        keys: (N,) sorted numbers of `width` bits.
    """
    starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=1 << width))])
    positions = np.arange(len(keys))
    for bits in (0, *(1 << bit for bit in range(width)), *(1 << a | 1 << b for a in range(width) for b in range(a))):
        others = keys ^ bits
        begins, ends = starts[others], starts[others + 1]
        begins = np.maximum(begins, positions + 1)  # the pairs with an earlier position were met there
        counts = np.maximum(ends - begins, 0)
        asking = np.flatnonzero(counts)
        for part in np.split(asking, np.searchsorted(np.cumsum(counts[asking]), np.arange(BLOCK, counts.sum(), BLOCK))):
            sizes = counts[part]
            offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            yield np.repeat(part, sizes), np.repeat(begins[part], sizes) + offsets


def _first_of(codes: np.ndarray) -> np.ndarray:
    """Return, for each place, the first place with the same code."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first[inverse]


def _components(size: int, links: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the number of each place's group, in the order of the first places; links are merged as they come."""
    groups = np.arange(size)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for link in chain(links, [None]):
        if link is not None:
            waiting.append(link)
        if link is None or sum(len(one) for one, _ in waiting) > BLOCK:
            rows, columns = (np.concatenate(ends) for ends in zip((np.arange(size), groups), *waiting, strict=True))
            graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(size, size))
            groups, waiting = _first_of(connected_components(graph, directed=False)[1]), []
    return np.unique(groups, return_inverse=True)[1]


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
