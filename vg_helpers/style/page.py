"""A folder of paintings to look at: a contact sheet, and a web page that compares each with its photo.

Convention: the page needs no network and no other file; the pictures in it are small copies, which lead to the whole
ones beside it.
"""

import base64
import html
import io
import math
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..files import fingerprint, printable, write_text
from ..images import open_image
from .batch import GENERATOR, PAGE, SHEET, Job
from .output import SOFTWARE, save_pil_jpeg

CELL, LABEL, GAP = 160, 22, 8  # pixels: the side of a picture on the sheet, the line below it, the space between
MANY = 100  # pictures; with more of them the copies in the page are smaller
SIDE, SIDE_MANY = 640, 400  # pixels of the longer side of the copies
QUALITY = 82

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 80rem; margin: 0 auto; padding: 1rem; background: Canvas; color: CanvasText; }
main { display: grid; gap: 2rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); }
figure { margin: 0; }
.both { position: relative; overflow: hidden; border-radius: 6px; }
.both img { display: block; width: 100%; height: auto; }
.both .photo { position: absolute; inset: 0; height: 100%; clip-path: inset(0 calc(100% - var(--cut, 50%)) 0 0); }
.both::after { content: ""; position: absolute; inset: 0 auto 0 var(--cut, 50%); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 3px #000; pointer-events: none; }
input { width: 100%; margin: .5rem 0 0; accent-color: #2f6db5; }
input:focus-visible, a:focus-visible { outline: 3px solid #2f6db5; outline-offset: 2px; }
figcaption { overflow-wrap: anywhere; }
a { color: LinkText; }
"""
SCRIPT = """
for (const slider of document.querySelectorAll("input")) {
  const both = slider.parentElement.querySelector(".both");
  const show = () => {
    both.style.setProperty("--cut", slider.value + "%");
    slider.setAttribute("aria-valuetext", slider.value + " % photo");
  };
  const follow = (event) => {
    const box = both.getBoundingClientRect();
    slider.value = Math.round(100 * (event.clientX - box.left) / box.width);
    show();
  };
  slider.addEventListener("input", show);
  both.addEventListener("pointerdown", (event) => { both.setPointerCapture(event.pointerId); follow(event); });
  both.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  show();
}
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_sheet(folder: Path, jobs: Sequence[Job]) -> Path:
    """Write the contact sheet: each photo and its painting, in rows that make the sheet about as wide as high."""
    cell = CELL if len(jobs) <= 400 else CELL // 2
    width, height = 2 * cell + GAP, cell + LABEL
    columns = max(1, round(math.sqrt(len(jobs) * height / width)))
    rows = math.ceil(len(jobs) / columns)
    sheet = Image.new("RGB", (columns * (width + 3 * GAP) + GAP, rows * (height + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, job in enumerate(jobs):
        left = GAP + number % columns * (width + 3 * GAP)
        top = GAP + number // columns * (height + GAP)
        for place, path in ((left, job.photo), (left + cell + GAP, job.file)):
            picture = ImageOps.contain(_small(path, cell), (cell, cell))
            sheet.paste(picture, (place + (cell - picture.width) // 2, top + (cell - picture.height) // 2))
        draw.text((left, top + cell + 3), _fitting(job.file.stem, font, width), fill="black", font=font)
    file = folder / SHEET
    about = {"Software": SOFTWARE, "Key": fingerprint([job.file.name for job in jobs])}
    save_pil_jpeg(file, sheet, about, quality=QUALITY)
    return file


def write_page(folder: Path, jobs: Sequence[Job]) -> Path:
    """Write the web page: for each painting a slider from the photo to it."""
    side = SIDE if len(jobs) <= MANY else SIDE_MANY
    figures = "\n".join(_figure(job, side) for job in jobs)
    title = f"{len(jobs)} painting{'s' * (len(jobs) != 1)}"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{GENERATOR}',
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        "<p>Move a slider, or drag over a picture, to compare photo (left) and painting (right).</p>",
        f"<main>\n{figures}\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
    ]
    write_text(folder / PAGE, "\n".join(parts))
    return folder / PAGE


def _figure(job: Job, side: int) -> str:
    """Return one painting with its photo over it and the slider between."""
    photo, style = (html.escape(printable(path.stem)) for path in (job.photo, job.style))
    painting = _small(job.file, side)
    before = _small(job.photo, side).resize(painting.size)
    return (
        f'<figure>\n<div class="both">'
        f'<img src="{_embedded(painting)}" width="{painting.width}" height="{painting.height}" '
        f'alt="{photo} in the style of {style}">'
        f'<img class="photo" src="{_embedded(before)}" alt="the photo {photo}"></div>\n'
        f'<input type="range" min="0" max="100" value="50" aria-label="Share of the photo {photo} that is shown">\n'
        f'<figcaption><a href="{quote(job.file.name.encode("utf-8", "surrogateescape"))}">{photo}</a> in the style of '
        f"{style}</figcaption>\n</figure>"
    )


def _small(path: Path, side: int) -> Image.Image:
    """Return a picture file with at most so many pixels on its longer side."""
    picture = open_image(path, at_least=2 * side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def _embedded(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _fitting(name: str, font: ImageFont.ImageFont, width: int) -> str:
    """Return a name, or its beginning and an ellipsis if it is too long for its place."""
    text = printable(name)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
