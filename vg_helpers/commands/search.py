"""`run.py search`: join a search as one more worker, or train together with the processes that torchrun started."""

import argparse
import sys
from typing import Any

import optuna

from ..classify.distributed import broadcast_object, join_processes, leave_processes, rank
from ..classify.setup import Setup
from ..classify.task import Task, build_task, fit_probe, train_finally
from ..classify.tuning import KNOWN_GOOD, search_training, study_name
from ..data.splits import choose
from ..device import pick_device
from ..files import ROOT, read_csv, read_json
from ..models.weights import CHOICES
from ..search import database_url, open_study, trials_frame
from .entry import DEVICES, WEIGHTS, run
from .profiles import report_command

BUILD = ROOT / "report" / "build"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="run.py search", description=main.__doc__)
    parser.add_argument("--model", choices=sorted(KNOWN_GOOD), required=True, help="the network to train")
    storage = "sqlite:///search.db (in the project's folder) or postgresql://…"
    parser.add_argument("--storage", required=True, metavar="URL", help=storage)
    parser.add_argument("--profile", default="demo", help="the profile whose paintings are used (demo)")
    parser.add_argument("--num-trials", type=int, default=8, help="trials of this worker (8)")
    parser.add_argument("--num-epochs", type=int, default=3, help="epochs of each trial (3)")
    parser.add_argument("--num-paintings", type=int, default=0, help="training paintings per epoch (0: all)")
    parser.add_argument("--final", type=int, default=0, metavar="EPOCHS", help="train with the best values instead")
    parser.add_argument(
        "--views", type=int, default=Setup.views, help=f"augmented views kept of each painting ({Setup.views})"
    )
    depth = "layers to train: all, top or head (auto: all, but on a CPU only the top ones of VGG-19)"
    parser.add_argument("--depth", default="auto", help=depth)
    parser.add_argument("--weights", choices=CHOICES, default="auto", help=WEIGHTS)
    parser.add_argument("--split", default="grouped", help="grouped, random or given (grouped)")
    parser.add_argument("--device", default="auto", help=DEVICES)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Join a search as one more worker; with --final, train with its best values instead.

    Every machine needs the 01_data of the same profile. Notebook 02 with the same parameters and the same `storage`
    then finds this work done. Processes that torchrun started train together: each trial, and the final network.
    """
    return run(build_parser(), work, arguments, "Stopped; the same command continues from here.")


def work(options: argparse.Namespace) -> None:
    """Do this worker's part and print the study's trials."""
    try:
        study = _final(options) if options.final else _search(options)
        if study is not None and rank() == 0:
            print(trials_frame(study).to_string(index=False))
    finally:
        leave_processes()


def _search(options: argparse.Namespace) -> optuna.Study | None:
    task = _build_task(options)
    task.start_from(fit_probe(task))
    return search_training(task, options.num_trials, options.num_epochs, options.num_paintings, options.storage)


def _final(options: argparse.Namespace) -> optuna.Study:
    task = _build_task(options)
    study = open_study(study_name(task, options.num_epochs, options.num_paintings), options.storage)
    values = broadcast_object(_best_values(study, options))  # another worker's trial may have ended meanwhile
    task.start_from(fit_probe(task))
    train_finally(task, values, options.final)
    return study


def _build_task(options: argparse.Namespace) -> Task:
    database_url(options.storage)  # raises if it is none, before any work
    data = BUILD / options.profile / "01_data"
    if not (data / "index.csv").is_file():
        command = report_command(options.profile, "--only 01")
        raise ValueError(f"{data} holds no index.csv: run `{command}` first")
    sources, index = read_json(data / "sources.json"), read_csv(data / "index.csv")
    device = join_processes(pick_device(options.device))
    folders = sources["data_dir"], sources["cache_dir"], data.parent / "02_classify" / "state"
    setup = Setup(*folders, device, options.depth, options.weights, options.views)
    split, index = choose(options.split, index)
    return build_task(options.model, index, split, setup)


def _best_values(study: optuna.Study, options: argparse.Namespace) -> dict[str, Any]:
    try:
        return study.best_params
    except ValueError as error:
        raise ValueError(
            f"no trial is complete with --num-epochs {options.num_epochs} --num-paintings {options.num_paintings}: "
            "give both, and the other options, the values that the search had"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
