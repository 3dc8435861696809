"""The frozen networks whose features style transfer compares, and from whose features the texture judges learn."""

from torch import Tensor, nn
from torch.nn.functional import interpolate

from .layers import CONTENT_LAYER, LAYERS, STYLE_LAYERS, TITLES, Normalize
from .weights import Weights, load_backbone


class FeatureExtractor(nn.Module):
    """A frozen network up to its deepest named layer, which returns the features of all named layers.

    It sees each picture at one or more `scales`: as it is (1), or enlarged so many times.
    """

    def __init__(
        self,
        network: str,
        features: nn.Sequential,
        layers: tuple[str, ...],
        weights: Weights,
        scales: tuple[float, ...] = (1,),
    ) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS[network]]
        if unknown:
            raise ValueError(f"{TITLES[network]} has no layer {unknown[0]!r}; it has {', '.join(LAYERS[network])}")
        self.network, self.layers, self.weights, self.scales = network, tuple(layers), weights, tuple(scales)
        self._names = {LAYERS[network][name]: name for name in layers}
        self.normalize, self.body = Normalize(), features[: max(self._names) + 1]
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return layer name -> features (N, C, h, w) of images (N, 3, H, W) in [0, 1], at all scales."""
        return {name: layer for scale in self.scales for name, layer in self.at_scale(scale, images).items()}

    def at_scale(self, scale: float, images: Tensor) -> dict[str, Tensor]:
        """Return the features of images that are enlarged first; of a scale of 3, names end in " x3"."""
        ending = ""
        if scale != 1:
            images, ending = interpolate(images, scale_factor=scale, mode="bilinear"), f" x{scale}"
        x, features, start = self.normalize(images), {}, 0
        for index, name in sorted(self._names.items()):
            x = self.body[start : index + 1](x)
            features[name + ending], start = x, index + 1
        return features

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in evaluation mode: these features are measured, never trained."""
        return super().train(False)


def build_extractor(
    network: str, layers: tuple[str, ...] | None = None, weights: str = "auto", scales: tuple[float, ...] = (1,)
) -> FeatureExtractor:
    """Return a feature extractor of the named layers (None: the style layers and the content layer)."""
    net, origin = load_backbone(network, weights, features_only=True)
    layers = layers or (*STYLE_LAYERS[network], CONTENT_LAYER[network])
    return FeatureExtractor(network, net.features, layers, origin, scales)
