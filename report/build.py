"""Run the notebooks in order, skip what has not changed, and join them into the report: `python run.py report`."""

import argparse
import os
import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from vg_helpers.files import atomic, fingerprint, read_json, write_json, write_text

from .chain import ChainError, execute, is_current, key_of
from .plan import FOLDERS, ROOT, Step, choose, plan

HERE = Path(__file__).resolve().parent
PROFILES = HERE / "profiles"


def main(argv: list[str] | None = None) -> int:
    """Build the report that the command line asks for; return the exit code."""
    options = _options(argv)
    try:
        return build(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ChainError as error:
        print(f"error: {error}. Mend it and run the same command again: it continues there.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command continues where this one was.", file=sys.stderr)
        return 130


def build(options: argparse.Namespace, folder: Path = ROOT / "notebooks", build_root: Path = HERE / "build") -> int:
    """Run the chain over the notebooks of `folder`, write the report and print the summary."""
    profiles = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    name = choose(options.profile, profiles, "profile")
    profile = yaml.safe_load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8")) or {}
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    build_dir = (build_root / name).resolve()
    extras = [HERE / "front_matter.ipynb", HERE / "appendix.ipynb"]
    steps = plan([*notebooks, *extras], build_dir, profile, _common(options), _given(options.parameter))
    chain, extras = steps[: len(notebooks)], steps[len(notebooks) :]
    run_chain(_selected(chain, options), options.force)
    files = report(chain, extras, build_dir)
    _summary(chain, build_dir, files)
    return 0


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
                advise_on_gpu()
                bar.set_description_str(step.stage)
                seconds = execute(step, key, show)
                bar.set_postfix_str("", refresh=False)
                tqdm.write(f"{step.stage}: {seconds / 60:.1f} min", file=sys.stderr)
            bar.update()
        bar.set_description_str("notebooks are up to date")


def report(chain: list[Step], extras: list[Step], build_dir: Path) -> list[Path]:
    """Write report.pdf and report.html from what is executed, unless nothing changed, and return their paths."""
    files = [build_dir / "report.pdf", build_dir / "report.html"]
    record, key = build_dir / ".report.json", _report_key([*chain, *extras], build_dir)
    if all(file.is_file() for file in files) and record.is_file() and read_json(record) == key:
        return files
    from .assemble import assemble
    from .render import to_html, to_pdf

    record.unlink(missing_ok=True)
    work = build_dir / ".report"
    title, text = assemble(chain, extras, work)
    with atomic(files[0]) as part:
        part.write_bytes(to_pdf(text, title, _day(build_dir), work))
    write_text(files[1], to_html(text, title, _day(build_dir), work))
    write_json(record, key)
    return files


def _report_key(steps: list[Step], build_dir: Path) -> str:
    """Return a hash of everything the report is made of: sources, executed notebooks, stage files, parameters."""
    files = [path for path in HERE.iterdir() if path.is_file()]
    files += [path for step in steps for path in (step.source, step.executed) if path.is_file()]
    for step in steps:
        folder = build_dir / step.stage
        files += [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] != "state"]
    state = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in set(files))
    return fingerprint(state, [step.parameters for step in steps])


def _manifests(build_dir: Path) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(build_dir.glob("[0-9]*/manifest.json"))]


def _day(build_dir: Path) -> date:
    """Return the day of the run, so that equal runs give equal bytes."""
    days = [manifest["started"][:10] for manifest in _manifests(build_dir)]
    return date.fromisoformat(max(days)) if days else date.today()


def _summary(chain: list[Step], build_dir: Path, files: list[Path]) -> None:
    for step in chain:
        if step.record.is_file():
            seconds = read_json(step.record)["seconds"]
            print(f"{step.stage:<18} {seconds / 60:6.1f} min")
        else:
            print(f"{step.stage:<18} not part of this run")
    manifests = _manifests(build_dir)
    print("device:", ", ".join(sorted({manifest["device"] for manifest in manifests})) or "none used")
    for line in dict.fromkeys(
        f"fallback in {m['stage']}: {sentence}" for m in manifests for sentence in m["fallbacks"]
    ):
        print(line)
    print("report:", *(os.path.relpath(file) for file in files))


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py report", description=__doc__)
    add = parser.add_argument
    add("--profile", default="demo", metavar="P", help="demo (default), full or smoke: a file in report/profiles/")
    add("--data-dir", metavar="D", help="paintings: classes.csv and Post_Impressionism/*.jpg (else VG_DATA_DIR, data/)")
    add("--photos-dir", metavar="D", help="content photos (else VG_PHOTOS_DIR, else those that come with the packages)")
    add("--styles-dir", metavar="D", help="style paintings (else VG_STYLES_DIR, else Van Goghs of the data)")
    add("--from", dest="start", metavar="NN", help="look at this notebook and the later ones alone")
    add("--only", metavar="NN", help="look at this notebook alone")
    add("--force", action="store_true", help="run the notebooks even if nothing changed")
    add("--device", choices=["auto", "cpu", "cuda", "mps"], help="default: CUDA, else MPS, else the CPU")
    add("--weights", choices=["auto", "imagenet", "embedded", "none"], help="what the networks start from")
    add("-p", "--parameter", action="append", default=[], metavar="NOTEBOOK.NAME=VALUE", help="set one parameter")
    return parser.parse_args(argv)


def _common(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that go to every notebook that has them."""
    values = {name: getattr(options, name) for name in ("device", "weights") if getattr(options, name)}
    for name, variable in FOLDERS.items():
        folder = getattr(options, name) or os.environ.get(variable)
        if folder and not Path(folder).is_dir():
            raise ValueError(f"there is no folder {folder}; --{name.replace('_', '-')} takes one that exists")
        if folder:
            values[name] = Path(folder).resolve().as_posix()
    return values


def _given(pairs: list[str]) -> dict[str, dict[str, str]]:
    """Return {notebook: {name: text}} of `-p 03_style_search.num_trials=9`."""
    given: dict[str, dict[str, str]] = {}
    for pair in pairs:
        target, equals, value = pair.partition("=")
        notebook, dot, name = target.partition(".")
        if not (equals and dot):
            raise ValueError(f"-p {pair} must have the form NOTEBOOK.NAME=VALUE, such as 03_style_search.num_trials=9")
        given.setdefault(notebook, {})[name] = value
    return given


def _selected(chain: list[Step], options: argparse.Namespace) -> list[Step]:
    names = [step.stage for step in chain]
    if options.only:
        return [chain[names.index(choose(options.only, names, "notebook"))]]
    return chain[names.index(choose(options.start, names, "notebook")) :] if options.start else chain


@cache
def advise_on_gpu() -> None:
    """Say which command mends it when this machine has an NVIDIA GPU that the installed torch cannot use."""
    try:
        text = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return
    import torch

    if not torch.cuda.is_available():
        wheel = "cu130" if "CUDA Version: 13" in text else "cu126"
        print(
            "nvidia-smi finds a GPU but the installed torch cannot use it, so this run takes the CPU; to mend it: "
            f"python run.py report --torch-index https://download.pytorch.org/whl/{wheel}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
