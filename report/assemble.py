"""Join front matter, parts and appendix into the report's Markdown; say what this run does not have."""

import contextlib
from pathlib import Path
from typing import Any

from vg_helpers.code import code_of

from .markdown import ReportError, headings, read_notebook, split_title, to_markdown_all
from .plan import Step

PARTS = {
    "Part 1: Van Gogh or not": ("01_data", "02_classify"),
    "Part 2: Style transfer": ("03_style_search", "04_style_eval"),
    "Part 3: CPU against GPU": ("05_gpu_bench",),
    "Bonus: Grad-CAM": ("06_gradcam",),
}
FLUSH = "::: {#flush}\n:::"  # figures stay within their part


def assemble(chain: list[Step], extras: list[Step], pictures: Path) -> tuple[str, str]:
    """Return the report's title and its Markdown; pictures are written to the folder `pictures`."""
    done = {step.stage: with_prose(step.source, step.executed) for step in chain if step.executed.is_file()}
    done |= {step.stage: run_here(step.source, step.parameters) for step in extras}
    places = {step.stage: step.source.parent for step in [*chain, *extras]}
    texts = to_markdown_all([(notebook, stage, places[stage]) for stage, notebook in done.items()], pictures)
    title, front = split_title(texts["front_matter"])
    pages = [headings(front, -1), "::: {#contents}\n:::"]
    known = {step.stage: step for step in chain}
    for part, stages in PARTS.items():
        if known.keys() & set(stages):
            pages.append(f"{FLUSH}\n\n# {part}")
        for stage in (stage for stage in stages if stage in known):
            name, body = split_title(texts[stage] if stage in texts else _missing(known[stage]))
            alone = len(stages) == 1
            pages += [body] if alone else [f"## {name}", headings(body, 1)]
    pages += [FLUSH, texts["appendix"]]
    return title, "\n\n".join(pages) + "\n"


def with_prose(source: Path, executed: Path) -> dict[str, Any]:
    """Return the executed notebook with the prose, comments and listings that its source has now.

    Where the code itself has changed since, the executed notebook stays as it was: its prose belongs to its results.
    """
    now, ran = read_notebook(source), read_notebook(executed)
    ran["cells"] = [cell for cell in ran["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])]
    codes = [[cell for cell in notebook["cells"] if cell["cell_type"] == "code"] for notebook in (now, ran)]
    if [code_of(cell["source"]) for cell in codes[0]] == [code_of(cell["source"]) for cell in codes[1]]:
        for cell, done in zip(*codes, strict=True):
            cell["outputs"] = done["outputs"]
        ran = now
    first = ran["cells"][0]
    first["source"] = first["source"].split("\n**Reads")[0]
    return ran


def _missing(step: Step) -> str:
    """Return a notebook's title and the sentence that this run has no results of it."""
    title = read_notebook(step.source)["cells"][0]["source"].split("\n")[0]
    command = f"python run.py report --profile {step.build_dir.name} --only {step.stage[:2]}"
    return f"{title}\n\n*This run holds no results of `{step.stage}`; `{command}` adds them.*\n"


def run_here(source: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Execute a light notebook in this process, which starts no kernel, and return it with its outputs.

    Raises:
        ReportError: if a cell fails; names the notebook and the cell.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    notebook = read_notebook(source)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    with contextlib.chdir(source.parent):
        for number, cell in enumerate(notebook["cells"], start=1):
            if cell["cell_type"] != "code":
                continue
            with capture_output() as captured:
                result = shell.run_cell(cell["source"])
            if not result.success:
                error = result.error_before_exec or result.error_in_exec
                raise ReportError(f"{source.stem}, cell {number}: {type(error).__name__}: {error}")
            if "parameters" in cell["metadata"].get("tags", []):
                shell.user_ns.update(parameters)
            cell["outputs"] = [
                {"output_type": "display_data", "data": output.data, "metadata": output.metadata or {}}
                for output in captured.outputs
            ]
    return notebook
