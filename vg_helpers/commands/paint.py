"""Repaint a photo in the style of a painting, from the command line: python3 run.py paint PHOTO --style PAINTING.

Convention: whatever the user can get wrong is said in one sentence, with exit code 2; the settings go into the PNG.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import to_tensor
from tqdm import tqdm

from ..device import pick_device
from ..files import fingerprint
from ..images import load_image, save_image
from ..models.extractor import build_extractor
from ..models.layers import Normalize
from ..models.weights import CHOICES, NoWeightsError, find_imagenet_weights, load_backbone
from ..style.engine import VERSION, StyleParams, StyleResult, params_for, stylize
from ..style.optimize import NonFiniteLoss

STYLE_PLACES = ("data/styles", "data")  # looked at below the current folder, after VG_STYLES_DIR
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
SMALLEST = 256  # longer side, in pixels, below which there are no coarser levels
BAR_EVERY = 5


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `paint` command."""
    parser = argparse.ArgumentParser(
        prog="run.py paint",
        description="Repaint a photo in the style of a painting. An interrupted run continues with the same command.",
    )
    parser.add_argument("photo", type=Path, help="the photo (JPEG, PNG, …); its EXIF orientation is respected")
    parser.add_argument(
        "--style", type=Path, action="append", metavar="PAINTING", help="a painting; several times to blend several"
    )
    parser.add_argument("--out", type=Path, help="the PNG to write (default: <photo>_<style>.png in this folder)")
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels, at most the photo's own (512)")
    parser.add_argument(
        "--extractor", choices=("vgg19", "alexnet"), default="vgg19", help="network whose features count"
    )
    parser.add_argument("--strength", type=float, default=1.0, help="from 0, the photo, to 1, the painting's style (1)")
    parser.add_argument("--keep-colors", action="store_true", help="keep the photo's colours, take the strokes alone")
    parser.add_argument("--protect", metavar="auto|MASK.png", help="where the photo stays: bright places of a mask")
    parser.add_argument("--steps", type=int, default=200, help="steps at the coarsest size; half as many at each next")
    parser.add_argument("--weights", choices=CHOICES, default="auto", help="ImageNet's, else the embedded ones (auto)")
    parser.add_argument(
        "--low-memory", action="store_true", default=None, help="compute twice rather than keep (where memory is short)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        print(f"Painted {paint(args)}")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; the same command continues from here.", file=sys.stderr)
        return 130
    return 0


def paint(args: argparse.Namespace) -> Path:
    """Return the path of the painted photo."""
    device = pick_device(args.device)
    if args.size < 32 or args.steps < 1:
        raise ValueError(f"--size {args.size} and --steps {args.steps}: give at least 32 pixels and 1 step")
    paths = args.style or [find_style()]
    out = args.out or Path(f"{args.photo.stem}_{'_'.join(path.stem for path in paths)}.png")
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out {out} must end in .png, the format that also keeps the settings")
    content = load_image(args.photo, args.size).to(device)
    styles = [load_image(path, args.size).to(device) for path in paths]
    extractor = build_extractor(args.extractor, weights=args.weights)
    usual = StyleParams(**params_for(extractor.weights), low_memory=args.low_memory, seed=args.seed)
    params = plan(max(content.shape[2:]), args.steps, args.strength, args.keep_colors, usual)
    if extractor.weights.source != "imagenet":
        print(f"Note: {extractor.weights.note}", file=sys.stderr)
    masks = None if args.protect is None else [1 - load_protection(args.protect, content)] * len(styles)
    settings = describe(args, params, paths, extractor)
    checkpoint = out.with_name(f".{out.stem}.{fingerprint(VERSION, settings)}.checkpoint")
    try:
        result = _with_bar(content, styles, extractor, params, masks, checkpoint)
    except NonFiniteLoss as error:
        save_image(out, error.image, settings)
        raise ValueError(f"{error}; {out} shows it") from error
    save_image(out, result.image, settings)
    return out


def plan(
    size: int, steps: int, strength: float, keep_colors: bool = False, usual: StyleParams | None = None
) -> StyleParams:
    """Return the parameters for a picture of this size: coarse levels of half the size each, with twice the steps.

    `usual` has the fields that do not depend on all this.
    """
    levels, usual = 0, usual or StyleParams()
    while size / 2 ** (levels + 1) >= SMALLEST:
        levels += 1
    halves = [(0.5**level, max(1, steps // 2 ** (levels - level))) for level in range(levels, -1, -1)]
    return replace(
        usual,
        strength=strength,
        tv_weight=usual.tv_weight * strength,
        num_steps=halves[-1][1],
        coarse=tuple(halves[:-1]),
        colors="luminance" if keep_colors else "style",
    )


def find_style() -> Path:
    """Return the first painting of the styles folder."""
    for place in filter(None, (os.environ.get("VG_STYLES_DIR"), *STYLE_PLACES)):
        found = sorted(path for path in Path(place).glob("*") if path.suffix.lower() in PICTURES)
        if found:
            return found[0]
    raise ValueError("no style was given and there is none in data/styles: name a painting with --style PAINTING.jpg")


def load_protection(name: str, content_image: Tensor) -> Tensor:
    """Return a (1, 1, H, W) mask of the size of the photo: 1 where the photo stays.

    Args:
        name: a grey-scale image file, or "auto" for Grad-CAM of the photo's main object by the ImageNet network.
    """
    if name == "auto":
        return _main_object(content_image)
    try:
        with Image.open(name) as opened:
            mask = to_tensor(opened.convert("L"))[None]
    except OSError as error:
        raise ValueError(
            f"the mask {name} cannot be read as an image ({error}); give a PNG, or --protect auto"
        ) from error
    size = content_image.shape[2:]
    return F.interpolate(mask, size, mode="bilinear", antialias=True).clamp(0, 1).to(content_image.device)


def _main_object(content_image: Tensor) -> Tensor:
    from vg_helpers.gradcam.maps import content_mask

    try:
        find_imagenet_weights("vgg19")
    except NoWeightsError as error:
        raise ValueError(f"--protect auto needs ImageNet weights ({error}); give a mask image instead") from error
    network, _ = load_backbone("vgg19", "imagenet")
    return content_mask(
        nn.Sequential(Normalize(), network).to(content_image.device), content_image, network.features[35]
    )


def describe(args: argparse.Namespace, params: StyleParams, styles: list[Path], extractor: nn.Module) -> dict[str, str]:
    """Return what the PNG says about how it was made."""
    names = {"photo": args.photo.name, "styles": [path.name for path in styles], "protect": args.protect}
    network = {"extractor": args.extractor, "weights": extractor.weights.source, "size": args.size}
    return {
        "Software": "vg_helpers.paint",
        "Settings": json.dumps(names | network | asdict(params), ensure_ascii=False),
    }


def _with_bar(
    content: Tensor,
    styles: list[Tensor],
    extractor: nn.Module,
    params: StyleParams,
    masks: list[Tensor] | None,
    checkpoint: Path,
) -> StyleResult:
    total = params.num_steps + sum(steps for _, steps in params.coarse)
    with tqdm(total=total, desc="Painting", unit="step", file=sys.stderr) as bar:

        def show(step: int, losses: dict[str, Tensor], image: Tensor) -> None:
            bar.set_postfix_str(
                f"{image.shape[3]}×{image.shape[2]} px, loss {losses['total'].item():.3f}", refresh=False
            )
            bar.update(step - bar.n)

        shares = [1 / len(styles)] * len(styles)
        return stylize(
            content,
            styles,
            extractor,
            params,
            blend=shares,
            masks=masks,
            on_step=show,
            every=BAR_EVERY,
            checkpoint=checkpoint,
        )


if __name__ == "__main__":
    sys.exit(main())
