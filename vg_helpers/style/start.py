"""Where the style transfer starts: the photo, the photo in the painting's colours, or made of its patches.

Every patch of the photo is replaced by the most similar patch of the painting, from coarse to fine. Patches that were
no photo patch's nearest one are made cheaper, so that the whole painting is used (Granot et al. 2022, "Drop the GAN",
for the order of levels and the measure; Elad and Milanfar 2017 repaint photos this way). Convention: images are
(N, 3, H, W) float tensors in [0, 1], RGB.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .pixels import add_frame, match_colors, resize, scaled_size

PATCH, STRIDE = 11, 5  # pixels; neighbours overlap by half, more would average the brushstrokes away
LEVELS = tuple(2 ** (-half / 2) for half in (4, 3, 2, 1, 0))  # fractions of the size
ROUNDS = 4  # per level
CONTENT = 2.0  # pull towards the photo before each round; with less of it faces are lost
COMPLETE = 3e-5  # mean squared difference; the smaller it is, the more of the painting is used
LARGEST = 512  # pixels of the longer side; a larger photo is rebuilt at this size and enlarged
MOST_KEYS = 8192  # patches of the painting that are compared, drawn at random from more
CHUNK = 2**26  # distances held at a time, 256 MB


@torch.no_grad()
def start_image(
    kind: str,
    content_image: Tensor,
    styles: list[Tensor],
    blend: list[float],
    seed: int = 0,
    amount: float | Tensor = 1.0,
    regions: list[Tensor | None] | None = None,
) -> Tensor:
    """Return the image that the optimisation starts from.

    No image of a batch depends on its neighbours.

    Args:
        kind: "content" is the photo; "style" the photo in the styles' colours; "patches" is made of the styles'
            patches.
        styles: (N or 1, 3, h, w) each; `blend` says how much of each.
        amount: mixes the photo (0) and its repainted version (1), or a map (N or 1, 1, H, W) of it.
        regions: masks (N or 1, 1, h, w) of the parts of the styles that count; None is all of a style.
    """
    if kind == "content":
        return content_image.clone()
    shares = [share / sum(blend) for share in blend]
    regions = [None] * len(styles) if regions is None else regions
    parts = zip(styles, regions, shares, strict=True)
    start = sum(match_colors(content_image, style, None, region) * share for style, region, share in parts)
    if kind == "patches":
        rebuilt = [
            _rebuild(photo[None], _of_pair(pair, styles), shares, seed, _of_pair(pair, regions))
            for pair, photo in enumerate(start)
        ]
        start = torch.cat(rebuilt)
    return content_image + (start - content_image) * amount


def _of_pair(pair: int, batches: list[Tensor | None]) -> list[Tensor | None]:
    """Return what each batch has for one image; a batch of one serves all."""
    return [None if batch is None else batch[pair % len(batch)][None] for batch in batches]


def _rebuild(
    photo: Tensor, styles: list[Tensor], shares: list[float], seed: int, regions: list[Tensor | None]
) -> Tensor:
    """Return an image (1, 3, H, W) made of patches of the styles; levels smaller than two patches are left out."""
    generator, image = torch.Generator().manual_seed(seed), None
    for level in LEVELS:
        sizes = [
            scaled_size(picture, level * min(1.0, LARGEST / max(picture.shape[2:]))) for picture in (photo, *styles)
        ]
        if min(min(size) for size in sizes) < 2 * PATCH:
            continue
        pull = resize(photo, sizes[0])
        image = pull if image is None else resize(image, sizes[0])
        keys = [
            _draw(_keys(style, size, region), round(MOST_KEYS * share), generator)
            for style, region, size, share in zip(styles, regions, sizes[1:], shares, strict=True)
        ]
        for _ in range(ROUNDS):
            image = _replace((image + CONTENT * pull) / (1 + CONTENT), torch.cat(keys))
    return photo if image is None else resize(image, photo.shape[2:]).clamp(0, 1)


def _patches(image: Tensor, stride: int) -> Tensor:
    """Return the patches (P, 3·PATCH²) of an image (1, 3, H, W)."""
    return F.unfold(image, PATCH, stride=stride)[0].t().contiguous()


def _keys(style: Tensor, size: tuple[int, int], region: Tensor | None) -> Tensor:
    """Return the patches of a style at this size; those that lie mostly in its region, if it has one."""
    patches = _patches(resize(style, size), 1)
    if region is None:
        return patches
    inside = _patches(F.interpolate(region, size, mode="area"), 1).mean(1)
    return patches[inside >= 0.5 * inside.max()]


def _draw(patches: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return patches[torch.randperm(len(patches), generator=generator)[:count].to(patches.device)]


def _replace(image: Tensor, keys: Tensor) -> Tensor:
    """Return the image (1, 3, H, W) with a key for every patch; where keys overlap, their middles count most."""
    framed = add_frame(image, PATCH - 1)
    missing = [-(side - PATCH) % STRIDE for side in framed.shape[2:]]
    framed = F.pad(framed, (0, missing[1], 0, missing[0]), mode="replicate")
    chosen = keys[_nearest(_patches(framed, STRIDE), keys)]
    place = torch.arange(PATCH, dtype=image.dtype, device=image.device) - (PATCH - 1) / 2
    bell = torch.exp(-place.square() / (2 * (PATCH / 3) ** 2))
    weight = (bell[:, None] * bell).flatten().repeat(3)
    shape = {"output_size": framed.shape[2:], "kernel_size": PATCH, "stride": STRIDE}
    weights = weight[:, None].expand(-1, len(chosen))[None]
    mean = F.fold((chosen * weight).t()[None], **shape) / F.fold(weights, **shape)
    height, width = image.shape[2:]
    return mean[..., PATCH - 1 : PATCH - 1 + height, PATCH - 1 : PATCH - 1 + width]


def _nearest(queries: Tensor, keys: Tensor) -> Tensor:
    """Return for each query (Q, D) the index of the nearest key (K, D), relative to each key's own nearest query."""
    norms, rows = keys.square().sum(1), max(1, CHUNK // len(keys))

    def distances(part: Tensor) -> Tensor:
        cross = torch.addmm(norms, part, keys.t(), alpha=-2).add_(part.square().sum(1, keepdim=True))
        return cross.clamp_min_(0).div_(keys.shape[1])

    parts = queries.split(rows)
    held = [distances(part) for part in parts] if len(parts) == 1 else None  # else they are computed twice
    nearest = torch.stack([each.amin(0) for each in held or map(distances, parts)]).amin(0)
    return torch.cat([each.div_(COMPLETE + nearest).argmin(1) for each in held or map(distances, parts)])
