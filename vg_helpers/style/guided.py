"""Guided transfer, measured: what a content mask keeps, compared with unguided transfer at equal P(van_gogh).

Convention: a mask is (N, 1, H, W) in [0, 1], 1 where the content matters and the style is held back. Measures take
a network that the transfer did not optimise.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .engine import StyleParams, stylize
from .losses import gram_matrix
from .measures import structural_similarity

MEASURES = ("content_inside", "ssim_inside", "style_outside")


@torch.no_grad()
def measure(
    image: Tensor, content_image: Tensor, style_image: Tensor, mask: Tensor, extractor: nn.Module, content_layer: str
) -> pd.DataFrame:
    """Return one row per image with the columns MEASURES.

    content_inside: squared distance of the features to the photo's, within the mask, over the photo's own (0 is kept).
    ssim_inside: structural similarity of the luminance to the photo's, averaged with the mask's weights (1 is kept).
    style_outside: squared distance of the Gram matrices outside the mask to the style's, over the style's own squared
    norm, averaged over the extractor's layers (0 is the same texture).
    """
    found, photo, style = extractor(image), extractor(content_image), extractor(style_image)
    target = photo[content_layer]
    weight = F.interpolate(mask, target.shape[2:], mode="area")
    lost = (weight * (found[content_layer] - target).square()).sum((1, 2, 3))
    distances = []
    for layer in extractor.layers:
        outside = 1 - F.interpolate(mask, found[layer].shape[2:], mode="area")
        wanted = gram_matrix(style[layer])
        difference = (gram_matrix(found[layer], outside) - wanted).square().sum((1, 2))
        distances.append(difference / wanted.square().sum((1, 2)))
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
        masks: where the style applies, (N, 1, H, W) in [0, 1]; None is everywhere.
    """
    seen = {0: content_image}

    def keep(step: int, losses: dict[str, Tensor], image: Tensor) -> None:
        seen[step] = image.detach().clamp(0, 1).mul(255).round().div(255)
        if on_step:
            on_step(step)

    stylize(content_image, style_image, extractor, params, masks=masks, on_step=keep, every=every)
    return seen


def at_probability(probs: np.ndarray, values: np.ndarray, wanted: float) -> float:
    """Return the value at the first moment at which probs, linear between the moments given, reach `wanted`."""
    reached = np.flatnonzero(probs >= wanted)
    if not len(reached):
        raise ValueError(f"probs reach {probs.max():.3f} at most, not {wanted:.3f}; ask for less")
    now = reached[0]
    if now == 0:
        return float(values[0])
    share = (wanted - probs[now - 1]) / (probs[now] - probs[now - 1])
    return float(values[now - 1] + share * (values[now] - values[now - 1]))


def compare_at_equal_p(guided: pd.DataFrame, plain: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair: p, the highest probability that both runs reach, and each measure of both runs there.

    A pair whose photo already has that probability is left out: there is no transfer to compare.

    Args:
        guided, plain: rows of pair, step, p and MEASURES, as measured along each run.
    """
    rows = []
    for pair in sorted(set(guided["pair"])):
        runs = {
            name: frame[frame["pair"] == pair].sort_values("step")
            for name, frame in (("guided", guided), ("unguided", plain))
        }
        p = min(run["p"].max() for run in runs.values())
        if p <= max(run["p"].iloc[0] for run in runs.values()):
            continue
        row = {"pair": pair, "p": p}
        for name, run in runs.items():
            for column in ("step", *MEASURES):
                row[f"{column}_{name}"] = at_probability(run["p"].to_numpy(), run[column].to_numpy(), p)
        rows.append(row)
    return pd.DataFrame(rows)


def compare_at_last_step(guided: pd.DataFrame, plain: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair: p and each measure of both runs after the last step; arguments as above."""
    last = [frame[frame["step"] == frame["step"].max()].set_index("pair").sort_index() for frame in (guided, plain)]
    return last[0].join(last[1], lsuffix="_guided", rsuffix="_unguided").reset_index()
