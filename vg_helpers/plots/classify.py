"""Figures that judge classifiers, on targets (1 = Van Gogh) and P(van_gogh) by model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from sklearn import metrics

from .look import (
    LABELS,
    NEUTRAL,
    OTHER,
    P_LABEL,
    VAN_GOGH,
    artist_name,
    canvas,
    empty_figure,
    finish,
    name_of,
    network_and_variant,
    percent,
    plain,
    ranked,
    style_of,
    styled,
    wrap,
)


@styled
def plot_metric_comparison(frame: pd.DataFrame, title: str | None = None) -> Figure:
    """Return each metric of each model with its 95 % interval.

    Args:
        frame: columns model, metric, value, low, high.
    """
    if frame.empty:
        return empty_figure("metrics")
    keys, models = list(frame["metric"].unique()), list(frame["model"].unique())
    names = [plain(LABELS.get(key, str(key).replace("_", " "))) for key in keys]
    figure, axes = canvas(0.9 + len(keys) * (0.1 + 0.17 * len(models)))
    for i, model in enumerate(models):
        own, style = frame[frame["model"] == model], {**style_of(model, models), "linestyle": "none"}
        apart = min(0.26, 0.7 / len(models))
        y = np.array([keys.index(key) for key in own["metric"]]) + apart * (i - (len(models) - 1) / 2)
        errors = np.clip([own["value"] - own["low"], own["high"] - own["value"]], 0, None)
        axes.errorbar(own["value"], y, xerr=errors, **style, ms=5, capsize=2.5, elinewidth=1.2, label=name_of(model))
        for value, high, at in zip(own["value"], own["high"], y, strict=True):
            end = (np.nanmax([value, high]), at)
            axes.annotate(f"{value:.3f}", end, (5, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(range(len(keys)), names)
    axes.set(xlabel="value, with 95 % interval", ylabel="metric", ylim=(len(keys) - 0.4, -0.6))
    axes.margins(x=0.1)
    axes.set_xticks([tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= 1])  # labels take the rest
    axes.grid(axis="y", visible=False)
    first = frame[frame["metric"] == keys[0]].set_index("model")["value"].dropna()
    main = first[[not network_and_variant(model)[1] for model in first.index]]
    return finish(figure, title, f"{names[0]}: {ranked(main if len(main) else first)}", legend=axes)


@styled
def plot_confusions(confusions: Mapping[str, Any], title: str | None = None) -> Figure:
    """Return the confusion matrices as heat maps: counts, and the share of each true class, which gives the shade.

    Args:
        confusions: by model, 2 by 2 counts: rows true, columns predicted, other then Van Gogh.
    """
    if not confusions:
        return empty_figure("confusion matrices")
    figure, panels = canvas(2.6, 1, len(confusions), squeeze=False)
    found, style = [], {"cmap": "Blues", "vmin": 0, "vmax": 1, "square": True, "cbar": False, "fmt": ""}
    for axes, (model, counts) in zip(panels[0], confusions.items(), strict=True):
        counts = np.asarray(counts)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        texts = [f"{n:,.0f}\n{percent(share)}" for n, share in zip(counts.flat, shares.flat, strict=True)]
        texts = np.array(texts).reshape(2, 2)
        sns.heatmap(shares, annot=texts, ax=axes, lw=0.6, linecolor="0.5", annot_kws={"fontsize": 9}, **style)
        axes.set(xlabel="predicted", ylabel="true", title=name_of(model))
        axes.set_xticklabels(["other", "Van Gogh"])
        axes.set_yticklabels(["other", "Van Gogh"], rotation=90, va="center")
        axes.tick_params(length=0)
        found.append(f"{name_of(model)} finds {counts[1, 1]:,.0f} of {counts[1].sum():,.0f} Van Goghs")
    return finish(figure, title, ", ".join(found))


@styled
def plot_roc(targets: Any, probs: Mapping[str, Any], title: str | None = None) -> Figure:
    """Return the ROC curves, whole and the upper left enlarged, with the point at threshold 0.5.

    Args:
        targets: (N,), 1 for Van Gogh.
        probs: by model, (N,) P(van_gogh).
    """
    targets = np.asarray(targets)
    if not probs or len(np.unique(targets)) < 2:
        return empty_figure("ROC curve: it takes paintings of both classes")
    figure, panels = canvas(3.3, 1, 2)
    side = 0.3
    areas = {model: metrics.roc_auc_score(targets, np.asarray(values)) for model, values in probs.items()}
    for model, values in probs.items():
        style, label = style_of(model, list(probs)), f"{name_of(model)} (AUC {areas[model]:.3f})"
        false, true, thresholds = metrics.roc_curve(targets, np.asarray(values), drop_intermediate=False)
        at = np.flatnonzero(thresholds >= 0.5)[-1]
        side = min(1, max(side, false[at] + 0.03, 1.03 - true[at]))
        for axes in panels:
            axes.plot(false, true, color=style["color"], ls=style["linestyle"], label=label)
            axes.plot(false[at], true[at], style["marker"], color=style["color"], ms=6, mec="black", mew=0.6)
    panels[0].plot([], [], "o", color="white", mec="black", mew=0.6, label="threshold 0.5")
    panels[0].plot([0, 1], [0, 1], color=NEUTRAL, lw=0.8, ls=":", label="chance (AUC 0.500)")
    for axes, name, part in zip(panels, ("whole curve", "upper left corner"), (1, side), strict=True):
        edge = 0.02 * part
        axes.set(xlim=(-edge, part + edge), ylim=(1 - part - edge, 1 + edge), aspect="equal", title=name)
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
    panels[0].set_xticks(np.linspace(0, 1, 6))
    return finish(figure, title, f"ROC AUC: {ranked(areas)}", legend=panels[0])


@styled
def plot_precision_recall(targets: Any, probs: Mapping[str, Any], title: str | None = None) -> Figure:
    """Return precision against recall with the point at threshold 0.5; arguments as for plot_roc."""
    targets = np.asarray(targets)
    if not probs or len(np.unique(targets)) < 2:
        return empty_figure("precision–recall curve: it takes paintings of both classes")
    figure, axes = canvas(2.8)
    areas = {model: metrics.average_precision_score(targets, np.asarray(values)) for model, values in probs.items()}
    for model, values in probs.items():
        style, label = style_of(model, list(probs)), f"{name_of(model)} (AP {areas[model]:.3f})"
        precision, recall, thresholds = metrics.precision_recall_curve(targets, np.asarray(values))
        axes.step(recall, precision, where="pre", color=style["color"], ls=style["linestyle"], label=label)
        at = np.searchsorted(thresholds, 0.5)
        axes.plot(recall[at], precision[at], style["marker"], color=style["color"], ms=6, mec="black", mew=0.6)
    axes.plot([], [], "o", color="white", mec="black", mew=0.6, label="threshold 0.5")
    share = float(np.mean(targets))
    axes.axhline(share, color=NEUTRAL, lw=0.8, ls=":", label=f"chance (AP {share:.3f})")
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return finish(figure, title, f"Average precision: {ranked(areas)}", legend=axes)


@styled
def plot_reliability(targets: Any, probs: Mapping[str, Any], bins: int = 10, title: str | None = None) -> Figure:
    """Return the share of Van Goghs against the predicted probability in bins of equal width, and each bin's size.

    Args:
        targets: (N,), 1 for Van Gogh.
        probs: by model or variant ("vgg19", "vgg19 calibrated"), (N,) P(van_gogh).
    """
    targets, errors = np.asarray(targets), {}
    if not probs or len(targets) == 0:
        return empty_figure("predictions")
    figure, (axes, below) = canvas(3.6, 2, 1, sharex=True, height_ratios=[3, 1])
    axes.plot([0, 1], [0, 1], color=NEUTRAL, lw=0.8, ls=":", label="perfectly calibrated")
    for i, (model, values) in enumerate(probs.items()):
        values, style = np.asarray(values, dtype=float), style_of(model, list(probs))
        place = np.minimum((values * bins).astype(int), bins - 1)
        number = np.bincount(place, minlength=bins)
        full = number > 0
        mean, share = (np.bincount(place, of, minlength=bins)[full] / number[full] for of in (values, targets))
        errors[model] = float(np.abs(mean - share) @ number[full] / len(values))
        axes.plot(mean, share, **style, label=f"{name_of(model)} (error {errors[model]:.3f})")
        width, faint = 0.8 / bins / len(probs), 0.5 if network_and_variant(model)[1] else 1
        left = (np.arange(bins) + 0.1) / bins + width * (i + 0.5)
        below.bar(left, number, width, color=style["color"], alpha=faint, edgecolor=NEUTRAL)
    axes.set(ylabel="share that is Van Gogh", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    below.set(xlabel=f"predicted {P_LABEL}", ylabel="paintings\n(log scale)", yscale="log")
    below.set_ylim(bottom=0.5)  # a bin of one painting has a bar too
    below.yaxis.set_major_formatter("{x:,.0f}")
    below.yaxis.set_minor_formatter(NullFormatter())
    best = min(errors, key=errors.get)
    finding = f"Smallest expected calibration error: {name_of(best)}, {errors[best]:.3f}"
    return finish(figure, title, finding, legend=axes)


@styled
def plot_p_by_artist(frame: pd.DataFrame, column: str = "p_vgg19", top: int = 15, title: str | None = None) -> Figure:
    """Return the distribution of P(van_gogh) over each artist's paintings: Van Gogh, then others by their median.

    Args:
        frame: columns artist, label and `column`.
        top: this many artists, those with most paintings.
    """
    if frame.empty:
        return empty_figure("predictions")
    by_artist = frame.groupby("artist").agg(label=("label", "max"), p=(column, "median"), n=(column, "size"))
    by_artist = by_artist.sort_values(["label", "n"], ascending=False)[:top].sort_values(
        ["label", "p"], ascending=False
    )
    order = list(by_artist.index)
    figure, axes = canvas(0.8 + 0.21 * len(order))
    thin = {f"{part}props": {"lw": 0.7} for part in ("box", "whisker", "cap")} | {"flierprops": {"ms": 2, "mew": 0.6}}
    values, places = [frame.loc[frame["artist"] == name, column] for name in order], range(len(order))
    drawn = axes.boxplot(values, positions=places, orientation="horizontal", patch_artist=True, widths=0.6, **thin)
    for box, median, label in zip(drawn["boxes"], drawn["medians"], by_artist["label"], strict=True):
        box.set_facecolor(VAN_GOGH if label else OTHER)
        median.set_color("white" if label else "black")
    axes.axvline(0.5, color=NEUTRAL, lw=0.8, ls=":")
    axes.set_yticks(range(len(order)), [wrap(f"{artist_name(a)} ({by_artist['n'][a]:,})", 2, lines=1) for a in order])
    by = name_of(column.removeprefix("p_"))
    axes.set(
        xlabel=f"{P_LABEL} by {by}", ylabel="artist (paintings)", xlim=(-0.02, 1.02), ylim=(len(order) - 0.5, -0.5)
    )
    axes.grid(axis="y", visible=False)
    others = by_artist[by_artist["label"] == 0]
    nearest = f"{artist_name(others.index[0])} (median {others['p'].iloc[0]:.2f})" if len(others) else "nobody"
    return finish(figure, title, f"Closest to Van Gogh for {by}: {nearest}")
