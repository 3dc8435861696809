"""Figures of the benchmark."""

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


@styled
def plot_timings(timings: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the seconds of every timed mini-batch and their median, by device.

    Args:
        timings: columns device and seconds, one row per repeat, and setting where a device was timed in several.
    """
    if timings.empty:
        return empty_figure("timings")
    keys = timings["device"].astype(str) + (", " + timings["setting"].astype(str) if "setting" in timings else "")
    groups = {key: own.to_numpy() for key, own in timings["seconds"].groupby(keys, sort=False)}
    medians = {key: float(np.median(seconds)) for key, seconds in groups.items()}
    figure, axes = canvas(0.9 + 0.34 * len(groups))
    colours = dict(zip(timings["device"].astype(str).unique(), (OTHER, "#56B4E9", PALE, "#029E73") * 9, strict=False))
    for y, (key, seconds) in enumerate(groups.items()):
        colour = colours[timings["device"].astype(str)[keys == key].iloc[0]]
        axes.barh(y, medians[key], color=colour, edgecolor=NEUTRAL, height=0.6)
        axes.plot(seconds, y + np.linspace(-0.2, 0.2, len(seconds)), ".", color="black", ms=3, mew=0)
        end = (max(seconds.max(), medians[key]), y)
        axes.annotate(f"{short(medians[key])} s", end, (5, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_yticks(range(len(groups)), [wrap(key, 1.7) for key in groups])
    axes.set(xlabel="seconds per mini-batch (bar: median; points: repeats)", ylabel="device")
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.12)
    slow, fast = max(medians, key=medians.get), min(medians, key=medians.get)
    if len(groups) == 1:
        return finish(figure, title, f"{fast}: {short(medians[fast])} s per mini-batch")
    return finish(figure, title, f"{fast} is {medians[slow] / medians[fast]:.1f} times as fast as {slow}")


@styled
def plot_speed(frame: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the seconds per step of each engine: by image size where there are several sizes, else as bars.

    Args:
        frame: columns engine, seconds_per_step, and size (pixels), low and high where known; the first engine is the
            reference.
    """
    if frame.empty:
        return empty_figure("speed measurements")
    engines, by_size = list(frame["engine"].unique()), "size" in frame and frame["size"].nunique() > 1
    reference = frame["seconds_per_step"][frame["engine"] == engines[0]].iloc[-1]
    factor = reference / frame["seconds_per_step"][frame["engine"] == engines[-1]].iloc[-1]
    finding = (
        f"{engines[-1]}: {factor:.1f} times as fast as {engines[0]}" if len(engines) > 1 else f"Speed of {engines[0]}"
    )
    if by_size:
        figure, axes = canvas(2.8)
        for engine in engines:
            own, style = frame[frame["engine"] == engine].sort_values("size"), style_of(engine, engines)
            axes.plot(own["size"], own["seconds_per_step"], **style, label=plain(engine))
            if {"low", "high"} <= set(own):
                axes.fill_between(own["size"], own["low"], own["high"], color=style["color"], alpha=0.2, lw=0)
        axes.set(xlabel="longer side (pixels)", ylabel="seconds per step (log scale)", yscale="log")
        axes.set_xticks(sorted(frame["size"].unique()))
        plain_numbers(axes.yaxis)
        return finish(figure, title, finding, legend=axes)
    figure, axes = canvas(0.8 + 0.3 * len(frame))
    seconds = frame["seconds_per_step"].to_numpy()
    bars = axes.barh(range(len(frame)), seconds, color="#56B4E9", edgecolor=NEUTRAL, height=0.65)
    axes.bar_label(bars, [f"{short(s)} s (×{reference / s:.1f})" for s in seconds], padding=3, fontsize=7.5)
    axes.set_yticks(range(len(frame)), [wrap(engine, 2) for engine in frame["engine"]])
    axes.set(xlabel="seconds per step", ylabel="engine")
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.grid(axis="y", visible=False)
    return finish(figure, title, finding)


@styled
def plot_quality(curve: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the loss of each engine over the seconds spent, and where the first one ends.

    Args:
        curve: columns engine, seconds, loss (all judged alike); the first engine is the reference.
    """
    if curve.empty:
        return empty_figure("losses over time")
    engines = list(curve["engine"].unique())
    end = curve[curve["engine"] == engines[0]].iloc[-1]
    figure, axes = canvas(2.8)
    for engine in engines:
        own = curve[curve["engine"] == engine]
        axes.plot(own["seconds"], own["loss"], **style_of(engine, engines), label=plain(engine))
    axes.axhline(end["loss"], color=NEUTRAL, lw=0.8, ls=":")
    axes.set(xlabel="seconds (log scale)", ylabel="loss (log scale)", xscale="log", yscale="log")
    finding = f"After {short(end['seconds'])} s {engines[0]} is at {short(end['loss'])}"
    return finish(figure, title, finding, legend=axes)
