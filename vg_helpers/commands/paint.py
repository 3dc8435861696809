"""Repaint a photo in the style of a painting, from the command line: python3 run.py paint PHOTO --style PAINTING.

Convention: the place of the result is tried before anything is computed, and nothing is overwritten that this command
did not make; the settings go into the PNG.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor, nn
from tqdm import tqdm

from ..device import pick_device
from ..files import (
    MALFORMED,
    ROOT,
    UNREADABLE,
    check_place,
    expand_home,
    file_sha256,
    fingerprint,
    printable,
    short_name,
    unique_names,
)
from ..images import image_size, limit_megapixels, list_images, load_image, load_mask, read_metadata, save_image
from ..models.extractor import build_extractor
from ..models.layers import TITLES, Normalize
from ..models.weights import CHOICES, NoWeightsError, find_imagenet_weights, load_backbone
from ..style.checks import TooSmall, pixels
from ..style.engine import VERSION, StyleParams, StyleResult, params_for, stylize
from ..style.optimize import NonFiniteLoss
from .entry import run

SOFTWARE = "vg_helpers.paint"
STYLE_PLACES = ("data/styles", "data")  # below the current folder, then the project's, if VG_STYLES_DIR is not set
COARSE = 256  # pixels of the longer side that a coarser level has at least
COARSE_SHORTER = 32  # pixels of the shorter side: AlexNet's layers need 31
BYTES_PER_PIXEL = 110  # on disk: two checkpoints at a time, each with the image, the last good one and Adam's moments
BAR_EVERY = 5


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `paint` command."""
    parser = argparse.ArgumentParser(
        prog="run.py paint",
        description="Repaint a photo in the style of a painting. An interrupted run continues with the same command.",
    )
    parser.add_argument("photo", type=expand_home, help="the photo (JPEG, PNG, …); its EXIF orientation is respected")
    parser.add_argument(
        "--style", type=expand_home, action="append", metavar="PAINTING", help="a painting; several are blended"
    )
    parser.add_argument("--out", type=expand_home, help="the PNG to write (default: <photo>_<style>.png here)")
    parser.add_argument("--overwrite", action="store_true", help="write --out even if it holds something else")
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels, at most the photo's own (512)")
    parser.add_argument("--extractor", choices=tuple(TITLES), default="vgg19", help="network that sees the style")
    parser.add_argument("--strength", type=float, default=1.0, help="from 0, the photo, to 1, the painting's style (1)")
    parser.add_argument(
        "--keep-colors",
        nargs="?",
        const="luminance",
        default="style",
        choices=("luminance", "histogram"),
        help="keep the photo's colours: only brightness is painted (luminance), or the painting first gets the "
        "photo's colours (histogram); luminance if neither is named",
    )
    parser.add_argument("--protect", metavar="auto|MASK.png", help="keep the photo where this mask is bright")
    parser.add_argument("--steps", type=int, default=200, help="steps at the coarsest size; half as many at each next")
    parser.add_argument("--weights", choices=CHOICES, default="auto", help="auto: ImageNet, else the embedded ones")
    parser.add_argument(
        "--low-memory", action="store_true", default=None, help="take less memory and more time (default: if needed)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-megapixels", type=float, metavar="N", help="refuse larger pictures (300)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for index, word in enumerate(words):  # else `paint --keep-colors photo.jpg` would take the photo for a choice
        if word == "--keep-colors" and words[index + 1 : index + 2] not in (["luminance"], ["histogram"]):
            words[index] = "--keep-colors=luminance"
    return run(build_parser(), paint, words, stopped="Stopped; the same command continues from here.")


def paint(args: argparse.Namespace) -> None:
    """Paint the photo, write the result and say where it is."""
    device = pick_device(args.device)
    if args.size < 32:
        raise ValueError(f"--size {args.size} must be at least 32 pixels")
    if args.steps < 1:
        raise ValueError(f"--steps {args.steps} must be at least 1")
    if not 0 <= args.strength <= 1:
        raise ValueError(f"--strength {args.strength:g} must be from 0 (the photo) to 1 (the painting's style)")
    if abs(args.seed) >= 2**63:
        raise ValueError(f"--seed {args.seed} must be a whole number below 2^63")
    if args.max_megapixels is not None:
        limit_megapixels(args.max_megapixels)
    args.style = args.style or [find_style()]
    content = load_image(args.photo, args.size).to(device)
    styles = [load_image(path, args.size).to(device) for path in args.style]
    sources = {"photo": file_sha256(args.photo), "styles": [file_sha256(path) for path in args.style]}
    out = choose_output(args, sources, room=BYTES_PER_PIXEL * content[0, 0].numel())
    extractor = build_extractor(args.extractor, weights=args.weights)
    if extractor.weights.source != "imagenet":
        print(f"Note: {extractor.weights.note}", file=sys.stderr)
    params = plan(args, coarse_levels(content, *styles), StyleParams(**params_for(extractor.weights)))
    masks = None if args.protect is None else [1 - load_protection(args.protect, content)] * len(styles)
    settings = describe(args, params, sources, extractor)
    checkpoint = out.with_name(f".{unique_names([out])[0]}.{fingerprint(VERSION, settings)}.checkpoint")
    try:
        result = _with_bar(content, styles, extractor, params, masks, checkpoint)
    except NonFiniteLoss as error:
        save_image(out, error.image, settings)
        raise ValueError(f"{error}; {printable(str(out))} shows it") from error
    except TooSmall as error:
        raise ValueError(_too_small(args, error, [content, *styles])) from error
    save_image(out, result.image, settings)
    checkpoint.unlink(missing_ok=True)
    print(f"Painted {printable(str(out))}")


def choose_output(args: argparse.Namespace, sources: dict[str, object], room: int) -> Path:
    """Return the file to write, after trying its place.

    Raises:
        ValueError: if it holds one of the inputs, or something else that this command did not make of them.
        OSError: if it cannot be written, or fewer than `room` bytes are free.
    """
    out = args.out or Path(f"{short_name('_'.join(unique_names([args.photo, *args.style])))}.png")
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out {printable(str(out))} must end in .png, the format that also keeps the settings")
    check_place(out, room)
    inputs = [args.photo, *args.style, *([] if args.protect in (None, "auto") else [Path(args.protect)])]
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise ValueError(f"--out {printable(str(out))} is one of the pictures to read; give another name")
    if out.exists() and not args.overwrite and not _made_of(out, sources):
        raise ValueError(
            f"{printable(str(out))} exists and was not painted from these pictures: give --out another name, or "
            "--overwrite"
        )
    return out


def _made_of(path: Path, sources: dict[str, object]) -> bool:
    """Return whether this command painted the file from the same photo and styles."""
    metadata = read_metadata(path)
    if metadata.get("Software") != SOFTWARE:
        return False
    try:
        return json.loads(metadata["Settings"])["sources"] == sources
    except MALFORMED:  # of an earlier version, or edited
        return False


def coarse_levels(*images: Tensor) -> int:
    """Return how many times the first image can be halved and still have COARSE pixels, and all COARSE_SHORTER."""
    longer, shorter = max(images[0].shape[2:]), min(min(image.shape[2:]) for image in images)
    return max(0, int(min(math.log2(longer / COARSE), math.log2(shorter / COARSE_SHORTER))))


def plan(args: argparse.Namespace, levels: int, base: StyleParams) -> StyleParams:
    """Return the parameters of a painting with so many coarser levels, each half the size and twice the steps.

    Args:
        base: has the fields that the options do not decide.
    """
    halves = [(0.5**level, max(1, args.steps // 2 ** (levels - level))) for level in range(levels, -1, -1)]
    return replace(
        base,
        strength=args.strength,
        tv_weight=base.tv_weight * args.strength,
        num_steps=halves[-1][1],
        coarse=tuple(halves[:-1]),
        colors=args.keep_colors,
        low_memory=args.low_memory,
        seed=args.seed,
    )


def find_style() -> Path:
    """Return the first painting of the styles folder.

    Raises:
        ValueError: if there is none.
    """
    if chosen := os.environ.get("VG_STYLES_DIR"):
        if not expand_home(chosen).is_dir():
            raise ValueError(
                f"there is no folder {chosen}, which VG_STYLES_DIR names; give a painting with --style PAINTING.jpg"
            )
        return list_images(expand_home(chosen))[0]
    for folder in (base / place for base in (Path(), ROOT) for place in STYLE_PLACES):
        with suppress(*UNREADABLE):  # it holds no pictures, or there is none
            return list_images(folder)[0]
    raise ValueError("there is no painting in data/styles or data; give one with --style PAINTING.jpg")


def load_protection(name: str, content_image: Tensor) -> Tensor:
    """Return a (1, 1, H, W) mask of the size of the photo: 1 where the photo stays.

    Args:
        name: a grey-scale image file, or "auto" for Grad-CAM of the photo's main object by the ImageNet network.
    """
    if name == "auto":
        return _main_object(content_image)
    return load_mask(expand_home(name), tuple(content_image.shape[2:])).to(content_image.device)


def _main_object(content_image: Tensor) -> Tensor:
    from ..gradcam.maps import content_mask

    try:
        find_imagenet_weights("vgg19")
    except NoWeightsError as error:
        raise ValueError(f"--protect auto needs ImageNet weights ({error}); give a mask image instead") from error
    network, _ = load_backbone("vgg19", "imagenet")
    return content_mask(
        nn.Sequential(Normalize(), network).to(content_image.device), content_image, network.features[35]
    )


def describe(
    args: argparse.Namespace, params: StyleParams, sources: dict[str, object], extractor: nn.Module
) -> dict[str, str]:
    """Return what the PNG says about how it was made; `sources` are the hashes of the pictures it was made of."""
    names = {"photo": args.photo.name, "styles": [path.name for path in args.style], "protect": args.protect}
    network = {"extractor": args.extractor, "weights": extractor.weights.source, "size": args.size}
    settings = names | network | {"sources": sources} | asdict(params)
    return {"Software": SOFTWARE, "Settings": json.dumps(settings, ensure_ascii=False)}


def _too_small(args: argparse.Namespace, error: TooSmall, images: list[Tensor]) -> str:
    """Return a sentence that names the picture that is too small, and what would be large enough."""
    if error.role == "content":
        path, image = args.photo, images[0]
    else:
        path, image = next(
            pair for pair in zip(args.style, images[1:], strict=True) if min(pair[1].shape[2:]) < error.needed
        )
    shorter, longer = sorted(image_size(path))
    size = math.ceil((error.needed + 0.5) * longer / shorter)
    advice = f"give --size {size} or more" if size <= longer else "give a larger picture"
    return (
        f"{printable(str(path))} has {pixels(image)} pixels at --size {args.size}, and {TITLES[args.extractor]} needs "
        f"at least {error.needed} on the shorter side: {advice}"
    )


def _with_bar(
    content: Tensor,
    styles: list[Tensor],
    extractor: nn.Module,
    params: StyleParams,
    masks: list[Tensor] | None,
    checkpoint: Path,
) -> StyleResult:
    """Return the result of the transfer, which shows a bar of its steps."""
    total = params.num_steps + sum(steps for _, steps in params.coarse)
    with tqdm(total=total, desc="Painting", unit="step", file=sys.stderr) as bar:

        def show(step: int, losses: dict[str, Tensor], image: Tensor) -> None:
            bar.set_postfix_str(f"{pixels(image)} px, loss {losses['total'].item():.3f}", refresh=False)
            bar.update(step - bar.n)

        options = {"on_step": show, "every": BAR_EVERY, "checkpoint": checkpoint, "keep_checkpoint": True}
        shares = [1 / len(styles)] * len(styles)
        return stylize(content, styles, extractor, params, blend=shares, masks=masks, **options)


if __name__ == "__main__":
    sys.exit(main())
