"""Figures that judge classifiers, against scikit-learn and counts by hand."""

import numpy as np
import pandas as pd
import pytest
from figure_checks import ODD, check_axes, check_figure, figures_of, line, texts
from sklearn import metrics

from vg_helpers.plots import classify
from vg_helpers.plots.classify import (
    plot_confusions,
    plot_metric_comparison,
    plot_p_by_artist,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
)

RNG = np.random.default_rng(0)
TARGETS = (RNG.random(200) < 0.3).astype(int)
PROBS = {
    "vgg19": np.clip(0.5 * TARGETS + 0.6 * RNG.random(200), 0, 1),
    "alexnet": np.clip(0.3 * TARGETS + 0.7 * RNG.random(200), 0, 1),
}
INDEX = pd.DataFrame(
    {
        "artist": ["vincent van gogh"] * 3 + ["paul gauguin"] * 5 + [ODD] * 2,
        "label": [1] * 3 + [0] * 7,
        "width": np.arange(300, 310),
        "height": np.arange(400, 410),
        "split_seed": ["train"] * 6 + ["val"] * 2 + ["test"] * 2,
        "split_grouped": ["train", "val", "test"] * 3 + ["train"],
        "p_vgg19": np.linspace(1, 0, 10),
    }
)
METRICS = pd.DataFrame(
    {
        "model": ["vgg19", "alexnet"] * 2,
        "metric": ["roc_auc", "roc_auc", "f1", "f1"],
        "value": [0.976, 0.971, 0.821, 0.761],
        "low": [0.96, 0.95, 0.76, 0.69],
        "high": [0.99, 0.985, 0.87, 0.82],
    }
)
CONFUSIONS = {"vgg19": np.array([[530, 9], [26, 80]]), "alexnet": np.array([[523, 16], [31, 75]])}
EXAMPLES = {
    plot_metric_comparison: (METRICS,),
    plot_confusions: (CONFUSIONS,),
    plot_roc: (TARGETS, PROBS),
    plot_precision_recall: (TARGETS, PROBS),
    plot_reliability: (TARGETS, PROBS),
    plot_p_by_artist: (INDEX,),
}


@pytest.mark.parametrize("plot", figures_of(classify))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


@pytest.mark.parametrize("plot", EXAMPLES)
def test_axes_have_names(plot):
    check_axes(plot(*EXAMPLES[plot]))


@pytest.mark.parametrize("plot", [plot_metric_comparison, plot_p_by_artist])
def test_an_empty_frame_says_so(plot):
    assert texts(plot(EXAMPLES[plot][0].iloc[:0])).startswith("no ")


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plot_confusions, ({},)),
        (plot_roc, ([0, 0], {"vgg19": [0.1, 0.2]})),
        (plot_precision_recall, ([], {})),
        (plot_reliability, ([], {})),
    ],
)
def test_no_data_says_so(plot, arguments):
    assert texts(plot(*arguments)).startswith("no ")


def test_metric_comparison_draws_values_and_intervals():
    axes = plot_metric_comparison(METRICS).axes[0]
    points, _, (bars,) = axes.containers[0].lines
    assert list(points.get_xdata()) == [0.976, 0.821]
    np.testing.assert_allclose([segment[:, 0] for segment in bars.get_segments()], [[0.96, 0.99], [0.76, 0.87]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ROC AUC", "F1"]


def test_confusions_are_written_row_by_row():
    first, second = plot_confusions(CONFUSIONS).axes
    assert [text.get_text() for text in first.texts] == ["530\n98.3 %", "9\n1.7 %", "26\n24.5 %", "80\n75.5 %"]
    assert [text.get_text().split("\n")[0] for text in second.texts] == ["523", "16", "31", "75"]
    assert first.texts[0].get_position()[1] < first.texts[2].get_position()[1]
    assert first.yaxis_inverted()  # "other" on top


def test_roc_and_precision_recall_agree_with_scikit_learn():
    figure = plot_roc(TARGETS, PROBS)
    for model, name in (("vgg19", "VGG-19"), ("alexnet", "AlexNet")):
        area = metrics.roc_auc_score(TARGETS, PROBS[model])
        curve = line(figure.axes[0], name)
        assert curve.get_label() == f"{name} (AUC {area:.3f})"
        assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(area)
        false = ((PROBS[model] >= 0.5) & (TARGETS == 0)).sum() / (TARGETS == 0).sum()
        true = metrics.recall_score(TARGETS, PROBS[model] >= 0.5)
        points = [(p.get_xdata()[0], p.get_ydata()[0]) for p in figure.axes[0].get_lines() if len(p.get_xdata()) == 1]
        assert any(point == pytest.approx((false, true)) for point in points)
        assert f"AP {metrics.average_precision_score(TARGETS, PROBS[model]):.3f}" in texts(
            plot_precision_recall(TARGETS, PROBS)
        )


def test_precision_recall_marks_the_threshold():
    points = [p for p in plot_precision_recall(TARGETS, PROBS).axes[0].get_lines() if len(p.get_xdata()) == 1]
    preds = PROBS["vgg19"] >= 0.5
    expected = metrics.recall_score(TARGETS, preds), metrics.precision_score(TARGETS, preds)
    assert (points[0].get_xdata()[0], points[0].get_ydata()[0]) == pytest.approx(expected)


def test_reliability_of_two_bins_by_hand():
    axes, below = plot_reliability([0, 1, 1, 1], {"vgg19": [0.1, 0.3, 0.8, 1.0]}, bins=2).axes
    curve = line(axes, "VGG-19")
    np.testing.assert_allclose(curve.get_xydata(), [[0.2, 0.5], [0.9, 1.0]])
    assert [bar.get_height() for bar in below.patches] == [2, 2]
    assert curve.get_label() == "VGG-19 (error 0.200)"  # (2·0.3 + 2·0.1) / 4
    assert 0 < below.get_ylim()[0] < 1  # a bin of one painting shows


def test_the_axis_of_metrics_ends_at_one_and_leaves_room_for_the_labels():
    axes = plot_metric_comparison(METRICS.assign(value=1.0, low=0.9, high=1.0)).axes[0]
    assert max(axes.get_xticks()) == 1 < axes.get_xlim()[1]
