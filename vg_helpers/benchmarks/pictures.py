"""The pictures at the top of README: a photo, a painting, what comes out, and what the classifier looks at.

    python -m vg_helpers.benchmarks.pictures report/build/full --style PAINTING

The photo is one that scikit-image ships (public domain or CC0), so that the pictures may go with the project. The run
in the build folder brings the classifier; numbers.json holds what README says about the pictures.
"""

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from ..classify.judge import judge
from ..commands import paint
from ..device import pick_device
from ..files import ROOT, write_json
from ..gradcam.maps import LAST_RELU, grad_cam
from ..images import load_image
from ..models.classifier import load_classifier
from ..models.layers import TITLES
from ..models.weights import CHOICES
from ..plots.cams import jet

PHOTOS = {  # name: licence, as scikit-image's documentation gives it
    "chelsea": "CC0, Stefan van der Walt",
    "coffee": "CC0, Rachel Michetti",
    "rocket": "public domain, SpaceX",
    "astronaut": "public domain, NASA",
}
LONGER_SIDE = 480  # pixels of the JPEGs
MOST_BYTES = 400_000  # of all of them
OVERLAY = 0.4  # share of the heat map


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.pictures", description=__doc__)
    parser.add_argument("build_dir", type=Path, help="folder of a finished run, such as report/build/full")
    parser.add_argument("--style", type=Path, required=True, help="a painting by Van Gogh")
    parser.add_argument("--photo", choices=sorted(PHOTOS), default="coffee")
    parser.add_argument("--network", choices=sorted(TITLES), default="vgg19", help="for features and classifier")
    parser.add_argument("--weights", choices=CHOICES, default="auto")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=600, help="longer side in pixels")
    parser.add_argument("--out", type=Path, default=ROOT / "report" / "pictures")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Paint the photo, judge it before and after, and write the pictures and numbers.json."""
    args = build_parser().parse_args(argv)
    device = pick_device("auto")
    model = load_classifier(args.build_dir / "02_classify" / f"{args.network}.pt")
    with tempfile.TemporaryDirectory() as folder:
        photo, result = Path(folder, "photo.png"), Path(folder, "result.png")
        Image.fromarray(getattr(data, args.photo)()).save(photo)
        started = time.perf_counter()
        options = ["--extractor", args.network, "--weights", args.weights, "--steps", args.steps, "--size", args.size]
        if code := paint.main([*map(str, [photo, "--style", args.style, "--out", result, *options])]):
            return code
        seconds = time.perf_counter() - started
        before, after = judge(model, [photo, result], device)
        pictures = {
            "photo": Image.open(photo).convert("RGB"),
            "painting": Image.open(args.style).convert("RGB"),
            "result": Image.open(result).convert("RGB"),
            "gradcam": overlay(model, load_image(result).to(device)),
        }
    write_jpegs(args.out, pictures)
    numbers = {
        "photo": args.photo,
        "licence": PHOTOS[args.photo],
        "painting": args.style.stem,
        "network": args.network,
        "weights": model.weights.source,
        "p_before": round(float(before), 3),
        "p_after": round(float(after), 3),
        "size": args.size,
        "steps": args.steps,
        "seconds": round(seconds),
        "device": device.type,
    }
    write_json(args.out / "numbers.json", numbers)
    print("\n".join(f"{name}: {value}" for name, value in numbers.items()))
    return 0


def overlay(model: torch.nn.Module, image: torch.Tensor) -> Image.Image:
    """Return a (1, 3, H, W) picture with the Grad-CAM map for van_gogh over it, in jet colours."""
    cam = grad_cam(model, image, LAST_RELU[model.network])
    pixels = image[0].permute(1, 2, 0).cpu().numpy()
    mixed = (1 - OVERLAY) * pixels + OVERLAY * jet(cam, pixels.shape[:2])
    return Image.fromarray((255 * mixed).round().astype(np.uint8))


def write_jpegs(folder: Path, pictures: dict[str, Image.Image], most: int = MOST_BYTES) -> None:
    """Write the pictures as JPEGs of the same height, in the best quality at which all together fit into `most` bytes.

    Raises:
        ValueError: if they do not fit in any quality.
    """
    height = min(round(min(1, LONGER_SIDE / max(picture.size)) * picture.height) for picture in pictures.values())
    scaled = {name: to_height(picture, height) for name, picture in pictures.items()}
    for quality in range(92, 40, -4):
        files = {name: as_jpeg(picture, quality) for name, picture in scaled.items()}
        if sum(map(len, files.values())) <= most:
            break
    else:
        raise ValueError(f"the pictures do not fit into {most} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.jpg").write_bytes(content)


def to_height(picture: Image.Image, height: int) -> Image.Image:
    """Return the picture scaled to this height."""
    return picture.resize((round(height * picture.width / picture.height), height), Image.Resampling.LANCZOS)


def as_jpeg(picture: Image.Image, quality: int) -> bytes:
    """Return the bytes of a JPEG file."""
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=quality, optimize=True, progressive=True)
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main())
