"""Figures of training: trials of a search, learning curves; frames have the columns of the notebooks' files."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from .look import NEUTRAL, canvas, empty_figure, finish, name_of, plain, style_of, styled, up_to_one


def _with_value(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a value, with their settings as text in a column `settings`."""
    trials = trials.dropna(subset=["value"])
    settings = [f"{t.optimizer}, {t.lr:.1e}, {t.batch_size}".replace("e-0", "e-") for t in trials.itertuples()]
    return trials.assign(settings=settings)


@styled
def plot_trials(trials: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the validation AUC of every trial against learning rate and against batch size.

    Args:
        trials: columns model, trial, lr, batch_size, optimizer, value, state (COMPLETE or PRUNED).
    """
    trials = _with_value(trials)
    if trials.empty:
        return empty_figure("finished trials")
    figure, (left, right) = canvas(2.7, 1, 2, sharey=True)
    sizes, models = sorted(trials["batch_size"].unique()), list(trials["model"].unique())
    shapes = dict(zip(sorted(trials["optimizer"].unique()), "os^Dv", strict=False))
    for trial in trials.itertuples():
        color, place = style_of(trial.model, models)["color"], models.index(trial.model)
        beside = sizes.index(trial.batch_size) + 0.16 * (place - (len(models) - 1) / 2)
        for axes, x in ((left, trial.lr), (right, beside)):
            face = "white" if place else color
            axes.plot(x, trial.value, shapes[trial.optimizer], color=color, mfc=face, ms=5, mew=1.2)
            if trial.state == "PRUNED":
                axes.plot(x, trial.value, "x", color="black", ms=7, mew=0.8)
    left.set(xscale="log", xlabel="learning rate (log scale)", ylabel="validation AUC")
    right.set(xlabel="batch size (images)", xlim=(-0.5, len(sizes) - 0.5))
    right.set_xticks(range(len(sizes)), sizes)
    left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_major_formatter(lambda rate, _: f"{rate:.1e}".replace(".0e", "e").replace("e-0", "e-"))
    left.xaxis.set_minor_formatter(NullFormatter())
    up_to_one(left)
    for place, model in enumerate(models):
        color = style_of(model, models)["color"]
        left.plot([], [], "o", color=color, mfc="white" if place else color, mew=1.2, label=name_of(model))
    for name, shape in shapes.items():
        left.plot([], [], shape, color=NEUTRAL, mfc="white", label=plain(name))
    if (trials["state"] == "PRUNED").any():
        left.plot([], [], "x", color="black", ms=6, mew=0.8, label="pruned")
    best = trials.loc[trials.groupby("model", sort=False)["value"].idxmax()]
    settings = "; ".join(f"{name_of(t.model)} {t.value:.3f} ({t.settings})" for t in best.itertuples())
    return finish(figure, title, f"Best validation AUC: {settings}", legend=left)


@styled
def plot_trial_comparison(trials: pd.DataFrame, title: str | None = None) -> Figure:
    """Return one line per trial with its settings, a panel for each model; pruned trials crossed, the best one filled.

    Args:
        trials: as for plot_trials, and a column se, the standard error of the value.
    """
    trials = _with_value(trials)
    if trials.empty:
        return empty_figure("finished trials")
    models, pruned = list(trials["model"].unique()), int((trials["state"] == "PRUNED").sum())
    figure, panels = canvas(
        1.0 + 0.17 * trials["model"].value_counts().max(), 1, len(models), squeeze=False, sharex=True
    )
    trials = trials.fillna({"se": 0.0})
    low, high = (trials["value"] - trials["se"]).min(), (trials["value"] + trials["se"]).max()
    span = max(high - low, 0.01)
    low, high = low - 0.05 * span, high + 0.08 * span
    for axes, model in zip(panels[0], models, strict=True):
        rows = trials[trials["model"] == model].sort_values("trial").reset_index(drop=True)
        style, best = style_of(model, models), rows["value"].idxmax()
        for y, trial in enumerate(rows.itertuples()):
            line, marker = (":", "x") if trial.state == "PRUNED" else ("-", style["marker"])
            axes.hlines(y, low, trial.value, color=style["color"], lw=1, ls=line)
            axes.hlines(y, trial.value - trial.se, trial.value + trial.se, color=style["color"], lw=4, alpha=0.3)
            face = style["color"] if y == best else "white"
            axes.plot(trial.value, y, marker, color=style["color"], mfc=face, ms=5)
        text = {"textcoords": "offset points", "ha": "center", "fontsize": 7, "weight": "bold"}
        axes.annotate(f"{rows['value'][best]:.3f}", (rows["value"][best], best), (0, 4), **text)
        axes.set_yticks(range(len(rows)), [plain(f"#{t.trial}  {t.settings}") for t in rows.itertuples()])
        axes.set(
            xlabel="validation AUC",
            title=f"{name_of(model)}: optimiser, rate, batch size",
            xlim=(low, high),
            ylim=(len(rows) - 0.5, -0.9),
        )
        axes.grid(axis="y", visible=False)
    panels[0][0].set_ylabel("trial")
    return finish(
        figure, title, f"{len(trials)} trials, {pruned} of them pruned (×); the best of each network is filled"
    )


@styled
def plot_learning_curves(history: pd.DataFrame, title: str | None = None) -> Figure:
    """Return loss, validation AUC and validation accuracy by epoch; the epoch of the best validation AUC is ringed.

    Args:
        history: columns model, epoch, train_loss, val_loss, val_auc, val_accuracy.
    """
    if history.empty:
        return empty_figure("epochs")
    labels = {"val_auc": "validation AUC", "val_accuracy": "validation accuracy"}
    figure, panels = canvas(2.5, 1, 3)
    loss, models, ringed = panels[0], list(history["model"].unique()), []
    for model in models:
        rows, style = history[history["model"] == model].sort_values("epoch"), style_of(model, models)
        dotted = {**style, "linestyle": ":", "markerfacecolor": "white"}
        loss.plot(rows["epoch"], rows["val_loss"], **style, label=f"{name_of(model)}, validation")
        loss.plot(rows["epoch"], rows["train_loss"], **dotted, label=f"{name_of(model)}, training")
        best = rows.loc[rows["val_auc"].idxmax()]
        for axes, column in zip(panels[1:], labels, strict=True):
            axes.plot(rows["epoch"], rows[column], **style)
            axes.plot(best["epoch"], best[column], "o", ms=9, mfc="none", mec=style["color"], clip_on=False)
        ringed.append(f"{name_of(model)} at epoch {best['epoch']:.0f} ({best['val_auc']:.3f})")
    for axes, label in zip(panels, ["cross-entropy loss", *labels.values()], strict=True):
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if history["epoch"].nunique() == 1:
            axes.set_xticks(history["epoch"].unique())
    for axes in panels[1:]:
        up_to_one(axes)
    return finish(figure, title, f"Best validation AUC: {', '.join(ringed)}", legend=loss)
