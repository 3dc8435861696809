"""`run.py search`: join a search as one more worker, or train together what torchrun started."""

import argparse
import sys
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import sqlalchemy.exc

from ..classify.distributed import join_processes, leave_processes, of_the_first, rank
from ..classify.task import Setup, build_task, fit_probe, train_finally
from ..classify.tuning import KNOWN_GOOD, _study_name, search_training
from ..device import pick_device
from ..files import read_json
from ..models.weights import CHOICES
from ..search import open_study, trials_frame


def main(arguments: list[str] | None = None) -> int:
    """Join a search as one more worker, or with --final train together what torchrun started.

    The same profile's 01_data must be there, on every machine. A notebook 02 with the same parameters and the same
    `storage` finds done what is done here.
    """
    parser = argparse.ArgumentParser(prog="run.py search", description=main.__doc__)
    parser.add_argument("--model", choices=sorted(KNOWN_GOOD), required=True)
    parser.add_argument("--storage", required=True, metavar="URL", help="sqlite:///search.db or postgresql://…")
    parser.add_argument("--profile", default="demo", help="whose paintings, report/build/PROFILE/01_data")
    parser.add_argument("--num-trials", type=int, default=8)
    parser.add_argument("--num-epochs", type=int, default=3)
    parser.add_argument("--num-paintings", type=int, default=0, help="training paintings per epoch; 0 takes all")
    parser.add_argument("--final", type=int, default=0, metavar="EPOCHS", help="train with the best values instead")
    parser.add_argument("--views", type=int, default=Setup.views, help="augmented views kept of each painting")
    parser.add_argument("--depth", default="auto")
    parser.add_argument("--weights", choices=CHOICES, default="auto")
    parser.add_argument("--split", default="split_grouped")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        study = _work(options)
        if rank() == 0:
            print(trials_frame(study).to_string(index=False))
    except (ValueError, OSError, sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        print(f"search: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    finally:
        leave_processes()
    return 0


def _work(options: argparse.Namespace) -> optuna.Study:
    if "://" not in options.storage:
        raise ValueError(f"--storage {options.storage} is no database URL; give sqlite:///search.db or postgresql://…")
    data = Path(__file__).parents[2] / "report" / "build" / options.profile / "01_data"
    if not (data / "index.csv").is_file():
        raise ValueError(f"{data} holds no index.csv: run `run.py report --profile {options.profile} --only 01` first")
    sources, index = read_json(data / "sources.json"), pd.read_csv(data / "index.csv", keep_default_na=False)
    state = data.parent / "02_classify" / "state"
    device = join_processes(pick_device(options.device)) if options.final else pick_device(options.device)
    setup = Setup(
        sources["data_dir"], sources["cache_dir"], state, device, options.depth, options.weights, options.views
    )
    task = build_task(options.model, index, options.split, setup)
    if options.final:
        study = open_study(_study_name(task, options.num_epochs, options.num_paintings), options.storage)
        best = of_the_first(_best_values(study, options))  # another worker's trial may have ended meanwhile
        fit_probe(task)
        train_finally(task, best, options.final)
        return study
    fit_probe(task)
    return search_training(task, options.num_trials, options.num_epochs, options.num_paintings, options.storage)


def _best_values(study: optuna.Study, options: argparse.Namespace) -> dict[str, Any]:
    try:
        return study.best_params
    except ValueError as error:
        raise ValueError(
            f"no trial is complete with --num-epochs {options.num_epochs} --num-paintings {options.num_paintings}: "
            "give both, and the other options, as the search had them"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
