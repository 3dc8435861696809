"""Kill commands at random moments, by hand: `python tests/kill_anywhere.py [--kills 10] paint folder predict shards`.

There is `report` too. `shards` are four processes of torchrun, whose merged answers are compared with those of one.

Each command runs once undisturbed. Then it is killed (SIGKILL) at a random moment and started again, until it ends by
itself; if there were fewer kills than asked for, all begins again in an empty folder. Each second kill waits until a
file is half written, and each second one hits the processes that the command started too. In the end the results must
have the bytes of the undisturbed run. The exit code is 1 if they have not.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from vg_helpers.files import write_json

ROOT = Path(__file__).resolve().parent.parent
PREDICT = "import sys, pathlib; from vg_helpers.commands import predict; "
PREDICT += "predict.BUILD = pathlib.Path('build'); sys.exit(predict.main(sys.argv[1:]))"
PAINT = "photo.jpg --style style.jpg --out out.png --size 192 --steps 160 --extractor alexnet --weights embedded"
FOLDER = "photos --style style.jpg --out-dir out --size 192 --steps 20 --extractor alexnet --weights embedded"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4", "--no-python"]
COMMANDS = {
    "paint": ["-m", "vg_helpers.commands.paint", *PAINT.split()],
    "folder": ["-m", "vg_helpers.commands.paint", *FOLDER.split()],
    "predict": ["-c", PREDICT, "pictures", "--model", "alexnet", "--out", "answers.csv"],
    "shards": [*TORCHRUN, sys.executable, "-P", "-c", PREDICT, "pictures", "--model", "alexnet", "--out", "parts"],
    "report": ["-m", "report.build", "--profile", "smoke", "--build-dir", "build/smoke"],
}
UNDISTURBED = {"shards": COMMANDS["predict"]}  # if it is another command
AFTERWARDS = {"shards": ["-m", "vg_helpers.commands.merge", "parts", "--out", "answers.csv"]}
RESULTS = {
    "paint": ["out.png"],
    "folder": ["out/*"],
    "predict": ["answers.csv"],
    "shards": ["answers.csv"],
    "report": ["build/smoke/0*/**/*.csv", "build/smoke/0*/**/*.json", "build/smoke/0[346]*/**/*.png"],
}
# Of the undisturbed time: a kill comes within it
SHARE = {"paint": 1, "folder": 1, "predict": 1, "shards": 0.3, "report": 0.3}
PATIENCE = 30  # seconds after which a process is killed although no file is half written
# What depends on the clock: the notebook on speed, dates, and durations in tables (so the PDF is not compared)
TIMED = re.compile(r"05_gpu_bench/|/state/|/wandb/|/manifest\.json$|/\.")
TIMED_KEYS = re.compile(r"second|duration|started|finished|_at$|_per_s")


def make_inputs(
    command: str,
    folder: Path,
    photos: int,
    files: int,
) -> None:
    """Write the pictures that a command reads, and for `predict` a classifier with random weights."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = {"paint": ["photo.jpg", "style.jpg"], "predict": [f"pictures/{n:02}.jpg" for n in range(30)], "report": []}
    names["shards"] = [f"pictures/{n:05}.jpg" for n in range(files)]
    names["folder"] = [*(f"photos/{n:03}.jpg" for n in range(photos)), "style.jpg"]
    for name in names[command]:
        (folder / name).parent.mkdir(exist_ok=True)
        coarse = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        size = (96, 72) if command == "shards" else (480, 360)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / name, quality=90)
    if command in ("predict", "shards"):
        import torch

        from vg_helpers.models.classifier import build_classifier, save_classifier

        torch.manual_seed(0)
        save_classifier(folder / "build/smoke/02_classify/alexnet.pt", build_classifier("alexnet", weights="none"))
        write_json(folder / "build/smoke/02_classify/metrics.json", {"alexnet": {"threshold": 0.5}})


def start(arguments: list[str], folder: Path) -> subprocess.Popen:
    """Start Python in a folder, with the project's code and nothing on the terminal."""
    words = [sys.executable, "-P", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)


def kill(process: subprocess.Popen, after: float, half_written: bool, whole_tree: bool, folder: Path) -> str:
    """Kill a process after so many seconds; return what was hit, or "" if it ended before."""
    try:
        process.wait(after)
        return ""
    except subprocess.TimeoutExpired:
        pass
    place = folder / "parts" if (folder / "parts").is_dir() else folder  # without the pictures, it is looked at sooner
    part, before, until = None, set(place.rglob("*.part*")), time.monotonic() + PATIENCE
    while half_written and process.poll() is None and not part and time.monotonic() < until:
        part = next((path for path in place.rglob("*.part*") if path not in before), None)
        time.sleep(0.001)
    try:
        processes = [psutil.Process(process.pid)]
        processes += processes[0].children(recursive=True) if whole_tree else []
        for one in processes:
            one.kill()
    except psutil.NoSuchProcess:
        return ""
    return "" if process.wait() == 0 else f"{len(processes)} process(es)" + (f", writing {part.name}" if part else "")


def results(command: str, folder: Path) -> dict[str, str]:
    """Return a hash of each result by its name; numbers that measure time do not count."""
    files = sorted({path for pattern in RESULTS[command] for path in folder.glob(pattern) if path.is_file()})
    names = [path.relative_to(folder).as_posix() for path in files]
    return {name: digest(folder / name, folder) for name in names if not TIMED.search(name)}


def digest(path: Path, folder: Path) -> str:
    """Return a hash of a file without the columns and entries that measure time, and without the folder's name."""
    data = path.read_bytes().replace(str(folder).encode(), b"")
    if path.suffix == ".png" and path.name.startswith("result_"):  # with the seconds that it took beside the settings
        with Image.open(path) as picture:
            data = picture.tobytes() + json.dumps(timeless(picture.text), sort_keys=True).encode()
    if path.suffix == ".json":
        data = json.dumps(timeless(json.loads(data)), sort_keys=True).encode()
    if path.suffix == ".csv" and TIMED_KEYS.search(data.decode("utf-8").partition("\n")[0]):
        rows = list(csv.reader(data.decode("utf-8").splitlines()))
        kept = [number for number, name in enumerate(rows[0]) if not TIMED_KEYS.search(name)]
        data = json.dumps([[row[number] for number in kept] for row in rows]).encode()
    return hashlib.sha256(data).hexdigest()


def timeless(value: object) -> object:
    """Return what a JSON file holds, without the entries that measure time."""
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if not TIMED_KEYS.search(name)}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def check(command: str, kills: int, folder: Path, rng: random.Random, sizes: tuple[int, int]) -> bool:
    """Return whether a killed command ends as an undisturbed one; prints a line for each kill and each end."""
    undisturbed = folder / command / "undisturbed"
    make_inputs(command, undisturbed, *sizes)
    began = time.perf_counter()
    if code := start(UNDISTURBED.get(command, COMMANDS[command]), undisturbed).wait():
        print((undisturbed / "log.txt").read_text(encoding="utf-8", errors="replace")[-2000:])
        raise SystemExit(f"{command}, undisturbed, ended with exit code {code}")
    seconds, expected = time.perf_counter() - began, results(command, undisturbed)
    print(f"{command}: undisturbed {seconds:.0f} s, {len(expected)} results", flush=True)
    done, ends, right, tries = 0, 0, True, 0
    while done < kills or not ends:
        tries += 1
        place = folder / command / f"killed{ends}"
        if not place.exists():
            make_inputs(command, place, *sizes)
        process, moment = start(COMMANDS[command], place), rng.uniform(0, seconds * SHARE[command])
        what = kill(process, moment, tries % 2 == 0, tries % 4 > 1, place)
        if what:
            done += 1
            print(f"{command}: kill {done} after {moment:.1f} s: {what}", flush=True)
            if done < kills:
                continue
            process = start(COMMANDS[command], place)
        elif tries % 2:
            seconds *= 0.8  # the machine is faster now than it was undisturbed
        code, ends = process.wait(), ends + 1
        if command in AFTERWARDS:
            code = code or start(AFTERWARDS[command], place).wait()
        found = results(command, place)
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        rest = [path.name for path in place.rglob("*") if ".part" in path.name or path.suffix == ".checkpoint"]
        right &= code == 0 and not wrong
        verdict = f"differs in {wrong}" if wrong else f"the same {len(found)} results"
        print(f"{command}: ended with exit code {code}: {verdict}; left over: {rest or 'nothing'}", flush=True)
        if right:
            shutil.rmtree(place)
    return right


def main() -> int:
    """Check the commands that the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", default=["paint", "predict"], metavar="COMMAND")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--photos", type=int, default=12, help="that the command `folder` paints (12)")
    parser.add_argument("--files", type=int, default=2000, help="that the command `shards` judges (2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="an empty folder on a disk with 5 GB (default: a temporary one)")
    options = parser.parse_args()
    folder, rng = options.folder or Path(tempfile.mkdtemp()), random.Random(options.seed)
    print(f"seed {options.seed}, in {folder}", flush=True)
    ends = [check(command, options.kills, folder, rng, (options.photos, options.files)) for command in options.commands]
    print("all as undisturbed" if all(ends) else "NOT all as undisturbed")
    return int(not all(ends))


if __name__ == "__main__":
    sys.exit(main())
