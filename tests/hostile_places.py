"""Run the report and tests in places and environments that are hostile, by hand, as root on Linux:

    python tests/hostile_places.py [odd] [readonly] [full] [--command report|test] [--folder F]

odd       a copy of the project at a path with spaces, a quote, `#` and `ü`, with LC_ALL=C, and with everything in the
          environment that ever misled Python, pip, W&B or this project
readonly  a project that cannot be written, with --build-dir elsewhere
full      --build-dir on a disk of 300 MB, which is enlarged once the report said that it is full

Nothing is installed: the copy's .venv borrows the packages of the Python that runs this. The exit code is 1 if one
of the runs ends otherwise than it should.
"""

import argparse
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "report": ["report", "--profile", "smoke"],
    "test": ["test", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests/test_run.py", "tests/test_stage.py"],
}
LEFT_OUT = {ROOT / name for name in (".venv", ".git", "data", "report/build")}


def copy_project(folder: Path) -> Path:
    """Copy the project's files, give the copy a .venv that run.py takes for finished, and return the copy."""
    shutil.copytree(ROOT, folder, ignore=lambda place, names: [name for name in names if Path(place, name) in LEFT_OUT])
    venv.EnvBuilder(symlinks=True).create(folder / ".venv")
    borrowed = Path(sysconfig.get_path("purelib"))
    packages = next((folder / ".venv").glob("lib/python3*/site-packages"))
    (packages / "a_project.pth").write_text(f"{os.path.relpath(folder, packages)}\n", encoding="utf-8")
    (packages / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
    (folder / ".venv" / "share").symlink_to(Path(sys.prefix, "share"))
    stamp = {"requirements": runpy.run_path(str(folder / "run.py"))["requirements_hash"]()}
    (folder / ".venv" / "installed.json").write_text(
        json.dumps(stamp | {"torch_index": None, "latest": False}), encoding="utf-8"
    )
    return folder


def hostile_environment(folder: Path) -> dict[str, str]:
    """Return variables that mislead, after writing the files and folders that they name."""
    modules, home = folder / "modules", folder / "home"
    for module in ("report", "numpy", "torch", "vg_helpers", "yaml", "tqdm", "sitecustomize"):
        (modules / module).mkdir(parents=True)
        (modules / module / "__init__.py").write_text("raise SystemExit('the wrong module')\n", encoding="utf-8")
    shutil.rmtree(modules / "sitecustomize")  # run.py's own Python would import it
    (home / ".netrc").mkdir(parents=True)
    (home / "photos").mkdir()
    (folder / "pip.conf").write_text("[global]\ntarget = /nowhere\nuser = true\nno-index = true\n", encoding="utf-8")
    misled = {
        "PIP_TARGET": "/nowhere", "PIP_PREFIX": "/nowhere", "PIP_USER": "1", "PIP_NO_INDEX": "1",
        "PIP_REQUIRE_HASHES": "1", "PIP_CONFIG_FILE": str(folder / "pip.conf"), "PYTHONPATH": str(modules),
        "PYTHONSTARTUP": "/nowhere.py", "LC_ALL": "C", "LANG": "xx_YY", "PYTHONIOENCODING": "ascii",
        "WANDB_MODE": "disabled", "WANDB_BASE_URL": "nonsense", "WANDB_API_KEY": "?", "NETRC": str(home / ".netrc"),
        "HTTP_PROXY": "http://$HOST:$PORT", "HTTPS_PROXY": "http://$HOST:$PORT", "all_proxy": "nonsense://",
        "VG_PHOTOS_DIR": "", "VG_DATA_DIR": "", "MPLBACKEND": "module://nowhere", "JUPYTER_CONFIG_DIR": "/dev/null",
        "JUPYTER_DATA_DIR": "/dev/null", "IPYTHONDIR": "/dev/null", "TQDM_DISABLE": "1", "COLUMNS": "7",
        "HOME": str(home), "TORCH_HOME": str(home / "torch"), "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2",
        "PYTHONNOUSERSITE": "", "TMPDIR": str(home),
    }  # fmt: skip
    return os.environ | misled


def run(project: Path, words: list[str], environment: dict[str, str], name: str) -> tuple[int, str]:
    """Run run.py in a project; return its exit code and the last lines of what it said."""
    began = time.perf_counter()
    words = [sys.executable, "-B", str(project / "run.py"), *words]
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, check=False)
    text = (done.stdout + done.stderr).decode("utf-8", "replace").replace("\r", "\n").strip()
    lines = "\n".join(f"    {line}" for line in text.splitlines()[-12:])
    print(f"{name}: exit code {done.returncode} after {time.perf_counter() - began:.0f} s\n{lines}", flush=True)
    return done.returncode, text


@contextmanager
def mounted(place: Path, *options: str):
    """Mount something at a folder, which is made, until the block ends."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def odd(folder: Path, words: list[str]) -> bool:
    """Run in an odd path with a hostile environment; with W&B, which the smoke profile leaves out."""
    project = copy_project(folder / "it's a # plain ü folder")
    environment = hostile_environment(folder / "hostile")
    if words[0] == "report":
        words = [*words, "-p", "02_classify.use_wandb=true"]
    return run(project, words, environment, "odd path, LC_ALL=C, hostile environment")[0] == 0


def readonly(folder: Path, words: list[str]) -> bool:
    """Run in a project that cannot be written."""
    source, project = copy_project(folder / "source"), folder / "readonly"
    if words[0] == "report":
        words = [*words, "--build-dir", str(folder / "elsewhere" / "smoke")]
    with mounted(project, "--bind", str(source)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(project)], check=True)
        code, _ = run(project, words, dict(os.environ), "read-only project")
    return code == 0


def full(folder: Path, words: list[str]) -> bool:
    """Run a report on a disk that is too small, and again when there is room."""
    project, disk = copy_project(folder / "project"), folder / "disk"
    words = [*words, "--build-dir", str(disk / "smoke")] if words[0] == "report" else [*words, f"--basetemp={disk}/t"]
    with mounted(disk, "-t", "tmpfs", "-o", "size=300m", "tmpfs"):
        code, text = run(project, words, dict(os.environ), "disk of 300 MB")
        subprocess.run(["mount", "-o", "remount,size=4g", str(disk)], check=True)
        again, _ = run(project, words, dict(os.environ), "the same disk with room")
    said = re.search("disk is full|No space left", text.splitlines()[-1]) and "Traceback" not in text
    return again == 0 and (words[0] == "test" or (code == 2 and said))


def main() -> int:
    """Try the places that the arguments name; return the exit code."""
    places = {"odd": odd, "readonly": readonly, "full": full}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", default=list(places), metavar="PLACE")
    parser.add_argument("--command", choices=COMMANDS, default="report")
    parser.add_argument("--folder", type=Path, help="a folder on a disk with 5 GB (default: a temporary one)")
    options = parser.parse_args()
    base, ends = (options.folder or Path(tempfile.mkdtemp())).resolve(), {}
    for name in options.places:
        folder = base / f"{name}-{options.command}"
        folder.mkdir(parents=True)
        ends[name] = places[name](folder, COMMANDS[options.command])
        print(f"{name}, {options.command}: {'as it should be' if ends[name] else 'FAILED'}", flush=True)
    return int(not all(ends.values()))


if __name__ == "__main__":
    sys.exit(main())
