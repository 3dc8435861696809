"""Features of a frozen network: computed once, kept on disk, and the logistic regression on them that starts a head.

Convention: features are float32 in memory and (views, N, ...) on disk, as float16 unless a caller asks for more;
`view` chooses which one is seen.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..device import autocast, steady_memory
from ..files import CUT, UNREADABLE, set_aside, write_text
from ..models.inference import speed_up


@dataclass
class FeatureDataset(Dataset):
    """Features (views, N, ...) of a frozen network, kept on disk, as (features, target) of one view."""

    path: Path
    targets: Sequence[int]
    view: int = 0

    def __post_init__(self) -> None:
        self.features = np.load(self.path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        features = self.features[self.view % len(self.features), position]
        return torch.from_numpy(features.astype(np.float32)), int(self.targets[position])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "features"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()


@torch.inference_mode()
def cache_features(
    lower: nn.Module,
    dataset: Any,
    views: int,
    path: Path,
    device: torch.device,
    on_batch: Callable[[int], None] | None = None,
    dtype: type = np.float16,
) -> FeatureDataset:
    """Return the features of `views` views of every picture, computed once; an interrupted computation continues.

    A damaged file is set aside, and the features are computed again.

    Args:
        path: the .npy file; beside it a small file counts the finished batches.
        on_batch: called with the number of pictures done after each batch.
    """
    done_path, part_path, batch_size = path.with_suffix(".done"), path.with_suffix(".part.npy"), 32
    if path.is_file() and _is_whole(path, (views, len(dataset))):
        return FeatureDataset(path, dataset.targets)
    if path.is_file():
        set_aside(path)
    done = _finished_batches(done_path) if _is_whole(part_path, (views, len(dataset))) else 0
    store = np.load(part_path, mmap_mode="r+") if done else None
    lower = copy.deepcopy(lower)  # training goes on with the original
    speed_up(lower, device)
    starts = [(view, start) for view in range(views) for start in range(0, len(dataset), batch_size)]
    with steady_memory(device):
        for number, (view, start) in enumerate(starts[done:], done + 1):
            dataset.view = view
            stop = min(start + batch_size, len(dataset))
            pictures = torch.stack([dataset[i][0] for i in range(start, stop)])
            if pictures.ndim == 4:
                pictures = pictures.contiguous(memory_format=torch.channels_last)
            with autocast(device):
                features = lower(pictures.to(device)).float().cpu().numpy()
            if store is None:
                shape = (views, len(dataset), *features.shape[1:])
                store = np.lib.format.open_memmap(part_path, "w+", dtype=dtype, shape=shape)
            store[view, start:stop] = features.clip(np.finfo(dtype).min, np.finfo(dtype).max)
            if number % 4 == 0:
                store.flush()
                write_text(done_path, str(number))
            if on_batch:
                on_batch(stop - start)
    store.flush()
    del store
    part_path.replace(path)
    done_path.unlink(missing_ok=True)
    return FeatureDataset(path, dataset.targets)


def _is_whole(path: Path, shape: tuple[int, int]) -> bool:
    try:  # reading only: opened for writing, a file that is too short would be filled up with zeros
        return np.load(path, mmap_mode="r").shape[:2] == shape
    except CUT:
        return False


def _finished_batches(path: Path) -> int:
    try:
        return int(path.read_text(encoding="utf-8"))
    except UNREADABLE:
        return 0


def probe(features: np.ndarray, targets: np.ndarray, seed: int = 42) -> Any:
    """Return a logistic regression on frozen features (N, D), its strength chosen by cross-validated ROC AUC."""
    pipeline = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced", random_state=seed)
    )
    grid = {"logisticregression__C": [1e-4, 1e-3, 1e-2]}
    return GridSearchCV(pipeline, grid, scoring="roc_auc", cv=4).fit(features, targets).best_estimator_


@torch.no_grad()
def set_head(layer: nn.Linear, fitted: Any) -> nn.Linear:
    """Give a two-output layer the weights of a `probe`, and return it; fine-tuning then starts from the best head.

    Linear probing before fine-tuning: Kumar et al. 2022, "Fine-tuning can distort pretrained features".
    """
    scaler, regression = fitted[0], fitted[-1]
    weight = regression.coef_[0] / scaler.scale_
    bias = regression.intercept_[0] - weight @ scaler.mean_
    sign = torch.tensor([-0.5, 0.5], dtype=layer.weight.dtype)
    layer.weight.copy_(sign[:, None] * torch.from_numpy(weight).to(layer.weight)[None])
    layer.bias.copy_(sign * bias)
    return layer
