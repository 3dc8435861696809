"""The answer to "is this by Van Gogh?": yes, no, or that one cannot tell; how sure it is, and what it rests on.

Convention: log odds are those of a Van Gogh. An answer is given if they are at least a margin away from those of the
threshold.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..device import autocast
from ..models.texture import Rule, TextureClassifier, TextureJudge

VAN_GOGH, OTHER, CANNOT_TELL = "van_gogh", "other", "cannot_tell"
ERROR_RATE = 0.05  # of the answers that are given, at most
CONFIDENCE = 0.9  # that it is no higher
UNFAMILIAR = 0.025  # of paintings like those of the training are called unfamiliar
INTERVAL = (0.025, 0.975)  # of the refits
NEIGHBORS = 3  # training paintings of each class that are named


@dataclass(frozen=True)
class Answer:
    """P(van_gogh) of a picture, its interval over the refits of the texture judge, and the answer.

    `van_goghs` and `others` name the training paintings of nearest texture. Where the network judges alone, the
    interval is NaN, nothing is named, and `unfamiliar` is None.
    """

    p: float
    low: float
    high: float
    answer: str
    unfamiliar: bool | None = None
    van_goghs: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class Neighbors(NamedTuple):
    """Positions (N, k) of the nearest training paintings of both classes, and the distance (N,) of the nearest one."""

    van_goghs: NDArray[np.int64]
    others: NDArray[np.int64]
    distance: NDArray[np.float64]


def answers_of(log_odds: ArrayLike, threshold: float, margin: float = 0.0) -> NDArray[np.str_]:
    """Return the answers (N,); with a margin of 0 there are two, with an infinite one all are CANNOT_TELL."""
    odds = np.asarray(log_odds, dtype=np.float64)
    named = np.where(odds >= logit(threshold), VAN_GOGH, OTHER)
    return np.where(is_answered(odds, threshold, margin), named, CANNOT_TELL)


def is_answered(log_odds: ArrayLike, threshold: float, margin: float) -> NDArray[np.bool_]:
    """Return whether each of the log odds (N,) gets an answer."""
    return (np.abs(np.asarray(log_odds, dtype=np.float64) - logit(threshold)) >= margin) & (margin < math.inf)


def logit(p: float) -> float:
    """Return the log odds of a probability; those of 0 and less are −inf, those of 1 and more inf."""
    if 0 < p < 1:
        return math.log(p / (1 - p))
    return math.inf if p >= 1 else -math.inf


def choose_margin(
    log_odds: ArrayLike, labels: ArrayLike, groups: ArrayLike, threshold: float, error_rate: float = ERROR_RATE
) -> float:
    """Return the smallest margin at which at most `error_rate` of the answers are wrong; inf if none is safe.

    With CONFIDENCE over the draw of the held-out paintings, the rate holds for new paintings like them. Margins are
    tested from the one at which half of the paintings are answered to ever smaller ones, until an exact binomial test
    no longer rejects a higher rate ("Learn then test", Angelopoulos et al. 2021; Geifman and El-Yaniv 2017, "Selective
    classification for deep neural networks"). That takes at least 45 answers for a rate of 0.05. Twins depend on each
    other: each group counts as one painting, and its members share its weight.

    Args:
        log_odds: (N,) of paintings from which neither the judges nor the threshold learned.
        labels: (N,), 1 = van_gogh.
        groups: (N,), equal for twins.
    """
    from scipy.special import betainc  # here alone, so that `predict` starts sooner

    odds, labels = np.asarray(log_odds, dtype=np.float64), np.asarray(labels)
    _, group, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    distance, wrong = np.abs(odds - logit(threshold)), (odds >= logit(threshold)) != (labels == 1)
    order = np.argsort(-distance, kind="stable")
    margins, weights = distance[order], (1 / sizes[group])[order]
    answered, errors = np.cumsum(weights), np.cumsum(weights * wrong[order])
    # P(at most so many errors among so many answers), if answers were wrong at the highest rate that is allowed
    p_values = betainc(np.maximum(answered - errors, 1e-9), errors + 1, 1 - error_rate)
    fewest = math.log(1 - CONFIDENCE) / math.log(1 - error_rate)
    tested = (answered >= max(answered[-1] / 2, fewest) - 1e-9) & np.append(margins[1:] != margins[:-1], True)
    safe = np.cumprod(p_values[tested] <= 1 - CONFIDENCE + 1e-9).sum()
    if not safe:
        return math.inf
    return 0.0 if safe == tested.sum() else float(margins[tested][safe - 1])


def nearest_of_other_groups(distances: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Return how far (N,) each training painting is from the nearest one that is no twin, from distances (N, N)."""
    groups = np.asarray(groups)
    return np.where(groups[:, None] == groups[None], np.inf, np.asarray(distances, dtype=np.float64)).min(axis=1)


def familiar_limit(distances: ArrayLike, share: float = UNFAMILIAR) -> float:
    """Return the distance beyond which a picture is unfamiliar, which at most `share` of paintings like these are.

    Split conformal prediction (Vovk et al. 2005): the quantile counts the new picture among the N. Too few give inf.

    Args:
        distances: (N,) as `nearest_of_other_groups` returns them.
    """
    ranked = np.sort(np.asarray(distances, dtype=np.float64))
    place = math.ceil((len(ranked) + 1) * (1 - share) - 1e-9)
    return float(ranked[place - 1]) if place <= len(ranked) else math.inf


@torch.inference_mode()
def neighbors_of(judge: TextureJudge, moments: Tensor, count: int = NEIGHBORS) -> Neighbors:
    """Return the training paintings nearest to moments (N, 2C); of a class with fewer than `count`, all."""
    return nearest(judge.distances(moments), judge.labels, count)


def nearest(distances: Tensor, labels: Tensor, count: int = NEIGHBORS) -> Neighbors:
    """Return the neighbours of pictures that are `distances` (N, M) away from training paintings with `labels` (n,).

    Further columns are those of copies, which are nobody's neighbours.
    """
    places, distances = [], distances[:, : len(labels)]
    for wanted in (1, 0):
        members = torch.nonzero(labels == wanted).flatten()
        order = distances[:, members].topk(min(count, len(members)), dim=1, largest=False).indices
        places.append(members[order].cpu().numpy())
    return Neighbors(*places, distances.min(dim=1).values.cpu().double().numpy())


@torch.inference_mode()
def answer_with_texture(model: TextureClassifier, rule: Rule, images: Tensor) -> list[Answer]:
    """Return the answers to pictures.

    Args:
        images: (N, rule.views + rule.patches, 3, H, W) on the model's device: the views, then the patches. The network
            judges the views, and the texture judge the first of them and the patches.
    """
    count, places = len(images), torch.arange(images.shape[1], device=images.device).repeat(len(images))
    judged, measured = places < rule.views, (places == 0) | (places >= rule.views)
    with autocast(images.device):
        logits, moments = model(_in_a_row(images), judged, measured)
    distances = model.judge.distances(moments.unflatten(0, (count, -1)).mean(1))
    texture = model.judge.log_odds(distances).cpu().double()
    odds = rule.log_odds(_odds_of(logits.unflatten(0, (count, -1)))[:, None], texture)
    near = nearest(distances, model.judge.labels)
    probs = odds.sigmoid().numpy()
    low, high = np.quantile(probs, INTERVAL, axis=1)
    names = answers_of(odds[:, 0].numpy(), rule.threshold, rule.margin)
    return [
        Answer(
            float(p),
            float(min(p, low[i])),
            float(max(p, high[i])),
            str(names[i]),
            bool(near.distance[i] > rule.familiar),
            tuple(model.judge.names[place] for place in near.van_goghs[i]),
            tuple(model.judge.names[place] for place in near.others[i]),
        )
        for i, p in enumerate(probs[:, 0])
    ]


@torch.inference_mode()
def answer_alone(model: nn.Module, threshold: float, images: Tensor) -> list[Answer]:
    """Return the network's own answers, of two kinds, to pictures in several views: images (N, views, 3, H, W)."""
    with autocast(images.device):
        logits = model(_in_a_row(images)).unflatten(0, images.shape[:2])
    odds = _odds_of(logits)
    names = answers_of(odds.numpy(), threshold)
    return [Answer(float(p), math.nan, math.nan, str(name)) for p, name in zip(odds.sigmoid(), names, strict=True)]


def _in_a_row(images: Tensor) -> Tensor:
    """Return images (N, views, 3, H, W) as (N · views, 3, H, W), in the memory layout in which test paintings come."""
    return images.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _odds_of(logits: Tensor) -> Tensor:
    """Return the log odds (N,) on the CPU of logits (N, views, 2), averaged over the views."""
    logits = logits.cpu().double()
    return (logits[..., 1] - logits[..., 0]).mean(1)
