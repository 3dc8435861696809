"""Fetch the paintings into data/, for `run.py data`.

Convention: a file that lies in the data folder is whole. Each one is fetched into a folder beside it, decoded, and only
then moved into place; so an interrupted download continues.
"""

import errno
import logging
import os
import random
import re
import shutil
import threading
import time
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from ..files import atomic, write_csv
from ..images import ImageError, open_image
from .labels import STYLE_FOLDER as FOLDER
from .labels import read_classes

DATASET = "steubk/wikiart"
PAINTING = re.compile(rf"{FOLDER}/[^/\\]+\.(jpe?g|png)", re.IGNORECASE)
TRIES = 3
GIVE_UP_AFTER = 20  # failures in a row: Kaggle or the network is gone, and thousands of further tries would not help


def fetch_paintings(
    data_dir: str | Path, limit: int | None = None, num_threads: int = 4, wait: float = 2.0
) -> pd.DataFrame:
    """Return what could not be downloaded (filename, reason), after fetching the paintings that classes.csv lists.

    The frame is also written to missing.csv.

    Args:
        limit: only this many, the same ones for the same number, in a mixed order; more are added by a larger number.
        wait: seconds before a failed file is tried again, twice as long each time.

    Raises:
        ValueError: if classes.csv cannot be downloaded, Kaggle stops answering, or the disk is full.
    """
    data_dir = Path(data_dir)
    staging = data_dir / ".fetch"
    names = listed_paintings(_fetch_classes(data_dir, staging, wait))
    random.Random(42).shuffle(names)
    names = names[:limit]
    open_ones = [name for name in names if not (data_dir / name).is_file()]
    stop = threading.Event()
    frame = fetch_all(
        open_ones,
        lambda name: _fetch_painting(name, data_dir, staging, wait, stop),
        data_dir,
        stop,
        num_threads,
        done=len(names) - len(open_ones),
    )
    shutil.rmtree(staging, ignore_errors=True)
    return frame


def fetch_all(
    names: Sequence[str],
    fetch_one: Callable[[str], str],
    data_dir: Path,
    stop: threading.Event,
    num_threads: int = 4,
    *,
    done: int = 0,
    source: str = "Kaggle",
    gone: Callable[[str], bool] = bool,
) -> pd.DataFrame:
    """Return what could not be fetched (filename, reason), which is also written to missing.csv.

    Args:
        fetch_one: returns "" for a file that is in its place, else the reason why not.
        stop: is set when the rest is dropped, after Ctrl-C too.
        done: files that were in place before; the bar counts them.
        gone: whether a reason means that `source` does not answer any more.

    Raises:
        ValueError: if the source stops answering, or the disk is full.
    """
    missing, in_a_row = [], 0
    with (
        ThreadPoolExecutor(num_threads) as pool,
        tqdm(total=done + len(names), initial=done, unit="painting", disable=False) as bar,
    ):
        jobs = {pool.submit(_or_disk_full, fetch_one, name, data_dir, stop): name for name in names}
        try:
            for job in as_completed(jobs):
                reason = job.result()
                bar.update()
                in_a_row = in_a_row + 1 if reason and gone(reason) else 0
                if reason:
                    missing.append({"filename": jobs[job], "reason": reason})
                if in_a_row >= GIVE_UP_AFTER:
                    raise ValueError(
                        f"{in_a_row} files in a row could not be downloaded from {source} (the last: {reason}); "
                        "what is there stays, run the same command again later to go on"
                    )
        finally:  # also after Ctrl-C: what has not begun is dropped
            stop.set()
            pool.shutdown(cancel_futures=True)
            frame = pd.DataFrame(missing, columns=["filename", "reason"]).sort_values("filename", ignore_index=True)
            with suppress(OSError):  # on a full disk the error on its way says so
                write_csv(data_dir / "missing.csv", frame)
    return frame


def _or_disk_full(fetch_one: Callable[[str], str], name: str, data_dir: Path, stop: threading.Event) -> str:
    if stop.is_set():
        return "not tried"
    try:
        return fetch_one(name)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full(data_dir) from None
        raise


def listed_paintings(classes: Path) -> list[str]:
    """Return the names "Post_Impressionism/<artist>_<title>.jpg" of classes.csv, sorted, without repeats."""
    names = sorted(name for name in set(read_classes(classes)["filename"]) if PAINTING.fullmatch(name))
    if not names:
        raise ValueError(f"{classes} lists no file in {FOLDER}/; delete it and run again")
    return names


def _fetch_classes(data_dir: Path, staging: Path, wait: float) -> Path:
    """Return the path of classes.csv, fetched when it is not there."""
    target = data_dir / "classes.csv"
    if target.is_file():
        return target
    try:
        source = _with_retries("classes.csv", staging, wait, threading.Event())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full(data_dir) from None
        raise ValueError(
            f"classes.csv of kaggle.com/datasets/{DATASET} cannot be downloaded ({_sentence(error)}): check the "
            f"network, or copy the data set's classes.csv and {FOLDER}/ into {data_dir} by hand"
        ) from None
    _move(source, target)
    return target


def _fetch_painting(name: str, data_dir: Path, staging: Path, wait: float, stop: threading.Event) -> str:
    """Return "" when the painting is in place and decodes, else the reason why not."""
    reason = ""
    # names that are not ASCII are spelt composed or decomposed, from copy to copy
    for spelling in dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]):
        try:
            source = _with_retries(spelling, staging, wait, stop)
            _check(source)
            _move(source, data_dir / name)
            return ""
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            reason = reason or _sentence(error)
    return reason


def _with_retries(path: str, staging: Path, wait: float, stop: threading.Event) -> Path:
    """Return the file fetched from Kaggle; an answer that will not change (404, 403) is not asked for again."""
    pauses = [wait * 2**attempt for attempt in range(TRIES - 1)]
    while True:
        try:
            return _download(path, staging)
        except Exception as error:  # kagglehub raises errors of requests and a dozen of its own
            if _is_final(error) or not pauses or stop.is_set():
                raise error if isinstance(error, OSError) else OSError(_sentence(error)) from error
            time.sleep(pauses.pop(0))


def _is_final(error: Exception) -> bool:
    """Return whether another try would end the same way."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status in (401, 403, 404) or getattr(error, "errno", None) == errno.ENOSPC


def _download(path: str, staging: Path) -> Path:
    """Return the path to which kagglehub downloads one file of the data set; single files need no account.

    force_download: otherwise the rest of an interrupted download in the folder is an error. kagglehub unpacks a file
    that Kaggle zipped only if it recognises its name, which fails for names that are not ASCII and on Windows.
    """
    import kagglehub

    file = Path(kagglehub.dataset_download(DATASET, path=path, output_dir=str(staging), force_download=True))
    if file.suffix != ".zip" and zipfile.is_zipfile(file):
        packed = file.with_name(file.name + ".zip")
        os.replace(file, packed)
        with zipfile.ZipFile(packed) as archive, archive.open(archive.infolist()[0]) as inside, file.open("wb") as out:
            shutil.copyfileobj(inside, out)
        packed.unlink()
    return file


def _check(path: Path) -> None:
    """Raise an OSError unless the image decodes to its last row."""
    try:
        open_image(path)
    except ImageError as error:
        raise OSError(f"does not decode: {error.reason}") from None


def _move(source: Path, target: Path) -> None:
    """Put a file in its place at once; copied, because on Kaggle's own machines the source is a read-only folder."""
    with atomic(target) as part:
        shutil.copyfile(source, part)
    if ".fetch" in source.parts:
        source.unlink(missing_ok=True)


def _sentence(error: BaseException) -> str:
    """Return the first line of an error, or its name."""
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return text[:200] or type(error).__name__


def _disk_full(data_dir: Path) -> ValueError:
    return ValueError(f"the disk with {data_dir} is full: free some space and run the same command again to go on")


def quiet_kagglehub() -> None:
    """Keep kagglehub from writing lines and a bar of its own for each of thousands of files."""
    import kagglehub.clients

    logging.getLogger("kagglehub").setLevel(logging.ERROR)
    kagglehub.clients.tqdm = partial(tqdm, disable=True)
