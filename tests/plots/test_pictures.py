"""Pictures in aligned cells: whole, undistorted, titles as they are."""

import numpy as np
import pytest
import torch
from figure_checks import IMAGES, ODD, check_figure, figures_of, texts, title_of

from vg_helpers.plots import pictures
from vg_helpers.plots.pictures import (
    plot_augmentations,
    plot_result_grid,
    plot_samples,
    plot_twins,
)

RESULTS = (
    IMAGES[:5],
    IMAGES[:5],
    {"vgg19": IMAGES[:5], "alexnet": IMAGES[:5]},
    {"vgg19": [(0.5, 0.1)] * 5, "alexnet": [(0.25, 0.2)] * 5},
)
EXAMPLES = {
    plot_samples: (IMAGES, [ODD] * 8),
    plot_augmentations: (IMAGES[:1], [IMAGES[1:6]]),
    plot_twins: ([(IMAGES[0], IMAGES[1])], [(ODD, ODD)]),
    plot_result_grid: RESULTS,
}


@pytest.mark.parametrize("plot", figures_of(pictures))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plot_samples, ([], [])),
        (plot_augmentations, ([], [])),
        (plot_twins, ([], [])),
        (plot_result_grid, ([], [], {}, {})),
    ],
)
def test_no_data_says_so(plot, arguments):
    assert texts(plot(*arguments)).startswith("no ")


def test_pictures_are_drawn_whole_and_undistorted():
    wide, tall = torch.zeros(3, 10, 30), torch.ones(3, 30, 10)
    wide[0] = 1
    figure = plot_samples([wide, tall, IMAGES[0]], "abc")
    for axes, image in zip(figure.axes, (wide, tall, IMAGES[0]), strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), image.permute(1, 2, 0), atol=1e-6)
        assert axes.bbox.height / axes.bbox.width == pytest.approx(image.shape[1] / image.shape[2], rel=0.01)


def test_odd_titles_are_drawn_as_they_are():
    figure = plot_samples(IMAGES[:2], ["a_b $5 & $6 #%", "Émile <x>"], columns=2)
    assert {"a_b $5 & $6 #%", "Émile <x>"} <= set(texts(figure).split("\n"))
    drawn = next(text for text in figure.texts if "$5" in text.get_text())
    assert drawn._preprocess_math(drawn.get_text()) == ("a_b $5 & $6 #%", False)  # no formula


def test_a_share_in_a_title_keeps_a_space_before_its_percent_sign():
    shown = title_of(plot_samples(IMAGES, [ODD] * 8, title="96% (7%) of 5 % and a 5%_x"))
    assert shown == "96\u00a0% (7\u00a0%) of 5 % and a 5%_x"


def test_long_titles_stay_within_their_column():
    figure = plot_samples(IMAGES, ["incomprehensibilities_" * 9] * 8)
    width = figure.axes[0].bbox.width * 1.15
    assert all(text.get_window_extent().width <= width for text in figure.texts)


def test_cells_are_aligned_and_results_as_wide_as_the_text():
    figure = plot_result_grid(*RESULTS, title="")
    boxes = np.array([[axes.bbox.x0, axes.bbox.y0] for axes in figure.axes]).round(3)
    assert len(figure.axes) == 20
    assert len(set(boxes[:, 0])) == 4
    assert len(set(boxes[:, 1])) == 5
    assert figure.axes[3].bbox.x1 > 0.95 * figure.bbox.width
    assert texts(figure).count("0.50 | 0.10") == 5
    assert texts(figure).count("0.25 | 0.20") == 5


def test_several_images_where_one_is_needed_are_an_error():
    with pytest.raises(ValueError, match="pass one image at a time"):
        plot_samples([IMAGES], ["a"])
