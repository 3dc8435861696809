"""The style losses compared at equal time: python -m vg_helpers.benchmarks.losses --profile full --out FOLDER.

Every photo is painted in every style with each loss, for as many seconds as the Gram loss takes for --steps steps. The
first run measures how long a step takes and keeps the steps in steps.json, so that an interrupted run ends with the
same pictures. With a profile whose 01 and 02 have run, the judges of 04 say what they take for a Van Gogh.

Convention: a frame has one row per picture, in the order of the losses, then one per untouched photo. `painted` is the
picture's loss, or "photo".
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import pandas as pd
from scipy.special import logit
from torch import Tensor, nn
from tqdm import tqdm

from ..classify import panel
from ..classify.judge import judge
from ..classify.setup import open_setup
from ..commands.entry import run
from ..device import pick_device
from ..files import (
    ROOT,
    check_place,
    expand_home,
    fingerprint,
    read_csv,
    read_json,
    result_name,
    unique_names,
    write_csv,
    write_json,
)
from ..images import list_images, load_image, longer_side
from ..intervals import mean_interval, paired_difference
from ..models.extractor import build_extractor
from ..models.layers import TITLES
from ..models.weights import CHOICES
from ..style import steps
from ..style.convolutions import prepare
from ..style.engine import VERSION, StyleParams, params_for, stylize
from ..style.measures import build_perceptual
from ..style.once import paint_once
from ..style.targets import LOSSES

BUILD = ROOT / "report" / "build"
PHOTO = "photo"  # what an untouched photo was painted with
TIMED = 10  # steps, after as many to warm up
ROUNDS = 3  # of timing; the losses take turns, so that a busy machine slows all of them
SMALL = 1e-6  # P(van_gogh) is at least that, and at most one less that, before its log odds are taken
Judges = Callable[[pd.DataFrame, list[Tensor], Sequence[Path]], pd.DataFrame]


class Seconds(NamedTuple):
    """What a picture takes: once, such as to prepare the targets or a start from patches, and for each step."""

    once: float
    step: float


def measure_seconds(photo: Tensor, painting: Tensor, extractor: nn.Module, losses: Sequence[str]) -> dict[str, Seconds]:
    """Return what each loss takes: medians of ROUNDS, each with the mean of TIMED steps."""
    rounds: dict[str, list[tuple[float, float]]] = {loss: [] for loss in losses}
    network = prepare(extractor, photo.device)
    for _ in range(ROUNDS):
        for loss, seconds in rounds.items():
            begin, ends = perf_counter(), []
            params = StyleParams(**params_for(extractor.weights, loss) | {"num_steps": 2 * TIMED})
            note = partial(_note, ends)
            stylize(photo, painting, extractor, params, every=TIMED, on_step=note, network=network)
            step = (ends[1] - ends[0]) / TIMED
            seconds.append((max(ends[0] - begin - TIMED * step, 0), step))
    return {loss: Seconds(*map(median, zip(*seconds, strict=True))) for loss, seconds in rounds.items()}


def _note(ends: list[float], *_: object) -> None:
    ends.append(perf_counter())


def equal_steps(seconds: dict[str, Seconds], steps: int) -> dict[str, int]:
    """Return by loss with how many steps a picture takes as long as with `steps` of the first one, at least 1.

    >>> equal_steps({"gram": Seconds(0.0, 0.1), "neighbours": Seconds(4.0, 0.16)}, 200)
    {'gram': 200, 'neighbours': 100}
    """
    first = next(iter(seconds.values()))
    budget = first.once + steps * first.step
    return {loss: max(1, round((budget - own.once) / own.step)) for loss, own in seconds.items()}


def choose_steps(
    file: Path, pair: tuple[Path, Path], extractor: nn.Module, losses: Sequence[str], steps: int, size: int
) -> dict[str, int]:
    """Return the steps of each loss, from the file if an earlier run with the same settings wrote them there."""
    key = fingerprint(VERSION, extractor.weights.sha256, extractor.network, list(losses), steps, size)
    if file.exists() and (kept := read_json(file)).get("key") == key:
        return kept["steps"]
    device = next(extractor.parameters()).device
    images = [load_image(path, longer_side(path, size)).to(device) for path in pair]
    seconds = measure_seconds(*images, extractor, losses)
    chosen = equal_steps(seconds, steps)
    taken = {loss: own._asdict() for loss, own in seconds.items()}
    write_json(file, {"key": key, "steps": chosen, "seconds": taken, "device": str(device)})
    return chosen


def paint_all(
    pairs: Sequence[tuple[Path, Path]], extractor: nn.Module, counts: dict[str, int], size: int, folder: Path
) -> pd.DataFrame:
    """Return one row (painted, content, style, steps, file) per picture, after painting those that are missing."""
    rows, (photos, styles) = [], map(names_of, zip(*pairs, strict=True))
    network = prepare(extractor, next(extractor.parameters()).device)
    for loss, (photo, style) in tqdm([(loss, pair) for loss in counts for pair in pairs], desc="Painting"):
        file = folder / loss / result_name(styles[style], photos[photo], extractor.network)
        params = replace(StyleParams(**params_for(extractor.weights, loss)), num_steps=counts[loss])
        longer, state = longer_side(photo, size), folder / ".unfinished"
        paint_once(file, photo, style, extractor, params, longer, state, network=network)
        rows.append((loss, photos[photo], styles[style], counts[loss], file))
    return pd.DataFrame(rows, columns=["painted", "content", "style", "steps", "file"])


def names_of(files: Iterable[Path]) -> dict[Path, str]:
    """Return a name for each file, different from all others."""
    files = list(dict.fromkeys(files))
    return dict(zip(files, unique_names(files), strict=True))


def ask_nobody(table: pd.DataFrame, images: list[Tensor], styles: Sequence[Path]) -> pd.DataFrame:
    """Return no columns: what stands in for judges where no classifier was trained."""
    return pd.DataFrame(index=table.index)


def score(
    pictures: pd.DataFrame,
    photos: Sequence[Path],
    styles: Sequence[Path],
    size: int,
    perceptual: nn.Module,
    ask: Judges = ask_nobody,
) -> pd.DataFrame:
    """Return the pictures and the untouched photos with the columns of `steps.score_frame` and those of `ask`."""
    names = names_of(photos)
    untouched = pd.DataFrame({"painted": PHOTO, "content": names.values(), "style": "", "file": names.keys()})
    table = pd.concat([pictures, untouched.assign(steps=0)], ignore_index=True)
    images = steps.load_judged(table, size)
    scores = steps.score_frame(table, images, {}, perceptual).assign(file=table.file)
    return scores.join(ask(table, images, styles))


def open_judges(build_dir: Path, state: Path, device: str) -> Judges:
    """Return the function that asks the two networks of a run and the other judges of its 04.

    It returns a column of log odds for each judge that has a probability, and one (`yes_…`) for each that says whether
    it takes a picture for a Van Gogh.

    Raises:
        ValueError: if 01 and 02 have not run there.
    """
    trained = {network: build_dir / "02_classify" / f"{network}.pt" for network in TITLES}
    for file in (build_dir / "01_data" / "index.csv", *trained.values()):
        if not file.is_file():
            raise ValueError(f"{file} is missing: run the report of that profile first, or leave --profile out")
    textures = {network: file.with_name(f"{network}_texture.pt") for network, file in trained.items()}
    index, sources = read_csv(build_dir / "01_data" / "index.csv"), read_json(build_dir / "01_data" / "sources.json")
    setup, networks = open_setup(sources, state, device, 42), steps.open_networks(trained, device, 42)
    looks = panel.load_looks(textures, networks.classifiers, networks.device)

    def ask(table: pd.DataFrame, images: list[Tensor], styles: Sequence[Path]) -> pd.DataFrame:
        judges = panel.open_panel(looks, index, [str(file) for file in styles], setup, at_once)
        probs = {f"p_{name}": judge(model, images, networks.device) for name, model in networks.classifiers.items()}
        answers = judges.judge(table, images, at_once).assign(**probs)
        odds = logit(answers.filter(like="p_").clip(SMALL, 1 - SMALL)).rename(columns=lambda name: f"odds_{name[2:]}")
        return odds.join(steps.votes(answers, judges.artist).astype(float).add_prefix("yes_"))

    return ask


def at_once(name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return `function(*args, **options)`; it stands in for `Stage.keep`."""
    return function(*args, **options)


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Return by column of numbers (rows) its mean for each loss, and the paired difference to the first loss.

    A photo's pictures in several styles count once, by their mean: they are no independent draws. All have intervals.
    """
    names = [name for name in table.select_dtypes("number") if name != "steps"]
    means = table.groupby(["painted", "content"], sort=False)[names].mean()
    first, *others = [loss for loss in table.painted.unique() if loss != PHOTO]
    rows = []
    for name in names:
        row: dict[str, object] = {"": name}
        for loss in (PHOTO, first, *others):
            row[loss] = mean_interval(means.loc[loss][name])
        for loss in others:
            row[f"{loss} − {first}"] = paired_difference(means.loc[loss][name], means.loc[first][name])
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
    parser.add_argument("--size", type=int, default=256, help="pixels of the shorter side (256)")
    parser.add_argument("--extractor", choices=tuple(TITLES), default="vgg19")
    parser.add_argument("--profile", help="whose classifiers judge the pictures; without it none does")
    parser.add_argument("--weights", choices=CHOICES, default="auto")
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
    ask = ask_nobody
    if options.profile:
        ask = open_judges(BUILD / options.profile, options.out / ".unfinished", options.device)
    extractor = build_extractor(options.extractor, weights=options.weights).to(pick_device(options.device))
    pairs = [(photo, style) for photo in photos for style in styles]
    losses = list(dict.fromkeys(options.losses))
    counts = choose_steps(options.out / "steps.json", pairs[0], extractor, losses, options.steps, options.size)
    pictures = paint_all(pairs, extractor, counts, options.size, options.out)
    table = score(pictures, photos, styles, options.size, build_perceptual(options.weights), ask)
    named = table.assign(file=[Path(os.path.relpath(file, options.out)).as_posix() for file in table.file])
    write_csv(options.out / "losses.csv", named)
    print(compare(table).map(lambda value: value if isinstance(value, str) else f"{value:.3f}").to_string(index=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments, "Stopped; the same command continues from here.")


if __name__ == "__main__":
    sys.exit(main())
