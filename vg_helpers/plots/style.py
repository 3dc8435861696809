"""Figures of style transfer; frames have the columns of the notebooks' files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .look import (
    LOOKS,
    NEUTRAL,
    P_LABEL,
    VAN_GOGH,
    WIDTH,
    canvas,
    counted,
    empty_figure,
    finish,
    name_of,
    percent,
    plain_numbers,
    short,
    style_of,
    styled,
    wrap,
)
from .pictures import as_array, grid

ODDS_LABEL = "log odds of a Van Gogh"


@styled
def plot_style_trials(trials: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the log odds by trial with the best so far, and over the plane of the two weights.

    Args:
        trials: columns content_weight, style_weight, log_odds, p_van_gogh, in the order of the trials; trial may number
            them.
    """
    trials = trials.dropna(subset=["log_odds"]).reset_index(drop=True)
    if trials.empty:
        return empty_figure("finished trials")
    number = trials.get("trial", trials.index)
    odds, alpha, beta = trials["log_odds"], trials["content_weight"], trials["style_weight"]
    figure, (left, right) = canvas(2.7, 1, 2)
    left.step(number, odds.cummax(), where="post", color=NEUTRAL, ls="--", lw=1, label="best so far")
    left.plot(number, odds, "o", color=LOOKS["vgg19"][0], ms=5, label="trial")
    left.axhline(0, color=NEUTRAL, lw=0.8, ls=":", label="decision at P = 0.5")
    left.set(xlabel="trial", ylabel=ODDS_LABEL)
    left.margins(y=0.1)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    points = right.scatter(alpha, beta, c=odds, cmap="cividis", s=45, ec="black", lw=0.6)
    for x, y, name in zip(alpha, beta, number, strict=True):
        right.annotate(str(name), (x, y), (7, 6), textcoords="offset points", fontsize=7)
    best = odds.idxmax()
    right.plot(alpha[best], beta[best], "o", ms=11, mfc="none", mec=VAN_GOGH, mew=1.4)
    right.set(xscale="log", yscale="log", xlabel="content weight α (log scale)", ylabel="style weight β (log scale)")
    right.margins(0.15)
    plain_numbers(right.xaxis)
    plain_numbers(right.yaxis)
    figure.colorbar(points, ax=right, label=ODDS_LABEL)
    value = f"log odds {odds[best]:.2f}, P = {trials.p_van_gogh[best]:.3f}"
    best_trial = f"{value} at α = {short(alpha[best])}, β = {short(beta[best])}"
    return finish(figure, title, f"Best of {len(trials)} trials: {best_trial}", legend=left)


@styled
def plot_front(
    trials: pd.DataFrame,
    chance: pd.DataFrame,
    front: pd.DataFrame,
    shown: pd.DataFrame,
    pictures: Sequence[Any],
    knee: object,
    title: str | None = None,
) -> Figure:
    """Return the front of a search in two directions, the trials of both searches, and pictures along the front.

    Args:
        trials, chance: columns log_odds and ssim, of the guided and of the random search; `chance` may be empty.
        front: the rows of `trials` that no other one beats, in order.
        shown: those rows of the front of which there is a picture, in order.
        knee: the index of the knee in `trials`.
    """
    figure = Figure(figsize=(WIDTH, 4.6 if len(shown) else 3.2), layout="constrained")
    rows = [["front"] * max(len(shown), 1), [f"picture {k}" for k in range(len(shown))]]
    panels = figure.subplot_mosaic(rows if len(shown) else rows[:1], height_ratios=[2.3, 1][: 2 if len(shown) else 1])
    axes = panels["front"]
    axes.plot(chance["log_odds"], chance["ssim"], "x", color=NEUTRAL, ms=4, label="random search")
    axes.plot(trials["log_odds"], trials["ssim"], "o", color=LOOKS["vgg19"][0], ms=4, alpha=0.7, label="guided search")
    axes.plot(front["log_odds"], front["ssim"], "-", color=VAN_GOGH, lw=1, label="front")
    ring = trials.loc[[knee]]
    axes.plot(ring["log_odds"], ring["ssim"], "o", ms=11, mfc="none", mec=VAN_GOGH, mew=1.4, ls="none", label="knee")
    axes.axvline(0, color="black", lw=0.8, ls=":")
    axes.set(xlabel="log odds of a Van Gogh, by the forewarned judge", ylabel="similarity to the photo")
    axes.margins(0.08)
    for k, (row, picture) in enumerate(zip(shown.itertuples(), pictures, strict=True), 1):
        axes.annotate(str(k), (row.log_odds, row.ssim), (5, 5), textcoords="offset points", fontsize=7.5)
        panels[f"picture {k - 1}"].imshow(as_array(picture))
        panels[f"picture {k - 1}"].set_axis_off()
        panels[f"picture {k - 1}"].set_title(f"{k}{' (knee)' if row.Index == knee else ''}", loc="center", fontsize=7.5)
    odds = f"log odds {front.log_odds.min():.1f} to {front.log_odds.max():.1f}"
    similarity = f"similarity {front.ssim.min():.2f} to {front.ssim.max():.2f}"
    computed = f"{counted(len(front), 'trial')} on the front, {odds}; {similarity}"
    return finish(figure, title, computed, legend=axes)


@styled
def plot_best(photo: Any, painting: Any, result: Any, before: float, after: float, title: str | None = None) -> Figure:
    """Return photo, painting and the best result side by side.

    Args:
        before, after: P(van_gogh) of the photo and of the result.
    """
    titles = (f"content\nP = {before:.3f}", "style", f"result\nP = {after:.3f}")
    verb = "raise" if after > before else "lower"
    change = f"The best weights {verb} P(van_gogh) from {before:.3f} to {after:.3f}"
    if f"{before:.3f}" == f"{after:.3f}":
        change = f"The best weights leave P(van_gogh) at {after:.3f}"
    return grid([[as_array(image) for image in (photo, painting, result)]], [titles], title=title or change)


@styled
def plot_judgements(scores: pd.DataFrame, title: str | None = None) -> Figure:
    """Return P(van_gogh) of each photo, untouched and repainted, by both classifiers.

    Args:
        scores: columns content, extractor ("vgg19", "alexnet"; else the untouched photo), p_vgg19, p_alexnet.
    """
    if scores.empty:
        return empty_figure("judged images")
    scores = scores.assign(kind=scores["extractor"].where(scores["extractor"].isin(list(LOOKS)), "untouched photo"))
    order = list(
        scores.assign(p=scores["p_vgg19"] + scores["p_alexnet"]).groupby("content")["p"].mean().sort_values().index
    )
    figure, panels = canvas(1.2 + 0.17 * len(order), 1, 2, sharey=True)
    for axes, judge in zip(panels, ("vgg19", "alexnet"), strict=True):
        for kind in sorted(scores["kind"].unique(), key=["untouched photo", *LOOKS].index):
            rows = scores[scores["kind"] == kind]
            style = style_of(kind) if kind in LOOKS else {"color": NEUTRAL, "marker": "x"}
            style = {**style, "linestyle": "none", "ms": 5, "alpha": 0.85}
            label = f"{name_of(kind)} features" if kind in LOOKS else kind
            axes.plot(rows[f"p_{judge}"], [order.index(name) for name in rows["content"]], **style, label=label)
        axes.axvline(0.5, color="black", lw=0.8, ls="--")
        axes.set(xlabel=f"{P_LABEL} by {name_of(judge)}", xlim=(-0.04, 1.04), ylabel="photo")
        axes.label_outer(remove_inner_ticks=False)
    panels[0].set_yticks(range(len(order)), [wrap(name, 1.4, lines=1) for name in order])
    panels[0].set_ylim(-0.6, len(order) - 0.4)
    repainted = scores[scores["kind"] != "untouched photo"]
    both = int(((repainted["p_vgg19"] >= 0.5) & (repainted["p_alexnet"] >= 0.5)).sum())
    finding = f"{both} of {len(repainted)} repainted photos are a Van Gogh to both classifiers"
    return finish(figure, title, finding, legend=panels[0])


@styled
def plot_agreement(counts: pd.DataFrame, title: str | None = None) -> Figure:
    """Return how many repainted photos convince both classifiers, only one, or neither.

    Args:
        counts: one row per extractor, its name as index, with the columns both, only one, neither.
    """
    if counts.empty:
        return empty_figure("repainted photos")
    figure, axes = canvas(0.9 + 0.32 * len(counts))
    start, rows = np.zeros(len(counts)), range(len(counts))
    for column, color, ink in (
        ("both", VAN_GOGH, "white"),
        ("only one", "#DDCC77", "black"),
        ("neither", "white", "black"),
    ):
        style = {"left": start, "edgecolor": NEUTRAL, "label": column, "hatch": "///" if column == "neither" else ""}
        bars = axes.barh(rows, counts[column], color=color, **style)
        box = {"facecolor": color, "edgecolor": "none", "pad": 2}
        axes.bar_label(bars, [str(n) if n else "" for n in counts[column]], label_type="center", color=ink, bbox=box)
        start = start + counts[column].to_numpy()
    axes.set_yticks(rows, [f"{name_of(name)} features" for name in counts.index])
    axes.set(xlabel="repainted photos", ylabel="painted with")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", title="a Van Gogh to")
    shares = [
        f"{both} of {total:.0f} with {name_of(name)} features"
        for name, both, total in zip(counts.index, counts["both"], start, strict=True)
    ]
    return finish(figure, title, f"Both classifiers are convinced: {', '.join(shares)}")


@styled
def plot_similarity(scores: pd.DataFrame, title: str | None = None) -> Figure:
    """Return structural similarity to the photo over P(van_gogh), a point per repainted photo, a panel per classifier.

    Args:
        scores: columns extractor, p_vgg19, p_alexnet, ssim; rows of untouched photos are left out.
    """
    repainted = scores[scores["extractor"].isin(list(LOOKS))]
    if repainted.empty:
        return empty_figure("repainted photos")
    figure, panels = canvas(2.7, 1, 2, sharey=True)
    groups = {
        extractor: repainted[repainted["extractor"] == extractor]
        for extractor in LOOKS
        if extractor in set(repainted.extractor)
    }
    for axes, judge in zip(panels, LOOKS, strict=True):
        for extractor, rows in groups.items():
            points = {**style_of(extractor), "linestyle": "none", "ms": 5, "alpha": 0.85}
            axes.plot(rows[f"p_{judge}"], rows["ssim"], **points, label=f"{name_of(extractor)} features")
        axes.axvline(0.5, color="black", lw=0.8, ls="--")
        axes.set(xlabel=f"{P_LABEL} by {name_of(judge)}", xlim=(-0.04, 1.04), ylabel="structural similarity")
        axes.label_outer(remove_inner_ticks=False)
    medians = [f"{rows.ssim.median():.2f} with {name_of(extractor)} features" for extractor, rows in groups.items()]
    return finish(figure, title, f"Median similarity to the photo: {', '.join(medians)}", legend=panels[0])


@styled
def plot_deceived(
    shares: pd.DataFrame, judges: Mapping[str, str], kinds: Mapping[str, str], title: str | None = None
) -> Figure:
    """Return the share of pictures that each judge takes for Van Goghs, by what they were painted with.

    Args:
        shares: columns painted, judge, value, low, high.
        judges, kinds: the titles of the judges and of the kinds of pictures, in order.
    """
    figure, axes = canvas(0.9 + 0.42 * len(judges))
    looks = [("#0173B2", "o"), ("#DE8F05", "s"), ("#56B4E9", "D"), (NEUTRAL, "x"), ("#029E73", "*")]
    for k, (kind, (color, marker)) in enumerate(zip(kinds, looks, strict=False)):
        rows = shares[shares["painted"] == kind].set_index("judge").reindex(list(judges))
        places = np.arange(len(judges)) + 0.15 * (k - (len(kinds) - 1) / 2)
        axes.hlines(places, rows["low"], rows["high"], color=color, lw=1)
        axes.plot(rows["value"], places, marker, color=color, ms=4.5, label=kinds[kind])
    axes.set_yticks(range(len(judges)), [wrap(name, 1.6) for name in judges.values()])
    axes.set(xlabel="share of pictures taken for a Van Gogh, with 95 % interval", ylabel="judge", xlim=(-0.02, 1.02))
    axes.invert_yaxis()
    first, title_of_first = next(iter(kinds.items()))
    painted = shares[shares["painted"] == first].sort_values("value", kind="stable")
    (low, strictest), *_, (high, mildest) = painted[["value", "judge"]].itertuples(index=False)
    computed = f"With {title_of_first}, the shares range from {percent(low)} ({judges[strictest]})"
    computed = f"{computed} to {percent(high)} ({judges[mildest]})"
    if low == high:
        computed = f"With {title_of_first}, every judge is convinced by {percent(low)} of the pictures"
    return finish(figure, title, computed, legend=axes)
