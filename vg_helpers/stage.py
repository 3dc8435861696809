"""Stages and their manifests.

Convention: a stage is one notebook's folder under the build folder; it writes there alone and reads what earlier
stages wrote.
"""

import inspect
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .code import sources_of
from .files import NO_RECORD, ROOT, atomic, expand_home, file_sha256, read_json, write_json
from .passwords import without_passwords

STAGES = ("01_data", "02_classify", "03_style_search", "04_style_eval", "05_gpu_bench", "06_gradcam")
DEFAULT_BUILD = ROOT / "report" / "build" / "demo"
NOT_OUTPUTS = r"(state|wandb)/|manifest\.json$|(.*/)?\."  # unfinished work, logs, the record itself, hidden files
CAVEATS = {"none": "No ImageNet weights.", "embedded": "Embedded weights."}


class MissingArtifact(FileNotFoundError):
    """A file that an earlier notebook should have written is not there."""


class Stage:
    """One notebook's folder, and the record of what it read, which fallbacks it took and how long it ran."""

    def __init__(self, build_dir: str | Path, name: str, parameters: Mapping[str, Any]) -> None:
        if name not in STAGES:
            raise ValueError(f"stage {name!r} does not exist; choose from {', '.join(STAGES)}")
        self.build_dir, self.name = expand_home(build_dir or DEFAULT_BUILD).resolve(), name
        self.folder = self.build_dir / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parameters = dict(parameters)
        self.inputs: dict[str, str] = {}
        self.fallbacks: list[str] = []
        self.weights: list[dict[str, Any]] = []
        self.started = time.time()
        self.used = _opened_below(self.folder / "state")

    def path(self, *names: str) -> Path:
        """Return the path of a file that this stage writes; its folder exists."""
        path = self.folder.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def read(self, stage: str, *names: str) -> Path:
        """Return the path of a file that an earlier stage wrote, and record its hash.

        Raises:
            MissingArtifact: if it is not there; the message says which notebook to run first.
        """
        path = self.build_dir.joinpath(stage, *names)
        if not path.is_file():
            raise MissingArtifact(f"{'/'.join(names)} is missing: run notebooks/{stage}.ipynb first")
        self.inputs[path.relative_to(self.build_dir).as_posix()] = file_sha256(path)
        return path

    @property
    def state(self) -> Path:
        """The folder of unfinished work, from which an interrupted run continues; it is not an output."""
        folder = self.folder / "state"
        folder.mkdir(exist_ok=True)
        return folder

    def keep(self, name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return `function(*args, **options)`, from disk if the same code was called with the same values before.

        So a notebook that runs again because a sentence or a figure changed does not measure everything anew. What is
        kept lies in state/kept; a damaged file counts as missing.

        Args:
            name: one for each call in a notebook; a later call with other values replaces what is kept.
            function: a function of this project. Networks, tensors and frames among the values count by their content,
                functions by their code, objects with a method `content` by what it returns.
            options: names that begin with "on_" (callbacks) do not count.
        """
        import joblib

        values = {key: value for key, value in options.items() if not key.startswith("on_")}
        key = joblib.hash([sources_of(function), function.__qualname__, _content(args), _content(values)])
        path = self.state / "kept" / f"{name}.joblib"
        try:
            entry = joblib.load(path)
        except Exception:  # a file that is missing, cut or of another version of Python: joblib raises many kinds
            entry = {}
        if entry.get("key") != key:
            entry = {"key": key, "result": function(*args, **options)}
            with atomic(path) as part:
                joblib.dump(entry, part)
        return entry["result"]

    def fallback(self, sentence: str) -> None:
        """Show and record that something was replaced by a lesser substitute."""
        if sentence not in self.fallbacks:
            self.fallbacks.append(sentence)
            print(f"Fallback: {sentence}")

    def uses(self, weights: Any) -> None:
        """Record where a network's weights came from; anything but ImageNet weights counts as a fallback."""
        entry = vars(weights)
        if entry not in self.weights:
            self.weights.append(dict(entry))
        if weights.source != "imagenet":
            self.fallback(weights.note)

    def figure(self, name: str, fig: Any, caption: str, alt: str | None = None) -> None:
        """Show a figure, keep it as figures/<name>.png and hand it to the report; see `show.figure`."""
        from . import show

        show.figure(fig, self.path("figures", f"{name}.png"), name, self._with_caveats(caption), alt)

    def table(self, name: str, frame: Any, caption: str, digits: int = 3, best: Sequence[str] = ()) -> None:
        """Show a table and hand it to the report; see `show.table`."""
        from . import show

        show.table(frame, name, self._with_caveats(caption), digits, best)

    def text(self, *paragraphs: str) -> None:
        """Show computed sentences and hand them to the report; empty ones are left out."""
        from . import show  # here and above: it imports IPython, which those who only read manifests do not need

        show.text(*paragraphs)

    def _with_caveats(self, caption: str) -> str:
        """Return the caption with a note if the networks started from anything but ImageNet weights."""
        sources = {weights["source"] for weights in self.weights}
        return " ".join([caption, *(f"({note})" for source, note in CAVEATS.items() if source in sources)])

    def finish(self, **facts: Any) -> Path:
        """Write manifest.json, the stage's provenance, and return its path."""
        files = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        manifest = {
            "stage": self.name,
            "parameters": self._shown_parameters(),
            "facts": facts,
            "inputs": self.inputs,
            "outputs": sorted(name for name in files if not re.match(NOT_OUTPUTS, name)),
            "state": sorted(name for name in self.used | self._used_before() if (self.state / name).exists()),
            "versions": package_versions(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": str(facts.get("device", "cpu")),
            "weights": self.weights,
            "seed": self.parameters.get("seed"),
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 1),
            "fallbacks": self.fallbacks,
        }
        write_json(self.folder / "manifest.json", manifest)
        return self.folder / "manifest.json"

    def _used_before(self) -> set[str]:
        """Return what earlier runs with the same parameters and inputs used of the unfinished work."""
        try:
            last = read_json(self.folder / "manifest.json")
            same = last["parameters"] == self._shown_parameters() and last["inputs"] == self.inputs
            return set(last.get("state", [])) if same else set()
        except NO_RECORD:
            return set()

    def _shown_parameters(self) -> dict[str, Any]:
        return {
            key: without_passwords(value) if isinstance(value, str) else value for key, value in self.parameters.items()
        }


def open_stage(build_dir: str | Path, name: str, namespace: Mapping[str, Any] | None = None) -> Stage:
    """Return the stage `name` (one of STAGES) of a build folder; its earlier results stay until they are replaced.

    Args:
        build_dir: "" takes the project's own report/build/demo, whatever the current folder is.
        namespace: a notebook passes `globals()` before it defines anything else. Every number, text and truth value in
            it without a leading underscore is one of the notebook's parameters, and goes into the manifest.
    """
    kinds = (bool, int, float, str)
    parameters = {
        key: value
        for key, value in (namespace or {}).items()
        if type(value) in kinds and not key.startswith("_") and key != "build_dir"
    }
    return Stage(build_dir, name, parameters)


def read_manifests(build_dir: str | Path, stages: str = "") -> dict[str, dict[str, Any]]:
    """Return the manifests that a build folder has, by stage; of `stages` alone (commas between them) unless empty."""
    build, wanted = Path(build_dir or DEFAULT_BUILD), stages.split(",") if stages else STAGES
    paths = {stage: build / stage / "manifest.json" for stage in STAGES if stage in wanted}
    return {stage: read_json(path) for stage, path in paths.items() if path.is_file()}


def _opened_below(folder: Path) -> set[str]:
    """Return a set that gets the name of everything in `folder` of which this process opens a file from now on.

    So that `report --clean` knows what is in use, whoever wrote it: features, checkpoints, a study's database.
    """
    prefix, names = f"{folder}{os.sep}", set()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "sqlite3.connect") and str(arguments[0]).startswith(prefix):
            names.add(str(arguments[0])[len(prefix) :].split(os.sep)[0])

    sys.addaudithook(note)
    return names


def _content(value: Any) -> Any:
    """Return a value with the content of networks, tensors and frames in their place, so that equal ones hash alike.

    An object with a method `content` counts by what that returns, a function by its code.
    """
    if callable(getattr(value, "content", None)):  # a frame may have a column of that name
        return type(value).__qualname__, _content(value.content())
    if inspect.isfunction(value):
        return value.__qualname__, sources_of(value)
    if hasattr(value, "state_dict"):
        return type(value).__qualname__, _content(dict(value.state_dict()))
    if hasattr(value, "detach"):
        return value.device.type, str(value.dtype), value.detach().cpu().float().numpy()
    if hasattr(value, "to_csv"):  # a frame that comes from a file has other types inside than one that was just made
        return value.to_csv()
    if isinstance(value, dict):
        return {key: _content(part) for key, part in value.items()}
    return [_content(part) for part in value] if isinstance(value, list | tuple) else value


def package_versions() -> dict[str, str]:
    """Return the installed version of each package in requirements.txt, by its name there."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [match[0] for line in lines if (match := re.match(r"[\w-]+", line))]
    versions = {}
    for name in names:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
