"""How near repainted photos come to their style, by an outside judge: python -m vg_helpers.benchmarks.distance.

The judge is VGG-19 with ImageNet weights, whichever weights painted. Its distance is the sum over relu1_1 … relu5_1 of
‖G − G*‖² / ‖G*‖², G* being the style's Gram matrix; 0 is the same texture, 1 what the untouched photo has.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch import nn
from tqdm import tqdm

from ..commands.entry import run
from ..device import pick_device
from ..files import check_place
from ..images import list_images, load_image, save_image
from ..models.extractor import FeatureExtractor, build_extractor
from ..models.layers import TITLES
from ..models.weights import load_backbone
from ..style.engine import StyleParams, params_for, stylize
from ..style.measures import relative_distance

JUDGED = tuple(f"relu{block}_1" for block in range(1, 6))
SIZE = 256  # pixels of the longer side, painted and judged
SOURCES = ("imagenet", "embedded", "none")


def load_judge() -> FeatureExtractor:
    """Return ImageNet's VGG-19 with the judged layers.

    Raises:
        NoWeightsError: if these weights are not available; no others may replace them.
    """
    net, weights = load_backbone("vgg19", "imagenet", features_only=True)
    return FeatureExtractor("vgg19", net.features, JUDGED, weights)


def measure(
    pairs: list[tuple[Path, Path]], extractor: FeatureExtractor, params: StyleParams, judge: nn.Module, out: Path | None
) -> pd.DataFrame:
    """Return one row (photo, style, weights, distance, seconds) for each pair of a photo and a style painting.

    Args:
        out: folder for the pictures; None keeps none.
    """
    device, weights, rows = next(judge.buffers()).device, extractor.weights.source, []
    for photo, style in tqdm(pairs, desc=f"Painting with {weights} weights", unit="picture"):
        images = [load_image(path, SIZE).to(device) for path in (photo, style)]
        result = stylize(*images, extractor, params)
        picture = (result.image * 255).round() / 255  # as saved
        if out:
            save_image(out / f"{extractor.network}_{weights}_{photo.stem}_{style.stem}.png", picture)
        distance = relative_distance(picture, *images, judge)
        rows.append((photo.stem, style.stem, weights, distance, result.seconds))
    return pd.DataFrame(rows, columns=["photo", "style", "weights", "distance", "seconds"])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m vg_helpers.benchmarks.distance",
        description="Print the distances of photos repainted with each kind of weights, and their means.",
    )
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("styles", type=Path, help="folder of style paintings")
    parser.add_argument("--num-photos", type=int, default=6, help="number of photos, the first by name (6)")
    parser.add_argument("--num-styles", type=int, default=3, help="number of paintings, the first by name (3)")
    parser.add_argument("--weights", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--network", choices=tuple(TITLES), default="vgg19", help="the network that paints")
    parser.add_argument("--style-weight", type=float, default=StyleParams.style_weight)
    parser.add_argument("--steps", type=int, default=40, help="as notebook 04 takes (40)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="folder for the pictures (default: keep none)")
    return parser


def work(options: argparse.Namespace) -> None:
    """Run the command."""
    photos = list_images(options.photos)[: options.num_photos]
    styles = list_images(options.styles)[: options.num_styles]
    if options.out:
        check_place(options.out / "picture.png")
    device = pick_device(options.device)
    judge = load_judge().to(device)
    pairs, frames = [(photo, style) for photo in photos for style in styles], []
    for weights in options.weights:
        extractor = build_extractor(options.network, weights=weights).to(device)
        fields = {"style_weight": options.style_weight, "num_steps": options.steps} | params_for(extractor.weights)
        frames.append(measure(pairs, extractor, StyleParams(**fields), judge, options.out))
    table = pd.concat(frames)
    print(table.round(3).to_string(index=False), end="\n\n")
    means = table.groupby("weights", sort=False)[["distance", "seconds"]]
    print(means.agg(["mean", "min", "max"]).round(3).to_string())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments)


if __name__ == "__main__":
    sys.exit(main())
