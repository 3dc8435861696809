"""The page of a study: one file that works without a network and holds everything, pictures too.

Convention: where people look for the Van Gogh, all pictures are central squares of the same size and quality, so that
neither shape nor sharpness nor traces of compression give a real painting away. Where they compare with a photo, all
pictures are whole and have the same longer side. Page, script and style sheet lie beside this module.
"""

import base64
import io
import json
from pathlib import Path

from PIL import Image, ImageOps

from ..files import write_text
from ..images import open_image
from .questions import KINDS, SHAPES, Study

SIDE = 384  # pixels of the longer side
QUALITY = 88
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
HERE = Path(__file__).parent
HEAD = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which of these is by Van Gogh?</title>
"""


def write_page(path: Path, study: Study, side: int = SIDE) -> None:
    """Write the page; a picture that is smaller than `side` makes all in its kind of question as small as that one.

    Raises:
        ImageError: if a picture cannot be read.
    """
    content = {
        "study": study.content,
        "kinds": KINDS,
        "questions": study.questions.to_dict("records"),
        "pictures": {kind: _pictures(study, kind, side) for kind in KINDS},
    }
    style, body, script = (HERE.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "html", "js"))
    data = json.dumps(content).replace("<", "\\u003c")
    parts = [
        f"{HEAD}<style>{style}</style>\n</head>\n<body>\n{body}",
        f'<script id="study" type="application/json">{data}</script>',
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    write_text(path, "\n".join(parts))


def _pictures(study: Study, kind: str, side: int) -> dict[str, str]:
    """Return the pictures in questions of a kind by id, in the shape that this kind asks for."""
    rows = study.questions[study.questions["kind"] == kind]
    chosen = study.pictures[study.pictures["id"].isin(rows[["first", "second", "photo"]].to_numpy().flat)]
    pictures = [open_image(file, at_least=2 * side) for file in chosen["file"]]
    longest, resized = (min, ImageOps.fit) if SHAPES[kind] == "square" else (max, ImageOps.contain)
    side = min([side, *(longest(picture.size) for picture in pictures)])
    scaled = [resized(picture, (side, side), Image.Resampling.LANCZOS) for picture in pictures]
    return dict(zip(chosen["id"], map(_embedded, scaled), strict=True))


def _embedded(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
