"""requirements.txt and constraints.txt: every package is imported somewhere, or here is why it stays."""

import ast
import functools
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
# package -> the name under which it is imported, if that is another one
IMPORTED_AS = {
    "Pillow": "PIL",
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "pyyaml": "yaml",
    "SQLAlchemy": "sqlalchemy",
    "pypandoc_binary": "pypandoc",
    "optuna-integration": "optuna_integration",
}
WITHOUT_IMPORT = {
    "jupyter": "JupyterLab, which run.py lab starts, and ipykernel, in which papermill runs the notebooks",
    "tabulate": "pandas' to_markdown imports it",
    "ruff": "the style check, run by hand and before each commit",
    "captum": "a second Grad-CAM for the tests, which skip without it",
}


def names(file: str) -> list[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [re.match(r"[\w.-]+", line)[0] for line in lines if line and not line.startswith("#")]


@functools.cache
def imported(*folders: str) -> set[str]:
    """Return the top-level names that the Python files of these folders and the notebooks import."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py") if "build" not in file.parts]
    sources = [file.read_text(encoding="utf-8") for file in files]
    for folder in ("notebooks", "report"):
        for file in (ROOT / folder).glob("*.ipynb"):
            cells = nbformat.read(file, as_version=4).cells
            sources += ["\n".join(cell.source for cell in cells if cell.cell_type == "code")]
    return set().union(*(_imports(ast.parse(source)) for source in sources))


def _imports(tree: ast.AST) -> set[str]:
    tops = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            tops.add(node.module.partition(".")[0])
    return tops


def test_every_requirement_is_imported_or_has_a_reason():
    used = imported("vg_helpers", "report", "tests")
    unused = {name for name in names("requirements.txt") if IMPORTED_AS.get(name, name) not in used}
    assert unused == set(WITHOUT_IMPORT)


def test_every_import_has_a_requirement():
    required = {IMPORTED_AS.get(name, name) for name in names("requirements.txt")}
    with_jupyter = {"IPython", "ipykernel", "nbformat", "nbclient", "traitlets", "jupyter_client"}
    with_others = {"joblib": "scikit-learn", "requests": "kagglehub", "mpl_toolkits": "matplotlib", "triton": "torch"}
    with_others |= {"tifffile": "scikit-image"}
    optional = {"pyarrow"}  # whoever reads or writes Parquet is told to install it
    known = required | optional | with_jupyter | set(with_others) | {"vg_helpers", "report"}
    assert imported("vg_helpers", "report") - known <= sys.stdlib_module_names


def test_every_requirement_has_a_tested_version():
    normal = {re.sub(r"[-_.]+", "-", name).lower() for name in names("constraints.txt")}
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in names("requirements.txt")} <= normal


def test_tested_versions_fit_every_platform():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert not [line for line in lines if re.match("nvidia|cuda|triton|torch==2.13", line)]


@pytest.mark.parametrize("file", ["requirements.txt", "constraints.txt"])
def test_each_package_is_named_once(file):
    assert len(names(file)) == len(set(names(file)))
