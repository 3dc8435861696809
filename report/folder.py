"""A profile's build folder: one run at a time works in it, and kept work that nothing uses any more can go."""

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from vg_helpers.files import NO_RECORD, read_json, write_json

from .chain import is_current, key_of
from .plan import Step

OURS = ".jupyter"  # in every build folder from the first notebook on
LEFT_OVER = re.compile(r"\..+\.\d+\.part(\.\w+)?")  # names of `files.atomic`


def check_folder(build_dir: Path, written: list[Path]) -> None:
    """Make sure that a build folder is new, or one of a former run.

    Raises:
        ValueError: if it holds files of the names that a run would overwrite, and no run made it.
    """
    foreign = [path.name for path in (*written, build_dir / "report.pdf", build_dir / "report.html") if path.exists()]
    if foreign and not (build_dir / OURS).is_dir():
        raise ValueError(f"{build_dir} holds {foreign[0]}, which no run made: give --build-dir another folder")


@contextmanager
def locked(build_dir: Path) -> Iterator[None]:
    """Keep other runs out of a build folder until the block ends, however it ends.

    Raises:
        ValueError: if another run works there; says which.
    """
    build_dir.mkdir(parents=True, exist_ok=True)
    about = build_dir / ".lock.json"
    lock = FileLock(build_dir / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = "another program"
        with suppress(*NO_RECORD):
            holder = "process {pid} on {host}, started at {started},".format(**read_json(about))
        raise ValueError(f"{holder} is working in {build_dir}: wait for it, or take another --build-dir") from None
    try:
        started = datetime.now().isoformat(" ", timespec="minutes")
        remove_left_over(build_dir)
        write_json(about, {"pid": os.getpid(), "host": platform.node(), "started": started})
        yield
    finally:
        about.unlink(missing_ok=True)
        lock.release()


def remove_left_over(build_dir: Path, age: float = 3600) -> None:
    """Remove what a killed process left half written, up to 0.6 GB each: files of `atomic`, unchanged for an hour."""
    for part in build_dir.rglob(".*.part*"):
        with suppress(FileNotFoundError):  # a worker of a search may finish its own meanwhile
            if LEFT_OVER.fullmatch(part.name) and part.is_file() and time.time() - part.stat().st_mtime > age:
                part.unlink()


def clean(chain: list[Step]) -> list[str]:
    """Remove kept work that no notebook with its present parameters uses; return a line for each removal, with size.

    What a notebook used is in its manifest. A notebook that has to run again anyway keeps everything.
    """
    lines, total = [], 0
    for step in chain:
        state = step.build_dir / step.stage / "state"
        parts = sorted(state.iterdir()) if state.is_dir() else []
        if parts and not is_current(step, key_of(step)):
            lines.append(
                f"{step.stage} is not up to date, so its {_size(parts):,.1f} MB of kept work stay: run it first"
            )
            continue
        used = read_json(step.manifest).get("state", []) if parts else []
        for part in (part for part in parts if part.name not in used):
            size = _size([part])
            shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
            lines.append(f"removed {step.stage}/state/{part.name}: {size:,.1f} MB")
            total += size
        if kept := [part for part in parts if part.name in used]:
            lines.append(f"{step.stage} uses {_size(kept):,.1f} MB of kept work")
    return [*lines, f"{total:,.1f} MB freed"]


def _size(paths: list[Path]) -> float:
    """Return the size of files and folders in MB."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
