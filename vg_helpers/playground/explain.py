"""Why the judges think what they think of a painting: their answers in sentences, and maps of where they look."""

from typing import Any

from torch import Tensor

from ..findings.playground import verdict
from .judges import Judge


def explain(judges: list[Judge], photo: Tensor, painting: Tensor) -> tuple[list[str], dict[str, float], list[Any]]:
    """Return a sentence and P(van_gogh) of each judge, and the first one's maps of photo and painting, (1, 1, H, W)."""
    sentences, probs = [], {}
    for judge in judges:
        before, after = judge.answer(photo), judge.answer(painting)
        sentences.append(verdict(judge.network, after.p, after.answer, after.unfamiliar, before.p))
        probs[judge.network] = after.p
    return sentences, probs, [judges[0].cam(picture) for picture in (photo, painting)]
