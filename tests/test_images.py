"""images: pictures come out of files as they are meant to be seen, whatever the files are like."""

import io
import os
import pickle
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from vg_helpers import images
from vg_helpers.images import (
    ImageError,
    image_size,
    limit_megapixels,
    list_images,
    load_image,
    load_mask,
    open_image,
    read_metadata,
    read_pixels,
    save_image,
)

FORMATS = ("jpg", "png", "tif", "webp")
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")  # pytest shows what `vg_helpers.images` keeps from the user


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def quarters(width=48, height=32):
    """A picture of four coloured quarters, which also survives JPEG and shows every turn."""
    picture = Image.new("RGB", (width, height), "red")
    for color, place in (("lime", (1, 0)), ("blue", (0, 1)), ("yellow", (1, 1))):
        left, top = place[0] * width // 2, place[1] * height // 2
        picture.paste(color, (left, top, left + width // 2, top + height // 2))
    return picture


def levels(image, fraction=1.0):
    """The levels of a picture as numbers, to be compared."""
    return np.asarray(image).astype(float) * fraction


# ---------------------------------------------------------------- turned and broken EXIF


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_and_masks_are_upright(tmp_path, suffix, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = quarters()
    stored.save(tmp_path / f"a.{suffix}", exif=exif, **({"quality": 100} if suffix in ("jpg", "webp") else {}))
    expected = stored.transpose(images.TURNS[turn]) if turn > 1 else stored
    upright = open_image(tmp_path / f"a.{suffix}")
    assert upright.size == expected.size and np.abs(levels(upright) - levels(expected)).mean() < 12
    mask = open_image(tmp_path / f"a.{suffix}", "L")
    assert mask.mode == "L" and np.abs(levels(mask) - levels(expected.convert("L"))).mean() < 12


def test_an_upright_picture_keeps_every_level(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right-hand side
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    expected = torch.from_numpy(np.rot90(pixels, -1).copy()).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(load_image(tmp_path / "a.png"), expected, rtol=0, atol=0)


def entry(tag, kind, count, value):
    return struct.pack("<HHII", tag, kind, count, value)


def exif_of(*entries, rest=b""):
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0" + rest


TURNED = entry(0x0112, 3, 1, 6)
BROKEN_EXIF = {  # the orientation is there and whole in those that are called turned
    "turned, a rational out of range": exif_of(TURNED, entry(0x011A, 10, 1, 38), rest=struct.pack("<ii", -1, 0)),
    "turned, text for a number": exif_of(TURNED, entry(0x011A, 2, 4, 0x20636261)),
    "turned, a value beyond the end": exif_of(TURNED, entry(0x010F, 2, 900, 5000)),
    "turned, a kind that does not exist": exif_of(TURNED, entry(0x011A, 77, 1, 0)),
    "turned, a folder that points to itself": exif_of(TURNED, entry(0x8769, 4, 1, 8)),
    "twice the header": b"Exif\0\0" + exif_of(TURNED),
    "orientation 0": exif_of(entry(0x0112, 3, 1, 0)),
    "orientation 77": exif_of(entry(0x0112, 3, 1, 77)),
    "orientation as text": exif_of(entry(0x0112, 2, 2, 0x36)),
    "two orientations": exif_of(entry(0x0112, 3, 2, 0x00060006)),
    "cut": exif_of(TURNED)[:20],
    "no numbers": b"Exif\0\0" + b"\xff" * 40,
    "empty": b"Exif\0\0",
    "half a header": b"Exif\0\0II",
}


TURNED_EXIF = [exif for name, exif in BROKEN_EXIF.items() if name.startswith("turned")]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("exif", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_broken_exif_costs_the_orientation_at_most(tmp_path, suffix, exif):
    path = tmp_path / f"a.{suffix}"
    quarters().save(path, exif=exif)
    picture = open_image(path)
    assert picture.size in ((48, 32), (32, 48)) and read_pixels(path).shape[2] == 3
    if exif in TURNED_EXIF:
        assert picture.size == (32, 48)


def tiff(data, *extra, bits=8, width=48, height=32):
    """A grey TIFF file with further tags."""
    size = [entry(256, 3, 1, width), entry(257, 3, 1, height), entry(258, 3, 1, bits), entry(259, 3, 1, 1)]
    place = [entry(262, 3, 1, 1), entry(273, 3, 1, 200), entry(278, 3, 1, height), entry(279, 4, 1, len(data))]
    tags = sorted([*size, *place, *extra], key=lambda tag: tag[:2][::-1])
    return exif_of(*tags)[6:].ljust(200, b"\0") + data


BROKEN_TAGS = {
    "a rational out of range": entry(0x011A, 10, 1, 190),
    "text for a number": entry(0x011A, 2, 4, 0x20636261),
    "a value larger than the file": entry(0x010F, 2, 60000, 50000),
    "a kind that does not exist": entry(0x011A, 77, 1, 0),
    "a folder that points to itself": entry(0x8769, 4, 1, 8),
    "a folder beyond the end": entry(0x8769, 4, 1, 90000),
}


@pytest.mark.parametrize("tag", BROKEN_TAGS.values(), ids=BROKEN_TAGS)
def test_broken_tags_of_a_tiff_file_too(tmp_path, tag):
    grey = quarters().convert("L")
    (tmp_path / "a.tif").write_bytes(tiff(grey.tobytes(), TURNED, tag))
    turned = grey.transpose(images.TURNS[6]).convert("RGB")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.tif")), np.asarray(turned))


# ---------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *[("L", s) for s in ("png", "tif", "jpg", "webp", "bmp", "gif")],
        *[("P", s) for s in ("png", "tif", "bmp", "gif")],
        *[("1", s) for s in ("png", "tif", "bmp")],
        *[("RGBA", s) for s in ("png", "tif", "webp")],
        *[("CMYK", s) for s in ("jpg", "tif")],
        *[("YCbCr", s) for s in ("jpg", "tif")],
        ("LA", "png"),
        ("LAB", "tif"),
        ("RGBX", "tif"),
    ],
)
def test_pictures_of_every_mode_are_rgb_of_the_right_colors(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    stored = quarters().convert(mode) if mode != "LAB" else to_lab(quarters())
    stored.save(path)
    picture = open_image(path)
    grey = mode in ("L", "1", "LA")
    expected = quarters().convert("1" if mode == "1" else "L").convert("RGB") if grey else quarters()
    assert picture.mode == "RGB" and np.abs(levels(picture) - levels(expected)).mean() < 14
    image = load_image(path)
    assert image.shape == (1, 3, 32, 48) and image.min() >= 0 and image.max() <= 1


def to_lab(picture):
    from PIL import ImageCms

    lab = ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), lab, outputMode="LAB")


RAMP = np.linspace(0, 255, 48).round().repeat(8).reshape(48, 8).T  # (8, 48)
DEEP = {
    "png": (RAMP * 257).astype(np.uint16),
    "tif": (RAMP * 257).astype(np.uint16),
    "pgm": (RAMP * 257).astype(np.uint16),
    "tif, floats to 1": (RAMP / 255).astype(np.float32),
    "pfm": (RAMP / 255).astype(np.float32),
    "tif, floats to 255": RAMP.astype(np.float32),
    "tif, floats to 65535": (RAMP * 257).astype(np.float32),
    "tif, floats beside zero": (RAMP - 128).astype(np.float32),
    "tif, large numbers": (RAMP * 8_000_000).astype(np.int32),
    "tif, small numbers": RAMP.astype(np.int32),
    "tif, 16 bits in 32": (RAMP * 257).astype(np.int32),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_pictures_are_scaled_not_cut_off(tmp_path, name):
    path = tmp_path / f"a.{name.split(',')[0]}"
    Image.fromarray(DEEP[name]).save(path)
    for mode in ("RGB", "L"):
        got = levels(open_image(path, mode))
        assert np.abs((got[..., 0] if mode == "RGB" else got) - RAMP).max() <= 1
    assert load_mask(path, (8, 48))[0, 0].numpy() * 255 == pytest.approx(RAMP, abs=1)


def test_floats_that_are_no_numbers_or_a_little_beyond_the_range_do_no_harm(tmp_path):
    values = (RAMP / 255).astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2], values[0, 3] = np.nan, np.inf, 1.04, -0.04
    Image.fromarray(values).save(tmp_path / "a.tif")
    got = levels(open_image(tmp_path / "a.tif", "L"))
    assert np.abs(got[1:] - RAMP[1:]).max() <= 1 + 0.04 * 255 and got[0, :4].tolist() == [0, 255, 255, 0]
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "b.tif")
    assert levels(open_image(tmp_path / "b.tif")).max() == 0


def test_twelve_bits_fill_the_range(tmp_path):
    values = (RAMP * 4095 / 255).round().astype(">u2")
    bits = np.unpackbits(np.frombuffer(values.tobytes(), np.uint8).reshape(8, 48, 2), axis=2)[:, :, 4:]
    packed = np.packbits(bits.reshape(8, -1), axis=1).tobytes()
    (tmp_path / "a.tif").write_bytes(tiff(packed, bits=12, height=8))
    assert np.abs(levels(open_image(tmp_path / "a.tif", "L")) - RAMP).max() <= 1


# ---------------------------------------------------------------- transparency


def see_through(mode):
    """A picture that is transparent on the left, where garish colours hide, and red on the right."""
    picture = Image.new("RGBA", (8, 4), (255, 0, 0, 255))
    picture.paste((0, 255, 0, 0), (0, 0, 4, 4))
    if mode == "half":
        picture.putalpha(128)
    return picture


def palette(transparency):
    picture = Image.new("P", (8, 4), 1)
    picture.putpalette([0, 255, 0, 255, 0, 0])
    picture.paste(0, (0, 0, 4, 4))
    return picture, {"transparency": transparency}


SEE_THROUGH = {
    "RGBA.png": (see_through("RGBA"), {}),
    "RGBA.tif": (see_through("RGBA"), {}),
    "RGBA.webp": (see_through("RGBA"), {"lossless": True, "exact": True}),
    "palette.png": palette(0),
    "palette and bytes.png": palette(b"\0\xff"),
    "palette.gif": palette(0),
    "one color.png": (Image.new("RGB", (8, 4), (255, 0, 0)), {"transparency": (0, 255, 0)}),
}
SEE_THROUGH["one color.png"][0].paste((0, 255, 0), (0, 0, 4, 4))


@pytest.mark.parametrize("name", SEE_THROUGH)
def test_transparent_parts_are_white_and_hidden_colors_stay_hidden(tmp_path, name):
    picture, options = SEE_THROUGH[name]
    picture.save(tmp_path / name, **options)
    got = levels(open_image(tmp_path / name))
    assert (got[:, :4] == 255).all() and np.abs(got[:, 4:] - (255, 0, 0)).max() <= 1
    mask = levels(open_image(tmp_path / name, "L"))  # in a mask they are not chosen
    assert (mask[:, :4] == 0).all() and np.abs(mask[:, 4:] - 76).max() <= 1


def test_half_transparent_parts_are_mixed_with_white(tmp_path):
    see_through("half").save(tmp_path / "a.png")
    got = levels(open_image(tmp_path / "a.png"))
    assert np.abs(got[:, 4:] - (255, 127, 127)).max() <= 1 and np.abs(got[:, :4] - (127, 255, 127)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_transparent_grey_is_white_too(tmp_path, mode):
    values = np.full((4, 8), 40, np.uint8)
    values[:, :4] = 7
    if mode == "LA":
        picture = Image.fromarray(values).convert("LA")
        picture.putalpha(Image.fromarray(np.where(values == 7, 0, 255).astype(np.uint8)))
        picture.save(tmp_path / "a.png")
    elif mode == "L":
        Image.fromarray(values).save(tmp_path / "a.png", transparency=7)
    else:
        Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "a.png", transparency=7 * 257)
    got = levels(open_image(tmp_path / "a.png"))
    assert (got[:, :4] == 255).all() and (got[:, 4:] == 40).all()


# ---------------------------------------------------------------- colour profiles


def icc(space, tags, pcs=b"XYZ ", kind=b"mntr"):
    """An ICC profile, version 2, of tags by name."""
    tags = {b"desc": b"desc" + struct.pack(">4xI", 5) + b"test\0" + bytes(78), **tags}
    start, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, kind, space, pcs) + bytes(12) + b"acsp" + bytes(28)
    white = struct.pack(">3i", 63190, 65536, 54061)
    return (head + white).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz(*values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def curve(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


WHITE = xyz(0.9642, 1, 0.8249)
PRIMARIES = {b"r": (0.4361, 0.2225, 0.0139), b"g": (0.3851, 0.7169, 0.0971), b"b": (0.1431, 0.0606, 0.7141)}


def rgb_profile(order=b"rgb", gamma=2.2):
    """An RGB profile whose channels have the primaries of sRGB in another order."""
    tags = {b"wtpt": WHITE}
    for channel, primary in zip(b"rgb", order, strict=True):
        tags[bytes([channel]) + b"XYZ"] = xyz(*PRIMARIES[bytes([primary])])
        tags[bytes([channel]) + b"TRC"] = curve(gamma)
    return icc(b"RGB ", tags)


def cmyk_profile():
    """A CMYK profile in which any black ink makes everything black, and the other inks do nothing."""
    lab = [(255, 128, 128) if not corner & 1 else (0, 128, 128) for corner in range(16)]  # K is the last to vary
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + bytes(sum(lab, ())) + identity * 3
    return icc(b"CMYK", {b"wtpt": WHITE, b"A2B0": table}, pcs=b"Lab ", kind=b"prtr")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_color_profile_counts(tmp_path, suffix):
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    quarters().save(tmp_path / f"a.{suffix}", icc_profile=rgb_profile(b"grb"), **options)
    got = levels(open_image(tmp_path / f"a.{suffix}"))
    assert np.abs(got[8, 12] - (0, 255, 0)).max() < 8 and np.abs(got[8, 36] - (255, 0, 0)).max() < 8  # exchanged
    assert np.abs(got[24, 12] - (0, 0, 255)).max() < 8


def test_the_brightness_of_a_profile_counts_for_pictures_of_every_mode(tmp_path):
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    see = grey.convert("RGBA")
    for name, picture, profile in (
        ("rgb", grey, rgb_profile(gamma=1.0)),
        ("rgba", see, rgb_profile(gamma=1.0)),
        ("palette", grey.quantize(4), rgb_profile(gamma=1.0)),
        ("grey", grey.convert("L"), icc(b"GRAY", {b"wtpt": WHITE, b"kTRC": curve(1.0)})),
    ):
        picture.save(tmp_path / f"{name}.png", icc_profile=profile)
        got = levels(open_image(tmp_path / f"{name}.png"))
        assert np.abs(got - 188).max() <= 2, name  # half of the light, as sRGB writes it
    assert np.abs(levels(open_image(tmp_path / "grey.png", "L")) - 128).max() == 0  # a mask means its numbers


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_inks_are_those_of_their_profile(tmp_path, suffix):
    picture = Image.new("CMYK", (16, 8), (255, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (8, 0, 16, 8))
    for name, profile, cyan in (("with", cmyk_profile(), (255, 255, 255)), ("without", None, (0, 255, 255))):
        picture.save(tmp_path / f"{name}.{suffix}", icc_profile=profile)
        got = levels(open_image(tmp_path / f"{name}.{suffix}"))
        assert np.abs(got[4, 3] - cyan).max() < 6 and got[4, 12].max() < 6


def test_a_profile_of_srgb_changes_no_level(tmp_path, pixels):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.png")), pixels)


@pytest.mark.parametrize("profile", [b"", b"no profile", rgb_profile()[:200], bytes(3000), cmyk_profile()])
def test_a_broken_profile_or_that_of_another_picture_is_ignored(tmp_path, pixels, profile):
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.png")), pixels)


# ---------------------------------------------------------------- size


@pytest.mark.parametrize("kind", ["text", "itext", "profile"])
def test_a_picture_with_a_large_chunk_is_read(tmp_path, pixels, kind):
    info, options = PngImagePlugin.PngInfo(), {}
    if kind == "profile":
        options["icc_profile"] = rgb_profile() + bytes(3_000_000)
    else:
        (info.add_text if kind == "text" else info.add_itxt)("history", "x" * 3_000_000, zip=True)
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=info, **options)
    assert open_image(tmp_path / "a.png").size == (6, 4) and read_pixels(tmp_path / "a.png").shape == (256, 384, 3)
    assert kind == "profile" or len(read_metadata(tmp_path / "a.png")["history"]) == 3_000_000


def load_small_mask(path):
    return load_mask(path, (4, 4))


@pytest.mark.parametrize("read", [open_image, load_image, read_pixels, load_small_mask, image_size])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_picture_beyond_the_limit_is_one_sentence(tmp_path, monkeypatch, read, suffix):
    monkeypatch.setenv("VG_MAX_MEGAPIXELS", "0.001")
    Image.new("L", (40, 30)).save(tmp_path / f"a.{suffix}")
    sentence = r"a\..* \(it has more than 0.001 megapixels\); give a smaller copy, or a higher --max-megapixels"
    with warnings.catch_warnings(), pytest.raises(ImageError, match=sentence):
        warnings.simplefilter("error", ResourceWarning)
        read(tmp_path / f"a.{suffix}")
    limit_megapixels(0.002)
    read(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_limit_is_a_number_above_zero(limit):
    with pytest.raises(ValueError, match=r"--max-megapixels .* must be a number above 0"):
        limit_megapixels(limit)


@pytest.mark.parametrize("text", ["many", "0", "-3", "nan", "inf", "300 MP"])
def test_a_variable_that_is_no_limit_is_blamed_and_not_the_picture(tmp_path, monkeypatch, text):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    monkeypatch.setenv("VG_MAX_MEGAPIXELS", text)
    with pytest.raises(ValueError, match=f"VG_MAX_MEGAPIXELS is {text} and must be a number above 0") as caught:
        open_image(tmp_path / "a.png")
    assert not isinstance(caught.value, ImageError)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    raw = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + raw + struct.pack(">I", zlib.crc32(b"IHDR" + raw))
    data = zlib.compress(bytes(1000))
    idat = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + idat)
    with pytest.raises(ImageError, match="more than 300 megapixels"):
        open_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["RGB", "RGBA", "P", "L", "CMYK", "F", "transparent palette"])
def test_a_very_large_picture_is_converted_as_a_small_one(tmp_path, monkeypatch, name):
    path = tmp_path / ("a.tif" if name in ("CMYK", "F") else "a.png")
    picture = quarters(400, 300)
    if name == "transparent palette":
        picture.quantize(8).save(path, transparency=2)
    else:
        picture.convert("L" if name == "F" else name).convert(name).save(path)
    whole, small = open_image(path), read_pixels(path)
    monkeypatch.setattr(images, "LARGE", 1000)
    np.testing.assert_array_equal(np.asarray(open_image(path)), np.asarray(whole))
    assert np.abs(read_pixels(path).astype(float) - small).mean() < 2
    reduced = open_image(path, at_least=50)
    assert reduced.size == (134, 100)
    assert np.abs(levels(reduced.resize((40, 30))) - levels(whole.resize((40, 30)))).mean() < 9
    assert load_image(path, 50).shape[3] == 50


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (2000, 2), (2, 2)])
def test_odd_sizes_are_read(tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").shape == (1, 3, size[1], size[0])
    assert max(read_pixels(tmp_path / "a.png").shape) <= images.LONGEST * images.SHORT_SIDE


def test_the_longer_side_is_scaled_down_never_up(tmp_path):
    Image.new("RGB", (60, 30), "red").save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", size=20).shape == (1, 3, 10, 20)
    assert load_image(tmp_path / "a.png", size=100).shape == (1, 3, 30, 60)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_an_animation_the_first_frame_counts(tmp_path, suffix):
    first, *others = (Image.new("RGB", (20, 10), color) for color in ("red", "lime", "blue"))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=others)
    assert np.abs(levels(open_image(tmp_path / f"a.{suffix}")) - (255, 0, 0)).max() < 6


# ---------------------------------------------------------------- writing and listing


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, 5, 7)])
def test_a_picture_survives_the_file_to_half_a_level(tmp_path, shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    save_image(tmp_path / "a.png", image, {"title": "Nuit étoilée, α = 0.1", "photo": "caf\udce9.jpg"})
    assert (load_image(tmp_path / "a.png") - image.reshape(1, 3, 5, 7)).abs().max() <= 0.5 / 255 + 1e-6
    assert read_metadata(tmp_path / "a.png") == {"title": "Nuit étoilée, α = 0.1", "photo": "caf\ufffd.jpg"}


def test_values_beyond_the_range_are_clipped_not_wrapped(tmp_path):
    save_image(tmp_path / "a.png", torch.tensor([-0.5, 1.5]).expand(3, 1, 2))
    assert load_image(tmp_path / "a.png")[0, 0, 0].tolist() == [0, 1]


def test_a_mask_has_the_size_that_is_asked_for(tmp_path):
    mask = Image.new("L", (40, 20))
    mask.paste(255, (20, 0, 40, 20))
    mask.save(tmp_path / "a.png")
    got = load_mask(tmp_path / "a.png", (10, 20))
    assert got.shape == (1, 1, 10, 20) and got[0, 0, 5, 3] == 0 and got[0, 0, 5, 16] == 1


def test_folders_list_pictures_of_all_suffixes_and_nothing_else(tmp_path):
    names = ["a.png", "a.webp", "b.JPG", "c.TIFF", "d.bmp", "h.gif", "i.avif", "j.jfif"]
    for name in (*reversed(names), "e.txt", ".f.jpg", "g"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in list_images(tmp_path)] == names
    with pytest.raises(ValueError, match=r"folder.jpg holds no pictures \(JPEG, .*\); give a folder that does$"):
        list_images(tmp_path / "folder.jpg")


# ---------------------------------------------------------------- what is no picture, or a damaged one

NOT_PICTURES = {
    "empty.jpg": (b"", "it is empty"),
    "text.jpg": (b"no picture", "its format is unknown"),
    "zeros.png": (bytes(5000), "its format is unknown"),
    "lfs.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
    "page.jpg": (b"\n<!DOCTYPE html><html>404</html>", "it is a web page"),
    "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is a HEIC photo"),
    "paper.jpg": (b"%PDF-1.7\n%", "it is a PDF document"),
    "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "it is a PostScript file"),
    "header.jpg": (b"\xff\xd8\xff\xe0", "cannot be read as an image"),
    "header.png": (b"\x89PNG\r\n\x1a\n", "cannot be read as an image"),
    "header.tif": (b"II*\0\x08\0\0\0", "cannot be read as an image"),
}


@pytest.mark.parametrize("read", [open_image, load_image, read_pixels, image_size])
@pytest.mark.parametrize("name", NOT_PICTURES)
def test_a_file_that_is_no_picture_is_one_sentence_with_its_name(tmp_path, name, read):
    content, reason = NOT_PICTURES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read(tmp_path / name)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / name} cannot be read as an image (") and "\n" not in sentence
    assert caught.value.reason in sentence and sentence.endswith(caught.value.advice)
    assert str(pickle.loads(pickle.dumps(caught.value))) == sentence  # it crosses between processes
    assert read_metadata(tmp_path / name) == {}


def test_a_place_where_no_picture_is_says_so(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (
        ("nowhere.jpg", "there is no such file"),
        ("folder.jpg", "it is a folder"),
        ("pipe.jpg", "it is a device or a pipe" if hasattr(os, "mkfifo") else "no such file"),
        ("a" * 300 + ".jpg", "cannot be read"),
        ("a\0b.jpg", "cannot be read"),
        ("caf\udce9.jpg", "there is no such file"),
    ):
        with pytest.raises(ImageError, match=reason) as caught:
            open_image(tmp_path / name)
        assert str(caught.value).encode("utf-8")  # can be printed


def seeds():
    """One small whole file of every kind, by name."""
    files, picture = {}, quarters(40, 30)
    plain = dict.fromkeys(("jpg", "png", "tif", "webp", "bmp", "gif", "ppm", "jp2", "tga"), picture)
    kinds = plain | {
        "palette.png": picture.quantize(16),
        "deep.png": Image.fromarray((RAMP * 257).astype(np.uint16)),
        "float.tif": Image.fromarray((RAMP / 255).astype(np.float32)),
        "inks.jpg": picture.convert("CMYK"),
        "bits.tif": picture.convert("1"),
        "grey alpha.png": picture.convert("LA"),
    }
    for name, image in kinds.items():
        stream = io.BytesIO()
        suffix = name.rpartition(".")[2]
        extra = {"exif": exif_of(TURNED)} if suffix in ("jpg", "png", "webp") else {}
        if suffix in ("jpg", "png", "webp", "tif"):
            extra["icc_profile"] = rgb_profile(b"grb")
        kind = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix.upper())
        image.save(stream, format=kind, **extra)
        files[name if "." in name else f"plain.{name}"] = stream.getvalue()
    return files


def damaged(content, rng):
    """A copy of a file with a few bytes changed, cut, moved or repeated."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(min(len(data), 400)) if rng.random() < 0.6 else rng.randrange(len(data))
        how = rng.randrange(5)
        if how == 0:
            data[place] = rng.randrange(256)
        elif how == 1:
            data[place : place + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        elif how == 2:
            del data[place : place + rng.randint(1, 30)]
        elif how == 3:
            data[place:place] = data[place : place + rng.randint(1, 30)]
        elif len(data) > 60:
            del data[rng.randint(40, len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("name", sorted(seeds()))
def test_damaged_files_are_pictures_or_sentences(tmp_path, name):
    """Twenty cut and twenty changed copies of a file of every kind: a picture or an ImageError, and nothing else."""
    content, rng, path = seeds()[name], random.Random(name), tmp_path / name
    copies = [content[: len(content) * step // 20] for step in range(20)] + [damaged(content, rng) for _ in range(20)]
    path.write_bytes(content)
    assert open_image(path).mode == "RGB"
    for copy in copies:
        path.write_bytes(copy)
        try:
            assert open_image(path).mode == "RGB" and read_pixels(path).dtype == np.uint8
        except ImageError as error:
            assert str(error).count("\n") == 0 and name in str(error)
        assert isinstance(read_metadata(path), dict)


def test_an_upload_is_read_like_the_file_it_was(tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 24), 60).convert("RGB").save(path, exif=exif)
    upload = images.Upload("turned.jpg", path.read_bytes())
    assert torch.equal(images.load_image(upload, 32), images.load_image(path, 32))
    assert torch.equal(images.load_mask(upload, (9, 7)), images.load_mask(path, (9, 7)))
    assert images.image_size(upload) == images.image_size(path)


def test_an_upload_that_is_no_picture_is_named():
    with pytest.raises(images.ImageError, match=r"notes\.txt cannot be read as an image"):
        images.load_image(images.Upload("notes.txt", b"hello"))


def test_the_bytes_of_a_png_are_those_of_the_file(tmp_path):
    image = torch.rand(1, 3, 5, 7)
    images.save_image(tmp_path / "a.png", image, {"Software": "é"})
    assert images.png_bytes(image, {"Software": "é"}) == (tmp_path / "a.png").read_bytes()
