"""Figure of what people answered; the frame is that of `study.fit.evaluate`."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .look import NEUTRAL, VAN_GOGH, canvas, empty_figure, finish, name_of, styled, wrap

KINDS = {"van_gogh": "which is by Van Gogh?", "photo": "which keeps the photo better?"}
NAMES = {
    "van_gogh": "real Van Gogh",
    "ssim": "structural similarity",
    "edges": "edge agreement",
    "perceptual": "perceptual distance",
}


@styled
def plot_people(table: pd.DataFrame, title: str | None = None) -> Figure:
    """Return, for both kinds of question, how strongly people prefer each maker and how far judges agree with people.

    Args:
        table: columns kind, result, name, value, low, high.
    """
    kinds = [kind for kind in KINDS if kind in set(table["kind"])]
    if not kinds:
        return empty_figure("answers")
    rows = [(table[(table["kind"] == kind) & (table["result"] == "strength")],
             table[(table["kind"] == kind) & (table["result"] == "agreement")]) for kind in kinds]  # fmt: skip
    heights = [max(len(part) for part in pair) + 1.5 for pair in rows]
    figure, axes = canvas(0.5 + 0.27 * sum(heights), len(kinds), 2, squeeze=False, height_ratios=heights)
    for (left, right), kind, (strengths, agreement) in zip(axes, kinds, rows, strict=True):
        _dots(left, strengths)
        left.set(xlabel="strength (log odds against the first)", ylabel="painted by", title=KINDS[kind])
        _dots(right, agreement)
        right.axvline(0.5, color=NEUTRAL, lw=0.8, ls=":")
        right.set(xlabel="agreement with people (dotted: chance)", ylabel="judge", xlim=(0, 1))
        right.xaxis.set_major_formatter(PercentFormatter(1))
    return finish(figure, title, "What people prefer, and how far the judges agree with them")


def _dots(axes, rows: pd.DataFrame) -> None:
    """Draw one dot with its interval for each row, the first one on top."""
    places = range(len(rows))
    axes.plot(rows["value"], places, "o", color=VAN_GOGH)
    axes.hlines(places, rows["low"], rows["high"], color=VAN_GOGH, lw=1.2)
    axes.set_yticks(places, [wrap(printed_name(name), 1.3) for name in rows["name"]])
    axes.set_ylim(len(rows) - 0.4, -0.6)


def printed_name(name: str) -> str:
    """Return a maker or a judge in print.

    >>> printed_name("p_forewarned_vgg19"), printed_name("ssim")
    ('forewarned VGG-19', 'structural similarity')
    """
    words = name.removeprefix("log_odds_").removeprefix("p_").split("_")
    return NAMES.get(name) or " ".join(map(name_of, words))
