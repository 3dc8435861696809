"""layers: names stand for torchvision's modules."""

import pytest
import torch
import torchvision
from torch import nn

from vg_helpers.models.classifier import Classifier
from vg_helpers.models.layers import LAYERS


@pytest.mark.parametrize(
    ("network", "layer", "index"),
    [
        *(("vgg19", *pair) for pair in [("conv1_1", 0), ("relu1_2", 3), ("pool1", 4), ("conv2_1", 5), ("conv3_1", 10)]),
        *(("vgg19", *pair) for pair in [("conv4_1", 19), ("conv4_2", 21), ("conv5_1", 28), ("conv5_4", 34)]),
        *(("vgg19", *pair) for pair in [("relu5_4", 35), ("pool5", 36)]),
        *(("alexnet", *pair) for pair in [("conv1", 0), ("conv2", 3), ("conv3", 6), ("conv4", 8), ("conv5", 10)]),
        *(("alexnet", *pair) for pair in [("pool1", 2), ("relu5", 11), ("pool5", 12)]),
    ],
)
def test_layer_names_stand_for_torchvisions_modules(network, layer, index):
    with torch.device("meta"):
        net = getattr(torchvision.models, network)()
    model = Classifier(network, net, None)
    assert LAYERS[network][layer] == index and model.module_of(layer) is net.features[index]
    kind = {"conv": nn.Conv2d, "relu": nn.ReLU, "pool": nn.MaxPool2d}[layer[:4]]
    assert isinstance(net.features[index], kind)
    assert [model.module_of(name) for name in ("fc6", "fc7", "fc8")] == [
        m for m in net.classifier if hasattr(m, "weight")
    ]


def test_every_layer_has_a_name():
    assert [len(LAYERS[network]) for network in ("vgg19", "alexnet")] == [37, 13]
    assert all(list(names.values()) == list(range(len(names))) for names in LAYERS.values())
