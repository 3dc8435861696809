"""Decoded pictures of any mode as 8-bit sRGB or grey levels: deep and float values, transparency, colour profiles."""

import io
from functools import cache

import numpy as np
from PIL import Image, ImageCms


def convert(image: Image.Image, mode: str) -> Image.Image:
    """Return a decoded picture of any mode as 8-bit "RGB" or "L"."""
    background = "white" if mode == "RGB" else "black"
    if _is_deep(image):
        return _as(Image.fromarray(_grey_levels(image, background)), mode)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        flat = Image.new("RGB", image.size, background)
        flat.paste(_colors(layer), mask=layer.getchannel("A"))
        return _as(flat, mode)
    if image.mode == mode == "L":
        return image  # a grey mask means its numbers, whatever its profile says of their brightness
    return _as(_colors(image), mode)


def _as(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _is_deep(image: Image.Image) -> bool:
    """Return whether the values are 16-bit, 32-bit or floats, which Pillow's `convert` would cut off at 255."""
    return image.mode.startswith("I") or image.mode == "F"


def _colors(image: Image.Image) -> Image.Image:
    """Return the picture as sRGB, by its own colour profile if it has one that can be used."""
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        profile = profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    try:
        return _to_srgb(image, profile) if profile else _as(image, "RGB")
    except Exception:  # PyCMSError and others: without its profile a picture is a little off, not lost
        return _as(image, "RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}[source.profile.xcolor_space.strip()]
    belongs = (mode == image.mode) or "CMYK" not in (mode, image.mode)  # else it is of another version of this picture
    if not belongs or "sRGB" in ImageCms.getProfileDescription(source):
        return _as(image, "RGB")
    return ImageCms.profileToProfile(_as(image, mode), source, _srgb(), outputMode="RGB")


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _grey_levels(image: Image.Image, background: str) -> np.ndarray:
    """Return the values of a 16-bit, 32-bit or float picture as (H, W) uint8, scaled from their range to 0..255.

    The range is what the file states, such as 16 or 12 bits; else the smallest of the common ones, [0, 1] (floats),
    [0, 255] and [0, 65535], that holds the values; else it goes from their lowest to their highest.
    """
    raw = np.asarray(image)
    finite = raw[np.isfinite(raw)] if image.mode == "F" else raw
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    with np.errstate(invalid="ignore"):  # a NaN of the kind that signals
        values = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=high, neginf=low)
    tops = [1.0] * (image.mode == "F") + [255.0, 65535.0]
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        bits = getattr(image, "tag_v2", {}).get(258, (16,))[0]  # BitsPerSample of a TIFF file
        tops = [2.0**bits - 1]
    top = next((top for top in tops if high < 1.5 * top), None)  # a little above 1: sharpened floats
    if top is None or low < -0.5 * top:
        values, top = values - low, high - low
    levels = np.clip(np.round(values * (255.0 / (top or 1.0))), 0, 255).astype(np.uint8)
    if isinstance(transparent := image.info.get("transparency"), int):
        levels[raw == transparent] = 255 if background == "white" else 0
    return levels


def convert_in_bands(image: Image.Image, mode: str, at_least: int | None) -> Image.Image:
    """Return a very large picture converted band by band and, as far as `at_least` allows, reduced.

    So one copy of it is in memory, not two or three.
    """
    factor = max(1, min(image.size) // (2 * at_least)) if at_least else 1
    if _is_deep(image):
        return convert(image, mode).reduce(factor)
    size = [-(-side // factor) for side in image.size]
    whole, step = Image.new(mode, size), 64 * factor
    for top in range(0, image.height, step):
        band = image.crop((0, top, image.width, min(top + step, image.height)))
        whole.paste(convert(band, mode).reduce(factor), (0, top // factor))
    return whole
