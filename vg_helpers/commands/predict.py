"""The `predict` command: whether pictures are by Van Gogh, with the answer "cannot tell" where that is uncertain."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from . import quick_start  # noqa: F401  before all else that loads torch

# isort: split
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..classify.answers import NEIGHBORS, Answer, answer_alone, answer_with_texture
from ..classify.distributed import own_device
from ..classify.judge import judge_files
from ..data.views import EVAL_VIEWS
from ..device import pick_device, steady_memory
from ..files import (
    MALFORMED,
    ROOT,
    UNREADABLE,
    check_place,
    expand_home,
    file_sha256,
    printable,
    read_json,
    write_text,
)
from ..images import limit_megapixels
from ..models.classifier import load_classifier
from ..models.inference import speed_up
from ..models.layers import TITLES
from ..models.texture import Rule, load_texture_classifier
from .entry import DEVICES, expected_errors, run, sentence
from .inputs import folders_of, pictures_of, source_of
from .outputs import check_table
from .profiles import report_command
from .shards import ANSWERS, Part, Shard, cells, csv_text, read_shard, share

DESCRIPTION = 'Say whether pictures are by Van Gogh, with the answer "cannot tell" where that is uncertain.'
BUILD = ROOT / "report" / "build"
NEAREST = {"van_goghs": "nearest_van_gogh", "others": "nearest_other"}
Entry = tuple[str, str]  # path or address of a picture, and the reason if the name stands for none
NAMES = [f"{column}_{place}" for column in NEAREST.values() for place in range(1, NEIGHBORS + 1)]
COLUMNS = [*ANSWERS, "p_low", "p_high", "answer", "unfamiliar", *NAMES, "error"]
ALONE = "this run has no texture judge: the network alone gives one of two answers, without an interval."
FILES = "pictures, folders, patterns, lists (.txt, a path a line), tables (.csv, .parquet) with a column path or url"
NO_MARGIN = "no margin kept this classifier's errors rare enough, so it cannot tell about any picture; try --answers 2."


@dataclass(frozen=True)
class Trained:
    """A classifier of a run: `answer` takes images (N, views + patches, 3, H, W) on the device; see `judge_files`.

    `facts` say which classifier and options it is.
    """

    answer: Callable[[Tensor], list[Answer]]
    device: torch.device
    views: int
    patches: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="run.py predict", description=DESCRIPTION)
    parser.add_argument("files", nargs="+", metavar="FILE", help=FILES)
    parser.add_argument("--model", choices=sorted(TITLES), default="vgg19", help="the network that judges (vgg19)")
    parser.add_argument("--profile", help="take the classifier of this profile's run, by default of the newest run")
    parser.add_argument("--answers", type=int, choices=(2, 3), default=3, help="with 2 there is no cannot_tell (3)")
    threshold = "call a picture a Van Gogh from this probability on (default: the value that the run chose)"
    parser.add_argument("--threshold", type=float, metavar="P", help=threshold)
    parser.add_argument("--neighbours", action="store_true", help="print the training paintings of nearest texture")
    parser.add_argument("--device", default="auto", help=DEVICES)
    out = "FILE.csv for one table, or a FOLDER for parts that `merge` joins"
    parser.add_argument("--out", type=expand_home, metavar="FILE.csv|FOLDER", help=out)
    parser.add_argument("--shard", metavar="I/N", help="judge every N-th picture only, from the I-th one on")
    parser.add_argument("--max-megapixels", type=float, metavar="N", help="refuse larger pictures (300)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each picture; return 0 if all were judged, 1 if some could not be read, 2 for wrong use."""
    return run(build_parser(), work, arguments)


def work(options: argparse.Namespace) -> int:
    """Judge the files and write what there is, also after an interruption."""
    if options.max_megapixels is not None:
        limit_megapixels(options.max_megapixels)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ValueError(f"--threshold {options.threshold} must be a probability, from 0 to 1")
    shard = read_shard(options.shard)
    in_parts = bool(options.out) and is_folder(options.out)
    if options.out and not in_parts:
        check_out(options.out, shard, options.files)
    elif options.out:
        check_folder(options.out, options.files)
    trained = load_trained(options)
    inputs, facts = share(entries(options.files), shard)
    if in_parts:
        return judge_part(Part(options.out, shard, COLUMNS, facts | trained.facts), inputs, trained, options)
    rows: list[dict[str, Any]] = []
    try:
        for row in progress(judged(inputs, trained), options, len(inputs)):
            rows.append(row)
            tqdm.write(line_of(row, options.neighbours))
    except BaseException:  # Ctrl-C too
        if options.out and rows:
            write_rows(partial_of(options.out), rows)
            print(f"\n{len(rows)} of {len(inputs)} rows are in {partial_of(options.out)}", file=sys.stderr)
        raise
    if options.out:
        write_rows(options.out, rows)
    return int(any(row["error"] for row in rows))


def partial_of(out: Path) -> Path:
    """Return the file for the rows of a run that was interrupted, beside the one for a whole table."""
    return out.with_suffix(f".partial{out.suffix}")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as a CSV file."""
    write_text(path, csv_text([COLUMNS, *(cells(row, COLUMNS) for row in rows)]))


def judge_part(part: Part, inputs: list[Entry], trained: Trained, options: argparse.Namespace) -> int:
    """Judge the pictures of a part that are not judged yet; return 0 also if some could not be read.

    Another exit code would make torchrun and schedulers start everything again; `merge` returns 1 for those pictures.
    """
    done = part.saved
    try:
        for row in progress(judged(inputs[done:], trained), options, len(inputs), done):
            part.add(row)
    finally:
        part.save()
    part.finish()
    tqdm.write(f"{part.file}: {part.total} pictures, {done} of them judged before")
    return 0


def progress(rows: Iterator[dict[str, Any]], options: argparse.Namespace, total: int, done: int = 0) -> Any:
    """Return rows with a bar; of processes that torchrun started, the first shows it."""
    disable = None if is_first() else True
    return tqdm(rows, f"{TITLES[options.model]} judges", total, initial=done, disable=disable)


def is_first() -> bool:
    """Return whether this process is the only one or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0" or "LOCAL_RANK" not in os.environ


def entries(names: list[str]) -> Iterator[Entry]:
    """Yield path or address of each picture with "", or a name that stands for none with the reason."""
    for name in names:
        try:
            yield from ((file, "") for file in pictures_of(name))
        except UNREADABLE as error:  # a folder that is empty or must not be read
            yield name, sentence(error)


def judged(inputs: list[Entry], trained: Trained) -> Iterator[dict[str, Any]]:
    """Yield a row for each picture with its answer, or with the reason why there is none."""
    sources = (source_of(name) for name, error in inputs if not error)
    results = judge_files(trained.answer, sources, trained.device, trained.views, trained.patches)
    with steady_memory(trained.device):
        for name, error in inputs:
            result = None if error else next(results)
            if isinstance(result, Exception) and not isinstance(result, expected_errors()):
                raise result
            row = {"file": name, "answer": "", "unfamiliar": "", "error": error}
            if isinstance(result, Exception):
                row["error"] = sentence(result)
            yield row if row["error"] else row | cells_of(result)


class Judge:
    """A trained classifier that adds its columns to batches {"path": names}, as `map_batches` of Ray Data hands over.

    Its arguments are those of the command, without files: Judge("--profile", "full").
    """

    def __init__(self, *arguments: str) -> None:
        self.trained = load_trained(build_parser().parse_args(["-", *arguments]))

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the batch with the columns of a CSV file of `predict`; all but P and its interval are text."""
        rows = list(judged([(str(name), "") for name in batch["path"]], self.trained))
        table = {column: np.array([str(row.get(column, "")) for row in rows], dtype=object) for column in COLUMNS[1:]}
        for column in ("p_van_gogh", "p_low", "p_high"):
            table[column] = np.array([row.get(column, math.nan) for row in rows])
        return dict(batch) | table


def cells_of(answer: Answer) -> dict[str, Any]:
    """Return what the CSV file holds of an answer; a cell that does not apply is empty."""
    row = {"p_van_gogh": answer.p, "p_low": answer.low, "p_high": answer.high, "answer": answer.answer}
    row["unfamiliar"] = "" if answer.unfamiliar is None else answer.unfamiliar
    for kind, column in NEAREST.items():
        row |= {f"{column}_{place}": name for place, name in enumerate(getattr(answer, kind), start=1)}
    return row


def line_of(row: dict[str, Any], with_neighbors: bool = False) -> str:
    """Return the line to print for a row, and two more if its neighbours are wanted and known."""
    name = printable(row["file"])
    if row["error"]:
        return f"{name}: {row['error']}"
    interval = "" if math.isnan(row["p_low"]) else f" [{row['p_low']:.3f}, {row['p_high']:.3f}]"
    lines = [f"{name}: P = {row['p_van_gogh']:.3f}{interval}  {row['answer']}"]
    lines[0] += "  unfamiliar" if row["unfamiliar"] else ""
    for column, title in (("nearest_van_gogh", "nearest Van Goghs"), ("nearest_other", "nearest others")):
        names = [row[key] for key in NAMES if key.startswith(column) and row.get(key)]
        if with_neighbors and names:
            lines.append(f"    {title}: {', '.join(printable(other) for other in names)}")
    return "\n".join(lines)


def is_folder(path: Path) -> bool:
    """Return whether --out names a folder for parts: one that is there, or a name without a suffix."""
    return not path.suffix or (path.suffix.lower() != ".csv" and path.is_dir())


def check_folder(folder: Path, names: list[str]) -> None:
    """Make sure, before any work, that parts can be written to a folder, and that no picture is read from it.

    Raises:
        ValueError: if one of the names stands for pictures in it.
        OSError: if nothing can be written there.
    """
    check_place(folder / "part.csv")
    if folder.resolve() in (place.resolve() for name in names for place in folders_of(name)):
        raise ValueError(f"--out {folder} is a folder of pictures to read; name another")


def check_out(path: Path, shard: Shard, names: list[str]) -> None:
    """Make sure, before any work, that a CSV file and the one for an interrupted run can be written.

    Raises:
        ValueError: if one is among the names to read or holds something else, or several processes would write there.
        OSError: if nothing can be written there.
    """
    if path.suffix.lower() != ".csv":
        raise ValueError(f"--out {path} must end in .csv, or be a folder")
    if shard.count > 1:
        raise ValueError(f"--out {path} must be a folder, in which each process writes a part; `merge` joins them")
    for file in (path, partial_of(path)):
        check_table(file, ANSWERS, map(expand_home, names))


def load_trained(options: argparse.Namespace, needs_grad: bool = False) -> Trained:
    """Return the classifier that the options ask for; notes on it go to stderr.

    Args:
        needs_grad: leave the network as it was trained, for Grad-CAM; it then answers more slowly.
    """
    device = own_device(pick_device(options.device))
    path, threshold, views = find_model(options.model, options.profile)
    model: Any = load_classifier(path, mmap=True)  # converted right away, so nothing of the file stays in use
    notes, texture = notes_on(path, model.weights.source), _texture_of(path)
    if texture:
        model, rule = load_texture_classifier(texture, model)
        rule = changed(checked(rule, texture), options)
        notes += [NO_MARGIN] if rule.margin == math.inf else []
        trained = Trained(partial(answer_with_texture, model, rule), device, rule.views, rule.patches, asdict(rule))
    else:
        notes += [ALONE] if options.answers == 3 else []
        threshold = threshold if options.threshold is None else options.threshold
        facts = {"threshold": threshold, "views": views}
        trained = Trained(partial(answer_alone, model, threshold), device, views, facts=facts)
    for note in notes if is_first() else []:
        print(f"Note: {note}", file=sys.stderr)
    if not needs_grad:
        speed_up(model, device)
    made_by = {"network": options.model, "metrics": file_sha256(path.with_name("metrics.json"))}
    return replace(trained, facts=trained.facts | made_by)


def checked(rule: Rule, path: Path) -> Rule:
    """Return a rule if its numbers decide something.

    Raises:
        ValueError: if not; the sentence names the file.
    """
    numbers = rule.network, rule.texture, rule.bias, rule.threshold
    sizes = rule.views - 1, rule.patches, rule.margin, rule.familiar  # margin and limit may be infinite
    if all(map(math.isfinite, numbers)) and all(size >= 0 for size in sizes):
        return rule
    raise damaged(path)


def changed(rule: Rule, options: argparse.Namespace) -> Rule:
    """Return the rule as the options change it."""
    threshold = rule.threshold if options.threshold is None else options.threshold
    return replace(rule, threshold=threshold, margin=0.0 if options.answers == 2 else rule.margin)


def find_model(network: str, profile: str | None) -> tuple[Path, float, int]:
    """Return the trained network's file, its threshold, and how many views the threshold was chosen with.

    The run is that of the profile, else the newest. The threshold is for the network
    alone, unless there is a texture judge beside it.

    Raises:
        ValueError: if no run has trained one, or if its metrics.json is damaged.
    """
    files = sorted(BUILD.glob(f"{profile or '*'}/02_classify/{network}.pt"), key=lambda path: path.stat().st_mtime)
    files = [path for path in files if path.with_name("metrics.json").is_file()]
    if not files:
        place = BUILD / (profile or "")
        raise ValueError(f"no trained {TITLES[network]} under {place}: run `{report_command(profile)}` first")
    name = f"{network}_with_texture" if _texture_of(files[-1]) else network
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


def _texture_of(path: Path) -> Path | None:
    """Return the file of the texture judge beside a network's, if the run ended and chose a threshold for both."""
    texture, metrics = path.with_name(f"{path.stem}_texture.pt"), path.with_name("metrics.json")
    try:
        return texture if texture.is_file() and f"{path.stem}_with_texture" in read_json(metrics) else None
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
