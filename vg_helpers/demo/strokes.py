"""Paint on a canvas: the ground, strokes and the light on their relief.

Convention: canvases are 1.5 times the finished size; pixel coordinates are (x, y); a stroke is a row of points with a
width.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from .scenes import Scene


@dataclass
class Canvas:
    """Wet paint: color (S, S, 3) in [0, 1], height (S, S), mask (S, S) of the painter's characteristic strokes."""

    color: np.ndarray
    height: np.ndarray
    mask: np.ndarray


def trace(scene: Scene, seeds: np.ndarray, length: np.ndarray, steps: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, 2·steps + 1, 2) along the field through the seeds, and which stay in the seed's shape.

    Seeds and points are in scene pixels; `length` (N,) is each stroke's full length in the same unit.
    """
    field = np.stack([np.cos(scene.angle), np.sin(scene.angle)], -1)
    home = value_at(scene.label, seeds)
    points = np.repeat(seeds[:, None], 2 * steps + 1, 1)
    alive = np.ones(points.shape[:2], bool)
    for sign in (-1, 1):
        here, heading = seeds.copy(), sign * value_at(field, seeds)
        inside = np.ones(len(seeds), bool)
        for step in range(1, steps + 1):
            here = here + heading * (length / (2 * steps))[:, None]
            turn = value_at(field, here)
            turn = turn * np.where((turn * heading).sum(1) < 0, -1, 1)[:, None]
            heading = 0.5 * heading + 0.5 * turn
            heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
            inside &= value_at(scene.label, here) == home
            points[:, steps + sign * step] = here
            alive[:, steps + sign * step] = inside
    return points, alive


def value_at(array: np.ndarray, points: np.ndarray) -> np.ndarray:
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


def scatter(rng: np.random.Generator, size: int, spacing: float, jitter: float = 1.0) -> np.ndarray:
    """Return seeds (N, 2) on a grid of the given spacing, in random order; with jitter 1 anywhere in their cells."""
    n = max(2, round(size / spacing))
    places = 0.5 + jitter * (rng.uniform(0, 1, (n * n, 2)) - 0.5)
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) + places
    return rng.permutation(grid * (size / n))


def broken(rng, color: np.ndarray, value: float, hue: float) -> np.ndarray:
    """Return the colours (N, 3), each a little lighter or darker, warmer or cooler."""
    warm = rng.normal(0, hue, (len(color), 1)) * np.array([[1.0, 0.15, -1.0]])
    return np.clip(color + rng.normal(0, value, (len(color), 1)) + warm + rng.normal(0, hue / 2, color.shape), 0, 1)


def blur(color: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image (H, W, 3), blurred."""
    return np.stack([ndimage.gaussian_filter(color[..., c], sigma, truncate=3) for c in range(3)], -1)


def enlarge(array: np.ndarray, size: int) -> np.ndarray:
    """Return a square map at another size, without new values."""
    return np.asarray(Image.fromarray(array).resize((size, size), Image.Resampling.NEAREST))


def ground(scene: Scene, size: int, sigma: float) -> Canvas:
    """Return a canvas with the scene's colours on it, blurred by sigma pixels."""
    picture = Image.fromarray((scene.color * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    color = np.asarray(picture).astype(np.float32) / 255
    if sigma:
        color = blur(color, sigma)
    return Canvas(color, np.zeros((size, size), np.float32), np.zeros((size, size), bool))
