"""What can be wrong with a style transfer before it starts: images, masks, weights, sizes, memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .pixels import add_frame, resize, scaled_size

Features = Callable[[Tensor], dict[str, Tensor]]
_per_pixel: WeakKeyDictionary[Features, float] = WeakKeyDictionary()  # bytes
PROBE = 128  # pixels of the small image whose memory is measured
LARGEST_PROBE = 256  # pixels; a network that fails at this size does not fail because of it


class TooSmall(ValueError):
    """An image is too small for the deepest layer: `role` says which one, `needed` pixels on each side are enough."""

    def __init__(self, role: str, image: Tensor, needed: int) -> None:
        super().__init__(
            f"the {role} image has {pixels(image)} pixels and the deepest layer needs at least {needed} on the shorter "
            "side; use a larger one"
        )
        self.role, self.needed = role, needed

    def named(self, photo: object, painting: object) -> ValueError:
        """Return the error with the name of the picture that is too small in front."""
        return ValueError(f"{photo if self.role == 'content' else painting}: {self}")


def check_inputs(
    content_image: Tensor,
    styles: Sequence[Tensor],
    blend: Sequence[float],
    masks: Sequence[Tensor] | None,
    regions: Sequence[Tensor] | None = None,
) -> None:
    """Raise a ValueError that says which image, mask or weight does not fit, and what would."""
    for role, image in [("content", content_image), *(("style", style) for style in styles)]:
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"the {role} image has shape {tuple(image.shape)}; give (N, 3, H, W), RGB")
        if not image.isfinite().all():
            raise ValueError(f"the {role} image has NaN or infinite pixels; load it again")
        if image.min() < -1e-3 or image.max() > 1 + 1e-3:
            raise ValueError(f"the {role} image goes from {image.min():.3g} to {image.max():.3g}; scale it to [0, 1]")
        if role == "style" and len(image) not in (1, len(content_image)):
            raise ValueError(
                f"{len(image)} style images for {len(content_image)} content images; give one each, or one"
            )
    if len(blend) != len(styles) or not styles or min(blend) < 0 or sum(blend) <= 0:
        raise ValueError(f"blend={list(blend)} must have one weight, 0 or more, for each of the {len(styles)} styles")
    _check_regions(styles, regions)
    if masks is None:
        return
    if len(masks) != len(styles):
        raise ValueError(f"{len(masks)} masks for {len(styles)} styles; give one mask per style")
    height, width = content_image.shape[2:]
    for mask in masks:
        if mask.shape[1:] != (1, height, width) or len(mask) not in (1, len(content_image)):
            raise ValueError(f"a mask has shape {tuple(mask.shape)}; give (N or 1, 1, {height}, {width})")
        if not ((mask >= 0) & (mask <= 1)).all():
            raise ValueError("a mask has values outside [0, 1]; scale it")


def _check_regions(styles: Sequence[Tensor], regions: Sequence[Tensor] | None) -> None:
    """Raise a ValueError that says which mask on a style does not fit, and what would."""
    if regions is None:
        return
    if len(regions) != len(styles):
        raise ValueError(f"{len(regions)} style masks for {len(styles)} styles; give one mask per style")
    for region, style in zip(regions, styles, strict=True):
        height, width = style.shape[2:]
        if region.shape[1:] != (1, height, width) or len(region) not in (1, len(style)):
            raise ValueError(f"a style mask has shape {tuple(region.shape)}; give (N or 1, 1, {height}, {width})")
        if not ((region >= 0) & (region <= 1)).all():
            raise ValueError("a style mask has values outside [0, 1]; scale it")
        if not region.amax((1, 2, 3)).all():
            raise ValueError("a style mask is dark everywhere, so that nothing is left to learn from; brighten a part")


@contextmanager
def size_errors(
    content_image: Tensor, styles: Sequence[Tensor], features: Features, fraction: float = 1.0, frame: int = 0
) -> Iterator[None]:
    """Turn the network's errors about the size of its input into a TooSmall error.

    Args:
        content_image, styles: at full size.
        fraction: of each side, which the network gets; the content image with `frame` pixels added on each side.
    """
    try:
        yield
    except RuntimeError as error:
        for role, image, width in [("content", content_image, frame), *(("style", style, 0) for style in styles)]:
            needed = _smallest_side(features, image, fraction, width)
            if min(image.shape[2:]) < needed:
                raise TooSmall(role, image, needed) from error
        raise


@torch.no_grad()
def _smallest_side(features: Features, image: Tensor, fraction: float, frame: int) -> int:
    """Return how many pixels a square image needs so that the network takes it, at most LARGEST_PROBE."""

    def fits(side: int) -> bool:
        probe = image.new_full((1, 3, side, side), 0.5)
        try:
            features(add_frame(resize(probe, scaled_size(probe, fraction)), frame))
        except RuntimeError:
            return False
        return True

    return next((side for side in range(1, LARGEST_PROBE) if fits(side)), LARGEST_PROBE)


def check_memory(features: Features, image: Tensor, free: int | None = None) -> None:
    """Raise a ValueError that says which size would fit, if the activations of the image would not.

    Args:
        free: bytes; None asks the device.
    """
    needed = needed_memory(features, image)
    free = free_memory(image.device) if free is None else free
    if needed > free:
        fits = int(max(image.shape[2:]) * (0.9 * free / needed) ** 0.5)
        raise ValueError(
            f"{len(image)} image(s) of {pixels(image)} pixels take about {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; at most {fits} pixels on the longer side would fit"
        )


@contextmanager
def memory_errors(image: Tensor) -> Iterator[None]:
    """Turn the device's "out of memory" into a ValueError that says what to do.

    `check_memory` knows what an image of this size usually takes; other programs may have taken the rest meanwhile.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator raises a plain one
        if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            raise ValueError(
                f"{image.device.type} ran out of memory at {len(image)} image(s) of {pixels(image)} pixels: try "
                f"{int(0.7 * max(image.shape[2:]))} pixels on the longer side, which take half as much, or low_memory"
            ) from error
        raise


def needed_memory(features: Features, image: Tensor) -> float:
    """Return the bytes that a step on the image takes, from what each pixel of a small one takes."""
    if features not in _per_pixel:  # measured once for each network
        with torch.enable_grad():
            _per_pixel[features] = _saved_bytes(features, image.new_full((1, 3, PROBE, PROBE), 0.5)) / PROBE**2
    return (
        1.6 * _per_pixel[features] * len(image) * image.shape[2] * image.shape[3]
    )  # activations, their gradients, workspace


def _saved_bytes(features: Features, probe: Tensor) -> int:
    """Return the bytes of activations that the backward pass of one small image keeps."""
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        detached = tensor.detach()  # with its graph, which holds what is packed, it would never be freed
        if not isinstance(tensor, nn.Parameter):
            saved[tensor.untyped_storage().data_ptr()] = detached
        return detached

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = features(probe.requires_grad_())
    saved |= {tensor.untyped_storage().data_ptr(): tensor.detach() for tensor in outputs.values()}
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def free_memory(device: torch.device) -> int:
    """Return the free bytes of the device's memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available


def pixels(image: Tensor) -> str:
    """Return width×height, as people write it."""
    return f"{image.shape[-1]}×{image.shape[-2]}"
