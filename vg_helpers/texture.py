"""Texture: which strokes a painting has, wherever they are, and what a trained network gains from knowing.

Mean and standard deviation of a middle layer's channels are what texture synthesis and style transfer match (Huang and
Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance normalization"). The fully connected
layers, which see places, keep little of them.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from .artifacts import save_torch
from .models import Classifier

LAYER = {"vgg19": "conv5_1", "alexnet": "conv3"}  # its input is described


class Texture(nn.Module):
    """Gives (N, 2C) of features (N, C, h, w): each channel's mean, then its standard deviation, in float32."""

    def forward(self, features: Tensor) -> Tensor:
        features = features.float()
        return torch.cat([features.mean((2, 3)), features.std((2, 3), correction=0)], dim=1)


class Textured(nn.Module):
    """A classifier whose logits are those of its network plus those of a head that sees the texture alone."""

    def __init__(self, model: Classifier, head: nn.Linear) -> None:
        super().__init__()
        self.model, self.texture, self.head = model, Texture(), head

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, 2) of images (N, 3, H, W) in [0, 1]."""
        below, above = self.model.split(LAYER[self.model.network])
        middle = below(images)
        logits = above(middle).float()
        with torch.autocast(images.device.type, enabled=False):
            return logits + self.head(self.texture(middle))


def save_head(path: str | Path, textured: Textured) -> None:
    """Write the head alone; the network has a file of its own."""
    save_torch(path, {key: value.detach().cpu() for key, value in textured.head.state_dict().items()})


def load_textured(path: str | Path, model: Classifier) -> Textured:
    """Return the network with the head that `save_head` wrote, in evaluation mode."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    head = nn.Linear(saved["weight"].shape[1], len(saved["bias"]))
    head.load_state_dict(saved)
    return Textured(model, head).eval()
