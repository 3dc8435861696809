"""Paintings as files: PNG, JPEG or TIFF, of 8 or 16 bits, with the settings they were made with and the size in print.

Convention: the settings are a dict of text, of which "Software" says what made the file. PNG has them in text chunks,
JPEG and WebP in EXIF (UserComment), TIFF in its description, the last three as JSON. An existing file is replaced as a
whole.
"""

import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from ..files import MALFORMED, atomic, printable
from ..images import read_metadata, save_image

SOFTWARE = "vg_helpers.paint"
JPEG, TIFF = (".jpg", ".jpeg"), (".tif", ".tiff")
SUFFIXES = (".png", *JPEG, *TIFF)
QUALITY = 95  # of a JPEG, without thinned-out colours
UNICODE = b"UNICODE\0"  # how a UserComment says what follows
INCH = 0.0254  # metres; PNG counts pixels by the metre


@dataclass(frozen=True)
class Format:
    """How a painting is written: `dpi` is None where the file shall not say, `bits` None for what suits the suffix."""

    dpi: float | None = None
    bits: int | None = None

    def check(self, path: Path) -> None:
        """Raise a ValueError that says which option does not fit a file of this name."""
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(
                f"--out {printable(str(path))} must end in .png, .jpg or .tif, the formats that also keep the settings"
            )
        if self.dpi is not None and not 1 <= self.dpi <= 10_000:
            raise ValueError(f"--dpi {self.dpi:g} must be from 1 to 10000 pixels an inch, such as 300")
        if self.bits == 16 and suffix in JPEG:
            raise ValueError("--bits 16 needs a .png or .tif file: a JPEG has 8 bits")

    def deep(self, path: Path) -> bool:
        """Return whether a file of this name gets 16 bits."""
        return (self.bits or (16 if path.suffix.lower() in TIFF else 8)) == 16


def save_picture(path: Path, image: Tensor, metadata: dict[str, str], layout: Format | None = None) -> None:
    """Write a (1, 3, H, W) tensor in [0, 1] in the format that the suffix names, with its settings."""
    layout, suffix = layout or Format(), path.suffix.lower()
    if suffix == ".png" and not layout.deep(path) and layout.dpi is None:
        save_image(path, image, metadata)
        return
    top, kind = (65535, np.uint16) if layout.deep(path) else (255, np.uint8)
    pixels = image.detach().to("cpu", torch.float64, copy=True).reshape(image.shape[-3:])
    pixels.clamp_(0, 1).mul_(top).round_()  # in place: a print has many pixels
    array = pixels.permute(1, 2, 0).numpy().astype(kind)
    if suffix in JPEG:
        save_pil_jpeg(path, Image.fromarray(array), metadata, layout.dpi)
        return
    with atomic(path) as part:
        if suffix in TIFF:
            _write_tiff(part, array, metadata, layout.dpi)
        else:
            with part.open("wb") as stream:
                _write_png(stream, array, metadata, layout.dpi)


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings that `save_picture` wrote into a file; none if it is missing, damaged or of another maker."""
    if path.suffix.lower() == ".png":
        return read_metadata(path)
    try:
        with Image.open(path, formats=("JPEG", "TIFF", "WEBP")) as picture:
            picture.load()
            exif = picture.getexif()
            if picture.format != "TIFF":
                comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
                text = comment.removeprefix(UNICODE).decode("utf-16-le")
            else:
                text = str(exif[ExifTags.Base.ImageDescription])
        settings = json.loads(text)
    except (OSError, *MALFORMED):
        return {}
    return settings if isinstance(settings, dict) and settings.get("Software") else {}


def save_pil_jpeg(
    path: Path, picture: Image.Image, metadata: dict[str, str], dpi: float | None = None, quality: int = QUALITY
) -> None:
    """Write a picture as JPEG with its settings."""
    exif = exif_of(metadata)
    options = {} if dpi is None else {"dpi": (dpi, dpi)}
    with atomic(path) as part:
        picture.save(part, "JPEG", quality=quality, subsampling=0, exif=exif, **options)


def exif_of(metadata: dict[str, str]) -> Image.Exif:
    """Return EXIF that holds the settings."""
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = metadata.get("Software", SOFTWARE)
    comment = UNICODE + _as_json(metadata).encode("utf-16-le")
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif


def _write_tiff(path: Path, array: np.ndarray, metadata: dict[str, str], dpi: float | None) -> None:
    import tifffile  # Pillow writes no colours of 16 bits

    options = {} if dpi is None else {"resolution": (dpi, dpi), "resolutionunit": "INCH"}
    software = metadata.get("Software", SOFTWARE)
    description = _as_json(metadata)
    options |= {"photometric": "rgb", "compression": "zlib", "description": description, "software": software}
    tifffile.imwrite(path, array, metadata=None, **options)


def _write_png(stream: BinaryIO, array: np.ndarray, metadata: dict[str, str], dpi: float | None) -> None:
    """Write what Pillow cannot: colours of 16 bits; each row holds the difference to the one above (filter 2)."""
    height, width = array.shape[:2]
    rows = array.astype(array.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    above = np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), rows - above], axis=1)
    stream.write(b"\x89PNG\r\n\x1a\n")
    _write_chunk(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * array.itemsize, 2, 0, 0, 0))
    if dpi is not None:
        per_metre = round(dpi / INCH)
        _write_chunk(stream, b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1))
    for key, value in metadata.items():
        _write_chunk(stream, b"iTXt", key.encode() + b"\0\0\0\0\0" + printable(value).encode())
    _write_chunk(stream, b"IDAT", zlib.compress(filtered.tobytes()))
    _write_chunk(stream, b"IEND", b"")


def _write_chunk(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    for part in (struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))):
        stream.write(part)


def _as_json(metadata: dict[str, str]) -> str:
    return json.dumps({key: printable(value) for key, value in metadata.items()})


def same_file(path: Path, others: Iterable[Path]) -> bool:
    """Return whether the path leads to one of the other files, by whatever name or link."""
    return path.exists() and any(other.exists() and path.samefile(other) for other in others)
