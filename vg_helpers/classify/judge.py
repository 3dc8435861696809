"""P(van_gogh) of any picture by a trained classifier, which sees it as it sees a test painting."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..data.views import EVAL_VIEWS, eval_view
from ..device import autocast
from ..images import read_pixels


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
        ValueError: if a file is missing or cannot be read as a picture.
    """
    was_training = model.training
    model.to(device).eval()
    probs = []
    for picture in pictures:
        if isinstance(picture, Tensor):
            image = picture[0]
        else:
            image = torch.from_numpy(read_pixels(Path(picture))).permute(2, 0, 1)
        batch = torch.stack([eval_view(image, size, view) for view in range(views)])
        with autocast(device):
            logits = model(batch.to(device)).float().mean(0)
        probs.append(float(logits.softmax(0)[1]))
    model.train(was_training)
    return np.array(probs)
