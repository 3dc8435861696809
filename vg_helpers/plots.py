"""One function per figure: takes arrays or frames and returns a matplotlib Figure, closed, titled with what it shows.

A title that is not given is computed from the data; `title=""` leaves it out. Frames have the columns of the notebooks'
files. Networks look the same throughout: VGG-19 blue, round, solid; AlexNet orange, square, dashed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from sklearn import metrics

from vg_helpers.plots_images import (
    STYLE,
    WIDTH,
    add_title,
    fit,
    name_of,
    nothing,
    plain,
    plot_augmentations,
    plot_cam_panels,
    plot_prediction_examples,
    plot_randomisation,
    plot_result_grid,
    plot_samples,
    plot_triptych,
    plot_twins,
    styled,
)

__all__ = [
    "STYLE",
    "plot_agreement",
    "plot_augmentations",
    "plot_cam_panels",
    "plot_class_counts",
    "plot_confusions",
    "plot_faithfulness",
    "plot_image_sizes",
    "plot_judgements",
    "plot_learning_curves",
    "plot_loss_curves",
    "plot_metric_comparison",
    "plot_p_by_artist",
    "plot_precision_recall",
    "plot_prediction_examples",
    "plot_quality",
    "plot_randomisation",
    "plot_reliability",
    "plot_result_grid",
    "plot_roc",
    "plot_samples",
    "plot_speed",
    "plot_split_sizes",
    "plot_style_trials",
    "plot_timings",
    "plot_trial_comparison",
    "plot_trials",
    "plot_triptych",
    "plot_twins",
]

VAN_GOGH, OTHER, PALE, NEUTRAL = "#882255", "#B5B5B5", "#DDDDDD", "#555555"
# colour, marker, line: different in hue, in lightness and in form
LOOKS = {"vgg19": ("#0173B2", "o", "-"), "alexnet": ("#DE8F05", "s", "--")}
MORE_LOOKS = [("#882255", "^", "-"), ("#029E73", "D", "--"), ("#CC78BC", "v", "-."), ("#56B4E9", "P", ":")]
LABELS = {"roc_auc": "ROC AUC", "auc": "ROC AUC", "f1": "F1", "brier": "Brier score"}
P_LABEL = "P(van_gogh)"


def look(key: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return colour, marker and line of a network, its variant ("vgg19 calibrated"), or another key by its place."""
    base, _, variant = str(key).replace("_", " ").partition(" ")
    if base in LOOKS:
        colour, marker, line = LOOKS[base]
        return {"color": colour, "marker": marker, "linestyle": line} | (
            {"markerfacecolor": "white", "linestyle": ":"} if variant else {}
        )
    others = [other for other in keys if str(other).replace("_", " ").partition(" ")[0] not in LOOKS]
    colour, marker, line = MORE_LOOKS[others.index(key) % len(MORE_LOOKS) if key in others else 0]
    return {"color": colour, "marker": marker, "linestyle": line}


def canvas(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a Figure as wide as the text, and its Axes."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def finish(figure: Figure, title: str | None, computed: str, legend: Any = None) -> Figure:
    """Return the figure with its title (the computed one where none is given) and the legend of an Axes below."""
    add_title(figure, computed[:1].upper() + computed[1:] if title is None else title)
    if legend is not None:
        handles, labels = legend.get_legend_handles_labels()
        fitting = int(130 / (8 + max(map(len, labels))))  # entries of this length side by side
        figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), fitting)))
    return figure


def need(frame: pd.DataFrame, *columns: str) -> None:
    """Raise a ValueError that names the columns the frame lacks."""
    missing = ", ".join(column for column in columns if column not in frame)
    if missing:
        raise ValueError(f"this figure needs the column {missing}; the frame has {', '.join(map(str, frame))}")


def percent(share: float) -> str:
    """Return "15.6 %"."""
    return f"{100 * share:.1f} %"


def short(value: float) -> str:
    """Return three significant digits: "0.089", "1,020", "8.79e6"."""
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.{max(0, 2 - int(np.floor(np.log10(abs(value)))))}f}"
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def artist_name(artist: str) -> str:
    """Return "vincent van gogh" as "Vincent van Gogh"."""
    small = {"van", "von", "de", "la", "der"}
    return " ".join(word if word in small else word.title() for word in str(artist).split())


def ranked(values: Mapping[str, float]) -> str:
    """Return "VGG-19 0.976, AlexNet 0.971", largest first."""
    return ", ".join(f"{name_of(key)} {value:.3f}" for key, value in sorted(values.items(), key=lambda item: -item[1]))


# --- data


@styled
def plot_class_counts(index: pd.DataFrame, top: int = 15, title: str | None = None) -> Figure:
    """Return the number of paintings by artist, the `top` largest one by one, Van Gogh highlighted.

    Args:
        index: columns artist, label.
    """
    need(index, "artist", "label")
    if index.empty:
        return nothing("paintings")
    counts = index.groupby("artist")["label"].agg(["size", "max"]).sort_values(["max", "size"], ascending=False)
    shown, rest = counts.iloc[:top], counts.iloc[top:]
    bars = [
        (fit(artist_name(name), 1.8, lines=1), row["size"], VAN_GOGH if row["max"] else OTHER)
        for name, row in shown.iterrows()
    ]
    bars += [(f"{len(rest)} others", rest["size"].sum(), PALE)] if len(rest) else []
    names, sizes, colours = zip(*bars, strict=True)
    figure, axes = canvas(0.75 + 0.17 * len(names))
    drawn = axes.barh(range(len(names)), sizes, color=colours, edgecolor=NEUTRAL)
    axes.bar_label(drawn, labels=[f"{size:,}" for size in sizes], padding=2, fontsize=7)
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="paintings", ylabel="artist")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.grid(axis="y", visible=False)
    own = int(index["label"].sum())
    share = percent(own / len(index))
    return finish(figure, title, f"{own:,} of {len(index):,} paintings are by Vincent van Gogh ({share})")


@styled
def plot_split_sizes(index: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the number of paintings by split and class, a panel for each of the columns split_seed, split_grouped."""
    need(index, "label")
    columns = [column for column in ("split_seed", "split_grouped") if column in index]
    if not columns:
        need(index, "split_seed")
    if index.empty:
        return nothing("paintings")
    figure, panels = canvas(2.3, 1, len(columns), sharey=True, squeeze=False)
    shares = []
    for axes, column in zip(panels[0], columns, strict=True):
        table = pd.crosstab(index[column], index["label"])
        table = table.reindex(index=["train", "val", "test"], columns=[0, 1], fill_value=0)
        axes.bar(table.index, table[1], color=VAN_GOGH, edgecolor=NEUTRAL, label="Vincent van Gogh")
        axes.bar(table.index, table[0], bottom=table[1], color=OTHER, edgecolor=NEUTRAL, label="other")
        for x, (other, own) in enumerate(table.to_numpy()):
            shares.append(own / max(own + other, 1))
            above = {"xy": (x, own + other), "textcoords": "offset points", "ha": "center", "fontsize": 7}
            axes.annotate(f"{own:,} ({percent(shares[-1])})", xytext=(0, 2.5), color=VAN_GOGH, weight="bold", **above)
            axes.annotate(f"{own + other:,}", xytext=(0, 11), **above)
        axes.set(xlabel="split", ylabel="paintings", title={"split_grouped": "grouped"}.get(column, "at random"))
        axes.grid(axis="x", visible=False)
        axes.margins(y=0.2)
        axes.label_outer()
    panels[0][-1].legend(loc="upper right")
    finding = f"Van Gogh's share lies between {percent(min(shares))} and {percent(max(shares))} in every split"
    return finish(figure, title, finding)


@styled
def plot_image_sizes(index: pd.DataFrame, title: str | None = None) -> Figure:
    """Return width against height in pixels, and the aspect ratios, by class.

    Args:
        index: columns width, height, label.
    """
    need(index, "width", "height", "label")
    if index.empty:
        return nothing("images")
    figure, (left, right) = canvas(2.5, 1, 2)
    ratio = index["width"] / index["height"]
    bins = np.geomspace(ratio.min() * 0.98, ratio.max() * 1.02, 30)
    for label, name, colour, marker in ((0, "other", OTHER, "o"), (1, "Vincent van Gogh", VAN_GOGH, "x")):
        own = index["label"] == label
        left.plot(index["width"][own], index["height"][own], marker, color=colour, ms=3, mew=0.7, alpha=0.7, label=name)
        if own.any():
            kind = {"histtype": "step", "lw": 1.4} if label else {"histtype": "stepfilled", "alpha": 0.7}
            right.hist(ratio[own], bins=bins, weights=np.full(own.sum(), 100 / own.sum()), color=colour, **kind)
    left.set(xlabel="width (pixels)", ylabel="height (pixels)")
    right.set(xlabel="width / height", ylabel="share of the class (%)")
    right.axvline(1, color=NEUTRAL, lw=0.8, ls=":")
    side = index[["width", "height"]].min(axis=1)
    finding = f"Short sides: {side.min():,.0f} to {side.max():,.0f} pixels, median {side.median():,.0f}"
    if side.min() == side.max():
        finding = f"All {len(index):,} files have a short side of {side.min():,.0f} pixels"
    return finish(figure, title, finding, legend=left)


# --- classification


def _settled(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a value, with state (COMPLETE where the column is missing) and settings as text."""
    need(trials, "model", "trial", "lr", "batch_size", "optimizer", "value")
    trials = trials.dropna(subset=["value"])
    state = trials["state"].astype(str).str.upper() if "state" in trials else "COMPLETE"
    settings = [f"{t.optimizer}, {t.lr:.1e}, {t.batch_size}".replace("e-0", "e-") for t in trials.itertuples()]
    return trials.assign(state=state, settings=settings)


@styled
def plot_trials(trials: pd.DataFrame, metric: str = "validation AUC", title: str | None = None) -> Figure:
    """Return the metric of every trial against learning rate and against batch size.

    Args:
        trials: columns model, trial, lr, batch_size, optimizer, value, and state (COMPLETE or PRUNED) where known.
    """
    trials = _settled(trials)
    if trials.empty:
        return nothing("finished trials")
    figure, (left, right) = canvas(2.7, 1, 2, sharey=True)
    sizes, models = sorted(trials["batch_size"].unique()), list(trials["model"].unique())
    shapes = dict(zip(sorted(trials["optimizer"].unique()), "os^Dv", strict=False))
    for trial in trials.itertuples():
        colour, place = look(trial.model, models)["color"], models.index(trial.model)
        beside = sizes.index(trial.batch_size) + 0.16 * (place - (len(models) - 1) / 2)
        for axes, x in ((left, trial.lr), (right, beside)):
            face = "white" if place else colour
            axes.plot(x, trial.value, shapes[trial.optimizer], color=colour, mfc=face, ms=5, mew=1.2)
            if trial.state == "PRUNED":
                axes.plot(x, trial.value, "x", color="black", ms=7, mew=0.8)
    left.set(xscale="log", xlabel="learning rate (log scale)", ylabel=metric)
    right.set(xlabel="batch size (images)", xlim=(-0.5, len(sizes) - 0.5))
    right.set_xticks(range(len(sizes)), sizes)
    for place, model in enumerate(models):
        colour = look(model, models)["color"]
        left.plot([], [], "o", color=colour, mfc="white" if place else colour, mew=1.2, label=name_of(model))
    for name, shape in shapes.items():
        left.plot([], [], shape, color=NEUTRAL, mfc="white", label=plain(name))
    if (trials["state"] == "PRUNED").any():
        left.plot([], [], "x", color="black", ms=6, mew=0.8, label="pruned")
    best = trials.loc[trials.groupby("model", sort=False)["value"].idxmax()]
    found = "; ".join(f"{name_of(t.model)} {t.value:.3f} ({t.settings})" for t in best.itertuples())
    return finish(figure, title, f"Best {metric}: {found}", legend=left)


@styled
def plot_trial_comparison(trials: pd.DataFrame, metric: str = "validation AUC", title: str | None = None) -> Figure:
    """Return one line per trial with its settings, a panel for each model; pruned trials crossed, the best one filled.

    Args:
        trials: as for plot_trials.
    """
    trials = _settled(trials)
    if trials.empty:
        return nothing("finished trials")
    models, pruned = list(trials["model"].unique()), int((trials["state"] == "PRUNED").sum())
    figure, panels = canvas(
        1.0 + 0.17 * trials["model"].value_counts().max(), 1, len(models), squeeze=False, sharex=True
    )
    span = max(np.ptp(trials["value"]), 0.01)
    low, high = trials["value"].min() - 0.05 * span, trials["value"].max() + 0.08 * span
    for axes, model in zip(panels[0], models, strict=True):
        own = trials[trials["model"] == model].sort_values("trial").reset_index(drop=True)
        style, best = look(model, models), own["value"].idxmax()
        for y, trial in enumerate(own.itertuples()):
            line, marker = (":", "x") if trial.state == "PRUNED" else ("-", style["marker"])
            axes.hlines(y, low, trial.value, color=style["color"], lw=1, ls=line)
            face = style["color"] if y == best else "white"
            axes.plot(trial.value, y, marker, color=style["color"], mfc=face, ms=5)
        text = {"textcoords": "offset points", "ha": "center", "fontsize": 7, "weight": "bold"}
        axes.annotate(f"{own['value'][best]:.3f}", (own["value"][best], best), (0, 4), **text)
        axes.set_yticks(range(len(own)), [plain(f"#{t.trial}  {t.settings}") for t in own.itertuples()])
        axes.set(
            xlabel=metric,
            title=f"{name_of(model)}: optimiser, rate, batch size",
            xlim=(low, high),
            ylim=(len(own) - 0.5, -0.9),
        )
        axes.grid(axis="y", visible=False)
    panels[0][0].set_ylabel("trial")
    return finish(
        figure, title, f"{len(trials)} trials, {pruned} of them pruned (×); the best of each network is filled"
    )


@styled
def plot_learning_curves(history: pd.DataFrame, title: str | None = None) -> Figure:
    """Return loss and validation metrics by epoch; the epoch of the best validation AUC is ringed.

    Args:
        history: columns model, epoch, train_loss, val_loss, and any of val_auc, val_accuracy, val_f1.
    """
    need(history, "model", "epoch", "train_loss", "val_loss")
    if history.empty:
        return nothing("epochs")
    labels = {"val_auc": "validation AUC", "val_accuracy": "validation accuracy", "val_f1": "validation F1"}
    shown = [column for column in labels if column in history and history[column].notna().any()]
    rows = 2 if len(shown) == 3 else 1
    figure, panels = canvas(2.5 if rows == 1 else 4.2, rows, (1 + len(shown)) // rows, squeeze=False, sharex=True)
    panels, models, found = panels.ravel(), list(history["model"].unique()), []
    for model in models:
        own, style = history[history["model"] == model].sort_values("epoch"), look(model, models)
        loss, name = panels[0], name_of(model)
        loss.plot(own["epoch"], own["val_loss"], **style, label=f"{name}, validation")
        loss.plot(
            own["epoch"],
            own["train_loss"],
            **{**style, "linestyle": ":", "markerfacecolor": "white"},
            label=f"{name}, training",
        )
        for axes, column in zip(panels[1:], shown, strict=True):
            axes.plot(own["epoch"], own[column], **style)
            best = own.loc[own[shown[0]].idxmax()]
            axes.plot(best["epoch"], best[column], "o", ms=9, mfc="none", mec=style["color"], clip_on=False)
        found += [f"{name} at epoch {best['epoch']:.0f} ({best[shown[0]]:.3f})"] if shown else []
    for axes, label in zip(panels, ["cross-entropy loss", *(labels[column] for column in shown)], strict=True):
        axes.set(xlabel="epoch" if axes in panels[-len(panels) // rows :] else "", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    finding = f"Best {labels[shown[0]]}: {', '.join(found)}" if shown else "Loss by epoch"
    return finish(figure, title, finding, legend=panels[0])


@styled
def plot_metric_comparison(frame: pd.DataFrame, title: str | None = None) -> Figure:
    """Return each metric of each model with its 95 % interval.

    Args:
        frame: columns model, metric, value, low, high.
    """
    need(frame, "model", "metric", "value", "low", "high")
    if frame.empty:
        return nothing("metrics")
    keys, models = list(frame["metric"].unique()), list(frame["model"].unique())
    names = [plain(LABELS.get(key, str(key).replace("_", " "))) for key in keys]
    figure, axes = canvas(0.9 + len(keys) * (0.1 + 0.17 * len(models)))
    for i, model in enumerate(models):
        own, style = frame[frame["model"] == model], {**look(model, models), "linestyle": "none"}
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
    axes.grid(axis="y", visible=False)
    wide = frame.pivot_table(index="metric", columns="model", values="value", sort=False).loc[keys[:2]]
    finding = "; ".join(f"{n}: {ranked(row.dropna())}" for n, (_, row) in zip(names, wide.iterrows(), strict=False))
    return finish(figure, title, finding, legend=axes)


@styled
def plot_confusions(confusions: Mapping[str, Any], title: str | None = None) -> Figure:
    """Return the confusion matrices as heat maps: counts, and the share of each true class, which gives the shade.

    Args:
        confusions: by model, 2 by 2 counts: rows true, columns predicted, other then Van Gogh.
    """
    if not confusions:
        return nothing("confusion matrices")
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
        return nothing("ROC curve: it takes paintings of both classes")
    figure, panels = canvas(3.3, 1, 2)
    side = 0.3
    areas = {model: metrics.roc_auc_score(targets, np.asarray(values)) for model, values in probs.items()}
    for model, values in probs.items():
        style, label = look(model, list(probs)), f"{name_of(model)} (AUC {areas[model]:.3f})"
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
        return nothing("precision–recall curve: it takes paintings of both classes")
    figure, axes = canvas(2.8)
    areas = {model: metrics.average_precision_score(targets, np.asarray(values)) for model, values in probs.items()}
    for model, values in probs.items():
        style, label = look(model, list(probs)), f"{name_of(model)} (AP {areas[model]:.3f})"
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
        return nothing("predictions")
    figure, (axes, below) = canvas(3.6, 2, 1, sharex=True, height_ratios=[3, 1])
    axes.plot([0, 1], [0, 1], color=NEUTRAL, lw=0.8, ls=":", label="perfectly calibrated")
    for i, (model, values) in enumerate(probs.items()):
        values, style = np.asarray(values, dtype=float), look(model, list(probs))
        place = np.minimum((values * bins).astype(int), bins - 1)
        number = np.bincount(place, minlength=bins)
        full = number > 0
        mean, share = (np.bincount(place, of, minlength=bins)[full] / number[full] for of in (values, targets))
        errors[model] = float(np.abs(mean - share) @ number[full] / len(values))
        axes.plot(mean, share, **style, label=f"{name_of(model)} (error {errors[model]:.3f})")
        width, faint = 0.8 / bins / len(probs), 0.5 if "markerfacecolor" in style else 1
        left = (np.arange(bins) + 0.1) / bins + width * (i + 0.5)
        below.bar(left, number, width, color=style["color"], alpha=faint, edgecolor=NEUTRAL)
    axes.set(ylabel="share that is Van Gogh", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    below.set(xlabel=f"predicted {P_LABEL}", ylabel="paintings\n(log scale)", yscale="log")
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
    need(frame, "artist", "label", column)
    if frame.empty:
        return nothing("predictions")
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
    axes.set_yticks(range(len(order)), [fit(f"{artist_name(a)} ({by_artist['n'][a]:,})", 2, lines=1) for a in order])
    by = name_of(column.removeprefix("p_"))
    axes.set(
        xlabel=f"{P_LABEL} by {by}", ylabel="artist (paintings)", xlim=(-0.02, 1.02), ylim=(len(order) - 0.5, -0.5)
    )
    axes.grid(axis="y", visible=False)
    others = by_artist[by_artist["label"] == 0]
    nearest = f"{artist_name(others.index[0])} (median {others['p'].iloc[0]:.2f})" if len(others) else "nobody"
    return finish(figure, title, f"Closest to Van Gogh for {by}: {nearest}")


# --- style transfer


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
    figure.colorbar(points, ax=right, label=P_LABEL)
    found = f"P = {p[best]:.3f} at α = {short(alpha[best])}, β = {short(beta[best])}"
    return finish(figure, title, f"Best of {len(trials)} trials: {found}", legend=left)


@styled
def plot_loss_curves(losses: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the losses by step on a logarithmic axis, averaged over pairs, one panel for each run.

    Args:
        losses: column step, one column for each loss, and run or extractor where there are several; pair and height
            are no losses.
    """
    need(losses, "step")
    if losses.empty:
        return nothing("losses")
    by = next((column for column in ("run", "extractor") if column in losses), None)
    runs = {"": losses} if by is None else dict(iter(losses.groupby(by, sort=False)))
    columns = [c for c in losses.select_dtypes("number") if c not in ("step", "pair", "height", by)]
    columns = sorted((c for c in columns if (losses[c] > 0).any()), key=lambda c: c != "total")
    figure, panels = canvas(2.5, 1, len(runs), squeeze=False, sharey=True)
    found, styles = [], [("black", "-"), *((colour, line) for colour, _, line in (MORE_LOOKS[1], *MORE_LOOKS[2:]))]
    for axes, (run, own) in zip(panels[0], runs.items(), strict=True):
        mean = own.groupby("step")[columns].mean()
        for i, column in enumerate(columns):
            colour, line = styles[i % len(styles)]
            axes.plot(mean.index, mean[column], color=colour, ls=line, label=plain(column.replace("_", " ")))
        axes.set(xlabel="step", ylabel="loss (log scale)", yscale="log", title=name_of(run))
        axes.label_outer(remove_inner_ticks=False)
        ends = mean[columns[0]].iloc[[0, -1]]
        found.append(
            f"{name_of(run)} {columns[0].replace('_', ' ')} loss {short(ends.iloc[0])} → {short(ends.iloc[1])}"
        )
    return finish(figure, title, "; ".join(found).strip(), legend=panels[0][0])


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
        box = {"facecolor": colour, "edgecolor": "none", "pad": 1}
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


# --- speed


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
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
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


# --- Grad-CAM


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
