"""Repaint photos in the style of a painting, from the command line: python3 run.py paint PHOTO --style PAINTING.

Convention: the place of the result is tried before anything is computed, and nothing is overwritten that this command
did not make; the settings go into the file.
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
from typing import NamedTuple

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
from ..images import image_size, limit_megapixels, list_images, load_image, load_mask
from ..models.extractor import build_extractor
from ..models.layers import TITLES, Normalize
from ..models.weights import CHOICES, NoWeightsError, find_imagenet_weights, load_backbone
from ..style.checks import TooSmall, free_memory, pixels
from ..style.engine import VERSION, StyleParams, StyleResult, params_for, stylize
from ..style.film import Way
from ..style.optimize import NonFiniteLoss
from ..style.output import SOFTWARE, SUFFIXES, Format, read_settings, same_file, save_picture
from ..style.pixels import resize, scaled_size
from ..style.targets import LOSSES
from .entry import DEVICES, WEIGHTS, run

STYLE_PLACES = ("data/styles", "data")  # below the current folder, then the project's, if VG_STYLES_DIR is not set
SIZE = 512  # pixels of the longer side, unless --size says otherwise
COARSE = 256  # pixels of the longer side that a coarser level has at least
COARSE_SHORTER = 32  # pixels of the shorter side: AlexNet's layers need 31
BYTES_PER_PIXEL = 110  # on disk: two checkpoints at a time, each with the image, the last good one and Adam's moments
RESIZED_BYTES = 36  # of memory for a pixel of an image that is resized: three times its three floats
LARGEST = 100_000  # pixels of the longer side
BAR_EVERY = 5


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `paint` command."""
    parser = argparse.ArgumentParser(
        prog="run.py paint",
        description="Repaint a photo in the style of a painting, or with --out-dir many photos in many styles. An "
        "interrupted run continues with the same command.",
    )
    parser.add_argument(
        "photos",
        type=expand_home,
        nargs="+",
        metavar="PHOTO",
        help="the photo (JPEG, PNG, …), its EXIF orientation is respected; with --out-dir several, and folders of them",
    )
    parser.add_argument(
        "--style",
        type=read_style,
        action="append",
        metavar="PAINTING[:WEIGHT]",
        help="a painting; several are blended, a.jpg:0.7 b.jpg:0.3 by their weights (1). With --out-dir each photo is "
        "painted in each of them, --style A B C names several, and a folder stands for all in it",
    )
    parser.add_argument(
        "--style-mask",
        type=expand_home,
        action="append",
        metavar="MASK.png",
        help="learn only from the bright part of the painting; one mask for each --style",
    )
    parser.add_argument(
        "--style-scale", type=float, default=1.0, help="size of the brushstrokes: 2 doubles it, 0.5 halves it (1)"
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        default="gram",
        help="what of the painting counts: correlations of features (gram), their distribution (wasserstein), or the "
        "most similar places (neighbours); gram if none is named",
    )
    parser.add_argument(
        "--out",
        type=expand_home,
        help="the PNG, JPEG or TIFF to write (default: <photo>_<style>.png here); an earlier painting of the same "
        "pictures is replaced",
    )
    parser.add_argument(
        "--out-dir",
        type=expand_home,
        metavar="FOLDER",
        help="paint each photo in each style into this folder, with a contact sheet and a page to compare them; what "
        "is finished stays; with other settings it is painted again and replaced",
    )
    parser.add_argument(
        "--format", default=".png", type=_suffix, metavar="png|jpg|tif", help="of the files in --out-dir (png)"
    )
    parser.add_argument(
        "--shard", metavar="I/N", help="paint every N-th picture of --out-dir only, from the I-th one on"
    )
    parser.add_argument("--pair", action="store_true", help="first photo in the first style, second in the second, …")
    parser.add_argument("--overwrite", action="store_true", help="also replace files that `paint` did not make")
    parser.add_argument(
        "--size", type=int, help="longer side in pixels; a smaller photo is enlarged (512, or the photo's own if less)"
    )
    parser.add_argument("--snapshots", type=int, metavar="N", help="write the picture every N steps, too")
    parser.add_argument(
        "--film", type=expand_home, metavar="FILE.webp", help="write an animated WebP from the photo to the painting"
    )
    parser.add_argument("--dpi", type=float, help="pixels an inch in print, written into the file")
    parser.add_argument("--bits", type=int, choices=(8, 16), help="of each colour (8; 16 in a TIFF)")
    parser.add_argument(
        "--extractor", choices=tuple(TITLES), default="vgg19", help="network that sees the style (vgg19)"
    )
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
    parser.add_argument(
        "--steps",
        type=int,
        default=200,
        help="steps at the smallest size; each next size, twice as large, gets half as many (200)",
    )
    parser.add_argument("--stop-at", type=int, metavar="N", help="take the picture as it is after N steps in all")
    parser.add_argument(
        "--opacity", type=float, default=1.0, help="how much of the finished painting lies over the photo, 0 to 1 (1)"
    )
    parser.add_argument("--weights", choices=CHOICES, default="auto", help=WEIGHTS)
    parser.add_argument(
        "--low-memory",
        action="store_true",
        default=None,
        help="paint in tiles: less memory, more time (default: if the memory is short)",
    )
    parser.add_argument("--device", default="auto", help=DEVICES)
    parser.add_argument("--seed", type=int, default=0, help="another number gives another painting (0)")
    parser.add_argument("--max-megapixels", type=float, metavar="N", help="refuse larger pictures (300)")
    parser.set_defaults(blend=[None])  # the weights of the styles, once these are split from their names
    return parser


def _suffix(word: str) -> str:
    return f".{word.lower().removeprefix('.')}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for index, word in enumerate(words):  # else `paint --keep-colors photo.jpg` would take the photo for a choice
        if word == "--keep-colors" and words[index + 1 : index + 2] not in (["luminance"], ["histogram"]):
            words[index] = "--keep-colors=luminance"
    words = _each_style(words, any(word.partition("=")[0] == "--out-dir" for word in words))
    return run(build_parser(), paint, words, stopped="Stopped; the same command continues from here.")


def _each_style(words: list[str], many: bool) -> list[str]:
    """Return the words with --style before each painting: after --style A B both are styles.

    Not so for one painting of a photo, unless B has a weight: `paint --style PAINTING PHOTO` may name the photo last.
    """
    spelled, styles = [], False
    for word in words:
        if word.startswith("-"):
            styles = word == "--style"
        elif styles and spelled[-1] != "--style" and (many or read_style(word).weight is not None):
            spelled.append("--style")
        spelled.append(word)
    return spelled


class WeightedStyle(NamedTuple):
    """A painting as --style names it: its file, and its weight if one was given."""

    path: Path
    weight: float | None


def read_style(word: str) -> WeightedStyle:
    """Return what a word such as a.jpg or a.jpg:0.7 means; a file whose name has a colon is itself.

    >>> read_style("a.jpg:0.7").weight, read_style("C:/paintings/a.jpg").weight
    (0.7, None)
    """
    path, (name, _, last) = expand_home(word), word.rpartition(":")
    if len(name) > 1 and not os.path.lexists(path):  # one letter is a drive of Windows
        with suppress(ValueError):
            return WeightedStyle(expand_home(name), float(last))
    return WeightedStyle(path, None)


def paint(args: argparse.Namespace) -> int:
    """Paint the photo or photos, write the result, say where it is, and return the exit code."""
    device = pick_device(args.device)
    if args.style:
        args.style, args.blend = map(list, zip(*args.style, strict=True))
    check_options(args)
    args.enlarge, args.size = args.size is not None, args.size or SIZE
    args.style = args.style or [find_style()]
    if args.out_dir is not None:
        from .gallery import paint_all

        return paint_all(args, device, open_extractor)
    args.photo = args.photos[0]
    content = load_photo(args, args.photo).to(device)
    styles = [load_style(args, path).to(device) for path in args.style]
    style_masks = load_style_masks(args, styles)
    sources = {"photo": file_sha256(args.photo), "styles": [file_sha256(path) for path in args.style]}
    layout = Format(args.dpi, args.bits)
    out = choose_output(args, sources, layout, room=BYTES_PER_PIXEL * content[0, 0].numel())
    if out.exists():
        print(f"Note: {printable(str(out))} is replaced when the new painting is finished", file=sys.stderr)
    extractor = open_extractor(args)
    params = plan(args, coarse_levels(content, *styles), StyleParams(**params_for(extractor.weights, args.loss)))
    masks = None if args.protect is None else [1 - load_protection(args.protect, content)] * len(styles)
    settings = describe(args, params, sources, extractor)
    kept = [] if args.film is args.snapshots is None else [args.film is not None, args.snapshots]  # of its way
    checkpoint = out.with_name(f".{unique_names([out])[0]}.{fingerprint(VERSION, settings, *kept)}.checkpoint")
    way = _prepare_way(args, content, params, out, settings, layout)
    try:
        placed = {"blend": shares(args.blend), "masks": masks, "style_masks": style_masks}
        result = _with_bar(content, styles, extractor, params, placed, checkpoint, way)
    except NonFiniteLoss as error:
        save_picture(out, error.image, settings, layout)
        raise ValueError(f"{error}; {printable(str(out))} shows it") from error
    except TooSmall as error:
        raise ValueError(too_small(args, error, [content, *styles])) from error
    painting = cover(content, result.image, args.opacity)
    save_picture(out, painting, settings, layout)
    if args.film is not None:
        way.write_film(args.film, painting, settings)
    checkpoint.unlink(missing_ok=True)
    way.remove_frames()  # last: an interrupted run would miss them
    print(f"Painted {printable(str(out))}")
    return 0


def check_options(args: argparse.Namespace) -> None:
    """Raise a ValueError that names the option that does not fit, alone or beside others."""
    if args.size is not None and not 32 <= args.size <= LARGEST:
        raise ValueError(f"--size {args.size} must be from 32 to {LARGEST} pixels")
    if args.format not in SUFFIXES:
        raise ValueError(f"--format {printable(args.format[1:])} must be png, jpg or tif")
    if args.steps < 1:
        raise ValueError(f"--steps {args.steps} must be at least 1")
    if not 0 <= args.strength <= 1:
        raise ValueError(f"--strength {args.strength:g} must be from 0 (the photo) to 1 (the painting's style)")
    if not 0 <= args.opacity <= 1:
        raise ValueError(f"--opacity {args.opacity:g} must be from 0 (the photo) to 1 (the painting)")
    if not 0 < args.style_scale <= 100:
        raise ValueError(
            f"--style-scale {args.style_scale:g} must be above 0 and at most 100; 1 leaves the brushstrokes as they are"
        )
    if args.style_mask is not None and len(args.style_mask) != len(args.blend):
        raise ValueError("--style-mask needs one mask for each painting that --style names")
    for number, weight in enumerate(args.blend):
        if weight is not None and not 0 < weight < math.inf:
            name = printable(str(args.style[number]))
            raise ValueError(f"--style {name}:{weight:g} needs a weight above 0, such as 0.5")
    if args.stop_at is not None and args.stop_at < 1:
        raise ValueError(f"--stop-at {args.stop_at} must be at least 1")
    if abs(args.seed) >= 2**63:
        raise ValueError(f"--seed {args.seed} must be a whole number below 2^63")
    if args.max_megapixels is not None:
        limit_megapixels(args.max_megapixels)
    if args.out_dir is None:
        if args.pair:
            raise ValueError("--pair needs --out-dir, the folder for the paintings")
        if args.shard:
            raise ValueError("--shard divides the pictures of --out-dir; name that folder")
        if len(args.photos) > 1 or args.photos[0].is_dir():
            raise ValueError(
                "several photos or a folder of them need --out-dir, the folder for the paintings; to blend several "
                "paintings, give them weights: --style a.jpg:1 b.jpg:1"
            )
        if folders := [path for path in args.style or [] if path.is_dir()]:
            raise ValueError(
                f"--style {printable(str(folders[0]))} is a folder: name one painting in it, or --out-dir to paint the "
                "photo in all of them"
            )
    elif args.out is not None:
        raise ValueError("--out names one painting and --out-dir a folder for many; give one of the two")
    elif any(weight is not None for weight in args.blend):
        raise ValueError("weights blend several paintings in one picture; leave them out with --out-dir")
    elif args.film is not None or args.snapshots is not None:
        raise ValueError("--film and --snapshots show the way of one photo; leave out --out-dir")
    if args.film is not None and args.film.suffix.lower() != ".webp":
        raise ValueError(f"--film {printable(str(args.film))} must end in .webp")
    if args.snapshots is not None and args.snapshots < 1:
        raise ValueError(f"--snapshots {args.snapshots} must be at least 1 step")


def load_photo(args: argparse.Namespace, path: Path) -> Tensor:
    """Return the photo at --size, (1, 3, H, W) in [0, 1]; a smaller one is enlarged if --size was given."""
    photo = load_image(path, args.size)
    longer = max(photo.shape[2:])
    return _scaled(photo, args.size, f"--size {args.size}") if args.enlarge and longer < args.size else photo


def load_style(args: argparse.Namespace, path: Path) -> Tensor:
    """Return the painting, (1, 3, H, W) in [0, 1], its longer side at most --size, times --style-scale."""
    if args.style_scale == 1:
        return load_image(path, args.size)
    longer = max(1, round(args.style_scale * min(args.size, max(image_size(path)))))
    return _scaled(load_image(path, longer), longer, f"--style-scale {args.style_scale:g}")


def _scaled(image: Tensor, longer: int, option: str) -> Tensor:
    """Return an image whose longer side has so many pixels.

    Raises:
        ValueError: if the memory does not suffice; the sentence names the option.
    """
    size = scaled_size(image, longer / max(image.shape[2:]))
    needed, free = RESIZED_BYTES * math.prod(size), free_memory(image.device)
    if needed > free:
        raise ValueError(
            f"{option} asks for {size[1]}×{size[0]} pixels, which take {needed / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free: give less"
        )
    return resize(image, size)


def load_style_masks(args: argparse.Namespace, styles: Sequence[Tensor]) -> list[Tensor] | None:
    """Return the masks on the paintings at their sizes, (1, 1, H, W) in [0, 1]; None if none were given.

    Raises:
        ValueError: if one of them is dark everywhere.
    """
    if args.style_mask is None:
        return None
    masks = [
        load_mask(path, tuple(style.shape[2:])).to(style.device)
        for path, style in zip(args.style_mask, styles, strict=True)
    ]
    for path, mask in zip(args.style_mask, masks, strict=True):
        if not mask.any():
            raise ValueError(f"--style-mask {printable(str(path))} is dark everywhere; brighten the part to learn from")
    return masks


def shares(weights: Sequence[float | None]) -> list[float]:
    """Return the weights of the styles, 1 where none is given, scaled to sum to 1."""
    given = [1 if weight is None else weight for weight in weights]
    return [weight / sum(given) for weight in given]


def open_extractor(args: argparse.Namespace) -> nn.Module:
    """Return the network that sees the style; prints a note if its weights are not ImageNet's."""
    extractor = build_extractor(args.extractor, weights=args.weights)
    if extractor.weights.source != "imagenet":
        print(f"Note: {extractor.weights.note}", file=sys.stderr)
    return extractor


def choose_output(args: argparse.Namespace, sources: dict[str, object], layout: Format, room: int) -> Path:
    """Return the file to write, after trying its place.

    Raises:
        ValueError: if it holds one of the inputs, or something else that this command did not make of them.
        OSError: if it cannot be written, or fewer than `room` bytes are free.
    """
    out = args.out or Path(f"{short_name('_'.join(unique_names([args.photo, *args.style])))}.png")
    layout.check(out)
    check_place(out, room)
    _check_output("--out", out, args, sources)
    if args.film is not None:
        check_place(args.film)
        _check_output("--film", args.film, args, sources)
    return out


def _check_output(option: str, file: Path, args: argparse.Namespace, sources: dict[str, object]) -> None:
    """Raise a ValueError if the file is one of the inputs, or something else that was not painted from them."""
    masks = [*(args.style_mask or []), *([] if args.protect in (None, "auto") else [expand_home(args.protect)])]
    if same_file(file, [args.photo, *args.style, *masks]):
        raise ValueError(f"{option} {printable(str(file))} is one of the pictures to read; give another name")
    if file.exists() and not args.overwrite and not _made_of(file, sources):
        raise ValueError(
            f"{printable(str(file))} exists and was not painted from these pictures: give {option} another name, or "
            "--overwrite"
        )


def _prepare_way(
    args: argparse.Namespace,
    content: Tensor,
    params: StyleParams,
    out: Path,
    settings: dict[str, str],
    layout: Format,
) -> Way:
    """Return what keeps the pictures on the way, after trying the places of those that are asked for."""
    way = Way(content, params.num_steps + sum(steps for _, steps in params.coarse), params.colors, args.opacity)
    if args.snapshots is not None:
        for file in way.keep_snapshots(out, args.snapshots, settings, layout):
            check_place(file)
            _check_output("--out", file, args, json.loads(settings["Settings"])["sources"])
    if args.film is not None:
        name = f".{unique_names([args.film])[0]}.{fingerprint(VERSION, settings)}.frames"
        way.keep_frames(args.film.with_name(name))
    return way


def _made_of(path: Path, sources: dict[str, object]) -> bool:
    """Return whether this command painted the file from the same photo and styles."""
    metadata = read_settings(path)
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
    if args.stop_at is not None:
        before = [sum(steps for _, steps in halves[:level]) for level in range(len(halves))]
        halves = [(f, min(steps, max(0, args.stop_at - b))) for (f, steps), b in zip(halves, before, strict=True)]
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


def cover(photo: Tensor, painting: Tensor, opacity: float) -> Tensor:
    """Return the painting laid over the photo."""
    return painting if opacity == 1 else photo.lerp(painting, opacity)


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
        raise ValueError(
            f"the main object (--protect auto) is found with ImageNet weights, which are missing ({error}); "
            "mark it with a mask instead"
        ) from error
    network, _ = load_backbone("vgg19", "imagenet")
    return content_mask(
        nn.Sequential(Normalize(), network).to(content_image.device), content_image, network.features[35]
    )


def describe(
    args: argparse.Namespace, params: StyleParams, sources: dict[str, object], extractor: nn.Module
) -> dict[str, str]:
    """Return what the file says about how it was made; `sources` are the hashes of the pictures it was made of."""
    names = {"photo": args.photo.name, "styles": [path.name for path in args.style], "protect": args.protect}
    network = {
        "extractor": args.extractor,
        "weights": extractor.weights.source,
        "size": args.size,
        "opacity": args.opacity,
    }
    names["blend"] = shares(args.blend)
    names["style_masks"] = args.style_mask and [path.name for path in args.style_mask]
    settings = names | network | {"sources": sources} | asdict(params) | {"style_scale": args.style_scale}
    return {"Software": SOFTWARE, "Settings": json.dumps(settings, ensure_ascii=False)}


def too_small(args: argparse.Namespace, error: TooSmall, images: list[Tensor]) -> str:
    """Return a sentence that names the picture that is too small, and what would be large enough."""
    if error.role == "content":
        path, image = args.photo, images[0]
    else:
        path, image = next(
            pair for pair in zip(args.style, images[1:], strict=True) if min(pair[1].shape[2:]) < error.needed
        )
    shorter, longer = sorted(image_size(path))
    scale = 1 if error.role == "content" else args.style_scale
    size = math.ceil((error.needed + 0.5) * longer / shorter / scale)
    can_grow = size <= longer or error.role == "content"  # a photo is enlarged, a painting is not
    advice = f"give --size {size} or more" if can_grow else "give a larger picture"
    return (
        f"{printable(str(path))} has {pixels(image)} pixels at --size {args.size}, and {TITLES[args.extractor]} needs "
        f"at least {error.needed} on the shorter side: {advice}"
    )


def _with_bar(
    content: Tensor,
    styles: list[Tensor],
    extractor: nn.Module,
    params: StyleParams,
    placed: dict[str, object],
    checkpoint: Path,
    way: Way,
) -> StyleResult:
    """Return the result of the transfer, which shows a bar of its steps.

    Args:
        placed: blend, masks and style_masks of `stylize`.
    """
    total = params.num_steps + sum(steps for _, steps in params.coarse)
    with tqdm(total=total, desc="Painting", unit="step", file=sys.stderr) as bar:

        def show(step: int, losses: dict[str, Tensor], image: Tensor) -> None:
            bar.set_postfix_str(f"{pixels(image)} px, loss {losses['total'].item():.3f}", refresh=False)
            bar.update(step - bar.n)
            way.add(step, image)

        options = {
            "on_step": show,
            "every": 1 if way.is_kept else BAR_EVERY,
            "checkpoint": checkpoint,
            "keep_checkpoint": True,
        }
        return stylize(content, styles, extractor, params, **placed, **options)


if __name__ == "__main__":
    sys.exit(main())
