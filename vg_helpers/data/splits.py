"""The random and the grouped split into train, val and test."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

SPLITS = ("train", "val", "test")


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
