"""What a notebook puts into the report besides its Markdown: figures, tables and computed sentences.

Convention: each output carries metadata {"vg": {"kind", "name", "caption", "alt"}}; the report's exporter reads nothing
else.
"""

import base64
import html
import re
from collections.abc import Sequence
from typing import Any

from IPython.display import display

from .files import atomic
from .stage import Stage

DPI = 200


def figure(fig: Any, stage: Stage, name: str, caption: str, alt: str | None = None) -> None:
    """Show a matplotlib figure with its caption, and keep it as <stage>/figures/<name>.png.

    Args:
        alt: what someone who cannot see the figure should be told; the caption where it is left out.
    """
    path, caption = stage.path("figures", f"{name}.png"), _with_caveat(caption, stage)
    with atomic(path) as part:
        fig.savefig(part, dpi=DPI, bbox_inches="tight", pad_inches=0.03, format="png", metadata={"Software": None})
    meta = {"kind": "figure", "name": name, "caption": caption, "alt": alt or caption}
    width = {"width": round(fig.get_figwidth() * 96)}
    display(
        {"image/png": base64.b64encode(path.read_bytes()).decode(), "text/plain": meta["alt"]},
        raw=True,
        metadata={"vg": meta, "image/png": width},
    )
    _caption(caption)


def table(frame: Any, stage: Stage | None, name: str, caption: str, digits: int = 3, best: Sequence[str] = ()) -> None:
    """Show a pandas frame as a table with its caption; floats are rounded to `digits` decimals.

    Args:
        best: columns whose cells begin with a number, the largest of which is set in bold.
    """
    shown, caption = frame.copy(), _with_caveat(caption, stage)
    for column in shown.select_dtypes("float"):
        shown[column] = [("–" if value != value else f"{value:.{digits}f}") for value in shown[column]]
    shown = shown.fillna("–").astype(str)
    for column in best:
        first = shown[column].str.extract(r"^([-\d.]+)", expand=False).astype(float)
        bold = shown[column].str.replace(r"^([-\d.]+)", r"**\1**", regex=True)
        shown[column] = shown[column].where(first != first.max(), bold)
    shown = shown.rename(columns=lambda name: name.replace("_", " ") if str(name).isidentifier() else str(name))
    right = [frame.dtypes.iloc[i].kind in "fiu" for i in range(len(frame.columns))]
    bundle = {
        "text/html": re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", shown.to_html(index=False, border=0, escape=True)),
        "text/markdown": _pipe_table(shown, right),
        "text/plain": shown.to_string(index=False),
    }
    display(bundle, raw=True, metadata={"vg": {"kind": "table", "name": name, "caption": caption}})
    _caption(caption)


def text(markdown: str) -> None:
    """Show a computed Markdown paragraph, which the report takes over as it is."""
    bundle = {"text/markdown": markdown, "text/plain": markdown}
    display(bundle, raw=True, metadata={"vg": {"kind": "text"}})


def _with_caveat(caption: str, stage: Stage | None) -> str:
    """Say of everything that depends on them when the networks started from other weights than ImageNet's."""
    sources = {weights["source"] for weights in stage.weights} if stage is not None else set()
    notes = {"none": "No ImageNet weights.", "embedded": "Embedded weights."}
    return " ".join([caption, *(f"({note})" for source, note in notes.items() if source in sources)])


def _caption(caption: str) -> None:
    bundle = {"text/markdown": f"<small>{html.escape(caption, quote=False)}</small>", "text/plain": caption}
    display(bundle, raw=True, metadata={"vg": {"kind": "caption"}})


def _pipe_table(frame: Any, right: list[bool]) -> str:
    from tabulate import tabulate

    cells = frame.map(lambda value: value.replace("|", "\\|").replace("\n", " "))
    align = ["right" if flag else "left" for flag in right]
    return tabulate(cells, headers="keys", tablefmt="pipe", showindex=False, colalign=align, disable_numparse=True)


def interval(estimate: Any, digits: int = 3, percent: bool = False) -> str:
    """Return "value [low, high]" of anything with these three, a row of a frame or a named tuple."""
    get = estimate.__getitem__ if hasattr(estimate, "keys") else lambda name: getattr(estimate, name)
    value, low, high = (f"{get(name):.{digits}{'%' if percent else 'f'}}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def picture_name(stem: str) -> str:
    """Return what a picture's file name tells: "vincent-van-gogh_the-night-cafe-1888" → "the night cafe 1888".

    The recipe at the end of a demo painting's name ("-v5-42-640") says nothing to a reader.
    """
    return re.sub(r"-v\d+-\d+-\d+$", "", stem.removeprefix("vincent-van-gogh_")).replace("-", " ")
