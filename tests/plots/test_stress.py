"""Figures of what makes answers worse: every point and interval where its number is."""

import numpy as np
import pandas as pd
import pytest
from figure_checks import ODD, check_figure, figures_of

from vg_helpers.intervals import Estimate
from vg_helpers.plots import stress
from vg_helpers.plots.stress import plot_corruptions, plot_learning_curve, plot_painters_left_out

RATES = pd.DataFrame(
    {
        "paintings": [37, 1200, 20],
        "seen": [Estimate(0.1, 0.03, 0.2), Estimate(0.05, 0.04, 0.06), Estimate(0.0, 0.0, 0.1)],
        "unseen": [Estimate(0.6, 0.4, 0.8), Estimate(0.12, 0.1, 0.14), Estimate(0.0, 0.0, 0.1)],
    },
    index=["georges seurat", "edgar degas", ODD],
)
CHANGES = pd.DataFrame(
    [
        ("unchanged", "vgg19", Estimate(0.9, 0.8, 0.95), Estimate(0, 0, 0)),
        ("unchanged", "vgg19_with_texture", Estimate(0.98, 0.97, 0.99), Estimate(0, 0, 0)),
        ("blur", "vgg19", Estimate(0.8, 0.7, 0.9), Estimate(-0.1, -0.2, -0.05)),
        ("blur", "vgg19_with_texture", Estimate(0.97, 0.96, 0.98), Estimate(-0.01, -0.02, 0.0)),
        ("noise", "vgg19", Estimate(0.9, 0.8, 0.95), Estimate(0.0, -0.02, 0.02)),
        ("noise", "vgg19_with_texture", Estimate(0.95, 0.9, 0.97), Estimate(-0.03, -0.05, -0.01)),
    ],
    columns=["corruption", "model", "auc", "change"],
)
CURVE = pd.DataFrame(
    {"paintings": [220, 550, 2198], "value": [0.94, 0.96, 0.98], "low": [0.93, 0.95, 0.97], "high": [0.95, 0.97, 0.99]}
)
EXAMPLES = {plot_painters_left_out: RATES, plot_corruptions: CHANGES, plot_learning_curve: CURVE}


@pytest.mark.parametrize("plot", figures_of(stress))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, EXAMPLES[plot])


def drawn(container):
    """Return value, low and high of each horizontal error bar."""
    ends = np.array([segment[:, 0] for segment in container.lines[2][0].get_segments()])
    return np.column_stack([container.lines[0].get_xdata(), ends])


def test_painters_have_a_point_when_seen_and_one_when_left_out():
    (axes,) = plot_painters_left_out(RATES).axes
    seen, unseen = axes.containers
    np.testing.assert_allclose(drawn(seen), 100 * np.array(RATES.seen.tolist()))
    np.testing.assert_allclose(drawn(unseen), 100 * np.array(RATES.unseen.tolist()))
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == ["Georges Seurat (37)", "Edgar Degas (1,200)"]
    assert axes.yaxis_inverted() and (seen.get_label(), unseen.get_label()) == (
        "painter seen in training",
        "painter left out",
    )
    title = "Georges Seurat is mistaken most often: 10.0 % when seen, 60.0 % when left out"
    assert axes.figure.get_suptitle() == title
    assert len(plot_painters_left_out(RATES, top=1).axes[0].get_yticklabels()) == 1


def test_corruptions_are_sorted_by_the_loss_of_the_last_classifier():
    (axes,) = plot_corruptions(CHANGES).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["noise", "blur"]
    alone, together = axes.containers
    np.testing.assert_allclose(drawn(alone), [(0.0, -0.02, 0.02), (-0.1, -0.2, -0.05)], atol=1e-12)
    np.testing.assert_allclose(drawn(together), [(-0.03, -0.05, -0.01), (-0.01, -0.02, 0.0)], atol=1e-12)
    assert (alone.get_label(), together.get_label()) == ("VGG-19", "VGG-19 with texture")
    assert (alone.lines[0].get_ydata() < together.lines[0].get_ydata()).all()  # side by side
    assert axes.figure.get_suptitle() == "Noise changes the ROC AUC of VGG-19 with texture by −0.030"


def test_the_learning_curve_has_a_tick_for_each_number_of_paintings():
    (axes,) = plot_learning_curve(CURVE).axes
    (container,) = axes.containers
    np.testing.assert_allclose(container.lines[0].get_xydata(), CURVE[["paintings", "value"]])
    ends = [segment[:, 1] for segment in container.lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, CURVE[["low", "high"]])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["220", "550", "2,198"]
    assert axes.figure.get_suptitle() == "ROC AUC 0.940 with 220 paintings, 0.980 with 2,198"
