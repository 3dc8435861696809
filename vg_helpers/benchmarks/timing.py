"""Timing done right: warmed up, synchronised, every step kept, and held against what the device could do at best.

Convention: seconds are per step; a step's operations are counted as 2 for each multiplication with its addition.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ..device import synchronize


def time_steps(
    step: Callable[[], object], device: torch.device | str, warmup: int = 2, repeats: int = 10
) -> NDArray[np.float64]:
    """Return the seconds of each of `repeats` steps, after `warmup` steps that do not count.

    A GPU only queues what it is asked for, so the clock is read once it has finished: before and after each step.
    The warm-up takes what happens once: memory, kernels chosen by trial, clocks that rise.
    """
    for _ in range(warmup):
        step()
    synchronize(device)
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        step()
        synchronize(device)
        seconds.append(perf_counter() - started)
    return np.array(seconds)


def training_step(model: nn.Module, images: Tensor, targets: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the loss of one mini-batch after its forward and backward pass; the gradients are new each time.

    Args:
        dtype: torch.float32, or the type that autocast uses for convolutions and matrix products.
    """
    model.zero_grad(set_to_none=True)
    with torch.autocast(images.device.type, dtype=dtype, enabled=dtype != torch.float32):
        loss = F.cross_entropy(model(images), targets)
    loss.backward()
    return loss.detach()


def count_flops(step: Callable[[], object]) -> int:
    """Return the operations of all convolutions and matrix products in one call of `step`, backward passes included."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def matmul_peak(device: torch.device | str, dtype: torch.dtype, size: int | None = None, repeats: int = 8) -> float:
    """Return the operations per second of a large square matrix product, the roofline for the networks' layers.

    The product is also taken as a 1 × 1 convolution, and the faster way counts: on some processors the library behind
    convolutions computes it faster than the one behind matrices.

    Args:
        size: rows and columns; by default 8192 on a GPU and 1536 on a CPU.
    """
    size = size or (1536 if torch.device(device).type == "cpu" else 8192)
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    rows, kernel = a.view(1, size, 1, size).permute(0, 3, 1, 2), b.t()[..., None, None].contiguous()
    ways = (lambda: a @ b, lambda: F.conv2d(rows, kernel)[0, :, :, 0].t())
    return 2 * size**3 / min(float(time_steps(way, device, warmup=2, repeats=repeats).min()) for way in ways)


def timing_frame(seconds: ArrayLike, **labels: object) -> pd.DataFrame:
    """Return one row per step: the labels (device, precision, …), step from 1, and seconds."""
    seconds = np.asarray(seconds, dtype=np.float64)
    return pd.DataFrame({**labels, "step": np.arange(1, len(seconds) + 1), "seconds": seconds})


def summarise(timings: pd.DataFrame, by: list[str], batch_size: int) -> pd.DataFrame:
    """Return one row per combination of `by`, in order of appearance, of frames made by `timing_frame`.

    The columns are steps, total (seconds of all steps), median, quartiles low and high, and images per second at the
    median. Medians and quartiles, because the slow steps of a shared machine say nothing about the code.
    """
    groups = timings.groupby(by, sort=False)["seconds"]
    table = groups.agg(
        steps="count",
        total="sum",
        median="median",
        low=lambda seconds: seconds.quantile(0.25),
        high=lambda seconds: seconds.quantile(0.75),
    )
    table["images_per_second"] = batch_size / table["median"]
    return table.reset_index()
