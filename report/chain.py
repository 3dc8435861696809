"""The chain of notebooks: whether each has to run again, and running it with papermill.

Convention: a notebook is current when its key (code cells, the vg_helpers sources it imports, the embedded weights,
parameters, listed data folders) and the files it read from earlier stages are what they were; prose, comments and
docstrings count for nothing.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vg_helpers.code import PACKAGE, code_of, helper_sources
from vg_helpers.files import file_sha256, fingerprint, read_json, write_json

from .markdown import read_notebook
from .plan import FOLDERS, ROOT, Step, code_cells, defaults, relative


class ChainError(RuntimeError):
    """A notebook failed; the message names it, the cell and the error's last line."""


def key_of(step: Step) -> str:
    """Return a hash of all that decides a notebook's results, besides the files of earlier stages."""
    cells = [cell["source"] for cell in code_cells(step.source)]
    helpers = helper_sources("\n".join(cells))
    weights = sorted((PACKAGE / "models" / "embedded").glob("*.npz"))
    embedded = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in weights]
    folders = {}
    for name in FOLDERS.keys() & defaults(step.source).keys():
        folder = step.source.parent / (step.parameters.get(name) or relative(ROOT / "data", step.source.parent))
        folders[name] = [[p.name, s.st_size, s.st_mtime_ns] for p in sorted(folder.rglob("*")) if (s := p.stat())]
    return fingerprint([code_of(cell) for cell in cells], helpers, embedded, step.parameters, folders)


def is_current(step: Step, key: str) -> bool:
    """Return whether the executed notebook, its stage's files and what it read are those of this key."""
    try:
        record = read_json(step.record)
        manifest = read_json(step.build_dir / step.stage / "manifest.json")
    except (OSError, ValueError):
        return False
    outputs = (step.build_dir / step.stage / name for name in manifest["outputs"])
    return (
        record["key"] == key
        and step.executed.is_file()
        and all(path.is_file() for path in outputs)
        and all(_same(step.build_dir / name, *known) for name, known in record["inputs"].items())
    )


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
        execute_notebook(
            step.source,
            running,
            step.parameters,
            kernel_name=_kernelspec(step.build_dir.parent),
            language="python",
            cwd=step.source.parent,
            progress_bar=False,
            stderr_file=_Listener(on_text),
        )
    except PapermillExecutionError as error:
        last = (str(error.evalue).strip().splitlines() or [""])[-1]
        raise ChainError(f"{step.stage} stopped at {_place(running)}: {error.ename}: {last}") from error
    except DeadKernelError as error:
        raise ChainError(
            f"{step.stage} stopped, its Python ended without a word (too little memory?): {error}"
        ) from error
    running.replace(step.executed)
    seconds = time.perf_counter() - started
    write_json(step.record, {"key": key, "seconds": round(seconds, 1), "inputs": _inputs(step)})
    return seconds


@dataclass
class _Listener:
    """The part of a text file that papermill writes a notebook's error stream to."""

    write: Callable[[str], None]

    def flush(self) -> None:
        pass


def _inputs(step: Step) -> dict[str, list[Any]]:
    manifest = read_json(step.build_dir / step.stage / "manifest.json")
    stats = {name: (step.build_dir / name).stat() for name in manifest["inputs"]}
    return {name: [s.st_size, s.st_mtime_ns, manifest["inputs"][name]] for name, s in stats.items()}


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
