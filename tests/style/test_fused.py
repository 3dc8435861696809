"""The Triton kernels against the single layers, in Triton's interpreter and on a GPU."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from vg_helpers.files import ROOT
from vg_helpers.models.extractor import FeatureExtractor, build_extractor
from vg_helpers.style import convolutions

pytest.importorskip("triton")

INTERPRETED = """
import sys
sys.path.insert(0, "tests")
import torch
from style.test_fused import compare, small
from vg_helpers.style.fused import FusedExtractor
single = small()
fused = FusedExtractor(single)
compare(fused, single, torch.device("cpu"), (13, 10), rtol=0, atol=0)
"""


def small(layers=("conv1_1", "conv2_1")):
    """Return the first five layers of a VGG with few channels, and a convolution behind them."""
    torch.manual_seed(0)
    convs = [nn.Conv2d(wide, 6, 3, padding=1) for wide in (3, 6, 6)]
    convs[0].padding_mode = "replicate"
    body = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), nn.MaxPool2d(2, 2), convs[2], nn.ReLU())
    return FeatureExtractor("vgg19", body, layers, None).to(memory_format=torch.channels_last)


def compare(fused, single, device, size, **tolerances):
    """Check that both networks give the same features and the same gradient, also where neighbours are equal."""
    results = []
    for network in (fused, single):
        image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
        image[..., : size[0] // 2, :] = 0.3
        image = image.to(device, memory_format=torch.channels_last).requires_grad_()
        features = network(image)
        sum(values.float().square().mean() for values in features.values()).backward()
        results.append((features, image.grad))
    torch.testing.assert_close(*results, **tolerances)


def test_features_and_gradients_are_the_same_in_the_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("size", [(64, 48), (37, 42)])
def test_features_and_gradients_are_the_same_on_a_gpu(tiny_zoo, precision, size):
    extractor, device = build_extractor("vgg19", weights="none"), torch.device("cuda")
    fused, single = (convolutions.prepare(extractor, device, precision) for _ in range(2))
    assert fused.fused is not None
    single.fused = None
    compare(fused, single, device, size, rtol=1e-3, atol=1e-5)


def test_networks_of_other_layers_run_as_they_are(tiny_zoo):
    from vg_helpers.style.fused import FusedExtractor

    assert FusedExtractor.supports(small()) and FusedExtractor.supports(build_extractor("vgg19", weights="none"))
    assert not FusedExtractor.supports(small(("relu1_1",)))  # features behind a ReLU
    assert not FusedExtractor.supports(small(("conv1_2", "conv2_1")))  # features between a convolution and pooling
    assert not FusedExtractor.supports(build_extractor("alexnet", weights="none"))  # pooling over 3 × 3
    assert not FusedExtractor.supports(nn.Conv2d(3, 6, 3))


def test_kernels_that_cannot_be_built_are_a_sentence(monkeypatch, caplog):
    from vg_helpers.style import fused

    def fail():
        raise RuntimeError("Failed to find C compiler\nmore")

    monkeypatch.setattr(fused, "build_kernels", fail)
    convolutions.load_kernels.cache_clear()
    assert convolutions.load_kernels() is None
    convolutions.load_kernels.cache_clear()
    assert "(Failed to find C compiler): the style transfer runs without them" in caplog.text
