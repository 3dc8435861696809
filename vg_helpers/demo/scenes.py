"""What a demo scene is made of: palettes, shapes, light, and fields of stroke directions.

Convention: x runs right and y runs down, both in [0, 1]; an angle is a stroke's direction in radians, (cos, sin) is
(x, y), and means the same turned by π. Maps are (R, R) float32. Nothing random depends on R or on the painter.
"""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

# Each palette: sky high, sky low, cloud, far hills, ground, ripe field, leaf, shade, accent, light, wall, roof.
ROLES = ("sky", "haze", "cloud", "hills", "ground", "field", "leaf", "shade", "accent", "light", "wall", "roof")
DAY_PALETTES = {
    "noon": "3f78b5 a9cfdc f1efdc 6f8fae b98a35 e6bf4c 6f8f3c 2f5238 c4472f f6e9a6 e9dcc0 b9603c",
    "orchard": "5aa3bd bfdcd6 f6e3e2 8fb0b5 7f9a55 b9c979 86a95f 3f6a55 d9737f fbeee0 eadfd3 a8684f",
    "dusk": "5a5696 e59a63 f3c48c 6a5a8c 7d6a55 b98a58 5f7350 33405a d5563c f9d98c caa894 8a4a48",
    "olive": "86a7b2 d6d7bb eeeacf 7f95a0 b39a63 d3bc7e 8d9a68 4a5f4c b5623a f3e7b8 ddd0ae a9704a",
    "autumn": "6f98b4 d9d3b6 efe4cb 8a7f97 a8682f d99a3e b97b2e 5a4530 b8392b f8df9a e3c89d 8d3f30",
    "iris": "7a93c4 c9d2df f0ecea 6a73ad 9a8a4f c9b768 5f9070 2d4a66 6a4fa3 f5e6a2 e4dfcf a5664f",
    "spring": "67b0c9 cfe6d5 f8f4e4 7fb0a4 6d9e4a aacb58 58964e 275a49 e0823f faf0b0 efe4c9 c46a44",
    "grey": "8497a8 c2ccd0 e4e6e2 76879a 7e8468 a6a981 6d8062 39504d a65b45 e9e2c2 cfccc0 84604f",
    "harvest": "4e93b0 d8dba8 f4edc3 8da06f cf9a35 efcb56 8b9a3a 4a5a2a cf5a2c fbeea0 efdcae c06636",
    "sunset": "40609a f0a84e f8d479 4f5a85 6f5b3a b4883c 4f6a45 263c45 d64a30 fbe28a d2a878 7f3c38",
}
NIGHT_PALETTES = {
    "starry": "1b3370 3f6fae 8fb4d0 2b4680 2f4a52 4f7068 2a4c46 12242f d79a34 f5dd6c 54709a 3a4668",
    "cafe": "16295e 2f5590 6f95b8 27406f 6b6247 a98f4c 3a5a4c 14262f d98a2e f8cf55 b99a4a 7a4a3a",
    "rhone": "173a5f 2f7590 78b0b4 22506c 24505a 3f7a78 23514a 102a33 cf8a38 f2d878 4a7a8c 35525f",
    "violet": "2a2a66 5a5a9e a39dc6 3a3d78 3f4a5f 67708a 34505a 1a2238 cf7a4a f4d98a 6a6a98 4f3f62",
}


@dataclass
class Scene:
    """What a painter gets: color (R, R, 3) in [0, 1], label (R, R) of the shapes, angle, and detail in [0, 1]."""

    size: int
    palette: dict[str, np.ndarray]
    title: str = ""
    x: np.ndarray = field(init=False)
    y: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        centre = ((np.arange(self.size) + 0.5) / self.size).astype(np.float32)
        self.x, self.y = np.meshgrid(centre, centre)
        self.color = np.zeros((self.size, self.size, 3), np.float32)
        self.label = np.zeros((self.size, self.size), np.int32)
        self.angle, self.detail = np.zeros_like(self.x), np.zeros_like(self.x)
        self.shapes = 0

    def fill(self, mask, color, angle=0.0, detail=0.3) -> None:
        """Put one shape over the others; colour and angle are one value, or maps of the whole picture."""
        self.shapes += 1
        self.label[mask] = self.shapes
        self.color[mask] = color[mask] if np.ndim(color) == 3 else color
        self.angle[mask] = angle[mask] if np.ndim(angle) else angle
        self.detail[mask] = detail

    def shape(self, frame, points, color, angle=0.0, detail=0.5) -> None:
        """Fill a polygon whose points are given in the frame (x, y, unit) or (x, y, unit of x, unit of y)."""
        cx, cy, *unit = frame
        corners = np.asarray(points) * unit + (cx, cy)
        self.fill(polygon(self.size, corners), color, angle, detail)

    def oval(self, cx, cy, rx, ry, color, angle=0.0, detail=0.5) -> None:
        """Fill an ellipse."""
        self.fill(((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 < 1, color, angle, detail)

    def around(self, cx, cy) -> np.ndarray:
        """Return the directions of circles around a centre."""
        return np.arctan2(self.x - cx, cy - self.y)

    def lit(self, color, cx, cy, rx, ry, dark=0.45, light=0.35) -> np.ndarray:
        """Return the colours of a round body lit from the upper left."""
        side = np.clip(-0.7 * ((self.x - cx) / rx + (self.y - cy) / ry), -1, 1)
        return mix(color, np.float32(1), np.maximum(side, 0) * light) * (1 + np.minimum(side, 0) * dark)[..., None]


def mix(a, b, t) -> np.ndarray:
    """Return the mix of two colours or colour maps; t is a map or a number."""
    t = np.clip(np.asarray(t, np.float32), 0, 1)
    return a + (b - a) * (t[..., None] if t.ndim else t)


def build_palette(rng: np.random.Generator, codes: str) -> dict[str, np.ndarray]:
    """Return role → RGB in [0, 1], each a little off its code and all a little warmer, lighter or greyer."""
    raw = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes.split()]) / 255
    raw = raw + rng.normal(0, 0.025, raw.shape) + rng.normal(0, 0.03, 3)
    grey = raw.mean(1, keepdims=True)
    raw = grey + (raw - grey) * rng.uniform(0.8, 1.15)
    return {role: np.clip(color, 0.02, 0.98).astype(np.float32) for role, color in zip(ROLES, raw, strict=True)}


def noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Return smooth noise (size, size), about unit variance, with about `cells` bumps a side."""
    grid = Image.fromarray(rng.standard_normal((cells + 3, cells + 3)).astype(np.float32) * 1.3)
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC, box=(1, 1, cells + 2, cells + 2)))


def polygon(size: int, points) -> np.ndarray:
    """Return the mask of a polygon given by (x, y) in [0, 1]."""
    picture = Image.new("1", (size, size))
    ImageDraw.Draw(picture).polygon([(float(x) * size, float(y) * size) for x, y in points], fill=1)
    return np.asarray(picture)


def blob(rng: np.random.Generator, size: int, cx, cy, rx, ry, rough=0.08, lobes=5) -> np.ndarray:
    """Return the mask of a wobbly ellipse."""
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = [rng.normal() * np.cos(k * turn + rng.uniform(0, 6.3)) / k**0.5 for k in range(2, lobes + 1)]
    radius = 1 + rough * np.sum(waves, axis=0)
    return polygon(size, np.stack([cx + rx * radius * np.cos(turn), cy + ry * radius * np.sin(turn)], -1))


def level_lines(stream: np.ndarray) -> np.ndarray:
    """Return the directions of a stream function's level lines, along which its flow runs."""
    down, right = np.gradient(stream)
    return np.arctan2(-right, down).astype(np.float32)


def swirl_stream(scene: Scene, rng: np.random.Generator, eddies) -> np.ndarray:
    """Return a stream function: a wavy drift across the picture, turning about eddies (x, y, radius)."""
    stream = scene.y + 0.06 * noise(rng, scene.size, 3) + 0.012 * noise(rng, scene.size, 7)
    for cx, cy, radius in eddies:
        far = ((scene.x - cx) ** 2 + (scene.y - cy) ** 2) / radius**2
        stream = stream + int(rng.choice((-1, 1))) * 1.7 * radius * np.exp(-far)
    return stream


def follow_contours(scene: Scene, reach: float = 0.018) -> np.ndarray:
    """Return the scene's angles, turned along the edges of its colours near them (averaged as doubled angles)."""
    sigma = reach * scene.size
    tensor = np.zeros((scene.size, scene.size), np.complex64)
    for channel in np.moveaxis(scene.color, 2, 0):
        soft = ndimage.gaussian_filter(channel, 1.2, truncate=3)
        down, right = np.gradient(soft)
        tensor -= (right + 1j * down) ** 2
    edge, own = _soften(tensor, sigma), _soften(np.exp(2j * scene.angle), sigma / 3)
    strength = np.abs(edge)
    weight = 2 * strength / (strength + np.percentile(strength[::4, ::4], 85) + 1e-6)
    return (np.angle(own + weight * edge / (strength + 1e-9)) / 2).astype(np.float32)


def _soften(numbers: np.ndarray, sigma: float) -> np.ndarray:
    real, imaginary = (ndimage.gaussian_filter(part, sigma, truncate=2.5) for part in (numbers.real, numbers.imag))
    return real + 1j * imaginary
