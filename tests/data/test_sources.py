"""sources: which pictures are used, and what is said of those that are not the user's own."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vg_helpers.data import sources
from vg_helpers.data.labels import STYLE_FOLDER
from vg_helpers.data.sources import NO_PAINTINGS, NO_PHOTOS, NO_STYLES, find, find_folder
from vg_helpers.files import read_csv, read_json


class StandIns:
    """Two paintings, three photos, four styles, and a list of what was asked for."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []
        self.artist_names = {"vincent van gogh": "a program"}

    def _make(self, name, count):
        self.asked.append(name)
        folder = self.folder / name
        folder.mkdir(parents=True)
        paths = [folder / f"vincent-van-gogh_{number}.png" for number in range(count)]
        for path in paths:
            Image.new("RGB", (4, 4)).save(path)
        return paths

    def paintings(self):
        self._make(STYLE_FOLDER, 2)
        return self.folder

    def photos(self):
        return self._make("photos", 3)

    def styles(self):
        return self._make("styles", 4)


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """Stand-ins, in a project without any data."""
    for name in ("VG_DATA_DIR", "VG_PHOTOS_DIR", "VG_STYLES_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sources, "ROOT", tmp_path / "project")
    return StandIns(tmp_path / "stand-ins")


def folder_of(path, count):
    path.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (4, 4)).save(path / f"{number:03}.png")
    return path


def test_without_any_folder_everything_is_a_stand_in(nothing):
    found = find("", "", "", nothing, num_photos=2)
    assert found.is_demo and found.fallbacks == (NO_PAINTINGS, NO_PHOTOS)
    assert found.artist_names == {"vincent van gogh": "a program"}
    table = found.table().set_index("kind")
    assert table.pictures.to_dict() == {"paintings": 2, "photos": 2, "styles": 4}
    assert set(table.origin) == {"stand-in"} and table.folder["photos"] == "photos"


def test_given_folders_are_taken_and_nothing_is_made(nothing, tmp_path):
    for name, count in ((STYLE_FOLDER, 4), ("photos", 3), ("styles", 6)):
        folder_of(tmp_path / "my data" / name, count)
    data = tmp_path / "my data"
    found = find(str(data), str(data / "photos"), str(data / "styles"), nothing, num_photos=2, num_styles=5)
    assert not found.is_demo and found.fallbacks == () and found.artist_names == {} and nothing.asked == []
    assert [path.name for path in found.photos.paths] == ["000.png", "001.png"] and len(found.styles.paths) == 5
    assert set(found.table().origin) == {"given"} and found.paintings.folder == data.resolve()


def test_pictures_that_cannot_be_read_are_left_out_before_the_others_are_counted(nothing, tmp_path):
    for name in ("photos", "styles"):
        folder_of(tmp_path / name, 3)
        (tmp_path / name / "000.png").write_bytes(b"")
    found = find("", str(tmp_path / "photos"), str(tmp_path / "styles"), nothing, num_photos=1, num_styles=5)
    assert [path.name for path in found.photos.paths] == ["001.png"] and len(found.styles.paths) == 2
    for kind, sentence in zip(("photos", "styles"), found.fallbacks[1:], strict=True):
        assert (
            f"One of the {kind} is left out: " in sentence
            and "000.png cannot be read as an image (it is empty)" in sentence
        )
    for path in (tmp_path / "photos").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"000\.png cannot be read"):
        find("", str(tmp_path / "photos"), "", StandIns(tmp_path / "others"))


def test_the_projects_own_data_is_found_from_anywhere(nothing, tmp_path, monkeypatch):
    for name in (STYLE_FOLDER, "photos", "styles"):
        folder_of(tmp_path / "project" / "data" / name, 1)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = find("", "", "", nothing)
    assert found.paintings.folder == (tmp_path / "project" / "data").resolve() and found.fallbacks == ()
    assert found.photos.folder.name == "photos" and found.styles.folder.name == "styles"


def test_real_paintings_without_a_styles_folder_give_styles_of_both_training_splits(nothing, tmp_path):
    folder_of(tmp_path / "data" / STYLE_FOLDER, 8)
    found = find(str(tmp_path / "data"), "", "", nothing)
    assert found.styles.paths == () and found.fallbacks == (NO_PHOTOS, NO_STYLES)
    assert nothing.asked == ["photos"]
    index = pd.DataFrame(
        {
            "path": [f"{STYLE_FOLDER}/{number:03}.png" for number in range(8)],
            "label": [1, 1, 1, 1, 1, 0, 0, 0],
            "split_seed": ["train", "train", "train", "val", "train", *["train"] * 3],
            "split_grouped": ["train", "train", "train", "train", "test", *["train"] * 3],
        }
    )
    chosen = found.with_training_styles(index, 2)
    assert len(chosen.styles.paths) == 2 and chosen.styles.origin == "training split"
    everything = found.with_training_styles(index, 9)
    assert sorted(path.stem for path in everything.styles.paths) == ["000", "001", "002"]
    assert all(path.is_file() for path in everything.styles.paths)
    assert chosen.with_training_styles(index, 9) is chosen
    given = found.with_training_styles(index.assign(split_given=["test", "", *["train"] * 6]), 9)
    assert [path.stem for path in given.styles.paths] == ["002"]


def test_names_that_look_like_numbers_or_nothing_come_back_as_text_and_are_unique(nothing, tmp_path):
    photos = folder_of(tmp_path / "p", 1)
    for name in ("NA.jpg", "null.png", "1e5.jpg", "a.jpg", "a.png", "A.webp", "true.bmp", "é;,\"'.tiff"):
        Image.new("RGB", (4, 4)).save(photos / name)
    found = find("", str(photos), "", nothing)
    found.write(tmp_path, tmp_path / "cache")
    contents = read_csv(tmp_path / "contents.csv")
    assert contents.path.tolist() == [str(path) for path in found.photos.paths]
    assert contents.name.tolist() == ["000", "1e5", "A", "NA", "a-2", "a-3", "null", "true", "é;,\"'"]
    assert read_json(tmp_path / "sources.json")["is_demo"] is True
    assert len(read_csv(tmp_path / "styles.csv")) == 4


@pytest.mark.skipif(os.name == "nt", reason="names of files are Unicode there")
def test_a_name_that_is_not_utf8_leads_to_its_file(nothing, tmp_path):
    photos = folder_of(tmp_path / "p", 1)
    try:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    find("", str(photos), "", nothing).write(tmp_path, tmp_path / "cache")
    contents = read_csv(tmp_path / "contents.csv")
    assert contents.name.tolist() == ["000", "caf_"] and os.path.isfile(contents.path[1])


def test_folders_are_given_else_named_by_the_environment_else_the_default(tmp_path, monkeypatch):
    given, named, default = (tmp_path / name for name in ("given", "named", "default"))
    monkeypatch.delenv("VG_TEST_DIR", raising=False)
    assert find_folder("", "VG_TEST_DIR", default) is None and find_folder("", "VG_TEST_DIR", None) is None
    for folder in (given, named, default):
        folder.mkdir()
    assert find_folder("", "VG_TEST_DIR", default) == default.resolve()
    monkeypatch.setenv("VG_TEST_DIR", str(named))
    assert find_folder("", "VG_TEST_DIR", default) == named.resolve()
    assert find_folder(str(given), "VG_TEST_DIR", default) == given.resolve()
    with pytest.raises(ValueError, match=r"nowhere \(from the parameter\) is not a folder; give one that exists"):
        find_folder(str(tmp_path / "nowhere"), "VG_TEST_DIR", default)
    monkeypatch.setenv("VG_TEST_DIR", str(tmp_path / "gone"))
    with pytest.raises(ValueError, match=r"gone \(from VG_TEST_DIR\) is not a folder"):
        find_folder("", "VG_TEST_DIR", default)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("VG_TEST_DIR", "~/named")
    assert find_folder("", "VG_TEST_DIR", default) == named.resolve()
