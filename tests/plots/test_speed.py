"""Figures of the benchmark: medians, ratios, losses over time."""

import pandas as pd
import pytest
from figure_checks import check_figure, figures_of, line, texts, title_of

from vg_helpers.plots import speed
from vg_helpers.plots.speed import plot_quality, plot_speed, plot_timings

TIMINGS = pd.DataFrame(
    {"device": ["CPU"] * 3 + ["GPU"] * 3, "setting": "float32", "seconds": [3.0, 2.0, 4.0, 0.1, 0.2, 0.3]}
)
SPEEDS = pd.DataFrame(
    {"variant": ["baseline", "bfloat16", "lower bound"], "seconds": [2.0, 0.5, 0.25], "speed_up": [1.0, 4.0, 8.0]}
)
QUALITY = pd.DataFrame(
    {"variant": ["baseline"] * 2 + ["engine"] * 2, "seconds": [10.0, 20.0, 1.0, 3.0], "loss": [5.0, 4.0, 6.0, 2.0]}
)
EXAMPLES = {
    plot_timings: (TIMINGS,),
    plot_speed: (SPEEDS,),
    plot_quality: (QUALITY,),
}


@pytest.mark.parametrize("plot", figures_of(speed))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


def test_timings_show_medians_and_their_ratio():
    figure = plot_timings(TIMINGS)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3.0, 0.2]
    assert title_of(figure) == "GPU, float32 is 15.0 times as fast as CPU, float32"
    assert title_of(plot_timings(TIMINGS[:3])) == "CPU, float32: 3.00 s per mini-batch"


def test_bars_of_one_device_have_one_colour():
    half = TIMINGS[:3].assign(setting="bfloat16", seconds=1.0)
    bars = plot_timings(pd.concat([TIMINGS[:3], half, TIMINGS[3:]])).axes[0].patches
    colours = [bar.get_facecolor() for bar in bars]
    assert colours[0] == colours[1] != colours[2]


def test_speed_names_the_best_variant_between_baseline_and_lower_bound():
    figure = plot_speed(SPEEDS)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [2.0, 0.5, 0.25]
    assert "0.500 s (×4.0)" in texts(figure)
    assert title_of(figure) == "The engine (bfloat16) is 4.0 times as fast as the baseline"


def test_quality_is_the_loss_over_time_and_where_the_first_one_ends():
    axes = plot_quality(QUALITY).axes[0]
    assert list(line(axes, "engine").get_xdata()) == [1, 3] and list(line(axes, "engine").get_ydata()) == [6, 2]
    assert axes.get_lines()[-1].get_ydata()[0] == 4
