"""How near repainted photos come to their style, by an outside judge: python -m vg_helpers.benchmarks.distance.

The judge is VGG-19 with ImageNet weights, whichever weights painted. Its distance is the sum over relu1_1 … relu5_1 of
‖G − G*‖² / ‖G*‖², G* being the style's Gram matrix; 0 is the same texture, 1 what the untouched photo has.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from torch import nn

from ..device import pick_device
from ..images import load_image, save_image
from ..models.extractor import FeatureExtractor, build_extractor
from ..models.layers import TITLES
from ..models.weights import load_backbone
from ..style.engine import StyleParams, params_for, stylize
from ..style.measures import relative_distance

JUDGED = tuple(f"relu{block}_1" for block in range(1, 6))
SIZE = 256  # pixels of the longer side, painted and judged
SOURCES = ("imagenet", "embedded", "none")
PICTURES = {".jpg", ".jpeg", ".png"}


def load_judge() -> FeatureExtractor:
    """Return ImageNet's VGG-19 with the judged layers.

    Raises:
        ValueError: if its weights cannot be had: no others may take their place.
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
    for photo, style in pairs:
        images = [load_image(path, SIZE).to(device) for path in (photo, style)]
        result = stylize(*images, extractor, params)
        picture = (result.image * 255).round() / 255  # as saved
        if out:
            save_image(out / f"{extractor.network}_{weights}_{photo.stem}_{style.stem}.png", picture)
        distance = relative_distance(picture, *images, judge)
        rows.append((photo.stem, style.stem, weights, distance, result.seconds))
        print(*rows[-1][:3], f"{distance:.3f}", f"{result.seconds:.0f} s", file=sys.stderr, flush=True)
    return pd.DataFrame(rows, columns=["photo", "style", "weights", "distance", "seconds"])


def main(arguments: list[str] | None = None) -> None:
    """Print the mean distance of photos repainted with each kind of weights."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.distance", description=main.__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("styles", type=Path, help="folder of style paintings")
    parser.add_argument("--num-photos", type=int, default=6, help="the first so many by name (6)")
    parser.add_argument("--num-styles", type=int, default=3, help="the first so many by name (3)")
    parser.add_argument("--weights", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--network", choices=tuple(TITLES), default="vgg19", help="that paints")
    parser.add_argument("--style-weight", type=float, default=StyleParams.style_weight)
    parser.add_argument("--steps", type=int, default=40, help="as notebook 04 takes (40)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="folder for the pictures (default: keep none)")
    options = parser.parse_args(arguments)
    try:
        device = pick_device(options.device)
        judge = load_judge().to(device)
        photos, styles = (
            sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)[:count]
            for folder, count in ((options.photos, options.num_photos), (options.styles, options.num_styles))
        )
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
        pairs, found = [(photo, style) for photo in photos for style in styles], []
        if not pairs:
            raise ValueError(f"{options.photos} and {options.styles} must both hold JPEG or PNG pictures")
        for weights in options.weights:
            extractor = build_extractor(options.network, weights=weights).to(device)
            usual = params_for(extractor.weights)
            params = StyleParams(style_weight=options.style_weight, num_steps=options.steps, **usual)
            found.append(measure(pairs, extractor, params, judge, options.out))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    table = pd.concat(found).groupby("weights", sort=False)[["distance", "seconds"]]
    print(table.agg(["mean", "min", "max"]).round(3).to_string())


if __name__ == "__main__":
    main()
