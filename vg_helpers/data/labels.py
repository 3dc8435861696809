"""Who painted what: classes.csv in the forms in which people save it, artists in the forms in which they are spelt.

Convention: the artist column decides. A file without a row, or whose row gives a class number in place of a name, is
labelled by its own name, `<artist>_<title>.jpg`. If row and file name contradict each other about Van Gogh, the row
decides, and the contradiction is counted.
"""

import csv
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ..files import printable

STYLE_FOLDER = "Post_Impressionism"
ARTIST = "vincent van gogh"
FILE_COLUMNS = ("filename", "file", "file_name", "path", "image", "image_path", "filepath", "name")
ARTIST_COLUMNS = ("artist", "painter", "artist_name", "author", "creator", "label", "class")
SPLIT_COLUMNS = ("split", "split_given")
SEPARATORS = ",;\t|"
PICTURE = re.compile(r"\.(jpe?g|png|webp|tiff?|bmp)$", re.IGNORECASE)
FORENAMES = {"vincent", "willem", "van", "v"}  # what may stand beside "gogh" if it is to mean him
SPLIT_NAMES = {  # what lists call the parts of a split; "" and the like are paintings that it does not use
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
    "": ("", "0", "-", "none", "nan", "unused"),
}


def read_classes(path: Path) -> pd.DataFrame:
    """Return the columns filename, artist and split of a list of paintings; what is not named is "".

    Commas, semicolons, tabs and bars separate; the columns may have other common names (path, painter, …) or none;
    the text may be UTF-8, UTF-16 or Windows-1252.

    Raises:
        ValueError: if the list cannot be understood; the sentence names file, line and columns.
    """
    text = read_text(path, "filename and artist")
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    lines = [line for line in re.findall(r"[^\r\n]*[\r\n]+|[^\r\n]+", text) if line.strip()]
    if lines and (match := re.fullmatch(r"sep=(.)", lines[0].strip())):  # Excel's way to name the separator
        lines, separators = lines[1:], match[1]
    else:
        separators = SEPARATORS
    if not lines:
        raise ValueError(f"{path} is empty; give it the columns filename and artist, or delete it")
    separator = max(separators, key=lambda mark: len(_split(lines[0], mark)))
    header = _split(lines[0], separator)
    _check_quotes(path, lines, separator, header)
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    file_column, artist_column, first = _columns(path, header)
    known = [cell.casefold() for cell in header]
    split_column = next((known.index(name) for name in SPLIT_COLUMNS if first and name in known), -1)
    width = max(file_column, artist_column, split_column) + 1
    cells = [(row + [""] * width)[:width] for row in rows[first:]]
    files = [row[file_column].strip().replace("\\", "/") for row in cells]
    artists = [row[artist_column].strip() if artist_column >= 0 else "" for row in cells]
    splits = [split_name_of(row[split_column], path) if split_column >= 0 else "" for row in cells]
    frame = pd.DataFrame({"filename": files, "artist": artists, "split": splits}, dtype=object)
    return frame[frame["filename"] != ""].reset_index(drop=True)


def split_name_of(cell: str, path: Path) -> str:
    """Return "train", "val", "test" or "" (not used) for what a list calls a part of its split.

    Raises:
        ValueError: if the list calls it something else.
    """
    for name, words in SPLIT_NAMES.items():
        if cell.strip().casefold() in words:
            return name
    raise ValueError(f"{path} names a split {printable(cell)!r}; write train, val, test or nothing")


def read_text(path: Path, columns: str) -> str:
    """Return the text of a list, whatever its encoding; `columns` says what the list should have."""
    raw = path.read_bytes()
    if raw.startswith(b"PK"):
        raise ValueError(f"{path} is an Excel file; save it as CSV with the columns {columns}")
    return _decode(raw).replace("\0", "")


def _split(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _decode(raw: bytes) -> str:
    """Return the text of a file; a line that is not UTF-8 counts as Windows-1252, as in old copies of one data set."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    for odd, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if raw[odd:40:2].count(0) > 10:  # without its mark
            return raw.decode(encoding, errors="replace")
    lines = raw.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    return "".join(map(_decode_line, lines))


def _decode_line(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _check_quotes(path: Path, lines: list[str], separator: str, header: list[str]) -> None:
    """Raise a ValueError if a quotation mark is not closed on its line: the lines after it would become one cell."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    start, done = 1, False
    while not done:
        try:
            done = next(reader, None) is None
        except csv.Error as error:  # within one line, text after a closing quotation mark is read as it stands
            if reader.line_num > start or "unexpected end" in str(error):
                raise ValueError(
                    f"{path}, line {start}: a quotation mark is opened and never closed (columns "
                    f"{_shown(header)}); close it or delete the line"
                ) from None
        start = reader.line_num + 1


def _shown(header: list[str]) -> str:
    return printable(", ".join(header))[:200]


def _columns(path: Path, header: list[str]) -> tuple[int, int, int]:
    """Return the numbers of the file's and the artist's column (-1: none) and of the first row with data."""
    known = [re.sub(r"[\s-]+", "_", cell.casefold()) for cell in header]
    file_column = next((known.index(name) for name in FILE_COLUMNS if name in known), -1)
    artist_column = next((known.index(name) for name in ARTIST_COLUMNS if name in known), -1)
    if file_column >= 0:
        return file_column, artist_column, 1
    pictures = [number for number, cell in enumerate(header) if PICTURE.search(cell)]
    if len(pictures) == 1 and len(header) <= 2:  # no header: a picture, and beside it who painted it
        return pictures[0], 1 - pictures[0] if len(header) == 2 else -1, 0
    raise ValueError(
        f"{path}, line 1: no column of {_shown(header)} names picture files; "
        "call the columns filename and artist, or delete the file to label the paintings by their names"
    )


def artist_of(spelling: str) -> str:
    """Return an artist in lower case, as WikiArt's list has it; a number is no name and becomes "".

    >>> [artist_of(name) for name in ("Gogh, Vincent van", "['vincent van gogh']", "Paul_Gauguin", "22")]
    ['vincent van gogh', 'vincent van gogh', 'paul gauguin', '']
    """
    first = re.split(r"""['"]\s*,\s*['"]""", spelling)[0]
    name = " ".join(first.strip(" []'\"\t\n").casefold().split())
    if not re.search(r"[^\W\d_]", name):
        return ""
    if is_van_gogh(name):
        return ARTIST
    if re.fullmatch(r"[^,]+, [^,]+", name):
        name = " ".join(reversed(name.split(", ")))
    return name if " " in name else name.replace("_", " ").replace("-", " ")


def is_van_gogh(name: str) -> bool:
    """Return whether a name, in any spelling, is Vincent van Gogh's and nobody else's, such as his brother's.

    >>> [is_van_gogh(name) for name in ("VincentVanGogh", "V. van Gogh", "theo van gogh", "after Vincent van Gogh")]
    [True, True, False, False]
    """
    plain = unicodedata.normalize("NFKD", re.sub(r"\(.*?\)", " ", name.casefold()))  # (Dutch, 1853-1890)
    words = re.findall(r"[a-z]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return "".join(words) == "vincentvangogh" or ("gogh" in words and set(words) - {"gogh"} <= FORENAMES)


def label_paintings(paths: list[Path], data_dir: Path) -> pd.DataFrame:
    """Return path, artist, title, label of the painting files, and split_given if the list of paintings has a split."""
    listed, rows, splits = _listed(data_dir / "classes.csv"), [], []
    artists = {key: artist for key, artist in zip(listed["key"], listed["artist"], strict=True) if artist}
    given = dict(zip(listed["key"], listed["split"], strict=True))
    if artists and not {_key(name) for path in paths for name in (path.name, path.stem)} & artists.keys():
        raise ValueError(
            f"{data_dir / 'classes.csv'} lists none of the {len(paths)} files in {STYLE_FOLDER}, but for example "
            f"{printable(next(iter(artists)))}; correct its file names, or delete it"
        )
    for path in paths:
        artist, title = split_name(path.stem)
        artist = artists.get(_key(path.name)) or artists.get(_key(path.stem), artist)  # some lists leave .jpg out
        rows.append((path.relative_to(data_dir).as_posix(), artist, title, int(artist == ARTIST)))
        splits.append(given.get(_key(path.name), given.get(_key(path.stem), "")))
    frame = pd.DataFrame(rows, columns=["path", "artist", "title", "label"], dtype=object).astype({"label": int})
    return frame.assign(split_given=pd.Series(splits, dtype=object)) if any(given.values()) else frame


def split_name(stem: str) -> tuple[str, str]:
    """Return artist and title of a file name.

    >>> split_name("paul-gauguin_two-women"), split_name("Vincent_van_Gogh_12")
    (('paul gauguin', 'two-women'), ('vincent van gogh', '12'))
    """
    name = printable(unicodedata.normalize("NFC", _decode_line(os.fsencode(stem))))
    if match := re.match(r"vincent[-_ ]van[-_ ]gogh(?=[_ (\d]|$)[_ ]?", name, re.IGNORECASE):
        return ARTIST, name[match.end() :]
    artist, _, title = name.partition("_")
    return ARTIST if is_van_gogh(artist) else artist.replace("-", " ").casefold(), title


def _listed(path: Path) -> pd.DataFrame:
    """Return key (of the file name), artist and split, without the rows that name neither."""
    if not path.is_file():
        return pd.DataFrame({"key": [], "artist": [], "split": []}, dtype=object)
    rows = read_classes(path)
    folders = [PurePosixPath(name).parent.name for name in rows["filename"]]
    if STYLE_FOLDER in folders:  # the list of all styles: a file of this name may lie in another folder too
        rows = rows[[folder == STYLE_FOLDER for folder in folders]]
    keys = [_key(PurePosixPath(name).name) for name in rows["filename"]]
    rows = rows.assign(key=keys, artist=rows["artist"].map(artist_of))
    return rows.loc[(rows["artist"] != "") | (rows["split"] != ""), ["key", "artist", "split"]]


def _key(name: str) -> str:
    """Return a file name in the form in which a list and a disk agree on it."""
    return unicodedata.normalize("NFC", _decode_line(os.fsencode(name))).casefold()


def contradictions(index: pd.DataFrame) -> pd.DataFrame:
    """Return the paintings whose row names Van Gogh and whose file name another artist, or the reverse.

    The columns are path, artist (of the row, which decides the label) and named (the artist in the file name). A file
    name without an artist, such as IMG_0012, contradicts nothing.
    """
    named = [split_name(PurePosixPath(path).stem)[0] for path in index["path"]]
    artists = set(index["artist"])
    is_artist = [name in artists or bool(re.search(r"[^\W\d_] [^\W\d_]", name)) for name in named]
    differ = [(name == ARTIST) != bool(label) for name, label in zip(named, index["label"], strict=True)]
    rows = index.assign(named=named)[np.array(is_artist, dtype=bool) & np.array(differ, dtype=bool)]
    return rows[["path", "artist", "named"]].reset_index(drop=True)


def numbered_artists(data_dir: Path) -> int:
    """Return how many rows of classes.csv give a class number in place of an artist; file names label these."""
    path = data_dir / "classes.csv"
    artists = read_classes(path)["artist"] if path.is_file() else []
    return sum(artist != "" and artist_of(artist) == "" for artist in artists)
