"""Figures of Grad-CAM: colours, overlays, areas."""

import numpy as np
import pandas as pd
import pytest
import torch
from figure_checks import IMAGES, ODD, check_figure, figures_of, texts, title_of

from vg_helpers.plots import cams
from vg_helpers.plots.cams import (
    jet,
    plot_cam_panels,
    plot_evidence,
    plot_faithfulness,
    plot_guided,
    plot_mean_maps,
    plot_randomisation,
)

CURVES = pd.DataFrame(
    {
        "judge": "network",
        "curve": ["deletion"] * 4 + ["insertion"] * 4,
        "method": (["Grad-CAM"] * 2 + ["random"] * 2) * 2,
        "fraction": [0.0, 1.0] * 4,
        "p": [0.9, 0.1, 0.9, 0.3, 0.1, 0.9, 0.1, 0.7],
    }
).assign(low=0.0, high=1.0)
CAMS = torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(1))
SIGNED = CAMS[:, None] - 0.5
EXAMPLES = {
    plot_cam_panels: (IMAGES[:6], CAMS, [ODD] * 6, [0.5] * 6),
    plot_evidence: (IMAGES[:6], CAMS, SIGNED, [ODD] * 6, [0.5, -12.25] * 3),
    plot_mean_maps: ({"Van Gogh": CAMS, "other": CAMS[:, None]},),
    plot_randomisation: (IMAGES[:2], {"conv5_4": CAMS[:2], "conv1_1": CAMS[2:4]}, {"conv1_1": 0.1}),
    plot_guided: (
        IMAGES[:2],
        {"guided": IMAGES[2:4], "unguided": IMAGES[4:6]},
        {"guided": [0.5, 1], "unguided": [0, 0]},
    ),
    plot_faithfulness: (CURVES,),
}


@pytest.mark.parametrize("plot", figures_of(cams))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plot_cam_panels, ([], [])),
        (plot_evidence, ([], [], [], [], [])),
        (plot_mean_maps, ({},)),
        (plot_randomisation, ([], {}, {})),
        (plot_guided, ([], {}, {})),
    ],
)
def test_no_data_says_so(plot, arguments):
    assert texts(plot(*arguments)).startswith("no ")


def test_faithfulness_gives_the_areas():
    title = title_of(plot_faithfulness(CURVES)).replace("\n", " ")
    assert "scored by VGG-19: deletion Grad-CAM 0.50, random 0.60; insertion Grad-CAM 0.50, random 0.40" in title


def test_each_judge_has_its_row_of_curves():
    higher = CURVES.assign(judge="texture", p=CURVES["p"] + 0.05)
    figure = plot_faithfulness(pd.concat([CURVES, higher]))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    curves = ("deletion", "insertion")
    assert titles == [f"{curve}, scored by {judge}" for judge in ("VGG-19", "the texture judge") for curve in curves]
    first, below = (figure.axes[row].lines[0].get_ydata() for row in (0, 2))
    np.testing.assert_allclose(below, first + 0.05)


def test_evidence_for_is_red_and_against_blue_on_a_scale_of_hundredths():
    maps = torch.zeros(1, 1, 10, 20)
    maps[..., :10], maps[..., 10:] = 0.03, -0.01  # of 200 places: 0.06 and −0.02 to a hundredth
    figure = plot_evidence(torch.ones(1, 3, 10, 20), CAMS[:1], maps, ["a"], [1.5])
    shown = figure.axes[2].images[0].get_array()
    red, blue = shown[5, 2], shown[5, 17]
    assert red[0] > red[2] + 0.2 and blue[2] > blue[0] + 0.05
    assert "+0.06 for" in texts(figure) and "−0.06 against" in texts(figure) and "log odds +1.5" in texts(figure)


def test_few_pictures_in_several_rows_stay_small():
    heights = [plot_cam_panels(IMAGES[:n], CAMS[:n]).get_figheight() for n in (2, 5)]
    assert heights[0] < 1.3 * heights[1]


def test_the_overlay_is_the_stated_mixture():
    figure = plot_cam_panels(IMAGES[:1], CAMS[:1], overlay=0.4)
    original, heat, overlay = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_allclose(overlay, 0.6 * original + 0.4 * heat, atol=1e-6)


def test_heat_maps_are_jet():
    ends = jet(np.array([[0.0, 1.0]]), (1, 2))
    np.testing.assert_allclose(ends[0], [[0, 0, 0.5], [0.5, 0, 0]], atol=1e-6)


def test_panels_name_artist_and_probability():
    shown = texts(plot_cam_panels(IMAGES[:2], CAMS[:2], ["vincent van gogh", "paul gauguin"], [0.976, 0.5])).split("\n")
    assert {"Vincent van Gogh", "P = 0.98", "Paul Gauguin", "P = 0.50"} <= set(shown)
    assert "P =" not in texts(plot_cam_panels(IMAGES[:2], CAMS[:2]))


def test_mean_maps_are_the_means():
    figure = plot_mean_maps({"low": np.zeros((3, 1, 2, 2)), "mixed": np.array([np.ones((2, 2)), np.zeros((2, 2))])})
    assert title_of(figure) == "Mean of the maps: low 0.00, mixed 0.50"
    assert "mixed (mean of 2)" in texts(figure)
    np.testing.assert_allclose(figure.axes[1].images[0].get_array()[0, 0], jet(np.full((1, 1), 0.5), (1, 1))[0, 0])


def test_randomisation_has_a_column_for_each_layer():
    figure = plot_randomisation(*EXAMPLES[plot_randomisation])
    assert len(figure.axes) == 2 * (1 + 2)
    shown = texts(figure)
    assert "conv1_1\nsimilarity 0.10" in shown or "similarity 0.10" in shown
    assert shown.count("similarity") == 1  # of the other layer none is known
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), IMAGES[0].permute(1, 2, 0), atol=1e-6)


def test_guided_pictures_carry_their_probability():
    figure = plot_guided(*EXAMPLES[plot_guided])
    assert len(figure.axes) == 6
    assert {"photo", "guided", "unguided", "P = 0.50", "P = 1.00"} <= set(texts(figure).split("\n"))
    assert title_of(figure) == "Mean P after the last step: guided 0.75, unguided 0.00"
