"""The files that notebooks hand to each other: atomic writes, stages, manifests.

Convention: a stage is one notebook's folder under the build folder; it writes there alone and reads what earlier
stages wrote.
"""

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON; NumPy scalars and arrays become numbers and lists, everything else unknown its `str`."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n")


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: str | Path, frame: Any) -> None:
    """Write a pandas frame without its index."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def save_torch(path: str | Path, content: Any) -> None:
    """Write tensors and plain values, to be read with `torch.load(path, weights_only=True)`."""
    import torch

    with atomic(path) as part, part.open("wb") as stream:  # given a path, torch would write its name into the file
        torch.save(content, stream)


def load_image(path: str | Path, size: int | None = None) -> Any:
    """Return an image file as a (1, 3, H, W) float tensor in [0, 1], upright (EXIF) and RGB.

    Args:
        size: the longer side is scaled down to this many pixels; smaller images stay as they are.

    Raises:
        ValueError: if the file is missing or not an image.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import to_tensor

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError: Pillow on a broken PNG
        raise ValueError(f"{path} cannot be read as an image ({error}); give a JPEG or PNG file") from error
    if size is not None:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return to_tensor(image).unsqueeze(0)


def save_image(path: str | Path, image: Any, metadata: dict[str, str] | None = None) -> None:
    """Write a (3, H, W) or (1, 3, H, W) tensor in [0, 1] as an 8-bit PNG, with `metadata` as text chunks."""
    from PIL.PngImagePlugin import PngInfo
    from torchvision.transforms.functional import to_pil_image

    picture = to_pil_image(image.detach().float().cpu().reshape(image.shape[-3:]).clamp(0, 1).mul(255).round().byte())
    info = PngInfo()
    for key, value in (metadata or {}).items():
        info.add_itxt(key, value)
    with atomic(path) as part:
        picture.save(part, format="PNG", pnginfo=info)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the text chunks of a PNG file; none if it is missing or unreadable."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return dict(getattr(picture, "text", {}))
    except (OSError, SyntaxError):
        return {}


def file_sha256(path: str | Path) -> str:
    """Return a file's SHA-256 as 64 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(*parts: Any) -> str:
    """Return 16 hex digits that change when any of the JSON-able parts changes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


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
