"""Executed notebooks → Markdown, their pictures beside it.

Convention: code stays out unless its cell is tagged `show-input`; a cell tagged `notebook-only` stays out whole. Of the
outputs come in: what `vg_helpers.show` made, displayed Markdown, formulas and pictures, and printed text under code
that is shown. A cell that `assemble` took from one of several notebooks carries {"report": {"stage", "number", "base",
"shift"}} in its metadata.
"""

import base64
import hashlib
import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat

from vg_helpers.files import MALFORMED, UNREADABLE

FENCED = re.compile(r"(?ms)^( {0,3}```+[^\n]*\n.*?^ {0,3}```+ *$)")
ALT = r"!\[((?:[^\]\\]|\\.)*)\]"
PICTURE = re.compile(ALT + r"\((?:<([^>]*)>|((?:[^()\"]|\([^()]*\))+?))(?:\s+\"[^\"]*\")?\)(\{[^}]*\})?")
HTML_PICTURE = re.compile(r"(?i)<img\b[^>]*>")
ANSI = r"\x1b\[[0-9;]*[A-Za-z]"  # colours of a terminal
UNPRINTABLE = "[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]"  # PDF and HTML have no such characters; \n and \t stay
LARGE, LARGE_PHOTO = 150_000, 20_000  # bytes from which on a PNG may become a JPEG
SMALL, LONGEST = 512, 1600  # pixels of the longer side, with a given size on the page and without
log = logging.getLogger("report")


class ReportError(ValueError):
    """The report cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Origin:
    """Where a cell comes from, and by how many levels its headings move."""

    stage: str
    number: int
    base: Path
    shift: int = 0


def read_notebook(path: Path) -> Any:
    """Return a notebook file's content, each text in one piece (files hold lists of lines).

    Raises:
        ReportError: if it is no notebook, for example after a merge with conflicts; names the file.
    """
    try:
        return nbformat.read(path, as_version=4)
    except (*MALFORMED, nbformat.ValidationError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ReportError(f"{path} cannot be read as a notebook ({reason}); restore it or remove it") from error


def to_markdown(notebook: Any, stage: str, pictures: Path, base: Path) -> str:
    """Return an executed notebook as Markdown; see `to_parts`."""
    return "\n\n".join(text for _, text in to_parts(notebook, stage, pictures, base)) + "\n"


def to_parts(notebook: Any, stage: str, pictures: Path, base: Path) -> list[tuple[Origin, str]]:
    """Return the Markdown of each cell that has any, with where it comes from; pictures go to the folder `pictures`.

    Args:
        stage: the notebook's name, which goes into the labels of its figures and tables.
        base: the folder that relative picture paths in the notebook's Markdown start from.

    Raises:
        ReportError: if a cell failed or a figure is damaged; names the notebook and the cell.
    """

    def convert(number: int, cell: Any) -> tuple[Origin, str]:
        about = cell["metadata"].get("report", {"stage": stage, "number": number, "base": base})
        origin = Origin(**about | {"base": Path(about["base"])})
        return origin, re.sub(UNPRINTABLE, "\ufffd", re.sub(ANSI, "", _cell(cell, origin, pictures)))

    with ThreadPoolExecutor() as pool:
        parts = pool.map(convert, range(1, len(notebook["cells"]) + 1), notebook["cells"])
        return [(origin, text) for origin, text in parts if text]


def _cell(cell: Any, origin: Origin, pictures: Path) -> str:
    tags, parts = cell["metadata"].get("tags", []), []
    if "notebook-only" in tags:
        return ""
    try:
        if cell["cell_type"] == "markdown":
            parts.append(_local_pictures(cell["source"], pictures, origin, cell.get("attachments", {})))
        elif cell["cell_type"] == "code":
            shown = "show-input" in tags
            parts += [f"```python\n{cell['source']}\n```"] if shown else []
            parts += [_output(output, pictures, origin, shown) for output in cell["outputs"]]
    except UNREADABLE as error:
        raise ReportError(f"{origin.stage}, cell {origin.number}: {error}; run this notebook again") from error
    return headings("\n\n".join(part for part in parts if part), origin.shift)


def split_title(markdown: str) -> tuple[str, str]:
    """Return the text of the first `# heading` and the Markdown without it; drops what a number like `03 ` adds."""
    match = re.match(r"\s*#\s+(?:\d\d\s+)?(.+?)\s*(?:\n|$)", markdown)
    return (match[1], markdown[match.end() :]) if match else ("", markdown)


def headings(markdown: str, shift: int) -> str:
    """Return the Markdown with every heading moved `shift` levels down, listings left alone."""
    pieces = FENCED.split(markdown)
    pieces[::2] = [
        re.sub(r"(?m)^(#{1,6})(?= )", lambda m: "#" * min(6, max(1, len(m[1]) + shift)), text) for text in pieces[::2]
    ]
    return "".join(pieces)


def _output(output: Any, pictures: Path, origin: Origin, with_text: bool) -> str:
    """Return one output of a code cell as Markdown, or nothing when it is for the notebook's reader only."""
    if output["output_type"] == "error":
        raise ReportError(f"the cell failed with {output['ename']}: {output['evalue']}")
    data, about = output.get("data", {}), output.get("metadata", {}).get("vg", {})
    kind = about.get("kind", "text")
    if kind == "figure":
        file = _save_picture(base64.b64decode(data["image/png"]), pictures)
        alt = _attribute(about.get("alt") or about["caption"])
        return f'::: {{.figure #fig:{origin.stage}-{about["name"]} src={file} alt="{alt}"}}\n{about["caption"]}\n:::'
    if kind == "table":
        grid = _safe_cells(data["text/markdown"])
        return f"::: {{.table #tbl:{origin.stage}-{about['name']}}}\n{grid}\n\n{about['caption']}\n:::"
    return _plain_output(output, pictures, origin, with_text) if kind == "text" else ""


def _plain_output(output: Any, pictures: Path, origin: Origin, with_text: bool) -> str:
    """Return what a cell shows without `vg_helpers.show`: Markdown, a formula, a picture; text under shown code."""
    data = output.get("data", {})
    for kind in ("text/markdown", "text/latex"):
        if kind in data:
            return _local_pictures(data[kind], pictures, origin, {})
    for kind in ("image/svg+xml", "image/png", "image/jpeg"):
        if kind in data:
            content = data[kind].encode() if "svg" in kind else base64.b64decode(data[kind])
            alt = output["metadata"].get(kind, {}).get("alt") or f"Picture of {origin.stage}, cell {origin.number}"
            return f"![{alt}]({_save_picture(content, pictures)})"
    text = output.get("text", "") if output.get("name") == "stdout" else data.get("text/plain", "")
    return f"```\n{text.rstrip()}\n```" if with_text and text.strip() else ""


def _attribute(text: str) -> str:
    """Return text as the value of a Markdown attribute, without marks and references, which would be read out."""
    text = re.sub(r"\s+", " ", re.sub(r"\*\*|`|\s*\[@[^\]]*\]", "", text))
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _safe_cells(table: str) -> str:
    """Return a pipe table whose cells may hold any file name; a cell that is all formula or code stays."""

    def safe(cell: str) -> str:
        if re.fullmatch(r"\s*(\$[^$]+\$|`[^`]*`)\s*", cell):
            return cell
        return re.sub(r"[$^~@#<>]|\\(?!\|)", r"\\\g<0>", cell)

    return "\n".join("|".join(safe(cell) for cell in re.split(r"(?<!\\)\|", line)) for line in table.splitlines())


def _local_pictures(markdown: str, pictures: Path, origin: Origin, attachments: Any) -> str:
    """Return Markdown whose pictures lie, made small, in the folder `pictures`; pictures on the web become links."""

    def local(match: re.Match) -> str:
        alt, target, size = match[1], match[2] or match[3], match[4] or ""
        if re.match(r"(?i)https?://", target):
            log.warning(
                f"{origin.stage}, cell {origin.number}: the picture {target} is on the web, so the report links to it"
            )
            return f"[{alt or 'picture'}](<{target}>) (a picture on the web)"
        content = _content(target, origin.base, attachments)
        if content is None:
            return f"*(no picture {Path(unquote(target)).name})*"
        return f"![{alt}]({_save_picture(content, pictures, SMALL if size else LONGEST)}){size}"

    pieces = FENCED.split(markdown)
    pieces[::2] = [PICTURE.sub(local, HTML_PICTURE.sub(_as_markdown, text)) for text in pieces[::2]]
    return "".join(pieces)


def _content(target: str, base: Path, attachments: Any) -> bytes | None:
    """Return a picture's bytes: pasted into the cell, written into the address, or a file's; None if there is none."""
    if target.startswith("attachment:"):
        bundle = attachments.get(unquote(target.removeprefix("attachment:")), {})
        return next((base64.b64decode(data) for kind, data in bundle.items() if kind.startswith("image/")), None)
    if target.startswith("data:image/") and ";base64," in target:
        return base64.b64decode(target.partition(";base64,")[2])
    path = base / unquote(target, errors="surrogateescape")
    return path.read_bytes() if path.is_file() else None


def _as_markdown(match: re.Match) -> str:
    """Return an HTML picture, as JupyterLab writes one that was made smaller by hand, as Markdown."""
    values = dict(re.findall(r"(?i)\b(src|alt)\s*=\s*[\"']([^\"']*)", match[0]))
    return f"![{values.get('alt', '')}](<{values.get('src', '')}>)"


def _save_picture(content: bytes, folder: Path, longest: int = 0) -> str:
    """Return the name of the picture's file in `folder`, named by content; shrinks photographs that PNG holds badly."""
    stem = hashlib.sha256(content).hexdigest()[:16] + (f"-{longest}" if longest else "")
    for suffix in (".png", ".jpg", ".svg"):
        if (folder / (stem + suffix)).exists():
            return stem + suffix
    suffix, written = (".svg", content) if b"<svg" in content[:1000] else _smaller(content, longest)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (stem + ".part")
    part.write_bytes(written)
    part.replace(folder / (stem + suffix))
    return stem + suffix


def _smaller(content: bytes, longest: int) -> tuple[str, bytes]:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as image:
        packing, shrink = image.format, bool(longest) and max(image.size) > longest
        if packing == "PNG" and len(content) < (LARGE_PHOTO if longest else LARGE) and not shrink:
            return ".png", content
        if longest:
            image.draft("RGB", (2 * longest, 2 * longest))
            image = ImageOps.exif_transpose(image)
        dpi = tuple(float(value) for value in image.info.get("dpi", (200, 200)))
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A") if "A" in image.getbands() else None)
    if longest:
        flat.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    flat.save(packed, format="JPEG", quality=82, subsampling="4:2:0", dpi=dpi)
    keep = packing == "PNG" and not shrink and packed.tell() > 0.7 * len(content)
    return (".png", content) if keep else (".jpg", packed.getvalue())
