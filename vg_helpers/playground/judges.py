"""The judges of the newest run: quick P(van_gogh) while a painting is made, `predict`'s answer and Grad-CAM afterwards.

Convention: judges go by the network's name; pictures are (1, 3, H, W) tensors in [0, 1].
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..classify.answers import Answer, answer_with_texture
from ..classify.judge import judge_files, views_of
from ..commands import predict
from ..device import autocast
from ..gradcam.maps import LAST_RELU, grad_cam
from ..images import Upload, png_bytes, read_pixels
from ..models.layers import TITLES


@dataclass(frozen=True)
class Judge:
    """A trained classifier: `trained` gives whole answers, `quick` those from a picture's centre alone."""

    network: str
    trained: predict.Trained
    quick: partial[list[Answer]]
    classifier: Any

    def belief(self, picture: Tensor) -> float:
        """Return P(van_gogh) of the picture's centre."""
        pixels = read_pixels(_as_file(picture))
        return self.quick(views_of(pixels, 1)[None].to(self.trained.device))[0].p

    def answer(self, picture: Tensor) -> Answer:
        """Return what `run.py predict` would say of the picture as a PNG file."""
        trained = self.trained
        [result] = judge_files(trained.answer, [_as_file(picture)], trained.device, trained.views, trained.patches)
        if isinstance(result, Exception):
            raise result
        return result

    def cam(self, picture: Tensor) -> Tensor:
        """Return where the network sees a Van Gogh, (1, 1, H, W) in [0, 1]."""
        with autocast(self.trained.device):
            return grad_cam(self.classifier, picture, LAST_RELU[self.network])


def _as_file(picture: Tensor) -> Any:
    return Upload("painting.png", png_bytes(picture))


def load_judges() -> list[Judge]:
    """Return the judges that the newest run has trained; none if there is no run."""
    judges = []
    for network in TITLES:
        try:
            predict.find_model(network, None)
        except ValueError:  # no run has trained one, or its files are damaged
            continue
        options = predict.build_parser().parse_args(["painting.png", "--model", network])
        trained = predict.load_trained(options, needs_grad=True)
        judges.append(Judge(network, trained, *_parts(trained.answer)))
    return judges


def _parts(answer: Any) -> tuple[partial[list[Answer]], Any]:
    """Return the answer from one view alone, and the classifier whose layers Grad-CAM reads."""
    model, rule = answer.args
    if answer.func is answer_with_texture:
        return partial(answer_with_texture, model, replace(rule, views=1, patches=0)), model.model
    return answer, model


def beliefs(judges: list[Judge], picture: Tensor) -> dict[str, float]:
    """Return P(van_gogh) of a picture by each judge."""
    with torch.inference_mode():
        return {judge.network: judge.belief(picture) for judge in judges}
