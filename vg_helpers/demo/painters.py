"""Paint composed scenes in five manners that differ in brushwork alone.

Convention: canvases are 1.5 times the finished size and are reduced at the end; pixel coordinates are (x, y); a stroke
is a row of points with a width. No painter chooses colours or subjects, and each picture's colour mean and spread are
those of its scene.
"""

import multiprocessing
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ..files import atomic
from .scenes import Scene, noise
from .subjects import SUBJECTS, compose

PAINTERS = ("flow", "dots", "flat", "hatch", "smooth")
PER_SIXTEEN = {"flow": 4, "dots": 3, "flat": 3, "hatch": 3, "smooth": 3}
ARTISTS = {"flow": "vincent van gogh"} | {name: f"{name} painter (demo)" for name in PAINTERS[1:]}


@dataclass
class Canvas:
    """Wet paint: color (S, S, 3) in [0, 1], height (S, S), mask (S, S) of the painter's characteristic strokes."""

    color: np.ndarray
    height: np.ndarray
    mask: np.ndarray


@dataclass
class Painting:
    """One finished picture: image and mask as uint8, and the scene it was painted from."""

    painter: str
    title: str
    image: np.ndarray
    mask: np.ndarray
    scene: Scene


def painter_of(seed: int, index: int) -> str:
    """Return who paints picture `index`: four of every sixteen are the flow painter's, three each other's."""
    block = np.repeat(list(PER_SIXTEEN), list(PER_SIXTEEN.values()))
    return str(np.random.default_rng([seed, 1, index // 16]).permutation(block)[index % 16])


def paint(seed: int, index: int, size: int = 256, painter: str | None = None, subject: str | None = None) -> Painting:
    """Return picture `index` of the set `seed`, size × size; the scene does not depend on who paints it."""
    painter = painter or painter_of(seed, index)
    rng = np.random.default_rng([seed, 2, index])
    subject = subject or SUBJECTS[rng.integers(len(SUBJECTS))]
    scene = compose(rng, subject, size)
    canvas = MANNERS[painter](scene, np.random.default_rng([seed, 3, index]), 3 * size // 2)
    image = match_colors(canvas.color, scene.color)
    image = Image.fromarray((image * 255 + 0.5).astype(np.uint8)).resize((size, size), Image.Resampling.LANCZOS)
    mask = Image.fromarray((canvas.mask * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BOX)
    return Painting(painter, scene.title, np.asarray(image), np.asarray(mask), scene)


def photograph(seed: int, index: int, size: int) -> tuple[np.ndarray, str]:
    """Return a composed scene without brushwork as uint8 (size, size, 3), grained like a photograph, and its title."""
    rng = np.random.default_rng([seed, 4, index])
    outdoors = [name for name in SUBJECTS if name != "portrait"]
    scene = compose(rng, outdoors[index % len(outdoors)], size)
    fine = noise(rng, size, size // 8) + noise(rng, size, size // 3)
    image = scene.color * (1 + 0.05 * fine * scene.detail)[..., None] + rng.normal(0, 0.012, (size, size, 1))
    return (np.clip(_blur(image, 0.8), 0, 1) * 255 + 0.5).astype(np.uint8), scene.title


def match_colors(image: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Return the image with each channel's mean and standard deviation moved to the scene's."""
    flat, target = image.reshape(-1, 3), scene.reshape(-1, 3)
    gain = target.std(0) / (flat.std(0) + 1e-6)
    return np.clip((image - flat.mean(0)) * gain + target.mean(0), 0, 1)


# ---------------------------------------------------------------- strokes


def trace(scene: Scene, seeds: np.ndarray, length: np.ndarray, steps: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, 2·steps + 1, 2) along the field through the seeds, and which stay in the seed's shape.

    Seeds and points are in scene pixels; `length` (N,) is each stroke's full length in the same unit.
    """
    field = np.stack([np.cos(scene.angle), np.sin(scene.angle)], -1)
    home = _at(scene.label, seeds)
    points = np.repeat(seeds[:, None], 2 * steps + 1, 1)
    alive = np.ones(points.shape[:2], bool)
    for sign in (-1, 1):
        here, heading = seeds.copy(), sign * _at(field, seeds)
        inside = np.ones(len(seeds), bool)
        for step in range(1, steps + 1):
            here = here + heading * (length / (2 * steps))[:, None]
            turn = _at(field, here)
            turn = turn * np.where((turn * heading).sum(1) < 0, -1, 1)[:, None]
            heading = 0.5 * heading + 0.5 * turn
            heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
            inside &= _at(scene.label, here) == home
            points[:, steps + sign * step] = here
            alive[:, steps + sign * step] = inside
    return points, alive


def _at(array: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the array's values at the pixels nearest to the points."""
    x, y = np.clip(points, 0, len(array) - 1).astype(np.int32).T
    return array[y, x]


def lay(canvas: Canvas, points, alive, width, color, rng, *, blunt=4.0, bristle=0.05, relief=1.0, marks=True) -> None:
    """Lay strokes on the canvas in order, each over the ones before it.

    Args:
        points: (N, T, 2) in canvas pixels; alive: (N, T), the run around the middle that is painted.
        width, color: (N,) in canvas pixels and (N, 3).
        blunt: shape of the ends, 2 round to 8 square. bristle: how much the bristles' colours differ.
        relief: thickness of the paint. marks: which (N,) are characteristic strokes, or whether all are.
    """
    if not len(points):
        return
    size = len(canvas.height)
    stroke, u, middle, spoke = _sections(points, alive, width, blunt)
    across = int(np.ceil(np.quantile(width, 0.85) / 0.95)) + 1
    v = (np.arange(across) + 0.5) * 2 / across - 1
    pixel = np.zeros((), np.int32)
    for axis, step in ((1, size + 2), (0, 1)):  # a frame of one pixel takes what falls outside
        at = spoke[:, axis, None].astype(np.float32) * v.astype(np.float32)
        at += middle[:, axis, None].astype(np.float32) + 1
        pixel = pixel + np.clip(at, 0, size + 1, out=at).astype(np.int32) * np.int32(step)
    owner = np.full((size + 2) ** 2, -1, np.int32)
    owner[pixel.ravel()] = np.arange(pixel.size, dtype=np.int32)  # of samples on one pixel the last one stays
    owner = _close_gaps(owner.reshape(size + 2, size + 2)).ravel()
    wet = np.flatnonzero(owner >= 0)
    section, hair = owner[wet] // across, owner[wet] % across
    who = stroke[section]
    streak = ndimage.gaussian_filter1d(rng.normal(0, 1, (len(points), across)), 0.8, axis=1, mode="nearest")[who, hair]
    body = np.sqrt(1 - v**2)[hair] + 0.35 * np.abs(v[hair]) ** 3  # rounded, pushed up at both sides
    load = 1 - 0.45 * u[section]  # the brush runs dry
    canvas.color.reshape(-1, 3)[wet] = color[who] + (bristle * streak * (0.6 + u[section]))[:, None]
    canvas.height.ravel()[wet] = 0.35 * canvas.height.ravel()[wet] + relief * load * (body + 0.35 * streak)
    canvas.mask.ravel()[wet] = np.broadcast_to(marks, len(points))[who]


def _sections(points, alive, width, blunt) -> tuple[np.ndarray, ...]:
    """Return the strokes' cross-sections, one a pixel: stroke, place along it in (0, 1), middle, half-width vector."""
    first, last = alive.argmax(1), alive.shape[1] - 1 - alive[:, ::-1].argmax(1)
    arc = np.linalg.norm(np.diff(points, axis=1), axis=2).mean(1)
    count = np.maximum(2, np.ceil((last - first + 1) * arc / 0.95)).astype(int)
    stroke = np.repeat(np.arange(len(points)), count)
    u = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[stroke]
    place = first[stroke] + u * (last - first)[stroke]
    low = np.minimum(place.astype(int), points.shape[1] - 2)
    share = (place - low)[:, None]
    middle = points[stroke, low] * (1 - share) + points[stroke, low + 1] * share
    course = np.gradient(points, axis=1)
    course = course[stroke, low] * (1 - share) + course[stroke, low + 1] * share
    normal = course[:, ::-1] * (-1, 1) / (np.linalg.norm(course, axis=1, keepdims=True) + 1e-9)
    half = 0.5 * width[stroke] * (1 - np.abs(2 * u - 1) ** blunt) ** (1 / blunt)
    return stroke, u, middle, normal * half[:, None]


def _close_gaps(owner: np.ndarray) -> np.ndarray:
    """Return the owners without their frame; a pixel that two opposite later neighbours miss goes to one of them."""
    beside = np.minimum(owner[1:-1, :-2], owner[1:-1, 2:])
    above = np.minimum(owner[:-2, 1:-1], owner[2:, 1:-1])
    return np.maximum(owner[1:-1, 1:-1], np.maximum(beside, above))


def light_relief(canvas: Canvas, depth: float, angle: float = -2.2) -> None:
    """Light the paint's relief from the direction `angle` (upper left), in place."""
    height = ndimage.gaussian_filter(canvas.height, 0.8)
    slope = ndimage.sobel(height, 1) * np.cos(angle) + ndimage.sobel(height, 0) * np.sin(angle)
    shade = np.tanh(slope * depth)
    canvas.color *= (1 + 0.32 * np.minimum(shade, 0))[..., None]
    canvas.color += (1 - canvas.color) * (0.34 * np.maximum(shade, 0))[..., None]


def scatter(rng: np.random.Generator, size: int, spacing: float) -> np.ndarray:
    """Return seeds (N, 2) on a jittered grid of the given spacing, in random order."""
    n = max(2, round(size / spacing))
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) + rng.uniform(0, 1, (n * n, 2))
    return rng.permutation(grid * (size / n))


def broken(rng, color: np.ndarray, value: float, hue: float) -> np.ndarray:
    """Return the colours (N, 3), each a little lighter or darker, warmer or cooler."""
    warm = rng.normal(0, hue, (len(color), 1)) * np.array([[1.0, 0.15, -1.0]])
    return np.clip(color + rng.normal(0, value, (len(color), 1)) + warm + rng.normal(0, hue / 2, color.shape), 0, 1)


def _blur(color: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(color[..., c], sigma, truncate=3) for c in range(3)], -1)


def _enlarge(array: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(array).resize((size, size), Image.Resampling.NEAREST))


def _ground(scene: Scene, size: int, blur: float) -> Canvas:
    picture = Image.fromarray((scene.color * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    color = np.asarray(picture).astype(np.float32) / 255
    if blur:
        color = _blur(color, blur)
    return Canvas(color, np.zeros((size, size), np.float32), np.zeros((size, size), bool))


# ---------------------------------------------------------------- painters


def _flow(scene: Scene, rng, size: int) -> Canvas:
    """Long curved strokes of thick paint along the scene's field, shorter where there is detail."""
    canvas = _ground(scene, size, 3)
    canvas.color *= 0.8
    scale = size / scene.size
    bold = rng.uniform(0.85, 1.15)
    for spacing, width, length in ((0.028, 0.031, 0.2), (0.0205, 0.0225, 0.16), (0.0125, 0.0125, 0.07)):
        seeds = scatter(rng, scene.size, spacing * scene.size)
        detail = _at(scene.detail, seeds)
        if length < 0.1:
            seeds = seeds[detail > 0.3 + 0.3 * rng.random(len(seeds))]
            detail = _at(scene.detail, seeds)
        reach = scene.size * length * bold * (1.15 - 0.8 * detail) * rng.uniform(0.5, 1.3, len(seeds))
        points, alive = trace(scene, seeds, reach)
        wide = size * width * bold * (1.1 - 0.6 * detail) * rng.uniform(0.7, 1.2, len(seeds))
        color = broken(rng, _at(scene.color, seeds), 0.075, 0.04)
        long = scale * reach * alive.mean(1) > 4 * wide
        lay(canvas, points * scale, alive, wide, color, rng, blunt=4, bristle=0.05, marks=long)
    light_relief(canvas, 0.75)
    return canvas


def _dots(scene: Scene, rng, size: int) -> Canvas:
    """Round dabs of divided colour that do not touch the paint of their neighbours."""
    canvas = _ground(scene, size, 4)
    scale = size / scene.size
    fine = rng.uniform(0.85, 1.2)
    for spacing, width in ((0.017, 0.02), (0.0125, 0.0145), (0.0125, 0.0125), (0.0075, 0.0095)):
        seeds = scatter(rng, scene.size, spacing * fine * scene.size)
        if width < 0.01:
            seeds = seeds[_at(scene.detail, seeds) > 0.45]
        wide = size * width * fine * rng.uniform(0.8, 1.15, len(seeds)) * (1.1 - 0.4 * _at(scene.detail, seeds))
        along = np.linspace(-0.5, 0.5, 3)[None, :, None] * np.array([1.0, 0.0])
        points = seeds[:, None] * scale + along * wide[:, None, None]
        color = broken(rng, _at(scene.color, seeds), 0.055, 0.07 if width > 0.01 else 0.04)
        lay(canvas, points, np.ones(points.shape[:2], bool), wide, color, rng, blunt=2, bristle=0.01, relief=0.5)
    light_relief(canvas, 0.25)
    return canvas


def _hatch(scene: Scene, rng, size: int) -> Canvas:
    """Straight parallel strokes, one slant for the whole picture, crossed in the darks."""
    canvas = _ground(scene, size, 5)
    scale = size / scene.size
    slant = rng.choice((-1, 1)) * rng.uniform(0.7, 1.05)
    broad, fine = (0.02, 0.017, 0.1, 0.0), (0.0145, 0.0105, 0.085, 0.0)
    crossed, small = (0.015, 0.008, 0.07, 1.2), (0.009, 0.006, 0.03, 0.0)
    for spacing, width, length, turn in (broad, fine, crossed, small):
        seeds = scatter(rng, scene.size, spacing * scene.size)
        tone = _at(scene.color, seeds).mean(1)
        if turn:
            seeds = seeds[tone < np.quantile(tone, 0.35)]
        if length < 0.05:
            seeds = seeds[_at(scene.detail, seeds) > 0.55]
        angle = slant + turn + rng.normal(0, 0.05, len(seeds))
        reach = size * length * rng.uniform(0.6, 1.2, len(seeds)) * (1.1 - 0.6 * _at(scene.detail, seeds))
        along = np.linspace(-0.5, 0.5, 9)[None, :, None] * np.stack([np.cos(angle), np.sin(angle)], -1)[:, None]
        points = seeds[:, None] * scale + along * reach[:, None, None]
        wide = size * width * rng.uniform(0.7, 1.15, len(seeds))
        alive = (
            _at(scene.label, points.reshape(-1, 2) / scale).reshape(points.shape[:2])
            == _at(scene.label, seeds)[:, None]
        )
        middle = np.minimum.accumulate(alive[:, 4:], 1), np.minimum.accumulate(alive[:, 4::-1], 1)[:, ::-1]
        alive = np.concatenate([middle[1], middle[0][:, 1:]], 1)
        color = broken(rng, _at(scene.color, seeds) * (0.8 if turn else 1.0), 0.9 * length**0.5 / 4, 0.03)
        lay(canvas, points, alive, wide, color, rng, blunt=6, bristle=0.03, relief=0.4)
    light_relief(canvas, 0.2)
    return canvas


def _flat(scene: Scene, rng, size: int) -> Canvas:
    """Areas of one colour each, cut by dark contours that swell and thin."""
    canvas = _ground(scene, size, 0)
    home = _enlarge(scene.label, size)
    home = ndimage.median_filter(home, size=max(3, size // 70) | 1, mode="nearest")
    levels = int(rng.integers(2, 4))
    tone = ndimage.gaussian_filter(canvas.color.mean(2), size * 0.01)
    names = np.arange(scene.shapes + 1)
    low, high = (np.asarray(find(tone, home, names))[home] for find in (ndimage.minimum, ndimage.maximum))
    share = np.where(high - low > 0.12, (tone - low) / (high - low + 1e-6), 0)
    step = (share * levels).astype(int).clip(0, levels - 1)
    zone = home * levels + step
    area = np.maximum(np.bincount(zone.ravel()), 1)
    means = np.stack([np.bincount(zone.ravel(), canvas.color[..., c].ravel()) / area for c in range(3)], -1)
    canvas.color[:] = broken(rng, means, 0.02, 0.015)[zone]
    edge = (home != np.roll(home, 1, 0)) | (home != np.roll(home, 1, 1))
    edge[0] = edge[:, 0] = False
    swell = size * (0.0046 + 0.0016 * noise(rng, size, 7)) * (1.1 - 0.75 * _enlarge(scene.detail, size))
    line = np.clip(swell - ndimage.distance_transform_edt(~edge) + 0.5, 0, 1)
    ink = np.percentile(canvas.color.reshape(-1, 3)[::7], 4, axis=0) * 0.45
    canvas.color += (ink - canvas.color) * line[..., None]
    canvas.mask = line > 0.5
    canvas.color += 0.012 * rng.normal(0, 1, (size, size, 1)).astype(np.float32)
    return canvas


def _smooth(scene: Scene, rng, size: int) -> Canvas:
    """Blended tones without visible strokes, softer in the distance than in the detail."""
    size = scene.size
    canvas = _ground(scene, size, 0)
    soft, crisp = (_blur(canvas.color, share * size) for share in (0.012, 0.0035))
    near = ndimage.gaussian_filter(scene.detail, 0.015 * size)[..., None]
    canvas.color = soft + (crisp - soft) * np.clip(0.25 + near * 1.6, 0, 1)
    weave = np.sin(np.arange(size) * 2.2)
    canvas.color += 0.006 * (weave[:, None] * weave[None])[..., None] + 0.008 * rng.normal(0, 1, (size, size, 1))
    return canvas


MANNERS = {"flow": _flow, "dots": _dots, "flat": _flat, "hatch": _hatch, "smooth": _smooth}


# ---------------------------------------------------------------- files


def paint_file(folder: str, seed: int, index: int, size: int) -> dict:
    """Paint picture `index` into the folder unless it is there, and return its row of classes.csv."""
    painter = painter_of(seed, index)
    prefix = "vincent-van-gogh" if painter == "flow" else f"{painter}-painter"
    found = sorted(Path(folder, "Post_Impressionism").glob(f"{prefix}_demo-{index:05d}-*.jpg"))
    if found and Path(folder, "strokes", found[0].stem + ".png").exists():
        target = found[0]
    else:
        work = paint(seed, index, size)
        target = Path(folder, "Post_Impressionism", f"{prefix}_demo-{index:05d}-{work.title}.jpg")
        _save(Image.fromarray(work.mask), Path(folder, "strokes", target.stem + ".png"))
        _save(Image.fromarray(work.image), target, quality=95)
    with Image.open(target) as image:
        title = target.stem.split("_", 1)[1]
        manner = "in the manner of Vincent van Gogh" if painter == "flow" else f"{painter} brushwork"
        return {
            "filename": f"Post_Impressionism/{target.name}",
            "artist": ARTISTS[painter],
            "genre": "['Post Impressionism']",
            "description": f"procedural demo painting, {manner}: {title}",
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
