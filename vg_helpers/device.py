"""Which device computes, in which precision, from which seed, and what machine this is.

Convention: convolutions run in bfloat16 if this machine has instructions for it; sums, losses and weights stay in
float32.
"""

import ctypes
import platform
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes the accelerator (CUDA, Apple's MPS) if there is one, else the CPU.

    Raises:
        ValueError: if the name is unknown or torch does not see such a device.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    available = [str(accelerator), "cpu"] if accelerator else ["cpu"]
    if name == "auto":
        return torch.device(available[0])
    kind, _, number = name.partition(":")
    count = torch.accelerator.device_count() if kind != "cpu" else 1
    if kind not in available or not (number or "0").isdecimal() or int(number or 0) >= count:
        raise ValueError(f"device {name!r} is not available; torch sees: {', '.join(available)}")
    return torch.device(name)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on all devices."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@cache
def fast_dtype(device: torch.device | str) -> torch.dtype:
    """Return bfloat16 if the device has instructions for it, else float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if kind == "cpu":
        has = cpu_capabilities()
        return torch.bfloat16 if has.get("amx_bf16") or has.get("avx512_bf16") or has.get("bf16") else torch.float32
    return torch.float32


def autocast(device: torch.device | str) -> AbstractContextManager:
    """Return a context in which convolutions and matrix products run in `fast_dtype(device)`."""
    dtype = fast_dtype(device)
    kind = torch.device(device).type
    return nullcontext() if dtype == torch.float32 else torch.autocast(kind, dtype=dtype)


def synchronize(device: torch.device | str) -> None:
    """Wait until the device has finished its work."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(device)


@contextmanager
def steady_memory(device: torch.device | str) -> Iterator[None]:
    """Return a context in which memory that one step frees is used by the next; it goes back to the system at the end.

    By default glibc returns every block above 32 MB at once, and getting its pages again costs a tenth of a step.
    """
    libc = None
    if torch.device(device).type == "cpu" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        if libc is not None:
            libc.mallopt(M_MMAP_MAX, 65536)
            libc.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
            libc.malloc_trim(0)


def nvidia_smi() -> str | None:
    """Return what nvidia-smi prints, or None if there is no such program or no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    done = subprocess.run([program], capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    return done.stdout if done.returncode == 0 else None


def hardware(device: torch.device | str) -> dict[str, Any]:
    """Return what this machine is: processor, cores, memory in GB, GPU, versions, and the precision chosen."""
    import psutil

    gpu = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    return {
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": gpu.name if gpu else None,
        "gpu_memory_gb": round(gpu.total_memory / 1e9, 1) if gpu else None,
        "cuda": torch.version.cuda if gpu else None,
        "device": str(device),
        "precision": str(fast_dtype(device)).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "nvidia_smi": nvidia_smi(),
    }


def _cpu_name() -> str:
    name = cpu_capabilities().get("cpu_name")
    return str(name or platform.processor() or platform.machine())


def cpu_capabilities() -> Mapping[str, Any]:
    """Return the processor's name and instruction sets, as far as torch knows them."""
    # torch 2.11 has them under private names only.
    if hasattr(torch.cpu, "get_capabilities"):
        return torch.cpu.get_capabilities()
    return {"amx_bf16": torch.cpu._is_amx_tile_supported(), "avx512_bf16": torch.cpu._is_avx512_bf16_supported()}


def hidden_gpu_advice() -> str:
    """Return what to do if an NVIDIA driver answers, but this torch was built without CUDA; else ""."""
    driver = None if torch.cuda.is_available() else nvidia_smi()
    if driver is None:
        return ""
    index = f"https://download.pytorch.org/whl/{'cu130' if 'CUDA Version: 13' in driver else 'cu126'}"
    return (
        "This machine has an NVIDIA GPU, but the installed torch cannot use it, so the CPU computes. To change that: "
        f"python3 run.py report --torch-index {index}"
    )
