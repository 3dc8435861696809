"""Pictures that are painted once: a file is repainted only if something it was made of has changed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from ..files import file_sha256, fingerprint
from ..images import load_image, read_metadata, save_image
from .checks import TooSmall
from .engine import VERSION, StyleParams, stylize


def paint_once(
    file: Path,
    photo: Path,
    painting: Path,
    extractor: nn.Module,
    params: StyleParams,
    size: int,
    state: Path,
    **options: Any,
) -> Path:
    """Return `file`, the photo repainted in the painting's style; it stays if it was made of the same things before.

    Photo and painting count by their content, not by their names. The PNG's metadata hold key, settings and seconds.

    Args:
        size: pixels of the longer side of photo and painting.
        state: a folder for checkpoints alone, from which an interrupted painting continues. At the end all checkpoints
            in it are removed, those of other settings too.
        options: on_step, every, checkpoint_every and network of `stylize`.

    Raises:
        ValueError: if one of the two is too small; the sentence names its file and the size that works.
    """
    sources = [VERSION, extractor.weights.sha256, file_sha256(photo), file_sha256(painting)]
    key = fingerprint(asdict(params), sources, size)
    if read_metadata(file).get("key") == key:
        return file
    device = next(extractor.parameters()).device
    images = [load_image(path, size).to(device) for path in (photo, painting)]
    try:
        result = stylize(*images, extractor, params, checkpoint=state / f"{key}.pt", **options)
    except TooSmall as error:
        raise error.named(photo, painting) from error
    settings = json.dumps(result.settings, default=str)
    save_image(file, result.image, {"key": key, "settings": settings, "seconds": f"{result.seconds:.2f}"})
    for leftover in state.glob("*.pt"):
        leftover.unlink()
    return file
