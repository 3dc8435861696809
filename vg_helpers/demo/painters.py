"""Who paints which picture of the demo set, and the files it is written to.

Convention: canvases are 1.5 times the finished size and are reduced at the end. Each picture's colour mean and spread
are those of its scene, which does not depend on who paints it.
"""

import multiprocessing
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import atomic
from .manners import MANNERS
from .scenes import Scene, noise
from .strokes import blur
from .subjects import SUBJECTS, compose

# Manners of every sixteen pictures. The pupil follows the flow painter, whose early pieces look much like the pupil's.
HARD = {"early": 1, "flow": 3, "pupil": 3, "dots": 2, "flat": 2, "hatch": 2, "smooth": 3}
EASY = {"flow": 4, "dots": 3, "flat": 3, "hatch": 3, "smooth": 3}
PAINTERS = tuple(EASY)  # the embedded weights were trained on pictures by these
BY_VAN_GOGH = ("flow", "early")
ARTISTS = {name: "vincent van gogh" if name in BY_VAN_GOGH else f"{name} painter (demo)" for name in MANNERS}
DESCRIPTIONS = {
    "flow": "in the manner of Vincent van Gogh",
    "early": "in the short strokes of the Van Gogh painter's early years",
    "pupil": "by a pupil of the Van Gogh painter",
}


@dataclass
class Painting:
    """One finished picture: image and mask as uint8, and the scene it was painted from."""

    manner: str
    title: str
    image: np.ndarray
    mask: np.ndarray
    scene: Scene


def manner_of(seed: int, index: int, hard: bool = True) -> str:
    """Return the manner of picture `index`: four of every sixteen pictures are the Van Gogh painter's.

    Args:
        hard: with the pupil and the early pieces; without them each of the others paints three of sixteen.
    """
    counts = HARD if hard else EASY
    block = np.repeat(list(counts), list(counts.values()))
    return str(np.random.default_rng([seed, 1, index // 16]).permutation(block)[index % 16])


def paint(seed: int, index: int, size: int = 256, manner: str | None = None, subject: str | None = None) -> Painting:
    """Return picture `index` of the set `seed`, size × size; the scene does not depend on who paints it."""
    manner = manner or manner_of(seed, index)
    rng = np.random.default_rng([seed, 2, index])
    subject = subject or SUBJECTS[rng.integers(len(SUBJECTS))]
    scene = compose(rng, subject, size)
    canvas = MANNERS[manner](scene, np.random.default_rng([seed, 3, index]), 3 * size // 2)
    image = match_colors(canvas.color, scene.color)
    image = Image.fromarray((image * 255 + 0.5).astype(np.uint8)).resize((size, size), Image.Resampling.LANCZOS)
    mask = Image.fromarray((canvas.mask * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BOX)
    return Painting(manner, scene.title, np.asarray(image), np.asarray(mask), scene)


def photograph(seed: int, index: int, size: int) -> tuple[np.ndarray, str]:
    """Return a composed scene without brushwork as uint8 (size, size, 3), grained like a photograph, and its title."""
    rng = np.random.default_rng([seed, 4, index])
    outdoors = [name for name in SUBJECTS if name != "portrait"]
    scene = compose(rng, outdoors[index % len(outdoors)], size)
    fine = noise(rng, size, size // 8) + noise(rng, size, size // 3)
    image = scene.color * (1 + 0.05 * fine * scene.detail)[..., None] + rng.normal(0, 0.012, (size, size, 1))
    return (np.clip(blur(image, 0.8), 0, 1) * 255 + 0.5).astype(np.uint8), scene.title


def match_colors(image: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Return the image with each channel's mean and standard deviation moved to the scene's."""
    flat, target = image.reshape(-1, 3), scene.reshape(-1, 3)
    gain = target.std(0) / (flat.std(0) + 1e-6)
    return np.clip((image - flat.mean(0)) * gain + target.mean(0), 0, 1)


def paint_file(folder: str, seed: int, index: int, size: int, hard: bool = True) -> dict:
    """Paint picture `index` into the folder unless it is there, and return its row of classes.csv."""
    manner = manner_of(seed, index, hard)
    prefix = "vincent-van-gogh" if manner in BY_VAN_GOGH else f"{manner}-painter"
    found = sorted(Path(folder, "Post_Impressionism").glob(f"{prefix}_demo-{index:05d}-*.jpg"))
    if found and Path(folder, "strokes", found[0].stem + ".png").exists():
        target = found[0]
    else:
        work = paint(seed, index, size, manner)
        target = Path(folder, "Post_Impressionism", f"{prefix}_demo-{index:05d}-{work.title}.jpg")
        _save(Image.fromarray(work.mask), Path(folder, "strokes", target.stem + ".png"))
        _save(Image.fromarray(work.image), target, quality=95)
    with Image.open(target) as image:
        title = target.stem.split("_", 1)[1]
        return {
            "filename": f"Post_Impressionism/{target.name}",
            "artist": ARTISTS[manner],
            "genre": "['Post Impressionism']",
            "description": f"procedural demo painting, {DESCRIPTIONS.get(manner, f'{manner} brushwork')}: {title}",
            "phash": "",  # a column of WikiArt's that nothing here reads
            "width": image.width,
            "height": image.height,
            "genre_count": 1,
            "subset": "test" if index % 5 == 4 else "train",
        }


def end_with_parent() -> None:
    """Let this worker end when the process that started it is gone, even if that was killed."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _save(image: Image.Image, path: Path, **options) -> None:
    with atomic(path) as part:
        image.save(part, **options)
