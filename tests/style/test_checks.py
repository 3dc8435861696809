"""Memory and sizes: what is said before and while a transfer does not fit."""

import gc
import weakref
from functools import partial

import pytest
import torch
from stand_ins import CONTENT, CPU, EXACT, STYLE, Tiny, noise

from vg_helpers.models.extractor import build_extractor
from vg_helpers.style.checks import TooSmall, check_memory, needed_memory
from vg_helpers.style.convolutions import prepare
from vg_helpers.style.engine import StyleParams, stylize


def test_nothing_of_what_is_measured_stays_in_memory():
    """A graph that a hook holds is not freed: a long search would fill the memory."""

    class Held(torch.autograd.Function):
        @staticmethod
        def forward(ctx, image, module):
            ctx.module = module  # as WinogradConv2d does
            return image * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2, None

    module = torch.nn.Identity()
    gone = weakref.ref(module)
    features = partial(lambda held, image: {"a": Held.apply(image, held).relu(), "b": (image + 1).exp()}, module)
    assert needed_memory(features, torch.zeros(1, 3, 400, 300)) > 0
    del features, module
    gc.collect()
    assert gone() is None


def test_out_of_memory_says_which_size_would_fit():
    features = prepare(Tiny(), CPU, "float32")
    with pytest.raises(ValueError, match="at most") as caught:
        check_memory(features, torch.zeros(1, 3, 400, 300), free=10_000_000)
    fits = int(str(caught.value).split("at most ")[1].split()[0])
    assert 100 < fits < 400
    check_memory(features, torch.zeros(1, 3, fits, fits * 3 // 4), free=10_000_000)


def huge(device):
    """Ask the CPU's allocator for what no machine has; a GPU's error is what torch raises there."""
    if device == "cuda":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return torch.empty(2**58, dtype=torch.uint8)


class Hungry(Tiny):
    """The stand-in, which asks for too much memory once a test has set `device`."""

    device = None

    def forward(self, images):
        if Hungry.device is not None:
            huge(Hungry.device)
        return super().forward(images)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_memory_that_runs_out_leaves_advice_and_a_checkpoint(monkeypatch, tmp_path, device):
    def starve(step, *_):
        if step == 8:
            monkeypatch.setattr(Hungry, "device", device)

    path, often = tmp_path / "run.pt", {"every": 1, "checkpoint_every": 2}
    with pytest.raises(ValueError, match=r"ran out of memory at 1 image\(s\) of 12×16 pixels: try 11 pixels"):
        stylize(CONTENT, STYLE, Hungry(), EXACT, checkpoint=path, on_step=starve, **often)
    monkeypatch.undo()
    steps = []
    stylize(CONTENT, STYLE, Hungry(), EXACT, checkpoint=path, on_step=lambda step, *_: steps.append(step), **often)
    assert steps[0] == 9


@pytest.mark.parametrize("role", ["content", "style"])
@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
@pytest.mark.parametrize(
    ("fields", "size"), [({"frame": 0}, (3, 40)), ({"frame": 2}, (1, 1)), ({"coarse": ((0.5, 1),)}, (9, 4))]
)
def test_a_size_that_is_too_small_names_one_that_works(tiny_zoo, network, role, fields, size):
    def paint(height, width):
        images = {"content": noise(1, height=128, width=128), "style": noise(2, height=128, width=128)}
        images[role] = noise(3, height=height, width=width)
        params = StyleParams(num_steps=1, precision="float32", **fields)
        return stylize(images["content"], images["style"], build_extractor(network, weights="none"), params)

    with pytest.raises(TooSmall, match=f"the {role} image has {size[1]}×{size[0]} pixels") as caught:
        paint(*size)
    needed = caught.value.needed
    assert paint(needed, needed).image.isfinite().all()
    with pytest.raises(TooSmall):
        paint(needed - 1, needed - 1)


def test_other_errors_of_a_network_stay_what_they_are():
    class Broken(Tiny):
        def forward(self, images):
            if len(images) > 1:
                raise RuntimeError("one picture at a time")
            return super().forward(images)

    with pytest.raises(RuntimeError, match="one picture at a time"):
        stylize(CONTENT.repeat(2, 1, 1, 1), STYLE, Broken(), EXACT)


def test_memory_is_measured_once_for_each_network():
    calls = []

    def features(images):
        calls.append(images.shape)
        return {"all": images * 2}

    sizes = [needed_memory(features, torch.zeros(count, 3, 40, side)) for count, side in ((1, 30), (1, 60), (2, 60))]
    assert len(calls) == 1 and sizes[1] == 2 * sizes[0] and sizes[2] == 2 * sizes[1]
