"""How much of the photo is left in a repainted picture, and how near the picture comes to the style.

Convention: images are (N, 3, H, W) float tensors in [0, 1], RGB.
"""

import torch
from skimage.metrics import structural_similarity as similarity_of_arrays
from torch import Tensor, nn
from torchvision.transforms.v2.functional import rgb_to_grayscale

from .losses import gram_matrix, style_loss


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
