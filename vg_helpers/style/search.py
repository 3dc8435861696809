"""The search for the weights of content and style."""

from pathlib import Path

import optuna
import torch
from torch import Tensor, nn

from ..classify.judge import judge
from ..files import fingerprint
from ..images import save_image
from .engine import StyleParams, params_for, stylize


def suggest_style(trial: optuna.Trial) -> dict[str, float]:
    """Return content and style weight (log scales) of a style trial, in the engine's relative units."""
    return {
        "content_weight": trial.suggest_float("content_weight", 0.1, 10.0, log=True),
        "style_weight": trial.suggest_float("style_weight", 1.0, 1000.0, log=True),
    }


class StyleObjective:
    """A style trial's value: P(van_gogh) of the photo repainted with its weights, judged as a saved 8-bit picture."""

    def __init__(
        self,
        content_image: Tensor,
        style_image: Tensor,
        extractor: nn.Module,
        classifier: nn.Module,
        num_steps: int,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.pair, self.extractor, self.classifier = (content_image, style_image), extractor, classifier
        self.num_steps, self.folder, self.device = num_steps, folder, device

    def path(self, values: dict[str, float]) -> Path:
        """Return the file of the picture painted with these weights."""
        return self.folder / f"trial_{fingerprint(values)}.png"

    def __call__(self, trial: optuna.Trial) -> float:
        values = suggest_style(trial)
        params = StyleParams(**values, num_steps=self.num_steps, **params_for(self.extractor.weights))
        path = self.path(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        result = stylize(*self.pair, self.extractor, params, checkpoint=path.with_suffix(".pt"))
        save_image(path, result.image)
        return float(judge(self.classifier, [path], self.device)[0])
