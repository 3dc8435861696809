"""The figure of people's answers, against the numbers that went in."""

import math

import pandas as pd
import pytest
from figure_checks import check_figure, figures_of

from vg_helpers.plots import study
from vg_helpers.plots.study import plot_people

TABLE = pd.DataFrame(
    [
        ("van_gogh", "strength", "van_gogh", 0.0, 0.0, 0.0),
        ("van_gogh", "strength", "vgg19", -1.2, -1.9, -0.6),
        ("van_gogh", "taken for real", "vgg19", 0.2, 0.1, 0.3),
        ("van_gogh", "agreement", "log_odds_vgg19", 0.7, 0.6, 0.8),
        ("photo", "strength", "alexnet", 0.0, math.nan, math.nan),
        ("photo", "agreement", "ssim", 0.8, math.nan, math.nan),
    ],
    columns=["kind", "result", "name", "value", "low", "high"],
)


@pytest.mark.parametrize("plot", figures_of(study))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, TABLE)


def test_dots_stand_at_the_values_with_their_names():
    left, right, *_ = plot_people(TABLE).axes
    assert left.lines[0].get_xdata().tolist() == [0.0, -1.2]
    assert [label.get_text() for label in left.get_yticklabels()] == ["real Van Gogh", "VGG-19"]
    assert right.lines[0].get_xdata().tolist() == [0.7]
