"""Figures of training: trials of a search, learning curves; frames have the columns of the notebooks' files."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .look import NEUTRAL, canvas, empty_figure, finish, name_of, plain, style_of, styled, up_to_one


def _settled(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a value, with state (COMPLETE where the column is missing) and settings as text."""
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
        return empty_figure("finished trials")
    figure, (left, right) = canvas(2.7, 1, 2, sharey=True)
    sizes, models = sorted(trials["batch_size"].unique()), list(trials["model"].unique())
    shapes = dict(zip(sorted(trials["optimizer"].unique()), "os^Dv", strict=False))
    for trial in trials.itertuples():
        colour, place = style_of(trial.model, models)["color"], models.index(trial.model)
        beside = sizes.index(trial.batch_size) + 0.16 * (place - (len(models) - 1) / 2)
        for axes, x in ((left, trial.lr), (right, beside)):
            face = "white" if place else colour
            axes.plot(x, trial.value, shapes[trial.optimizer], color=colour, mfc=face, ms=5, mew=1.2)
            if trial.state == "PRUNED":
                axes.plot(x, trial.value, "x", color="black", ms=7, mew=0.8)
    left.set(xscale="log", xlabel="learning rate (log scale)", ylabel=metric)
    right.set(xlabel="batch size (images)", xlim=(-0.5, len(sizes) - 0.5))
    right.set_xticks(range(len(sizes)), sizes)
    up_to_one(left)
    for place, model in enumerate(models):
        colour = style_of(model, models)["color"]
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
        return empty_figure("finished trials")
    models, pruned = list(trials["model"].unique()), int((trials["state"] == "PRUNED").sum())
    figure, panels = canvas(
        1.0 + 0.17 * trials["model"].value_counts().max(), 1, len(models), squeeze=False, sharex=True
    )
    span = max(np.ptp(trials["value"]), 0.01)
    low, high = trials["value"].min() - 0.05 * span, trials["value"].max() + 0.08 * span
    for axes, model in zip(panels[0], models, strict=True):
        own = trials[trials["model"] == model].sort_values("trial").reset_index(drop=True)
        style, best = style_of(model, models), own["value"].idxmax()
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
    if history.empty:
        return empty_figure("epochs")
    labels = {"val_auc": "validation AUC", "val_accuracy": "validation accuracy", "val_f1": "validation F1"}
    shown = [column for column in labels if column in history and history[column].notna().any()]
    rows = 2 if len(shown) == 3 else 1
    figure, panels = canvas(2.5 if rows == 1 else 4.2, rows, (1 + len(shown)) // rows, squeeze=False, sharex=True)
    panels, models, found = panels.ravel(), list(history["model"].unique()), []
    for model in models:
        own, style = history[history["model"] == model].sort_values("epoch"), style_of(model, models)
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
    for axes in panels[1:]:
        up_to_one(axes)
    if history["epoch"].nunique() == 1:
        panels[0].set_xticks(history["epoch"].unique())
    finding = f"Best {labels[shown[0]]}: {', '.join(found)}" if shown else "Loss by epoch"
    return finish(figure, title, finding, legend=panels[0])
