"""Pictures from and to files: one loader, one list of suffixes, one sentence for what cannot be read.

Convention: a picture is what its maker meant to be seen: upright (EXIF), sRGB, transparent parts on white, the first
frame of an animation, the whole range of a 16-bit or float file. Whatever is wrong with a file is an ImageError.
"""

import io
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from .files import UNREADABLE, atomic, printable
from .modes import convert, convert_in_bands

SHORT_SIDE = 256  # pixels of a cached picture's shorter side: what validation and test resize to
LONGEST = 16  # times the shorter side: of a longer panorama only the middle is cached
# Of the pictures in a folder; browsers save some as .jfif
SUFFIXES = frozenset([".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"])
# What is decoded, whatever the suffix. EPS is not among them: Pillow would start Ghostscript for it.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "AVIF", "JPEG2000", "TGA", "PSD")
MOST_LONG = 2.0
LARGE = 32_000_000  # pixels above which a picture is reduced before it is converted, for the sake of memory
ADVICE = "give a JPEG or PNG file"
KNOWN_STARTS = (  # of files that are often called .jpg and are none
    (b"version https://git-lfs", "it is a Git LFS pointer", "fetch the picture with `git lfs pull`"),
    (b"<", "it is a web page or an SVG drawing", ADVICE),
    (b"%PDF", "it is a PDF document", "save the picture as JPEG or PNG"),
    (b"%!PS", "it is a PostScript file", "save the picture as JPEG or PNG"),
)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # 64 MB: editors keep whole histories in a picture
# What is odd about a picture matters to its reader only if it cannot be read, and then it is an ImageError.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Upload:
    """A picture in memory that is read like a file: what somebody hands to a page is not written to disk."""

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def exists(self) -> bool:
        """Return True, as `Path` does for a file."""
        return True

    is_file = exists

    def is_dir(self) -> bool:
        """Return False, as `Path` does for a file."""
        return False

    def open(self, mode: str = "rb") -> io.BytesIO:
        """Return a stream of the bytes."""
        return io.BytesIO(self.data)


class ImageError(ValueError):
    """A picture that cannot be read: the sentence names the file, `reason` says why, and `advice` what helps."""

    def __init__(self, path: str | Path | Upload, reason: str, advice: str = ADVICE) -> None:
        super().__init__(str(path), reason, advice)  # all three, so that it can be pickled
        self.path, self.reason, self.advice = Path(str(path)), reason, advice

    def __str__(self) -> str:
        return f"{printable(self.args[0])} cannot be read as an image ({self.reason}); {self.advice}"


def limit_megapixels(limit: float) -> None:
    """Refuse pictures of more than this many megapixels, in this process and in those that it starts.

    Raises:
        ValueError: if the limit is no number above zero.
    """
    if not 0 < limit < math.inf:
        raise ValueError(f"--max-megapixels {limit:g} must be a number above 0, such as 300")
    os.environ["VG_MAX_MEGAPIXELS"] = str(limit)


def _max_pixels() -> float:
    text = os.environ.get("VG_MAX_MEGAPIXELS") or "300"
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text) * 1e6
    raise ValueError(f"VG_MAX_MEGAPIXELS is {printable(text)} and must be a number above 0, such as 300")


def open_image(path: str | Path | Upload, mode: str = "RGB", at_least: int | None = None) -> Image.Image:
    """Return a picture file as 8-bit "RGB", or as "L" (grey levels) for a mask.

    Transparent parts become white in a picture and black in a mask, where bright means chosen.

    Args:
        at_least: pixels of the shorter side that suffice; a JPEG is then decoded at a half, a quarter or an eighth of
            its size if that is still enough, and a very large picture of another format is reduced.

    Raises:
        ImageError: if the file is missing, damaged, too large or no picture.
    """
    with _opened(path) as opened:
        if at_least:
            opened.draft("RGB", (at_least, at_least))
        opened.load()
        is_large = opened.width * opened.height > LARGE
        image = convert_in_bands(opened, mode, at_least) if is_large else convert(opened, mode)
        turn = _orientation(opened)  # after loading, at which Pillow turns TIFF files by itself
        if turn in TURNS:
            return image.transpose(TURNS[turn])
        return image.copy() if image is opened else image


def image_size(path: str | Path | Upload) -> tuple[int, int]:
    """Return width and height as they stand in the file, without decoding it.

    Raises:
        ImageError: if the file is missing or no picture.
    """
    with _opened(path) as opened:
        return opened.size


@contextmanager
def _opened(path: str | Path | Upload) -> Iterator[Image.Image]:
    """Yield the file as Pillow opens it; whatever goes wrong meanwhile becomes an ImageError."""
    path, limit = path if isinstance(path, Upload) else Path(path), _max_pixels()
    try:
        if path.is_dir():
            raise ImageError(path, "it is a folder", "name one of the pictures in it")
        if path.exists() and not path.is_file():
            raise ImageError(path, "it is a device or a pipe")
        Image.MAX_IMAGE_PIXELS = int(limit)
        # Not by its path: Pillow would map an uncompressed TIFF into memory, and mix up its sides if it is turned.
        with path.open("rb") as stream, Image.open(stream, formats=_formats()) as opened:
            if opened.width * opened.height > limit:
                raise Image.DecompressionBombError
            yield opened
    except ImageError:
        raise
    # Pillow raises OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error and more, depending
    # on the format and on what is broken: no list of them would be complete.
    except Exception as error:
        raise _explained(path, error) from error


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]  # AVIF and others depend on how Pillow was built


def _explained(path: Path | Upload, error: Exception) -> ImageError:
    """Return the sentence for what Pillow could not do."""
    if isinstance(error, FileNotFoundError):
        return ImageError(path, "there is no such file", "check its name")
    if isinstance(error, PermissionError):
        return ImageError(path, "reading it is not allowed", "change its permissions")
    if isinstance(error, Image.DecompressionBombError):
        advice = "give a smaller copy, or a higher --max-megapixels or VG_MAX_MEGAPIXELS"
        return ImageError(path, f"it has more than {_max_pixels() / 1e6:g} megapixels", advice)
    if isinstance(error, MemoryError):
        return ImageError(path, "there is not enough memory for its size", "give a smaller copy")
    start = _first_bytes(path)
    if not start:
        return ImageError(path, "it is empty", "fetch or save it again")
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"hevc"):
        return ImageError(path, "it is a HEIC photo", "export it as JPEG")
    for bytes_, reason, advice in KNOWN_STARTS:
        if start.lstrip().startswith(bytes_):
            return ImageError(path, reason, advice)
    if isinstance(error, Image.UnidentifiedImageError):
        return ImageError(path, "its format is unknown, or its first bytes are damaged")
    reason = printable(str(error).strip().split("\n")[0])[:200] or type(error).__name__
    return ImageError(path, reason)


def _first_bytes(path: Path | Upload) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(64)
    except UNREADABLE:  # ValueError: a name that cannot be one
        return b"?"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or it cannot be read."""
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # as many kinds as EXIF can be broken in: the picture itself may be whole
        return 1
    return turn if isinstance(turn, int) else 1


def load_image(path: str | Path | Upload, size: int | None = None) -> Any:
    """Return an image file as a (1, 3, H, W) float tensor in [0, 1], upright (EXIF) and sRGB.

    Args:
        size: the longer side is scaled down to this many pixels; smaller images stay as they are.

    Raises:
        ImageError: if the file is missing or no image.
    """
    from torchvision.transforms.functional import to_tensor

    large = size is not None and math.prod(image_size(path)) > LARGE
    image = open_image(path, at_least=size if large else None)
    if size is not None:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return to_tensor(image).unsqueeze(0)


def longer_side(path: str | Path | Upload, shorter: int) -> int:
    """Return the longer side, in pixels, of a picture whose shorter side is scaled to `shorter`; `load_image` takes it.

    A classifier sees the shorter side of a picture at a fixed size, so that pictures of all shapes are equally sharp.
    Of a picture more than MOST_LONG times as long as wide, the shorter side gets fewer pixels.
    """
    low, high = sorted(image_size(path))
    return math.ceil(shorter * min(high / low, MOST_LONG))


def load_mask(path: str | Path | Upload, size: tuple[int, int]) -> Any:
    """Return a mask file as a (1, 1, H, W) float tensor in [0, 1] of the given height and width, upright.

    Raises:
        ImageError: if the file is missing or no image.
    """
    import torch.nn.functional as F
    from torchvision.transforms.functional import to_tensor

    mask = to_tensor(open_image(path, "L")).unsqueeze(0)
    return F.interpolate(mask, size, mode="bilinear", antialias=True).clamp(0, 1)


def save_image(path: str | Path, image: Any, metadata: dict[str, str] | None = None) -> None:
    """Write a (3, H, W) or (1, 3, H, W) tensor in [0, 1] as an 8-bit PNG, with `metadata` as text chunks."""
    data = png_bytes(image, metadata)
    with atomic(path) as part:
        part.write_bytes(data)


def png_bytes(image: Any, metadata: dict[str, str] | None = None) -> bytes:
    """Return what `save_image` writes."""
    from torchvision.transforms.functional import to_pil_image

    picture = to_pil_image(image.detach().float().cpu().reshape(image.shape[-3:]).clamp(0, 1).mul(255).round().byte())
    info = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        info.add_itxt(key, printable(value))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", pnginfo=info)
    return stream.getvalue()


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the text chunks of a PNG file; none if it is missing or unreadable."""
    try:
        with _opened(path) as picture:
            picture.load()
            return dict(getattr(picture, "text", {}))
    except ImageError:
        return {}


def list_images(folder: str | Path) -> list[Path]:
    """Return the picture files of a folder (see SUFFIXES), sorted by name.

    Raises:
        ValueError: if there are none.
    """
    paths = (p for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    files = sorted(path for path in paths if path.is_file())
    if not files:
        raise ValueError(f"{folder} holds no pictures (JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF); give a folder that does")
    return files


def read_pixels(path: str | Path, short_side: int = SHORT_SIDE) -> np.ndarray:
    """Return a picture file as (H, W, 3) uint8, upright and sRGB, its shorter side scaled to `short_side` pixels.

    Of a picture more than LONGEST times as long as wide only the middle is taken.

    Raises:
        ImageError: if the file is missing or no image.
    """
    image = open_image(path, at_least=2 * short_side)
    width, height = (min(side, LONGEST * min(image.size)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    if (width, height) != image.size:
        image = image.crop((left, top, left + width, top + height))
    scale = short_side / min(image.size)
    size = tuple(max(short_side, round(side * scale)) for side in image.size)
    return np.array(image.resize(size, Image.Resampling.BICUBIC) if size != image.size else image)
