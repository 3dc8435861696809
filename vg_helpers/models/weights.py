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
from torchvision import models as zoo

from ..files import file_sha256
from .layers import TITLES

ENUMS = {"vgg19": zoo.VGG19_Weights.IMAGENET1K_V1, "alexnet": zoo.AlexNet_Weights.IMAGENET1K_V1}
CHOICES = ("auto", "imagenet", "embedded", "none")
DOWNLOAD_TIMEOUT = 20  # seconds without an answer
EMBEDDED = Path(__file__).parent / "embedded"  # weights trained by `pretrain`


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
