"""Several processes that train as one: each takes its share of every batch."""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def rank() -> int:
    """Return this process's number among those that train together."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def processes() -> int:
    """Return how many processes train together: one, unless torch.distributed is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def join_processes(device: torch.device) -> torch.device:
    """Initialise torch.distributed where torchrun started this process, and return the process's own device."""
    if "LOCAL_RANK" not in os.environ:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave_processes() -> None:
    """Undo `join_processes`, where it initialised anything."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def of_the_first(value: Any) -> Any:
    """Return the value that the first of the processes that train together has."""
    if processes() > 1:
        dist.broadcast_object_list(box := [value])
        value = box[0]
    return value


def _add_up(parameters: list[nn.Parameter]) -> None:
    """Give every process the sum of all processes' gradients."""
    for parameter in parameters if processes() > 1 else ():
        parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        dist.all_reduce(parameter.grad)


def _gather(mine: Tensor, batches: list[list[int]]) -> Tensor:
    """Return the outputs for all places, in order, of which each process holds its share."""
    if processes() == 1:
        return mine
    dist.all_gather_object(held := [None] * processes(), mine)
    everything = torch.empty(sum(map(len, batches)), *next(part.shape[1:] for part in held if len(part)))
    for number, part in enumerate(held):
        everything[[place for batch in batches for place in batch[number :: processes()]]] = part
    return everything
