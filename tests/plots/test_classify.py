"""Figures that judge classifiers, against scikit-learn and counts by hand."""

import numpy as np
import pandas as pd
import pytest
from figure_checks import ODD, check_figure, figures_of, line, texts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn import metrics

from vg_helpers.plots import classify
from vg_helpers.plots.classify import (
    plot_confusions,
    plot_examples,
    plot_metric_comparison,
    plot_mistakes,
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
TABLE = pd.DataFrame(
    {
        "from": [0.0, 0.5],
        "to": [0.5, 1.0],
        "count": [2, 1],
        "mean_prob": [0.2, 0.9],
        "fraction": [0.5, 1.0],
        "low": [0.1, 0.4],
        "high": [0.9, 1.0],
    }
)
TABLES = {"vgg19": TABLE, "vgg19 calibrated": TABLE}
IMAGE = np.full((3, 12, 16), 0.5)
MISTAKES = pd.DataFrame({"artist": ["paul gauguin"], "p_vgg19": [0.9]})
EXAMPLES_BY_OUTCOME = {"FP": MISTAKES, "TN": MISTAKES[:0]}
EXAMPLES = {
    plot_metric_comparison: (METRICS,),
    plot_confusions: (CONFUSIONS,),
    plot_roc: (TARGETS, PROBS),
    plot_precision_recall: (TARGETS, PROBS),
    plot_reliability: (TABLES, {"vgg19": 0.2, "vgg19 calibrated": 0.1}),
    plot_examples: (EXAMPLES_BY_OUTCOME, [[IMAGE], []]),
    plot_mistakes: (MISTAKES, [IMAGE]),
    plot_p_by_artist: (INDEX,),
}


@pytest.mark.parametrize("plot", figures_of(classify))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plot_confusions, ({},)),
        (plot_roc, ([0, 0], {"vgg19": [0.1, 0.2]})),
        (plot_precision_recall, ([], {})),
        (plot_reliability, ({}, {})),
        (plot_examples, ({"FP": MISTAKES[:0]}, [[]])),
        (plot_mistakes, (MISTAKES[:0], [])),
    ],
)
def test_no_data_says_so(plot, arguments):
    assert texts(plot(*arguments)).startswith("no ")


def test_metric_comparison_draws_values_and_intervals():
    auc, f1 = plot_metric_comparison(METRICS).axes
    for axes, rows in ((auc, METRICS[:2]), (f1, METRICS[2:])):
        points = [container.lines[0].get_xydata()[0].tolist() for container in axes.containers]
        assert points == [[value, y] for y, value in enumerate(rows["value"])]
        ends = [container.lines[2][0].get_segments()[0][:, 0] for container in axes.containers]
        np.testing.assert_allclose(ends, rows[["low", "high"]])
    assert [auc.get_title("left"), f1.get_title("left")] == ["ROC AUC", "F1"]
    assert [label.get_text() for label in auc.get_yticklabels()] == ["VGG-19", "AlexNet"]
    assert auc.yaxis_inverted() and "0.821" in texts(f1.figure)
    assert plot_metric_comparison(METRICS).get_suptitle() == "ROC AUC: VGG-19 0.976, AlexNet 0.971"


def test_a_panel_without_one_of_the_models_keeps_the_others_in_their_rows():
    axes = plot_metric_comparison(METRICS[METRICS.index != 2]).axes[1]
    assert [container.lines[0].get_ydata()[0] for container in axes.containers] == [1]


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


def test_reliability_draws_the_table_with_its_intervals():
    axes, below = plot_reliability(TABLES, {"vgg19": 0.2, "vgg19 calibrated": 0.1}).axes
    curve = line(axes, "VGG-19 (")
    np.testing.assert_allclose(curve.get_xydata(), [[0.2, 0.5], [0.9, 1.0]])
    spans = [segment[:, 1].tolist() for segment in axes.collections[0].get_segments()]
    assert spans == [[0.1, 0.9], [0.4, 1.0]]
    assert [bar.get_height() for bar in below.patches] == [2, 1, 2, 1]
    inside = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in below.patches]
    assert all(low >= 0 and high <= 0.5 for low, high in inside[::2]) and all(low >= 0.5 for low, _ in inside[1::2])
    assert curve.get_label() == "VGG-19 (error 0.200)"
    assert "VGG-19 calibrated, 0.100" in axes.figure.get_suptitle()
    assert 0 < below.get_ylim()[0] < 1  # a bin of one painting shows


def test_the_axis_of_metrics_ends_at_one_and_leaves_room_for_the_numbers():
    axes = plot_metric_comparison(METRICS.assign(value=1.0, low=0.9, high=1.0)).axes[0]
    assert max(axes.get_xticks()) == 1 < axes.get_xlim()[1]


def test_metrics_that_are_all_the_same_have_a_scale():
    axes = plot_metric_comparison(METRICS.assign(value=1.0, low=1.0, high=1.0)).axes[0]
    FigureCanvasAgg(axes.figure).draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.98", "0.99", "1.00"]
    assert axes.xaxis.get_offset_text().get_text() == ""


def test_examples_and_mistakes_are_named():
    figure = plot_examples(EXAMPLES_BY_OUTCOME, [[IMAGE], []])
    full = plot_examples({"FP": MISTAKES, "TN": MISTAKES}, [[IMAGE], [IMAGE]])
    assert figure.get_figheight() < 0.7 * full.get_figheight()
    assert {"Paul Gauguin", "P = 0.90", "false positives", "true negatives: none"} <= set(texts(figure).split("\n"))
    assert {"1. P = 0.90", "Paul Gauguin"} <= set(texts(plot_mistakes(MISTAKES, [IMAGE])).split("\n"))
