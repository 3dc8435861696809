"""images: pictures come out of files as they are meant to be seen."""

import numpy as np
import pytest
import torch
from PIL import Image

from vg_helpers.images import load_image, read_metadata, save_image


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def test_pictures_are_upright(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right-hand side
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    expected = torch.from_numpy(np.rot90(pixels, -1).copy()).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(load_image(tmp_path / "a.png"), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("P", "png"), ("RGBA", "png"), ("1", "png"), ("CMYK", "jpg")]
)
def test_pictures_are_rgb(tmp_path, pixels, mode, suffix):
    Image.fromarray(pixels).convert(mode).save(tmp_path / f"a.{suffix}")
    image = load_image(tmp_path / f"a.{suffix}")
    assert image.shape == (1, 3, 4, 6) and image.min() >= 0 and image.max() <= 1


def test_the_longer_side_is_scaled_down_never_up(tmp_path):
    Image.new("RGB", (60, 30), "red").save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", size=20).shape == (1, 3, 10, 20)
    assert load_image(tmp_path / "a.png", size=100).shape == (1, 3, 30, 60)


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, 5, 7)])
def test_a_picture_survives_the_file_to_half_a_level(tmp_path, shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    save_image(tmp_path / "a.png", image, {"title": "Nuit étoilée, α = 0.1"})
    assert (load_image(tmp_path / "a.png") - image.reshape(1, 3, 5, 7)).abs().max() <= 0.5 / 255 + 1e-6
    assert read_metadata(tmp_path / "a.png") == {"title": "Nuit étoilée, α = 0.1"}


def test_values_beyond_the_range_are_clipped_not_wrapped(tmp_path):
    save_image(tmp_path / "a.png", torch.tensor([-0.5, 1.5]).expand(3, 1, 2))
    assert load_image(tmp_path / "a.png")[0, 0, 0].tolist() == [0, 1]


def broken_files(folder):
    """Write files that Pillow cannot read, each for another reason; return their paths."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "chunk.png")  # so big that its data come in two chunks
    whole = (folder / "chunk.png").read_bytes()
    second = whole.index(b"IDAT", whole.index(b"IDAT") + 4)
    (folder / "chunk.png").write_bytes(whole[:second] + b"\x00\x01\x02\x03" + whole[second + 4 :])
    (folder / "cut.png").write_bytes(whole[:3000])
    (folder / "text.jpg").write_text("no picture", encoding="utf-8")
    (folder / "empty.jpg").write_bytes(b"")
    return [folder / name for name in ("chunk.png", "cut.png", "text.jpg", "empty.jpg", "missing.jpg")]


def test_a_bad_file_is_one_sentence_with_its_name(tmp_path):
    for path in broken_files(tmp_path):
        with pytest.raises(ValueError, match=r"give a JPEG or PNG file$") as caught:
            load_image(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        assert read_metadata(path) == {}
