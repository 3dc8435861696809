"""Which paintings, photos and style paintings are used, and where they come from.

Convention: a folder that was given comes first, then the one that the environment names, then the one in the project's
data/ (whatever the current folder is), then a stand-in. A stand-in is always named in a sentence.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pandas as pd

from ..files import ROOT, expand_home, unique_names, write_csv, write_json
from ..images import ImageError, list_images, load_image
from .paintings import list_paintings

NO_PAINTINGS = (
    "No paintings were given: procedural demo paintings stand in, and no number says anything about Van Gogh."
)
NO_PHOTOS = "No photos folder was given: photographs bundled with other packages and composed scenes stand in."
NO_STYLES = "No styles folder was given: Van Goghs of the training split are the style paintings."


class StandIns(Protocol):
    """What is used if there are no real pictures, such as `demo.dataset.DemoSet`."""

    artist_names: Mapping[str, str]  # how artists are called where people read it

    def paintings(self) -> Path:
        """Return a data folder in the layout of the real one."""

    def photos(self) -> list[Path]:
        """Return content photos."""

    def styles(self) -> list[Path]:
        """Return style paintings."""


@dataclass(frozen=True)
class Source:
    """The pictures of one kind: "paintings", "photos" or "styles".

    `folder` is where they lie; for paintings it is the data folder, which also holds classes.csv. `origin` is "given",
    "stand-in" or, for styles, "training split".
    """

    kind: str
    folder: Path
    paths: tuple[Path, ...]
    origin: str


@dataclass(frozen=True)
class Sources:
    """All pictures that the notebooks use, and a sentence for each kind that is not the user's own."""

    paintings: Source
    photos: Source
    styles: Source
    fallbacks: tuple[str, ...] = ()
    artist_names: Mapping[str, str] = field(default_factory=dict)  # names that stand-ins show in place of their own

    @property
    def is_demo(self) -> bool:
        """Whether the paintings are procedural ones, from which nothing about Van Gogh can be learnt."""
        return self.paintings.origin == "stand-in"

    def with_training_styles(self, index: pd.DataFrame, num_styles: int, seed: int = 42) -> "Sources":
        """Return the sources with Van Goghs that every split has in training as styles, if there are no others."""
        if self.styles.paths:
            return self
        training = (index.filter(like="split_") == "train").all(axis=1)
        van_goghs = index[(index["label"] == 1) & training]
        chosen = van_goghs.sample(min(num_styles, len(van_goghs)), random_state=seed)["path"]
        paths = tuple(self.paintings.folder / name for name in chosen)
        return replace(self, styles=replace(self.styles, paths=paths))

    def table(self) -> pd.DataFrame:
        """Return a row for each kind: kind, folder (its name), pictures, origin."""
        kinds = (self.paintings, self.photos, self.styles)
        rows = [(source.kind, source.folder.name, len(source.paths), source.origin) for source in kinds]
        return pd.DataFrame(rows, columns=["kind", "folder", "pictures", "origin"])

    def write(self, folder: Path, cache_dir: Path) -> None:
        """Write contents.csv and styles.csv (name, path; no name occurs twice) and sources.json into `folder`."""
        for name, source in (("contents", self.photos), ("styles", self.styles)):
            frame = pd.DataFrame({"name": unique_names(source.paths), "path": [str(path) for path in source.paths]})
            write_csv(folder / f"{name}.csv", frame)
        places = {"data_dir": str(self.paintings.folder), "cache_dir": str(cache_dir), "is_demo": self.is_demo}
        write_json(folder / "sources.json", places)


def find(
    data_dir: str, photos_dir: str, styles_dir: str, stand_ins: StandIns, num_photos: int = 20, num_styles: int = 5
) -> Sources:
    """Return the pictures to use; "" for a folder looks at its environment variable, then in data/.

    Styles stay empty if there are real paintings but no folder of styles: see `Sources.with_training_styles`.

    Raises:
        ValueError: if a folder that was asked for does not exist or holds no pictures that can be read.
    """
    data = find_folder(data_dir, "VG_DATA_DIR", ROOT / "data")
    photos = find_folder(photos_dir, "VG_PHOTOS_DIR", ROOT / "data" / "photos")
    styles = find_folder(styles_dir, "VG_STYLES_DIR", ROOT / "data" / "styles")
    sentences = []
    if data is None:
        sentences.append(NO_PAINTINGS)
    if photos is None:
        sentences.append(NO_PHOTOS)
    if styles is None and data is not None:
        sentences.append(NO_STYLES)
    data_root = stand_ins.paintings() if data is None else data
    content, problems = _pictures("photos", photos, stand_ins.photos, num_photos)
    if styles is None and data is not None:
        style_paintings, more = Source("styles", data_root, (), "training split"), []
    else:
        style_paintings, more = _pictures("styles", styles, stand_ins.styles, num_styles)
    return Sources(
        Source("paintings", data_root, tuple(list_paintings(data_root)), "stand-in" if data is None else "given"),
        content,
        style_paintings,
        (*sentences, *problems, *more),
        stand_ins.artist_names if data is None else {},
    )


def _pictures(
    kind: str, folder: Path | None, stand_ins: Callable[[], list[Path]], count: int
) -> tuple[Source, list[str]]:
    """Return the first `count` pictures that can be read, and a sentence for each one before them that cannot.

    Found out here, because the notebooks that need them come after hours of training.
    """
    if folder is None:
        paths = stand_ins()
        return Source(kind, paths[0].parent, tuple(paths[:count]), "stand-in"), []
    readable, problems = [], []
    for path in list_images(folder):
        if len(readable) == count:
            break
        try:
            load_image(path, 64)
            readable.append(path)
        except ImageError as error:
            problems.append(f"One of the {kind} is left out: {error}.")
    if not readable:
        raise ValueError(problems[0] if problems else f"num_{kind} must be 1 or more")
    return Source(kind, folder, tuple(readable), "given"), problems


def find_folder(given: str, variable: str, default: str | Path | None) -> Path | None:
    """Return the folder that was given, else the one the environment names, else `default` if it exists.

    Raises:
        ValueError: if a folder that was asked for does not exist.
    """
    for name, source in ((given, "the parameter"), (os.environ.get(variable, ""), variable)):
        if name:
            folder = expand_home(name)
            if not folder.is_dir():
                raise ValueError(f"{folder} (from {source}) is not a folder; give one that exists or leave it out")
            return folder.resolve()
    return Path(default).resolve() if default and Path(default).is_dir() else None
