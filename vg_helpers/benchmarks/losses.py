"""The style losses compared at equal time: python -m vg_helpers.benchmarks.losses --photos 20 --styles 5 --out FOLDER.

Every photo is painted in every style with each loss, for as many seconds as the Gram loss takes for --steps steps. The
first run measures how long a step takes and keeps the steps in steps.json, so that an interrupted run ends with the
same pictures. Convention: a frame has one row per picture, in the order of the losses, then one per untouched photo.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import pandas as pd
from torch import Tensor, nn
from tqdm import tqdm

from ..commands.entry import run
from ..device import pick_device
from ..files import check_place, expand_home, fingerprint, read_json, result_name, write_csv, write_json
from ..images import list_images, load_image, read_metadata
from ..intervals import paired_difference
from ..models.extractor import build_extractor
from ..models.layers import TITLES
from ..style.engine import VERSION, StyleParams, params_for, stylize
from ..style.measures import structural_similarity
from ..style.once import paint_once
from ..style.targets import LOSSES

PHOTO = "photo"  # the loss of an untouched photo, in the table
TIMED = 10  # steps, after as many to warm up
ROUNDS = 3  # of timing; the losses take turns, so that a busy machine slows all of them
MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ssim": structural_similarity}
JUDGES: dict[str, Callable[[Sequence[Path]], Sequence[float]]] = {}
"""What judges the pictures: name -> function from files to the log odds that each is a Van Gogh.

A judge added here gets a column of that name, and the paired differences to the Gram loss.
"""


def seconds_per_step(photo: Tensor, painting: Tensor, extractor: nn.Module, losses: Sequence[str]) -> dict[str, float]:
    """Return by loss how long a step takes: the median of ROUNDS, each the mean of TIMED steps."""
    rounds: dict[str, list[float]] = {loss: [] for loss in losses}
    for _ in range(ROUNDS):
        for loss, seconds in rounds.items():
            ends: list[float] = []
            params = StyleParams(**params_for(extractor.weights, loss) | {"num_steps": 2 * TIMED})
            note = partial(_note, ends)
            stylize(photo, painting, extractor, params, every=TIMED, on_step=note)
            seconds.append((ends[1] - ends[0]) / TIMED)
    return {loss: median(seconds) for loss, seconds in rounds.items()}


def _note(ends: list[float], *_: object) -> None:
    ends.append(perf_counter())


def equal_steps(seconds: dict[str, float], steps: int) -> dict[str, int]:
    """Return by loss how many steps take as long as `steps` of the first one, at least 1.

    >>> equal_steps({"gram": 0.1, "wasserstein": 0.16}, 200)
    {'gram': 200, 'wasserstein': 125}
    """
    first = next(iter(seconds.values()))
    return {loss: max(1, round(steps * first / own)) for loss, own in seconds.items()}


def choose_steps(
    file: Path, pair: tuple[Path, Path], extractor: nn.Module, losses: Sequence[str], steps: int, size: int
) -> dict[str, int]:
    """Return the steps of each loss, from the file if an earlier run with the same settings wrote them there."""
    key = fingerprint(VERSION, extractor.weights.sha256, extractor.network, list(losses), steps, size)
    if file.exists() and (kept := read_json(file)).get("key") == key:
        return kept["steps"]
    device = next(extractor.parameters()).device
    images = [load_image(path, size).to(device) for path in pair]
    seconds = seconds_per_step(*images, extractor, losses)
    chosen = equal_steps(seconds, steps)
    write_json(file, {"key": key, "steps": chosen, "seconds_per_step": seconds, "device": str(device)})
    return chosen


def paint_all(
    pairs: Sequence[tuple[Path, Path]], extractor: nn.Module, steps: dict[str, int], size: int, folder: Path
) -> pd.DataFrame:
    """Return one row (loss, photo, style, steps, seconds, file) per picture, after painting those that are missing."""
    rows = []
    for loss, (photo, style) in tqdm([(loss, pair) for loss in steps for pair in pairs], desc="Painting"):
        file = folder / loss / result_name(style.stem, photo.stem, extractor.network)
        params = replace(StyleParams(**params_for(extractor.weights, loss)), num_steps=steps[loss])
        paint_once(file, photo, style, extractor, params, size, folder / ".unfinished")
        rows.append((loss, photo.stem, style.stem, steps[loss], float(read_metadata(file)["seconds"]), file))
    return pd.DataFrame(rows, columns=["loss", "photo", "style", "steps", "seconds", "file"])


def score(pictures: pd.DataFrame, photos: Sequence[Path], size: int) -> pd.DataFrame:
    """Return the pictures and the untouched photos with a column for each of MEASURES and JUDGES."""
    untouched = pd.DataFrame({"loss": PHOTO, "photo": [path.stem for path in photos], "style": "", "file": photos})
    table = pd.concat([pictures, untouched.assign(steps=0, seconds=0.0)], ignore_index=True)
    originals = {path.stem: load_image(path, size) for path in photos}
    for name, compare in MEASURES.items():
        rows = tqdm(list(table.itertuples()), desc=f"Measuring {name}")
        table[name] = [float(compare(load_image(row.file, size), originals[row.photo])) for row in rows]
    for name, judge in JUDGES.items():
        table[name] = list(judge([Path(file) for file in table.file]))
    return table


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Return by loss the mean of each column, and its paired difference to the first loss, with intervals.

    A photo's pictures in several styles count once, by their mean: they are no independent draws.
    """
    names, losses = [*MEASURES, *JUDGES], [loss for loss in table.loss.unique() if loss != PHOTO]
    means = table[table.loss != PHOTO].groupby(["loss", "photo"])[["seconds", *names]].mean()
    rows = []
    for loss in losses:
        row: dict[str, object] = {"loss": loss, "seconds": means.loc[loss].seconds.mean()}
        for name in names:
            row[name] = means.loc[loss][name].mean()
            if loss != losses[0]:
                row[f"{name} − {losses[0]}"] = paired_difference(means.loc[loss][name], means.loc[losses[0]][name])
        rows.append(row)
    return pd.DataFrame(rows)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m vg_helpers.benchmarks.losses",
        description="Paint photos in styles with each loss at equal time, and compare the pictures. An interrupted run "
        "continues with the same command.",
    )
    parser.add_argument("--photos", type=int, default=20, help="number of photos, the first by name (20)")
    parser.add_argument("--styles", type=int, default=5, help="number of paintings, the first by name (5)")
    for word in ("photos", "styles"):
        variable = f"VG_{word.upper()}_DIR"
        folder = os.environ.get(variable)
        parser.add_argument(
            f"--{word}-dir", type=expand_home, default=folder, required=not folder, help=f"folder ({variable})"
        )
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES, help="the first one sets the time")
    parser.add_argument("--steps", type=int, default=200, help="of the first loss; the others get the same time (200)")
    parser.add_argument("--size", type=int, default=256, help="pixels of the longer side (256)")
    parser.add_argument("--extractor", choices=tuple(TITLES), default="vgg19")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=expand_home, required=True, help="folder of pictures, steps.json and losses.csv")
    return parser


def work(options: argparse.Namespace) -> None:
    """Run the command."""
    if min(options.steps, options.photos, options.styles) < 1:
        raise ValueError("--photos, --styles and --steps must be at least 1")
    photos = list_images(Path(options.photos_dir))[: options.photos]
    styles = list_images(Path(options.styles_dir))[: options.styles]
    check_place(options.out / "losses.csv")
    extractor = build_extractor(options.extractor).to(pick_device(options.device))
    pairs = [(photo, style) for photo in photos for style in styles]
    losses = list(dict.fromkeys(options.losses))
    steps = choose_steps(options.out / "steps.json", pairs[0], extractor, losses, options.steps, options.size)
    pictures = paint_all(pairs, extractor, steps, options.size, options.out)
    table = score(pictures, photos, options.size)
    named = table.assign(file=[Path(os.path.relpath(file, options.out)).as_posix() for file in table.file])
    write_csv(options.out / "losses.csv", named)
    print(compare(table).round(3).to_string(index=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments, "Stopped; the same command continues from here.")


if __name__ == "__main__":
    sys.exit(main())
