"""Figures of the third answer: what it costs and saves, and the training paintings that look most alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .look import NEUTRAL, artist_name, canvas, empty_figure, finish, name_of, percent, style_of, styled
from .pictures import as_array, grid

ROLES = {"test": "test painting", "van_gogh": "nearest Van Goghs", "other": "nearest others"}


@styled
def plot_risk(
    curves: Mapping[str, pd.DataFrame], margins: Mapping[str, float], error_rate: float, title: str | None = None
) -> Figure:
    """Return the share of wrong answers against the share of paintings that get one; a dot at each margin.

    Args:
        curves: by classifier, columns margin, answered, wrong; the surest answers first.
        margins: by classifier, chosen on validation; one that answers nothing has no dot.
        error_rate: the highest share of wrong answers that is allowed.
    """
    if not any(map(len, curves.values())):
        return empty_figure("answers")
    figure, axes = canvas(2.9)
    points = []
    for name, curve in curves.items():
        style = style_of(name, list(curves))
        axes.plot(curve["answered"], curve["wrong"], color=style["color"], ls=style["linestyle"], label=name_of(name))
        given = curve[curve["margin"] >= margins[name]]
        if len(given) and np.isfinite(margins[name]):
            answered, wrong = given.iloc[-1][["answered", "wrong"]]
            axes.plot(answered, wrong, style["marker"], color=style["color"], ms=6, mec="black", mew=0.6)
            points.append(f"{name_of(name)} answers {percent(answered)}, {percent(wrong)} of them wrongly")
    axes.axhline(error_rate, color=NEUTRAL, lw=0.8, ls=":", label="allowed")
    axes.set(xlabel="share of the test paintings that get an answer", ylabel="share of wrong answers", xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    return finish(figure, title, "; ".join(points) or "No margin is safe", legend=axes)


@styled
def plot_neighbors(shown: pd.DataFrame, images: Sequence[Any], title: str | None = None) -> Figure:
    """Return a row for each test painting, with the training paintings of nearest texture beside it.

    Args:
        shown: columns kind, role ("test", "van_gogh" or "other") and artist; rows of one kind stand together.
        images: one for each row.
    """
    if shown.empty:
        return empty_figure("answers")
    frame = shown.assign(picture=[as_array(image) for image in images])
    most = {role: int(frame[frame["role"] == role].groupby("kind").size().max()) for role in ROLES}
    rows, titles, kinds = [], [], list(frame["kind"].unique())
    for kind in kinds:
        cells, names = [], []
        for role, count in most.items():
            part = frame[(frame["kind"] == kind) & (frame["role"] == role)]
            cells += [*part["picture"], *[None] * (count - len(part))]
            names += [*part["artist"].map(artist_name), *[""] * (count - len(part))]
        rows.append(cells)
        titles.append(names)
    heads = [text if place == 0 else "" for role, text in ROLES.items() for place in range(most[role])]
    starts = np.cumsum(list(most.values()))[:-1]
    gaps = {int(start): 0.12 for start in starts}
    labels = [kind.replace("_", " ") for kind in kinds]
    return grid(rows, titles, labels, heads, title=title, gaps=gaps)
