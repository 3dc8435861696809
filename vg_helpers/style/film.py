"""The way from a photo to its painting: the picture after every so many steps, and all of it as an animated WebP.

Convention: the pictures of a film wait in a folder of their own until it is written, so that an interrupted run ends
with the same film.
"""

import io
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..files import atomic
from ..images import open_image, save_image
from .output import Format, exif_of, save_picture
from .pixels import keep_luminance_only, resize, scaled_size

FRAMES = 40  # at most, besides the photo and the finished painting
SIDE, SMALLEST = 480, 120  # pixels of the longer side
FIRST, EACH, LAST = 700, 80, 2500  # milliseconds
QUALITIES = (80, 65)  # of WebP; after them the pictures get smaller
LARGEST = 1_500_000  # bytes


def snapshot_file(out: Path, step: int) -> Path:
    """Return the file for the picture after a step.

    >>> snapshot_file(Path("a.png"), 50).name
    'a_step0050.png'
    """
    return out.with_name(f"{out.stem}_step{step:04}{out.suffix}")


class Way:
    """Keeps the pictures of a run on their way: `add` takes each step's."""

    def __init__(self, photo: Tensor, total: int, colors: str, opacity: float = 1.0) -> None:
        """Begin a way of `total` steps from a photo (1, 3, H, W).

        Args:
            colors: that of StyleParams.
            opacity: how much of a picture lies over the photo.
        """
        self.photo, self.total, self.colors, self.opacity = photo, total, colors, opacity
        self.out: Path | None = None
        self.frames: Path | None = None
        self.every = self.settings = self.layout = None

    def keep_snapshots(self, out: Path, every: int, settings: dict[str, str], layout: Format) -> list[Path]:
        """Write the picture every so many steps beside `out`, and return the files that there will be."""
        self.out, self.every, self.settings, self.layout = out, every, settings, layout
        return [snapshot_file(out, step) for step in range(every, self.total, every)]

    def keep_frames(self, folder: Path) -> None:
        """Keep the pictures of a film in this folder."""
        self.frames = folder
        self._save_frame(0, self.photo)

    @property
    def is_kept(self) -> bool:
        """Whether any picture on the way is kept."""
        return self.out is not None or self.frames is not None

    def add(self, step: int, image: Tensor) -> None:
        """Keep the picture after this step if it is due."""
        if self.out is not None and step % self.every == 0 and step < self.total:
            picture = self._finished(resize(image, tuple(self.photo.shape[2:])))
            save_picture(snapshot_file(self.out, step), picture, self.settings, self.layout)
        if self.frames is not None and step % math.ceil(self.total / FRAMES) == 0 and step < self.total:
            self._save_frame(step, self._finished(image))

    def write_film(self, file: Path, painting: Tensor, settings: dict[str, str]) -> None:
        """Write the film that ends with the painting."""
        self._save_frame(self.total, painting)
        names = [self._frame(step) for step in range(self.total + 1)]
        write_film(file, [open_image(name) for name in names if name.exists()], settings)

    def remove_frames(self) -> None:
        """Remove the pictures of the film."""
        if self.frames is not None:
            shutil.rmtree(self.frames)

    def _frame(self, step: int) -> Path:
        return self.frames / f"{step:06}.png"

    def _save_frame(self, step: int, image: Tensor) -> None:
        fraction = min(1.0, SIDE / max(self.photo.shape[2:]))
        size = scaled_size(self.photo, fraction)
        save_image(self._frame(step), resize(image, size))

    def _finished(self, image: Tensor) -> Tensor:
        """Return the image with the colours and the opacity that the painting will have."""
        photo = resize(self.photo, tuple(image.shape[2:]))
        image = keep_luminance_only(image, photo) if self.colors == "luminance" else image
        return image if self.opacity == 1 else photo.lerp(image, self.opacity)


def write_film(file: Path, frames: Sequence[Image.Image], settings: dict[str, str]) -> None:
    """Write an animated WebP that repeats for ever, its last picture longest, in at most LARGEST bytes if possible."""
    durations = [FIRST, *[EACH] * (len(frames) - 2), LAST][-len(frames) :]
    sizes = [frames[0].size]
    while max(sizes[-1]) * 0.8 >= SMALLEST:
        sizes.append(tuple(max(1, round(side * 0.8)) for side in sizes[-1]))
    tries = [(sizes[0], quality) for quality in QUALITIES] + [(size, QUALITIES[-1]) for size in sizes[1:]]
    for size, quality in tries:
        stream = io.BytesIO()
        first, *rest = [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]
        options = {"duration": durations, "loop": 0, "quality": quality, "method": 4, "exif": exif_of(settings)}
        first.save(stream, "WEBP", save_all=True, append_images=rest, **options)
        if stream.tell() <= LARGEST:
            break
    with atomic(file) as part:
        part.write_bytes(stream.getvalue())
