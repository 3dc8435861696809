"""Small stand-ins that several tests share: networks of two layers, pictures of noise, errors raised on purpose."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vg_helpers.models.weights import Weights

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
