"""The random, the grouped and the given split into train, val and test.

A given split comes with the list of paintings, as the standard split of a public data set does; "" marks a painting
that it does not use.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

SPLITS = ("train", "val", "test")
WORDS = {"grouped": "split_grouped", "seed": "split_seed", "random": "split_seed", "given": "split_given"}
VAL_FOLDS = 5  # a fifth of the training paintings, if a given split has no validation paintings


def split_seed(labels: Sequence[int], seed: int = 42) -> np.ndarray:
    """Return "train", "val" or "test" per painting: 80/10/10, stratified, the reference protocol's random split."""
    labels, positions = np.asarray(labels), np.arange(len(labels))
    try:
        _, rest = train_test_split(positions, train_size=0.8, stratify=labels, random_state=seed)
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


def split_column(split: str, index: pd.DataFrame) -> str:
    """Return the column of the index that a split's name means: grouped, random (or seed), given, or the column itself.

    Raises:
        ValueError: if there is no such split.

    >>> split_column("grouped", pd.DataFrame(columns=["split_seed", "split_grouped"]))
    'split_grouped'
    """
    column = WORDS.get(split, split)
    if column in index.columns and column in WORDS.values():
        return column
    if column == "split_given":
        raise ValueError(
            "split=given needs paintings whose classes.csv has a column split, such as those of "
            "`run.py data --set vgdb`; fetch them, or take split=grouped"
        )
    raise ValueError(f"split={split} is unknown; take grouped, random or given")


def choose(split: str, index: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the column that a split's name means (`split_column`) and the paintings that this split uses."""
    column = split_column(split, index)
    return column, index[index[column].isin(SPLITS)].reset_index(drop=True)


def add_given(index: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """Return the index with validation paintings in its column split_given; without that column as it is.

    If the given split has no validation paintings, a fifth of its training paintings becomes them: stratified, no group
    on both sides. Nothing else is moved, not even twins across training and test: the protocol is given.

    Args:
        index: columns label, group and perhaps split_given.

    Raises:
        ValueError: if a part of the given split lacks a class.
    """
    if "split_given" not in index:
        return index
    names = index["split_given"].to_numpy(dtype=object).copy()
    _need_both_classes(names, index["label"], ("train", "test"))
    if not (names == "val").any():
        train = np.flatnonzero(names == "train")
        labels, groups = index["label"].to_numpy()[train], index["group"].to_numpy()[train]
        if np.bincount(labels).min() < VAL_FOLDS:
            raise ValueError(
                f"the given split has fewer than {VAL_FOLDS} training paintings of one class, too few to draw "
                "validation paintings from; name them in the list"
            )
        folds = StratifiedGroupKFold(n_splits=VAL_FOLDS, shuffle=True, random_state=seed)
        names[train[next(folds.split(labels, labels, groups))[1]]] = "val"
    _need_both_classes(names, index["label"], SPLITS)
    return index.assign(split_given=names)


def _need_both_classes(names: np.ndarray, labels: Sequence[int], splits: Sequence[str]) -> None:
    for name in splits:
        if len(set(np.asarray(labels)[names == name])) < 2:
            raise ValueError(
                f"the {name} part of the given split does not hold both classes; fetch the missing paintings, "
                "or correct the column split of classes.csv"
            )


def given_counts(listed: pd.DataFrame, index: pd.DataFrame) -> dict[str, int]:
    """Return how many paintings of the given split are what; {} if there is none.

    The keys are given_train, given_val, given_test, given_drawn (validation paintings that were drawn from training),
    given_unused, and given_twins: test paintings that share a group with a painting given for training or validation.

    Args:
        listed: the index as the list of paintings gives it, before `add_given`.
        index: the same rows after it.
    """
    if "split_given" not in index:
        return {}
    before, after = listed["split_given"], index["split_given"]
    counts = {f"given_{name}": int((after == name).sum()) for name in SPLITS}
    counts["given_drawn"] = int(((after == "val") & (before == "train")).sum())
    counts["given_unused"] = int((after == "").sum())
    seen = index.loc[before.isin(["train", "val"]), "group"]
    counts["given_twins"] = int(index.loc[before == "test", "group"].isin(seen).sum())
    return counts
