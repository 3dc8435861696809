"""once: a picture is painted again only if something it was made of has changed, and continues where it was stopped."""

from dataclasses import replace

import pytest
import torch
from stand_ins import Interrupted, Tiny, noise

from vg_helpers.images import load_image, read_metadata, save_image
from vg_helpers.models.weights import Weights
from vg_helpers.style import once
from vg_helpers.style.checks import TooSmall
from vg_helpers.style.engine import StyleParams
from vg_helpers.style.once import paint_once

PARAMS = StyleParams(style_weight=10.0, num_steps=4, precision="float32")


@pytest.fixture
def job(tmp_path):
    """The arguments of one painting, its file made anew."""
    for name, seed in (("photo", 1), ("painting", 2)):
        save_image(tmp_path / f"{name}.png", noise(seed))
    files = [tmp_path / name for name in ("result.png", "photo.png", "painting.png")]
    return dict(zip(("file", "photo", "painting"), files, strict=True)) | {
        "extractor": Tiny(),
        "params": PARAMS,
        "size": 16,
        "state": tmp_path / "state",
    }


def blacken(file):
    """Replace the pixels of a painted file, whose metadata stay; a file that is painted again is not black."""
    save_image(file, torch.zeros(1, 3, 16, 12), read_metadata(file))


def is_black(file):
    return load_image(file).max() == 0


def other_weights(job):
    extractor = Tiny()
    extractor.weights = Weights("vgg19", "imagenet", "other.pth", "abc", "")
    return job | {"extractor": extractor}


def other_photo(job):
    save_image(job["photo"], noise(5))
    return job


def other_painting(job):
    save_image(job["painting"], noise(5))
    return job


def same(job):
    return job


def renamed(job):
    return job | {"photo": job["photo"].rename(job["photo"].with_name("001.png"))}


CHANGES = [
    other_weights,
    other_photo,
    other_painting,
    lambda job: job | {"params": replace(PARAMS, num_steps=3)},
    lambda job: job | {"size": 14},
]


def test_a_painted_picture_says_how_it_was_made(job):
    assert paint_once(**job) == job["file"]
    about = read_metadata(job["file"])
    assert set(about) == {"key", "settings", "seconds"} and '"num_steps": 4' in about["settings"]
    assert float(about["seconds"]) >= 0 and load_image(job["file"]).shape == (1, 3, 16, 12)


@pytest.mark.parametrize("unchanged", [same, renamed])
def test_an_unchanged_picture_stays(job, unchanged):
    blacken(paint_once(**job))
    assert is_black(paint_once(**unchanged(job)))


@pytest.mark.parametrize("change", CHANGES, ids=["weights", "photo", "painting", "params", "size"])
def test_a_changed_picture_is_painted_again(job, change):
    blacken(paint_once(**job))
    assert not is_black(paint_once(**change(job)))


def test_another_engine_paints_again(job, monkeypatch):
    blacken(paint_once(**job))
    monkeypatch.setattr(once, "VERSION", once.VERSION + 1)
    assert not is_black(paint_once(**job))


def test_a_damaged_file_is_painted_again(job):
    painted = load_image(paint_once(**job))
    job["file"].write_bytes(job["file"].read_bytes()[:100])
    assert torch.equal(load_image(paint_once(**job)), painted)


def test_an_interrupted_picture_continues_and_ends_as_if_it_had_not_been(job):
    steps = []

    def note(step, *_):
        steps.append(step)

    def stop(step, *_):
        if step == 3:
            raise Interrupted

    whole = load_image(paint_once(**job | {"file": job["file"].with_name("whole.png")}))
    with pytest.raises(Interrupted):
        paint_once(**job, on_step=stop, every=1, checkpoint_every=2)
    assert not job["file"].exists()
    assert torch.equal(load_image(paint_once(**job, on_step=note, every=1)), whole)
    assert steps == [3, 4] and not list(job["state"].iterdir())


def test_what_another_setting_left_unfinished_is_removed(job):
    def stop(*_):
        raise Interrupted

    with pytest.raises(Interrupted):
        paint_once(**job, on_step=stop, every=2, checkpoint_every=1)
    assert list(job["state"].glob("*.pt"))
    paint_once(**job | {"params": replace(PARAMS, num_steps=3)})
    assert not list(job["state"].iterdir())


def test_a_picture_that_is_too_small_is_named(job):
    def too_small(images):
        raise TooSmall("style", images, 32)

    extractor = Tiny()
    extractor.forward = too_small
    with pytest.raises(ValueError, match=r"painting\.png: the style image has .* at least 32"):
        paint_once(**job | {"extractor": extractor})
