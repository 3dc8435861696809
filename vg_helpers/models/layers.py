"""Layers of VGG-19 and AlexNet by name, and the ImageNet normalisation."""

import torch
from torch import Tensor, nn
from torchvision import models as zoo

TITLES = {"vgg19": "VGG-19", "alexnet": "AlexNet"}
STYLE_LAYERS = {
    "vgg19": ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
}
CONTENT_LAYER = {"vgg19": "conv4_2", "alexnet": "conv4"}
CLASSES = ("other", "van_gogh")


def _name_layers(network: str) -> dict[str, int]:
    """Return layer name -> index in torchvision's `features`, from its own list of modules."""
    names, block, conv = {}, 1, 0
    with torch.device("meta"):
        features = getattr(zoo, network)(init_weights=False).features if network == "vgg19" else zoo.alexnet().features
    for index, layer in enumerate(features):
        kind = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool"}[type(layer)]
        conv += kind == "conv"
        if network == "vgg19":
            names[f"pool{block}" if kind == "pool" else f"{kind}{block}_{conv}"] = index
            if kind == "pool":
                block, conv = block + 1, 0
        else:
            names[f"{kind}{conv}"] = index
    return names


LAYERS = {network: _name_layers(network) for network in TITLES}


class Normalize(nn.Module):
    """Images in [0, 1] to zero mean and unit variance over ImageNet, channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std
