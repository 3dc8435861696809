"""Where the weights of VGG-19 and AlexNet come from: ImageNet, this project's own pre-training, or random numbers.

Convention: a network that is loaded here is in evaluation mode, and none of its ReLUs works in place.
"""

import math
import socket
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import models as zoo

from ..files import CUT, MALFORMED, file_sha256, load_torch
from .layers import TITLES

ENUMS = {"vgg19": zoo.VGG19_Weights.IMAGENET1K_V1, "alexnet": zoo.AlexNet_Weights.IMAGENET1K_V1}
CHOICES = ("auto", "imagenet", "embedded", "none")
DOWNLOAD_TIMEOUT = 20  # seconds without an answer
EMBEDDED = Path(__file__).parent / "embedded"  # weights trained by `embedded.pretrain`


class NoWeightsError(ValueError):
    """ImageNet weights are not on this machine and could not be downloaded."""


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
        """The choice that gives another network weights of the same kind."""
        return self.source if self.source in ("embedded", "none") else "auto"


def find_imagenet_weights(network: str) -> Path:
    """Return torchvision's weights file, downloaded on first use.

    Raises:
        NoWeightsError: if it cannot be downloaded. A second call in the same process does not try again.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", Path(ENUMS[network].url).name)
    if not path.is_file() and (problem := _download(ENUMS[network].url, path)):
        raise NoWeightsError(problem)
    return path


@cache
def _download(url: str, path: Path) -> str:
    """Download a file whose name ends in its hash, and return what went wrong, "" if nothing did."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(DOWNLOAD_TIMEOUT):
            torch.hub.download_url_to_file(url, str(path), hash_prefix=_promised_hash(path))
    except (OSError, RuntimeError, ValueError, HTTPException) as error:  # the last two: proxies that are nonsense
        return f"{url} could not be downloaded ({error.reason if type(error) is URLError else error})"
    return ""


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torch.hub takes no timeout of its own.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _promised_hash(path: Path) -> str:
    return path.stem.rsplit("-", 1)[1]


@cache
def _provenance(network: str, path: Path) -> Weights:
    digest = file_sha256(path)
    if digest.startswith(_promised_hash(path)):
        return Weights(network, "imagenet", path.name, digest, f"{TITLES[network]}: torchvision's ImageNet weights.")
    note = f"{TITLES[network]}: {path.name} is a stand-in; its SHA-256 is not the one in its name."
    return Weights(network, "stand-in", path.name, digest, note)


def load_backbone(network: str, weights: str = "auto", features_only: bool = False) -> tuple[nn.Module, Weights]:
    """Return torchvision's network and where its weights came from.

    Args:
        weights: "imagenet", "embedded" (convolutions that `embedded.pretrain` trained on pictures by the demo
            painters), "none" (random, with unit variance layer by layer) or "auto" (the first of these that is
            available).
        features_only: leave out the fully connected layers, which hold most of the weights.

    Raises:
        ValueError: for an unknown network or choice, for a damaged file, and if ImageNet weights are asked for and are
            not available.
    """
    if network not in ENUMS or weights not in CHOICES:
        raise ValueError(f"network {network!r}, weights {weights!r}: choose vgg19 or alexnet; {', '.join(CHOICES)}")
    with torch.device("meta"):
        net = getattr(zoo, network)()
    if features_only:
        net.avgpool, net.classifier = nn.Identity(), nn.Sequential()
    net, origin = LOADERS[weights](network, net)
    return without_inplace(net).eval(), origin


def without_inplace(net: nn.Module) -> nn.Module:
    """Return the network with ReLUs that leave their input as it is."""
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return net


def _load_best(network: str, net: nn.Module) -> tuple[nn.Module, Weights]:
    try:
        return _load_imagenet(network, net, find_imagenet_weights(network))
    except NoWeightsError as error:
        load = _load_embedded if (EMBEDDED / f"{network}.npz").is_file() else _load_random
        return load(network, net, f"no ImageNet weights ({error}); ", " instead")


def _load_required(network: str, net: nn.Module) -> tuple[nn.Module, Weights]:
    try:
        return _load_imagenet(network, net, find_imagenet_weights(network))
    except NoWeightsError as error:
        folder = Path(torch.hub.get_dir(), "checkpoints")
        raise NoWeightsError(f"{error}; put the file into {folder} or use weights 'auto'") from error


def _load_imagenet(network: str, net: nn.Module, path: Path) -> tuple[nn.Module, Weights]:
    advice = "delete it, and it is downloaded again"
    # torchvision's VGG-19 file is older than torch's zip format, and only that format can be mapped.
    saved = load_torch(path, advice, mmap=path.is_file() and zipfile.is_zipfile(path))
    try:
        net.load_state_dict({key: saved[key].clone() for key in net.state_dict()}, assign=True)
    except MALFORMED as error:
        raise ValueError(f"{path} holds no weights of {TITLES[network]}; {advice}") from error
    return net, _provenance(network, path)


def _load_embedded(
    network: str, net: nn.Module, reason: str = "", how: str = " in place of ImageNet's"
) -> tuple[nn.Module, Weights]:
    path = EMBEDDED / f"{network}.npz"
    net = initialize(net.to_empty(device="cpu"), pretrained=_read_codes(path))
    source = f"this project's embedded weights{how}, pre-trained on pictures by the demo painters"
    return net, Weights(network, "embedded", path.name, file_sha256(path), f"{TITLES[network]}: {reason}{source}.")


def _load_random(
    network: str, net: nn.Module, reason: str = "", how: str = " in place of ImageNet's"
) -> tuple[nn.Module, Weights]:
    note = f"{TITLES[network]}: {reason}random filters of unit variance{how}."
    return initialize(net.to_empty(device="cpu")), Weights(network, "none", None, None, note)


LOADERS: dict[str, Callable[[str, nn.Module], tuple[nn.Module, Weights]]] = {
    "auto": _load_best,
    "imagenet": _load_required,
    "embedded": _load_embedded,
    "none": _load_random,
}


def _read_codes(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each convolution that `pretrain.save_codes` wrote."""
    try:
        with np.load(path) as saved:
            arrays = {name: torch.from_numpy(saved[name]) for name in saved.files}
    except (*CUT, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); restore it or use weights 'none'") from error
    count = sum(name.startswith("codes") for name in arrays)
    scales = [arrays[f"scale{i}"].view(-1, 1, 1, 1) for i in range(count)]
    return [(arrays[f"codes{i}"].float() * scales[i], arrays[f"bias{i}"]) for i in range(count)]


@torch.no_grad()
def initialize(net: nn.Module, seed: int = 0, pretrained: Sequence[tuple[Tensor, Tensor]] = ()) -> nn.Module:
    """Fill a torchvision network with Gaussian draws, scaled layer by layer, and return it.

    Each channel's output then has zero mean and unit variance on pink noise, the spectrum of natural images
    (layer-sequential unit variance: Mishkin and Matas 2016, "All you need is a good init").

    Args:
        pretrained: weight and bias of the first convolutions. The convolutions above them then pass their input on, and
            no convolution is scaled. Each fully connected layer has a single scale, and the first one has the same
            weights at every place of the picture: it sees what there is, but not where.
    """
    generator = torch.Generator().manual_seed(seed)
    x = _pink_noise(4, 128, generator)
    waiting, first = list(pretrained), next((layer for layer in net.classifier if isinstance(layer, nn.Linear)), None)
    for layer in (*net.features, net.avgpool, nn.Flatten(), *net.classifier):
        if isinstance(layer, nn.Conv2d) and waiting:
            weight, bias = waiting.pop(0)
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        elif isinstance(layer, nn.Conv2d) and pretrained:
            nn.init.dirac_(layer.weight)
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            layer.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            if pretrained and layer is first:
                by_place = layer.weight.view(len(layer.weight), -1, math.prod(net.avgpool.output_size))
                by_place.copy_(by_place[..., :1].clone())
            layer.bias.zero_()
            out = layer(x)
            dims = (0, 2, 3) if out.ndim == 4 else (0, 1) if pretrained else 0
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
