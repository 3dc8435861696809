"""The `predict` command: P(van_gogh) and the decision for pictures that the classifier has never seen."""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from ..classify.judge import judge
from ..data.views import EVAL_VIEWS
from ..device import pick_device
from ..files import MALFORMED, ROOT, check_place, printable, read_json, write_csv
from ..images import limit_megapixels, list_images
from ..models.classifier import load_classifier, load_texture_classifier
from ..models.layers import TITLES
from .entry import expected_errors, run, sentence

BUILD = ROOT / "report" / "build"
COLUMNS = ["file", "p_van_gogh", "decision", "error"]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="run.py predict", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="pictures, or folders of pictures")
    parser.add_argument("--model", choices=sorted(TITLES), default="vgg19")
    parser.add_argument("--profile", help="take the classifier of this profile's run, by default of the newest run")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file too")
    parser.add_argument("--max-megapixels", type=float, metavar="N", help="refuse larger pictures (300)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each picture; return 0 if all were judged, 1 if some could not be read, 2 for wrong use."""
    return run(build_parser(), work, arguments)


def work(options: argparse.Namespace) -> int:
    """Judge the files and write what there is, also after an interruption."""
    if options.max_megapixels is not None:
        limit_megapixels(options.max_megapixels)
    if options.out:
        check_out(options.out)
    decide = load_judge(options.model, options.profile, pick_device(options.device))
    rows = []
    try:
        for row in tqdm(list(rows_of(options.files)), f"{TITLES[options.model]} judges", disable=None):
            rows.append(row if row["error"] else judged(row, decide))
            tqdm.write(line_of(rows[-1]))
    finally:
        if options.out and rows:
            write_csv(options.out, pd.DataFrame(rows, columns=COLUMNS))
    return int(any(row["error"] for row in rows))


def rows_of(names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row without answer for each picture; a folder stands for the pictures in it."""
    for name in names:
        row = {"file": name, "p_van_gogh": float("nan"), "decision": "", "error": ""}
        try:
            files = list_images(Path(name)) if Path(name).is_dir() else [Path(name)]
        except (ValueError, OSError) as error:  # a folder that is empty or must not be read
            yield row | {"error": sentence(error)}
            continue
        yield from (row | {"file": str(file)} for file in files)


def judged(row: dict[str, Any], decide: Callable[[Path], tuple[float, str]]) -> dict[str, Any]:
    """Return the row with P(van_gogh) and the decision, or with the reason why there is none."""
    try:
        p, decision = decide(Path(row["file"]))
    except expected_errors() as error:
        return row | {"error": sentence(error)}
    return row | {"p_van_gogh": p, "decision": decision}


def line_of(row: dict[str, Any]) -> str:
    """Return the line to print for a row."""
    answer = row["error"] or f"P = {row['p_van_gogh']:.3f}  {row['decision']}"
    return f"{printable(row['file'])}: {answer}"


def check_out(path: Path) -> None:
    """Try to write beside a CSV file, before any work.

    Raises:
        ValueError: if the place holds something that this command did not write.
        OSError: if nothing can be written there.
    """
    if path.suffix.lower() != ".csv":
        raise ValueError(f"--out {path} must end in .csv")
    if path.is_file() and not path.read_bytes().startswith(",".join(COLUMNS).encode()):
        raise ValueError(f"--out {path} holds something else; name another file")
    check_place(path)


def load_judge(network: str, profile: str | None, device: torch.device) -> Callable[[Path], tuple[float, str]]:
    """Return a function from a picture to P(van_gogh) and the decision; notes on the classifier go to stderr."""
    path, threshold, views = find_model(network, profile)
    model: nn.Module = load_classifier(path)
    for note in notes_on(path, model.weights.source):
        print(f"Note: {note}", file=sys.stderr)
    if head := _head_of(path):
        model = load_texture_classifier(head, model)

    def decide(file: Path) -> tuple[float, str]:
        p = float(judge(model, [file], device, views=views)[0])
        return p, "van_gogh" if p >= threshold else "other"

    return decide


def find_model(network: str, profile: str | None) -> tuple[Path, float, int]:
    """Return the trained network's file, its threshold, and how many views the threshold was chosen with.

    The run is that of the profile, else the newest. If there is a texture head beside the network, the threshold is for
    both together.

    Raises:
        ValueError: if no run has trained one, or if its metrics.json is damaged.
    """
    files = sorted(BUILD.glob(f"{profile or '*'}/02_classify/{network}.pt"), key=lambda path: path.stat().st_mtime)
    files = [path for path in files if path.with_name("metrics.json").is_file()]
    if not files:
        place = BUILD / (profile or "")
        raise ValueError(f"no trained {TITLES[network]} under {place}: run `python3 run.py report` first")
    name = f"{network}_with_texture" if _head_of(files[-1]) else network
    metrics = files[-1].with_name("metrics.json")
    try:
        chosen = read_json(metrics)[name]
        threshold, views = float(chosen["threshold"]), int(chosen.get("views", EVAL_VIEWS))
        if not (math.isfinite(threshold) and views > 0):
            raise ValueError
        return files[-1], threshold, views
    except MALFORMED as error:
        raise damaged(metrics) from error


def damaged(path: Path) -> ValueError:
    """Return the error that says which file of a run cannot be used."""
    return ValueError(f"{path} is damaged; delete it and run the report of its profile again")


def _head_of(path: Path) -> Path | None:
    """Return the file of the texture head beside a network's, if the run ended and chose a threshold for both."""
    head, metrics = path.with_name(f"{path.stem}_texture.pt"), path.with_name("metrics.json")
    try:
        return head if head.is_file() and f"{path.stem}_with_texture" in read_json(metrics) else None
    except MALFORMED as error:
        raise damaged(metrics) from error


def notes_on(path: Path, source: str) -> list[str]:
    """Return what a reader of the answers must know about a classifier."""
    notes, sources = [], path.parents[1] / "01_data" / "sources.json"
    try:
        is_demo = sources.is_file() and read_json(sources)["is_demo"]
    except MALFORMED as error:
        raise damaged(sources) from error
    if path.parents[1].name == "smoke":
        notes.append("this classifier comes from a smoke run, which only tests the program; its answers mean nothing.")
    elif source == "none":
        notes.append("this classifier started from random weights; expect poor answers.")
    if is_demo:
        notes.append("this classifier was trained on procedural demo paintings; it knows no real Van Gogh.")
    return notes


if __name__ == "__main__":
    sys.exit(main())
