"""labels: lists in the forms in which people save them, artists in the forms in which they are spelt."""

import unicodedata

import pandas as pd
import pytest
from PIL import Image
from stand_ins import blotches

from vg_helpers.data.labels import (
    ARTIST,
    STYLE_FOLDER,
    artist_of,
    contradictions,
    label_paintings,
    numbered_artists,
    read_classes,
    split_name,
)
from vg_helpers.data.paintings import index_paintings, list_paintings

ROWS = [("vincent-van-gogh_a.jpg", "Vincent van Gogh"), ("paul-gauguin_b, c.jpg", "paul gauguin")]


@pytest.fixture
def folder(tmp_path):
    """A data folder with the two paintings of ROWS, and no list."""
    (tmp_path / STYLE_FOLDER).mkdir()
    for number, (name, _) in enumerate(ROWS):
        Image.fromarray(blotches(number, (30, 20))).save(tmp_path / STYLE_FOLDER / name)
    return tmp_path


def labelled(folder):
    return label_paintings(list_paintings(folder), folder).set_index("path")


def text_of(separator=",", columns=("filename", "artist"), place=f"{STYLE_FOLDER}/", rows=ROWS):
    lines = [columns, *((f'"{place}{name}"', artist) for name, artist in rows)]
    return "\n".join(separator.join(line) for line in lines) + "\n"


LISTS = {
    "commas": text_of().encode(),
    "semicolons": text_of(";").encode(),
    "tabs": text_of("\t").encode(),
    "bars": text_of("|").encode(),
    "excel": b"sep=;\r\n" + text_of(";").replace("\n", "\r\n").encode(),
    "mark": b"\xef\xbb\xbf" + text_of().encode(),
    "utf-16": text_of().encode("utf-16"),
    "utf-16 without its mark": text_of("\t").encode("utf-16-le"),
    "utf-16 the other way round": text_of("\t").encode("utf-16-be"),
    "old Mac": text_of().replace("\n", "\r").encode(),
    "other columns": text_of(columns=("Image Path", "Painter")).encode(),
    "capitals": text_of(columns=(" Filename ", "ARTIST")).encode(),
    "no header": text_of().split("\n", 1)[1].encode(),
    "backslashes": text_of(place=f"{STYLE_FOLDER}\\").encode(),
    "absolute": text_of(place=f"C:\\wikiart\\{STYLE_FOLDER}\\").encode(),
    "names alone": text_of(place="").encode(),
    "empty lines": text_of().replace("\n", "\n\n").encode(),
    "ragged rows": text_of().replace("gauguin\n", "gauguin,1,2,3\nx.jpg\n").encode(),
}


@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS)
def test_a_list_is_read_in_the_form_in_which_it_was_saved(folder, content):
    (folder / "classes.csv").write_bytes(content)
    frame = read_classes(folder / "classes.csv")
    artists = dict(zip(frame.filename.str.rpartition("/")[2], frame.artist, strict=True))
    assert {name: artists[name] for name, _ in ROWS} == dict(ROWS)
    assert labelled(folder).label.to_dict() == {f"{STYLE_FOLDER}/{ROWS[1][0]}": 0, f"{STYLE_FOLDER}/{ROWS[0][0]}": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_accents_survive_the_encoding(folder, encoding):
    Image.new("RGB", (30, 20)).save(folder / STYLE_FOLDER / "félix-vallotton_été.jpg")
    text = text_of(rows=[*ROWS, ("félix-vallotton_été.jpg", "Félix Édouard Vallotton")])
    (folder / "classes.csv").write_bytes(text.encode(encoding))
    assert labelled(folder).artist[f"{STYLE_FOLDER}/félix-vallotton_été.jpg"] == "félix édouard vallotton"


DEFECTS = {
    "empty": (b"", "is empty; give it the columns filename and artist"),
    "blank": (b"\n \n", "is empty"),
    "zeros": (b"\0" * 40, "is empty"),
    "other columns": (
        b"id,year\n1,1888\n",
        "line 1: no column of id, year names picture files; call",
    ),
    "prose": (b"Dear Sir or Madam\n", "line 1: no column of Dear Sir or Madam names"),
    "unclosed": (
        b'filename,artist\n"a.jpg,x\nb.jpg,y\n',
        "line 2: a quotation mark is opened and never closed",
    ),
    "unclosed later": (b'filename,artist\na.jpg,x\nb.jpg,"y\nc.jpg,"z"\n', "line 3: a quotation mark is opened"),
    "workbook": (b"PK\x03\x04rest", "is an Excel file; save it as CSV"),
    "endless": (b'filename,artist\n"' + b"a\n" * 90000, "line 2: a quotation mark"),
}


def test_a_list_may_leave_out_the_suffix_of_its_files(folder):
    (folder / "classes.csv").write_text("filename;artist\nPost_Impressionism/paul-gauguin_b, c;Vincent van Gogh\n")
    assert labelled(folder).label.all()


def test_a_cell_may_be_long(folder):
    (folder / "classes.csv").write_text(f"filename,artist,note\nvincent-van-gogh_a.jpg,Anna,{'x' * 200_000}\n")
    assert "anna" in set(labelled(folder).artist)


def test_a_list_of_other_files_is_one_sentence(folder):
    (folder / "classes.csv").write_text("filename,artist\nguernica.jpg,Pablo Picasso\n")
    with pytest.raises(ValueError, match=r"classes\.csv lists none of the .* for example guernica\.jpg; correct"):
        labelled(folder)


@pytest.mark.parametrize(("content", "sentence"), DEFECTS.values(), ids=DEFECTS)
def test_a_list_that_cannot_be_understood_is_one_sentence_with_its_name(folder, content, sentence):
    (folder / "classes.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"classes\.csv.*{sentence}") as caught:
        labelled(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "spelling",
    [
        "Vincent van Gogh ",
        "vincent-van-gogh",
        "Vincent_Van_Gogh",
        "VINCENT VAN GOGH",
        "Gogh, Vincent van",
        "van Gogh, Vincent",
        "['vincent van gogh']",
        '["Vincent van Gogh", "Paul Gauguin"]',
        "VincentVanGogh",
        "Vincent  van\tGogh",
        "Vincent Willem van Gogh",
        "V. van Gogh",
        "Vincent van Gogh (1853-1890)",
        "Gogh, Vincent van (Dutch, 1853–1890)",
        "Víncent van Gogh",
        "Van Gogh",
    ],
)
def test_his_name_is_recognised_in_every_spelling(spelling):
    assert artist_of(spelling) == ARTIST


@pytest.mark.parametrize(
    ("spelling", "artist"),
    [
        ("Theo van Gogh", "theo van gogh"),
        ("after Vincent van Gogh", "after vincent van gogh"),
        ("Vincent Van", "vincent van"),
        ("Vangoghstraat", "vangoghstraat"),
        ("Henri de Toulouse-Lautrec", "henri de toulouse-lautrec"),
        ("Gauguin, Paul", "paul gauguin"),
        ("Paul_Gauguin", "paul gauguin"),
        ("22", ""),
        ("['']", ""),
        ("", ""),
    ],
)
def test_nobody_else_is_taken_for_him(spelling, artist):
    assert artist_of(spelling) == artist


@pytest.mark.parametrize(
    ("stem", "artist", "title"),
    [
        ("vincent-van-gogh_the-night-cafe", ARTIST, "the-night-cafe"),
        ("Vincent_van_Gogh_12", ARTIST, "12"),
        ("Vincent van Gogh (3)", ARTIST, "(3)"),
        ("vincent-van-goghs-brother_x", "vincent van goghs brother", "x"),
        ("paul-gauguin_vincent-van-gogh-painting", "paul gauguin", "vincent-van-gogh-painting"),
        ("a\nb_c\udce9", "a b", "cé"),
    ],
)
def test_file_names_give_artist_and_title(stem, artist, title):
    assert split_name(stem) == (artist, title)


def test_class_numbers_name_nobody_and_are_counted(folder):
    (folder / "classes.csv").write_text(text_of(rows=[(ROWS[0][0], "7"), (ROWS[1][0], "22")]), encoding="utf-8")
    assert labelled(folder).label.sum() == 1 and numbered_artists(folder) == 2
    (folder / "classes.csv").write_text(text_of(), encoding="utf-8")
    assert numbered_artists(folder) == 0
    (folder / "classes.csv").unlink()
    assert numbered_artists(folder) == 0


def test_the_row_decides_and_a_contradiction_is_reported(folder):
    rows = [(ROWS[0][0], "Paul Gauguin"), (ROWS[1][0], "Gogh, Vincent van")]
    (folder / "classes.csv").write_text(text_of(rows=rows), encoding="utf-8")
    index = labelled(folder).reset_index()
    assert index.label.tolist() == [1, 0]
    doubts = contradictions(index)
    assert doubts.artist.tolist() == [ARTIST, "paul gauguin"] and doubts.named.tolist() == ["paul gauguin", ARTIST]
    assert doubts.path.tolist() == index.path.tolist()


def test_only_names_that_name_somebody_contradict():
    rows = [
        (f"{STYLE_FOLDER}/IMG_0012.jpg", ARTIST, 1),  # a camera's name
        (f"{STYLE_FOLDER}/12.jpg", ARTIST, 1),
        (f"{STYLE_FOLDER}/henri-matisse_x.jpg", "somebody else", 0),  # not about him
        (f"{STYLE_FOLDER}/rembrandt_x.jpg", ARTIST, 1),  # one word, but known as an artist
        (f"{STYLE_FOLDER}/rembrandt_y.jpg", "rembrandt", 0),
        (f"{STYLE_FOLDER}/vincent-van-gogh_x.jpg", ARTIST, 1),
    ]
    index = pd.DataFrame(rows, columns=["path", "artist", "label"])
    assert contradictions(index).path.tolist() == [f"{STYLE_FOLDER}/rembrandt_x.jpg"]
    assert contradictions(index[:2]).empty


def test_half_a_list_in_slugs_makes_nobody_else_of_him(tmp_path, make_paintings):
    paths = make_paintings(tmp_path / STYLE_FOLDER, van_goghs=4, others=2)
    rows = [(path.name, "vincent-van-gogh") for path in paths if path.name.startswith("vincent")][:2]
    (tmp_path / "classes.csv").write_text(text_of(rows=rows), encoding="utf-8")
    assert labelled(tmp_path).label.sum() == 4


def test_rows_of_other_styles_do_not_count(folder):
    rows = text_of() + f"Cubism/{ROWS[0][0]},Pablo Picasso\n"
    (folder / "classes.csv").write_text(rows, encoding="utf-8")
    assert labelled(folder).label.sum() == 1


@pytest.fixture
def paintings(tmp_path, make_paintings):
    make_paintings(tmp_path / STYLE_FOLDER)
    return tmp_path


def test_the_label_comes_from_the_list_else_from_the_name(paintings):
    folder = paintings / STYLE_FOLDER
    for name in ("Vincent-van-Gogh_a_b.jpg", "paul-gauguin_theo-van-gogh.jpg", "henri-le-fauconnier.jpg"):
        Image.fromarray(blotches(len(name))).save(folder / name)
    listed = pd.DataFrame(
        {
            "filename": [
                f"{STYLE_FOLDER}/{name}"
                for name in ("painter-0_picture-g.jpg", "paul-gauguin_theo-van-gogh.jpg", "x.jpg")
            ],
            "artist": ["Vincent van Gogh ", None, "nobody"],
            "genre": ["['Post Impressionism']"] * 3,
        }
    )
    listed.to_csv(paintings / "classes.csv", index=False)
    index = index_paintings(paintings, paintings / "cache")[0]
    index = index.assign(name=index.path.str.split("/").str[1]).set_index("name")
    assert index.loc["painter-0_picture-g.jpg", ["artist", "label"]].tolist() == ["vincent van gogh", 1]
    assert index.loc["paul-gauguin_theo-van-gogh.jpg", ["artist", "label"]].tolist() == ["paul gauguin", 0]
    assert index.loc["Vincent-van-Gogh_a_b.jpg", ["artist", "title", "label"]].tolist() == [
        "vincent van gogh",
        "a_b",
        1,
    ]
    assert index.loc["henri-le-fauconnier.jpg", ["artist", "title"]].tolist() == ["henri le fauconnier", ""]
    assert len(index) == 13


@pytest.mark.parametrize(("on_disk", "in_list"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_with_accents_match_however_they_are_composed(paintings, on_disk, in_list):
    name = "félix-vallotton_été.jpg"
    Image.fromarray(blotches(1)).save(paintings / STYLE_FOLDER / unicodedata.normalize(on_disk, name))
    listed = {"filename": [unicodedata.normalize(in_list, f"{STYLE_FOLDER}/{name}")], "artist": ["somebody else"]}
    pd.DataFrame(listed).to_csv(paintings / "classes.csv", index=False, encoding="utf-8")
    index, quarantine = index_paintings(paintings, paintings / "cache")
    row = index[index.artist == "somebody else"].iloc[0]
    assert row.title == unicodedata.normalize("NFC", "été") and quarantine.empty
    assert (paintings / row.path).is_file()


def test_a_list_may_give_a_split(folder):
    lines = f"file,Split,artist\n{ROWS[0][0]},Training,\n{ROWS[1][0].replace(',', '')},test,x\n"
    (folder / STYLE_FOLDER / ROWS[1][0]).rename(folder / STYLE_FOLDER / ROWS[1][0].replace(",", ""))
    Image.fromarray(blotches(3, (30, 20))).save(folder / STYLE_FOLDER / "z_c.jpg")
    (folder / "classes.csv").write_text(lines, encoding="utf-8")
    frame = labelled(folder)
    assert frame.split_given.tolist() == ["test", "train", ""]  # the third has no row
    assert frame.artist.tolist() == ["x", ARTIST, "z"]  # a row without an artist leaves it to the file's name
    (folder / "classes.csv").write_text(lines.replace("Split", "subset"), encoding="utf-8")
    assert "split_given" not in labelled(folder)  # WikiArt's list has such a column, which is no protocol of ours
    (folder / "classes.csv").write_text(lines.replace("Training", "north"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"classes\.csv names a split 'north'; write train, val, test or nothing$"):
        labelled(folder)
