"""Join front matter, parts and appendix into one notebook; say what this run does not have."""

from pathlib import Path
from typing import Any

from nbformat.v4 import new_markdown_cell, new_notebook

from vg_helpers.code import code_of, python_of

from .markdown import read_notebook, split_title
from .plan import Step

PARTS = {
    "Part 1: Van Gogh or not": ("01_data", "02_classify"),
    "Part 2: Style transfer": ("03_style_search", "04_style_eval"),
    "Part 3: CPU against GPU": ("05_gpu_bench",),
    "Bonus: Grad-CAM": ("06_gradcam",),
}
FLUSH = "::: {#flush}\n:::"  # figures stay within their part


def join(chain: list[Step], extras: list[Step], outdated: dict[str, str], day: str, again: str) -> Any:
    """Return the report as one notebook, whose headings begin with the title alone on the first level.

    Args:
        extras: front matter and appendix.
        outdated: why, by the stages whose results the report leaves out.
        day: the date on the report, such as 2026-01-31.
        again: the command that made this report, without --only.
    """
    front, appendix = extras
    cells = [*_cells(_results(front), front), _text("::: {#contents}\n:::")]
    known, named = {step.stage: step for step in chain}, {stage for stages in PARTS.values() for stage in stages}
    more = {_title(step): (stage,) for stage, step in known.items() if stage not in named}
    for part, stages in (PARTS | more).items():
        steps = [known[stage] for stage in stages if stage in known]
        cells += [_text(f"{FLUSH}\n\n## {part}")] if steps else []
        for step in steps:
            missing = step.stage in outdated or not step.executed.is_file()
            notebook = _missing(step, outdated.get(step.stage), again) if missing else _results(step)
            cells += _cells(notebook, step, None if len(stages) == 1 else 3)
    cells += [_text(FLUSH), *_cells(_results(appendix), appendix, 2)]
    return new_notebook(cells=cells, metadata={"date": day})


def with_prose(source: Path, executed: Path) -> Any:
    """Return the executed notebook with the prose, comments and listings that its source has now.

    If the code itself has changed since, the executed notebook stays as it was: its prose belongs to its results.
    """
    now, ran = read_notebook(source), read_notebook(executed)
    ran["cells"] = [cell for cell in ran["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])]
    codes = [[cell for cell in notebook["cells"] if cell["cell_type"] == "code"] for notebook in (now, ran)]
    before, after = ([code_of(python_of(cell["source"])) for cell in cells] for cells in codes)
    if before == after:
        for cell, done in zip(*codes, strict=True):
            cell["outputs"] = done["outputs"]
        ran = now
    first = ran["cells"][0]
    first["source"] = first["source"].split("\n**Reads")[0]
    return ran


def _results(step: Step) -> Any:
    return with_prose(step.source, step.executed)


def _cells(notebook: Any, step: Step, level: int | None = 1) -> list[Any]:
    """Return a notebook's cells, each with where it comes from; its title gets `level`, or goes when that is None."""
    first = notebook["cells"][0]
    name, body = split_title(first["source"])
    heads = [] if level is None or not name else [_text(f"{'#' * level} {name}")]
    first["source"] = body
    for number, cell in enumerate(notebook["cells"], start=1):
        base, shift = step.source.parent.as_posix(), (level or 2) - 1
        cell["id"] = f"{step.stage}-{number}"
        cell["metadata"]["report"] = {"stage": step.stage, "number": number, "base": base, "shift": shift}
    return [*heads, *notebook["cells"]]


def _text(markdown: str) -> Any:
    return new_markdown_cell(markdown)


def _title(step: Step) -> str:
    return split_title(read_notebook(step.source)["cells"][0]["source"])[0] or step.stage


def _missing(step: Step, outdated: str | None, again: str) -> Any:
    """Return a notebook's title and the sentence that this run has no results of it, or none that fit the others."""
    command = f"`{again} --only {step.stage[:2]}`"
    sentence = f"This run holds no results of `{step.stage}`; {command} adds them."
    if outdated:
        sentence = f"The results of `{step.stage}` are outdated and left out: {outdated}. {command} renews them."
    return new_notebook(cells=[_text(f"# {_title(step)}\n\n*{sentence}*")])
