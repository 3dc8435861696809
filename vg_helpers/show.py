"""What a notebook puts into the report besides its Markdown: figures, tables, computed sentences, source code.

Convention: each output carries metadata {"vg": {"kind", "name", "caption", "alt"}}; the report's exporter reads nothing
else.
"""

import base64
import html
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython.display import display

from .files import atomic

DPI = 200


def figure(fig: Any, path: Path, name: str, caption: str, alt: str | None = None) -> None:
    """Show a matplotlib figure with its caption, and keep it as the PNG file `path`.

    Args:
        alt: a description for readers who cannot see the figure; None takes the caption.
    """
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


def table(frame: Any, name: str, caption: str, digits: int = 3, best: Sequence[str] = ()) -> None:
    """Show a pandas frame as a table with its caption; floats are rounded to `digits` decimals.

    Args:
        best: columns whose cells begin with a number, the largest of which is set in bold.
    """
    shown = frame.copy()
    for column in shown.select_dtypes("float"):
        shown[column] = [("–" if value != value else f"{value:.{digits}f}") for value in shown[column]]
    shown = shown.fillna("–").astype(str)
    for column in best:
        first = shown[column].str.extract(r"^([-\d.]+)", expand=False).astype(float)
        bold = shown[column].str.replace(r"^([-\d.]+)", r"**\1**", regex=True)
        shown[column] = shown[column].where(first != first.max(), bold)
    shown = shown.rename(columns=lambda name: name.replace("_", " ") if str(name).isidentifier() else str(name))
    align = ["right" if frame.dtypes.iloc[i].kind in "fiu" else "left" for i in range(len(frame.columns))]
    cells = shown.map(lambda value: value.replace("|", "\\|").replace("\n", " "))
    bundle = {
        "text/html": re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", shown.to_html(index=False, border=0, escape=True)),
        "text/markdown": cells.to_markdown(index=False, colalign=align, disable_numparse=True),
        "text/plain": shown.to_string(index=False),
    }
    display(bundle, raw=True, metadata={"vg": {"kind": "table", "name": name, "caption": caption}})
    _caption(caption)


def text(*paragraphs: str) -> None:
    """Show computed Markdown, which the report takes over as it is; empty paragraphs are left out."""
    markdown = "\n\n".join(filter(None, paragraphs))
    if markdown:
        display({"text/markdown": markdown, "text/plain": markdown}, raw=True, metadata={"vg": {"kind": "text"}})


def source(*parts: Any) -> None:
    """Show the code of functions or classes."""
    text(*(f"```python\n{inspect.getsource(part)}```" for part in parts))


def _caption(caption: str) -> None:
    bundle = {"text/markdown": f"<small>{html.escape(caption, quote=False)}</small>", "text/plain": caption}
    display(bundle, raw=True, metadata={"vg": {"kind": "caption"}})


def picture_name(stem: str) -> str:
    """Return what a picture's file name says: "vincent-van-gogh_the-night-cafe-1888" → "the night cafe 1888".

    The recipe at the end of a demo painting's name ("-v5-42-640") says nothing to a reader.
    """
    return re.sub(r"-v\d+-\d+-\d+$", "", stem.removeprefix("vincent-van-gogh_")).replace("-", " ")
