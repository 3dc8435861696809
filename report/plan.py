"""What the command line, a profile and the notebooks' defaults come to: one step, with its parameters, per notebook."""

import ast
import os
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from vg_helpers.files import MALFORMED

from .markdown import read_notebook

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"data_dir": "VG_DATA_DIR", "photos_dir": "VG_PHOTOS_DIR", "styles_dir": "VG_STYLES_DIR"}


@dataclass(frozen=True)
class Step:
    """One notebook of a chain, the build folder of its profile, and the parameters it gets."""

    source: Path
    build_dir: Path
    parameters: dict[str, Any]

    @property
    def stage(self) -> str:
        return self.source.stem

    @property
    def is_extra(self) -> bool:
        """Whether it is front matter or appendix, which have no stage of their own and read those of all notebooks."""
        return not self.stage[:2].isdecimal()

    @property
    def executed(self) -> Path:
        return self.build_dir / self.source.name

    @property
    def manifest(self) -> Path:
        """The stage's own record of what it read and wrote."""
        return self.build_dir / self.stage / "manifest.json"

    @property
    def record(self) -> Path:
        """The file that says with which key, inputs and duration the notebook was executed."""
        return self.build_dir / f".{self.stage}.json"


def choose(word: str, choices: list[str], what: str) -> str:
    """Return the choice that `word` names in full, or by its number (`3`, `03`).

    Raises:
        ValueError: one sentence with the likely or the possible choices.
    """
    number = f"{int(word):02d}_" if word.isdecimal() else None
    for choice in choices:
        if choice == word or (number and choice.startswith(number)):
            return choice
    close = get_close_matches(word, choices, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else "choose from"
    raise ValueError(f"there is no {what} {word!r}: {hint} ({', '.join(choices)})")


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    """Return a notebook file's code cells."""
    return [cell for cell in read_notebook(notebook)["cells"] if cell["cell_type"] == "code"]


def defaults(notebook: Path) -> dict[str, Any]:
    """Return the names and values of the cell tagged `parameters`.

    Raises:
        ValueError: if it holds anything but names and plain values.
    """
    values = {}
    for cell in code_cells(notebook):
        if "parameters" in cell["metadata"].get("tags", []):
            try:
                for node in ast.parse(cell["source"]).body:
                    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                    values[target.id] = ast.literal_eval(node.value)
            except (SyntaxError, *MALFORMED) as error:
                raise ValueError(
                    f"the cell of {notebook.name} tagged parameters may hold lines like NAME = 3 and comments alone: "
                    "move everything else to the next cell"
                ) from error
    return values


def plan(
    notebooks: list[Path],
    build_dir: Path,
    profile: dict[str, dict[str, Any]],
    common: dict[str, Any],
    given: dict[str, dict[str, str]],
) -> list[Step]:
    """Return a step for each notebook, with the profile's values, then `common`, then those `given` by hand.

    Args:
        profile: values per notebook name, and under `common` for every notebook that has such a parameter.
        common: as the profile's `common`, from the command line; names that a notebook lacks are left out for it.
        given: texts per notebook name, read as YAML where the default is no text.

    Raises:
        ValueError: one sentence for a notebook, parameter or kind of value that does not exist.
    """
    known = {notebook.stem: defaults(notebook) for notebook in notebooks}
    profile, given = (_by_full_name(part, list(known)) for part in (profile, given))
    for name in profile.get("common", {}):
        choose(name, sorted({key for values in known.values() for key in values}), "common parameter")
    steps = []
    for notebook in notebooks:
        default = known[notebook.stem]
        values = {name: value for name, value in (profile.get("common", {}) | common).items() if name in default}
        texts = given.get(notebook.stem, {})
        for name, value in (profile.get(notebook.stem, {}) | texts).items():
            choose(name, list(default), f"parameter of {notebook.stem}")
            full = f"{notebook.stem}.{name}"
            value = _value(full, value, default[name]) if name in texts else value
            _check_kind(full, value, default[name])
            values[name] = value
        values["build_dir"] = relative(build_dir, notebook.parent)
        steps.append(Step(notebook, build_dir, {name: value for name, value in values.items() if name in default}))
    return steps


def _by_full_name(part: dict[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    return {
        name if name == "common" else choose(name, names, "notebook"): values or {} for name, values in part.items()
    }


def _value(name: str, text: str, default: Any) -> Any:
    """Return text as it is for a text (026 stays 026), else as YAML reads it; 1e-5, to YAML a word, is a number too."""
    if isinstance(default, str):
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{name}={text} is not a value that can be read, such as {default!r}") from error
    with suppress(ValueError):
        return float(value) if isinstance(value, str) else value
    return value


def _check_kind(name: str, value: Any, default: Any) -> None:
    kind = type(default)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if default is None or type(value) is kind or (kind is float and whole):
        return
    raise ValueError(f"{name} must be of the kind {kind.__name__}, such as {default!r}, and not {value!r}")


def relative(path: Path, start: Path) -> str:
    """Return `path` as seen from `start`, so that no notebook holds a path of this machine; absolute between drives."""
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:
        return path.as_posix()
