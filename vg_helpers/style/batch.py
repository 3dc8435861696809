"""Many photos in many styles: which files they become, which are finished, which are painted together.

Convention: a picture is finished if its file holds the key of everything it is made of. Pictures are painted together
in groups that do not depend on what is finished, so that an interrupted run ends with the same bytes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..files import UNREADABLE, check_place, file_sha256, fingerprint, printable, short_name, unique_names
from ..images import image_size, list_images
from .engine import VERSION
from .output import SOFTWARE, read_settings

SHEET, PAGE = "contact_sheet.jpg", "index.html"
GENERATOR = f'<meta name="generator" content="{SOFTWARE}">'


@dataclass(frozen=True)
class Job:
    """One photo in one style, and the file that it becomes."""

    photo: Path
    style: Path
    file: Path


@dataclass
class Problems:
    """What went wrong, one sentence for each picture; `say` prints it at once."""

    say: Callable[[str], None]
    sentences: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path, error: BaseException | str) -> None:
        """Keep the first sentence about a picture."""
        if path not in self.sentences:
            text = str(error).strip().splitlines() or [type(error).__name__]
            self.sentences[path] = text[0] if printable(str(path)) in text[0] else f"{printable(str(path))}: {text[0]}"
            self.say(self.sentences[path])


def list_pictures(places: Sequence[Path], problems: Problems) -> list[Path]:
    """Return the files named and those in the folders named, in this order and each once."""
    pictures: dict[Path, Path] = {}
    for place in places:
        try:
            for path in list_images(place) if place.is_dir() else [place]:
                pictures.setdefault(path.resolve(), path)
        except UNREADABLE as error:
            problems.add(place, error)
    return list(pictures.values())


def list_jobs(photos: Sequence[Path], styles: Sequence[Path], folder: Path, suffix: str, pair: bool) -> list[Job]:
    """Return every photo in every style, or the first in the first and so on.

    Raises:
        ValueError: if there are not as many styles as photos to pair.
    """
    if pair and len(photos) != len(styles):
        raise ValueError(f"--pair needs as many paintings as photos, not {len(styles)} for {len(photos)}")
    names = [dict(zip(paths, unique_names(paths), strict=True)) for paths in (photos, styles)]
    both = [*zip(photos, styles, strict=True)] if pair else [(photo, style) for photo in photos for style in styles]
    stems = unique_names([f"{short_name(f'{names[0][photo]}_{names[1][style]}')}.png" for photo, style in both])
    return [Job(photo, style, folder / f"{stem}{suffix}") for (photo, style), stem in zip(both, stems, strict=True)]


def check_folder(
    folder: Path, jobs: Sequence[Job], places: Sequence[Path], room: int, overwrite: bool
) -> dict[Path, str]:
    """Return the keys of the files that exist, after making sure that all can be written and that none is lost.

    Args:
        places: what the pictures to read were named by; none of those is ever replaced.
        room: bytes that must be free.

    Raises:
        ValueError: if a file of that name is one of the pictures to read, or was not made by this command.
        OSError: if the folder cannot be written.
    """
    if any(place.is_dir() and place.resolve() == folder.resolve() for place in places):
        raise ValueError(f"--out-dir {printable(str(folder))} is a folder of pictures to read; name another")
    check_place(folder / PAGE, room)
    inputs = {_identity(path) for job in jobs for path in (job.photo, job.style) if path.exists()}
    keys: dict[Path, str] = {}
    for file in (folder / SHEET, folder / PAGE, *(job.file for job in jobs)):
        if not os.path.lexists(file):
            continue
        check_place(file)
        if file.exists() and _identity(file) in inputs:
            raise ValueError(f"{printable(str(file))} is one of the pictures to read; name another --out-dir")
        keys[file] = _key_of(file)
        if not keys[file] and not overwrite:
            raise ValueError(
                f"{printable(str(file))} exists and was not made for this folder: name another --out-dir, or "
                "--overwrite"
            )
    return keys


def _identity(path: Path) -> tuple[int, int]:
    """Return what all names and links of a file share."""
    about = path.stat()
    return about.st_dev, about.st_ino


def _key_of(file: Path) -> str:
    """Return the key that a painting of many photos wrote into a file, "" if it is another file."""
    if file.name == PAGE:
        with suppress(*UNREADABLE):
            return GENERATOR if GENERATOR in file.read_text(encoding="utf-8") else ""
        return ""
    return read_settings(file).get("Key", "")


def find_keys(jobs: Sequence[Job], settings: Any, problems: Problems) -> dict[Job, str]:
    """Return for each job whose pictures can be read the key of all that it is made of.

    Args:
        settings: everything else that decides the picture, as JSON can hold it.
    """
    hashes: dict[Path, str] = {}
    for path in dict.fromkeys(path for job in jobs for path in (job.photo, job.style)):
        try:
            image_size(path)
            hashes[path] = file_sha256(path)
        except UNREADABLE as error:
            problems.add(path, error)
    whole = [job for job in jobs if job.photo in hashes and job.style in hashes]
    return {job: fingerprint(VERSION, settings, hashes[job.photo], hashes[job.style], job.file.suffix) for job in whole}


def groups(jobs: Sequence[Job], together: int) -> Iterator[list[Job]]:
    """Yield up to `together` jobs of the same style whose photos have the same size in their files."""
    if together < 2:
        yield from ([job] for job in jobs)
        return
    alike: dict[tuple[Path, tuple[int, int]], list[Job]] = {}
    for job in jobs:
        alike.setdefault((job.style, image_size(job.photo)), []).append(job)
    for members in alike.values():
        yield from (members[start : start + together] for start in range(0, len(members), together))


def remove_leftovers(folder: Path, names: Sequence[str]) -> None:
    """Remove what killed runs left half written of files with these names."""
    parts = {f".{short_name(Path(name).stem)}": Path(name).suffix for name in names}
    for path in folder.glob(".*.part*"):
        stem, _, process = path.name.removesuffix(path.suffix).removesuffix(".part").rpartition(".")
        if parts.get(stem) == path.suffix and process.isdigit() and not psutil.pid_exists(int(process)):
            path.unlink(missing_ok=True)
