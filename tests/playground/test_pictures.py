"""pictures: what the lists offer from the data folders, and that the copied command finds it."""

import shlex

import pytest
from PIL import Image

from vg_helpers.commands.paint import build_parser
from vg_helpers.playground import pictures
from vg_helpers.playground.recipe import Recipe

CAFE = "vincent-van-gogh_the-night-cafe-1888.jpg"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a data folder as `run.py data` leaves it; no variable names it."""
    for variable in ("VG_DATA_DIR", "VG_PHOTOS_DIR", "VG_STYLES_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    for place in (f"Post_Impressionism/{CAFE}", "photos/dog.jpg", "photos/dog.png"):
        (tmp_path / "data" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(tmp_path / "data" / place)
    return tmp_path / "data"


def test_fetched_paintings_are_offered_without_a_variable(data):
    assert pictures.styles()["the night cafe 1888"] == data / "Post_Impressionism" / CAFE


def test_photos_of_one_name_are_all_offered(data):
    photos = pictures.photos()
    assert [photos[name].name for name in ("dog", "dog (2)")] == ["dog.jpg", "dog.png"]


def test_the_copied_command_finds_the_pictures_of_a_relative_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VG_DATA_DIR", "data")
    monkeypatch.setenv("VG_PHOTOS_DIR", "data/photos")
    recipe = Recipe(pictures.photos()["dog"], pictures.styles()["the night cafe 1888"])
    monkeypatch.chdir(data)
    args = build_parser().parse_args(shlex.split(recipe.command())[3:])
    assert args.photos[0].is_file() and args.style[0].path.is_file()
