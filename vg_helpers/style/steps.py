"""The steps of 03 and 04: the networks, the pairs of photo and painting, their pictures, and what these scored.

Convention: `scores` is the frame of scores.csv. Its first rows are the repainted photos, network by network and each
time in the order of the pairs; the untouched photos follow in the same order, with "photo" as their extractor. In
`everything` the photos repainted with the single-objective optimum come between them. `painted` names the kind of each
row, a key of KINDS; `judge` is a key of JUDGES.
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
from ..images import load_image, longer_side, read_metadata
from ..intervals import Estimate, mean_interval, paired_difference, paired_proportions, proportion
from ..models.classifier import load_classifier
from ..models.extractor import build_extractor
from ..models.layers import TITLES
from .convolutions import prepare
from .engine import StyleParams, build_objective
from .front import params_of
from .losses import content_loss, gram_matrix, style_loss
from .measures import edge_agreement, structural_similarity
from .once import paint_once

CORE = (gram_matrix, content_loss, style_loss, build_objective)  # what the report prints of the engine
NETWORKS = tuple(TITLES)
KINDS = {name: f"{title} features" for name, title in TITLES.items()}
KINDS |= {"optimum": "VGG-19 features, single objective", "photo": "untouched"}
ASKED = KINDS | {"real": "paintings by Van Gogh"}  # about what judges are asked
JUDGES = {
    "vgg19": "VGG-19",
    "alexnet": "AlexNet",
    "forewarned_vgg19": "forewarned by VGG-19's texture",
    "forewarned_alexnet": "forewarned by AlexNet's texture",
    "strokes": "strokes",
    "attribution": "attribution",
}
SEES = {  # of which network each judge sees the features
    "vgg19": "vgg19",
    "alexnet": "alexnet",
    "forewarned_vgg19": "vgg19",
    "forewarned_alexnet": "alexnet",
    "strokes": "",
    "attribution": "alexnet",
}
MEASURES = {"ssim": "structural similarity", "edges": "edge agreement", "perceptual": ""}
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
    classifiers = {network: load_classifier(file).to(place) for network, file in files.items()}
    choices = {network: model.weights.choice for network, model in classifiers.items()}
    extractors = {network: build_extractor(network, weights=choice).to(place) for network, choice in choices.items()}
    return Networks(place, classifiers, extractors)


def final_params(networks: Networks, values: Mapping[str, Any], num_steps: int, seed: int) -> StyleParams:
    """Return the settings with which all photos are repainted: values of a search, and what suits VGG-19's weights."""
    return params_of(values, networks.extractors["vgg19"], num_steps, seed)


def settings_table(extractor: nn.Module, params: StyleParams, size: int) -> pd.DataFrame:
    """Return the settings that all trials of a search share, as rows of setting and value."""
    settings = {
        "content layer": extractor.layers[-1],
        "style layers": ", ".join(extractor.layers[:-1]),
        "optimiser": f"{params.optimizer.title()}, learning rate {params.lr:g}, {params.num_steps} steps",
        "total variation γ": f"{params.tv_weight:g}",
        "shorter side": f"{size} pixels",
    }
    return pd.DataFrame(settings.items(), columns=["setting", "value"])


def layers_table(extractors: Mapping[str, nn.Module]) -> pd.DataFrame:
    """Return the content layer and the style layers of each network."""
    layers = {TITLES[network]: extractor.layers for network, extractor in extractors.items()}
    rows = [(title, names[-1], ", ".join(names[:-1])) for title, names in layers.items()]
    return pd.DataFrame(rows, columns=["network", "content layer", "style layers"])


def load_all(paths: Sequence[str | Path], size: int | None = None) -> list[Tensor]:
    """Return the pictures as (1, 3, H, W) in [0, 1], their shorter side scaled down to `size` pixels."""
    return [load_image(path, size and longer_side(path, size)) for path in paths]


def load_judged(pictures: pd.DataFrame, size: int) -> list[Tensor]:
    """Return the pictures of `list_pictures`: repainted ones as they are, untouched photos as they were repainted."""
    rows = zip(pictures.file, pictures.painted, strict=True)
    return [load_all([file], size if kind == "photo" else None)[0] for file, kind in rows]


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


def list_jobs(pairs: pd.DataFrame, folder: Path, networks: Sequence[str] = NETWORKS) -> pd.DataFrame:
    """Return one row per picture to paint: the columns of `pairs`, the extractor, and the file in `folder`."""
    jobs = pd.DataFrame({"extractor": networks}).merge(pairs, how="cross")
    names = [result_name(job.style, job.content, job.extractor) for job in jobs.itertuples()]
    return jobs.assign(file=[folder / name for name in names])


def paint(jobs: pd.DataFrame, networks: Networks, params: StyleParams, size: int, state: Path) -> None:
    """Paint what is not yet painted; an interrupted picture continues from the folder `state`.

    Args:
        size: pixels of the pictures' shorter side.
    """
    extractors = {name: networks.extractors[name] for name in jobs.extractor.unique()}
    prepared = {name: prepare(extractor, networks.device) for name, extractor in extractors.items()}
    for job in tqdm(list(jobs.itertuples()), desc="painting"):
        sources = job.file, job.photo, job.painting, extractors[job.extractor]
        paint_once(*sources, params, longer_side(job.photo, size), state, network=prepared[job.extractor])


def starting_images(
    pairs: pd.DataFrame, extractor: nn.Module, params: StyleParams, size: int, state: Path
) -> list[Tensor]:
    """Return the pictures that the transfers start from, as (1, 3, H, W); they are kept in the folder `state`."""
    files = [state / f"{short_name(name)}.png" for name in pairs.content]
    begun, network = replace(params, num_steps=0), prepare(extractor, next(extractor.parameters()).device)
    for file, pair in tqdm(list(zip(files, pairs.itertuples(), strict=True)), desc="starting images"):
        sources = file, pair.photo, pair.painting, extractor
        paint_once(*sources, begun, longer_side(pair.photo, size), state, network=network)
    return load_all(files)


def list_pictures(jobs: pd.DataFrame, optimum: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per picture that is judged: content, style, extractor, painted and file, in the order above.

    Args:
        jobs, optimum: what was painted with the knee's values, and with the single-objective optimum.
    """
    photos = pd.DataFrame({"content": pairs.content, "style": "", "extractor": "photo", "file": pairs.photo})
    parts = [jobs.assign(painted=jobs.extractor), optimum.assign(painted="optimum"), photos.assign(painted="photo")]
    return pd.concat(parts, ignore_index=True)[["content", "style", "extractor", "painted", "file"]]


def score_frame(
    pictures: pd.DataFrame, images: list[Tensor], probs: Mapping[str, Sequence[float]], perceptual: nn.Module
) -> pd.DataFrame:
    """Return the frame `everything`: what is left of the photo in each picture, by three measures, and P(van_gogh).

    Args:
        images: of the pictures, the photos at the same size.
        probs: by network that judges, P(van_gogh) of each picture.
        perceptual: returns the distances of images and photos, such as LPIPS.
    """
    scores = pictures.drop(columns="file").assign(**{f"p_{network}": values for network, values in probs.items()})
    untouched = pictures.painted == "photo"
    photos = {pictures.content[row]: images[row] for row in pictures.index[untouched]}
    compared = [(image, photos[name]) for image, name in zip(images, pictures.content, strict=True)]
    scores["ssim"] = [structural_similarity(*pair).item() for pair in compared]
    scores["edges"] = [edge_agreement(*pair).item() for pair in compared]
    scores["perceptual"] = [perceptual(*pair).item() for pair in compared]
    seconds = [float(read_metadata(file).get("seconds", 0)) for file in pictures.file[~untouched]]
    return scores.assign(seconds=seconds + [0.0] * int(untouched.sum()))


def votes(everything: pd.DataFrame, artist: str) -> pd.DataFrame:
    """Return for each picture (row) whether each judge (column) takes it for a Van Gogh.

    Args:
        everything: with the columns p_<judge>, and painter: to whom the picture is attributed.
        artist: Van Gogh's name among the painters.
    """
    answers = {judge: everything[f"p_{judge}"] >= 0.5 for judge in JUDGES if judge != "attribution"}
    return pd.DataFrame({**answers, "attribution": everything["painter"] == artist})


def genuine(tested: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return the test paintings by Van Gogh as rows of `everything`, of the kind "real".

    Args:
        tested: rows of predictions.csv: label, and p_<network>.
        answers: of the other judges, as `panel.evaluate_panel` returns them, one row for each of `tested`.
    """
    networks = tested[[f"p_{network}" for network in NETWORKS]]
    return networks.join(answers)[tested["label"] == 1].assign(painted="real")


def deceived(everything: pd.DataFrame, artist: str) -> pd.DataFrame:
    """Return one row per kind of picture and judge: painted, judge, pictures, and value, low, high of the share.

    Args:
        everything: with the rows of `genuine`.
    """
    answers, rows = votes(everything, artist), []
    for kind in ASKED:
        part = answers[(everything.painted == kind).to_numpy()]
        for judge in JUDGES:
            rows.append([kind, judge, len(part), *proportion(int(part[judge].sum()), len(part))])
    return pd.DataFrame(rows, columns=["painted", "judge", "pictures", "value", "low", "high"])


def deceived_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of `deceived` as text, a row per judge and a column per kind of picture."""
    text = [f"{Estimate.read(row):.0%}" for row in shares.to_dict("records")]
    table = shares.assign(share=text).pivot(index="judge", columns="painted", values="share")
    table = table.loc[list(JUDGES), list(ASKED)].rename(index=JUDGES, columns=ASKED)
    return table.rename_axis(index="judge", columns=None).reset_index()


def rates_of(shares: pd.DataFrame, judge: str) -> dict[str, Estimate]:
    """Return the shares of one judge by kind of picture: as `painted` names it."""
    rows = shares[shares.judge == judge].to_dict("records")
    return {row["painted"]: Estimate.read(row) for row in rows}


def shared_features(tests: Mapping[str, Estimate]) -> pd.DataFrame:
    """Return one row per judge: what it reaches on paintings, and which features it shares with either painter.

    Args:
        tests: as `panel.evaluate_panel` returns it.
    """
    rows = []
    for judge, title in JUDGES.items():
        kind = "share named rightly" if judge == "attribution" else "ROC AUC"
        reached = f"{kind} {tests[judge]:.3f}" if judge in tests else "in 02"
        rows.append([title, reached, *(_shared(judge, painter) for painter in NETWORKS)])
    columns = [f"shares with {TITLES[painter]} as painter" for painter in NETWORKS]
    return pd.DataFrame(rows, columns=["judge", "test paintings", *columns])


def _shared(judge: str, painter: str) -> str:
    if SEES[judge] != painter:
        return "nothing"
    return "its network, fine-tuned" if judge == painter else "its network"


def content_table(everything: pd.DataFrame, perceptual: str) -> pd.DataFrame:
    """Return the mean of each measure by kind of picture, with intervals; `perceptual` is the name of the last one."""
    rows = {}
    for kind, title in KINDS.items():
        part = everything[everything.painted == kind]
        rows[title] = {measure_title(name, perceptual): f"{mean_interval(part[name]):.3f}" for name in MEASURES}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("painted with").reset_index()


def measure_title(name: str, perceptual: str) -> str:
    """Return the title of a measure of MEASURES, with the sense in which it is to be read."""
    return f"{perceptual} (0 is the photo)" if name == "perceptual" else f"{MEASURES[name]} (1 is the photo)"


def content_gains(everything: pd.DataFrame) -> dict[str, Estimate]:
    """Return by measure how much more of the photo the knee keeps than the optimum, with paired intervals.

    Both are painted with VGG-19's features. A distance counts negatively, so that more is better throughout.
    """
    knee, optimum = (everything[everything.painted == kind] for kind in ("vgg19", "optimum"))
    signs = {"ssim": 1, "edges": 1, "perceptual": -1}
    return {name: paired_difference(sign * knee[name], sign * optimum[name]) for name, sign in signs.items()}


def gains_table(gains: Mapping[str, Estimate], perceptual: str) -> pd.DataFrame:
    """Return the gains as a table of one row per measure."""
    rows = [[MEASURES[name] or f"{perceptual}, less", f"{gain:+.3f}"] for name, gain in gains.items()]
    return pd.DataFrame(rows, columns=["measure", "gain"])


def conviction_changes(everything: pd.DataFrame, artist: str) -> dict[str, Estimate]:
    """Return by judge the share of photos it takes for Van Goghs with the knee's values, less that with the optimum's.

    The intervals are paired.
    """
    answers = votes(everything, artist)
    knee, optimum = (answers[(everything.painted == kind).to_numpy()] for kind in ("vgg19", "optimum"))
    return {judge: paired_proportions(knee[judge], optimum[judge]) for judge in JUDGES}


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


def summarise_judges(shares: pd.DataFrame, tests: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return the same of the judges: what they reach on paintings, and their shares by kind of picture."""
    by_kind = {}
    for row in shares.to_dict("records"):
        by_kind.setdefault(row["painted"], {})[row["judge"]] = Estimate.read(row)._asdict()
    return {"tests": {name: value._asdict() for name, value in tests.items()}, "shares": by_kind}
