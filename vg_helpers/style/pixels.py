"""Image space around the style transfer: sizes, frames and colours.

Convention: images are (N, 3, H, W) float tensors in [0, 1], RGB; masks are (N, 1, H, W) in [0, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import rgb_to_grayscale


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the image at (H, W), antialiased and within [0, 1]."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def scaled_size(image: Tensor, fraction: float) -> tuple[int, int]:
    """Return (H, W) times `fraction`, at least one pixel."""
    height, width = image.shape[-2:]
    return max(1, round(height * fraction)), max(1, round(width * fraction))


def add_frame(image: Tensor, width: int) -> Tensor:
    """Return the image with `width` mirrored pixels added on each side: padding leaves its traces there."""
    top, left = (min(width, side - 1) for side in image.shape[-2:])
    return F.pad(image, (left, left, top, top), mode="reflect")


def cut_frame(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the middle (H, W) of the image."""
    top, left = ((side - wanted) // 2 for side, wanted in zip(image.shape[-2:], size, strict=True))
    return image[..., top : top + size[0], left : left + size[1]]


def keep_luminance_only(image: Tensor, content_image: Tensor) -> Tensor:
    """Return the image's brightness with the content image's colours (Gatys et al. 2016, arXiv:1606.05897)."""
    return (content_image + rgb_to_grayscale(image - content_image)).clamp(0, 1)


def match_colors(
    image: Tensor, reference: Tensor, image_region: Tensor | None = None, reference_region: Tensor | None = None
) -> Tensor:
    """Return the image with the mean and covariance of the reference's colours, clamped to [0, 1].

    The linear map is the symmetric one, Σ_ref^½ Σ_image^-½ (Gatys et al. 2016, arXiv:1606.05897, equations 4 and 5).

    Args:
        image_region, reference_region: masks of the pixels that count; None is all of them.
    """
    pixels, mean, covariance = _color_statistics(image, image_region)
    _, wanted_mean, wanted = _color_statistics(reference, reference_region)
    transform = _matrix_power(wanted, 0.5) @ _matrix_power(covariance, -0.5)
    matched = transform @ (pixels - mean) + wanted_mean
    return matched.to(image.dtype).reshape(image.shape).clamp(0, 1)


def _color_statistics(image: Tensor, region: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    pixels = image.double().flatten(2)
    noise_floor = 1e-5 * torch.eye(3, dtype=pixels.dtype, device=pixels.device)
    if region is None:
        mean = pixels.mean(2, keepdim=True)
        centred = pixels - mean
        return pixels, mean, centred @ centred.transpose(1, 2) / pixels.shape[2] + noise_floor
    shares = region.double().flatten(2) / region.double().sum((2, 3)).clamp_min(1e-6)[..., None]
    mean = (shares * pixels).sum(2, keepdim=True)
    return pixels, mean, (shares * (pixels - mean)) @ (pixels - mean).transpose(1, 2) + noise_floor


def _matrix_power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag_embed(values.clamp_min(1e-12) ** exponent) @ vectors.transpose(1, 2)
