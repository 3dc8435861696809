"""output: what is written is what is read, in each format, with its settings and its size in print."""

import json
import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import ExifTags, Image
from stand_ins import noise

from vg_helpers.images import load_image, save_image
from vg_helpers.style.output import Format, read_settings, same_file, save_picture

ABOUT = {"Software": "vg_helpers.paint", "Settings": json.dumps({"photo": "süß 🌻.jpg"}, ensure_ascii=False)}


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "a.jpg"])
@pytest.mark.parametrize("dpi", [None, 300])
def test_picture_settings_and_dpi_come_back(tmp_path, name, dpi):
    path, image = tmp_path / name, torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    save_picture(path, image, ABOUT, Format(dpi))
    assert (load_image(path) - image).abs().max() < (0.02 if path.suffix == ".jpg" else 1.01 / 255)
    about = read_settings(path)
    assert about["Software"] == ABOUT["Software"] and json.loads(about["Settings"]) == json.loads(ABOUT["Settings"])
    with Image.open(path) as picture:
        stated = picture.info.get("dpi", (None, None))
        assert (dpi is None and stated[0] in (None, 1, 72)) or stated == pytest.approx((dpi, dpi), abs=0.01)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_sixteen_bits_are_written_in_full(tmp_path):
    image = noise(1).double()
    wanted = (image[0] * 65535).round().numpy().transpose(1, 2, 0)
    save_picture(tmp_path / "a.tif", image, ABOUT)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), wanted)
    save_picture(tmp_path / "a.png", image, ABOUT, Format(bits=16))
    data = (tmp_path / "a.png").read_bytes()
    assert data[24] == 16  # the depth, as it stands in the header
    with Image.open(tmp_path / "a.png") as picture:
        assert np.abs(np.asarray(picture) - wanted / 257).max() < 1
    save_picture(tmp_path / "b.tif", image, ABOUT, Format(bits=8))
    assert tifffile.imread(tmp_path / "b.tif").dtype == np.uint8


def test_low_bytes_of_a_deep_png_are_right(tmp_path):
    image = noise(2).double()
    save_picture(tmp_path / "a.png", image, ABOUT, Format(bits=16))
    data = (tmp_path / "a.png").read_bytes()
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    rows = np.frombuffer(zlib.decompress(data[start:end]), np.uint8).reshape(16, -1)
    assert (rows[:, 0] == 2).all()  # the filter: differences to the row above
    values = rows[:, 1:].cumsum(0, dtype=np.uint8).reshape(16, 12, 3, 2).astype(int)
    wanted = (image[0] * 65535).round().numpy().transpose(1, 2, 0)
    assert np.array_equal(256 * values[..., 0] + values[..., 1], wanted)


def test_a_plain_png_has_the_bytes_that_it_always_had(tmp_path):
    save_picture(tmp_path / "a.png", noise(1), ABOUT)
    save_image(tmp_path / "b.png", noise(1), ABOUT)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_jpeg_names_its_maker(tmp_path):
    save_picture(tmp_path / "a.jpg", noise(1), ABOUT)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.getexif()[ExifTags.Base.Software] == "vg_helpers.paint"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_files_of_others_have_no_settings(tmp_path, name):
    path = tmp_path / name
    assert read_settings(path) == {}
    Image.new("RGB", (8, 8)).save(path)
    assert read_settings(path) == {}
    save_picture(path, noise(1, height=64, width=64), ABOUT)
    path.write_bytes(path.read_bytes()[:-1500])
    assert read_settings(path) == {}


@pytest.mark.parametrize(
    ("name", "layout", "sentence"),
    [
        ("x.gif", Format(), "x.gif must end in .png, .jpg or .tif"),
        ("x.jpg", Format(bits=16), "--bits 16 needs a .png or .tif file"),
        ("x.png", Format(dpi=0), "--dpi 0 must be from 1 to 10000"),
        ("x.png", Format(dpi=float("nan")), "--dpi nan must be"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, name, layout, sentence):
    with pytest.raises(ValueError, match=sentence):
        layout.check(tmp_path / name)


def test_a_link_is_the_same_file(tmp_path):
    (tmp_path / "a").write_text("a", encoding="utf-8")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert same_file(tmp_path / "b", [tmp_path / "nowhere", tmp_path / "a"])
    assert not same_file(tmp_path / "c", [tmp_path / "c"])
