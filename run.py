#!/usr/bin/env python3
"""The only entry: makes this project's own Python environment, then runs one task in it.

  python3 run.py report    run the notebooks and write the report (--help shows profiles and folders)
  python3 run.py test      run the tests (takes pytest's arguments)
  python3 run.py lab       open JupyterLab in notebooks/
  python3 run.py data      fetch the paintings into data/
  python3 run.py paint     repaint a photo in the style of a painting
  python3 run.py predict   print how likely pictures are by Van Gogh
  python3 run.py merge     join what several processes of predict wrote
  python3 run.py play      open the playground: a page on which a photo turns into a painting
  python3 run.py study     say what people answered about the pictures, and how far the judges agree
  python3 run.py search    join a running search as one more worker
  python3 run.py submit    pack the report, the notebooks and the scripts for handing in

What follows the task goes to it: `python3 run.py report --profile smoke`, `python3 run.py paint --help`.
Three options belong to the installation:
  --torch-index URL   install torch from that package index, for example PyTorch's own with CUDA for Windows
  --latest            install the newest packages that requirements.txt allows instead of the tested ones
  --fresh             make .venv again, even one that something else made
"""

import ast
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
    "merge": ["vg_helpers.commands.merge"],
    "play": ["vg_helpers.commands.play"],
    "study": ["vg_helpers.commands.study"],
    "search": ["vg_helpers.commands.search"],
    "submit": ["report.submit"],
}
DISK = "7 GB"  # of a finished .venv on Linux, with torch for CUDA
NETWORK = (
    "NewConnectionError|NameResolution|ProxyError|ConnectionError|SSLError|ConnectTimeout|ReadTimeout|timed out|"
    "getaddrinfo|Max retries|Failed to parse: http|Connection (refused|reset|broken|aborted)|Network is unreachable"
)
NO_VERSION = "No matching distribution|Could not find a version|ResolutionImpossible|conflicting dependencies"
CAUSES = {
    "No space left|Errno 28|WinError 112|not enough space": f"the disk is full: make room ({DISK}) and run this again",
    NETWORK: "the package index cannot be reached: check the network or the proxy and run this again",
    NO_VERSION: "the package index has no version that fits this Python: check the network and --torch-index, or use "
    "a Python that PyTorch supports",
    "Permission denied|Errno 13|WinError 5": "this folder may not be written: close what uses .venv, or copy the "
    "project to a folder of your own",
}
# pip's settings that name the package index and the network; all others stay outside, such as target, user and prefix
PIP_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "cert", "client-cert", "timeout")
PIP_SETTINGS += ("default-timeout", "retries", "keyring-provider", "constraint", "cache-dir", "no-cache-dir")
# Python's settings: other people's modules, another encoding of what is printed, tests that assert nothing, and other
# packages' warnings as errors
PYTHON_SETTINGS = ("PYTHONPATH", "PYTHONHOME", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "PYTHONWARNINGS")
# OpenMP's threads wait for each other without computing; as in vg_helpers/__init__.py, where the reason stands
CALM_THREADS = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}


class InstallError(Exception):
    """The environment cannot be made; the message says what to do."""


class NoVersionError(InstallError):
    """The package index lacks a version that was asked for, or versions exclude each other."""

    def __init__(self, output):
        super().__init__(cause_of(output))
        package = re.search(r"(?:satisfies the requirement|Cannot install) ([\w.-]+)", output)
        self.package = package[1] if package else "a package"


def main(argv):
    """Run the task that the arguments name; return its exit code."""
    try:
        task, options, rest = parse(argv)
        if task is None:
            print(__doc__ or f"run.py takes one of {', '.join(TASKS)}")  # PYTHONOPTIMIZE=2 takes the text away
            return 0
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that pip is not left behind
        ensure(**options)
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; the same command starts the installation again.", file=sys.stderr)
        return 130
    folder = {"lab": ROOT / "notebooks", "test": ROOT}.get(task, Path.cwd())  # elsewhere the user's own paths count
    return start([str(PYTHON), "-P", "-m", *TASKS[task], *rest], folder)


def parse(argv):
    """Return (task or None for help, options of the installation, the task's arguments)."""
    rest, options = [], {"index": None, "latest": False, "fresh": False}
    words = iter(argv)
    for word in words:
        if word in ("--latest", "--fresh"):
            options[word[2:]] = True
        elif word == "--torch-index" or word.startswith("--torch-index="):
            options["index"] = word.partition("=")[2] or next(words, "")
            if not re.match(r"https?://|file://", options["index"]):
                raise InstallError("--torch-index takes the address of a package index, such as https://…/whl/cu130")
        else:
            rest.append(word)
    if not rest and any(options.values()):
        option = next(word for word in argv if word.startswith("--"))
        raise InstallError(f"{option} needs a task, for example: python3 run.py test {' '.join(argv)}")
    if rest and rest[0] in ("-h", "--help", "help"):
        rest = [*(word for word in rest[1:2] if word[:1] != "-"), "--help"]  # `help paint` is `paint --help`
    if not rest or rest[0] == "--help":
        return None, options, []
    if rest[0] not in TASKS:
        import difflib

        close = difflib.get_close_matches(rest[0], TASKS, n=1)
        hint = f"did you mean {close[0]}?" if close else "choose from {}".format(", ".join(TASKS))
        raise InstallError(f"there is no task {rest[0]!r}: {hint}")
    return rest[0], options, rest[1:]


def ensure(index=None, latest=False, fresh=False):
    """Make .venv, or bring it up to date, unless it is what the requirements ask for."""
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:2]))
        raise InstallError(f"this is Python {version}, and 3.11 or newer is needed: install one and run it")
    if os.pathsep in str(ROOT):
        raise InstallError(
            f"the path {ROOT} has a {os.pathsep!r} in it, which Python environments cannot have: move the project"
        )
    stamp = {} if fresh else read_stamp()
    index = index or stamp.get("torch_index")
    wanted = {"requirements": requirements_hash(), "torch_index": index, "latest": latest or stamp.get("latest", False)}
    usable = bool(stamp) and "unfinished" not in stamp and PYTHON.exists() and made_with() == this_python()
    if usable and stamp == wanted and not latest:
        return
    try:
        if not usable:
            make_venv(fresh)
        STAMP.write_text(json.dumps({"unfinished": True}), encoding="utf-8")  # until the end
        new_index = index if index != stamp.get("torch_index") else None
        wanted["latest"] = not install(new_index, wanted["latest"], upgrade=latest and not index)
        link()
        STAMP.write_text(json.dumps(wanted), encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:  # the last one: before Python 3.13, links that go in circles
        raise InstallError(cause_of(str(error))) from error


def read_stamp():
    """Return what the installation noted in .venv; empty if .venv was not made by this file."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def this_python():
    """Return "3.11" of the Python that runs this."""
    return ".".join(map(str, sys.version_info[:2]))


def made_with():
    """Return "3.11" of the Python that .venv was made with, or None."""
    try:
        text = (VENV / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    version = re.search(r"(?m)^version(?:_info)? *= *(\d+\.\d+)", text)
    return version and version[1]


def requirements_hash():
    """Return a hash of the two files that decide which packages are installed."""
    texts = [(ROOT / name).read_bytes() for name in ("requirements.txt", "constraints.txt") if (ROOT / name).exists()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def make_venv(fresh=False):
    """Make an empty .venv; replace one that this file made, and another one only if `fresh`.

    Where .venv is a link, its target is used, and nothing in it is removed.
    """
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise InstallError(
            "this Python has no venv module: install it (on Debian: sudo apt install python3-venv) and run this again"
        )
    import venv

    clear_place(fresh)
    VENV.resolve().mkdir(parents=True, exist_ok=True)
    STAMP.write_text(json.dumps({"unfinished": True}), encoding="utf-8")
    print(f"Making .venv with Python {sys.version.split()[0]}.", file=sys.stderr)
    try:
        venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(VENV.resolve())
    except subprocess.CalledProcessError as error:
        raise InstallError(cause_of(str(error.output or error))) from error


def clear_place(fresh):
    """Remove the .venv that is there, if it may be removed; raise an InstallError if it may not."""
    target = VENV.resolve()
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    ours, python = bool(read_stamp()), made_with()
    if target != VENV:
        if ours and python in (None, this_python()):
            return  # the installation goes on in what it left there
        raise InstallError(f".venv is a link to {target}, which is not empty: empty that folder or remove the link")
    if not (ours or fresh):
        raise InstallError(
            ".venv was not made by run.py and stays as it is: add --fresh to replace it, or move it elsewhere"
        )
    if ours and python not in (None, this_python()):
        print(f".venv was made with Python {python} and is now made again with {this_python()}.", file=sys.stderr)
    else:
        print("Removing the .venv that is there.", file=sys.stderr)
    VENV.unlink() if VENV.is_file() else shutil.rmtree(VENV)


def install(index, latest, upgrade):
    """Install the requirements; return whether the versions are the tested ones.

    Args:
        index: where torch and torchvision have to come from now, or None.
        latest: the tested versions are not asked for.
        upgrade: what is installed already is replaced by newer versions too.
    """
    print(f"Installing packages: once, some minutes and about {DISK}.", file=sys.stderr)
    requirements, constraints = ROOT / "requirements.txt", ROOT / "constraints.txt"
    if not latest:
        try:
            install_torch(index, constraints)
            pip(["-r", str(requirements), "-c", str(constraints)])
            return True
        except NoVersionError as error:
            print(f"The tested version of {error.package} is not available: taking the newest ones.", file=sys.stderr)
    install_torch(index, requirements)
    pip(["-r", str(requirements), *(["--upgrade"] if upgrade else [])])
    return False


def install_torch(index, file):
    """Install torch and torchvision from this index, in the versions that the file names; without an index nothing."""
    if index:
        lines = [
            line for line in file.read_text(encoding="utf-8").splitlines() if re.match("torch(vision)?[><=!]", line)
        ]
        pip(["--index-url", index, "--upgrade", "--force-reinstall", *lines])


def pip(arguments):
    """Run `pip install` and show in one line what it does; its own words only matter when it fails."""
    command = [str(PYTHON), "-I", "-X", "utf8", "-m", "pip", "install"]
    command += ["--no-input", "--disable-pip-version-check", *arguments]
    pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
    lines, shown = [], ""
    with subprocess.Popen(command, cwd=ROOT, env=pip_environment(), **pipe) as process:
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                shown = progress(line, shown)
        except BaseException:  # whatever ends this process ends pip
            process.terminate()
            raise
    if sys.stderr.isatty():
        sys.stderr.write("\r" + " " * len(shown) + "\r")
    if process.returncode:
        output = "\n".join(lines[-40:])
        if re.search(NO_VERSION, output) and not re.search(NETWORK, output):
            raise NoVersionError(output)
        raise InstallError(cause_of(output))


def pip_environment():
    """Return the variables for pip: of the user's settings only those that name the package index and the network."""
    environment = {name: value for name, value in os.environ.items() if name not in PYTHON_SETTINGS}
    command = [str(PYTHON), "-I", "-X", "utf8", "-m", "pip", "config", "list"]
    pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace")
    return only_network(environment, subprocess.run(command, env=environment, **pipe).stdout)


def only_network(environment, config):
    """Return the environment without pip's settings but for PIP_SETTINGS, and those of the listed configuration files.

    >>> sorted(only_network({"PIP_USER": "1", "HOME": "/h"}, "global.index-url='https://x/simple'"))
    ['HOME', 'PIP_CONFIG_FILE', 'PIP_INDEX_URL']
    """
    allowed = {"PIP_" + name.upper().replace("-", "_") for name in PIP_SETTINGS}
    outside = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    files = {}
    for section in ("global", "install"):  # the second has the last word, as in pip
        for name, value in re.findall(rf"(?m)^{section}\.([\w-]+)=(['\"].*['\"])$", config):
            files["PIP_" + name.upper().replace("-", "_")] = " ".join(ast.literal_eval(value).split())
    variables = {name: value for name, value in environment.items() if name.startswith("PIP_")}
    settings = {name: value for name, value in {**files, **variables}.items() if name in allowed}
    return {**outside, **settings, "PIP_CONFIG_FILE": os.devnull}


def progress(line, shown):
    """Show which package pip is at, over the line shown before; return what is shown."""
    step = re.match(r"\s*(Collecting|Downloading|Installing collected packages|Building)\b[: ]*(\S*)(.*)", line)
    if not step:
        return shown
    what, name, more = step.groups()
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
    command = [str(PYTHON), "-I", "-X", "utf8", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()
    Path(packages, "vg_helpers.pth").write_text(os.path.relpath(ROOT, packages) + "\n", encoding="ascii")


def start(command, folder):
    """Run a command in this project's environment, in this very process where that is possible."""
    environment = task_environment()
    os.chdir(folder)
    if os.name == "nt":
        try:
            return subprocess.call(command, env=environment)
        except KeyboardInterrupt:
            return 130
    sys.stdout.flush()
    os.execve(command[0], command, environment)


def task_environment():
    """Return the variables of a task: other people's modules stay outside, and idle threads give way."""
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV), JUPYTER_PREFER_ENV_PATH="1", PYTHONUTF8="1")
    environment["PATH"] = os.pathsep.join([str(PYTHON.parent), environment.get("PATH", "")])
    for name in ("VG_DATA_DIR", "VG_PHOTOS_DIR", "VG_STYLES_DIR"):  # notebooks run in a folder of their own
        if environment.get(name):
            environment[name] = os.path.abspath(os.path.expanduser(environment[name]))
    for name in PYTHON_SETTINGS:
        environment.pop(name, None)
    if not {"OMP_WAIT_POLICY", *CALM_THREADS} & set(environment):
        environment.update(CALM_THREADS)
    return environment


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
