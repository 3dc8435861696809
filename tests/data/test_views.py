"""views: a cache that notices changes, and views that repeat."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import blotches
from torch.utils.data import DataLoader

from vg_helpers import images as pictures
from vg_helpers.data import views
from vg_helpers.data.labels import STYLE_FOLDER
from vg_helpers.data.paintings import index_paintings
from vg_helpers.data.views import load_pixels


def test_a_picture_is_decoded_once(tmp_path, monkeypatch):
    path, cache = tmp_path / "a.jpg", tmp_path / "cache"
    Image.fromarray(blotches(0, (700, 1100))).save(path)
    first = load_pixels(path, cache)
    assert first.shape == (402, 256, 3) and first.dtype == np.uint8
    assert np.abs(first.astype(float) - np.asarray(Image.fromarray(blotches(0, (256, 402))), float)).mean() < 4
    monkeypatch.setattr(pictures.Image, "open", lambda *_, **__: pytest.fail("decoded again"))
    np.testing.assert_array_equal(views.load_pixels(path, cache), first)


def test_the_cache_notices_a_changed_file(tmp_path):
    path, cache = tmp_path / "a.png", tmp_path / "cache"
    for number, (colour, when) in enumerate([("red", 1), ("blue", 2), ("red", 3)]):  # all three have the same size
        Image.new("RGB", (256, 256), colour).save(path)
        os.utime(path, (when, when))
        expected = np.asarray(Image.new("RGB", (256, 256), colour))
        np.testing.assert_array_equal(views.load_pixels(path, cache), expected)
        assert len(list(cache.rglob("*.npy"))) == number + 1
    Image.fromarray(blotches(0, (256, 256))).save(path)
    os.utime(path, (3, 3))  # the same time, another size
    np.testing.assert_array_equal(views.load_pixels(path, cache), blotches(0, (256, 256)))


def test_cached_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = blotches(0, (256, 300))
    Image.fromarray(lying).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(views.load_pixels(tmp_path / "a.png", tmp_path), np.rot90(lying, -1))


@pytest.mark.parametrize("rest", [0, 50, 1000])
def test_a_damaged_copy_in_the_cache_is_made_anew(tmp_path, rest):
    Image.fromarray(blotches(0)).save(tmp_path / "a.png")
    first = views.load_pixels(tmp_path / "a.png", tmp_path / "cache")
    (copy,) = (tmp_path / "cache").rglob("*.npy")
    whole = copy.read_bytes()
    copy.write_bytes(whole[:rest])
    np.testing.assert_array_equal(views.load_pixels(tmp_path / "a.png", tmp_path / "cache"), first)
    assert copy.read_bytes() == whole


@pytest.mark.parametrize("size", [(3000, 8), (8, 3000), (1, 1), (400, 1)])
def test_a_strip_is_cached_by_its_middle_alone(tmp_path, size):
    strip = Image.new("RGB", size, "red")
    strip.paste("blue", (0, 0, size[0] // 4, size[1] // 4 or 1) if size[0] > size[1] else (0, 0, size[0], size[1] // 4))
    strip.save(tmp_path / "a.png")
    pixels = views.load_pixels(tmp_path / "a.png", tmp_path / "cache")
    assert min(pixels.shape[:2]) == 256 and max(pixels.shape[:2]) <= 16 * 256
    if max(size) > 1000:
        assert (pixels == (255, 0, 0)).all()  # the blue end is cut off


@pytest.fixture
def build(tmp_path, make_paintings):
    """Return a function that builds a data set of ten paintings."""
    make_paintings(tmp_path / STYLE_FOLDER)
    index, _ = index_paintings(tmp_path, tmp_path / "cache")

    def make(augment, size=64, seed=0):
        return views.build_dataset(index, tmp_path, tmp_path / "cache", augment, size, seed)

    return make


def test_judged_pictures_are_the_centre_and_its_mirror_image(build):
    judged = build(False, size=224)
    pixels = views.load_pixels(judged.paths[3], judged.cache_dir)
    top, left = (round((side - 224) / 2) for side in pixels.shape[:2])
    centre = torch.from_numpy(pixels[top : top + 224, left : left + 224].copy()).permute(2, 0, 1) / 255
    for view, expected in [(1, centre.flip(-1)), (0, centre)]:
        judged.view = view
        image, target = judged[3]
        assert image.shape == (3, 224, 224) and target == judged.targets[3]
        torch.testing.assert_close(image, expected)
    assert torch.equal(judged[3][0], judged[3][0]) and torch.equal(judged[3][0], build(False, 224, seed=9)[3][0])


def test_further_views_show_the_ends_of_the_longer_side_turned(tmp_path):
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    for name, pixels in (("tall", ramp[:, None]), ("wide", ramp[None])):
        shape = (512, 256, 3) if name == "tall" else (256, 512, 3)
        Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels[..., None], shape))).save(tmp_path / f"{name}.png")
    judged = views.PaintingDataset([tmp_path / "tall.png", tmp_path / "wide.png"], [0, 1], tmp_path / "cache", size=224)
    seen = []
    for judged.view in range(6):
        seen.append(torch.stack([judged[0][0], judged[1][0]]))
    for view, place in ((0, 0.5), (2, 0.25), (4, 0.75)):
        middle = seen[view][..., 100:124, 100:124].mean((1, 2, 3))
        torch.testing.assert_close(middle, torch.full((2,), place), atol=0.01, rtol=0)
        assert torch.equal(seen[view + 1], seen[view].flip(-1))


def test_the_ends_of_a_square_picture_are_the_whole_turned_both_ways(tmp_path):
    pixels = np.full((256, 256, 3), 255, dtype=np.uint8)
    pixels[128:] = 0  # a horizon in the middle
    Image.fromarray(pixels).save(tmp_path / "square.png")
    judged = views.PaintingDataset([tmp_path / "square.png"], [0], tmp_path / "cache", size=64)
    small = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
    for judged.view, angle in ((2, views.TURN), (4, -views.TURN)):
        expected = np.asarray(small.rotate(angle, Image.Resampling.BILINEAR)).transpose(2, 0, 1) / 255
        assert np.abs(judged[0][0].numpy() - expected).mean() < 0.005


def test_a_smaller_view_shows_the_same_part(build):
    large, small = build(False, 224)[0][0], build(False, 56)[0][0]
    shrunk = torch.nn.functional.interpolate(large[None], (56, 56), mode="bilinear", antialias=True)[0]
    assert (small - shrunk).abs().mean() < 0.01


def test_an_augmented_picture_depends_on_seed_view_and_position_alone(build):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = {i: build(True)[i][0] for i in (4, 2, 7)}
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    again = build(True)
    assert all(torch.equal(again[i][0], first[i]) for i in (7, 4, 2))
    assert not torch.equal(build(True, seed=1)[4][0], first[4])
    again.view = 1
    assert not torch.equal(again[4][0], first[4])
    again.paths = [again.paths[4]] * 10
    assert not torch.equal(again[4][0], again[5][0])


def test_a_picture_can_be_asked_for_in_any_view(build):
    augmented, judged = build(True), build(False)
    augmented.view = 2
    assert torch.equal(augmented.picture(3, 2), augmented[3][0]) and augmented.view == 2
    assert torch.equal(augmented.picture(3, 4), augmented.picture(3, 4))
    assert not torch.equal(augmented.picture(3, 4), augmented[3][0])
    assert torch.equal(judged.picture(0, 1), judged.picture(0, 0).flip(-1))


def test_originals_are_whole(tmp_path):
    Image.new("RGB", (70, 30), "red").save(tmp_path / "a.png")
    (original,) = views.load_originals(tmp_path, ["a.png"])
    assert original.shape == (3, 30, 70)


@pytest.mark.slow
def test_workers_give_what_the_main_process_gives(build):
    dataset = build(True, size=32)
    dataset.view = 3
    alone = list(DataLoader(dataset, batch_size=5))
    helped = list(DataLoader(dataset, batch_size=5, num_workers=1, multiprocessing_context="spawn"))
    for (images, targets), (same_images, same_targets) in zip(alone, helped, strict=True):
        assert torch.equal(images, same_images) and torch.equal(targets, same_targets)
    copied = pickle.loads(pickle.dumps(dataset))
    assert copied.view == 3 and torch.equal(copied[2][0], dataset[2][0])


def test_the_augmentation_crops_flips_colours_and_turns():
    torch.manual_seed(0)
    transform = views.train_transform(32)
    white = [transform(torch.full((3, 60, 50), 255, dtype=torch.uint8)) for _ in range(20)]
    assert all(image.shape == (3, 32, 32) and image.dtype == torch.float32 for image in white)
    assert sum(float(image[:, 0, 0].max()) == 0 for image in white) > 5  # corners that the rotation left empty
    centres = torch.stack([transform(torch.full((3, 60, 50), 128, dtype=torch.uint8))[:, 16, 16] for _ in range(20)])
    assert 0.39 < centres.min() < 0.45 and 0.55 < centres.max() < 0.61  # brightness within 20 % of a half
    ramp = torch.arange(60, dtype=torch.uint8).repeat(3, 60, 1)
    flipped = sum(bool(out[0, 16, 24] < out[0, 16, 8]) for out in (transform(ramp) for _ in range(40)))
    assert 10 < flipped < 30


@pytest.mark.parametrize("shape", [(800, 1000), (1000, 800), (800, 4000), (512, 512)])
@pytest.mark.parametrize("count", [1, 5, 8, 20])
def test_patches_lie_inside_and_are_spread_over_the_picture(shape, count):
    corners = views.patch_corners(*shape, count, 224)
    assert len(corners) == count == len(set(corners))
    assert all(0 <= place <= side - 224 for corner in corners for place, side in zip(corner, shape, strict=True))
    middle = np.mean(corners, axis=0) + 112
    np.testing.assert_allclose(middle, np.array(shape) / 2, atol=0.25 * max(shape))
    assert views.patch_corners(*shape, 1, 224) == [(round((shape[0] - 224) / 2), round((shape[1] - 224) / 2))]


def test_patches_show_the_files_own_pixels_and_small_files_have_none(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    patches = views.native_patches(tmp_path / "large.png", 4)
    expected = [pixels[y : y + 224, x : x + 224] for y, x in views.patch_corners(600, 700, 4, 224)]
    np.testing.assert_array_equal((255 * patches).round().permute(0, 2, 3, 1), np.stack(expected))
    Image.fromarray(pixels[:400]).save(tmp_path / "small.png")
    assert views.native_patches(tmp_path / "small.png", 4).shape == (0, 3, 224, 224)
