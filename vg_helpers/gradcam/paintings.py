"""The pictures whose maps are looked at: which paintings, as tensors, and where their painters put their strokes."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ..data.views import build_dataset, eval_transform
from ..images import load_image

OUTCOMES = {"TP": "true positives", "FP": "false positives", "FN": "false negatives"}


def choose_paintings(tested: pd.DataFrame, num_examples: int, num_maps: int, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return the paintings to explain by group; a group without paintings is left out.

    The groups are "TP", "FP" (highest P first), "FN" (lowest P first), "measured" (highest P of all) and, drawn at
    random, "Van Gogh" and "other".

    Args:
        tested: columns outcome, label (1 is Van Gogh) and p_vgg19.
        num_examples: rows of each outcome, at most.
        num_maps: rows of each other group, at most.
    """
    tested = tested.sort_values("p_vgg19", ascending=False)
    by_outcome = {outcome: tested[tested["outcome"] == outcome] for outcome in OUTCOMES}
    by_label = {name: tested[tested["label"] == label] for name, label in (("Van Gogh", 1), ("other", 0))}
    groups = {
        "TP": by_outcome["TP"].head(num_examples),
        "FP": by_outcome["FP"].head(num_examples),
        "FN": by_outcome["FN"].tail(num_examples)[::-1],
        "measured": tested.head(num_maps),
        **{name: rows.sample(min(num_maps, len(rows)), random_state=seed) for name, rows in by_label.items()},
    }
    return {name: rows for name, rows in groups.items() if len(rows)}


def load_pictures(rows: pd.DataFrame, data_dir: str, cache_dir: str, size: int = 224) -> Tensor:
    """Return the paintings of an index's rows as (N, 3, size, size), as the classifiers see them."""
    dataset = build_dataset(rows, Path(data_dir), Path(cache_dir), size=size)
    return torch.stack([picture for picture, _ in dataset])


def load_squares(paths: Iterable[str | Path], size: int) -> Tensor:
    """Return picture files as (N, 3, size, size), cropped as the classifiers see them."""
    view = eval_transform(size)
    pictures = [view(load_image(path)) for path in paths]
    return torch.cat(pictures) if pictures else torch.empty(0, 3, size, size)


def load_strokes(rows: pd.DataFrame, data_dir: str, size: int = 224) -> Tensor | None:
    """Return where the painters put their characteristic strokes, (N, 1, size, size) booleans.

    The demo set keeps one picture per painting in its folder "strokes"; None if any of them is missing.
    """
    paths = [Path(data_dir, "strokes", f"{Path(name).stem}.png") for name in rows["path"]]
    return load_squares(paths, size)[:, :1] > 0.5 if all(path.is_file() for path in paths) else None
