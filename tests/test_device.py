"""device: the device that is there, the precision that is fast, the same numbers from the same seed."""

import platform
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vg_helpers import device

ROOT = Path(__file__).parents[1]


@pytest.fixture
def seen(monkeypatch):
    """Return a function that lets torch see so many accelerators of a kind."""

    def let(kind, count=1):
        found = torch.device(kind) if kind else None
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: found)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")

    return let


@pytest.mark.parametrize(("kind", "best"), [("cuda", "cuda"), ("mps", "mps"), (None, "cpu")])
def test_auto_takes_the_accelerator_if_there_is_one(seen, kind, best):
    seen(kind)
    assert device.pick_device("auto").type == device.pick_device().type == best
    assert device.pick_device("cpu").type == "cpu"


def test_a_device_that_is_not_there_is_one_sentence(seen):
    seen("mps")
    for name in ("cuda", "cuda:1", "tpu", "", "cpu:x", "mps:1"):
        with pytest.raises(ValueError, match=f"^device '{name}' is not available; torch sees: mps, cpu$"):
            device.pick_device(name)
    seen("cuda", 2)
    assert device.pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match=r"^device 'cuda:2' is not available; torch sees: cuda, cpu$"):
        device.pick_device("cuda:2")
    seen(None)
    with pytest.raises(ValueError, match=r"^device 'cuda' is not available; torch sees: cpu$"):
        device.pick_device("cuda")


def test_the_seed_reaches_every_generator():
    def draw():
        device.seed_everything(5)
        return random.random(), np.random.rand(), torch.rand(1).item()

    first = draw()
    assert first == draw()
    device.seed_everything(6)
    assert all(a != b for a, b in zip(first, (random.random(), np.random.rand(), torch.rand(1).item()), strict=True))


@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16", "bf16", None])
def test_a_cpu_computes_in_bfloat16_where_it_has_instructions_for_it(monkeypatch, flag):
    monkeypatch.setattr(device, "cpu_capabilities", lambda: {flag: True, "avx2": True})
    device.fast_dtype.cache_clear()
    try:
        expected = torch.bfloat16 if flag else torch.float32
        assert device.fast_dtype("cpu") == expected
        with device.autocast("cpu"):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    finally:
        device.fast_dtype.cache_clear()


def test_emulated_bfloat16_of_an_old_gpu_is_not_fast(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    device.fast_dtype.cache_clear()
    try:
        assert device.fast_dtype("cuda") == torch.float32
    finally:
        device.fast_dtype.cache_clear()


FAULTS = """
import resource, psutil, torch
from vg_helpers.device import steady_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = min(faults() for _ in range(5))
with steady_memory("cpu"):
    steady = min(faults() for _ in range(40))  # the first blocks are still fetched, until they fit one another
    held = psutil.Process().memory_info().rss
print(usual, steady, held - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_memory_of_one_step_serves_the_next_and_is_given_back():
    # In a process of its own: where many others have allocated before, a block may not fit where the last one was.
    done = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True, cwd=ROOT)
    usual, steady, given_back = map(int, done.stdout.split())
    assert steady < 0.1 * usual and given_back > 50e6


def test_nvidia_smi_is_none_without_program_or_driver(monkeypatch):
    answer = SimpleNamespace(returncode=0, stdout="RTX")
    monkeypatch.setattr(device.subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    assert device.nvidia_smi() is None
    monkeypatch.setattr(device.shutil, "which", lambda name: "/bin/nvidia-smi")
    assert device.nvidia_smi() == "RTX"
    answer.returncode = 9
    assert device.nvidia_smi() is None


@pytest.mark.parametrize(
    ("cuda", "driver", "words"),
    [
        (False, "RTX, CUDA Version: 12.4", "--torch-index https://download.pytorch.org/whl/cu126"),
        (False, "RTX, CUDA Version: 13.0", "--torch-index https://download.pytorch.org/whl/cu130"),
        (True, "RTX, CUDA Version: 13.0", None),
        (False, None, None),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_named_with_the_way_out(monkeypatch, seen, cuda, driver, words):
    seen("cuda" if cuda else None)
    monkeypatch.setattr(device, "nvidia_smi", lambda: driver)
    advice = device.hidden_gpu_advice()
    assert advice.endswith(words) if words else advice == ""


def test_hardware_describes_this_machine(monkeypatch, seen):
    seen(None)
    monkeypatch.setattr(device, "nvidia_smi", lambda: None)
    found = device.hardware("cpu")
    assert found["cpu"] and found["cores"] >= 1 and found["memory_gb"] > 0.5 and found["device"] == "cpu"
    assert found["precision"] in ("bfloat16", "float32") and found["torch"] == torch.__version__
    assert found["gpu"] is found["cuda"] is found["nvidia_smi"] is found["gpu_memory_gb"] is None


@pytest.mark.gpu
def test_synchronize_waits_for_the_gpu():
    x = torch.rand(4096, 4096, device="cuda")
    done = torch.cuda.Event()
    for _ in range(20):
        x = x @ x
    done.record()
    device.synchronize("cuda")
    assert done.query() and device.hardware("cuda")["gpu"]
