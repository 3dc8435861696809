"""Guided transfer, measured: what a content mask keeps, compared with unguided transfer.

Convention: a mask is (N, 1, H, W) in [0, 1], 1 where the content matters and the style is held back. Features are
measured with a network that the transfer did not optimise. The two runs are called "guided" and "unguided".
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..device import autocast
from ..models.layers import CONTENT_LAYER
from .engine import StyleParams, stylize
from .losses import gram_matrix
from .measures import structural_similarity

MEASURES = ("content_inside", "ssim_inside", "style_outside")


@torch.no_grad()
def measure(
    image: Tensor, content_image: Tensor, style_image: Tensor, mask: Tensor, extractor: nn.Module, content_layer: str
) -> pd.DataFrame:
    """Return one row per image with the columns MEASURES.

    content_inside: squared distance of the features to the photo's, within the mask, over the photo's own (0: as the
    photo). ssim_inside: structural similarity to the photo, averaged with the mask's weights (1: as the photo).
    style_outside: squared distance of the Gram matrices outside the mask to the style's, over the style's own squared
    norm, averaged over the extractor's layers (0: the same texture).
    """
    features, photo, style = extractor(image), extractor(content_image), extractor(style_image)
    target = photo[content_layer]
    weight = F.interpolate(mask, target.shape[2:], mode="area")
    lost = (weight * (features[content_layer] - target).square()).sum((1, 2, 3))
    distances = []
    for layer in extractor.layers:
        outside = 1 - F.interpolate(mask, features[layer].shape[2:], mode="area")
        goal = gram_matrix(style[layer])
        difference = (gram_matrix(features[layer], outside) - goal).square().sum((1, 2))
        distances.append(difference / goal.square().sum((1, 2)))
    columns = {
        "content_inside": lost / (weight * target.square()).sum((1, 2, 3)).clamp_min(1e-12),
        "ssim_inside": structural_similarity(image, content_image, mask),
        "style_outside": torch.stack(distances).mean(0),
    }
    return pd.DataFrame({name: values.cpu().double().numpy() for name, values in columns.items()})


def follow(
    content_image: Tensor,
    style_image: Tensor,
    extractor: nn.Module,
    params: StyleParams,
    *,
    masks: Tensor | None = None,
    every: int = 10,
    on_step: Callable[[int], None] | None = None,
) -> dict[int, Tensor]:
    """Return step -> images of a style transfer, from the photo (step 0) to the last step, rounded to 8-bit pixels.

    Args:
        masks: the places that take on the style, (N, 1, H, W) in [0, 1]; None is everywhere.
    """
    images = {0: content_image}

    def keep(step: int, losses: dict[str, Tensor], image: Tensor) -> None:
        images[step] = image.detach().clamp(0, 1).mul(255).round().div(255)
        if on_step:
            on_step(step)

    stylize(content_image, style_image, extractor, params, masks=masks, on_step=keep, every=every)
    return images


def follow_both(
    content_image: Tensor,
    style_image: Tensor,
    mask: Tensor,
    extractor: nn.Module,
    params: StyleParams,
    *,
    on_step: Callable[[int], None] | None = None,
) -> dict[str, dict[int, Tensor]]:
    """Return the steps of the guided and of the unguided run, about twelve of each; arguments as for `follow`."""
    every = max(1, params.num_steps // 12)
    return {
        run: follow(content_image, style_image, extractor, params, masks=masks, every=every, on_step=on_step)
        for run, masks in (("guided", 1 - mask), ("unguided", None))
    }


def measure_runs(
    runs: Mapping[str, Mapping[int, Tensor]],
    content_image: Tensor,
    style_image: Tensor,
    mask: Tensor,
    extractor: nn.Module,
    classifier: nn.Module,
) -> dict[str, pd.DataFrame]:
    """Return for each run the rows of pair, step, p and MEASURES along it.

    Args:
        runs: as `follow_both` returns them.
        extractor: with a `network`, as `build_extractor` makes them; not the one that the transfer optimised.
        classifier: gives p, the probability of its class 1.
    """
    measured = {}
    for run, images in runs.items():
        frames = []
        for step, image in images.items():
            with torch.no_grad(), autocast(image.device):
                p = classifier(image).float().softmax(1)[:, 1].cpu().numpy()
            frame = measure(image, content_image, style_image, mask, extractor, CONTENT_LAYER[extractor.network])
            frames.append(frame.assign(pair=range(len(frame)), step=step, p=p))
        measured[run] = pd.concat(frames, ignore_index=True)
    return measured


def at_probability(probs: np.ndarray, values: np.ndarray, p: float) -> float:
    """Return the value at the first moment at which probs, linear between the moments given, reach p.

    Raises:
        ValueError: if they never do.
    """
    reached = np.flatnonzero(probs >= p)
    if not len(reached):
        raise ValueError(f"probs reach {probs.max():.3f} at most, not {p:.3f}; ask for less")
    now = reached[0]
    if now == 0:
        return float(values[0])
    share = (p - probs[now - 1]) / (probs[now] - probs[now - 1])
    return float(values[now - 1] + share * (values[now] - values[now - 1]))


def compare_at_equal_p(measured: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per pair: p, the highest probability that both runs reach, and step and MEASURES of both there.

    A pair whose photo already has that probability is left out: there is no transfer to compare.

    Args:
        measured: as `measure_runs` returns it.
    """
    rows = []
    for pair in sorted(set(measured["guided"]["pair"])):
        runs = {run: frame[frame["pair"] == pair].sort_values("step") for run, frame in measured.items()}
        p = min(frame["p"].max() for frame in runs.values())
        if p <= max(frame["p"].iloc[0] for frame in runs.values()):
            continue
        row = {"pair": pair, "p": p}
        for run, frame in runs.items():
            for column in ("step", *MEASURES):
                row[f"{column}_{run}"] = at_probability(frame["p"].to_numpy(), frame[column].to_numpy(), p)
        rows.append(row)
    return pd.DataFrame(rows)


def compare_at_last_step(measured: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per pair: step, p and MEASURES of both runs after the last step; arguments as above."""
    last = [
        frame[frame["step"] == frame["step"].max()].set_index("pair").add_suffix(f"_{run}")
        for run, frame in measured.items()
    ]
    return pd.concat(last, axis=1).sort_index().reset_index()


def compare(measured: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return both comparisons by name, "equal P" and "last step"; empty frames if nothing was measured."""
    if not measured:
        return {"equal P": pd.DataFrame(), "last step": pd.DataFrame()}
    return {"equal P": compare_at_equal_p(measured), "last step": compare_at_last_step(measured)}
