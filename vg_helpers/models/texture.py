"""The texture judge: a support vector machine on what the channels of several layers do, wherever in a picture.

Convention: `moments` (N, 2C) are the mean of each channel of all layers and then the mean of its square. Moments of
several views or patches of a picture are averaged, and the judge sees their average.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..files import MALFORMED, load_torch, save_torch
from .classifier import RETRAIN, Classifier
from .extractor import FeatureExtractor, build_extractor
from .layers import LAYERS

TEXTURE_LAYERS = {  # chosen by grouped cross-validation; other middle layers did about as well
    "vgg19": ("relu4_2", "relu4_4", "relu5_1", "relu5_2"),
    "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
}
# Enlarged pictures show finer strokes, above all to AlexNet, whose first layer has windows of 11 pixels, 4 apart.
# VGG-19 sees them if asked: that takes it twice the time.
TEXTURE_SCALES: dict[str, tuple[float, ...]] = {"vgg19": (1,), "alexnet": (1, 3)}
FINE_SCALES = TEXTURE_SCALES | {"vgg19": (1.5,)}
FARTHEST = 100.0  # standard deviations


def build_texture_extractor(network: str, weights: str = "auto", fine: bool = False) -> FeatureExtractor:
    """Return the extractor of the features from which a network's texture judge learns; FINE_SCALES if `fine`."""
    scales = FINE_SCALES if fine else TEXTURE_SCALES
    return build_extractor(network, TEXTURE_LAYERS[network], weights, scales[network])


def channel_moments(features: Mapping[str, Tensor]) -> Tensor:
    """Return the moments (N, 2C) of features {layer: (N, c, h, w)}, in float32; C adds up all layers and scales."""
    maps = [layer.float().flatten(2) for layer in features.values()]
    return torch.cat([m.mean(2) for m in maps] + [m.square().mean(2) for m in maps], dim=1)


def statistics(moments: Tensor) -> Tensor:
    """Return (N, 2C): the square roots of each channel's mean and standard deviation.

    Square roots (Hellinger's distance; Arandjelović and Zisserman 2012, "Three things everyone should know to improve
    object retrieval") keep the few strongest channels from deciding alone.

    Args:
        moments: of features after a ReLU, so that no mean is negative.
    """
    mean, square = moments.chunk(2, dim=1)
    deviation = (square - mean.square()).clamp(min=0).sqrt()
    return torch.cat([mean, deviation], dim=1).clamp(min=1e-12).sqrt()


class TextureJudge(nn.Module):
    """A support vector machine with RBF kernel on standardised `statistics`, and the same one refitted to resamples.

    `labels` (n,) holds the classes of all training paintings, `names` their paths, and `support` (M, 2C) their
    statistics, after which those of a corrupted copy of each may follow; `weights` (R, M) and `biases` (R,) are those
    of the machine itself and then of its R − 1 refits.
    """

    def __init__(self, tensors: Mapping[str, Tensor], names: list[str]) -> None:
        super().__init__()
        for name in ("center", "scale", "support", "labels", "weights", "biases", "gamma", "slope", "shift"):
            self.register_buffer(name, tensors[name])
        self.names = names

    def standardise(self, moments: Tensor) -> Tensor:
        """Return the standardised statistics (N, 2C) of moments (N, 2C)."""
        return standardised(statistics(moments), self.center, self.scale)

    def distances(self, moments: Tensor) -> Tensor:
        """Return the mean squared differences (N, M) from the training paintings and then their copies."""
        return mean_squared_differences(self.standardise(moments), self.support.float())

    def log_odds(self, distances: Tensor) -> Tensor:
        """Return the calibrated log odds (N, R) of a Van Gogh by the machine (first column) and its refits."""
        kernel = torch.exp(-self.gamma * distances)
        return self.slope * (kernel @ self.weights.T + self.biases) + self.shift

    def forward(self, moments: Tensor) -> Tensor:
        """Return the calibrated log odds (N,) of moments (N, 2C)."""
        return self.log_odds(self.distances(moments))[:, 0]

    def content(self) -> tuple[Any, ...]:
        """Return what its answers depend on, for `Stage.keep`."""
        return dict(self.state_dict()), self.names


def standardised(values: Tensor, center: Tensor, scale: Tensor) -> Tensor:
    """Return values (N, D) in units of the scale (D,) from the center (D,), at most FARTHEST.

    A channel that is dead in all training paintings has next to no scale; without a limit, the first picture in which
    it is alive would be at infinity in half precision.
    """
    return ((values - center) / scale).clamp(-FARTHEST, FARTHEST)


def mean_squared_differences(first: Tensor, second: Tensor) -> Tensor:
    """Return (N, M): the mean over D of the squared differences between rows (N, D) and (M, D)."""
    squares = first.square().sum(1)[:, None] + second.square().sum(1)[None] - 2 * first @ second.T
    return squares.clamp(min=0) / first.shape[1]


@dataclass(frozen=True)
class Rule:
    """How the two log odds become one, and which answers follow from it.

    The log odds of the whole are `network` and `texture` times those of the two, plus `bias`. Within `margin` of the
    log odds at `threshold` the answer is "cannot_tell". The network averages `views` of a picture; the texture judge
    sees its centre and `patches` of large files. A picture is unfamiliar if it is farther than `familiar` (see
    `TextureJudge.distances`) from every training painting.
    """

    network: float
    texture: float
    bias: float
    threshold: float
    margin: float
    familiar: float
    views: int
    patches: int = 0

    def log_odds(self, network: Any, texture: Any) -> Any:
        """Return the log odds of the whole, of numbers, arrays or tensors."""
        return self.network * network + self.texture * texture + self.bias


class TextureClassifier(nn.Module):
    """A trained classifier and a texture judge, which sees the layers as they were before that training.

    Both are computed in one forward pass. The layers that training left alone are computed once for what both see: the
    picture as it is.
    """

    def __init__(self, model: Classifier, extractor: FeatureExtractor, judge: TextureJudge) -> None:
        super().__init__()
        self.model, self.extractor, self.judge = model, extractor, judge
        self.shared = _equal_steps(model.net.features, extractor.body)

    def forward(
        self, images: Tensor, judged: Tensor | None = None, measured: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the network's logits (J, 2) and the moments (M, 2C) of images (N, 3, H, W) in [0, 1].

        Args:
            judged, measured: index or mask of the images that network and texture judge are to see; None is all.
        """
        names = {index: name for name, index in LAYERS[self.model.network].items() if name in self.extractor.layers}
        as_it_is = 1 in self.extractor.scales
        features, x = {}, self.model.normalize(images if as_it_is else _chosen(images, judged))
        for index, step in enumerate(self.extractor.body[: self.shared]):
            x = step(x)
            features |= {names[index]: _chosen(x, measured)} if as_it_is and index in names else {}
        if as_it_is:
            before, x = _chosen(x, measured), _chosen(x, judged)
            for index, step in enumerate(self.extractor.body[self.shared :], self.shared):
                before = step(before)
                features |= {names[index]: before} if index in names else {}
        for step in self.model.net.features[self.shared :]:
            x = step(x)
        logits = self.model.net.classifier(torch.flatten(self.model.net.avgpool(x), 1))
        for scale in self.extractor.scales:
            features |= self.extractor.at_scale(scale, _chosen(images, measured)) if scale != 1 else {}
        with torch.autocast(images.device.type, enabled=False):
            return logits.float(), channel_moments(features)


def _chosen(images: Tensor, rows: Tensor | None) -> Tensor:
    """Return these rows of images or features (N, C, H, W), in the fast memory layout; all of them if None."""
    return images if rows is None else images[rows].contiguous(memory_format=torch.channels_last)


def _equal_steps(trained: nn.Sequential, before: nn.Sequential) -> int:
    """Return how many of the first steps have equal weights."""
    for index, (step, other) in enumerate(zip(trained, before, strict=False)):
        pairs = zip(step.parameters(), other.parameters(), strict=True)
        if not all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs):
            return index
    return len(before)


def save_texture_classifier(path: str | Path, classifier: TextureClassifier, rule: Rule) -> None:
    """Write judge, rule and those layers that the network's training changed; the network has a file of its own."""
    judge, extractor, shared = classifier.judge, classifier.extractor, classifier.shared
    changed = {index: step for index, step in enumerate(extractor.body) if index >= shared}
    content = {
        "judge": {name: tensor.cpu() for name, tensor in judge.state_dict().items()},
        "names": judge.names,
        "layers": list(extractor.layers),
        "scales": list(extractor.scales),
        "steps": {index: {k: t.cpu() for k, t in step.state_dict().items()} for index, step in changed.items()},
        "rule": asdict(rule),
    }
    save_torch(path, content)


def load_texture_classifier(path: str | Path, model: Classifier) -> tuple[TextureClassifier, Rule]:
    """Return what `save_texture_classifier` wrote for a network, in evaluation mode.

    Raises:
        ValueError: if the file is damaged or something else.
    """
    saved = load_torch(path, RETRAIN)
    try:
        layers = tuple(saved["layers"])
        features = deepcopy(model.net.features[: max(LAYERS[model.network][name] for name in layers) + 1])
        for index, state in saved["steps"].items():
            features[index].load_state_dict(state)
        extractor = FeatureExtractor(model.network, features, layers, model.weights, tuple(saved["scales"]))
        judge = TextureJudge(saved["judge"], saved["names"])
        return TextureClassifier(model, extractor, judge).eval(), Rule(**saved["rule"])
    except MALFORMED as error:
        raise ValueError(f"{path} holds no texture judge of this project; {RETRAIN}") from error
