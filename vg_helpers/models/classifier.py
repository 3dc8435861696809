"""Classifiers: a torchvision network with two outputs."""

import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models as zoo

from ..files import MALFORMED, load_torch, save_torch
from .layers import CLASSES, LAYERS, TITLES, Normalize
from .weights import Weights, load_backbone, without_inplace

RETRAIN = "delete it and run the report of its profile again"


class Classifier(nn.Module):
    """A torchvision network with its last layer replaced: class 0 is "other", class 1 "van_gogh"."""

    def __init__(self, network: str, net: nn.Module, weights: Weights) -> None:
        super().__init__()
        self.network, self.weights, self.normalize, self.net = network, weights, Normalize(), net

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, 2) of images (N, 3, H, W) in [0, 1]."""
        return self.net(self.normalize(images))

    def module_of(self, layer: str) -> nn.Module:
        """Return the module of a layer name such as "relu5_4" or "fc8"."""
        return self._steps()[self._position(layer)]

    def split(self, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
        """Return the network below `layer` and from `layer` on; one after the other they are `forward`."""
        steps, cut = self._steps(), self._position(layer) + 1
        return nn.Sequential(self.normalize, *steps[: cut - 1]), nn.Sequential(*steps[cut - 1 :])

    def _steps(self) -> list[nn.Module]:
        return [*self.net.features, self.net.avgpool, nn.Flatten(), *self.net.classifier]

    def _position(self, layer: str) -> int:
        steps = self._steps()
        linear = [i for i, step in enumerate(steps) if isinstance(step, nn.Linear)]
        names = LAYERS[self.network] | dict(zip(("fc6", "fc7", "fc8"), linear, strict=True))
        if layer not in names:
            raise ValueError(f"{TITLES[self.network]} has no layer {layer!r}; it has {', '.join(names)}")
        return names[layer]


def build_classifier(network: str, weights: str = "auto", seed: int = 0) -> Classifier:
    """Return the network with a new last layer of two outputs, drawn from `seed`."""
    net, origin = load_backbone(network, weights)
    old = net.classifier[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net.classifier[-1] = nn.Linear(old.in_features, len(CLASSES))
    return Classifier(network, net, origin)


def save_classifier(path: str | Path, model: Classifier) -> None:
    """Write a classifier with its provenance."""
    state = {key: value.detach().cpu() for key, value in model.state_dict().items()}
    save_torch(path, {"network": model.network, "weights": vars(model.weights), "state": state})


def load_classifier(path: str | Path, mmap: bool = False) -> Classifier:
    """Return the classifier that `save_classifier` wrote, in evaluation mode.

    Args:
        mmap: read each weight when it is first used, and leave the file alone meanwhile.

    Raises:
        ValueError: if the file is damaged or something else.
    """
    saved = load_torch(path, RETRAIN, mmap=mmap and zipfile.is_zipfile(path))
    try:
        # Weights are not drawn, as these come from the file, and drawing them would load torch's compiler.
        options = {"init_weights": False} if saved["network"] == "vgg19" else {}
        with torch.device("meta"):
            net = getattr(zoo, saved["network"])(num_classes=len(CLASSES), **options)
        model = Classifier(saved["network"], net, Weights(**saved["weights"]))
        model.load_state_dict(saved["state"], assign=True)
    except MALFORMED as error:
        raise ValueError(f"{path} holds no classifier of this project; {RETRAIN}") from error
    model.normalize = Normalize()
    return without_inplace(model).eval()
