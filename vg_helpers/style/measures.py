"""How much of the photo is left in a repainted picture, and how near the picture comes to the style.

Convention: images are (N, 3, H, W) float tensors in [0, 1], RGB.
"""

from pathlib import Path

import torch
from scipy.ndimage import gaussian_gradient_magnitude
from skimage.metrics import structural_similarity as similarity_of_arrays
from torch import Tensor, nn
from torchvision.transforms.v2.functional import rgb_to_grayscale

from ..files import load_torch
from ..models.extractor import FeatureExtractor, build_extractor
from .losses import gram_matrix, style_loss

PERCEPTUAL_LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5")  # of AlexNet, those of LPIPS


def structural_similarity(images: Tensor, photos: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return how alike the luminance of images and photos is in structure, (N,) in float64; 1 is the same picture.

    The index of Wang et al. (2004, "Image quality assessment: from error visibility to structural similarity") in
    windows of 7 × 7 pixels, so that both sides must have at least 7.

    Args:
        mask: (N, 1, H, W) weights of the places; None weighs all windows that lie within the picture equally.

    >>> structural_similarity(torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).item()
    1.0
    """
    luminances = [rgb_to_grayscale(batch)[:, 0].cpu().numpy() for batch in (images, photos)]
    results = [similarity_of_arrays(*pair, data_range=1.0, full=True) for pair in zip(*luminances, strict=True)]
    if mask is None:
        return torch.tensor([float(mean) for mean, _ in results], dtype=torch.float64)
    maps = torch.stack([torch.from_numpy(similarity) for _, similarity in results]).double()
    weights = mask[:, 0].cpu().double()
    return (weights * maps).sum((1, 2)) / weights.sum((1, 2)).clamp_min(1e-12)


def edge_agreement(images: Tensor, photos: Tensor, scale: float = 2.0) -> Tensor:
    """Return how well the edges of images and photos agree, (N,) in float64; 1 is the same edges, 0 unrelated ones.

    It is the correlation of the luminance's gradient magnitude, which is smoothed so that strokes count less than the
    outlines of things. A picture without edges agrees only with another one.

    Args:
        scale: standard deviation of the smoothing, in pixels.

    >>> edge_agreement(torch.eye(8).expand(1, 3, 8, 8), torch.eye(8).flip(0).expand(1, 3, 8, 8)).item() < 0.5
    True
    """
    results = []
    luminances = [rgb_to_grayscale(batch)[:, 0].cpu().double().numpy() for batch in (images, photos)]
    for pair in zip(*luminances, strict=True):
        first, second = (gaussian_gradient_magnitude(gray, scale, mode="nearest") for gray in pair)
        first, second = first - first.mean(), second - second.mean()
        size = float((first**2).sum() * (second**2).sum()) ** 0.5
        flat = abs(first).max() < 1e-6 and abs(second).max() < 1e-6
        results.append(float((first * second).sum()) / size if size > 1e-12 else float(flat))
    return torch.tensor(results, dtype=torch.float64)


class Perceptual(nn.Module):
    """How far apart images and photos are in AlexNet's features: LPIPS, if the weights are those of ImageNet.

    At every place of five layers the features become vectors of length 1. Squared differences are averaged over the
    places; LPIPS (Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", version
    0.1) weighs the channels as fits people's judgements best. Its weights suit no others than ImageNet's, so that the
    channels count alike with others.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.extractor = extractor
        self.title = "LPIPS" if extractor.weights.source == "imagenet" else "distance of AlexNet's features"
        for number, name in enumerate(extractor.layers):
            weights = torch.ones(1)
            if extractor.weights.source == "imagenet":
                weights = _lpips_weights()[f"lin{number}.model.1.weight"].flatten()
            self.register_buffer(name, weights.view(-1, 1, 1))

    @torch.inference_mode()
    def forward(self, images: Tensor, photos: Tensor) -> Tensor:
        """Return the distances (N,) of images and photos (N, 3, H, W), in float64; 0 is the same picture."""
        total = torch.zeros(len(images), dtype=torch.float64)
        first, second = self.extractor(images), self.extractor(photos)
        for name in self.extractor.layers:
            a, b = (features[name] / (features[name].norm(dim=1, keepdim=True) + 1e-10) for features in (first, second))
            total += ((a - b).square() * self.get_buffer(name)).sum(1).mean((1, 2)).cpu().double()
        return total


def build_perceptual(weights: str = "auto") -> Perceptual:
    """Return the distance by an AlexNet with weights as `build_extractor` chooses them."""
    return Perceptual(build_extractor("alexnet", PERCEPTUAL_LAYERS, weights))


def _lpips_weights() -> dict[str, Tensor]:
    import lpips  # here, because all that is needed of it is this file

    file = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
    return load_torch(file, "install the package lpips again")


@torch.no_grad()
def relative_distance(image: Tensor, photo: Tensor, style: Tensor, judge: nn.Module) -> float:
    """Return the distance of an image (1, 3, H, W) to the style over the untouched photo's; 0 is the same texture.

    The distance is the sum over the judge's layers of ‖G − G*‖² / ‖G*‖², G* being the style's Gram matrix.

    Args:
        judge: a network that did not paint; it returns a dict of features.
    """
    targets = {name: gram_matrix(features) for name, features in judge(style).items()}

    def distance(picture: Tensor) -> Tensor:
        return sum(style_loss(features, targets[name]) for name, features in judge(picture).items())

    return float(distance(image) / distance(photo))
