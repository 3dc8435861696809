"""The steps of 02 that give each network a texture judge: measured, fitted, joined, asked under stress, saved.

Convention: `keep` is `Stage.keep`; networks and their judges come by the network's name.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.model_selection import LeaveOneGroupOut
from torch import Tensor
from tqdm.auto import tqdm

from ..calibration import log_odds, threshold_for_f1
from ..data.views import EVAL_VIEWS
from ..device import autocast, steady_memory
from ..models.classifier import save_classifier
from ..models.extractor import FeatureExtractor
from ..models.inference import speed_up
from ..models.layers import TITLES
from ..models.texture import (
    Rule,
    TextureClassifier,
    build_texture_extractor,
    mean_squared_differences,
    save_texture_classifier,
)
from .answers import choose_margin, familiar_limit, nearest_of_other_groups
from .judge import views_of
from .setup import Setup
from .steps import Keep, Probs
from .task import Task
from .texture import TextureFit, combine, copies_moments, fit_texture_judge, paintings_moments

Weights = tuple[float, float, float]  # of a network's log odds and of its texture judge's, and the bias of their sum
BATCH = 8  # pictures that are judged together


def measure_textures(index: pd.DataFrame, setup: Setup, patches: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return by network the moments (N, 2C) of all paintings of the index; `patches` as in `paintings_moments`."""
    moments = {}
    for network, title in TITLES.items():
        with tqdm(desc=f"{title}: textures", unit=" pictures") as bar:
            moments[network] = paintings_moments(texture_extractor(network, setup), index, setup, patches, bar.update)
    return moments


def measure_copies(train: pd.DataFrame, setup: Setup, patches: int = 0) -> dict[str, NDArray[np.float32] | None]:
    """Return by network the moments (N, 2C) of a corrupted copy of each training painting.

    With patches there are none: a copy has no finer picture to take them from.
    """
    copies = {}
    for network, title in TITLES.items():
        with tqdm(desc=f"{title}: corrupted copies", unit=" pictures") as bar:
            extractor = texture_extractor(network, setup)
            copies[network] = None if patches else copies_moments(extractor, train, setup, bar.update)
    return copies


def texture_extractor(network: str, setup: Setup) -> FeatureExtractor:
    """Return the extractor of a network's texture judge, with the weights and the scales of the setup."""
    return build_texture_extractor(network, setup.weights, setup.fine_texture)


def fit_textures(
    moments: Mapping[str, NDArray],
    copies: Mapping[str, NDArray | None],
    index: pd.DataFrame,
    split: str,
    seed: int,
    keep: Keep,
) -> dict[str, TextureFit]:
    """Return the texture judge of each network, fitted to the training paintings and to their corrupted copies."""
    train = (index[split] == "train").to_numpy()
    about = index["label"][train].to_numpy(), index["group"][train].to_numpy(), index["path"][train].tolist()
    return {
        network: keep(f"texture_{network}", fit_texture_judge, values[train], *about, seed, copies[network])
        for network, values in tqdm(moments.items(), desc="texture judges")
    }


def judge_textures(
    textures: Mapping[str, TextureFit], moments: Mapping[str, NDArray], index: pd.DataFrame, split: str
) -> Probs:
    """Return P(van_gogh) of val and test by each texture judge, as "vgg19_texture" and so on."""
    parts = {part: (index[split] == part).to_numpy() for part in ("val", "test")}
    probs = {}
    for network, fit in textures.items():
        odds = {part: fit.judge(torch.from_numpy(moments[network][rows])).numpy() for part, rows in parts.items()}
        probs[f"{network}_texture"] = {part: expit(values.astype(np.float64)) for part, values in odds.items()}
    return probs


def join(networks: Probs, textures: Probs, index: pd.DataFrame, split: str) -> tuple[Probs, dict[str, Weights]]:
    """Return P(van_gogh) by each network and its texture judge together, and how much each of the two counts.

    The weights are fitted to the validation paintings.
    """
    labels, probs, weights = index["label"][index[split] == "val"].to_numpy(), {}, {}
    for network in TITLES:
        first, second = networks[network], textures[f"{network}_texture"]
        weights[network] = combine(log_odds(first["val"]), log_odds(second["val"]), labels)
        a, b, bias = weights[network]
        both = {part: expit(a * log_odds(first[part]) + b * log_odds(second[part]) + bias) for part in first}
        probs[f"{network}_with_texture"] = both
    return probs, weights


def fit_rules(
    textures: Mapping[str, TextureFit],
    weights: Mapping[str, Weights],
    held: pd.DataFrame,
    thresholds: Mapping[str, float],
    train: pd.DataFrame,
    **options: Any,
) -> dict[str, Rule]:
    """Return by network how its answers follow from its log odds and those of its texture judge.

    Args:
        held: as `summary.held_out` returns it; the validation paintings in it decide when there is no answer.
        thresholds: by classifier, as "vgg19_with_texture".
        train: the rows of the index that the judges learned from.
        options: `views` and `patches` of `Rule`, and `error_rate` of `choose_margin`.
    """
    val, rules, error_rate = held[held["split"] == "val"], {}, options.pop("error_rate")
    for network, fit in textures.items():
        support, threshold = fit.judge.support[: len(train)].float(), thresholds[f"{network}_with_texture"]
        odds = left_out_log_odds(val[f"p_{network}"], val[f"p_{network}_texture"], val["label"], val["group"])
        margin = choose_margin(odds, val["label"], val["group"], 0.5, error_rate)
        distances = nearest_of_other_groups(mean_squared_differences(support, support), train["group"])
        rules[network] = Rule(*weights[network], threshold, margin, familiar_limit(distances), **options)
    return rules


def left_out_log_odds(network: ArrayLike, texture: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> NDArray:
    """Return how far (N,) the joint log odds of validation paintings are above those of the threshold.

    Weights and threshold are fitted anew without each painting and its twins: those of all were chosen so that few of
    these very paintings are on the wrong side. The distance is 0 where the others are of one class.
    """
    odds, labels = np.stack([log_odds(network), log_odds(texture)]), np.asarray(labels)
    distances = np.zeros(len(labels))
    for others, held in LeaveOneGroupOut().split(labels, groups=groups):
        if labels[others].min() == labels[others].max():
            continue
        *weights, bias = combine(*odds[:, others], labels[others])
        joint = weights @ odds + bias
        distances[held] = joint[held] - logit(threshold_for_f1(labels[others], expit(joint[others])))
    return distances


def choices_table(textures: Mapping[str, TextureFit], weights: Mapping[str, Weights]) -> pd.DataFrame:
    """Return what cross-validation chose for each texture judge, its ROC AUC there, and the weights of the sum."""
    rows = []
    for network, fit in textures.items():
        best, counts = fit.choice.tried["roc_auc"].max(), [f"{value:.2f}" for value in weights[network][:2]]
        rows.append([TITLES[network], fit.choice.gamma, f"{fit.choice.strength:g}", best, " and ".join(counts)])
    columns = ["network", "gamma", "C", "cross-validated ROC AUC", "weights of network and texture"]
    return pd.DataFrame(rows, columns=columns)


def save(
    tasks: Mapping[str, Task],
    textures: Mapping[str, TextureFit],
    rules: Mapping[str, Rule],
    path: Callable[[str], Path],
) -> None:
    """Write each network, and its texture judge with the rule that joins them; `path` is `Stage.path`."""
    for network, task in tasks.items():
        save_classifier(path(f"{network}.pt"), task.model)
        joint = texture_classifier(task, textures[network])
        save_texture_classifier(path(f"{network}_texture.pt"), joint, rules[network])


def texture_classifier(task: Task, fit: TextureFit) -> TextureClassifier:
    """Return a trained network with its texture judge, in evaluation mode."""
    return TextureClassifier(task.model, texture_extractor(task.model.network, task.setup), fit.judge).eval()


@dataclass(frozen=True)
class JointJudge:
    """Gives P(van_gogh) of pictures by a network, its texture judge, and both together; each in one forward pass.

    Make it after the training: it answers with the weights that the network has when it is asked for the first time.
    """

    task: Task
    fit: TextureFit
    weights: Weights

    @cached_property
    def model(self) -> TextureClassifier:
        """The two together, as fast as they can answer; the task's own network stays as it is."""
        model = copy.deepcopy(texture_classifier(self.task, self.fit))
        speed_up(model, self.task.setup.device)
        return model

    def content(self) -> tuple[Any, ...]:
        """Return what its answers depend on, for `Stage.keep`."""
        return self.task.content(), self.fit.judge.content(), self.weights

    @torch.inference_mode()
    def __call__(self, pictures: Iterable[Tensor]) -> dict[str, NDArray[np.float64]]:
        """Return P(van_gogh) of pictures (1, 3, H, W) in [0, 1], as "vgg19", "vgg19_texture", "vgg19_with_texture"."""
        setup, pictures, odds = self.task.setup, iter(pictures), []
        while batch := list(islice(pictures, BATCH)):
            views = torch.stack([views_of(picture[0], EVAL_VIEWS, setup.size) for picture in batch])
            centres = torch.arange(0, len(batch) * EVAL_VIEWS, EVAL_VIEWS, device=setup.device)
            with autocast(setup.device), steady_memory(setup.device):
                logits, moments = self.model(views.flatten(0, 1).to(setup.device), measured=centres)
            network = (logits[:, 1] - logits[:, 0]).view(len(batch), EVAL_VIEWS).mean(1)
            texture = self.model.judge(moments)
            odds.append(torch.stack([network, texture]).cpu().double().numpy())
        network, texture = np.concatenate(odds, axis=1)
        a, b, bias = self.weights
        name = self.task.model.network
        together = {name: network, f"{name}_texture": texture, f"{name}_with_texture": a * network + b * texture + bias}
        return {key: expit(values) for key, values in together.items()}
