"""Timing by the order of events and by closed forms; nothing here depends on how fast the machine is."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vg_helpers.benchmarks import timing


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 6, 2))


@pytest.fixture
def batch():
    return torch.rand(5, 3, 8, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0, 1])


def test_the_clock_is_read_after_the_device_has_finished(monkeypatch):
    events, ticks = [], iter(range(0, 1000, 10))

    def clock():
        events.append("clock")
        return next(ticks)

    monkeypatch.setattr(timing, "perf_counter", clock)
    monkeypatch.setattr(timing, "synchronize", lambda device: events.append(f"wait for {device}"))
    seconds = timing.time_steps(lambda: events.append("step"), "cuda", warmup=2, repeats=3)
    measured = ["clock", "step", "wait for cuda", "clock"]
    assert events == ["step", "step", "wait for cuda", *measured, *measured, *measured]
    assert seconds.tolist() == [10, 10, 10]


def test_no_warm_up_still_waits_before_the_clock_starts(monkeypatch):
    events = []
    monkeypatch.setattr(timing, "synchronize", lambda device: events.append("wait"))
    assert len(timing.time_steps(lambda: events.append("step"), "cpu", warmup=0, repeats=1)) == 1
    assert events == ["wait", "step", "wait"]


def test_training_step_leaves_the_gradients_of_one_batch_only(net, batch):
    images, targets = batch
    loss = timing.training_step(net, images, targets)
    expected = torch.autograd.grad(F.cross_entropy(net(images), targets), list(net.parameters()))
    timing.training_step(net, images, targets)  # a second step must not add up
    assert loss.item() == pytest.approx(F.cross_entropy(net(images), targets).item())
    torch.testing.assert_close([parameter.grad for parameter in net.parameters()], list(expected))


def test_training_step_computes_in_the_type_asked_for(net, batch):
    seen = []
    net[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    for dtype in (torch.float32, torch.bfloat16):
        timing.training_step(net, *batch, dtype)
    assert seen == [torch.float32, torch.bfloat16]
    assert all(parameter.grad.dtype == torch.float32 for parameter in net.parameters())


def test_operations_of_a_training_step_closed_form(net, batch):
    conv = 2 * 5 * 8 * 6 * 4 * 3 * 3 * 3  # images · positions · filters · (channels · 3 · 3)
    linear = 2 * 5 * (4 * 8 * 6) * 2
    with torch.no_grad():
        assert timing.count_flops(lambda: net(batch[0])) == conv + linear
    # backward: weights of both layers, and the inputs of the second alone (images take no gradient)
    assert timing.count_flops(partial(timing.training_step, net, *batch)) == (conv + linear) + conv + 2 * linear


def test_matmul_peak_takes_the_best_repeat_of_the_better_way(monkeypatch):
    products, seconds = [], iter(([0.5, 0.25, 1.0], [0.2, 0.125, 0.3], [0.25, 0.5], [0.5, 0.75]))

    def fake_time_steps(step, device, warmup, repeats):
        products.append(step())
        return np.array(next(seconds))

    monkeypatch.setattr(timing, "time_steps", fake_time_steps)
    assert timing.matmul_peak("cpu", torch.bfloat16, size=16, repeats=3) == 2 * 16**3 / 0.125
    assert timing.matmul_peak("cpu", torch.float32, size=16, repeats=3) == 2 * 16**3 / 0.25
    assert [product.dtype for product in products] == [torch.bfloat16] * 2 + [torch.float32] * 2
    torch.testing.assert_close(products[3], products[2])


def test_summary_by_hand():
    timings = pd.concat(
        [
            timing.timing_frame([4.0, 1.0, 2.0, 3.0, 90.0], device="cpu", precision="float32"),
            timing.timing_frame([0.5], device="cpu", precision="bfloat16"),
        ]
    )
    assert timings.columns.tolist() == ["device", "precision", "step", "seconds"]
    assert timings["step"].tolist() == [1, 2, 3, 4, 5, 1]
    table = timing.summarize(timings, ["device", "precision"], batch_size=6)
    assert table["precision"].tolist() == ["float32", "bfloat16"]
    first = table.iloc[0]
    assert first[["steps", "total", "median", "low", "high"]].tolist() == [5, 100, 3, 2, 4]
    assert first["images_per_second"] == 2


MACHINE = {"cpu": "Some CPU", "gpu": "Some GPU", "threads": 2, "device": "cuda", "nvidia_smi": "12:00"}


@pytest.mark.parametrize(
    ("gpu", "fast", "expected"),
    [
        (None, torch.float32, [("cpu", "float32")]),
        (None, torch.bfloat16, [("cpu", "float32"), ("cpu", "bfloat16")]),
        (torch.device("cuda"), torch.float32, [("cpu", "float32"), ("cuda", "float32")]),
    ],
)
def test_each_device_is_timed_in_float32_and_its_fast_precision(monkeypatch, gpu, fast, expected):
    monkeypatch.setattr(timing, "fast_dtype", lambda device: fast)
    settings = timing.find_settings(gpu, MACHINE)
    assert list(zip(settings["device"], settings["dtype"], strict=True)) == expected
    names = {"cpu": "Some CPU", "cuda": "Some GPU"}
    assert settings["name"].tolist() == [names[device] for device, _ in expected]


def test_a_gpu_without_a_cuda_name_is_apples(monkeypatch):
    monkeypatch.setattr(timing, "fast_dtype", lambda device: torch.float32)
    settings = timing.find_settings(torch.device("mps"), MACHINE | {"gpu": None})
    assert settings["name"].tolist() == ["Some CPU", "Apple GPU"]


def test_the_key_is_the_machines_and_not_the_moments():
    key = timing.machine_key(MACHINE)
    assert timing.machine_key(MACHINE | {"nvidia_smi": "12:01", "device": "cpu"}) == key
    assert timing.machine_key(MACHINE | {"threads": 1}) != key and timing.machine_key(MACHINE | {"gpu": None}) != key


@pytest.mark.parametrize(("dtype", "last"), [("float32", False), ("bfloat16", True)])
def test_training_is_timed_on_a_batch_of_the_shape_asked_for(monkeypatch, dtype, last):
    class Small(nn.Conv2d):
        def forward(self, images):
            seen.append((tuple(images.shape), images.is_contiguous(memory_format=torch.channels_last), self.training))
            return super().forward(images).mean((2, 3))

    seen = []
    monkeypatch.setattr(timing.models, "vgg19", lambda num_classes: Small(3, num_classes, 3))
    seconds = timing.time_training("cpu", dtype, (4, 3, 8, 8), warmup=1, repeats=2)
    assert len(seconds) == 2
    assert seen == [((4, 3, 8, 8), last, True)] * 3


def test_operations_of_training_are_counted_without_computing(tiny_zoo):
    shape = (3, 3, 64, 64)
    batch = torch.rand(*shape), torch.tensor([0, 1, 1])
    model = timing.models.vgg19(num_classes=2)
    assert timing.training_flops(shape) == timing.count_flops(partial(timing.training_step, model, *batch))


def steps(*rows):
    return pd.concat(
        [timing.timing_frame([seconds] * 3, device=device, setting=dtype) for device, dtype, seconds in rows]
    )


CPU_ALONE = steps(("CPU", "float32", 8.0), ("CPU", "bfloat16", 4.0))
WITH_GPU = pd.concat([CPU_ALONE, steps(("CUDA", "float32", 0.5), ("CUDA", "bfloat16", 0.125))])
SETTINGS = pd.DataFrame({"device": ["cpu", "cuda"], "dtype": "float32", "name": ["Some CPU", "Some GPU"]})


def test_speed_ups_are_ratios_to_the_first_setting():
    assert timing.speed_ups(CPU_ALONE) == {("CPU", "float32"): (1, 1, 1), ("CPU", "bfloat16"): (2, 2, 2)}


def test_the_gpu_is_compared_in_float32_and_in_the_fast_precisions():
    assert timing.gpu_speed_ups(WITH_GPU) == ((16, 16, 16), (32, 32, 32))
    assert timing.gpu_speed_ups(CPU_ALONE) == (None, None)


def test_the_headline_is_the_gpus_or_the_fast_precisions():
    assert timing.headline(WITH_GPU, SETTINGS) == {"setting": "Some GPU in float32", "value": 16, "low": 16, "high": 16}
    alone = timing.headline(CPU_ALONE, SETTINGS[:1])
    assert alone == {"setting": "CPU in bfloat16", "value": 2, "low": 2, "high": 2}
    assert timing.headline(steps(("CPU", "float32", 8.0)), SETTINGS[:1]) is None


@pytest.mark.gpu
def test_a_gpu_step_is_timed_to_its_end():
    a = torch.randn(8192, 8192, device="cuda")
    seconds = timing.time_steps(lambda: a @ a, "cuda", repeats=5)
    started, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    started.record()
    _ = a @ a
    ended.record()
    torch.cuda.synchronize()
    assert np.median(seconds) > 0.5 * started.elapsed_time(ended) / 1000
