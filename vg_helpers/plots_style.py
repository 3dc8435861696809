"""Figures of style transfer, speed and faithful maps; frames have the columns of the notebooks' files."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vg_helpers.plots_base import (
    LOOKS,
    NEUTRAL,
    OTHER,
    P_LABEL,
    PALE,
    VAN_GOGH,
    canvas,
    finish,
    fit,
    look,
    name_of,
    need,
    nothing,
    plain,
    plain_numbers,
    short,
    styled,
)


@styled
def plot_style_trials(trials: pd.DataFrame, title: str | None = None) -> Figure:
    """Return P(van_gogh) by trial with the best so far, and over the plane of the two weights.

    Args:
        trials: columns content_weight, style_weight, p_van_gogh, in the order of the trials, and trial where numbered.
    """
    need(trials, "content_weight", "style_weight", "p_van_gogh")
    trials = trials.dropna(subset=["p_van_gogh"]).reset_index(drop=True)
    if trials.empty:
        return nothing("finished trials")
    number = trials.get("trial", trials.index)
    p, alpha, beta = trials["p_van_gogh"], trials["content_weight"], trials["style_weight"]
    figure, (left, right) = canvas(2.7, 1, 2)
    left.step(number, p.cummax(), where="post", color=NEUTRAL, ls="--", lw=1, label="best so far")
    left.plot(number, p, "o", color=LOOKS["vgg19"][0], ms=5, label="trial")
    left.axhline(0.5, color=NEUTRAL, lw=0.8, ls=":", label="decision at 0.5")
    left.set(xlabel="trial", ylabel=P_LABEL, ylim=(-0.03, 1.03))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    points = right.scatter(alpha, beta, c=p, cmap="cividis", vmin=0, vmax=1, s=45, ec="black", lw=0.6)
    for x, y, name in zip(alpha, beta, number, strict=True):
        right.annotate(str(name), (x, y), (7, 6), textcoords="offset points", fontsize=7)
    best = p.idxmax()
    right.plot(alpha[best], beta[best], "o", ms=11, mfc="none", mec=VAN_GOGH, mew=1.4)
    right.set(xscale="log", yscale="log", xlabel="content weight α (log scale)", ylabel="style weight β (log scale)")
    right.margins(0.15)
    plain_numbers(right.xaxis)
    plain_numbers(right.yaxis)
    figure.colorbar(points, ax=right, label=P_LABEL)
    found = f"P = {p[best]:.3f} at α = {short(alpha[best])}, β = {short(beta[best])}"
    return finish(figure, title, f"Best of {len(trials)} trials: {found}", legend=left)


@styled
def plot_judgements(scores: pd.DataFrame, title: str | None = None) -> Figure:
    """Return P(van_gogh) of each photo, untouched and stylised, by both classifiers.

    Args:
        scores: columns content, extractor ("vgg19", "alexnet"; else the untouched photo), p_vgg19, p_alexnet.
    """
    need(scores, "content", "extractor", "p_vgg19", "p_alexnet")
    if scores.empty:
        return nothing("judged images")
    scores = scores.assign(kind=scores["extractor"].where(scores["extractor"].isin(list(LOOKS)), "untouched photo"))
    order = list(
        scores.assign(p=scores["p_vgg19"] + scores["p_alexnet"]).groupby("content")["p"].mean().sort_values().index
    )
    figure, panels = canvas(1.2 + 0.17 * len(order), 1, 2, sharey=True)
    for axes, judge in zip(panels, ("vgg19", "alexnet"), strict=True):
        for kind in sorted(scores["kind"].unique(), key=["untouched photo", *LOOKS].index):
            own, style = scores[scores["kind"] == kind], {"color": NEUTRAL, "marker": "x"}
            style = {**(look(kind) if kind in LOOKS else style), "linestyle": "none", "ms": 5, "alpha": 0.85}
            label = f"{name_of(kind)} features" if kind in LOOKS else kind
            axes.plot(own[f"p_{judge}"], [order.index(name) for name in own["content"]], **style, label=label)
        axes.axvline(0.5, color="black", lw=0.8, ls="--")
        axes.set(xlabel=f"{P_LABEL} by {name_of(judge)}", xlim=(-0.04, 1.04), ylabel="photo")
        axes.label_outer(remove_inner_ticks=False)
    panels[0].set_yticks(range(len(order)), [fit(name, 1.4, lines=1) for name in order])
    panels[0].set_ylim(-0.6, len(order) - 0.4)
    made = scores[scores["kind"] != "untouched photo"]
    both = int(((made["p_vgg19"] >= 0.5) & (made["p_alexnet"] >= 0.5)).sum())
    finding = f"{both} of {len(made)} stylised photos are a Van Gogh to both classifiers"
    return finish(figure, title, finding, legend=panels[0])


@styled
def plot_agreement(counts: Any, title: str | None = None) -> Figure:
    """Return how many stylised photos convince both classifiers, only one, or neither.

    Args:
        counts: one row per extractor with the columns both, only one (or one), neither: a frame or a dict of dicts.
    """
    frame = counts if isinstance(counts, pd.DataFrame) else pd.DataFrame.from_dict(counts, orient="index")
    if frame.empty:
        return nothing("stylised images")
    frame = frame.set_index("extractor") if "extractor" in frame else frame
    frame = frame.rename(columns={"one": "only one", "only_one": "only one"})
    need(frame, "both", "only one", "neither")
    figure, axes = canvas(0.9 + 0.32 * len(frame))
    start, rows = np.zeros(len(frame)), range(len(frame))
    for column, colour, ink in (
        ("both", VAN_GOGH, "white"),
        ("only one", "#DDCC77", "black"),
        ("neither", "white", "black"),
    ):
        style = {"left": start, "edgecolor": NEUTRAL, "label": column, "hatch": "///" if column == "neither" else ""}
        bars = axes.barh(rows, frame[column], color=colour, **style)
        box = {"facecolor": colour, "edgecolor": "none", "pad": 2}
        axes.bar_label(bars, [str(n) if n else "" for n in frame[column]], label_type="center", color=ink, bbox=box)
        start = start + frame[column].to_numpy()
    axes.set_yticks(rows, [f"{name_of(name)} features" if name in LOOKS else plain(name) for name in frame.index])
    axes.set(xlabel="stylised photos", ylabel="made with")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", title="a Van Gogh to")
    found = [
        f"{n} of {total:.0f} with {name_of(k)} features"
        for k, n, total in zip(frame.index, frame["both"], start, strict=True)
    ]
    return finish(figure, title, f"Both classifiers are convinced: {', '.join(found)}")


@styled
def plot_timings(timings: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the seconds of every timed mini-batch and their median, by device.

    Args:
        timings: columns device and seconds, one row per repeat, and setting where a device was timed in several.
    """
    need(timings, "device", "seconds")
    if timings.empty:
        return nothing("timings")
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
    axes.set_yticks(range(len(groups)), [fit(key, 1.7) for key in groups])
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
    need(frame, "engine", "seconds_per_step")
    if frame.empty:
        return nothing("speed measurements")
    engines, by_size = list(frame["engine"].unique()), "size" in frame and frame["size"].nunique() > 1
    reference = frame["seconds_per_step"][frame["engine"] == engines[0]].iloc[-1]
    factor = reference / frame["seconds_per_step"][frame["engine"] == engines[-1]].iloc[-1]
    finding = (
        f"{engines[-1]}: {factor:.1f} times as fast as {engines[0]}" if len(engines) > 1 else f"Speed of {engines[0]}"
    )
    if by_size:
        figure, axes = canvas(2.8)
        for engine in engines:
            own, style = frame[frame["engine"] == engine].sort_values("size"), look(engine, engines)
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
    axes.set_yticks(range(len(frame)), [fit(engine, 2) for engine in frame["engine"]])
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
    need(curve, "engine", "seconds", "loss")
    if curve.empty:
        return nothing("losses over time")
    engines = list(curve["engine"].unique())
    end = curve[curve["engine"] == engines[0]].iloc[-1]
    figure, axes = canvas(2.8)
    for engine in engines:
        own = curve[curve["engine"] == engine]
        axes.plot(own["seconds"], own["loss"], **look(engine, engines), label=plain(engine))
    axes.axhline(end["loss"], color=NEUTRAL, lw=0.8, ls=":")
    axes.set(xlabel="seconds (log scale)", ylabel="loss (log scale)", xscale="log", yscale="log")
    finding = f"After {short(end['seconds'])} s {engines[0]} is at {short(end['loss'])}"
    return finish(figure, title, finding, legend=axes)


@styled
def plot_faithfulness(frame: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the deletion and insertion curves of each map with their intervals.

    Args:
        frame: columns curve ("deletion", "insertion"), method, fraction (of the image), p, and low, high where known.
    """
    need(frame, "curve", "method", "fraction", "p")
    if frame.empty:
        return nothing("faithfulness curves")
    curves, methods, found = list(frame["curve"].unique()), list(frame["method"].unique()), []
    figure, panels = canvas(2.7, 1, len(curves), squeeze=False, sharey=True)
    for axes, curve in zip(panels[0], curves, strict=True):
        areas = {}
        for method in methods:
            own = frame[(frame["curve"] == curve) & (frame["method"] == method)].sort_values("fraction")
            style = {**look(method, methods), "markevery": max(1, len(own) // 6)}
            axes.plot(own["fraction"], own["p"], **style, label=name_of(method))
            if {"low", "high"} <= set(own):
                axes.fill_between(own["fraction"], own["low"], own["high"], color=style["color"], alpha=0.15, lw=0)
            areas[method] = np.trapezoid(own["p"], own["fraction"])
        done = {"deletion": "blurred", "insertion": "shown"}.get(curve, "changed")
        axes.set(xlabel=f"share of the image {done}, highest first", ylabel=f"mean {P_LABEL}", title=plain(curve))
        axes.label_outer(remove_inner_ticks=False)
        found.append(f"{curve} " + ", ".join(f"{name_of(method)} {area:.2f}" for method, area in areas.items()))
    return finish(figure, title, f"Area under the curve: {'; '.join(found)}", legend=panels[0][0])
