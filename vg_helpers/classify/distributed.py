"""Several processes that train as one: each takes its share of every batch."""

import os
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(days=1)  # for the others, one of which may wait for another worker's trial


def rank() -> int:
    """Return this process's number among those that train together."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes train together: one, unless torch.distributed is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def own_device(device: torch.device) -> torch.device:
    """Return this process's device: of those that torchrun started on a machine with GPUs, each takes another one."""
    if device.type != "cuda" or "LOCAL_RANK" not in os.environ:
        return device
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def join_processes(device: torch.device) -> torch.device:
    """Initialise torch.distributed if torchrun started this process, and return the process's own device."""
    if "LOCAL_RANK" not in os.environ:
        return device
    device = own_device(device)
    store, number, count = next(dist.rendezvous("env://", timeout=PATIENCE))
    # After a restart the store still has the addresses of processes that are gone.
    store = dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=PATIENCE)
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


def in_parallel(module: nn.Module) -> nn.Module:
    """Return a module that computes the same, with the first process's weights.

    In each backward pass every process then gets the mean of all processes' gradients. A single process gets `module`.
    """
    if world_size() == 1:
        return module
    return DistributedDataParallel(module, broadcast_buffers=False, gradient_as_bucket_view=True)


def share_of(batch: list[int]) -> list[int]:
    """Return the positions of a batch that this process computes, none of the shortest batches.

    They are neither repeated nor left out, as `DistributedSampler` would do to make all shares equal.
    """
    return batch[rank() :: world_size()]


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
