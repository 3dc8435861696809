"""The figures of a machine, kept to be shown on others: `python -m vg_helpers.benchmarks.measured --out FOLDER`.

They are taken by the functions of 05, and the paintings by those of 04. Convention: one JSON file for each device.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
import torchvision

from ..commands.entry import run
from ..demo.dataset import demo_photos, demo_styles
from ..device import fast_dtype, hardware, pick_device, seed_everything
from ..files import ROOT, read_json, write_json
from ..models.extractor import build_extractor
from ..style.engine import StyleParams, params_for
from ..style.once import paint_once
from . import timing
from .style import compare_speed

NETWORKS = ("vgg19", "alexnet")
FOLDER = ROOT / "report" / "measured"  # what the project brings along
MACHINE = ("cpu", "cores", "threads", "gpu", "gpu_memory_gb", "cuda", "torch", "python")


def measure(sizes: Sequence[int], repeats: int, shape: Sequence[int], photos: int, where: torch.device) -> dict:
    """Return the machine, its training steps, its style-transfer steps and the seconds of 04's paintings.

    Args:
        shape: (N, 3, H, W) of a mini-batch of the training steps.
        photos: how many are painted by each network as 04 does; 0 leaves them out.
    """
    seed_everything(42)
    facts = hardware(where)
    machine = {name: facts[name] for name in MACHINE} | {"torchvision": torchvision.__version__}
    precisions = dict.fromkeys((torch.float32, fast_dtype(where)))
    steps = compare_speed(sizes, repeats, str(where), ["vgg19"]).round(6)
    return {
        "machine": machine,
        "date": datetime.now(UTC).date().isoformat(),
        "peaks": {str(t).removeprefix("torch."): timing.matmul_peak(where, t) / 1e12 for t in precisions},
        "training": training(facts, where, shape, repeats),
        "style": steps.to_dict("records"),
        "paintings": [time_paintings(network, photos, where) for network in NETWORKS] if photos else [],
    }


def training(facts: dict[str, Any], where: torch.device, shape: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """Return one row for each precision of the device: median seconds of a training step, and its quartiles."""
    settings, rows = timing.find_settings(None if where.type == "cpu" else where, facts), []
    for target, dtype, _ in settings[settings.device == str(where)].to_numpy():
        low, median, high = np.quantile(timing.time_training(target, dtype, shape, 3, repeats), (0.25, 0.5, 0.75))
        row = {"dtype": dtype, "batch_size": shape[0], "image_size": shape[2]}
        rows.append(row | {"seconds": median, "low": low, "high": high, "gflop": timing.training_flops(shape) / 1e9})
    return rows


def time_paintings(network: str, count: int, where: torch.device, steps: int = 200, size: int = 256) -> dict[str, Any]:
    """Return how many seconds it takes to paint so many demo photos as 04 does, files written, all in all."""
    extractor = build_extractor(network).to(where)
    params = StyleParams(num_steps=steps, **params_for(extractor.weights))
    with TemporaryDirectory() as place:
        folder = Path(place)
        photos, styles = demo_photos(folder / "photos", count), demo_styles(folder / "styles", 5)
        started = perf_counter()
        for number, photo in enumerate(photos):
            style = styles[number % len(styles)]
            paint_once(folder / f"{number}.png", photo, style, extractor, params, size, folder / "state")
        seconds = perf_counter() - started
    return {"network": network, "photos": count, "steps": steps, "size": size, "seconds": seconds}


def read_measured(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return the figures in a folder, one device each.

    Raises:
        ValueError: if a file is damaged.
    """
    return [read_json(path) for path in sorted(folder.glob("*.json"))]


def steps_table(machines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return one row for each kind of style-transfer step, with the machine's name and the share of its best."""
    rows = []
    for figures in machines:
        frame = pd.DataFrame(figures["style"])
        precision = frame.variant.str.split(",").str[0]
        frame["tflops"] = frame.gflop / frame.seconds / 1e3
        frame["share_of_peak"] = frame.tflops / precision.map(figures["peaks"])  # empty for baseline and lower bound
        rows.append(frame.assign(machine=machine_name(figures), ms=1000 * frame.seconds))
    columns = ["machine", "size", "variant", "ms", "speed_up", "tflops", "share_of_peak"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def machine_name(figures: dict[str, Any]) -> str:
    """Return the name of the GPU, or of the processor if there is none."""
    return figures["machine"].get("gpu") or figures["machine"]["cpu"]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m vg_helpers.benchmarks.measured",
        description="Measure this machine and write its figures into a file named after the device.",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="pixels of the style steps (256 512)")
    parser.add_argument("--repeats", type=int, default=30, help="timed steps of each kind (30)")
    parser.add_argument("--batch-size", type=int, default=16, help="images of a training step (16)")
    parser.add_argument("--image-size", type=int, default=224, help="their pixels (224)")
    parser.add_argument("--photos", type=int, default=20, help="paintings by each network as in 04; 0: none (20)")
    return parser


def work(options: argparse.Namespace) -> None:
    """Run the command."""
    where = pick_device(options.device)
    shape = (options.batch_size, 3, options.image_size, options.image_size)
    figures = measure(options.sizes, options.repeats, shape, options.photos, where)
    name = re.sub("[^a-z0-9]+", "-", machine_name(figures).lower()).strip("-")
    file = options.out / f"{name}.json"
    command = f"{build_parser().prog} --sizes {' '.join(map(str, options.sizes))} --repeats {options.repeats}"
    write_json(file, figures | {"command": command})
    print(f"wrote {file}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments)


if __name__ == "__main__":
    sys.exit(main())
