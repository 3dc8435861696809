#!/usr/bin/env python3
"""The only entry: makes this project's own Python environment, then runs one task in it.

  python3 run.py report    run the notebooks and write the report (--help shows profiles and folders)
  python3 run.py test      run the tests (takes pytest's arguments)
  python3 run.py lab       open JupyterLab in notebooks/
  python3 run.py data      fetch the paintings into data/
  python3 run.py paint     repaint a photo in the style of a painting
  python3 run.py predict   say of pictures how likely they are a Van Gogh
  python3 run.py search    join a running search as one more worker
  python3 run.py submit    pack the report, the notebooks and the scripts for handing in

What follows the task goes to it: `python3 run.py report --profile smoke`, `python3 run.py paint --help`.
--torch-index URL installs torch from that package index, for example PyTorch's own with CUDA for Windows.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 11)
TASKS = {
    "report": ["report.build"],
    "test": ["pytest"],
    "lab": ["jupyterlab"],
    "data": ["vg_helpers.commands.data"],
    "paint": ["vg_helpers.commands.paint"],
    "predict": ["vg_helpers.commands.predict"],
    "search": ["vg_helpers.commands.search"],
    "submit": ["report.submit"],
}
CAUSES = {
    r"No space left|Errno 28|WinError 112|not enough space": "the disk is full: make room (8 GB) and run this again",
    r"NewConnectionError|NameResolution|ProxyError|ConnectionError|SSLError|ConnectTimeout|ReadTimeout|timed out|"
    r"getaddrinfo|Max retries|Connection (refused|reset|broken|aborted)|Network is unreachable": "the package index "
    "cannot be reached: check the network or the proxy and run this again",
    r"No matching distribution|Could not find a version": "the package index has no fitting version for this "
    "Python: check the network and --torch-index, or take a Python that PyTorch supports",
    r"Permission denied|Errno 13|WinError 5": "this folder may not be written: close what uses .venv, or copy the "
    "project to a folder of your own",
}


class InstallError(Exception):
    """The environment cannot be made; the message says what to do."""


def main(argv):
    """Run the task that the arguments name; return its exit code."""
    try:
        task, index, rest = parse(argv)
        if task is None:
            print(__doc__)
            return 0
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that pip is not left behind
        ensure(index)
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; the same command begins the installation anew.", file=sys.stderr)
        return 130
    folder = {"lab": ROOT / "notebooks", "test": ROOT}.get(task, Path.cwd())  # elsewhere the user's own paths count
    return start([str(PYTHON), "-P", "-m", *TASKS[task], *rest], folder)


def parse(argv):
    """Return (task or None for help, package index of torch or None, the task's arguments)."""
    rest, index = list(argv), None
    for at, word in enumerate(rest):
        if word == "--torch-index" or word.startswith("--torch-index="):
            index = word.partition("=")[2] or (rest[at + 1] if at + 1 < len(rest) else "")
            if not re.match(r"https?://|file://", index):
                raise InstallError("--torch-index takes the address of a package index, such as https://…/whl/cu130")
            del rest[at : at + (1 if "=" in word else 2)]
            break
    if not rest or rest[0] in ("-h", "--help", "help"):
        return None, index, []
    if rest[0] not in TASKS:
        import difflib

        close = difflib.get_close_matches(rest[0], TASKS, n=1)
        hint = f"did you mean {close[0]}?" if close else "choose from {}".format(", ".join(TASKS))
        raise InstallError(f"there is no task {rest[0]!r}: {hint}")
    return rest[0], index, rest[1:]


def ensure(index):
    """Make .venv, or bring it up to date, unless it is what the requirements ask for."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        raise InstallError(f"this is Python {found}, and 3.11 or newer is needed: install one and run it")
    stamp = read_stamp()
    index = index or stamp.get("torch_index")
    wanted = {"requirements": requirements_hash(), "torch_index": index}
    if stamp == wanted and PYTHON.exists():
        return
    try:
        if not stamp or not PYTHON.exists():
            make_venv()
        STAMP.unlink(missing_ok=True)  # from here on an interrupted installation is begun anew
        install(index, index != stamp.get("torch_index"))
        link()
        STAMP.write_text(json.dumps(wanted), encoding="utf-8")
    except OSError as error:
        raise InstallError(cause_of(str(error))) from error


def read_stamp():
    """Return what the last finished installation noted, or nothing."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def requirements_hash():
    """Return a hash of what decides the environment: the requirements and the Python that it is made of."""
    requirements = (ROOT / "requirements.txt").read_bytes()
    return hashlib.sha256(b"\0".join([requirements, sys.version.encode(), sys.base_prefix.encode()])).hexdigest()


def make_venv():
    """Make an empty .venv in place of what an interrupted installation may have left."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise InstallError(
            "this Python has no venv module: install it (on Debian: sudo apt install python3-venv) and run this again"
        )
    import venv

    if VENV.exists():
        print("An unfinished or outdated .venv is made anew.", file=sys.stderr)
        shutil.rmtree(VENV, ignore_errors=True)
    print(f"Making .venv with Python {sys.version.split()[0]}.", file=sys.stderr)
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(VENV)
    except subprocess.CalledProcessError as error:
        raise InstallError(cause_of(str(error.output or error))) from error


def install(index, new_index):
    """Install the requirements; torch and torchvision from `index` where one is given."""
    print("Installing packages: once, some minutes and about 6 GB.", file=sys.stderr)
    if index and new_index:
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        torch = [line for line in lines if re.match("torch(vision)?[><=!]", line)]
        pip(["--index-url", index, "--upgrade", "--force-reinstall", *torch])
    pip(["-r", str(ROOT / "requirements.txt")])


def pip(arguments):
    """Run `pip install` and show in one line what it is at; its own words only matter when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *arguments]
    pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
    said, shown = [], ""
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ, PYTHONUTF8="1"), **pipe) as process:
        try:
            for line in process.stdout:
                said.append(line.rstrip())
                shown = progress(line, shown)
        except BaseException:
            process.terminate()
            raise
    if sys.stderr.isatty():
        sys.stderr.write("\r" + " " * len(shown) + "\r")
    if process.returncode:
        raise InstallError(cause_of("\n".join(said[-40:])))


def progress(line, shown):
    """Show a line of pip's that tells how far it is, over the one shown before; return what is shown."""
    found = re.match(r"\s*(Collecting|Downloading|Installing collected packages|Building)\b[: ]*(\S*)(.*)", line)
    if not found:
        return shown
    what, name, more = found.groups()
    size = re.search(r"\([^)]*[kMG]i?B\)", more)
    text = "  {} {} {}".format(what, name.rsplit("/", 1)[-1], size[0] if size else "").rstrip()[:100]
    if sys.stderr.isatty():
        sys.stderr.write("\r" + text.ljust(len(shown)))
        sys.stderr.flush()
    elif what != "Collecting":
        print("  Installing collected packages" if what.startswith("Installing") else text, file=sys.stderr, flush=True)
    return text


def cause_of(text):
    """Return one sentence for an installation that failed with this output."""
    for pattern, sentence in CAUSES.items():
        if re.search(pattern, text):
            return sentence
    lines = text.strip().splitlines() or ["no reason given"]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return f"the packages cannot be installed ({errors[-1].strip()}): run this again, or remove .venv first"


def link():
    """Make vg_helpers importable in .venv: a .pth file with a relative path, which survives moving the folder."""
    command = [str(PYTHON), "-X", "utf8", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()
    Path(packages, "vg_helpers.pth").write_text(os.path.relpath(ROOT, packages) + "\n", encoding="ascii")


def start(command, folder):
    """Run a command in this project's environment, in this very process where that is possible."""
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV), JUPYTER_PREFER_ENV_PATH="1", PYTHONUTF8="1")
    environment["PATH"] = os.pathsep.join([str(PYTHON.parent), environment.get("PATH", "")])
    environment.pop("PYTHONHOME", None)
    os.chdir(folder)
    if os.name == "nt":
        try:
            return subprocess.call(command, env=environment)
        except KeyboardInterrupt:
            return 130
    sys.stdout.flush()
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
