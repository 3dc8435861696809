"""Figures of the third answer, against the numbers that went in."""

import math

import numpy as np
import pandas as pd
import pytest
from figure_checks import IMAGES, ODD, check_figure, figures_of, texts, title_of

from vg_helpers.plots import answers
from vg_helpers.plots.answers import plot_neighbors, plot_risk

CURVE = pd.DataFrame({"margin": [3.0, 2.0, 0.5], "answered": [0.2, 0.6, 1.0], "wrong": [0.0, 0.02, 0.1]})
ARGUMENTS = ({"vgg19_with_texture": CURVE, "alexnet": CURVE}, {"vgg19_with_texture": 2.0, "alexnet": math.inf}, 0.05)
SHOWN = pd.DataFrame(
    {
        "kind": ["wrong"] * 5 + ["cannot_tell"] * 3,
        "role": ["test", "van_gogh", "van_gogh", "other", "other", "test", "van_gogh", "other"],
        "artist": ["paul gauguin", "vincent van gogh", "vincent van gogh", ODD, "a b"] * 1 + ["c d", "e f", "g h"],
    }
)
EXAMPLES = {plot_risk: ARGUMENTS, plot_neighbors: (SHOWN, list(IMAGES))}


@pytest.mark.parametrize("plot", figures_of(answers))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


def test_the_dot_is_where_the_margin_is_and_an_infinite_one_has_none():
    figure = plot_risk(*ARGUMENTS)
    dots = [line.get_xydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(dots, [[[0.6, 0.02]]])
    assert title_of(figure).replace("\n", " ").startswith("VGG-19 with texture answers 60.0 %, 2.0 % of them wrongly")
    assert title_of(plot_risk(ARGUMENTS[0], dict.fromkeys(ARGUMENTS[0], math.inf), 0.05)) == "No margin is safe"
    assert texts(plot_risk({"vgg19": CURVE[:0]}, {"vgg19": 1.0}, 0.05)) == "no answers"


def test_each_picture_stands_in_its_column():
    figure = plot_neighbors(SHOWN, list(IMAGES))
    assert len(figure.axes) == 8
    text = texts(figure)
    assert all(words in text for words in ("test painting", "nearest Van Goghs", "nearest others", "cannot tell"))
    left = [round(axes.get_position().x0, 2) for axes in figure.axes]
    assert left[5] == left[0] and left[6] == left[1] and left[7] == left[3]
