"""Timing: warmed up, synchronised, every step kept, and compared with the best that the device can do.

Convention: seconds are per step; a step's operations are counted as 2 for each multiplication with its addition.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from ..device import fast_dtype, synchronize
from ..files import fingerprint
from ..intervals import Estimate, speed_up


def time_steps(
    step: Callable[[], object], device: torch.device | str, warmup: int = 2, repeats: int = 10
) -> NDArray[np.float64]:
    """Return the seconds of each of `repeats` steps, after `warmup` steps that do not count.

    A GPU only queues its work, so the clock is read once it has finished: before and after each step. The warm-up
    absorbs what happens once: memory is reserved, kernels are chosen by trial, clock rates rise.
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
    with nullcontext() if dtype == torch.float32 else torch.autocast(images.device.type, dtype=dtype):
        loss = F.cross_entropy(model(images), targets)
    loss.backward()
    return loss.detach()


def count_flops(step: Callable[[], object]) -> int:
    """Return the operations of all convolutions and matrix products in one call of `step`, backward passes included."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def matmul_peak(
    device: torch.device | str, dtype: torch.dtype | str, size: int | None = None, repeats: int = 8
) -> float:
    """Return the operations per second of a large square matrix product, the roofline for the networks' layers.

    The product is also computed as a 1 × 1 convolution, and the faster way counts: on some processors the library
    behind convolutions is faster than the one behind matrices.

    Args:
        size: rows and columns; by default 8192 on a GPU and 1536 on a CPU.
    """
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
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


def summarize(timings: pd.DataFrame, by: list[str], batch_size: int) -> pd.DataFrame:
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


def find_settings(gpu: torch.device | None, machine: Mapping[str, Any]) -> pd.DataFrame:
    """Return what is timed, one row each: device ("cpu", "cuda"), dtype ("float32"), name of the chip.

    The CPU comes first, in float32 and in the precision in which it is fast, then the GPU likewise.

    Args:
        machine: `device.hardware`'s facts.
    """
    chips = {"cpu": machine["cpu"]} | ({str(gpu): machine["gpu"] or "Apple GPU"} if gpu else {})
    rows = [
        (device, str(dtype).removeprefix("torch."), chip)
        for device, chip in chips.items()
        for dtype in dict.fromkeys((torch.float32, fast_dtype(device)))
    ]
    return pd.DataFrame(rows, columns=["device", "dtype", "name"])


def machine_key(machine: Mapping[str, Any]) -> str:
    """Return a short text that stands for processor, GPU, threads and versions: times hold for one machine alone."""
    return fingerprint({key: value for key, value in machine.items() if key not in ("nvidia_smi", "device")})


def time_training(device: str, dtype: str, shape: Sequence[int], warmup: int, repeats: int) -> NDArray[np.float64]:
    """Return the seconds of each training step of VGG-19, forward and backward, on a mini-batch of this shape.

    In a precision below float32 the channels of a pixel lie side by side in memory (channels last).

    Args:
        dtype: "float32", or the precision of convolutions and matrix products; weights stay in float32.
        shape: (N, 3, H, W); the pixels are random and already on the device.
    """
    layout = torch.contiguous_format if dtype == "float32" else torch.channels_last
    model = models.vgg19(num_classes=2).to(device, memory_format=layout).train()
    images = torch.rand(*shape).to(device, memory_format=layout)
    targets = torch.randint(0, 2, (shape[0],)).to(device)
    step = partial(training_step, model, images, targets, getattr(torch, dtype))
    return time_steps(step, device, warmup, repeats)


def training_flops(shape: Sequence[int]) -> int:
    """Return the operations of one training step of VGG-19 on a mini-batch of this shape; computes nothing."""
    with torch.device("meta"):
        model, images, targets = models.vgg19(num_classes=2), torch.empty(*shape), torch.zeros(shape[0]).long()
    return count_flops(partial(training_step, model, images, targets))


def speed_ups(timings: pd.DataFrame) -> dict[tuple[str, str], Estimate]:
    """Return (device, setting) -> how many times as fast its steps are as those of the first one.

    Args:
        timings: columns device, setting and seconds, in the order of `find_settings`.
    """
    steps = _steps(timings)
    first = next(iter(steps.values()))
    return {key: speed_up(first, seconds) for key, seconds in steps.items()}


def gpu_speed_ups(timings: pd.DataFrame) -> tuple[Estimate | None, Estimate | None]:
    """Return GPU over CPU, both in float32, and each in its fast precision; None and None without a GPU."""
    steps = _steps(timings)
    cpu, *gpu = dict.fromkeys(device for device, _ in steps)
    if not gpu:
        return None, None
    fast = {device: seconds for (device, _), seconds in steps.items()}  # the last one of each device
    return speed_up(steps[cpu, "float32"], steps[gpu[0], "float32"]), speed_up(fast[cpu], fast[gpu[0]])


def headline(timings: pd.DataFrame, settings: pd.DataFrame) -> dict[str, Any] | None:
    """Return the comparison with the CPU in float32 that sums a run up: setting, value, low, high.

    It is the GPU in float32, without a GPU the CPU in its fast precision, and None if that is float32.
    """
    ratios = speed_ups(timings)
    gpu = [key for key in ratios if key[0] != "CPU" and key[1] == "float32"]
    (device, setting), ratio = (gpu[0], ratios[gpu[0]]) if gpu else list(ratios.items())[-1]
    if len(ratios) == 1:
        return None
    name = settings["name"].iloc[-1] if gpu else device
    return {"setting": f"{name} in {setting}", **ratio._asdict()}


def _steps(timings: pd.DataFrame) -> dict[tuple[str, str], NDArray[np.float64]]:
    groups = timings.groupby(["device", "setting"], sort=False)["seconds"]
    return {key: seconds.to_numpy() for key, seconds in groups}
