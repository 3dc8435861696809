"""What a trained classifier says of any picture: P(van_gogh), seen as a test painting is seen."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..data.views import EVAL_VIEWS, eval_view
from ..device import autocast
from ..images import UNREADABLE, read_pixels


@torch.inference_mode()
def judge(
    model: nn.Module,
    pictures: Iterable[str | Path | Tensor],
    device: torch.device,
    size: int = 224,
    views: int = EVAL_VIEWS,
) -> np.ndarray:
    """Return P(van_gogh) of files or (1, 3, H, W) tensors, logits averaged over the first views of a test painting.

    Raises:
        ValueError: if a file is missing or no image.
    """
    was_training = model.training
    model.to(device).eval()
    found = []
    for picture in pictures:
        image = picture[0] if isinstance(picture, Tensor) else _read(Path(picture))
        seen = torch.stack([eval_view(image, size, view) for view in range(views)])
        with autocast(device):
            logits = model(seen.to(device)).float().mean(0)
        found.append(float(logits.softmax(0)[1]))
    model.train(was_training)
    return np.array(found)


def _read(path: Path) -> Tensor:
    try:
        return torch.from_numpy(read_pixels(path)).permute(2, 0, 1)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); give a JPEG or PNG file") from error
