"""The chain of notebooks: whether each has to run again, and running it with papermill.

Convention: a notebook is current when its key (code cells, the vg_helpers sources it imports, the embedded weights,
parameters, listed data folders) and the files it read from earlier stages are what they were; prose, comments and
docstrings count for nothing. Front matter and appendix read what all stages wrote.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vg_helpers.code import PACKAGE, code_of, helper_sources, python_of
from vg_helpers.files import NO_RECORD, file_sha256, fingerprint, read_json, write_json, write_text
from vg_helpers.passwords import handed_over, without_passwords

from .markdown import read_notebook
from .plan import FOLDERS, ROOT, Step, code_cells, defaults, relative

AGAIN = ". Correct it and run the same command again: it continues there."


class ChainError(ValueError):
    """A notebook failed; the message names it, the cell and the error's last line."""


def key_of(step: Step) -> str:
    """Return a hash of all that decides a notebook's results, besides the files of earlier stages."""
    cells = [python_of(cell["source"]) for cell in code_cells(step.source)]
    helpers = helper_sources("\n".join(cells))
    weights = sorted((PACKAGE / "models" / "embedded").glob("*.npz"))
    embedded = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in weights]
    folders = {}
    for name in FOLDERS.keys() & defaults(step.source).keys():
        folder = step.source.parent / (step.parameters.get(name) or relative(ROOT / "data", step.source.parent))
        folders[name] = [[p.name, s.st_size, s.st_mtime_ns] for p in sorted(folder.rglob("*")) if (s := _facts(p))]
    if step.stage == "04_style_eval" and (people := sorted(step.build_dir.glob("answers/*.json"))):
        folders["answers"] = [[path.name, file_sha256(path)] for path in people]  # of people, to the pictures of 04
    if folders:
        folders["limit"] = os.environ.get("VG_MAX_MEGAPIXELS") or None  # of the pictures' size
    read = results(step.build_dir) if step.is_extra else []
    return fingerprint([code_of(cell) for cell in cells], helpers, embedded, step.parameters, folders, read)


def _facts(path: Path) -> os.stat_result:
    """Return the facts of a file; of a link that leads nowhere, as git-annex has them, the link's own."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def results(build_dir: Path) -> list[list[Any]]:
    """Return name, size and time of change of every file that the stages wrote, besides their unfinished work."""
    files = [path for folder in build_dir.glob("[0-9][0-9]_*/") for path in _outputs(folder)]
    return sorted([p.relative_to(build_dir).as_posix(), s.st_size, s.st_mtime_ns] for p in files if (s := p.stat()))


def _outputs(folder: Path) -> list[Path]:
    parts = [part for part in folder.iterdir() if part.name not in ("state", "wandb") and part.name[0] != "."]
    return [path for part in parts for path in ([part] if part.is_file() else part.rglob("*")) if path.is_file()]


def is_current(step: Step, key: str) -> bool:
    """Return whether the executed notebook, its stage's files and what it read are those of this key."""
    try:
        record = read_json(step.record)
        manifest = {"outputs": [], "started": None} if step.is_extra else read_json(step.manifest)
        outputs = [step.build_dir / step.stage / name for name in manifest["outputs"]]
        return (
            record["key"] == key
            and record.get("started") == manifest["started"]
            and all(path.is_file() for path in outputs)
            and not _changed(step, record)
            and bool(read_notebook(step.executed))
        )
    except NO_RECORD:
        return False


def outdated(chain: list[Step]) -> dict[str, str]:
    """Return why, by each executed stage whose results do not belong to the present files of the others."""
    reasons: dict[str, str] = {}
    for step in chain:
        if not step.executed.is_file():
            continue
        try:
            record, manifest, _ = read_json(step.record), read_json(step.manifest), read_notebook(step.executed)
            read = dict.fromkeys(name.split("/")[0] for name in manifest["inputs"])
            stages = [stage for stage in read if stage in reasons]
            if record.get("started") != manifest["started"]:
                reasons[step.stage] = "it was run by hand since"
            elif changed := _changed(step, record):
                reasons[step.stage] = f"{changed[0]} has changed since"
            elif stages:
                reasons[step.stage] = f"it reads {stages[0]}, which is outdated"
        except NO_RECORD:
            reasons[step.stage] = "its last run did not end, or a file of it is damaged"
    return reasons


def _changed(step: Step, record: dict[str, Any]) -> list[str]:
    """Return the files that a stage read or wrote and that are now others, for example because they are damaged."""
    files = record["inputs"] | record.get("outputs", {})
    return [name for name, known in files.items() if not _same(step.build_dir / name, *known)]


def _same(path: Path, size: int, mtime: int, sha256: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    return path.stat().st_mtime_ns == mtime or file_sha256(path) == sha256


def execute(step: Step, key: str, on_text: Callable[[str], None]) -> float:
    """Run a notebook with this interpreter, put it beside its stage's files, and return the seconds it took.

    Args:
        on_text: gets what the notebook writes to its error stream, such as the state of its progress bars.

    Raises:
        ChainError: if a cell fails; names the notebook, the cell and the error's last line.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    step.build_dir.mkdir(parents=True, exist_ok=True)
    step.record.unlink(missing_ok=True)
    running = step.executed.with_suffix(".running.ipynb")
    started = time.perf_counter()
    try:
        with handed_over(step.parameters) as parameters:
            execute_notebook(
                step.source,
                running,
                parameters,
                kernel_name=_kernelspec(step.build_dir),
                language="python",
                cwd=step.source.parent,
                progress_bar=False,
                stderr_file=_Listener(on_text),
            )
    except PapermillExecutionError as error:
        last = (str(error.evalue).strip().splitlines() or [""])[-1]
        raise ChainError(f"{step.stage} stopped at {_place(running)}: {error.ename}: {last}{AGAIN}") from error
    except DeadKernelError as error:
        raise ChainError(f"{step.stage} stopped: its Python ended abruptly (out of memory?): {error}{AGAIN}") from error
    finally:
        if running.is_file():  # a cell's output may show an address that was handed over
            write_text(running, without_passwords(running.read_text(encoding="utf-8")))
    running.replace(step.executed)
    seconds = time.perf_counter() - started
    files = {"started": None, "inputs": {}} if step.is_extra else _files_of(step)
    write_json(step.record, {"key": key, "seconds": round(seconds, 1), **files})
    return seconds


@dataclass
class _Listener:
    """The part of a text file that papermill writes a notebook's error stream to."""

    write: Callable[[str], None]

    def flush(self) -> None:
        pass


def _files_of(step: Step) -> dict[str, Any]:
    """Return when a stage began, and size, time of change and SHA-256 of the files that it read and wrote."""
    manifest = read_json(step.manifest)
    outputs = [f"{step.stage}/{name}" for name in manifest["outputs"]]
    hashes = manifest["inputs"] | {name: file_sha256(step.build_dir / name) for name in outputs}
    facts = {name: [s.st_size, s.st_mtime_ns, hashes[name]] for name in hashes if (s := (step.build_dir / name).stat())}
    return {
        "started": manifest["started"],
        "inputs": {name: facts[name] for name in manifest["inputs"]},
        "outputs": {name: facts[name] for name in outputs},
    }


def _place(running: Path) -> str:
    """Return the failed cell's number in the notebook and the heading above it."""
    heading, number = "", 0
    for cell in read_notebook(running)["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "papermill-error-cell-tag" in tags or "injected-parameters" in tags:
            continue
        number += 1
        titles = re.findall(r"(?m)^#+ (.+)$", cell["source"]) if cell["cell_type"] == "markdown" else []
        heading = titles[-1] if titles else heading
        if cell["metadata"].get("papermill", {}).get("exception"):
            break
    return f"cell {number} ({heading})"


def _kernelspec(folder: Path) -> str:
    """Write a kernelspec for this very interpreter where Jupyter looks first, and return its name."""
    name, base = "vg-python", folder / ".jupyter"
    env = {"PYTHONPATH": _with_first(ROOT, "PYTHONPATH"), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    env["SPYDER_BARS"] = "text"  # where a name like this is set, tqdm.auto draws for a terminal
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=40"]
    spec = {"argv": argv, "env": env, "language": "python", "display_name": "this environment's Python"}
    write_json(base / "kernels" / name / "kernel.json", spec)
    os.environ["JUPYTER_PATH"] = _with_first(base, "JUPYTER_PATH")
    return name


def _with_first(folder: Path, variable: str) -> str:
    others = [path for path in os.environ.get(variable, "").split(os.pathsep) if path and path != str(folder)]
    return os.pathsep.join([str(folder), *others])
