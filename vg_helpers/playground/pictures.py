"""The pictures that the page offers: those of the data folders, of this project and of packages that bundle photos.

Convention: a choice is a name for the list and the file, which need not exist yet; `ensure` makes it.
"""

import os
from collections.abc import Container
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

from ..files import ROOT, UNREADABLE, atomic, expand_home
from ..images import Upload, list_images

PHOTOS, STYLES, DATA = "data/photos", "data/styles", "data"
OURS = ROOT / "report" / "pictures"
DEMO = ROOT / "report" / "build" / "playground"  # paintings by the demo's flow painter; nobody's own pictures
DEMO_SEED, DEMO_SIZE = 42, 512
DEMO_SUBJECTS = ("night", "landscape", "portrait", "still-life", "harbour")  # as in demo.dataset, which is slow to load
MOST = 40  # of a folder


def photos() -> dict[str, Path]:
    """Return the photos to choose from, by name: those of the photos folder, then this project's."""
    return _of_folder("VG_PHOTOS_DIR", PHOTOS) | {"coffee": OURS / "photo.jpg"}


def bundled_photos() -> dict[str, Path]:
    """Return the photos that scikit-image, scikit-learn and matplotlib bundle."""
    from importlib.resources import files

    from ..demo.dataset import BUNDLED_PHOTOS  # loads pandas, for which the page does not wait

    places = {}
    for name, package, inside, _ in BUNDLED_PHOTOS:
        with suppress(ModuleNotFoundError):
            places[name] = Path(str(files(package).joinpath(*inside.split("/"))))
    return {name: path for name, path in places.items() if path.is_file() and name != "coffee"}


def styles() -> dict[str, Path]:
    """Return the paintings to choose from: the styles folder's, the data folder's Van Goghs, and the demo's."""
    real = _of_folder("VG_STYLES_DIR", STYLES)
    found = sorted(_folder("VG_DATA_DIR", DATA).glob("*/vincent-van-gogh_*"))[:MOST]
    real |= {name_of(path): path for path in found if name_of(path) not in real}
    own = {"the starry night (detail)": OURS / "painting.jpg"}
    return real | own | {f"demo: {subject}": DEMO / f"demo-{subject}.jpg" for subject in DEMO_SUBJECTS}


def _of_folder(variable: str, default: str) -> dict[str, Path]:
    choices: dict[str, Path] = {}
    with suppress(*UNREADABLE):  # it holds no pictures, or there is none
        for path in list_images(_folder(variable, default))[:MOST]:
            choices[free_name(name_of(path), choices)] = path
    return choices


def _folder(variable: str, default: str) -> Path:
    """Return the whole path of a folder, so that the copied command finds its pictures from every other one."""
    return expand_home(os.environ.get(variable) or ROOT / default).absolute()


def name_of(picture: Path | Upload) -> str:
    """Return what a file's name says.

    >>> name_of(Path("vincent-van-gogh_the-night-cafe-1888.jpg"))
    'the night cafe 1888'
    """
    stem = Path(picture.name).stem
    return stem.removeprefix("vincent-van-gogh_").replace("-", " ").replace("_", " ") or stem


def free_name(name: str, taken: Container[str]) -> str:
    """Return the name, with a number if it is taken.

    >>> free_name("mask", {"mask", "mask (2)"})
    'mask (3)'
    """
    numbered = chain([name], (f"{name} ({number})" for number in count(2)))
    return next(free for free in numbered if free not in taken)


def ensure(picture: Path | Upload) -> None:
    """Paint the picture if it is one of the demo's and not there yet, which takes some seconds."""
    if isinstance(picture, Upload) or picture.exists() or picture.parent != DEMO:
        return
    from PIL import Image

    from ..demo.dataset import STYLES as RECIPES
    from ..demo.painters import paint

    subject, variant = RECIPES[DEMO_SUBJECTS.index(picture.stem.removeprefix("demo-"))]
    work = paint(DEMO_SEED, 1_000_000 + variant, DEMO_SIZE, "flow", subject)
    with atomic(picture) as part:
        Image.fromarray(work.image).save(part, format="JPEG", quality=95)
