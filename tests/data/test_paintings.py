"""paintings: what is indexed, and what is left out."""

import numpy as np
import pytest
from PIL import Image

from vg_helpers.data.labels import STYLE_FOLDER
from vg_helpers.data.paintings import examples, index_paintings, overview, write_index
from vg_helpers.files import read_csv, read_json


@pytest.fixture
def paintings(tmp_path, make_paintings):
    """A data folder of four Van Goghs and six others."""
    make_paintings(tmp_path / STYLE_FOLDER)
    return tmp_path


def index_of(folder, **options):
    return index_paintings(folder, folder / "cache", **options)


def test_an_index_says_what_is_there(paintings):
    index, quarantine = index_of(paintings)
    assert list(index) == ["path", "artist", "title", "label", "width", "height", "phash", "group"]
    assert len(index) == 10 and index.label.sum() == 4 and quarantine.empty
    assert index.path.is_monotonic_increasing and index.path[0] == "Post_Impressionism/painter-0_picture-g.jpg"
    assert (index.artist[index.label == 1] == "vincent van gogh").all() and index.title[0] == "picture-g"
    assert set(zip(index.width, index.height, strict=True)) == {(96, 80)} and index.group.nunique() == 10
    assert index.phash.str.fullmatch("[0-9a-f]{16}").all()


def test_unreadable_files_are_left_out_with_their_reason(paintings):
    folder = paintings / STYLE_FOLDER
    whole = (folder / "painter-0_picture-g.jpg").read_bytes()
    (folder / "a_cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "b_text.JPG").write_text("no picture", encoding="utf-8")
    (folder / "c_empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no matter", encoding="utf-8")
    (folder / ".hidden.jpg").write_text("no matter", encoding="utf-8")
    index, quarantine = index_of(paintings)
    assert list(quarantine) == ["path", "reason"] and len(index) == 10
    assert [path.split("/")[1] for path in quarantine.path] == ["a_cut.jpg", "b_text.JPG", "c_empty.png"]
    assert "truncated" in quarantine.reason[0] or "Truncated" in quarantine.reason[0]
    assert quarantine.reason[1].startswith("its format is unknown") and quarantine.reason[2] == "it is empty"
    assert not quarantine.reason.str.contains("\n").any()
    assert list(index.index) == list(range(10)) and not set(index.path) & set(quarantine.path)


def test_a_broken_png_is_left_out_too(paintings):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = paintings / STYLE_FOLDER / "a_chunk.png"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    second = whole.index(b"IDAT", whole.index(b"IDAT") + 4)
    path.write_bytes(whole[:second] + b"\x00\x01\x02\x03" + whole[second + 4 :])
    assert index_of(paintings)[1].path.tolist() == ["Post_Impressionism/a_chunk.png"]


def test_bad_folders_are_one_sentence_each(tmp_path, make_paintings):
    with pytest.raises(
        ValueError, match=r"has no folder Post_Impressionism; give the folder that holds it and classes.csv$"
    ):
        index_of(tmp_path)
    (tmp_path / STYLE_FOLDER).mkdir()
    with pytest.raises(
        ValueError, match=r"Post_Impressionism holds no pictures \(JPEG, PNG, .*\); give a folder that does$"
    ):
        index_of(tmp_path)
    make_paintings(tmp_path / STYLE_FOLDER, van_goghs=0)
    with pytest.raises(
        ValueError, match=r"Post_Impressionism holds no painting by Vincent van Gogh; give a folder with"
    ):
        index_of(tmp_path)
    make_paintings(tmp_path / "alone" / STYLE_FOLDER, others=0)
    with pytest.raises(ValueError, match=r"holds paintings by Vincent van Gogh alone; .*and other paintings$"):
        index_of(tmp_path / "alone")


def test_a_list_that_gives_all_his_paintings_to_another_is_named(paintings):
    names = [path.name for path in (paintings / STYLE_FOLDER).glob("*")]
    (paintings / "classes.csv").write_text("filename,artist\n" + "".join(f"{name},Vincent Gough\n" for name in names))
    with pytest.raises(ValueError, match=r"by classes\.csv .* but .*vincent.*, which it gives to 'vincent gough'"):
        index_of(paintings)


def test_a_class_of_unreadable_files_alone_is_missing(paintings):
    for path in (paintings / STYLE_FOLDER).glob("vincent*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^the readable part of .* holds no painting by Vincent van Gogh"):
        index_of(paintings)


def test_a_sample_keeps_the_proportion_and_the_seed(tmp_path, make_paintings):
    make_paintings(tmp_path / STYLE_FOLDER, van_goghs=8, others=16, size=(20, 16))
    first, again, other = (index_of(tmp_path, max_paintings=12, seed=seed)[0] for seed in (1, 1, 2))
    assert first.label.tolist().count(1) == 4 and len(first) == 12 and first.path.is_monotonic_increasing
    assert first.path.tolist() == again.path.tolist() != other.path.tolist()
    assert len(index_of(tmp_path, max_paintings=100)[0]) == 24
    for number in (1, 23):
        with pytest.raises(ValueError, match=rf"^max_paintings={number} cannot be drawn \(.*\); 0 takes all$"):
            index_of(tmp_path, max_paintings=number)


def test_the_index_is_the_same_without_a_cache_and_in_small_portions(paintings, monkeypatch):
    (paintings / STYLE_FOLDER / "a_empty.png").write_bytes(b"")
    index, quarantine = index_of(paintings)
    assert len(list((paintings / "cache").rglob("*.npy"))) == 10
    monkeypatch.setattr("vg_helpers.data.paintings.WAITING", 3)
    again = index_paintings(paintings, None)
    assert again[0].equals(index) and again[1].equals(quarantine)
    assert len(list(paintings.rglob("*.npy"))) == 10


def test_progress_sees_every_painting(paintings):
    seen = []
    index_of(paintings, progress=lambda jobs, total: seen.append(total) or jobs)
    assert seen == [10]


def test_the_overview_counts_and_the_examples_are_of_both_classes(paintings):
    index, quarantine = index_of(paintings)
    numbers = overview(index, quarantine).set_index("counted").number
    assert numbers.tolist() == ["10", "4", "4", "40.0%", "0"] and numbers.index[2] == "Van Gogh"
    assert examples(index, 3).label.tolist() == [1, 1, 1, 0, 0, 0]
    assert examples(index, 3).path.tolist() == examples(index, 3).path.tolist() != examples(index, 3, 1).path.tolist()


def test_what_is_written_is_read_back_as_it_was(paintings):
    (paintings / STYLE_FOLDER / "vincent-van-gogh_picture-a.jpg").rename(
        paintings / STYLE_FOLDER / "vincent-van-gogh_013.jpg"
    )
    index, quarantine = index_of(paintings)
    counts = write_index(paintings, index, quarantine, leaked=3)
    assert counts == read_json(paintings / "counts.json") == {
        "paintings": 10, "van_gogh": 4, "quarantined": 0, "groups": 10, "leaked": 3,
    }  # fmt: skip
    again = read_csv(paintings / "index.csv")
    assert again.values.tolist() == index.values.tolist() and "013" in again.title.tolist()
    assert read_csv(paintings / "quarantine.csv").empty
