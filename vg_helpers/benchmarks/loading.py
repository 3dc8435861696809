"""What the cache of decoded pictures saves: `python -m vg_helpers.benchmarks.loading`.

Convention: rates are pictures per second. The originals are JPEG files made here, as large as WikiArt's. The operating
system holds the few files in memory, so that decoding is measured and not the disk.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ..data.views import SHORT_SIDE, PaintingDataset, load_pixels
from ..device import fast_dtype, pick_device
from ..images import read_pixels
from ..models.classifier import build_classifier
from .timing import time_steps, training_step

LONG_SIDE = 1382  # pixels, the median of WikiArt's Post-Impressionists


def make_originals(folder: Path, count: int, side: int, seed: int = 0) -> list[Path]:
    """Return JPEG files of brushwork-like noise: detail on every scale, as in a painting."""
    rng, paths = np.random.default_rng(seed), []
    for number in range(count):
        size, picture = (side, round(side * 0.79)), 0
        for cells in (8, 64, 512):
            noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            picture = picture + np.asarray(noise.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) / 3
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(picture.astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def read_rates(paths: list[Path], cache_dir: Path) -> dict[str, float]:
    """Return pictures per second, one at a time: decoded from the originals, and read from the filled cache."""
    for path in paths:
        load_pixels(path, cache_dir)
    rates = {}
    for name, read in (("decoded", read_pixels), ("cached", lambda path: load_pixels(path, cache_dir))):
        seconds = time_steps(lambda read=read: [read(path) for path in paths], "cpu", warmup=1, repeats=3)
        rates[name] = len(paths) / float(np.median(seconds))
    return rates


def loader_rate(paths: list[Path], cache_dir: Path, workers: int, batch_size: int = 16) -> float:
    """Return augmented training pictures per second that a loader delivers, after the first batch."""
    paths = paths * max(1, 16 * batch_size // len(paths))
    dataset = PaintingDataset(paths, [0] * len(paths), cache_dir, augment=True)
    batches = iter(DataLoader(dataset, batch_size, num_workers=workers))
    next(batches)  # the workers have started
    started = perf_counter()
    delivered = sum(len(inputs) for inputs, _ in batches)
    return delivered / (perf_counter() - started)


def training_rate(network: str, device: torch.device, batch_size: int = 16) -> float:
    """Return the pictures per second that training all layers of a network takes on this device."""
    model = build_classifier(network, "none").to(device, memory_format=torch.channels_last).train()
    images = torch.rand(batch_size, 3, 224, 224, device=device).contiguous(memory_format=torch.channels_last)
    targets = torch.arange(batch_size, device=device) % 2
    seconds = time_steps(lambda: training_step(model, images, targets, fast_dtype(device)), device, 1, 3)
    return batch_size / float(np.median(seconds))


def main(arguments: list[str] | None = None) -> int:
    """Print how many pictures are read per second, with and without the cache, and how many training needs."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.loading", description=main.__doc__)
    parser.add_argument("--count", type=int, default=16, help="number of JPEG files to make")
    parser.add_argument("--workers", type=int, default=8, help="processes of the loader; 0 loads in this one")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--networks", nargs="*", default=["vgg19", "alexnet"], help="networks whose training is timed")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    with TemporaryDirectory() as folder:
        paths = make_originals(Path(folder), options.count, LONG_SIDE)
        rates = read_rates(paths, Path(folder, "cache"))
        delivered = loader_rate(paths, Path(folder, "cache"), options.workers)
    print(f"decoded from {LONG_SIDE}-pixel JPEG files: {rates['decoded']:8.0f} pictures/s")
    print(f"read from the {SHORT_SIDE}-pixel cache:      {rates['cached']:8.0f} pictures/s", end="")
    print(f"  ({rates['cached'] / rates['decoded']:.0f} times as many)")
    print(f"augmented by {options.workers} loader processes:     {delivered:8.0f} pictures/s")
    for network in options.networks:
        needed = training_rate(network, device)
        verdict = "keeps up" if delivered >= needed else "falls behind"
        print(f"needed to train {network:7} on {device.type:4}:    {needed:8.0f} pictures/s  (the loader {verdict})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
