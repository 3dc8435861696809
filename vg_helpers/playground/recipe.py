"""What a painting is made of, and the command that makes the same one: pictures, settings, words for `run.py paint`.

Convention: a picture is a file or an Upload. The command's own parser and plan decide all the rest, so that page and
command cannot differ.
"""

import argparse
import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import file_sha256
from ..images import Upload

Picture = Path | Upload
AUTO = "auto"  # protect the photo's main object
OUT = "painting.png"


@dataclass(frozen=True)
class Recipe:
    """Photo, style and settings of one painting.

    Args:
        size: pixels of the longer side.
        protect: a mask picture, bright where the photo stays; "auto" for its main object; or None.
        opacity: how much of the painting lies over the photo.
        loss, style_scale: as in `StyleParams`.
        keep_colors: only the painting's brightness counts, the colours are the photo's.
        stop_at: the steps that were taken, if somebody stopped before the last one.

    Opacity and colours are applied to the finished painting, so they can change without painting again.
    """

    photo: Picture
    style: Picture
    size: int = 256
    steps: int = 30
    extractor: str = "vgg19"
    protect: Picture | str | None = None
    loss: str = "gram"
    style_scale: float = 1.0
    seed: int = 0
    opacity: float = 1.0
    keep_colors: bool = False
    stop_at: int | None = None

    def words(self) -> list[str]:
        """Return the arguments of `run.py paint`, without --out."""
        words = [_name(self.photo), "--style", _name(self.style), "--size", str(self.size)]
        words += ["--steps", str(self.steps), "--extractor", self.extractor]
        words += ["--loss", self.loss] if self.loss != "gram" else []
        words += [f"--style-scale={self.style_scale:g}"] if self.style_scale != 1 else []
        words += ["--seed", str(self.seed)] if self.seed else []
        words += ["--protect", _name(self.protect)] if self.protect is not None else []
        words += ["--keep-colors=luminance"] if self.keep_colors else []
        words += [f"--opacity={self.opacity:g}"] if self.opacity != 1 else []
        words += [f"--stop-at={self.stop_at}"] if self.stop_at is not None else []
        return words

    def command(self) -> str:
        """Return the line that makes the same picture; uploads are named as files of the current folder."""
        return f"python3 run.py paint {shlex.join([*self.words(), '--out', OUT])}"

    def options(self) -> argparse.Namespace:
        """Return the options as `run.py paint` reads them, with the pictures themselves in place of their names."""
        from ..commands.paint import build_parser  # it loads torch, which the page shall not wait for

        args = build_parser().parse_args(self.words())
        args.enlarge, args.photo, args.style = True, self.photo, [self.style]
        args.protect = self.protect if self.protect in (None, AUTO) else _name(self.protect)
        return args

    def sources(self) -> dict[str, Any]:
        """Return the hashes of photo and style, as the command writes them into the file."""
        return {"photo": sha256(self.photo), "styles": [sha256(self.style)]}


def _name(picture: Picture | str) -> str:
    """Return the word for a picture, which the command reads neither as an option nor as a home nor as AUTO."""
    name = str(picture)
    return name if isinstance(picture, str) or (name[:1] not in ("-", "~") and name != AUTO) else f"./{name}"


def sha256(picture: Picture) -> str:
    """Return the SHA-256 of a file or an upload, as hex digits."""
    if isinstance(picture, Upload):
        return hashlib.sha256(picture.data).hexdigest()
    return file_sha256(picture)
