"""Stages and their manifests.

Convention: a stage is one notebook's folder under the build folder; it writes there alone and reads what earlier
stages wrote.
"""

import platform
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .files import file_sha256, write_json

STAGES = ("01_data", "02_classify", "03_style_search", "04_style_eval", "05_gpu_bench", "06_gradcam")
PACKAGES = (
    *("torch", "torchvision", "optuna", "optuna-integration", "wandb", "scikit-learn", "scipy", "pandas", "numpy"),
    *(
        "Pillow",
        "matplotlib",
        "seaborn",
        "jupyter",
        "papermill",
        "nbconvert",
        "pypandoc_binary",
        "typst",
        "scikit-image",
    ),
)


class MissingArtifact(FileNotFoundError):
    """A file that an earlier notebook should have written is not there."""


class Stage:
    """One notebook's folder, and the record of what it read, which fallbacks it took and how long it ran."""

    def __init__(self, build_dir: str | Path, name: str) -> None:
        if name not in STAGES:
            raise ValueError(f"stage {name!r} is none of {', '.join(STAGES)}")
        self.build_dir, self.name = Path(build_dir).resolve(), name
        self.folder = self.build_dir / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.inputs: dict[str, str] = {}
        self.fallbacks: list[str] = []
        self.weights: list[dict[str, Any]] = []
        self.started = time.time()

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
        """The folder of unfinished work, from which an interrupted run goes on; it is no output."""
        return self.path("state", "x").parent

    def fallback(self, sentence: str) -> None:
        """Show and record that something was replaced by something lesser."""
        if sentence not in self.fallbacks:
            self.fallbacks.append(sentence)
            print(f"Fallback: {sentence}")

    def uses(self, weights: Any) -> None:
        """Record where a network's weights came from; anything but ImageNet's own counts as a fallback."""
        entry = vars(weights)
        if entry not in self.weights:
            self.weights.append(dict(entry))
        if weights.source != "imagenet":
            self.fallback(weights.note)

    def finish(self, parameters: dict[str, Any], **facts: Any) -> Path:
        """Write manifest.json, the stage's provenance, and return its path."""
        outputs = (p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file())
        kept = sorted(p for p in outputs if not re.match(r"(state|wandb)/|manifest\.json$|(.*/)?\.", p))
        manifest = {
            "stage": self.name,
            "parameters": {k: v for k, v in parameters.items() if k != "build_dir"},
            "facts": facts,
            "inputs": self.inputs,
            "outputs": kept,
            "versions": package_versions(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": str(facts.get("device", "cpu")),
            "weights": self.weights,
            "seed": parameters.get("seed"),
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 1),
            "fallbacks": self.fallbacks,
        }
        write_json(self.folder / "manifest.json", manifest)
        return self.folder / "manifest.json"


def open_stage(build_dir: str | Path, name: str) -> Stage:
    """Return the stage `name` (one of STAGES) of a build folder, ready to be written."""
    return Stage(build_dir, name)


def package_versions() -> dict[str, str]:
    """Return the installed version of each package that the project names."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
