"""Figures that judge classifiers, on targets (1 = Van Gogh) and P(van_gogh) by model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from sklearn import metrics

from .look import (
    NEUTRAL,
    OTHER,
    OUTCOMES,
    P_LABEL,
    VAN_GOGH,
    artist_name,
    canvas,
    empty_figure,
    finish,
    metric_name,
    name_of,
    network_and_variant,
    percent,
    plain,
    ranked,
    style_of,
    styled,
    wrap,
)
from .pictures import as_array, grid, plot_samples


@styled
def plot_metric_comparison(frame: pd.DataFrame, title: str | None = None) -> Figure:
    """Return a panel for each metric, in which every model has a row with its value and 95 % interval.

    Args:
        frame: columns model, metric, value, low, high.
    """
    if frame.empty:
        return empty_figure("metrics")
    keys, models = list(frame["metric"].unique()), list(frame["model"].unique())
    names = [plain(metric_name(key)) for key in keys]
    figure, panels = canvas(1.0 + 0.19 * len(models), 1, len(keys), squeeze=False, sharey=True)
    for axes, key, name in zip(panels[0], keys, names, strict=True):
        rows = frame[frame["metric"] == key].set_index("model")
        for model, value, low, high in rows[["value", "low", "high"]].itertuples():
            y = models.index(model)
            errors = np.clip([[value - low], [high - value]], 0, None)
            style = {**style_of(model, models), "linestyle": "none"}
            axes.errorbar(value, y, xerr=errors, **style, ms=5, capsize=2.5, elinewidth=1.2, clip_on=False)
            axes.text(0.99, y, f"{value:.3f}", ha="right", va="center", transform=axes.get_yaxis_transform())
        _leave_room(axes, rows)
        axes.set(title=name, xlabel="value")
        axes.grid(axis="y", visible=False)
    panels[0][0].set_yticks(range(len(models)), [name_of(model) for model in models])
    panels[0][0].set(ylabel="classifier", ylim=(len(models) - 0.5, -0.5))
    first = frame[frame["metric"] == keys[0]].set_index("model")["value"].dropna()
    main = first[[not network_and_variant(model)[1] for model in first.index]]
    return finish(figure, title, f"{names[0]}: {ranked(main if len(main) else first)}")


def _leave_room(axes: Axes, rows: pd.DataFrame) -> None:
    """Let the intervals fill the left part of a panel; the numbers take the rest, where no tick stands."""
    high = np.nanmax(rows[["value", "high"]])
    low = min(np.nanmin(rows[["value", "low"]]), high - 0.02)  # also if all are the same
    span = high - low
    axes.set_xlim(low - 0.05 * span, high + 0.55 * span)
    ticks = MaxNLocator(3, steps=[1, 2, 5, 10], min_n_ticks=1).tick_values(low, high)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xticks([tick for tick in ticks if low - 0.05 * span <= tick <= min(1, high + 0.05 * span)])


@styled
def plot_confusions(confusions: Mapping[str, Any], title: str | None = None) -> Figure:
    """Return the confusion matrices as heat maps: counts, and the share of each true class, which gives the shade.

    Args:
        confusions: by model, 2 by 2 counts: rows true, columns predicted, other then Van Gogh.
    """
    if not confusions:
        return empty_figure("confusion matrices")
    figure, panels = canvas(2.6, 1, len(confusions), squeeze=False)
    findings, style = [], {"cmap": "Blues", "vmin": 0, "vmax": 1, "square": True, "cbar": False, "fmt": ""}
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
        findings.append(f"{name_of(model)} finds {counts[1, 1]:,.0f} of {counts[1].sum():,.0f} Van Goghs")
    return finish(figure, title, ", ".join(findings))


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
def plot_reliability(
    tables: Mapping[str, pd.DataFrame], errors: Mapping[str, float], title: str | None = None
) -> Figure:
    """Return the share of Van Goghs against the predicted probability, with 95 % intervals, and each bin's size.

    Args:
        tables: by model or variant ("vgg19", "vgg19 calibrated"), columns from, to, count, mean_prob, fraction, low,
            high, one row per bin.
        errors: by the same keys, the expected calibration error.
    """
    if not tables:
        return empty_figure("predictions")
    figure, (axes, below) = canvas(3.6, 2, 1, sharex=True, height_ratios=[3, 1])
    axes.plot([0, 1], [0, 1], color=NEUTRAL, lw=0.8, ls=":", label="perfectly calibrated")
    for place, (model, table) in enumerate(tables.items()):
        style, x, y = style_of(model, list(tables)), table["mean_prob"], table["fraction"]
        axes.vlines(x, table["low"], table["high"], color=style["color"], lw=0.6, alpha=0.6)
        axes.plot(x, y, **style, label=f"{name_of(model)} (error {errors[model]:.3f})")
        width = 0.8 * (table["to"] - table["from"]) / len(tables)
        left = table["from"] + 0.1 * (table["to"] - table["from"]) + width * (place + 0.5)
        faint = 0.5 if network_and_variant(model)[1] else 1
        below.bar(left, table["count"], width, color=style["color"], alpha=faint, edgecolor=NEUTRAL)
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


@styled
def plot_examples(examples: Mapping[str, pd.DataFrame], images: Sequence[Any], title: str | None = None) -> Figure:
    """Return one row of paintings for each outcome, with artist and P(van_gogh) by VGG-19.

    Args:
        examples: by outcome ("TP", "FP", "TN", "FN"), columns artist and p_vgg19; a frame may be empty.
        images: one list of images for each outcome, of the frames' lengths.
    """
    columns = max(map(len, images), default=0)
    if columns == 0:
        return empty_figure("examples")
    rows = [[as_array(image) for image in row] + [None] * (columns - len(row)) for row in images]
    titles = [
        [f"{artist_name(row.artist)}\nP = {row.p_vgg19:.2f}" for row in rows.itertuples()] for rows in examples.values()
    ]
    return grid(rows, titles, row_labels=[OUTCOMES[outcome] for outcome in examples], title=title)


def plot_mistakes(mistakes: pd.DataFrame, images: Sequence[Any], title: str | None = None) -> Figure:
    """Return the paintings that were misjudged, numbered, with artist and P(van_gogh) by VGG-19.

    Args:
        mistakes: columns artist and p_vgg19, as many rows as images.
    """
    rows = enumerate(mistakes.itertuples(), start=1)
    titles = [f"{number}. P = {row.p_vgg19:.2f}\n{artist_name(row.artist)}" for number, row in rows]
    return plot_samples(images, titles, title=title)
