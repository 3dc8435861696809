"""The search in two directions: how much a picture convinces a judge, and how much of the photo it keeps.

Convention: `trials` is a frame with one row per trial: the settings of SPACE, log_odds and ssim, both the larger the
better. A front is made of the trials that no other one beats in both; its rows run from the most convincing picture to
the one that keeps most.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..files import fingerprint
from ..images import load_image, longer_side
from ..search import open_study, quiet, run_study, trials_frame
from .convolutions import FrozenExtractor, prepare
from .engine import VERSION, StyleParams, params_for
from .measures import structural_similarity
from .once import paint_once

WHOLE_SPACE: dict[str, BaseDistribution] = {
    "content_weight": FloatDistribution(0.1, 10.0, log=True),
    "style_weight": FloatDistribution(1.0, 1000.0, log=True),
    "tv_weight": FloatDistribution(1.0, 100.0, log=True),
    "strength": FloatDistribution(0.3, 1.0),
    "loss": CategoricalDistribution(("gram", "wasserstein", "neighbours")),
    "style_scale": FloatDistribution(0.5, 2.0, log=True),
}
SPACE = {name: values for name, values in WHOLE_SPACE.items() if name in {field.name for field in fields(StyleParams)}}
VALUES = ("log_odds", "ssim")
SAMPLER = "gaussian process"
STARTUP = 5  # random trials with which both searches begin, the engine's defaults before them


@dataclass(frozen=True)
class Canvas:
    """What all pictures of a search share: the network that paints, how long, and how large.

    `size` is in pixels of the shorter side. `folder` gets the pictures; below it lie the checkpoints of those that are
    not finished.
    """

    extractor: nn.Module
    num_steps: int
    size: int
    folder: Path
    seed: int = 0

    @cached_property
    def network(self) -> FrozenExtractor:
        """The extractor as it paints all pictures."""
        return prepare(self.extractor, next(self.extractor.parameters()).device)

    def params(self, values: Mapping[str, Any]) -> StyleParams:
        """Return the engine's settings with these values; the others are those that suit the extractor."""
        return params_of(values, self.extractor, self.num_steps, self.seed)

    def paint(self, photo: str | Path, painting: str | Path, values: Mapping[str, Any]) -> Tensor:
        """Return the photo (1, 3, H, W) repainted with these values, as an 8-bit picture, painted once."""
        name = fingerprint(str(photo), str(painting), dict(values), self.size, self.num_steps)
        self.folder.mkdir(parents=True, exist_ok=True)
        file, state = self.folder / f"{name}.png", self.folder / "unfinished"
        longer, params = longer_side(photo, self.size), self.params(values)
        sources = file, photo, painting, self.extractor
        return load_image(paint_once(*sources, params, longer, state, network=self.network))


def params_of(values: Mapping[str, Any], extractor: nn.Module, num_steps: int, seed: int = 0) -> StyleParams:
    """Return the engine's settings with the values of a trial; the others suit the extractor and the trial's loss."""
    settings = {name: value for name, value in values.items() if name in SPACE}
    loss = {"loss": settings["loss"]} if "loss" in settings else {}
    return StyleParams(**{**params_for(extractor.weights, **loss), **settings}, num_steps=num_steps, seed=seed)


def defaults(extractor: nn.Module) -> dict[str, Any]:
    """Return the engine's default values of SPACE."""
    params = params_of({}, extractor, 0)
    return {name: getattr(params, name) for name in SPACE}


def random_values(count: int, seed: int) -> list[dict[str, Any]]:
    """Return so many points of SPACE, drawn at random on the scales of its parameters."""
    quiet()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    return [study.ask(SPACE).params for _ in range(count)]


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return a point of SPACE that the study chooses."""
    values = {}
    for name, space in SPACE.items():
        if isinstance(space, CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, space.choices)
        else:
            values[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
    return values


@dataclass(frozen=True)
class Pair:
    """A photo and a painting, and the judge to whom a trial's picture is shown: it returns log odds of pictures."""

    photo: Path
    painting: Path
    judge: Callable[[list[Tensor]], Any]
    canvas: Canvas

    def measure(self, values: Mapping[str, Any]) -> tuple[float, float]:
        """Return the log odds of the picture with these values, and its structural similarity to the photo."""
        picture = self.canvas.paint(self.photo, self.painting, values)
        photo = load_image(self.photo, longer_side(self.photo, self.canvas.size))
        similarity = structural_similarity(picture, photo)
        return float(self.judge([picture])[0]), similarity.item()

    def repeat(self, trials: pd.DataFrame) -> tuple[pd.DataFrame, list[Tensor]]:
        """Return the trials with what their pictures measure here, and their pictures: in a larger canvas, say."""
        settings = trials[list(SPACE)].to_dict("records")
        rows = [self.measure(row) for row in tqdm(settings, desc="repeated trials")]
        again = trials.assign(**pd.DataFrame(rows, columns=list(VALUES), index=trials.index))
        return again, [self.canvas.paint(self.photo, self.painting, row) for row in settings]


def search_front(
    pair: Pair, state: Path, setting: Any, num_trials: int, seed: int, at_random: bool = False
) -> pd.DataFrame:
    """Return one row per trial once `num_trials` are finished: the values of SPACE, log_odds, ssim and seconds.

    Both kinds of search begin with the engine's defaults and the same STARTUP points. Then the expected gain of
    hypervolume under Gaussian processes chooses (Daulton et al. 2020), or chance.

    Args:
        state: the folder of the study's file.
        setting: whatever a trial's values depend on besides its own, as JSON would hold it.
    """
    first = [defaults(pair.canvas.extractor), *random_values(num_trials if at_random else STARTUP, seed)]
    name = fingerprint(VERSION, setting, sorted(SPACE), STARTUP, at_random or SAMPLER)
    study = open_study(name, state / "fronts.db", num_values=len(VALUES))
    with tqdm(total=num_trials, desc="random trials" if at_random else "trials") as bar:
        run_study(study, lambda trial: pair.measure(suggest(trial)), num_trials, seed, first, lambda _: bar.update())
    trials = trials_frame(study).rename(columns={f"value_{k}": name for k, name in enumerate(VALUES)})
    return trials[["trial", *SPACE, *VALUES, "seconds"]][:num_trials]


def both_searches(guided: pd.DataFrame, chance: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of both searches, with "guided" or "random" in the column search."""
    return pd.concat([guided.assign(search="guided"), chance.assign(search="random")], ignore_index=True)


def front_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that no other one beats in both values, the most convincing first."""
    points = trials[list(VALUES)].to_numpy()
    beaten = [bool(((points >= point).all(1) & (points > point).any(1)).any()) for point in points]
    front = trials[~np.array(beaten, dtype=bool)].drop_duplicates(list(VALUES))
    return front.sort_values("log_odds", ascending=False, kind="stable")


def hypervolume(trials: pd.DataFrame, corner: tuple[float, float]) -> float:
    """Return the area between the front and a corner of (log odds, ssim); what lies beyond the corner adds nothing.

    >>> hypervolume(pd.DataFrame({"log_odds": [2.0, 1.0], "ssim": [0.5, 1.0]}), (0.0, 0.0))
    1.5
    """
    area, kept = 0.0, corner[1]
    for odds, similarity in front_of(trials)[list(VALUES)].itertuples(index=False):
        area += max(odds - corner[0], 0) * max(similarity - kept, 0)
        kept = max(kept, similarity)
    return area


def knee_of(front: pd.DataFrame, defaults: pd.Series) -> pd.Series:
    """Return the knee of that part of the front which is at least as good as the engine's defaults in both values.

    The knee is the trial that lies farthest beyond the line between the ends, both values scaled to [0, 1]; if none
    lies beyond it, the most convincing one. (Das 1999, "On characterizing the knee of the Pareto curve".)

    Args:
        defaults: the trial of the defaults, one of those that the front was made of.
    """
    names = list(VALUES)
    part = front[(front[names] >= defaults[names]).all(axis=1)]
    first, second = scaled(part).T
    return part.iloc[int(np.argmax(np.round(first + second - 1, 9)))]


def scaled(front: pd.DataFrame) -> NDArray[np.float64]:
    """Return both values (N, 2) of a front, each from 0 to 1 between its ends; 1 for a front of one trial."""
    points = front[list(VALUES)].to_numpy(dtype=np.float64)
    low, high = points.min(0), points.max(0)
    return np.where(high > low, (points - low) / np.where(high > low, high - low, 1), 1.0)


def along(front: pd.DataFrame, count: int, knee: Any) -> pd.DataFrame:
    """Return at most `count` trials spread evenly along the front, its knee and its ends among them if they fit.

    Args:
        knee: its label in the front's index.
    """
    if count < 1 or len(front) <= count:
        return front[: max(count, 0)]
    places, knee = scaled(front) @ (-1, 1), front.index.get_loc(knee)
    chosen: list[int] = []
    for goal in np.linspace(places[0], places[-1], count):
        rest = [row for row in range(len(front)) if row not in chosen]
        chosen.append(min(rest, key=lambda row: abs(places[row] - goal)))
    if knee not in chosen:
        chosen[min(range(count), key=lambda k: abs(places[chosen[k]] - places[knee]))] = knee
    return front.iloc[sorted(chosen)]


def front_table(small: pd.DataFrame, large: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return one row per trial: its settings, and its values in the search and when repeated at a size."""
    titles = {"content_weight": "α", "style_weight": "β", "tv_weight": "γ", "style_scale": "stroke size"}
    values = {"log_odds": "log odds", "ssim": "similarity"}
    table = small[["trial", *SPACE, *VALUES]].rename(columns=titles | values)
    return table.assign(**{f"{values[name]} at {size} px": large[name] for name in VALUES})


def list_pool(
    photos: Mapping[str, str], paintings: Mapping[str, str], pair: tuple[str, str], count: int, seed: int
) -> pd.DataFrame:
    """Return what a forewarned judge learns from: other photos in other styles than the pair's, with random values.

    Args:
        photos, paintings: path by name.
        pair: the names of photo and painting that are left out.
    """
    content = [name for name in list(photos.keys()) if name != pair[0]]
    style = [name for name in list(paintings.keys()) if name != pair[1]]
    if not content or not style:
        return pd.DataFrame(columns=["content", "style", "photo", "painting", *SPACE])
    order = np.random.default_rng(seed).permutation(len(content))
    rows = []
    for number, values in enumerate(random_values(count, seed + 1)):
        names = content[order[number % len(content)]], style[number % len(style)]
        rows.append([*names, photos[names[0]], paintings[names[1]], *values.values()])
    return pd.DataFrame(rows, columns=["content", "style", "photo", "painting", *SPACE])


def pool_pictures(pool: pd.DataFrame, photos: Mapping[str, str]) -> pd.DataFrame:
    """Return content and style of the pictures of a pool and then of untouched photos, whose style is ""."""
    untouched = pd.DataFrame({"content": list(photos.keys()), "style": ""})
    return pd.concat([pool[["content", "style"]], untouched], ignore_index=True)


def paint_pool(pool: pd.DataFrame, canvas: Canvas) -> list[Tensor]:
    """Return the pictures of a pool, painted once."""
    jobs = tqdm(pool.to_dict("records"), desc="pool")
    return [canvas.paint(job["photo"], job["painting"], {name: job[name] for name in SPACE}) for job in jobs]
