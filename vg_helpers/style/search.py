"""The search for the weights of content and style that a classifier believes most: one Optuna study per pair."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from scipy.special import expit
from torch import Tensor, nn

from ..files import fingerprint
from ..images import load_image, save_image
from ..search import open_study, run_study, trials_frame
from .checks import TooSmall
from .convolutions import FrozenExtractor, prepare
from .engine import VERSION, StyleParams, params_for, stylize

KNOWN_GOOD = {"content_weight": StyleParams.content_weight, "style_weight": StyleParams.style_weight}


def choose_picture(paths: Mapping[str, str], name: str = "") -> tuple[str, str]:
    """Return the name and the path of the picture called `name`, of the first one for "".

    Args:
        paths: path by name.

    Raises:
        ValueError: if no picture has this name; the sentence lists those there are.

    >>> choose_picture({"cat": "photos/cat.jpg", "001": "photos/001.jpg"}, "001")
    ('001', 'photos/001.jpg')
    """
    name = name or next(iter(paths.keys()), "")
    if name not in paths:
        raise ValueError(f"no picture is called {name!r}; there are {', '.join(paths.keys())}")
    return name, paths[name]


def probability(log_odds: float) -> float:
    """Return P of log odds.

    >>> probability(0.0)
    0.5
    """
    return float(expit(log_odds))


def suggest_style(trial: optuna.Trial) -> dict[str, float]:
    """Return content and style weight (log scales) of a style trial, in the engine's relative units."""
    return {
        "content_weight": trial.suggest_float("content_weight", 0.1, 10.0, log=True),
        "style_weight": trial.suggest_float("style_weight", 1.0, 1000.0, log=True),
    }


def trial_params(extractor: nn.Module, num_steps: int, **values: float) -> StyleParams:
    """Return the settings of a trial with these weights; the others are those that suit the extractor."""
    return StyleParams(**values, num_steps=num_steps, **params_for(extractor.weights))


class StyleObjective:
    """A trial's value: the log odds of a Van Gogh of the photo repainted with its weights, as a saved 8-bit picture.

    Args:
        content_image, style_image: (1, 3, H, W) in [0, 1], on the device that paints.
        judge: returns the log odds of each of several picture files; `judge_log_odds` with its network filled in.
        folder: where the pictures go.
        names: of photo and painting, for the sentence about one that is too small.
    """

    def __init__(
        self,
        content_image: Tensor,
        style_image: Tensor,
        extractor: nn.Module,
        judge: Callable[[list[Path]], Sequence[float]],
        num_steps: int,
        folder: Path,
        names: tuple[str, str] = ("the photo", "the painting"),
    ) -> None:
        self.pair, self.extractor, self.judge = (content_image, style_image), extractor, judge
        self.num_steps, self.folder, self.names = num_steps, folder, names

    @cached_property
    def network(self) -> FrozenExtractor:
        """The extractor as it paints all pictures."""
        return prepare(self.extractor, self.pair[0].device)

    def path(self, values: dict[str, float]) -> Path:
        """Return the file of the picture painted with these weights."""
        return self.folder / f"trial_{fingerprint(values)}.png"

    def save_picture(self, file: Path, values: dict[str, float]) -> Tensor:
        """Return the picture painted with these weights, and write it to `file` with the weights in its metadata."""
        picture = load_image(self.path(values))
        save_image(file, picture, {"settings": json.dumps(values)})
        return picture

    def __call__(self, trial: optuna.Trial) -> float:
        values = suggest_style(trial)
        params = trial_params(self.extractor, self.num_steps, **values)
        path = self.path(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            checkpoint = path.with_suffix(".pt")
            result = stylize(*self.pair, self.extractor, params, checkpoint=checkpoint, network=self.network)
        except TooSmall as error:
            raise error.named(*self.names) from error
        save_image(path, result.image)
        return float(self.judge([path])[0])


def open_style_study(state: Path, *setting: Any) -> optuna.Study:
    """Return the study of this setting, new or continued; its name differs from that of any other setting.

    Args:
        state: the folder of the study's file, a stage's unfinished work.
        setting: whatever a trial's value depends on besides its weights, as JSON would hold it. The engine's version
            counts too, so that a study never mixes pictures of two engines.
    """
    return open_study(fingerprint(VERSION, *setting), state / "study.db")


def search_weights(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float],
    num_trials: int,
    seed: int,
    on_trial: Callable[[optuna.trial.FrozenTrial], None] | None = None,
) -> pd.DataFrame:
    """Return one row per trial once `num_trials` are finished; the first one has the engine's default weights.

    Columns: trial, content_weight, style_weight, log_odds, p_van_gogh, state, seconds, number. P alone would not tell
    trials apart that are all near 1.
    """
    run_study(study, objective, num_trials, seed, [KNOWN_GOOD], on_trial)
    trials = trials_frame(study).rename(columns={"value": "log_odds"})
    trials.insert(trials.columns.get_loc("log_odds") + 1, "p_van_gogh", expit(trials["log_odds"]))
    return trials
