"""Run the notebooks in order, skip what has not changed, and join them into the report: `run.py report`."""

import argparse
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from vg_helpers.commands.entry import run
from vg_helpers.files import MALFORMED, NO_RECORD, atomic, expand_home, fingerprint, read_json, write_json, write_text

from .chain import execute, is_current, key_of, outdated, results
from .plan import FOLDERS, ROOT, Step, choose, plan

HERE = Path(__file__).resolve().parent
PROFILES = HERE / "profiles"


def main(argv: list[str] | None = None) -> int:
    """Build the report that the command line asks for; return the exit code."""
    return run(_parser(), build, argv, "Stopped; the same command continues where this one was.")


def build(options: argparse.Namespace, folder: Path = ROOT / "notebooks", build_root: Path = HERE / "build") -> int:
    """Run the chain over the notebooks of `folder`, write the report and print the summary."""
    from .folder import check_folder, clean, locked

    profile_name, build_dir = choose_folder(options, build_root)
    profile = read_profile(PROFILES / f"{profile_name}.yaml")
    if options.max_megapixels is not None:
        from vg_helpers.images import limit_megapixels

        limit_megapixels(options.max_megapixels)
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    extras = [HERE / "front_matter.ipynb", HERE / "appendix.ipynb"]
    steps = plan([*notebooks, *extras], build_dir, profile, _common(options), given(options.parameter))
    chain, extras = steps[: len(notebooks)], steps[len(notebooks) :]
    check_folder(build_dir, [step.executed for step in steps])
    with locked(build_dir):
        if options.clean:
            print(*clean(chain), sep="\n")
            return 0
        run_chain(_selected(chain, options), options.force)
        reasons = outdated(chain)
        files = report(chain, extras, reasons, command(options, profile_name))
    _summary(chain, reasons, files)
    return 0


def choose_folder(options: argparse.Namespace, build_root: Path = HERE / "build") -> tuple[str, Path]:
    """Return the profile and the folder of its results that --profile and --build-dir ask for."""
    name = choose(options.profile, sorted(path.stem for path in PROFILES.glob("*.yaml")), "profile")
    return name, expand_home(options.build_dir or build_root / name).resolve()


def read_profile(path: Path) -> dict[str, Any]:
    """Return the parameters that a profile's file sets, by notebook.

    Raises:
        ValueError: if it is no YAML of this form; names the file.
    """
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if all(isinstance(values, dict | None) for values in profile.values()):
            return profile
        reason = "each notebook's name needs lines like `  num_rows: 3` below it"
    except (*MALFORMED, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
    raise ValueError(f"{path} cannot be read as a profile ({reason})")


def run_chain(steps: list[Step], force: bool = False) -> None:
    """Execute in order the steps that are not current, with one bar for the chain and the notebook's own bar in it."""
    pause = 0.5 if sys.stderr.isatty() else 30
    form = "{n}/{total} [{elapsed}] {desc}{postfix}"
    with tqdm(total=len(steps), bar_format=form, mininterval=pause, miniters=0) as bar:

        def show(text: str) -> None:
            bar.set_postfix_str(text.replace("\r", "\n").strip().split("\n")[-1][:100], refresh=False)
            bar.update(0)

        for step in steps:
            key = key_of(step)
            if force or not is_current(step, key):
                if force:
                    shutil.rmtree(step.build_dir / step.stage / "state" / "kept", ignore_errors=True)
                if not step.is_extra:
                    advise_on_gpu()
                bar.set_description_str(step.stage)
                seconds = execute(step, key, show)
                bar.set_postfix_str("", refresh=False)
                tqdm.write(f"{step.stage}: {seconds / 60:.1f} min", file=sys.stderr)
            bar.update()
        bar.set_description_str("up to date")


def report(chain: list[Step], extras: list[Step], reasons: dict[str, str], again: str) -> list[Path]:
    """Write report.pdf and report.html from what is executed, unless nothing changed, and return their paths.

    Args:
        reasons: why, by the stages whose results are outdated and stay out.
        again: the command that this is, for the sentences about missing notebooks.
    """
    build_dir = extras[0].build_dir
    valid = [step for step in chain if step.executed.is_file() and step.stage not in reasons]
    current = {"stages": ",".join(step.stage for step in valid) or "none"}
    extras = [replace(step, parameters=step.parameters | current) for step in extras]
    files = [build_dir / "report.pdf", build_dir / "report.html"]
    record, key = build_dir / ".report.json", _report_key([*chain, *extras], reasons, build_dir)
    with suppress(*NO_RECORD):
        if read_json(record) == [key, *(file.stat().st_size for file in files)]:
            return files
    from .assemble import join
    from .export import ReportExporter, ReportPageExporter

    record.unlink(missing_ok=True)
    run_chain(extras)
    notebook = join(chain, extras, reasons, _day(valid), again)
    exporters = (kind(folder=str(build_dir / ".report")) for kind in (ReportExporter, ReportPageExporter))
    pdf, html = (exporter.from_notebook_node(notebook)[0] for exporter in exporters)
    with atomic(files[0]) as part:
        part.write_bytes(pdf)
    write_text(files[1], html)
    sizes = [file.stat().st_size for file in files]
    write_json(record, [_report_key([*chain, *extras], reasons, build_dir), *sizes])
    return files


def _report_key(steps: list[Step], reasons: dict[str, str], build_dir: Path) -> str:
    """Return a hash of everything the report is made of: sources, executed notebooks, stage files, parameters."""
    files = [path for path in HERE.iterdir() if path.is_file()]
    files += [path for step in steps for path in (step.source, step.executed) if path.is_file()]
    state = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in set(files))
    return fingerprint(state, results(build_dir), [step.parameters for step in steps], reasons)


def _day(steps: list[Step]) -> str:
    """Return the day of the run, so that equal runs give equal bytes; without any results, today."""
    days = [read_json(step.manifest)["started"][:10] for step in steps]
    return max(days, default=date.today().isoformat())


def _summary(chain: list[Step], reasons: dict[str, str], files: list[Path]) -> None:
    manifests = [read_json(step.manifest) for step in chain if step.executed.is_file() and step.stage not in reasons]
    for step in chain:
        if step.stage in reasons:
            print(f"{step.stage:<18} outdated, left out: {reasons[step.stage]}")
        elif step.executed.is_file():
            print(f"{step.stage:<18} {read_json(step.record)['seconds'] / 60:6.1f} min")
        else:
            print(f"{step.stage:<18} not part of this run")
    print("device:", ", ".join(sorted({manifest["device"] for manifest in manifests})) or "none used")
    for line in dict.fromkeys(
        f"fallback in {manifest['stage']}: {sentence}" for manifest in manifests for sentence in manifest["fallbacks"]
    ):
        print(line)
    print("report:", *(os.path.relpath(file) for file in files))


def command(options: argparse.Namespace, profile: str) -> str:
    """Return the command that goes on with this report."""
    place = f' --build-dir "{options.build_dir}"' if options.build_dir else ""
    return f"python3 run.py report --profile {profile}{place}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py report", description=__doc__)
    add = parser.add_argument
    add("--profile", default="demo", metavar="P", help="demo (default), full or smoke: a file in report/profiles/")
    add("--build-dir", metavar="D", help="where results and report go (default: report/build/PROFILE)")
    add("--data-dir", metavar="D", help="paintings: classes.csv and Post_Impressionism/*.jpg (else VG_DATA_DIR, data/)")
    add("--photos-dir", metavar="D", help="content photos (else VG_PHOTOS_DIR, else those that come with the packages)")
    add("--styles-dir", metavar="D", help="style paintings (else VG_STYLES_DIR, else Van Goghs of the data)")
    add("--from", dest="start", metavar="NN", help="start at this notebook")
    add("--only", metavar="NN", help="run this notebook alone")
    add("--force", action="store_true", help="run the notebooks even if nothing changed, without their kept results")
    add("--clean", action="store_true", help="remove kept work that these parameters do not use, and list its size")
    add("--device", choices=["auto", "cpu", "cuda", "mps"], help="default: CUDA, else MPS, else the CPU")
    add("--weights", choices=["auto", "imagenet", "embedded", "none"], help="what the networks start from")
    add("--max-megapixels", type=float, metavar="N", help="leave out larger pictures (300)")
    add("-p", "--parameter", action="append", default=[], metavar="NOTEBOOK.NAME=VALUE", help="set one parameter")
    return parser


def _common(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that go to every notebook that has them."""
    values = {name: getattr(options, name) for name in ("device", "weights") if getattr(options, name)}
    for name, variable in FOLDERS.items():
        folder = getattr(options, name) or os.environ.get(variable)
        if folder and not expand_home(folder).is_dir():
            raise ValueError(f"there is no folder {folder}; --{name.replace('_', '-')} takes one that exists")
        if folder:
            values[name] = expand_home(folder).resolve().as_posix()
    return values


def given(pairs: list[str]) -> dict[str, dict[str, str]]:
    """Return {notebook: {name: text}} of `-p 03_style_search.num_trials=9`."""
    found: dict[str, dict[str, str]] = {}
    for pair in pairs:
        target, equals, value = pair.partition("=")
        notebook, dot, name = target.partition(".")
        if not (equals and dot):
            raise ValueError(f"-p {pair} must have the form NOTEBOOK.NAME=VALUE, such as 03_style_search.num_trials=9")
        found.setdefault(notebook, {})[name] = value
    return found


def _selected(chain: list[Step], options: argparse.Namespace) -> list[Step]:
    names = [step.stage for step in chain]
    if options.only:
        return [chain[names.index(choose(options.only, names, "notebook"))]]
    return chain[names.index(choose(options.start, names, "notebook")) :] if options.start else chain


@cache
def advise_on_gpu() -> None:
    """Say which command helps if this machine has an NVIDIA GPU that the installed torch cannot use."""
    if not shutil.which("nvidia-smi"):  # importing torch takes seconds
        return
    from vg_helpers.device import hidden_gpu_advice

    if advice := hidden_gpu_advice():
        tqdm.write(advice, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
