"""Small notebooks as files, for the tests of the report."""

import base64
import json
from pathlib import Path

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PARAMETERS = 'build_dir: str = ""\nseed: int = 42\nnum_rows: int = 3\nlr: float = 0.1\nstorage: str = ""'
WORK = """from pathlib import Path
from vg_helpers.files import write_json, write_text
from vg_helpers.stage import open_stage
stage = open_stage(build_dir, "{stage}", globals())
text = stage.read({read}).read_text() if [{read}] else ""
write_text(stage.path("rows.txt"), text + str(num_rows // {divisor}))
write_text(stage.state / "kept" / "work.txt", "x")
stage.finish(device="cpu")"""


def cell(source, tags=(), kind="code", outputs=()):
    made = {
        "cell_type": kind,
        "id": f"c{abs(hash(source)) % 10**8}",
        "metadata": {"tags": list(tags)},
        "source": source,
    }
    return made | ({"execution_count": None, "outputs": list(outputs)} if kind == "code" else {})


def shown(kind, **about):
    """Return an output as `vg_helpers.show` makes it."""
    data = {"image/png": base64.b64encode(PIXEL).decode()} if kind == "figure" else {}
    data |= {"text/markdown": about.pop("text")} if "text" in about else {}
    return {"output_type": "display_data", "data": data, "metadata": {"vg": {"kind": kind, **about}}}


def write_notebook(path: Path, cells) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_stage(folder: Path, stage, read=(), divisor=1, prose="Words.") -> Path:
    """Write a notebook that writes rows.txt: what it read from another stage, and a number."""
    cells = [
        cell(f"# {stage[:2]} Title\n\n{prose}\n\n**Reads** nothing.", kind="markdown"),
        cell(PARAMETERS, ["parameters"]),
        cell("## Work", kind="markdown"),
        cell(WORK.format(stage=stage, read=", ".join(map(repr, read)), divisor=divisor)),
    ]
    return write_notebook(folder / f"{stage}.ipynb", cells)
