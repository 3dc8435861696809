"""Lists of pictures with address, artist and split, such as the public lists that studies publish with their results.

Convention: a list is read without touching the network. Every row gets the name of a file in Post_Impressionism/, which
depends on the row alone and holds nothing but letters, digits, dots, dashes and brackets: no list can name a file
elsewhere.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pandas as pd

from ..files import fingerprint, printable, short_name
from ..images import SUFFIXES
from .labels import ARTIST, SEPARATORS, STYLE_FOLDER, read_text, split_name_of

COLUMNS = "url, artist (or label) and split"
URL_COLUMNS = ("url", "src", "image_url", "imageurl", "link", "href", "image", "file", "filename", "path")
ARTIST_COLUMNS = ("artist", "artist_name", "painter", "author", "creator")
LABEL_COLUMNS = ("label", "class", "target", "is_van_gogh", "van_gogh", "authentic")
SPLIT_COLUMNS = ("split", "split_given", "subset", "partition", "set", "run_1_train_val_test_images")
VAN_GOGH = {"1", "true", "yes", "vg", "vangogh", "authentic"}  # in a column of labels, without spaces and dashes
OTHERS = {"0", "false", "no", "nvg", "other", "others", "nonvangogh", "notvangogh", "imitation", "contrast"}


def read_list(path: Path, split_column: str = "") -> pd.DataFrame:
    """Return filename, artist, split and url of the pictures that a list names; "" is what it does not say.

    If the list has a split, rows that the split does not use are left out. Of rows with the same address the first
    counts.

    Args:
        split_column: the column that holds the split, or its beginning ("run_3"); "" looks for a usual name.

    Raises:
        ValueError: if the list cannot be understood; the sentence names file and columns.
    """
    table = _read_table(path)
    url_column = _column(table, URL_COLUMNS)
    artist_column, label_column = _column(table, ARTIST_COLUMNS), _column(table, LABEL_COLUMNS)
    if not url_column or not (artist_column or label_column):
        raise ValueError(
            f"{path} has the columns {_shown(table)}, which name no addresses, or no artists; call them {COLUMNS}"
        )
    rows = pd.DataFrame({"url": table[url_column].str.strip()})
    rows["artist"] = table[artist_column].str.strip() if artist_column else ""
    if label_column:
        labels = [_artist_of_label(cell, path) for cell in table[label_column]]
        rows["artist"] = [_decided(label, artist) for label, artist in zip(labels, rows["artist"], strict=True)]
    split = _split_column(table, path, split_column)
    rows["split"] = [split_name_of(cell, path) for cell in table[split]] if split else ""
    if (rows["split"] != "").any():
        rows = rows[rows["split"] != ""]
    rows = rows[(rows["url"] == "") | ~rows["url"].duplicated()].reset_index(drop=True)
    if rows.empty:
        raise ValueError(f"{path} lists no pictures; give it rows with {COLUMNS}")
    return rows.assign(filename=_file_names(rows))[["filename", "artist", "split", "url"]]


def _read_table(path: Path) -> pd.DataFrame:
    """Return the list's cells as text, under its column names in lower case."""
    text = read_text(path, COLUMNS)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    lines = io.StringIO(text.strip())
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True) if any(row)]
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a list ({error}); give it the columns {COLUMNS}") from None
    if not rows:
        raise ValueError(f"{path} is empty; give it the columns {COLUMNS}")
    header = [re.sub(r"[\s-]+", "_", cell.strip().casefold()) for cell in rows[0]]
    for number, row in enumerate(rows[1:], start=2):
        if any(row[len(header) :]):
            raise ValueError(
                f"{path}, row {number}: more cells than the header has; put texts with {separator!r} in quotes"
            )
    cells = [(row + [""] * len(header))[: len(header)] for row in rows[1:]]
    table = pd.DataFrame(cells, columns=header, dtype=object)
    return table.loc[:, ~table.columns.duplicated()]


def _column(table: pd.DataFrame, names: Sequence[str]) -> str:
    return next((name for name in names if name in table), "")


def _shown(table: pd.DataFrame) -> str:
    return printable(", ".join(table.columns))[:200]


def _split_column(table: pd.DataFrame, path: Path, name: str) -> str:
    """Return the column of the split: the named one, one whose name begins so and that holds one, or a usual one."""
    if not name:
        return _column(table, SPLIT_COLUMNS)
    name = name.casefold()
    longer = [column for column in table if column.startswith(f"{name}_") and (table[column] == "train").any()]
    matches = [name] if name in table and not longer else longer
    if len(matches) != 1:
        raise ValueError(f"{path} has no single column {printable(name)}; name its split among {_shown(table)}")
    return matches[0]


def _artist_of_label(cell: str, path: Path) -> str:
    """Return the artist that a label means."""
    word = re.sub(r"[\s_-]+", "", cell.casefold())
    if word in VAN_GOGH:
        return ARTIST
    if word in OTHERS or not word:
        return "other" if word else ""
    raise ValueError(f"{path} has the label {printable(cell)!r}; write 1 for Van Gogh and 0 for others")


def _decided(label: str, artist: str) -> str:
    """Return the artist's name, or what the label says if there is no name or the label is Van Gogh."""
    return label if label == ARTIST or not artist else artist


def _file_names(rows: pd.DataFrame) -> list[str]:
    """Return "Post_Impressionism/<artist>_<title>.jpg" by row; where names meet, each gets a mark of its address."""
    names = [file_name(row.artist, row.url) for row in rows.itertuples()]
    same = pd.Series([name.casefold() for name in names]).duplicated(keep=False)
    return [
        f"{STYLE_FOLDER}/{_marked(name, fingerprint(url or number)) if twice else name}"
        for number, (name, url, twice) in enumerate(zip(names, rows["url"], same, strict=True))
    ]


def file_name(artist: str, url: str) -> str:
    """Return the name of the file in which a picture is kept.

    >>> file_name("Vincent van Gogh", "https://host/vincent-van-gogh/dunes-1882(1).jpg")
    'vincent-van-gogh_dunes-1882(1).jpg'
    """
    with suppress(ValueError):  # no address at all, such as http://[
        url = unquote(urlsplit(url).path)
    file = PurePosixPath(url.replace("\\", "/"))
    suffix = file.suffix.casefold() if file.suffix.casefold() in SUFFIXES else ".jpg"
    title, painter = _plain(file.stem) or "untitled", short_name(_plain(artist), 60) or "unknown"
    return f"{painter}_{short_name(title.removeprefix(f'{painter}_'), 80)}{suffix}"


def _marked(name: str, mark: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{mark[:8]}{dot}{suffix}"


def _plain(text: str) -> str:
    """Return a text as part of a file's name, in lower case.

    >>> _plain("Félix Vallotton"), _plain("../étude 1887(1)!Large")
    ('felix-vallotton', 'etude-1887(1)-large')
    """
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9_()]+", "-", letters).strip("-_")
