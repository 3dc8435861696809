"""VGG-19 and AlexNet: where their weights come from, layers by name, classifiers and feature extractors.

Convention: images go in as (N, 3, H, W) in [0, 1]; the ImageNet normalisation lives inside the networks of this module.
"conv4_2" is a convolution's output before its ReLU, "relu4_2" after it; no ReLU works in place.
"""

import math
import pickle
import socket
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision import models as zoo

from .artifacts import file_sha256, save_torch

TITLES = {"vgg19": "VGG-19", "alexnet": "AlexNet"}
ENUMS = {"vgg19": zoo.VGG19_Weights.IMAGENET1K_V1, "alexnet": zoo.AlexNet_Weights.IMAGENET1K_V1}
STYLE_LAYERS = {
    "vgg19": ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
}
CONTENT_LAYER = {"vgg19": "conv4_2", "alexnet": "conv4"}
CLASSES = ("other", "van_gogh")
CHOICES = ("auto", "imagenet", "embedded", "none")
DOWNLOAD_TIMEOUT = 20  # seconds without an answer
EMBEDDED = Path(__file__).parent / "embedded"  # weights trained by `pretrain`


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


@dataclass(frozen=True)
class Weights:
    """Where a network's weights came from: source is "imagenet", "stand-in", "embedded" or "none"; file and SHA-256."""

    network: str
    source: str
    file: str | None
    sha256: str | None
    note: str

    @property
    def choice(self) -> str:
        """What to ask for when another network shall have weights of the same kind."""
        return self.source if self.source in ("embedded", "none") else "auto"

    @property
    def style_params(self) -> dict[str, Any]:
        """Fields of `StyleParams` with which a style transfer by these weights looks best, where its defaults do not.

        The embedded features leave too much of the photo's colours, know too little of brushstrokes, and stipple what
        is flat if they pull long or hard.
        """
        return {"start": "patches", "tv_weight": 50.0, "lr": 0.01} if self.source == "embedded" else {}


class Normalize(nn.Module):
    """Images in [0, 1] to zero mean and unit variance over ImageNet, channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


@cache
def find_imagenet_weights(network: str) -> Path | str:
    """Return torchvision's weights file, downloaded on first use, or one sentence on why it cannot be had."""
    enum = ENUMS[network]
    path = Path(torch.hub.get_dir(), "checkpoints", Path(enum.url).name)
    if path.is_file():
        return path
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        torch.hub.load_state_dict_from_url(enum.url, map_location="cpu", check_hash=True)
    except (OSError, RuntimeError) as error:
        return f"{enum.url} could not be downloaded ({error})"
    finally:
        socket.setdefaulttimeout(before)
    return path


@cache
def _provenance(network: str, path: Path) -> Weights:
    digest = file_sha256(path)
    if digest.startswith(path.stem.rsplit("-", 1)[1]):
        return Weights(network, "imagenet", path.name, digest, f"{TITLES[network]}: torchvision's ImageNet weights.")
    note = f"{TITLES[network]}: {path.name} is a stand-in, its SHA-256 is not the one that its name promises."
    return Weights(network, "stand-in", path.name, digest, note)


def load_backbone(network: str, weights: str = "auto", features_only: bool = False) -> tuple[nn.Module, Weights]:
    """Return torchvision's network and where its weights came from.

    Args:
        features_only: leave the fully connected layers out, most of the weights.
        weights: "imagenet" (must be had), "embedded" (convolutions that `pretrain` taught on the demo painters'
            pictures), "none" (random, unit variance layer by layer) or "auto" (the first of these that can be had).

    Raises:
        ValueError: for an unknown network or choice of weights, or if what is asked for cannot be had.
    """
    if network not in ENUMS or weights not in CHOICES:
        raise ValueError(f"network {network!r}, weights {weights!r}: choose vgg19 or alexnet; {', '.join(CHOICES)}")
    asked = weights in ("embedded", "none")
    found = None if asked else find_imagenet_weights(network)
    before, after = ("", " in place of ImageNet's") if asked else (f"no ImageNet weights ({found}); ", " instead")
    with torch.device("meta"):
        net = getattr(zoo, network)()
    if features_only:
        net.avgpool, net.classifier = nn.Identity(), nn.Sequential()
    embedded = EMBEDDED / f"{network}.npz"
    if isinstance(found, Path):
        saved = _read_weights(found)
        net.load_state_dict({key: saved[key].clone() for key in net.state_dict()}, assign=True)
        origin = _provenance(network, found)
    elif weights == "imagenet":
        raise ValueError(f"{found}; put the file into {Path(torch.hub.get_dir(), 'checkpoints')} or use weights 'auto'")
    elif weights == "embedded" or (weights == "auto" and embedded.is_file()):
        net = initialise(net.to_empty(device="cpu"), taught=_read_codes(embedded))
        taught_on = "taught on the demo painters' pictures"
        note = f"{TITLES[network]}: {before}this project's embedded weights{after}, {taught_on}."
        origin = Weights(network, "embedded", embedded.name, file_sha256(embedded), note)
    else:
        net = initialise(net.to_empty(device="cpu"))
        note = f"{TITLES[network]}: {before}random filters of unit variance{after}."
        origin = Weights(network, "none", None, None, note)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return net.eval(), origin


def _read_codes(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each convolution that `pretrain.save_codes` wrote."""
    try:
        with np.load(path) as saved:
            arrays = {name: torch.from_numpy(saved[name]) for name in saved.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no readable weights file ({error}); restore it or use weights 'none'") from error
    count = sum(name.startswith("codes") for name in arrays)
    scales = [arrays[f"scale{i}"].view(-1, 1, 1, 1) for i in range(count)]
    return [(arrays[f"codes{i}"].float() * scales[i], arrays[f"bias{i}"]) for i in range(count)]


def _read_weights(path: Path) -> dict[str, Tensor]:
    # torchvision's VGG-19 file is older than torch's zip format, and only that format can be mapped.
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"{path} is no readable weights file ({reason}); delete it to have it downloaded anew"
        ) from error


@torch.no_grad()
def initialise(net: nn.Module, seed: int = 0, taught: Sequence[tuple[Tensor, Tensor]] = ()) -> nn.Module:
    """Fill a torchvision network with Gaussian draws, scaled layer by layer, and return it.

    Each channel's output then has zero mean and unit variance on pink noise, the spectrum of natural images
    (layer-sequential unit variance: Mishkin and Matas 2016, "All you need is a good init").

    Args:
        taught: weight and bias of the first convolutions. Those above them then hand their input on, and no convolution
            is scaled. Fully connected layers have one scale each, and the first of them draws its weights once for all
            places: it sees what there is, not where.
    """
    generator = torch.Generator().manual_seed(seed)
    x = _pink_noise(4, 128, generator)
    ready, first = list(taught), next((layer for layer in net.classifier if isinstance(layer, nn.Linear)), None)
    for layer in (*net.features, net.avgpool, nn.Flatten(), *net.classifier):
        if isinstance(layer, nn.Conv2d) and ready:
            weight, bias = ready.pop(0)
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        elif isinstance(layer, nn.Conv2d) and taught:
            nn.init.dirac_(layer.weight)
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            layer.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            if taught and layer is first:
                by_place = layer.weight.view(len(layer.weight), -1, math.prod(net.avgpool.output_size))
                by_place.copy_(by_place[..., :1].clone())
            layer.bias.zero_()
            out = layer(x)
            dims = (0, 2, 3) if out.ndim == 4 else (0, 1) if taught else 0
            std = out.std(dims).clamp_min(1e-6)
            layer.weight.div_(std.view(-1, *[1] * (layer.weight.ndim - 1)))
            layer.bias.copy_(-out.mean(dims) / std)
        x = x if isinstance(layer, nn.Dropout) else layer(x)
    return net


def _pink_noise(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return (count, 3, size, size) noise whose amplitude falls as 1 / frequency, with unit variance."""
    frequency = torch.fft.fftfreq(size)[:, None].square() + torch.fft.rfftfreq(size)[None].square()
    white = torch.fft.rfft2(torch.randn(count, 3, size, size, generator=generator))
    noise = torch.fft.irfft2(white / frequency.sqrt().clamp_min(1 / size), s=(size, size))
    return (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True)


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


def load_classifier(path: str | Path) -> Classifier:
    """Return the classifier that `save_classifier` wrote, in evaluation mode."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        net = getattr(zoo, saved["network"])(num_classes=len(CLASSES))
    model = Classifier(saved["network"], net, Weights(**saved["weights"]))
    model.load_state_dict(saved["state"], assign=True)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    model.normalize = Normalize()
    return model.eval()


class FeatureExtractor(nn.Module):
    """A frozen network up to its deepest named layer, which returns the features of all named layers."""

    def __init__(self, network: str, features: nn.Sequential, layers: tuple[str, ...], weights: Weights) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS[network]]
        if unknown:
            raise ValueError(f"{TITLES[network]} has no layer {unknown[0]!r}; it has {', '.join(LAYERS[network])}")
        self.network, self.layers, self.weights = network, tuple(layers), weights
        self._names = {LAYERS[network][name]: name for name in layers}
        self.normalize, self.body = Normalize(), features[: max(self._names) + 1]
        self.checkpointing = False
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return layer name -> features (N, C, h, w) of images (N, 3, H, W) in [0, 1].

        With `checkpointing` on, only these are kept for the backward pass, which computes what lies between them anew.
        """
        x, found, start = self.normalize(images), {}, 0
        again = self.checkpointing and torch.is_grad_enabled()
        for index, name in sorted(self._names.items()):
            part = self.body[start : index + 1]
            x = checkpoint(part, x, use_reentrant=False, preserve_rng_state=False) if again else part(x)
            found[name], start = x, index + 1
        return found

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in evaluation mode: these features are measured, never trained."""
        return super().train(False)


def build_extractor(
    network: str, layers: tuple[str, ...] | None = None, weights: str = "auto", pooling: str = "max"
) -> FeatureExtractor:
    """Return a feature extractor of the named layers (None: the style layers and the content layer).

    Args:
        pooling: "max" as trained, or "average", which Gatys et al. (2016, section 2) found to give smoother pictures.
    """
    if network not in LAYERS or pooling not in ("max", "average"):
        raise ValueError(f"extractor {network!r}, pooling {pooling!r}: choose vgg19 or alexnet, and max or average")
    net, origin = load_backbone(network, weights, features_only=True)
    features = net.features
    if pooling == "average":
        for index, layer in enumerate(features):
            if isinstance(layer, nn.MaxPool2d):
                features[index] = nn.AvgPool2d(layer.kernel_size, layer.stride)
    layers = layers or (*STYLE_LAYERS[network], CONTENT_LAYER[network])
    return FeatureExtractor(network, features, layers, origin)
