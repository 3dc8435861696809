"""Small stand-ins that several tests share: networks of two layers, pictures of noise, errors raised on purpose."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from vg_helpers.models.texture import Rule, TextureJudge
from vg_helpers.models.weights import Weights
from vg_helpers.style.engine import StyleParams

CPU = torch.device("cpu")


class Interrupted(Exception):
    """Raised by a test in the middle of the work that it interrupts."""


class Tiny(nn.Module):
    """A two-layer stand-in for an extractor: any module that names its layers will do."""

    layers = ("fine", "coarse", "content")
    network = "vgg19"
    weights = Weights("vgg19", "imagenet", "tiny.pth", None, "")

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2, padding=1)
        generator = torch.Generator().manual_seed(3)
        for parameter in self.parameters():
            parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine = self.first(images - 0.5)
        coarse = self.second(fine.relu())
        return {"fine": fine, "coarse": coarse, "content": coarse}


def noise(seed: int, n: int = 1, height: int = 16, width: int = 12) -> Tensor:
    """Return n pictures (n, 3, height, width) of uniform noise."""
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def interrupt_at(step: int) -> Callable[..., None]:
    """Return an `on_step` that stops the run with a KeyboardInterrupt after this step."""

    def on_step(now: int, *_: object) -> None:
        if now >= step:
            raise KeyboardInterrupt

    return on_step


class Layered(nn.Module):
    """Two convolutions, batch norm and dropout for images of 16 × 12 and three classes, with its layers by name."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                "conv1": nn.Conv2d(3, 6, 3, padding=1),
                "bn": nn.BatchNorm2d(6),
                "relu1": nn.ReLU(inplace=inplace),
                "pool": nn.MaxPool2d(2),
                "conv2": nn.Conv2d(6, 8, 3, padding=1),
                "relu2": nn.ReLU(inplace=inplace),
                "flat": nn.Flatten(),
                "drop": nn.Dropout(),
                "fc": nn.Linear(8 * 8 * 6, 3),
            }
        )

    def module_of(self, name: str) -> nn.Module:
        return self.layers[name]

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers.values():
            images = layer(images)
        return images


CONTENT, STYLE = noise(1), noise(2, height=14, width=18)
EXACT = StyleParams(style_weight=10.0, tv_weight=1.0, num_steps=30, precision="float32")


def change(**fields: object) -> StyleParams:
    """Return EXACT with other fields."""
    return dataclasses.replace(EXACT, **fields)


@dataclass
class Points(Dataset):
    """Six numbers per item, whose first tells the class; each view adds its own small noise."""

    count: int = 40
    seed: int = 0
    view: int = 0

    def __post_init__(self):
        generator = torch.Generator().manual_seed(self.seed)
        self.targets = (torch.arange(self.count) % 2).tolist()
        self.points = torch.randn(self.count, 6, generator=generator)
        self.points[:, 0] = 3 * (2 * torch.tensor(self.targets) - 1) + 0.3 * self.points[:, 0]

    def __len__(self):
        return self.count

    def __getitem__(self, position):
        noise = torch.randn(6, generator=torch.Generator().manual_seed(1000 * self.view + position))
        return self.points[position] + 0.1 * noise, self.targets[position]


def blotches(seed: int, size: tuple[int, int] = (300, 400)) -> np.ndarray:
    """Return a picture of blotches, as uint8 (height, width, 3); `size` is (width, height)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def hashed_frame(rows: list[tuple[str, str, int]]) -> pd.DataFrame:
    """Return an index of (artist, title, hash as a number)."""
    return pd.DataFrame(rows, columns=["artist", "title", "phash"]).assign(
        phash=lambda frame: frame.phash.map("{:016x}".format)
    )


def textured(label: int, count: int, seed: int = 0, size: int = 64) -> Tensor:
    """Return pictures (count, 3, size, size) of stripes: steep ones for label 1, flat ones for label 0."""
    generator = torch.Generator().manual_seed(1000 * label + seed)
    waves = torch.arange(size, dtype=torch.float32)
    x, y = waves[None, :].expand(size, size), waves[:, None].expand(size, size)
    phases = 6.28 * torch.rand(count, 1, 1, generator=generator)
    stripes = torch.sin((x if label else y)[None] / 2 + phases)[:, None].expand(-1, 3, -1, -1)
    return (0.5 + 0.3 * stripes + 0.1 * torch.randn(count, 3, size, size, generator=generator)).clamp(0, 1)


def tiny_judge(channels: int = 6, count: int = 8, refits: int = 2) -> TextureJudge:
    """Return a texture judge of random support for layers of together so many channels."""
    generator = torch.Generator().manual_seed(5)
    random = {"support": (count, 2 * channels), "weights": (1 + refits, count), "biases": (1 + refits,)}
    tensors = {name: torch.randn(*shape, generator=generator) for name, shape in random.items()}
    tensors |= {"center": torch.full((2 * channels,), 0.5), "scale": torch.full((2 * channels,), 0.2)}
    tensors |= {"gamma": torch.tensor(0.5), "slope": torch.tensor(1.5), "shift": torch.tensor(-0.2)}
    tensors |= {"labels": torch.arange(count) % 2, "support": tensors["support"].half()}
    return TextureJudge(tensors, [f"painting-{number}.jpg" for number in range(count)]).eval()


RULE = Rule(network=0.8, texture=1.1, bias=-0.3, threshold=0.4, margin=0.5, familiar=1.5, views=2)
