"""What a style transfer is made of: photos, paintings, how much of each painting, and where.

Convention: images are (N, 3, H, W) float tensors in [0, 1], RGB; masks are (N or 1, 1, H, W) in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from .pixels import add_frame, match_colors, resize, scaled_size


@dataclass(frozen=True)
class Inputs:
    """Photos, styles, how much of each style, where it applies (`masks`), and which part of it counts (`regions`)."""

    content: Tensor
    styles: Sequence[Tensor]
    blend: Sequence[float] = (1.0,)
    masks: Sequence[Tensor] | None = None
    regions: Sequence[Tensor] | None = None

    def scaled(self, fraction: float) -> "Inputs":
        """Return the inputs at a fraction of their size."""
        content = resize(self.content, scaled_size(self.content, fraction))
        masks = self.masks and [F.interpolate(mask, content.shape[2:], mode="area") for mask in self.masks]
        return replace(self.with_styles_scaled(fraction), content=content, masks=masks)

    def with_styles_scaled(self, factor: float) -> "Inputs":
        """Return the inputs with the styles alone, and the regions on them, at a multiple of their size."""
        styles = [resize(style, scaled_size(style, factor)) for style in self.styles]
        regions = self.regions and [
            F.interpolate(region, style.shape[2:], mode="area")
            for region, style in zip(self.regions, styles, strict=True)
        ]
        return replace(self, styles=styles, regions=regions)

    def framed(self, width: int) -> "Inputs":
        """Return the inputs with a frame around the photo and the masks."""
        masks = self.masks and [add_frame(mask, width) for mask in self.masks]
        return replace(self, content=add_frame(self.content, width), masks=masks)

    def with_colors_of_photo(self) -> "Inputs":
        """Return the inputs with each style in the colours of each photo."""
        count = len(self.content)
        pairs = zip(self.styles, self.regions_or_none(), strict=True)
        styles = [match_colors(style.expand(count, -1, -1, -1), self.content, region) for style, region in pairs]
        return replace(self, styles=styles)

    def regions_or_none(self) -> list[Tensor | None]:
        """Return the region of each style, None where all of it counts."""
        return [None] * len(self.styles) if self.regions is None else list(self.regions)

    def reach(self) -> Tensor | None:
        """Return how far any style applies at each pixel, (N or 1, 1, H, W) in [0, 1]; None is everywhere."""
        return None if self.masks is None else sum(self.masks).clamp(max=1)

    def shares(self) -> list[float]:
        """Return the blend, scaled to sum to 1."""
        return [share / sum(self.blend) for share in self.blend]

    def images(self) -> list[Tensor]:
        """Return all pictures and masks, in a fixed order."""
        return [self.content, *self.styles, *(self.masks or []), *(self.regions or [])]
