"""Figures of the benchmark: medians, ratios, losses over time."""

import pandas as pd
import pytest
from figure_checks import check_axes, check_figure, figures_of, line, texts, title_of

from vg_helpers.plots import speed
from vg_helpers.plots.speed import plot_quality, plot_speed, plot_timings

TIMINGS = pd.DataFrame({"device": ["CPU"] * 3 + ["GPU"] * 3, "seconds": [3.0, 2.0, 4.0, 0.1, 0.2, 0.3]})
SPEED = pd.DataFrame({"engine": ["listing", "ours"], "seconds_per_step": [2.0, 0.5]})
SIZES = pd.DataFrame(
    {"engine": ["listing"] * 2 + ["ours"] * 2, "size": [256, 512] * 2, "seconds_per_step": [1.0, 4.0, 0.2, 0.8]}
)
QUALITY = pd.DataFrame(
    {"engine": ["listing"] * 2 + ["ours"] * 2, "seconds": [10.0, 20.0, 1.0, 3.0], "loss": [5.0, 4.0, 6.0, 2.0]}
)
EXAMPLES = {
    plot_timings: (TIMINGS,),
    plot_speed: (SPEED,),
    plot_quality: (QUALITY,),
}


@pytest.mark.parametrize("plot", figures_of(speed))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


@pytest.mark.parametrize("plot", EXAMPLES)
def test_axes_have_names(plot):
    check_axes(plot(*EXAMPLES[plot]))


@pytest.mark.parametrize("plot", EXAMPLES)
def test_an_empty_frame_says_so(plot):
    assert texts(plot(EXAMPLES[plot][0].iloc[:0])).startswith("no ")


def test_timings_show_medians_and_their_ratio():
    figure = plot_timings(TIMINGS)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3.0, 0.2]
    assert title_of(figure) == "GPU is 15.0 times as fast as CPU"


def test_speed_is_bars_or_lines_over_the_size():
    figure = plot_speed(SPEED)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [2.0, 0.5]
    assert "0.500 s (×4.0)" in texts(figure)
    assert list(line(plot_speed(SIZES).axes[0], "ours").get_ydata()) == [0.2, 0.8]
    assert title_of(plot_speed(SIZES)) == "Ours: 5.0 times as fast as listing"


def test_quality_is_the_loss_over_time_and_where_the_reference_ends():
    axes = plot_quality(QUALITY).axes[0]
    assert list(line(axes, "ours").get_xdata()) == [1, 3] and list(line(axes, "ours").get_ydata()) == [6, 2]
    assert axes.get_lines()[-1].get_ydata()[0] == 4
