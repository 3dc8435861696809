"""Figures of training: every trial and epoch is drawn at its value."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from figure_checks import check_figure, figures_of, line, title_of
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vg_helpers.plots import training
from vg_helpers.plots.training import plot_learning_curves, plot_trial_comparison, plot_trials

TRIALS = pd.DataFrame(
    {
        "model": ["vgg19"] * 3 + ["alexnet"] * 2,
        "trial": [0, 1, 2, 0, 1],
        "lr": [1e-5, 1e-4, 1e-3, 3e-5, 2e-4],
        "batch_size": [16, 32, 16, 32, 16],
        "optimizer": ["AdamW", "SGD", "AdamW", "SGD", "AdamW"],
        "value": [0.9, 0.95, 0.7, 0.85, 0.88],
        "se": [0.01, 0.02, float("nan"), 0.01, 0.03],
        "state": ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE"],
    }
)
HISTORY = pd.DataFrame(
    {
        "model": ["vgg19"] * 3 + ["alexnet"] * 3,
        "epoch": [1, 2, 3] * 2,
        "train_loss": [0.5, 0.3, 0.2, 0.6, 0.4, 0.3],
        "val_loss": [0.5, 0.35, 0.4, 0.6, 0.5, 0.45],
        "val_auc": [0.8, 0.9, 0.88, 0.7, 0.8, 0.85],
        "val_accuracy": [0.85, 0.9, 0.91, 0.8, 0.83, 0.84],
    }
)
EXAMPLES = {
    plot_trials: (TRIALS,),
    plot_trial_comparison: (TRIALS,),
    plot_learning_curves: (HISTORY,),
}


@pytest.mark.parametrize("plot", figures_of(training))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


def test_trials_are_at_their_values():
    left, right = plot_trials(TRIALS).axes
    drawn = {(float(p.get_xdata()[0]), float(p.get_ydata()[0])) for p in left.get_lines() if len(p.get_xdata())}
    assert drawn == set(zip(TRIALS["lr"], TRIALS["value"], strict=True))
    for trial in TRIALS.itertuples():
        at = [p.get_xdata()[0] for p in right.get_lines() if p.get_ydata()[0] == trial.value]
        assert right.get_xticklabels()[round(float(at[0]))].get_text() == str(trial.batch_size)
    crosses = [p for p in left.get_lines() if p.get_marker() == "x" and len(p.get_xdata())]
    assert [p.get_ydata()[0] for p in crosses] == [0.7]
    assert "VGG-19 0.950 (SGD, 1.0e-4, 32)" in title_of(plot_trials(TRIALS))


def test_learning_rates_are_short_numbers_that_do_not_overprint():
    for rates in ([1e-6, 1e-4, 1e-3, 3e-5, 2e-4], [2e-5, 3e-5, 4e-5, 5e-5, 9e-5]):
        axis = plot_trials(TRIALS.assign(lr=rates)).axes[0].xaxis
        FigureCanvasAgg(axis.figure).draw()
        low, high = axis.get_view_interval()
        labels = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        spans = [label.get_window_extent() for label in labels]
        assert labels[0].get_text() in ("1e-6", "2e-5")
        assert all(first.x1 < second.x0 for first, second in pairwise(spans))
        assert not any(label.get_text() for label in axis.get_ticklabels(minor=True))


def test_trial_comparison_fills_the_best_and_crosses_the_pruned():
    vgg, alexnet = plot_trial_comparison(TRIALS).axes
    assert [p.get_xdata()[0] for p in vgg.get_lines()] == [0.9, 0.95, 0.7]
    assert [p.get_markerfacecolor() != "white" for p in vgg.get_lines()] == [False, True, False]
    assert [p.get_marker() for p in vgg.get_lines()] == ["o", "o", "x"]
    assert {p.get_marker() for p in alexnet.get_lines()} == {"s"}
    apart = TRIALS.assign(value=TRIALS["value"].where(TRIALS["model"] == "vgg19", 0.99))
    for axes in plot_trial_comparison(apart).axes:
        low, high = axes.get_xlim()
        assert all(low < p.get_xdata()[0] < high for p in axes.get_lines())
    assert "1 of them pruned" in title_of(plot_trial_comparison(TRIALS))


def test_the_bars_of_trials_show_one_standard_error():
    vgg, _ = plot_trial_comparison(TRIALS).axes
    bars = [bar.get_segments()[0][:, 0] for bar in vgg.collections if bar.get_alpha()]
    np.testing.assert_allclose(bars[:2], [[0.89, 0.91], [0.93, 0.97]])


def test_learning_curves_ring_the_best_epoch():
    figure = plot_learning_curves(HISTORY)
    loss, auc, accuracy = figure.axes
    assert list(line(loss, "VGG-19, training").get_ydata()) == [0.5, 0.3, 0.2]
    rings = [(p.get_xdata()[0], p.get_ydata()[0]) for p in auc.get_lines() if len(p.get_xdata()) == 1]
    assert rings == [(2, 0.9), (3, 0.85)]
    assert [p.get_ydata()[0] for p in accuracy.get_lines() if len(p.get_xdata()) == 1] == [0.9, 0.84]  # the same epochs
    assert "VGG-19 at epoch 2 (0.900), AlexNet at epoch 3 (0.850)" in title_of(figure)


def test_every_curve_lies_within_its_panel():
    for axes in plot_learning_curves(HISTORY).axes:
        low, high = axes.get_ylim()
        values = np.concatenate([line.get_ydata() for line in axes.lines])
        assert low <= values.min() and values.max() <= high


def test_the_axis_of_a_metric_ends_at_one():
    perfect = HISTORY.assign(val_auc=1.0, val_accuracy=1.0)
    tops = [axes.get_ylim()[1] for axes in plot_learning_curves(perfect).axes[1:]]
    tops += [axes.get_ylim()[1] for axes in plot_trials(TRIALS.assign(value=[1.0, 0.99, 0.5, 1.0, 1.0])).axes]
    assert max(tops) == 1.005
    assert plot_learning_curves(HISTORY.assign(val_auc=0.5)).axes[1].get_ylim()[1] < 0.6
