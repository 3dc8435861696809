"""Paint the pictures of notebook 04 with several processes; the notebook then finds them painted.

`torchrun --nproc-per-node 4 -m vg_helpers.commands.repaint --profile full` gives each process its share, and so does
`--shard 1/4` to `4/4` under any other scheduler. Every finished picture stays, whatever is killed.
"""

import argparse
import sys
from pathlib import Path

from report.build import PROFILES, choose_folder, given, read_profile
from report.plan import ROOT, defaults, plan

from ..classify.distributed import own_device
from ..device import pick_device
from ..files import read_csv, read_json
from ..stage import Stage
from ..style import steps
from .entry import run
from .profiles import report_command
from .shards import read_shard

NOTEBOOK = ROOT / "notebooks" / "04_style_eval.ipynb"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    name = "python -m vg_helpers.commands.repaint"
    parser = argparse.ArgumentParser(prog=name, description=main.__doc__)
    add = parser.add_argument
    add("--profile", default="demo", help="the profile whose 01 to 03 have run (demo)")
    add("--build-dir", metavar="D", help="where its results are (default: report/build/PROFILE)")
    add("--shard", metavar="I/N", help="paint every N-th picture only, from the I-th one on")
    add("--device", help="auto, cpu, cuda or mps; by default as in the profile")
    add("-p", "--parameter", action="append", default=[], metavar="NOTEBOOK.NAME=VALUE", help="set one parameter")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Paint a share of the pictures that notebook 04 of a profile judges; the notebook then finds them painted."""
    return run(build_parser(), work, arguments, "Stopped; the same command continues from here.")


def work(options: argparse.Namespace) -> None:
    """Paint this process's share: first of the pictures with the knee's values, then of those with the optimum's."""
    shard, (profile, build_dir) = read_shard(options.shard), choose_folder(options)
    notebooks = sorted(NOTEBOOK.parent.glob("[0-9][0-9]_*.ipynb"))
    common = {"device": options.device} if options.device else {}
    chain = plan(notebooks, build_dir, read_profile(PROFILES / f"{profile}.yaml"), common, given(options.parameter))
    values = defaults(NOTEBOOK) | chain[notebooks.index(NOTEBOOK)].parameters
    device = own_device(pick_device(values["device"]))
    check_inputs(build_dir, profile, options.build_dir)

    stage = Stage(build_dir, NOTEBOOK.stem, values)
    photos = read_csv(stage.read("01_data", "contents.csv"))[: values["num_photos"]]
    pairs = steps.pair_up(photos, read_csv(stage.read("01_data", "styles.csv")))
    jobs = steps.list_jobs(pairs, stage.path("images"))
    optimum = steps.list_jobs(pairs, stage.path("optimum"), ["vgg19"])
    best = read_json(stage.read("03_style_search", "best_params.json"))
    files = {network: stage.read("02_classify", f"{network}.pt") for network in steps.NETWORKS}
    networks = steps.open_networks(files, str(device), values["seed"])
    for part, weights, first in ((jobs, best["knee"], 0), (optimum, best, len(jobs))):
        mine = part[[shard.takes(first + number) for number in range(len(part))]]
        params = steps.final_params(networks, weights, values["num_steps"], values["seed"])
        steps.paint(mine, networks, params, values["image_size"], stage.state / shard.name)


def check_inputs(build_dir: Path, profile: str, given_dir: str | None) -> None:
    """Raise a ValueError if 01 to 03 have not written what is read; the sentence names the file and the command."""
    networks = [("02_classify", f"{network}.pt") for network in steps.NETWORKS]
    needed = [("01_data", "contents.csv"), ("01_data", "styles.csv"), *networks]
    for stage, name in [*needed, ("03_style_search", "best_params.json")]:
        if not (build_dir / stage / name).is_file():
            folder = [f"--build-dir {given_dir}"] if given_dir else []
            command = report_command(profile, *folder, f"--only {stage[:2]}")
            raise ValueError(f"{build_dir / stage / name} is missing: run `{command}` first")


if __name__ == "__main__":
    sys.exit(main())
