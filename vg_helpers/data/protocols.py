"""Public protocols: paintings with the split that a study published, laid out for notebook 01.

Convention: every protocol gets a folder of its own, with classes.csv (filename, artist, split, url), the paintings in
Post_Impressionism/, fetched.csv (what lies there, from where, of which size) and missing.csv (what is not there, why).
"""

import csv
import errno
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ..files import read_csv, write_csv
from ..images import SHORT_SIDE, SUFFIXES, ImageError, open_image
from .download import MAX_BYTES, NO_ANSWER, Downloader
from .fetch import fetch_all
from .labels import ARTIST, STYLE_FOLDER, is_van_gogh
from .lists import file_name, read_list

RECORD = ("filename", "url", "bytes")
VGDB = "gfolego/vangogh"  # on Kaggle, CC BY 4.0
VGDB_SIZES = {"train": 264, "test": 67}
VGDB_ARCHIVE = "vgdb_2016.zip of https://doi.org/10.6084/m9.figshare.3370627"
VGDB_FILE = re.compile(r"(n?vg)_(\d+)", re.IGNORECASE)  # Van Gogh or not, and the page's number on Wikimedia Commons


def fetch_list(
    path: Path, data_dir: Path, split_column: str = "", *, limit: int | None = None, **options: float
) -> pd.DataFrame:
    """Return what could not be fetched (filename, reason) of the pictures that a list names (`lists.read_list`).

    Args:
        limit: only this many, the same ones for the same number, in a mixed order.
        options: num_threads, wait, max_bytes; see `fetch_rows`.
    """
    rows = read_list(path, split_column)
    if limit:
        rows = rows.sample(frac=1, random_state=42).head(limit)
    return fetch_rows(rows, path.parent, data_dir, source=f"the addresses in {path.name}", **options)


def fetch_rows(
    rows: pd.DataFrame,
    root: Path,
    data_dir: Path,
    *,
    source: str,
    num_threads: int = 4,
    wait: float = 2.0,
    max_bytes: int = MAX_BYTES,
) -> pd.DataFrame:
    """Return what could not be fetched (filename, reason); what lies in its place from an earlier run is skipped.

    Args:
        rows: columns filename, artist, split, url.
        root: the folder below which files without http(s) must lie.
        wait: seconds before a second try, twice as long each time.

    Raises:
        ValueError: if `data_dir` holds other paintings, no server answers any more, or the disk is full.
    """
    _check_folder(data_dir)
    record = _read_record(data_dir)
    write_csv(data_dir / "classes.csv", rows)
    urls = dict(zip(rows["filename"], rows["url"], strict=True))
    open_ones = [name for name in urls if not _is_done(data_dir / name, urls[name], record.get(name))]
    for name in open_ones:  # what lies there is another file, or a part of one
        (data_dir / name).unlink(missing_ok=True)
    downloader = Downloader(root, wait, max_bytes)

    def fetch_one(name: str) -> str:
        try:
            return downloader.fetch(urls[name], data_dir / name)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            return str(error)

    try:
        return fetch_all(
            open_ones,
            fetch_one,
            data_dir,
            downloader.stop,
            int(num_threads),
            done=len(urls) - len(open_ones),
            source=source,
            gone=lambda reason: reason.startswith(NO_ANSWER),
        )
    finally:
        here = {name: url for name, url in urls.items() if (data_dir / name).is_file()}
        record |= {name: (url, (data_dir / name).stat().st_size) for name, url in here.items()}
        lines = [(name, *entry) for name, entry in sorted(record.items())]
        write_csv(data_dir / "fetched.csv", pd.DataFrame(lines, columns=RECORD))


def _check_folder(data_dir: Path) -> None:
    """Make sure that the folder is a protocol's own; it is marked at once, so that a killed run knows it again."""
    if (data_dir / "fetched.csv").is_file():
        return
    if (data_dir / STYLE_FOLDER).is_dir() or (data_dir / "classes.csv").is_file():
        raise ValueError(f"{data_dir} holds other paintings; name an empty folder with --data-dir")
    write_csv(data_dir / "fetched.csv", pd.DataFrame(columns=RECORD))


def _read_record(data_dir: Path) -> dict[str, tuple[str, int]]:
    """Return address and size by name of what the last run left in the folder."""
    frame = read_csv(data_dir / "fetched.csv", text=("filename", "url"))
    return {row.filename: (row.url, int(row.bytes)) for row in frame.itertuples()}


def _is_done(target: Path, url: str, record: tuple[str, int] | None) -> bool:
    """Return whether a file is in its place: recorded with this address and size, or a picture left by a killed run."""
    if not target.is_file():
        return False
    if record:
        return record == (url, target.stat().st_size)
    try:
        open_image(target, at_least=SHORT_SIDE)
    except ImageError:
        return False
    return True


def fetch_vgdb(data_dir: Path, copy: Path | None = None, **options: float) -> pd.DataFrame:
    """Return what is missing (filename, reason) of VGDB-2016 (Folego et al., ICIP 2016), after laying it out.

    Args:
        copy: a folder with the set, or its archive; None fetches it from Kaggle, which keeps its copy in
            ~/.cache/kagglehub and continues an interrupted download.
        options: num_threads; see `fetch_rows`.

    Raises:
        ValueError: if Kaggle does not answer, or the copy holds no paintings of the set.
    """
    source = copy or _kaggle_copy()
    staging = data_dir / ".fetch"
    try:
        folder = _unpacked(source, staging)
        rows = vgdb_rows(folder)
        if rows.empty:
            raise ValueError(
                f"{source} holds no pictures such as train/vg_9103139.png; download {VGDB_ARCHIVE} and name it with "
                "--from"
            )
        missing = fetch_rows(rows, folder, data_dir, source=str(source), **options)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _with_gaps(missing, rows, data_dir)


def _kaggle_copy() -> Path:
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(VGDB))
    except Exception as error:  # kagglehub raises errors of requests and a dozen of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"kaggle.com/datasets/{VGDB} cannot be downloaded ({reason}): check the network and run the same command "
            f"again, or download {VGDB_ARCHIVE} and name it with --from"
        ) from None


def _unpacked(source: Path, staging: Path) -> Path:
    """Return a folder with the set's files; the wanted members of archives are unpacked into `staging`."""
    if not source.exists():
        raise ValueError(f"{source} does not exist; name the unpacked VGDB-2016 or its archive")
    archives = [source] if source.is_file() else sorted(source.rglob("*.zip"))
    if source.is_dir() and (not archives or len(vgdb_rows(source))):
        return source
    for path in archives:
        try:
            with zipfile.ZipFile(path) as archive:
                for member, part in _members(archive, path.stem):
                    (staging / part).mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as inside, (staging / part / Path(member).name).open("wb") as out:
                        shutil.copyfileobj(inside, out, 1 << 20)
        except zipfile.BadZipFile:
            raise ValueError(f"{path} is not a whole zip archive; download it again") from None
    return staging


def _members(archive: zipfile.ZipFile, stem: str) -> Iterator[tuple[str, str]]:
    """Yield the wanted members of an archive and the folder for each: train, test or "" for the list of artists."""
    for member in archive.namelist():
        path = Path(member)
        part = _part_of(Path(stem, member))
        if part and VGDB_FILE.fullmatch(path.stem) and path.suffix.casefold() in SUFFIXES:
            yield member, part
        elif path.suffix.casefold() == ".csv":
            yield member, "."


def _part_of(path: Path) -> str:
    """Return train or test if a folder of the path is called so, else "": folder check holds debated paintings."""
    return next((name for name in reversed(path.parts[:-1]) if name in VGDB_SIZES), "")


def vgdb_rows(folder: Path) -> pd.DataFrame:
    """Return filename, artist, split and url (the file below `folder`) of the paintings of a copy of VGDB-2016."""
    artists = _vgdb_artists(folder)
    rows = []
    for path in sorted(folder.rglob("*")):
        part, match = _part_of(path.relative_to(folder)), VGDB_FILE.fullmatch(path.stem)
        if not part or not match or path.suffix.casefold() not in SUFFIXES:
            continue
        listed = artists.get(match[2], "")
        other = listed if listed and not is_van_gogh(listed) else "other"
        artist = ARTIST if match[1].casefold() == "vg" else other
        name = f"{STYLE_FOLDER}/{file_name(artist, path.name)}"
        rows.append((name, artist, part, path.relative_to(folder).as_posix()))
    frame = pd.DataFrame(rows, columns=["filename", "artist", "split", "url"], dtype=object)
    return frame.drop_duplicates("filename", ignore_index=True)


def _vgdb_artists(folder: Path) -> dict[str, str]:
    """Return the artist by number of the page, from the list that comes with the set."""
    artists = {}
    for path in folder.rglob("*.csv"):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            for row in csv.DictReader(stream):
                if row.get("PageID") and row.get("Artist"):
                    artists[row["PageID"].strip()] = row["Artist"].strip()
    return artists


def _with_gaps(missing: pd.DataFrame, rows: pd.DataFrame, data_dir: Path) -> pd.DataFrame:
    """Return `missing` with a row for each part of the standard split of which the copy lacks paintings."""
    lacking = {name: size - int((rows["split"] == name).sum()) for name, size in VGDB_SIZES.items()}
    gaps = [
        {"filename": name, "reason": f"{count} of {VGDB_SIZES[name]} paintings are not in this copy"}
        for name, count in lacking.items()
        if count > 0
    ]
    if gaps:
        missing = pd.concat([missing, pd.DataFrame(gaps)], ignore_index=True)
        write_csv(data_dir / "missing.csv", missing)
    return missing
