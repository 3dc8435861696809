"""extractor: features are those of the named layers, with the normalisation inside, and the network stays frozen."""

import copy

import pytest
import torch
from stand_ins import noise
from torch import nn

from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.layers import CONTENT_LAYER, LAYERS, STYLE_LAYERS

NETWORKS = ("vgg19", "alexnet")


@pytest.fixture
def images():
    return noise(0, 2, 64, 80)


@pytest.mark.parametrize("network", NETWORKS)
def test_features_are_what_their_names_say(tiny_zoo, images, network):
    extractor = build_extractor(network, tuple(LAYERS[network]), "none")
    features = extractor(images)
    x = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    for name, index in LAYERS[network].items():
        layer = copy.deepcopy(extractor.body[index])
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
        x = layer(x)
        torch.testing.assert_close(features[name], x, rtol=0, atol=0)
        assert (x < 0).any() if name.startswith("conv") else (x >= 0).all(), name


@pytest.mark.parametrize("network", NETWORKS)
def test_an_extractor_stops_at_its_deepest_layer_and_stays_frozen(tiny_zoo, images, network):
    extractor = build_extractor(
        network, ("conv3_1" if network == "vgg19" else "conv3", next(iter(LAYERS[network]))), "none"
    )
    assert len(extractor.body) == max(LAYERS[network][name] for name in extractor.layers) + 1
    assert not extractor.train().training and not any(module.training for module in extractor.modules())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
    image = images.requires_grad_()
    sum(value.sum() for value in extractor(image).values()).backward()
    assert image.grad.abs().sum() > 0
    default = build_extractor(network, weights="none")
    assert set(default(images)) == {*STYLE_LAYERS[network], CONTENT_LAYER[network]}


@pytest.mark.parametrize("scales", [(1, 3), (1.5,), (2, 1)])
def test_an_extractor_sees_pictures_at_each_of_its_scales(tiny_zoo, images, scales):
    layers = ("relu1", "relu3")
    features = build_extractor("alexnet", layers, "none", scales)(images)
    plain = build_extractor("alexnet", layers, "none")
    assert len(features) == len(layers) * len(scales)
    for scale in scales:
        larger = torch.nn.functional.interpolate(images, (int(scale * 64), int(scale * 80)), mode="bilinear")
        for name, expected in plain(larger).items():
            torch.testing.assert_close(features[name if scale == 1 else f"{name} x{scale}"], expected)


def test_an_unknown_layer_is_one_sentence(tiny_zoo):
    with pytest.raises(ValueError, match=r"^VGG-19 has no layer 'conv6_1'; it has conv1_1, relu1_1, "):
        build_extractor("vgg19", ("conv1_1", "conv6_1"), "none")
