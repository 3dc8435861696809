"""How the demo's painters paint a scene: seven manners that differ in brushwork alone.

Convention: each takes a scene, a random generator and the canvas's size, and returns a canvas; lengths and widths are
shares of the picture's side. No painter chooses colours or subjects.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .scenes import Scene, noise
from .strokes import Canvas, blur, broken, enlarge, ground, lay, light_relief, scatter, trace, value_at


@dataclass(frozen=True)
class Hand:
    """How strokes that follow the scene's field are laid.

    Args:
        layers: spacing, width and length of the strokes, from the first layer to the last, which goes over details.
        even: 0 for lengths and places that vary freely, 1 for a regular rhythm.
        ground: brightness of what lies under the strokes, as a share of the scene's.
        value, hue: how much neighbouring strokes differ in brightness and in colour.
        blunt, bristle: as in `lay`.
        relief: how strongly the light shows the thickness of the paint.
        slender: strokes that are longer than so many times their width are marked as characteristic.
    """

    layers: tuple[tuple[float, float, float], ...]
    even: float = 0.0
    ground: float = 0.8
    value: float = 0.075
    hue: float = 0.04
    blunt: float = 4.0
    bristle: float = 0.05
    relief: float = 0.75
    slender: float = 4.0


FLOW = Hand(((0.028, 0.031, 0.2), (0.0205, 0.0225, 0.16), (0.0125, 0.0125, 0.07)))
EARLY = Hand(
    ((0.03, 0.036, 0.13), (0.022, 0.026, 0.09), (0.0125, 0.0125, 0.05)),
    ground=0.65,
    value=0.045,
    hue=0.025,
    blunt=3,
    bristle=0.03,
    relief=0.45,
    slender=2,
)
PUPIL = Hand(
    ((0.023, 0.016, 0.05), (0.017, 0.0105, 0.028), (0.0125, 0.0085, 0.022)),
    even=1,
    ground=1.4,
    value=0.055,
    hue=0.05,
    blunt=7.5,
    bristle=0.025,
    relief=0.45,
    slender=2,
)


def between(first: Hand, second: Hand, share: float) -> Hand:
    """Return the hand that lies between two, `share` of the way from the first to the second."""

    def mean(a, b):
        return tuple(map(mean, a, b)) if isinstance(a, tuple) else (1 - share) * a + share * b

    return Hand(**{name: mean(value, getattr(second, name)) for name, value in vars(first).items()})


def _flow(scene: Scene, rng, size: int) -> Canvas:
    """Long curved strokes of thick paint along the scene's field, shorter where there is detail."""
    return _follow(scene, rng, size, FLOW)


def _early(scene: Scene, rng, size: int) -> Canvas:
    """The flow painter before he found his manner: short, calm strokes, some as even as those that his pupil kept."""
    return _follow(scene, rng, size, between(EARLY, PUPIL, rng.uniform(0.5, 0.9)))


def _pupil(scene: Scene, rng, size: int) -> Canvas:
    """Short, narrow strokes along the field, even in length and place, on a light ground; now and then a near copy."""
    copies = rng.random() < 0.15
    return _follow(scene, rng, size, between(PUPIL, FLOW, rng.uniform(0.5, 0.9) if copies else rng.uniform(0, 0.25)))


def _follow(scene: Scene, rng, size: int, hand: Hand) -> Canvas:
    canvas = ground(scene, size, 3)
    canvas.color *= hand.ground
    scale = size / scene.size
    bold = rng.uniform(0.85, 1.15)
    shortest, longest = 0.5 + 0.35 * hand.even, 1.3 - 0.25 * hand.even
    for number, (spacing, width, length) in enumerate(hand.layers):
        seeds = scatter(rng, scene.size, spacing * scene.size, 1 - 0.7 * hand.even)
        detail = value_at(scene.detail, seeds)
        if number == len(hand.layers) - 1:
            seeds = seeds[detail > 0.3 + 0.3 * rng.random(len(seeds))]
            detail = value_at(scene.detail, seeds)
        reach = scene.size * length * bold * (1.15 - 0.8 * detail) * rng.uniform(shortest, longest, len(seeds))
        points, alive = trace(scene, seeds, reach)
        wide = size * width * bold * (1.1 - 0.6 * detail) * rng.uniform(0.7, 1.2, len(seeds))
        color = broken(rng, value_at(scene.color, seeds), hand.value, hand.hue)
        long = scale * reach * alive.mean(1) > hand.slender * wide
        lay(canvas, points * scale, alive, wide, color, rng, blunt=hand.blunt, bristle=hand.bristle, marks=long)
    light_relief(canvas, hand.relief)
    return canvas


def _dots(scene: Scene, rng, size: int) -> Canvas:
    """Round dabs of divided colour that do not touch the paint of their neighbours."""
    canvas = ground(scene, size, 4)
    scale = size / scene.size
    fine = rng.uniform(0.85, 1.2)
    for spacing, width in ((0.017, 0.02), (0.0125, 0.0145), (0.0125, 0.0125), (0.0075, 0.0095)):
        seeds = scatter(rng, scene.size, spacing * fine * scene.size)
        if width < 0.01:
            seeds = seeds[value_at(scene.detail, seeds) > 0.45]
        wide = size * width * fine * rng.uniform(0.8, 1.15, len(seeds)) * (1.1 - 0.4 * value_at(scene.detail, seeds))
        along = np.linspace(-0.5, 0.5, 3)[None, :, None] * np.array([1.0, 0.0])
        points = seeds[:, None] * scale + along * wide[:, None, None]
        color = broken(rng, value_at(scene.color, seeds), 0.055, 0.07 if width > 0.01 else 0.04)
        lay(canvas, points, np.ones(points.shape[:2], bool), wide, color, rng, blunt=2, bristle=0.01, relief=0.5)
    light_relief(canvas, 0.25)
    return canvas


def _hatch(scene: Scene, rng, size: int) -> Canvas:
    """Straight parallel strokes, one slant for the whole picture, crossed in the darks."""
    canvas = ground(scene, size, 5)
    scale = size / scene.size
    slant = rng.choice((-1, 1)) * rng.uniform(0.7, 1.05)
    broad, fine = (0.02, 0.017, 0.1, 0.0), (0.0145, 0.0105, 0.085, 0.0)
    crossed, small = (0.015, 0.008, 0.07, 1.2), (0.009, 0.006, 0.03, 0.0)
    for spacing, width, length, turn in (broad, fine, crossed, small):
        seeds = scatter(rng, scene.size, spacing * scene.size)
        tone = value_at(scene.color, seeds).mean(1)
        if turn:
            seeds = seeds[tone < np.quantile(tone, 0.35)]
        if length < 0.05:
            seeds = seeds[value_at(scene.detail, seeds) > 0.55]
        angle = slant + turn + rng.normal(0, 0.05, len(seeds))
        reach = size * length * rng.uniform(0.6, 1.2, len(seeds)) * (1.1 - 0.6 * value_at(scene.detail, seeds))
        along = np.linspace(-0.5, 0.5, 9)[None, :, None] * np.stack([np.cos(angle), np.sin(angle)], -1)[:, None]
        points = seeds[:, None] * scale + along * reach[:, None, None]
        wide = size * width * rng.uniform(0.7, 1.15, len(seeds))
        alive = (
            value_at(scene.label, points.reshape(-1, 2) / scale).reshape(points.shape[:2])
            == value_at(scene.label, seeds)[:, None]
        )
        middle = np.minimum.accumulate(alive[:, 4:], 1), np.minimum.accumulate(alive[:, 4::-1], 1)[:, ::-1]
        alive = np.concatenate([middle[1], middle[0][:, 1:]], 1)
        color = broken(rng, value_at(scene.color, seeds) * (0.8 if turn else 1.0), 0.9 * length**0.5 / 4, 0.03)
        lay(canvas, points, alive, wide, color, rng, blunt=6, bristle=0.03, relief=0.4)
    light_relief(canvas, 0.2)
    return canvas


def _flat(scene: Scene, rng, size: int) -> Canvas:
    """Areas of one colour each, cut by dark contours that swell and thin."""
    canvas = ground(scene, size, 0)
    home = enlarge(scene.label, size)
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
    swell = size * (0.0046 + 0.0016 * noise(rng, size, 7)) * (1.1 - 0.75 * enlarge(scene.detail, size))
    line = np.clip(swell - ndimage.distance_transform_edt(~edge) + 0.5, 0, 1)
    ink = np.percentile(canvas.color.reshape(-1, 3)[::7], 4, axis=0) * 0.45
    canvas.color += (ink - canvas.color) * line[..., None]
    canvas.mask = line > 0.5
    canvas.color += 0.012 * rng.normal(0, 1, (size, size, 1)).astype(np.float32)
    return canvas


def _smooth(scene: Scene, rng, size: int) -> Canvas:
    """Blended tones without visible strokes, softer in the distance than in the detail."""
    size = scene.size
    canvas = ground(scene, size, 0)
    soft, crisp = (blur(canvas.color, share * size) for share in (0.012, 0.0035))
    near = ndimage.gaussian_filter(scene.detail, 0.015 * size)[..., None]
    canvas.color = soft + (crisp - soft) * np.clip(0.25 + near * 1.6, 0, 1)
    weave = np.sin(np.arange(size) * 2.2)
    canvas.color += 0.006 * (weave[:, None] * weave[None])[..., None] + 0.008 * rng.normal(0, 1, (size, size, 1))
    return canvas


MANNERS = {
    "flow": _flow,
    "early": _early,
    "pupil": _pupil,
    "dots": _dots,
    "flat": _flat,
    "hatch": _hatch,
    "smooth": _smooth,
}
