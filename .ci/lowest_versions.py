#!/usr/bin/env python3
"""Install the lowest versions that requirements.txt allows into a folder of its own, and run the quick tests with them.

    python3 .ci/lowest_versions.py [--folder DIR] [--as-tested torch torchvision] [--resolve-only] [pytest's arguments]

A range is wrong if pip cannot resolve the lowest versions together, or if a test fails: then raise the lower bound.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lowest(requirement: str) -> str:
    """Return the requirement with its lower bound as the only version: "numpy>=2" → "numpy==2"."""
    name, spec = re.match(r"([\w.-]+)(.*)", requirement).groups()
    bound = re.search(r">=([\w.]+)", spec)
    return f"{name}=={bound[1]}" if bound else requirement


def read_lines(file: str) -> list[str]:
    """Return the lines of a file of requirements without comments."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def main() -> int:
    """Install, print what was installed, run the tests; return their exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the environment is made (default: a temporary folder)")
    parser.add_argument("--as-tested", nargs="*", default=[], metavar="PACKAGE", help="as in constraints.txt")
    parser.add_argument("--resolve-only", action="store_true", help="install nothing, run no test")
    options, arguments = parser.parse_known_args()
    tested = {line.partition("==")[0]: line for line in read_lines("constraints.txt")}
    wanted = [lowest(line) for line in read_lines("requirements.txt")]
    wanted = [tested[name] if (name := line.partition("==")[0]) in options.as_tested else line for line in wanted]
    print("\n".join(wanted), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary, "venv")
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
        python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        install = [python, "-m", "pip", "install", "-qq", *(["--dry-run"] if options.resolve_only else []), *wanted]
        if code := subprocess.call(install, cwd=ROOT):
            return code
        if options.resolve_only:
            return 0
        return subprocess.call([python, "-m", "pytest", "-q", *(arguments or ["-m", "not slow"])], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
