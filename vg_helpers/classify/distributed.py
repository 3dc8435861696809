"""Several processes that train as one: each takes its share of every batch."""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def rank() -> int:
    """Return this process's number among those that train together."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes train together: one, unless torch.distributed is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def join_processes(device: torch.device) -> torch.device:
    """Initialise torch.distributed if torchrun started this process, and return the process's own device."""
    if "LOCAL_RANK" not in os.environ:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave_processes() -> None:
    """Undo `join_processes`."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def broadcast_object(value: Any) -> Any:
    """Return the first process's value in every process."""
    values = [value]
    if world_size() > 1:
        dist.broadcast_object_list(values)
    return values[0]


def broadcast_parameters(module: nn.Module) -> None:
    """Give every process the first process's parameters."""
    if world_size() > 1:
        for parameter in module.parameters():
            dist.broadcast(parameter.data, 0)


def all_reduce_gradients(parameters: list[nn.Parameter]) -> None:
    """Give every process the sum of all processes' gradients."""
    if world_size() > 1:
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)


def gather_outputs(outputs: Tensor, batches: list[list[int]]) -> Tensor:
    """Return the outputs at all positions, in order; each process holds those of its share of each batch."""
    if world_size() == 1:
        return outputs
    shares: list[Tensor] = [None] * world_size()
    dist.all_gather_object(shares, outputs)
    everything = torch.empty(sum(map(len, batches)), *next(share.shape[1:] for share in shares if len(share)))
    for number, share in enumerate(shares):
        everything[[position for batch in batches for position in batch[number :: world_size()]]] = share
    return everything
