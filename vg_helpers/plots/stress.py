"""Figures of what makes the answers worse: painters never seen, poor photographs, few paintings to learn from."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .look import (
    NEUTRAL,
    VAN_GOGH,
    artist_name,
    canvas,
    counted,
    empty_figure,
    finish,
    name_of,
    percent,
    style_of,
    styled,
    wrap,
)

SEEN = {"color": NEUTRAL, "marker": "o", "markerfacecolor": "white"}
UNSEEN = {"color": VAN_GOGH, "marker": "o"}


@styled
def plot_painters_left_out(rates: pd.DataFrame, top: int = 15, title: str | None = None) -> Figure:
    """Return the share of each painter's works taken for Van Goghs, by machines that learned from others and from none.

    Args:
        rates: one row per painter, his name as index, with the columns paintings, seen, unseen; the last two are
            Estimates.
        top: this many painters, the first ones.
    """
    if rates.empty:
        return empty_figure("painters left out")
    rates = rates[:top]
    figure, axes = canvas(1.1 + 0.26 * len(rates))
    for shift, kind, style, label in (
        (-0.13, "seen", SEEN, "painter seen in training"),
        (0.13, "unseen", UNSEEN, "painter left out"),
    ):
        _points(axes, 100 * np.array(list(rates[kind])), np.arange(len(rates)) + shift, style, label)
    names = [wrap(f"{artist_name(name)} ({n:,})", 2, lines=1) for name, n in rates["paintings"].items()]
    axes.set_yticks(range(len(rates)), names)
    axes.set(xlabel="share taken for a Van Gogh (%)", ylabel="painter (paintings)", ylim=(len(rates) - 0.5, -0.5))
    axes.set_xlim(left=min(-1, axes.get_xlim()[0]))
    axes.grid(axis="y", visible=False)
    first = rates.iloc[0]
    shares = f"{percent(first['seen'].value)} when seen, {percent(first['unseen'].value)} when left out"
    return finish(figure, title, f"{artist_name(rates.index[0])} is mistaken most often: {shares}", legend=axes)


@styled
def plot_corruptions(changes: pd.DataFrame, title: str | None = None) -> Figure:
    """Return how much each corruption changes the ROC AUC of each classifier, largest loss of the last one first.

    Args:
        changes: columns corruption, model, auc, change; the last two are Estimates. The first corruption is none at
            all and is left out.
    """
    if changes.empty:
        return empty_figure("corruptions")
    models, changes = list(changes["model"].unique()), changes[changes["corruption"] != changes["corruption"].iloc[0]]
    table = changes.pivot(index="corruption", columns="model", values="change")
    table = table.loc[sorted(table.index, key=lambda name: table.loc[name, models[-1]].value)]
    figure, axes = canvas(1.1 + 0.14 * len(models) * len(table))
    axes.axvline(0, color="black", lw=0.8)
    for place, model in enumerate(models):
        shift = 0.24 * (place - (len(models) - 1) / 2)
        _points(
            axes, np.array(list(table[model])), np.arange(len(table)) + shift, style_of(model, models), name_of(model)
        )
    for row in range(1, len(table)):
        axes.axhline(row - 0.5, color="0.88", lw=0.5)
    axes.set_yticks(range(len(table)), table.index)
    axes.set(xlabel="change in ROC AUC", ylabel="corruption", ylim=(len(table) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    worst = f"{table.index[0]} changes the ROC AUC of {name_of(models[-1])} by {table[models[-1]].iloc[0].value:+.3f}"
    return finish(figure, title, worst, legend=axes)


@styled
def plot_learning_curve(curve: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the ROC AUC over the number of paintings that a machine learns from, with 95 % intervals.

    Args:
        curve: columns paintings, value, low, high.
    """
    if curve.empty:
        return empty_figure("learning curve")
    figure, axes = canvas(2.6)
    errors = np.clip([curve["value"] - curve["low"], curve["high"] - curve["value"]], 0, None)
    axes.errorbar(curve["paintings"], curve["value"], yerr=errors, color=VAN_GOGH, marker="o", capsize=2.5)
    axes.set(xscale="log", xlabel="paintings learned from", ylabel="ROC AUC")
    axes.set_xticks(curve["paintings"], [f"{count:,}" for count in curve["paintings"]])
    axes.minorticks_off()
    first, last = curve.iloc[0], curve.iloc[-1]
    finding = f"ROC AUC {first['value']:.3f} with {counted(int(first['paintings']), 'painting')}"
    return finish(figure, title, f"{finding}, {last['value']:.3f} with {int(last['paintings']):,}")


def _points(axes: Any, estimates: np.ndarray, places: np.ndarray, style: dict[str, Any], label: str) -> None:
    """Draw Estimates (N, 3) with their intervals, side by side with others."""
    value, low, high = estimates.T
    errors = np.clip([value - low, high - value], 0, None)
    shape = {"ms": 5, "capsize": 0, "elinewidth": 1, "label": label}
    axes.errorbar(value, places, xerr=errors, **{**style, "linestyle": "none"}, **shape)
