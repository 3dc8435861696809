"""Side questions to a training: what the split, the palette and the pre-trained weights contribute."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..data.views import EVAL_VIEWS, build_dataset, load_pixels
from .features import probe
from .judge import judge
from .setup import Setup
from .task import Task, below_head, build_task, held_out_probs, train_finally
from .train import predict

SCRATCH = {"lr": 1e-4, "batch_size": 32, "optimizer": "AdamW"}  # of an AlexNet that starts from random weights


def probe_splits(task: Task, index: pd.DataFrame, splits: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return split -> its test paintings with their P(van_gogh) in a column p, by logistic regression on one network.

    The features are the same in all splits, those of each painting's centre, so that only the split differs. Called
    before any training, as `fit_probe` is.
    """
    setup, tested = task.setup, {}
    everything = build_dataset(index, setup.data_dir, setup.cache_dir, False, setup.size, setup.seed)
    features = predict(below_head(task.model), everything, setup.device)
    for split in splits:
        train, test = (index[split].to_numpy() == name for name in ("train", "test"))
        fitted = probe(features[train], index.label[train].to_numpy(), setup.seed)
        tested[split] = index[test].assign(p=fitted.predict_proba(features[test])[:, 1])
    return tested


def swapped_palettes(
    task: Task, index: pd.DataFrame, split: str, match_colors: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, np.ndarray]:
    """Return P(van_gogh) of the test paintings with their own palettes and with swapped ones.

    Each painting gets the colours of one by another artist, drawn at random; both are judged by the same views.

    Args:
        match_colors: gives a picture (1, 3, H, W) in [0, 1] the colours of another.
    """
    setup, test = task.setup, index[index[split] == "test"].reset_index(drop=True)
    rng = np.random.default_rng(setup.seed)
    partners = [rng.choice(np.flatnonzero(test.artist != artist)) for artist in test.artist]

    def load(position: int) -> Tensor:
        pixels = load_pixels(Path(setup.data_dir, test.path[position]), Path(setup.cache_dir))
        return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255

    recolored = (match_colors(load(position), load(partner)) for position, partner in enumerate(partners))
    swapped = judge(task.model, recolored, setup.device, setup.size)
    return {"own": task.probs("test", EVAL_VIEWS), "swapped": swapped}


def train_from_scratch(
    network: str,
    index: pd.DataFrame,
    split: str,
    setup: Setup,
    num_epochs: int,
    on_batch: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Return P(van_gogh) of val and test by a network that is trained from random weights, all of its layers."""
    task = build_task(network, index, split, replace(setup, depth="all", weights="none", eval_views=2))
    train_finally(task, SCRATCH, num_epochs, on_batch=on_batch)
    return held_out_probs(task)
