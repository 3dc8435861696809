"""The frozen networks whose features style transfer compares."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .layers import CONTENT_LAYER, LAYERS, STYLE_LAYERS, TITLES, Normalize
from .weights import Weights, load_backbone


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
