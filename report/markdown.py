"""One executed notebook → Markdown, its pictures beside it.

Convention: code stays out unless its cell is tagged `show-input`; a cell tagged `notebook-only` stays out whole; of
the outputs, those made by `vg_helpers.show` and displayed Markdown come in. Notebooks are plain dictionaries.
"""

import base64
import hashlib
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

FENCED = re.compile(r"(?ms)^( {0,3}```+[^\n]*\n.*?^ {0,3}```+ *$)")
PICTURE = re.compile(r"!\[((?:[^\]\\]|\\.)*)\]\(<?([^)>]+)>?\)")
LARGE, LARGE_PHOTO, LONGEST = 150_000, 20_000, 512


class ReportError(ValueError):
    """The report cannot be built; the message says why and what to do."""


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook file's content, each text in one piece (files hold lists of lines)."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            output["data"] = {kind: "".join(text) if isinstance(text, list) else text for kind, text in data.items()}
    return notebook


def to_markdown_all(notebooks: list[tuple[Any, str, Path]], pictures: Path) -> dict[str, str]:
    """Return the Markdown by stage of several (notebook, stage, base), their pictures packed side by side."""
    with ThreadPoolExecutor() as pool:
        texts = pool.map(lambda job: to_markdown(job[0], job[1], pictures, job[2]), notebooks)
        return {job[1]: text for job, text in zip(notebooks, texts, strict=True)}


def to_markdown(notebook: Any, stage: str, pictures: Path, base: Path) -> str:
    """Return one executed notebook as Markdown; its pictures are written to the folder `pictures`.

    Args:
        stage: the notebook's name, which goes into the labels of its figures and tables.
        base: the folder that relative picture paths in the notebook's Markdown start from.

    Raises:
        ReportError: if a cell failed or a figure is damaged; names the notebook and the cell.
    """
    parts = []
    for number, cell in enumerate(notebook["cells"], start=1):
        tags = cell["metadata"].get("tags", [])
        if "notebook-only" in tags:
            continue
        try:
            if cell["cell_type"] == "markdown":
                parts.append(_local_pictures(cell["source"], pictures, base))
            elif cell["cell_type"] == "code":
                if "show-input" in tags:
                    parts.append(f"```python\n{cell['source']}\n```")
                parts += [_output(output, stage, pictures, base) for output in cell["outputs"]]
        except (ReportError, OSError, ValueError) as error:
            raise ReportError(f"{stage}, cell {number}: {error}; run this notebook again") from error
    return "\n\n".join(part for part in parts if part) + "\n"


def split_title(markdown: str) -> tuple[str, str]:
    """Return the text of the first `# heading` and the Markdown without it; drops what a number like `03 ` adds."""
    found = re.match(r"\s*#\s+(?:\d\d\s+)?(.+?)\s*(?:\n|$)", markdown)
    return (found[1], markdown[found.end() :]) if found else ("", markdown)


def headings(markdown: str, shift: int) -> str:
    """Return the Markdown with every heading moved `shift` levels down, listings left alone."""
    pieces = FENCED.split(markdown)
    pieces[::2] = [
        re.sub(r"(?m)^(#{1,6})(?= )", lambda m: "#" * max(1, len(m[1]) + shift), text) for text in pieces[::2]
    ]
    return "".join(pieces)


def _output(output: Any, stage: str, pictures: Path, base: Path) -> str:
    """Return one output of a code cell as Markdown, or nothing when it is for the notebook's reader only."""
    if output["output_type"] == "error":
        raise ReportError(f"the cell failed with {output['ename']}: {output['evalue']}")
    data, about = output.get("data", {}), output.get("metadata", {}).get("vg", {})
    kind = about.get("kind", "text")
    if kind == "figure":
        file = _save_picture(base64.b64decode(data["image/png"]), pictures)
        alt = _attribute(about.get("alt") or about["caption"])
        return f'::: {{.figure #fig:{stage}-{about["name"]} src={file} alt="{alt}"}}\n{about["caption"]}\n:::'
    if kind == "table":
        grid = _safe_cells(data["text/markdown"])
        return f"::: {{.table #tbl:{stage}-{about['name']}}}\n{grid}\n\n{about['caption']}\n:::"
    return _local_pictures(data.get("text/markdown", ""), pictures, base) if kind == "text" else ""


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


def _local_pictures(markdown: str, pictures: Path, base: Path) -> str:
    """Return Markdown whose pictures lie, made small, in the folder `pictures`."""

    def local(found: re.Match) -> str:
        if re.match(r"[a-z]+://", found[2]):
            raise ReportError(f"the picture {found[2]} is not a file of this machine")
        path = base / unquote(found[2])
        if not path.is_file():
            return f"*(no picture {path.name})*"
        return f"![{found[1]}]({_save_picture(path.read_bytes(), pictures, LONGEST)})"

    pieces = FENCED.split(markdown)
    pieces[::2] = [PICTURE.sub(local, text) for text in pieces[::2]]
    return "".join(pieces)


def _save_picture(content: bytes, folder: Path, longest: int = 0) -> str:
    """Return the name of the picture's file in `folder`, named by content; shrinks photographs that PNG holds badly."""
    stem = hashlib.sha256(content).hexdigest()[:16] + (f"-{longest}" if longest else "")
    for suffix in (".png", ".jpg"):
        if (folder / (stem + suffix)).exists():
            return stem + suffix
    suffix, written = _smaller(content, longest)
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
