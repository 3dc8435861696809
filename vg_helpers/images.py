"""Pictures from and to files: one loader, one list of suffixes, one sentence for what cannot be read."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from .files import atomic

SHORT_SIDE = 256  # pixels of a cached picture's shorter side: what validation and test resize to
SUFFIXES = {".jpg", ".jpeg", ".png"}
UNREADABLE = (OSError, SyntaxError, Image.DecompressionBombError)  # SyntaxError: Pillow on a broken PNG


def load_image(path: str | Path, size: int | None = None) -> Any:
    """Return an image file as a (1, 3, H, W) float tensor in [0, 1], upright (EXIF) and RGB.

    Args:
        size: the longer side is scaled down to this many pixels; smaller images stay as they are.

    Raises:
        ValueError: if the file is missing or not an image.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import to_tensor

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError: Pillow on a broken PNG
        raise ValueError(f"{path} cannot be read as an image ({error}); give a JPEG or PNG file") from error
    if size is not None:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return to_tensor(image).unsqueeze(0)


def save_image(path: str | Path, image: Any, metadata: dict[str, str] | None = None) -> None:
    """Write a (3, H, W) or (1, 3, H, W) tensor in [0, 1] as an 8-bit PNG, with `metadata` as text chunks."""
    from PIL.PngImagePlugin import PngInfo
    from torchvision.transforms.functional import to_pil_image

    picture = to_pil_image(image.detach().float().cpu().reshape(image.shape[-3:]).clamp(0, 1).mul(255).round().byte())
    info = PngInfo()
    for key, value in (metadata or {}).items():
        info.add_itxt(key, value)
    with atomic(path) as part:
        picture.save(part, format="PNG", pnginfo=info)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the text chunks of a PNG file; none if it is missing or unreadable."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return dict(getattr(picture, "text", {}))
    except (OSError, SyntaxError):
        return {}


def list_images(folder: Path) -> list[Path]:
    """Return the JPEG and PNG files of a folder, sorted by name.

    Raises:
        ValueError: if there are none.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder} holds no JPEG or PNG files; give a folder with pictures")
    return paths


def read_pixels(path: Path) -> np.ndarray:
    """Return a picture file as (H, W, 3) uint8, upright and RGB, its shorter side scaled to SHORT_SIDE.

    Raises one of UNREADABLE.
    """
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * SHORT_SIDE, 2 * SHORT_SIDE))
        image = ImageOps.exif_transpose(opened).convert("RGB")
    scale = SHORT_SIDE / min(image.size)
    size = tuple(max(SHORT_SIDE, round(side * scale)) for side in image.size)
    return np.array(image.resize(size, Image.Resampling.BICUBIC) if size != image.size else image)
