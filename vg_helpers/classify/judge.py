"""Pictures as a trained classifier sees test paintings: one after the other, or many files in batches."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.views import EVAL_VIEWS, eval_view, native_patches
from ..device import autocast
from ..images import read_pixels

BATCH, BATCH_ON_GPU = 8, 128  # views that go through the network together
MOST_WORKERS = 16  # threads that decode


@torch.inference_mode()
def judge_log_odds(
    model: nn.Module,
    pictures: Iterable[str | Path | Tensor],
    device: torch.device,
    size: int = 224,
    views: int = EVAL_VIEWS,
) -> np.ndarray:
    """Return the log odds of a Van Gogh of files or (1, 3, H, W) tensors, averaged over views of a test painting.

    Raises:
        ValueError: if a file is missing or cannot be read as a picture.
    """
    was_training = model.training
    model.to(device).eval()
    odds = []
    for picture in pictures:
        image = picture[0] if isinstance(picture, Tensor) else read_pixels(Path(picture))
        batch = views_of(image, views, size)
        with autocast(device):
            logits = model(batch.to(device)).double().mean(0)
        odds.append(float(logits[1] - logits[0]))
    model.train(was_training)
    return np.array(odds)


def judge(
    model: nn.Module,
    pictures: Iterable[str | Path | Tensor],
    device: torch.device,
    size: int = 224,
    views: int = EVAL_VIEWS,
) -> np.ndarray:
    """Return P(van_gogh) of pictures, from the log odds of `judge_log_odds`."""
    odds = judge_log_odds(model, pictures, device, size, views)
    return torch.from_numpy(odds).sigmoid().numpy()


def views_of(image: np.ndarray | Tensor, views: int, size: int = 224) -> Tensor:
    """Return the first views (views, 3, size, size) of a picture: pixels (H, W, 3) or a tensor (3, H, W)."""
    image = image if isinstance(image, Tensor) else torch.from_numpy(image).permute(2, 0, 1)
    return torch.stack([eval_view(image, size, view) for view in range(views)])


def judge_files(
    answer: Callable[[Tensor], list[Any]],
    files: Iterable[Path],
    device: torch.device,
    views: int = EVAL_VIEWS,
    patches: int = 0,
) -> Iterator[Any]:
    """Yield what `answer` returns for each file, in their order, or the error because of which there is none.

    Threads decode the files that come next, a few batches of them at most. All batches have the same size, the last
    one is filled up: the kernels for another size could round differently, and an answer must not depend on the
    pictures around it.

    Args:
        answer: gets images (N, views + patches, 3, H, W) on the device and returns a list of N.
        patches: how many `native_patches` follow the views; a small file's centre stands in for them.
    """
    count = max(1, (BATCH if device.type == "cpu" else BATCH_ON_GPU) // (views + patches))
    batch: list[Any] = []
    for picture in read_ahead(files, 3 * count, partial(_read, patches=patches)):
        if isinstance(picture, Exception) and not batch:
            yield picture
            continue
        batch.append(picture)
        if sum(not isinstance(other, Exception) for other in batch) == count:
            yield from _judge_batch(answer, partial(_seen, views=views, patches=patches), batch, count, device)
            batch = []
    if batch:
        yield from _judge_batch(answer, partial(_seen, views=views, patches=patches), batch, count, device)


def _read(file: Path, patches: int) -> tuple[np.ndarray, Tensor]:
    """Return a file's pixels and its patches: none of a small file."""
    return read_pixels(file), native_patches(file, patches) if patches else torch.empty(0)


def _seen(picture: tuple[np.ndarray, Tensor], views: int, patches: int) -> Tensor:
    """Return what the classifier sees (views + patches, 3, 224, 224) of what `_read` returned."""
    pixels, native = picture
    seen = views_of(pixels, views)
    return torch.cat([seen, native if len(native) else seen[:1].expand(patches, -1, -1, -1)])


def _judge_batch(
    answer: Callable[[Tensor], list[Any]],
    see: Callable[[Any], Tensor],
    batch: list[Any],
    count: int,
    device: torch.device,
) -> Iterator[Any]:
    """Yield an answer for each picture of a batch, and the errors between them as they are."""
    images = torch.stack([see(picture) for picture in batch if not isinstance(picture, Exception)])
    filled = torch.cat([images, images[-1:].expand(count - len(images), *images.shape[1:])])
    results = iter(answer(filled.to(device)))
    for picture in batch:
        yield picture if isinstance(picture, Exception) else next(results)


def read_ahead(files: Iterable[Path], ahead: int, read: Callable[[Path], Any]) -> Iterator[Any]:
    """Yield what `read` returns for each file, or the error it raises, in their order; threads read `ahead` more."""
    waiting: deque[Any] = deque()
    cores = (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # torchrun's processes share them
    pool = ThreadPoolExecutor(max(1, min(cores, MOST_WORKERS)))  # Pillow decodes without Python's global lock
    try:
        for file in files:
            waiting.append(pool.submit(read, file))
            if len(waiting) > ahead:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Any) -> Any:
    error = future.exception()
    return error if isinstance(error, Exception) else future.result()
