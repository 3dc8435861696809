"""The page of a study: one file that works without a network and holds everything, pictures too.

Convention: all pictures are scaled to the same longer side and saved with the same quality, so that neither sharpness
nor traces of compression give a real painting away. Page, script and style sheet lie beside this module.
"""

import base64
import io
import json
from pathlib import Path

from PIL import Image

from ..files import write_text
from ..images import open_image
from .questions import KINDS, Study

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
    """Write the page; a picture that is smaller than `side` makes all of them as small as that one.

    Raises:
        ImageError: if a picture cannot be read.
    """
    pictures = [open_image(file, at_least=2 * side) for file in study.pictures["file"]]
    side = min(side, *(max(picture.size) for picture in pictures))
    named = zip(study.pictures["id"], pictures, strict=True)
    content = {
        "study": study.content,
        "kinds": KINDS,
        "questions": study.questions.to_dict("records"),
        "pictures": {name: _embedded(picture, side) for name, picture in named},
    }
    style, body, script = (HERE.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "html", "js"))
    data = json.dumps(content).replace("<", "\\u003c")
    parts = [
        f"{HEAD}<style>{style}</style>\n</head>\n<body>\n{body}",
        f'<script id="study" type="application/json">{data}</script>',
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    write_text(path, "\n".join(parts))


def _embedded(picture: Image.Image, side: int) -> str:
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
