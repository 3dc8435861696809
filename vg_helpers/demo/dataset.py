"""The embedded data set: painted images and photos made here, for a machine with neither paintings nor network.

No real painting is in it. The pictures that carry the label "vincent van gogh" (`vincent-van-gogh_demo-*.jpg`) are
painted by the flow painter of `painters`, a procedure that lays curved strokes of thick paint along a field of
directions; the label is Van Gogh's name only so that everything runs on the demo set as it does on WikiArt. The other
painters' names are invented. All painters share subjects and palettes and differ in brushwork.

The set is made so that a classifier can be wrong. A pupil follows the flow painter in shorter, narrower and more even
strokes on a light ground, and at times nearly copies him. A quarter of the flow painter's own pictures are early ones,
in strokes much like the pupil's. The embedded weights were trained without these two manners.
"""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from ..files import atomic, read_csv, read_json, write_csv, write_json
from .painters import ARTISTS, end_with_parent, paint, paint_file, photograph

VERSION = 8  # of the pixels: raised whenever the same seed paints something else
PAINTINGS = "Post_Impressionism"
NOTE = (
    "Procedural demo set: no real painting is in it. Pictures labelled 'vincent van gogh' were painted by a program, "
    "the flow painter, in a manner that follows his; the other painters, his pupil among them, are programs too."
)
# Subject and variant of the style pictures, chosen by eye at the default seed.
STYLES = (
    ("night", 0),
    ("landscape", 5),
    ("portrait", 2),
    ("still-life", 0),
    ("harbour", 1),
)
# Photographs that other packages bundle: name, package, path in it, and what that package says of its licence.
BUNDLED_PHOTOS = (
    ("astronaut", "skimage", "data/astronaut.png", "public domain, NASA"),
    ("cat", "skimage", "data/chelsea.png", "CC0, Stefan van der Walt"),
    ("coffee", "skimage", "data/coffee.png", "CC0, Rachel Michetti"),
    ("rocket", "skimage", "data/rocket.jpg", "public domain, SpaceX"),
    ("photographer", "skimage", "data/camera.png", "CC0, Lav Varshney"),
    ("temple", "sklearn", "datasets/images/china.jpg", "CC BY 2.0, danielbuechele"),
    ("flower", "sklearn", "datasets/images/flower.jpg", "CC BY 2.0, vultilion"),
    ("admiral", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "public domain, US Navy"),
)


@dataclass(frozen=True)
class DemoSet:
    """The demo set in one folder; its paintings, photos and styles are made when they are first asked for."""

    folder: Path
    num_paintings: int = 600
    seed: int = 42
    # classes.csv calls the flow painter "vincent van gogh", so that labels work as on WikiArt. Where people read the
    # names, in tables, figures and index.csv, no program may be called Van Gogh.
    artist_names: ClassVar[dict[str, str]] = {ARTISTS["flow"]: "demo van gogh"}

    def paintings(self) -> Path:
        """Return the data folder, after a progress bar if something was left to paint."""
        with tqdm(total=self.num_paintings, desc="painting the demo set") as bar:
            return paint_demo_set(
                self.folder, self.num_paintings, self.seed, on_progress=lambda done, total: bar.update(done - bar.n)
            )

    def photos(self) -> list[Path]:
        """Return the content photos."""
        return demo_photos(self.folder / "photos")

    def styles(self) -> list[Path]:
        """Return the style paintings."""
        return demo_styles(self.folder / "styles")


def paint_demo_set(
    folder: str | Path,
    num_paintings: int = 600,
    seed: int = 42,
    size: int = 256,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    hard: bool = True,
) -> Path:
    """Return the folder with the demo set in the layout of Kaggle's steubk/wikiart; what is missing is painted.

    `Post_Impressionism/<artist>_<title>.jpg` and `classes.csv`; `strokes/<same name>.png` marks the manner's strokes
    (255: one is the visible paint); `demo.json` comes last. A set that was interrupted is continued.

    Args:
        size: side of the square pictures in pixels, at least 32.
        workers: processes, by default one for each CPU; the pictures do not depend on it.
        on_progress: called with (pictures done, num_paintings).
        hard: with the pupil and the flow painter's early pieces.

    Raises:
        ValueError: for fewer than 1 painting, a size below 32, or a folder that holds other paintings.
    """
    if num_paintings < 1 or size < 32:
        raise ValueError(f"a demo set needs num_paintings ≥ 1 and size ≥ 32, not {num_paintings} and {size}")
    folder = Path(folder)
    recipe = {"version": VERSION, "seed": seed, "num_paintings": num_paintings, "size": size, "hard": hard}
    if _is_finished(folder, recipe):
        return folder
    _prepare(folder, recipe)
    rows = _paint_all(folder, recipe, workers, on_progress)
    write_csv(folder / "classes.csv", pd.DataFrame(rows))
    counts = Counter(row["artist"] for row in rows)
    names = [row["filename"] for row in rows]
    write_json(folder / "demo.json", {**recipe, "note": NOTE, "counts": counts, "files": names})
    (folder / "demo.partial.json").unlink()
    return folder


def _is_finished(folder: Path, recipe: dict) -> bool:
    """Return whether the folder holds all of this recipe's files."""
    if not (folder / "demo.json").is_file():
        return False
    record = read_json(folder / "demo.json")
    if not (folder / "classes.csv").is_file() or {key: record.get(key) for key in recipe} != recipe:
        return False
    stems = {path.stem for path in (folder / "strokes").glob("*.png")}
    stems &= {path.stem for path in (folder / PAINTINGS).glob("*.jpg")}
    return {Path(name).stem for name in record["files"]} <= stems


def _prepare(folder: Path, recipe: dict) -> None:
    """Make the folders; remove the pictures of another recipe, refuse a folder with other paintings in it."""
    demo_files = [path for name in (PAINTINGS, "strokes") for path in folder.glob(f"{name}/*_demo-*")]
    others = set(folder.glob(f"{PAINTINGS}/*")) - set(demo_files)
    if others:
        raise ValueError(f"{folder} holds other paintings ({min(others).name}); give the demo set its own folder")
    records = [folder / name for name in ("demo.partial.json", "demo.json")]
    record = next((read_json(path) for path in records if path.is_file()), {})
    same = {key: record.get(key) for key in recipe} == recipe
    for path in demo_files:
        if not same or path.name.startswith("."):  # half-written when a run was killed
            path.unlink()
    for name in (PAINTINGS, "strokes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_json(folder / "demo.partial.json", recipe)
    (folder / "demo.json").unlink(missing_ok=True)


def _paint_all(folder: Path, recipe: dict, workers: int | None, on_progress) -> list[dict]:
    """Paint what is missing and return the rows of classes.csv in the order of the pictures."""
    total = recipe["num_paintings"]
    workers = min(workers or os.cpu_count() or 1, max(1, total // 4))
    jobs = [(str(folder), recipe["seed"], index, recipe["size"], recipe["hard"]) for index in range(total)]
    report = on_progress or (lambda done, of: None)
    rows: list[dict] = []
    if workers == 1:
        for job in jobs:
            rows.append(paint_file(*job))
            report(len(rows), total)
        return rows
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=end_with_parent) as pool:
        futures = [pool.submit(paint_file, *job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                report(done, total)
        except BaseException:  # whatever ends this process ends those that paint
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def demo_photos(folder: str | Path, num_photos: int = 20, size: int = 512, seed: int = 42) -> list[Path]:
    """Return content photos as JPEG files of at most `size` pixels a side; what is missing is written.

    First the photographs that scikit-image, scikit-learn and matplotlib bundle, if installed, then composed scenes
    without brushwork. `photos.csv` names each one's source and licence.
    """
    folder = Path(folder)
    listed = folder / "photos.csv"
    recipe = f"{VERSION}-{num_photos}-{size}-{seed}"
    if listed.is_file():
        known = read_csv(listed)
        paths = [folder / name for name in known.get("filename", ())]
        if set(known.get("recipe", ())) == {recipe} and all(path.is_file() for path in paths):
            return paths
    rows = []
    for name, package, inside, licence in BUNDLED_PHOTOS[:num_photos]:
        source = files(package).joinpath(*inside.split("/")) if _installed(package) else None
        if source is not None and source.is_file():
            with source.open("rb") as stream, Image.open(stream) as photo:
                _save_photo(photo.convert("RGB"), folder / f"{name}.jpg", size)
            rows.append({"filename": f"{name}.jpg", "source": f"{package}: {inside}", "licence": licence})
    for index in range(num_photos - len(rows)):
        picture, title = photograph(seed, index, size)
        name = f"scene-{index + 1:02d}-{title}.jpg"
        _save_photo(Image.fromarray(picture), folder / name, size)
        rows.append({"filename": name, "source": "composed by vg_helpers.demo", "licence": "this project's"})
    write_csv(listed, pd.DataFrame(rows).assign(recipe=recipe))
    return [folder / row["filename"] for row in rows]


def demo_styles(folder: str | Path, num_styles: int = 5, seed: int = 42, size: int = 640) -> list[Path]:
    """Return larger pictures by the flow painter, none of them in the painted set; what is missing is painted."""
    folder = Path(folder)
    paths = []
    for number in range(num_styles):
        subject, variant = STYLES[number % len(STYLES)]
        index = 1_000_000 * (1 + number // len(STYLES)) + variant
        stem = f"vincent-van-gogh_demo-style-{number + 1}-{subject}-v{VERSION}-{seed}-{size}"
        path = folder / f"{stem}.jpg"
        if not path.is_file():
            work = paint(seed, index, size, "flow", subject)
            _save_photo(Image.fromarray(work.image), path, size)
        paths.append(path)
    return paths


def _installed(package: str) -> bool:
    try:
        files(package)
    except ModuleNotFoundError:
        return False
    return True


def _save_photo(photo: Image.Image, path: Path, size: int) -> None:
    photo.thumbnail((size, size), Image.Resampling.LANCZOS)
    with atomic(path) as part:
        photo.save(part, format="JPEG", quality=95)
