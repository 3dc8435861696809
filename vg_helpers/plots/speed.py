"""Figures of the benchmark: training steps, style-transfer steps, the race to equal quality."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .look import (
    NEUTRAL,
    OTHER,
    PALE,
    canvas,
    empty_figure,
    finish,
    plain,
    plain_numbers,
    short,
    style_of,
    styled,
    wrap,
)

BLUE, GREEN = "#56B4E9", "#029E73"


@styled
def plot_timings(timings: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the seconds of every timed mini-batch and their median, by device and setting.

    Args:
        timings: columns device, setting and seconds, one row per repeat.
    """
    if timings.empty:
        return empty_figure("timings")
    groups = {group: rows.to_numpy() for group, rows in timings.groupby(["device", "setting"], sort=False)["seconds"]}
    medians = {f"{device}, {setting}": float(np.median(s)) for (device, setting), s in groups.items()}
    colours = dict(zip(timings["device"].unique(), (OTHER, BLUE, PALE, GREEN), strict=False))
    figure, axes = canvas(0.9 + 0.34 * len(groups))
    for y, ((device, _), seconds) in enumerate(groups.items()):
        median = float(np.median(seconds))
        axes.barh(y, median, color=colours[device], edgecolor=NEUTRAL, height=0.6)
        axes.plot(seconds, y + np.linspace(-0.2, 0.2, len(seconds)), ".", color="black", ms=3, mew=0)
        place = {"textcoords": "offset points", "va": "center", "fontsize": 7.5}
        axes.annotate(f"{short(median)} s", (seconds.max(), y), (5, 0), **place)
    _name_bars(axes, list(medians))
    axes.set(xlabel="seconds per mini-batch (bar: median; points: repeats)", ylabel="device")
    axes.margins(x=0.12)
    slow, fast = max(medians, key=medians.get), min(medians, key=medians.get)
    if len(groups) == 1:
        return finish(figure, title, f"{fast}: {short(medians[fast])} s per mini-batch")
    return finish(figure, title, f"{fast} is {medians[slow] / medians[fast]:.1f} times as fast as {slow}")


@styled
def plot_speed(speeds: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the median seconds per step and image of each variant, and how many times as fast as the first it is.

    Args:
        speeds: columns variant, seconds and speed_up, one row per variant.
    """
    if speeds.empty:
        return empty_figure("speed measurements")
    figure, axes = canvas(0.8 + 0.3 * len(speeds))
    bars = axes.barh(range(len(speeds)), speeds["seconds"], color=BLUE, edgecolor=NEUTRAL, height=0.65)
    labels = [f"{short(row.seconds)} s (×{row.speed_up:.1f})" for row in speeds.itertuples()]
    axes.bar_label(bars, labels, padding=3, fontsize=7.5)
    _name_bars(axes, list(speeds["variant"]))
    axes.set(xlabel="seconds per step and image", ylabel="variant")
    axes.margins(x=0.2)
    engine = speeds.iloc[1:-1]
    best = engine.loc[engine["speed_up"].idxmax()] if len(engine) else speeds.iloc[-1]
    text = f"the engine ({best.variant}) is {best.speed_up:.1f} times as fast as the {speeds.variant.iloc[0]}"
    return finish(figure, title, text)


@styled
def plot_quality(curve: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the loss of each variant over the seconds spent, and the loss that the first one ends with.

    Args:
        curve: columns variant, seconds, loss (all judged alike).
    """
    if curve.empty:
        return empty_figure("losses over time")
    variants = list(curve["variant"].unique())
    end = curve[curve["variant"] == variants[0]].iloc[-1]
    figure, axes = canvas(2.8)
    for variant in variants:
        rows = curve[curve["variant"] == variant]
        axes.plot(rows["seconds"], rows["loss"], **style_of(variant, variants), label=plain(variant))
    axes.axhline(end["loss"], color=NEUTRAL, lw=0.8, ls=":")
    axes.set(xlabel="seconds (log scale)", ylabel="loss (log scale)", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis)
    text = f"After {short(end['seconds'])} s the {variants[0]} has a loss of {short(end['loss'])}"
    return finish(figure, title, text, legend=axes)


def _name_bars(axes: Any, names: list[str]) -> None:
    """Name horizontal bars, the first one on top."""
    axes.set_yticks(range(len(names)), [wrap(name, 2) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
