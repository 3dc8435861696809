"""lists: the public lists as they are, others with usual names, and file names that no list can lead elsewhere."""

import re

import pytest

from vg_helpers.data.labels import ARTIST, artist_of
from vg_helpers.data.lists import file_name, read_list

# The header and the form of the rows of data/images.csv of LMIGroupIntl/VanGoghComputerVision.
RUNS = ",".join(f"run_{run},run_{run}_train_{'val_test' if run == 1 else 'test'}_images" for run in range(1, 8))
REPRODUCTION = f'''\
id,title,alt_titles,hash,year,artist_name,src,width_px,height_px,faille_id,hulsker_id,\
is_wikiart_vangogh_oil_painting,is_lmi_concordance_vangogh_oil_painting,exclude_from_training,{RUNS}
43,"Dunes, with ""Figures""",,86.jpg,1881,Vincent van Gogh,https://h.org/a/dunes-1882(1).jpg,10,7,,,TRUE,FALSE,FALSE,\
1,train,0,0,0,0,0,0,0,0,0,0,0,0
44,Weaver,,87.jpg,1884,Vincent van Gogh,https://h.org/a/weaver-1884.jpg,10,7,,,TRUE,FALSE,FALSE,\
1,val,0,0,1,test,0,0,0,0,0,0,0,0
45,The Cove,,88.jpg,,Maurice Prendergast,https://h.org/b/the-cove.jpg,10,7,,,FALSE,FALSE,FALSE,\
1,test,0,0,1,train,0,0,0,0,0,0,0,0
46,Idol,,89.jpg,,Vincent van Gogh,https://h.org/a/idol.jpg,10,7,,,FALSE,FALSE,TRUE,0,0,0,0,0,0,0,0,0,0,0,0,0,0
'''


@pytest.fixture
def write(tmp_path):
    def written(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return written


def test_the_list_of_the_reproduction_is_read_with_its_first_run(write):
    rows = read_list(write(REPRODUCTION))
    assert rows.columns.tolist() == ["filename", "artist", "split", "url"]
    assert rows["split"].tolist() == ["train", "val", "test"]  # the row that no run uses is left out
    assert rows["filename"].tolist() == [
        "Post_Impressionism/vincent-van-gogh_dunes-1882(1).jpg",
        "Post_Impressionism/vincent-van-gogh_weaver-1884.jpg",
        "Post_Impressionism/maurice-prendergast_the-cove.jpg",
    ]
    assert rows["artist"].map(artist_of).tolist() == [ARTIST, ARTIST, "maurice prendergast"]
    assert rows["url"][0] == "https://h.org/a/dunes-1882(1).jpg"


@pytest.mark.parametrize("name", ["run_3", "Run_3_train_test_images"])
def test_another_run_is_chosen_by_its_column(write, name):
    assert read_list(write(REPRODUCTION), name)["split"].tolist() == ["test", "train"]


def test_a_column_without_a_split_is_refused(write):
    for name in ("run_9", "run", "width_px_"):
        with pytest.raises(ValueError, match=rf"has no single column {name}; name its split among id, title"):
            read_list(write(REPRODUCTION), name)


def test_the_list_of_vgdb_names_addresses_and_artists_and_no_split(write):
    header = "PageID,DescriptionURL,ImageURL,ImageSHA1,PixelHeight,PixelWidth,PaintingID,Artist"
    rows = read_list(write(f"{header}\n9,https://c/9,https://c/File%3AA%20b.JPG,ab,1,2,F 1,Vincent van Gogh\n"))
    assert rows.loc[0].tolist() == [
        "Post_Impressionism/vincent-van-gogh_file-a-b.jpg", "Vincent van Gogh", "", "https://c/File%3AA%20b.JPG",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "url,label,split\nhttp://h/a.png,1,train\nhttp://h/b.png,0,test\n",
        "URL;Label;Subset\nhttp://h/a.png;van_gogh;Training\nhttp://h/b.png;Other;testing\n",
        "label\tsplit\tlink\nVG\ttrain\thttp://h/a.png\nnvg\ttest\thttp://h/b.png\n",
        "image url,authentic,partition,artist\nhttp://h/a.png,TRUE,train,\nhttp://h/b.png,FALSE,test,Paul Signac\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_other_names_separators_and_encodings(write, text, encoding):
    rows = read_list(write(text, encoding))
    assert rows["url"].tolist() == ["http://h/a.png", "http://h/b.png"]
    assert rows["split"].tolist() == ["train", "test"]
    assert [artist_of(artist) == ARTIST for artist in rows["artist"]] == [True, False]


def test_a_row_that_comes_twice_counts_once_and_names_that_meet_are_told_apart(write):
    text = "url,artist\nhttp://h/1/a.jpg,X\nhttp://h/2/A.jpg,X\nhttp://h/1/a.jpg,Y\n,X\n,X\n"
    names = read_list(write(text))["filename"].tolist()
    assert len({name.casefold() for name in names}) == len(names) == 4
    assert all(re.fullmatch(r"Post_Impressionism/x_a-[0-9a-f]{8}\.jpg", name) for name in names[:2])
    lines = text.splitlines()
    again = read_list(write("\n".join([lines[0], lines[2], lines[1]])))["filename"].tolist()
    assert again == names[1::-1]  # a name depends on the address, not on the place in the list


@pytest.mark.parametrize(
    "url",
    [
        "http://h/../../etc/passwd",
        "http://h/..%2f..%2fx.jpg",
        "..\\..\\x.png",
        "C:\\x.png",
        "http://h/",
        "http://[",
        "x" * 900,
        "http://h/con.jpg",
        "http://h/a%00b.jpg",
    ],
)
@pytest.mark.parametrize("artist", ["../..", "", "A/B\\C", "é" * 300])
def test_no_name_leaves_the_folder(url, artist):
    name = file_name(artist, url)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_()-]*\.(jpg|png)", name) and "_" in name and len(name) < 160


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" \n", "is empty; give it the columns url"),
        ("id,year\n1,2\n", "has the columns id, year, which name no addresses, or no artists; call them url, artist"),
        ("url\nhttp://h/a.jpg\n", "or no artists"),
        ("url,artist\n", "lists no pictures"),
        ("url,label\nhttp://h/a.jpg,maybe\n", "has the label 'maybe'; write 1 for Van Gogh and 0 for others"),
        ("url,artist,split\nhttp://h/a.jpg,x,north\n", "names a split 'north'; write train, val, test or nothing"),
        ('url,artist\n"http://h/a.jpg,x\nb,y\n', "cannot be read as a list"),
        ("url,artist\na,b,c,d\na\n", "row 2: more cells than the header has; put texts with ',' in quotes"),
        ("PK\x03\x04", "is an Excel file"),
    ],
)
def test_a_list_that_cannot_be_understood_is_one_sentence(write, text, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_list(write(text))
    assert "list.csv" in str(caught.value) and "\n" not in str(caught.value)
