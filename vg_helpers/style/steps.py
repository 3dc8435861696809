"""The steps of 03 and 04: the networks, the pairs of photo and painting, their pictures, and what these scored.

Convention: `scores` is the frame of scores.csv. Its first rows are the repainted photos, network by network and each
time in the order of the pairs; the untouched photos follow in the same order, with "photo" as their extractor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..device import pick_device, seed_everything
from ..files import result_name, short_name
from ..images import load_image, read_metadata
from ..intervals import Estimate, mean_interval, paired_difference, proportion
from ..models.classifier import load_classifier
from ..models.extractor import build_extractor
from ..models.layers import TITLES
from .engine import StyleParams, build_objective, params_for
from .losses import content_loss, gram_matrix, style_loss
from .measures import structural_similarity
from .once import paint_once

CORE = (gram_matrix, content_loss, style_loss, build_objective)  # what the report prints of the engine
NETWORKS = tuple(TITLES)
ANSWERS = {2: "both", 1: "only one", 0: "neither"}  # to how many classifiers a picture is a Van Gogh


@dataclass(frozen=True)
class Networks:
    """The classifiers that judge, and the extractors that paint with the weights their training started from."""

    device: torch.device
    classifiers: dict[str, nn.Module]
    extractors: dict[str, nn.Module]


class Outcome(NamedTuple):
    """What became of the photos that one network repainted; the fields as in findings.style_eval.convinced."""

    counts: dict[str, int]
    share: Estimate
    lift: Estimate
    similarity: Estimate


def open_networks(files: Mapping[str, Path], device: str, seed: int) -> Networks:
    """Return both kinds of networks, the extractors on the device, after seeding everything.

    Args:
        files: by network, its trained classifier.
    """
    seed_everything(seed)
    place = pick_device(device)
    classifiers = {network: load_classifier(file) for network, file in files.items()}
    choices = {network: model.weights.choice for network, model in classifiers.items()}
    extractors = {network: build_extractor(network, weights=choice).to(place) for network, choice in choices.items()}
    return Networks(place, classifiers, extractors)


def final_params(
    networks: Networks, content_weight: float, style_weight: float, num_steps: int, seed: int
) -> StyleParams:
    """Return the settings with which all photos are repainted: those that suit VGG-19's weights, and these."""
    suited = params_for(networks.extractors["vgg19"].weights)
    return StyleParams(content_weight, style_weight, num_steps=num_steps, seed=seed, **suited)


def settings_table(extractor: nn.Module, params: StyleParams, size: int) -> pd.DataFrame:
    """Return the settings that all trials of a search share, as rows of setting and value."""
    settings = {
        "content layer": extractor.layers[-1],
        "style layers": ", ".join(extractor.layers[:-1]),
        "optimiser": f"{params.optimizer.title()}, learning rate {params.lr:g}, {params.num_steps} steps",
        "total variation γ": f"{params.tv_weight:g}",
        "longer side": f"{size} pixels",
    }
    return pd.DataFrame(settings.items(), columns=["setting", "value"])


def layers_table(extractors: Mapping[str, nn.Module]) -> pd.DataFrame:
    """Return the content layer and the style layers of each network."""
    layers = {TITLES[network]: extractor.layers for network, extractor in extractors.items()}
    rows = [(title, names[-1], ", ".join(names[:-1])) for title, names in layers.items()]
    return pd.DataFrame(rows, columns=["network", "content layer", "style layers"])


def load_all(paths: Sequence[str | Path], size: int | None = None) -> list[Tensor]:
    """Return the pictures as (1, 3, H, W) in [0, 1], their longer side scaled down to `size` pixels."""
    return [load_image(path, size) for path in paths]


def pair_up(photos: pd.DataFrame, paintings: pd.DataFrame) -> pd.DataFrame:
    """Return one row (content, style, photo, painting) per photo, with the paintings in turn.

    Args:
        photos, paintings: columns name and path.
    """
    in_turn = paintings.iloc[[number % len(paintings) for number in range(len(photos))]]
    return pd.DataFrame(
        {
            "content": photos.name.to_list(),
            "style": in_turn.name.to_list(),
            "photo": photos.path.to_list(),
            "painting": in_turn.path.to_list(),
        }
    )


def list_jobs(pairs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return one row per picture to paint: the columns of `pairs`, the extractor, and the file in `folder`."""
    jobs = pd.DataFrame({"extractor": NETWORKS}).merge(pairs, how="cross")
    names = [result_name(job.style, job.content, job.extractor) for job in jobs.itertuples()]
    return jobs.assign(file=[folder / name for name in names])


def paint(jobs: pd.DataFrame, networks: Networks, params: StyleParams, size: int, state: Path) -> None:
    """Paint what is not yet painted; an interrupted picture continues from the folder `state`."""
    for job in tqdm(list(jobs.itertuples()), desc="painting"):
        paint_once(job.file, job.photo, job.painting, networks.extractors[job.extractor], params, size, state)


def starting_images(
    pairs: pd.DataFrame, extractor: nn.Module, params: StyleParams, size: int, state: Path
) -> list[Tensor]:
    """Return the pictures that the transfers start from, as (1, 3, H, W); they are kept in the folder `state`."""
    files = [state / f"{short_name(name)}.png" for name in pairs.content]
    for file, pair in tqdm(list(zip(files, pairs.itertuples(), strict=True)), desc="starting images"):
        paint_once(file, pair.photo, pair.painting, extractor, replace(params, num_steps=0), size, state)
    return load_all(files)


def score_frame(
    jobs: pd.DataFrame, pairs: pd.DataFrame, pictures: list[Tensor], probs: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """Return the frame `scores`.

    Args:
        pictures: those of the jobs, then the photos of the pairs at the same size.
        probs: by network that judges, P(van_gogh) of each picture.
    """
    untouched = pd.DataFrame({"content": pairs.content, "style": "", "extractor": "photo"})
    scores = pd.concat([jobs[["content", "style", "extractor"]], untouched], ignore_index=True)
    for network, values in probs.items():
        scores[f"p_{network}"] = values
    photos = pictures[len(jobs) :]
    originals = [photos[number % len(photos)] for number in range(len(pictures))]
    compared = zip(pictures, originals, strict=True)
    scores["ssim"] = [structural_similarity(picture, original).item() for picture, original in compared]
    seconds = [float(read_metadata(file)["seconds"]) for file in jobs.file]
    return scores.assign(seconds=seconds + [0.0] * len(photos))


def agreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how many pictures are Van Goghs to both classifiers, only one, or neither, by extractor."""
    votes = (scores[[f"p_{network}" for network in NETWORKS]] >= 0.5).sum(axis=1).map(ANSWERS)
    counts = pd.crosstab(scores.extractor, votes)
    return counts.reindex(index=[*NETWORKS, "photo"], columns=list(ANSWERS.values()), fill_value=0)


def probability_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return P by VGG-19 / by AlexNet of each photo: untouched, and repainted with the features of each network."""
    both = scores.p_vgg19.map("{:.2f}".format) + " / " + scores.p_alexnet.map("{:.2f}".format)
    titles = {"photo": "untouched"} | {network: f"{title} features" for network, title in TITLES.items()}
    columns = {title: both[scores.extractor == name].to_list() for name, title in titles.items()}
    first = scores[scores.extractor == NETWORKS[0]]
    return pd.DataFrame({"photo": first.content.to_list(), "style": first["style"].to_list(), **columns})


def count_van_goghs(scores: pd.DataFrame) -> dict[str, int]:
    """Return, by classifier, how many of the untouched photos it takes for a Van Gogh."""
    photos = scores[scores.extractor == "photo"]
    return {network: int((photos[f"p_{network}"] >= 0.5).sum()) for network in NETWORKS}


def outcome(scores: pd.DataFrame, network: str) -> Outcome:
    """Return what became of the photos that this network repainted."""
    repainted, photos = scores[scores.extractor == network], scores[scores.extractor == "photo"]
    counts = agreement(scores).loc[network].to_dict()
    lift = paired_difference(repainted.p_vgg19, photos.p_vgg19)
    return Outcome(counts, proportion(counts["both"], len(repainted)), lift, mean_interval(repainted.ssim))


def summarise(scores: pd.DataFrame) -> dict[str, Any]:
    """Return the content of summary.json: counts, shares and means by extractor, and the untouched photos."""
    summary = {}
    for network in NETWORKS:
        counts, share, _, similarity = outcome(scores, network)
        mean = scores[scores.extractor == network].p_vgg19.mean()
        summary[network] = {**counts, "mean_p_vgg19": mean, "ssim": similarity.value, "share_both": share._asdict()}
    untouched = {f"van_gogh_to_{network}": count for network, count in count_van_goghs(scores).items()}
    return summary | {"photo": {**untouched, "share_both": outcome(scores, "photo").share._asdict()}}
