"""What every task, judge and check of this package depends on besides network and paintings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ..data.views import EVAL_VIEWS
from ..device import pick_device, seed_everything

PROTOCOL = 10  # raise it when the same parameters no longer give the same numbers: kept work is then computed again


@dataclass(frozen=True)
class Setup:
    """Folders, device, and what is shown of a painting.

    `views` counts the augmented views whose features are kept, `eval_views` the averaged views of a held-out painting.
    With `fine_texture`, VGG-19's texture judge sees enlarged pictures.
    """

    data_dir: Path
    cache_dir: Path
    state_dir: Path
    device: torch.device
    depth: str = "auto"
    weights: str = "auto"
    views: int = 2
    size: int = 224
    seed: int = 42
    eval_views: int = EVAL_VIEWS
    fine_texture: bool = False

    def __post_init__(self) -> None:
        if self.eval_views not in (2, 4, 6):
            raise ValueError(
                f"eval_views={self.eval_views}: choose 2 (the centre, also mirrored), 4 or 6 (turned ends too)"
            )

    def content(self) -> tuple[Any, ...]:
        """Return what results depend on, for `Stage.keep`: everything but the folders of kept work."""
        return tuple(str(value) for name, value in vars(self).items() if name not in ("cache_dir", "state_dir"))


def open_setup(sources: Mapping[str, Any], state_dir: Path, device: str, seed: int, **choices: Any) -> Setup:
    """Return what both tasks depend on, and seed every generator.

    Args:
        sources: data_dir and cache_dir, as sources.json of 01 holds them.
        choices: the other fields of `Setup`.
    """
    seed_everything(seed)
    folders = Path(sources["data_dir"]), Path(sources["cache_dir"]), state_dir
    return Setup(*folders, pick_device(device), seed=seed, **choices)


def identity(index: pd.DataFrame) -> dict[str, list[str]]:
    """Return what names the paintings of an index: their paths and, so that a replaced file counts, their hashes."""
    return index.filter(["path", "phash"]).to_dict("list")
