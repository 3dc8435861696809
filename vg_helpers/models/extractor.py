"""The frozen networks whose features style transfer compares."""

from torch import Tensor, nn

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
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return layer name -> features (N, C, h, w) of images (N, 3, H, W) in [0, 1]."""
        x, features, start = self.normalize(images), {}, 0
        for index, name in sorted(self._names.items()):
            x = self.body[start : index + 1](x)
            features[name], start = x, index + 1
        return features

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in evaluation mode: these features are measured, never trained."""
        return super().train(False)


def build_extractor(network: str, layers: tuple[str, ...] | None = None, weights: str = "auto") -> FeatureExtractor:
    """Return a feature extractor of the named layers (None: the style layers and the content layer)."""
    net, origin = load_backbone(network, weights, features_only=True)
    return FeatureExtractor(network, net.features, layers or (*STYLE_LAYERS[network], CONTENT_LAYER[network]), origin)
