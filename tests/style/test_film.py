"""film: the way from photo to painting is kept at the right steps and written as a film of bounded size."""

import pytest
import torch
from PIL import Image
from stand_ins import noise

from vg_helpers.images import load_image
from vg_helpers.style import film
from vg_helpers.style.film import EACH, FIRST, LAST, Way, write_film
from vg_helpers.style.output import Format, read_settings
from vg_helpers.style.pixels import keep_luminance_only

ABOUT = {"Software": "vg_helpers.paint", "Settings": "{}"}


def grey(level):
    return torch.full((1, 3, 16, 12), level)


def test_a_film_goes_from_photo_to_painting_and_leaves_nothing_behind(tmp_path):
    way = Way(grey(0.0), 100, "style")
    way.keep_frames(tmp_path / ".frames")
    for step in range(1, 101):
        way.add(step, grey(step / 100))
    way.write_film(tmp_path / "a.webp", grey(1.0), ABOUT)
    way.remove_frames()
    with Image.open(tmp_path / "a.webp") as picture:
        assert picture.format == "WEBP" and picture.info["loop"] == 0 and 30 <= picture.n_frames <= 42
        levels, durations = [], []
        for number in range(picture.n_frames):
            picture.seek(number)
            levels.append(picture.convert("L").getpixel((6, 8)))
            durations.append(picture.info["duration"])
    assert levels[0] < 3 and levels[-1] > 252 and levels == sorted(levels)
    assert durations[0] == FIRST and durations[-1] >= LAST  # equal pictures are joined
    assert min(durations) == EACH and sum(durations) <= FIRST + 40 * EACH + LAST
    assert read_settings(tmp_path / "a.webp") == ABOUT and [path.name for path in tmp_path.iterdir()] == ["a.webp"]


def test_an_interrupted_film_is_the_same(tmp_path):
    films = []
    for name, parts in (("whole", [(1, 20)]), ("again", [(1, 14), (11, 20)])):
        for first, last in parts:
            way = Way(noise(1), 20, "style")
            way.keep_frames(tmp_path / ".frames")
            for step in range(first, last + 1):
                way.add(step, noise(step))
        way.write_film(tmp_path / f"{name}.webp", noise(20), ABOUT)
        way.remove_frames()
        films.append((tmp_path / f"{name}.webp").read_bytes())
    assert films[0] == films[1]


def test_a_film_becomes_smaller_until_it_fits(tmp_path, monkeypatch):
    frames = [Image.effect_noise((400, 300), 80).convert("RGB") for _ in range(3)]
    monkeypatch.setattr(film, "LARGEST", 60_000)
    write_film(tmp_path / "a.webp", frames, ABOUT)
    assert (tmp_path / "a.webp").stat().st_size <= 60_000
    with Image.open(tmp_path / "a.webp") as picture:
        assert picture.n_frames == 3 and picture.width / picture.height == pytest.approx(4 / 3, abs=0.02)


@pytest.mark.parametrize(("colors", "opacity"), [("style", 1.0), ("luminance", 1.0), ("style", 0.4)])
def test_snapshots_have_the_size_and_colours_of_the_painting(tmp_path, colors, opacity):
    photo, image = noise(1), noise(2)
    way = Way(photo, 7, colors, opacity)
    files = way.keep_snapshots(tmp_path / "a.png", 3, ABOUT, Format())
    for step in range(1, 8):
        way.add(step, image)
    assert sorted(tmp_path.iterdir()) == files and [file.name for file in files] == ["a_step0003.png", "a_step0006.png"]
    wanted = photo.lerp(image if colors == "style" else keep_luminance_only(image, photo), opacity)
    assert (load_image(files[0]) - wanted).abs().max() <= 0.51 / 255
    way.add(3, noise(3, height=8, width=6))  # of a coarser level
    assert load_image(files[0]).shape == photo.shape
