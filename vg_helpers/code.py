"""What a result depends on besides its inputs: the code behind it, without comments, docstrings and layout.

Convention: modules are named as Python names them ("vg_helpers.style.losses"); only this project's own are followed.
"""

import ast
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent


@cache
def code_of(source: str) -> str:
    """Return code as its syntax tree, in which comments, layout and docstrings do not show."""
    return ast.dump(_tree(source))


def python_of(cell: str) -> str:
    """Return a notebook cell as plain Python; magics (`%%bash`, `!ls`, `x?`) become calls, as IPython makes them.

    A cell that is not even code for IPython is returned as a text that Python can read, so that it still counts; it
    fails when the notebook runs, which names it.
    """
    with suppress(SyntaxError):
        ast.parse(cell)
        return cell
    from IPython.core.inputtransformer2 import TransformerManager

    with suppress(SyntaxError):
        plain = TransformerManager().transform_cell(cell)
        ast.parse(plain)
        return plain
    return f"broken = {cell!r}\n"


def _tree(source: str) -> ast.Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def helper_sources(source: str, package: Path = PACKAGE, parent: str = "") -> dict[str, str]:
    """Return the modules of `package` that the code imports, directly or through each other, without their prose.

    Args:
        parent: the package that the code itself belongs to, from which its relative imports start.
    """
    waiting, sources = [(source, parent)], {}
    while waiting:
        source, parent = waiting.pop()
        for name in _imported(source, parent, package.name):
            place = package.parent.joinpath(*name.split("."))
            file, inside = place.with_suffix(".py"), place / "__init__.py"
            if name not in sources and (file.is_file() or inside.is_file()):
                text = (file if file.is_file() else inside).read_text(encoding="utf-8")
                sources[name] = code_of(text)
                waiting.append((text, name.rpartition(".")[0] if file.is_file() else name))
    return dict(sorted(sources.items()))


@cache
def _imported(source: str, parent: str, package: str) -> frozenset[str]:
    """Return what a module of the package `parent` imports from `package`, and the packages on the way there."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), parent or None)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    inside = [name.split(".") for name in names if name.split(".")[0] == package]
    return frozenset(".".join(parts[:end]) for parts in inside for end in range(1, len(parts) + 1))


@cache
def sources_of(function: Callable[..., Any]) -> dict[str, str]:
    """Return the code of a function's module and of all modules of this project that it builds on."""
    module = inspect.getmodule(function)
    text = Path(inspect.getfile(function)).read_text(encoding="utf-8")
    parent = module.__name__.rpartition(".")[0] if module else ""
    return {getattr(module, "__name__", ""): code_of(text)} | helper_sources(text, PACKAGE, parent)
