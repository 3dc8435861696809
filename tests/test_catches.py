"""What is caught: a catch of everything says why, and no list of kinds of error is written twice."""

import ast
from collections import defaultdict

import pytest

from report.plan import ROOT, code_cells
from vg_helpers.code import python_of

BROAD = {"Exception", "BaseException"}
# run.py runs before anything of ours can be imported
FILES = sorted([*ROOT.glob("vg_helpers/**/*.py"), *ROOT.glob("report/*.py"), *ROOT.glob(".ci/*.py"), ROOT / "run.py"])
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("report/*.ipynb")])


def catches(source):
    """Return (line, kinds) of each `except`, `suppress(…)` and list of errors that has a name."""
    lists = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            parts = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type or ast.Name("BaseException")]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            parts = node.args
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            parts = [part for part in node.value.elts if ast.unparse(part).endswith(("Error", "Exception"))]
        else:
            continue
        lists.append((node.lineno, frozenset(map(ast.unparse, parts))))
    return lists


def without_reason(source):
    """Return the lines that catch everything without a comment on them or right above."""
    lines = source.splitlines()
    broad = [line for line, kinds in catches(source) if kinds & BROAD]
    return [line for line in broad if "  # " not in lines[line - 1] and not lines[line - 2].lstrip().startswith("# ")]


def written_twice(sources):
    """Return the places of each list of two kinds or more that stands in several places, by the list."""
    places = defaultdict(list)
    for name, source in sources.items():
        for line, kinds in catches(source):
            if len(kinds) > 1:
                places[kinds].append(f"{name}:{line}")
    return {kinds: where for kinds, where in places.items() if len(where) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_catch_of_everything_says_why(path):
    assert without_reason(path.read_text(encoding="utf-8")) == []


def test_no_list_of_errors_is_written_twice():
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES if path.name != "run.py"}
    assert written_twice(sources) == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_catch_nothing(path):
    source = "\n".join(python_of(cell["source"]) for cell in code_cells(path))
    assert [kinds for _, kinds in catches(source) if kinds] == []


TRY = "try:\n    f()\nexcept {}:{}\n    pass\n"


@pytest.mark.parametrize("kinds", ["", "Exception", "BaseException as error", "(OSError, Exception)"])
def test_catches_without_a_reason_are_found(kinds):
    source = TRY.format(kinds, "").replace("except :", "except:")
    assert without_reason(source) == [3]
    assert without_reason(source.replace("except", "# because\nexcept")) == []
    assert without_reason(source.replace(":\n    pass", ":  # because\n    pass")) == []


def test_lists_that_are_written_twice_are_found():
    pair = TRY.format("(OSError, ValueError)", "")
    for other in (TRY.format("(ValueError, OSError) as error", ""), "with suppress(ValueError, OSError):\n    f()\n"):
        assert list(written_twice({"a": pair, "b": other}).values()) == [["a:3", f"b:{3 - 2 * ('with' in other)}"]]
    assert written_twice({"a": pair, "b": TRY.format("OSError", "")}) == {}
