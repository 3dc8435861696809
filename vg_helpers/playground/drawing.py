"""What the page shows of pictures and numbers: JPEG bytes, before and after in one picture, curves as SVG.

Convention: pictures are (1, 3, H, W) tensors in [0, 1], maps (1, 1, H, W); curves take the colours of the page.
"""

import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

QUALITY = 90
WIDTH, HEIGHT, LEFT, BOTTOM = 300, 92, 30, 16  # of a chart, in its own units
CAM_SHARE = 0.45  # of the heat map over the picture
THUMBNAIL = 96


def pixels_of(picture: Any, cam: Any = None) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8, with a heat map over it."""
    array = picture[0].detach().cpu().permute(1, 2, 0).float().numpy()
    if cam is not None:
        from ..plots.cams import jet  # it loads matplotlib's colours

        array = (1 - CAM_SHARE) * array + CAM_SHARE * jet(cam.cpu().numpy(), array.shape[:2])
    return (255 * array.clip(0, 1)).round().astype(np.uint8)


def compared(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """Return a picture whose left `share` is the photo and the rest the painting, with a line between them."""
    edge = round(share * after.shape[1])
    joined = np.concatenate([before[:, :edge], after[:, edge:]], axis=1)
    if 0 < edge < after.shape[1]:
        joined[:, max(0, edge - 1) : edge + 1] = 255
    return joined


def jpeg(array: np.ndarray, longest: int | None = None) -> bytes:
    """Return pixels (H, W, 3) as JPEG, at most `longest` pixels a side."""
    image, stream = Image.fromarray(array), io.BytesIO()
    if longest is not None:
        image.thumbnail((longest, longest))
    image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def ending(beliefs: Mapping[str, list[tuple[int, float]]], answers: Mapping[str, float]) -> dict[str, list[Any]]:
    """Return curves that end in the judges' answers; while a picture is painted, the judges look at its centre alone.

    >>> ending({"vgg19": [(10, 0.2), (20, 0.6)]}, {"vgg19": 0.5})
    {'vgg19': [(10, 0.2), (20, 0.5)]}
    """
    last = {name: (points[-1][0], answers.get(name, points[-1][1])) for name, points in beliefs.items() if points}
    return {name: [*points[:-1], last[name]] for name, points in beliefs.items() if points}


def belief_chart(beliefs: Mapping[str, Sequence[tuple[int, float]]], total: int) -> str:
    """Return P(van_gogh) of each judge over the steps, as SVG."""
    from ..plots.look import LOOKS, name_of  # here alone: it loads matplotlib, for which the page does not wait

    colours = {name: LOOKS.get(name, ("#882255", "", "-")) for name in beliefs}
    lines = [_line(points, total, 0.0, 1.0, *colours[name][::2]) for name, points in beliefs.items()]
    marks = "".join(_mark(p, text) for p, text in ((1.0, "1"), (0.5, "0.5"), (0.0, "0")))
    ends = ", ".join(f"{name_of(name)} {points[-1][1]:.2f}" for name, points in beliefs.items() if points)
    keys = "".join(
        f'<span class="vg-key"><i style="border-color:{colours[name][0]}"></i>{name_of(name)} '
        f"<b>{points[-1][1]:.2f}</b></span>"
        for name, points in beliefs.items()
        if points
    )
    return _chart("P(van_gogh)", f"P(van_gogh) after step {_last(beliefs.values())}: {ends}", marks, lines, keys)


def loss_chart(losses: Sequence[tuple[int, float]], total: int) -> str:
    """Return the loss over the steps on a logarithmic axis, as SVG."""
    logs = [(step, float(np.log10(max(loss, 1e-12)))) for step, loss in losses]
    low, high = min(y for _, y in logs), max(y for _, y in logs)
    high = max(high, low + 0.1)
    marks = _mark(1.0, f"{10**high:.2g}") + _mark(0.0, f"{10**low:.2g}")
    line = _line(logs, total, low, high, "currentColor", "-")
    last = f"<b>{losses[-1][1]:.2f}</b>"
    return _chart("loss", f"loss after step {losses[-1][0]}: {losses[-1][1]:.2f}", marks, [line], last)


def _last(curves: Any) -> int:
    return max((points[-1][0] for points in curves if points), default=0)


def _chart(title: str, alt: str, marks: str, lines: Sequence[str], keys: str) -> str:
    box = f"0 0 {WIDTH} {HEIGHT}"
    return (
        f'<figure class="vg-chart"><figcaption>{html.escape(title)} {keys}</figcaption>'
        f'<svg viewBox="{box}" role="img" aria-label="{html.escape(alt)}">{marks}{"".join(lines)}</svg></figure>'
    )


def _line(points: Sequence[tuple[int, float]], total: int, low: float, high: float, colour: str, dash: str) -> str:
    places = " ".join(
        f"{LEFT + (WIDTH - LEFT - 6) * step / max(1, total):.1f},{_height((y - low) / (high - low)):.1f}"
        for step, y in points
    )
    dashes = "" if dash == "-" else ' stroke-dasharray="5 3"'
    dots = "" if len(points) > 1 else f'<circle cx="{places.split(",")[0]}" cy="{places.split(",")[1]}" r="2"/>'
    return f'<g fill="{colour}"><polyline points="{places}" fill="none" stroke="{colour}"{dashes}/>{dots}</g>'


def _mark(share: float, text: str) -> str:
    y = _height(share)
    return (
        f'<line class="vg-grid" x1="{LEFT}" x2="{WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{text}</text>'
    )


def _height(share: float) -> float:
    return 8 + (HEIGHT - BOTTOM - 8) * (1 - share)
