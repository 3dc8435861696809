"""The search in two directions against chance, seed by seed: python -m vg_helpers.benchmarks.front --profile full.

Pair, judge and trials are those of notebook 03; each seed searches twice, guided and at random, with the same number of
trials and the same first ones. An interrupted run continues with the same command.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..classify import panel
from ..classify.forewarned import TextureLook
from ..classify.setup import open_setup
from ..commands.entry import run
from ..files import check_place, expand_home, file_sha256, read_csv, read_json, write_csv
from ..style import front, steps
from .losses import BUILD

SEED = 42  # of everything but the searches
APART = 10_000  # between the seeds of two searches: a trial's own is the search's plus its number


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.front", description=__doc__)
    parser.add_argument("--profile", default="full", help="whose 01 and 02 have run (full)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (5)")
    parser.add_argument("--trials", type=int, default=40, help="of each search (40)")
    parser.add_argument("--steps", type=int, default=40, help="of each trial's picture (40)")
    parser.add_argument("--size", type=int, default=128, help="pixels of its shorter side (128)")
    parser.add_argument("--pool", type=int, default=24, help="other photos, repainted to warn the judge (24)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=expand_home, required=True, help="folder of pictures, studies and fronts.csv")
    return parser


def work(options: argparse.Namespace) -> None:
    """Search with every seed, and print the hypervolumes and their ratios."""
    check_place(options.out / "fronts.csv")
    build = BUILD / options.profile
    made_by = [build / "01_data" / "index.csv", *(build / "02_classify" / f"{name}.pt" for name in steps.NETWORKS)]
    made_by += [build / "01_data" / "styles.csv", build / "02_classify" / "alexnet_texture.pt"]
    for file in made_by:
        if not file.is_file():
            raise ValueError(f"{file} is missing: run `run.py report --profile {options.profile}` first")
    photos, paintings = (
        read_csv(build / "01_data" / name).set_index("name").path for name in ("contents.csv", "styles.csv")
    )
    look, canvas = _warned_look(options, build, photos, paintings)
    pair = front.Pair(photos.iloc[0], paintings.iloc[0], look.log_odds, canvas)
    corner = float(look.log_odds(steps.load_all([pair.photo], options.size))[0]), 0.0
    setting = [*pair_names(photos, paintings), *map(file_sha256, made_by), options.steps, options.size, options.pool]
    rows: list[dict[str, float]] = []
    for seed in range(options.seeds):
        own = [*setting, options.trials, seed]
        searches = [
            front.search_front(pair, options.out, own, options.trials, APART * seed, at_random)
            for at_random in (False, True)
        ]
        areas = np.array([front.hypervolume(trials, corner) for trials in searches])
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing random may convince the judge: infinite or NaN
            ratio = areas[0] / areas[1]
        rows.append({"seed": seed, "guided": areas[0], "random": areas[1], "ratio": ratio})
        write_csv(options.out / "fronts.csv", pd.DataFrame(rows))
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    print(f"median ratio: {pd.DataFrame(rows).ratio.median():.2f}")


def pair_names(photos: pd.Series, paintings: pd.Series) -> tuple[str, str]:
    """Return the names of the photo and the painting that notebook 03 takes by itself: the first ones."""
    return str(photos.index[0]), str(paintings.index[0])


def _warned_look(
    options: argparse.Namespace, build: Path, photos: pd.Series, paintings: pd.Series
) -> tuple[TextureLook, front.Canvas]:
    """Return the judge of 03, which has been warned by other photos, and the canvas that painted these."""
    files = {network: build / "02_classify" / f"{network}.pt" for network in steps.NETWORKS}
    networks = steps.open_networks(files, options.device, SEED)
    canvas = front.Canvas(networks.extractors["vgg19"], options.steps, options.size, options.out / "pictures", SEED)
    classifier, index = networks.classifiers["alexnet"], read_csv(build / "01_data" / "index.csv")
    look = panel.load_look(build / "02_classify" / "alexnet_texture.pt", classifier, networks.device)
    choices = {"size": panel.view_of(options.size), "weights": classifier.weights.choice}
    sources = read_json(build / "01_data" / "sources.json")
    setup = open_setup(sources, options.out, options.device, SEED, **choices)
    look, _ = panel.at_size(look, index, setup)
    names = pair_names(photos, paintings)
    pool = front.list_pool(photos, paintings, names, options.pool, SEED)
    others = photos.drop(names[0])
    pictures = front.pool_pictures(pool, others)
    images = [*front.paint_pool(pool, canvas), *steps.load_all(others, options.size)]
    return panel.warned(look, index, pictures, images, [paintings.iloc[0]]), canvas


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments, "Stopped; the same command continues from here.")


if __name__ == "__main__":
    sys.exit(main())
