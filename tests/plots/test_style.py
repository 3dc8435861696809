"""Figures of style transfer: best trials, judgements, agreement."""

from itertools import pairwise

import pandas as pd
import pytest
from figure_checks import IMAGES, ODD, check_figure, figures_of, hidden, line, texts, title_of
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vg_helpers.plots import style
from vg_helpers.plots.style import (
    plot_agreement,
    plot_best,
    plot_deceived,
    plot_front,
    plot_judgements,
    plot_similarity,
    plot_style_trials,
)

STYLE_TRIALS = pd.DataFrame(
    {
        "content_weight": [0.1, 1.0, 3.0],
        "style_weight": [1e4, 8.79e6, 1e5],
        "log_odds": [-1.386, 2.05, 0.0],
        "p_van_gogh": [0.2, 0.886, 0.5],
    }
)
FRONT = pd.DataFrame({"log_odds": [3.0, 1.0, -2.0, 0.5], "ssim": [0.2, 0.6, 0.9, 0.3]})
SCORES = pd.DataFrame(
    {
        "content": [ODD, "cat"] * 3,
        "extractor": ["none"] * 2 + ["vgg19"] * 2 + ["alexnet"] * 2,
        "p_vgg19": [0.01, 0.1, 0.9, 0.8, 0.7, 0.3],
        "p_alexnet": [0.02, 0.2, 0.6, 0.4, 0.9, 0.2],
        "ssim": [1.0, 1.0, 0.4, 0.6, 0.7, 0.8],
    }
)
AGREEMENT = pd.DataFrame({"both": [14, 19], "only one": [6, 1], "neither": [0, 0]}, index=["vgg19", "alexnet"])
JUDGED = pd.DataFrame(
    [("vgg19", "alexnet", 0.9, 0.7, 0.98), ("vgg19", "strokes", 0.2, 0.1, 0.4), ("photo", "alexnet", 0.1, 0.0, 0.3)],
    columns=["painted", "judge", "value", "low", "high"],
)
EXAMPLES = {
    plot_style_trials: (STYLE_TRIALS,),
    plot_judgements: (SCORES,),
    plot_agreement: (AGREEMENT,),
    plot_similarity: (SCORES,),
    plot_best: (*IMAGES[:3], 0.1, 0.9),
    plot_deceived: (JUDGED, {"alexnet": "AlexNet", "strokes": "strokes"}, {"vgg19": "VGG-19 features", "photo": ODD}),
    plot_front: (FRONT, FRONT - 0.1, FRONT[:3], FRONT[:2], list(IMAGES[:2]), 1),
}


@pytest.mark.parametrize("plot", figures_of(style))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


def test_style_trials_name_the_best():
    left = plot_style_trials(STYLE_TRIALS).axes[0]
    assert list(line(left, "best so far").get_ydata()) == [-1.386, 2.05, 2.05]
    assert title_of(left.figure) == "Best of 3 trials: log odds 2.05, P = 0.886 at α = 1.00, β = 8.79e6"


def test_the_weights_have_plain_numbers_that_do_not_overprint():
    narrow = STYLE_TRIALS.assign(content_weight=[0.7, 1.0, 3.0], style_weight=[20.0, 30.0, 60.0])
    for trials in (STYLE_TRIALS, narrow):
        axes = plot_style_trials(trials).axes[1]
        FigureCanvasAgg(axes.figure).draw()
        for axis, side in ((axes.xaxis, 0), (axes.yaxis, 1)):
            undrawn = {id(label) for label in hidden(axis)}
            labels = [
                label for label in axis.get_ticklabels(which="both") if label.get_text() and id(label) not in undrawn
            ]
            spans = sorted(tuple(label.get_window_extent().get_points()[:, side]) for label in labels)
            assert len(spans) >= 2
            assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_judgements_are_beside_their_photo():
    figure = plot_judgements(SCORES)
    by_vgg, by_alexnet = figure.axes
    names = [label.get_text() for label in by_vgg.get_yticklabels()]
    drawn = dict(zip(line(by_vgg, "VGG-19").get_ydata(), line(by_vgg, "VGG-19").get_xdata(), strict=True))
    assert drawn[names.index("cat")] == 0.8
    assert sorted(line(by_alexnet, "untouched").get_xdata()) == [0.02, 0.2]
    assert title_of(figure) == "2 of 4 repainted photos are a Van Gogh to both classifiers"


def test_agreement_bars_add_up():
    figure = plot_agreement(AGREEMENT)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [14, 19, 6, 1, 0, 0]
    assert "14 of 20 with VGG-19 features, 19 of 20 with AlexNet features" in title_of(figure)


def test_similarity_is_over_what_each_classifier_says():
    figure = plot_similarity(SCORES)
    by_vgg, by_alexnet = figure.axes
    assert line(by_vgg, "VGG-19").get_xydata().tolist() == [[0.9, 0.4], [0.8, 0.6]]
    assert line(by_alexnet, "AlexNet").get_xydata().tolist() == [[0.9, 0.7], [0.2, 0.8]]
    assert "0.50 with VGG-19 features, 0.75 with AlexNet features" in title_of(figure)
    assert texts(plot_similarity(SCORES[:2])) == "no repainted photos"  # untouched photos alone


@pytest.mark.parametrize(
    ("before", "after", "title"),
    [
        (0.1, 0.9, "The best weights raise P(van_gogh) from 0.100 to 0.900"),
        (0.9, 0.1, "The best weights lower P(van_gogh) from 0.900 to 0.100"),
        (0.5001, 0.5, "The best weights leave P(van_gogh) at 0.500"),
    ],
)
def test_the_best_picture_says_which_way_p_went(before, after, title):
    figure = plot_best(*IMAGES[:3], before, after)
    assert title_of(figure) == title and len(figure.axes) == 3
    assert f"P = {before:.3f}" in texts(figure) and f"P = {after:.3f}" in texts(figure)


def test_the_front_is_drawn_through_its_trials_with_its_pictures():
    figure = plot_front(*EXAMPLES[plot_front])
    axes, *pictures = figure.axes
    assert line(axes, "front").get_xydata().tolist() == [[3, 0.2], [1, 0.6], [-2, 0.9]]
    assert line(axes, "knee").get_xydata().tolist() == [[1, 0.6]]
    assert len(line(axes, "random").get_xdata()) == len(line(axes, "guided").get_xdata()) == 4
    assert [panel.get_title(loc="center") for panel in pictures] == ["1", "2 (knee)"]
    assert title_of(figure) == "3 trials on the front, log odds -2.0 to 3.0; similarity 0.20 to 0.90".replace("-", "−")


def test_a_front_may_have_one_trial_no_pictures_and_no_random_search():
    figure = plot_front(FRONT[1:2], FRONT[:0], FRONT[1:2], FRONT[:0], [], 1)
    assert len(figure.axes) == 1 and title_of(figure).startswith("1 trial on the front, log odds 1.0 to 1.0")


def test_each_judge_has_a_row_and_each_kind_of_picture_a_mark():
    figure = plot_deceived(*EXAMPLES[plot_deceived])
    assert list(line(figure.axes[0], "VGG-19").get_xdata()) == [0.9, 0.2]
    title = " ".join(title_of(figure).split())
    assert title == "With VGG-19 features, the shares range from 20.0 % (strokes) to 90.0 % (AlexNet)"
    shares, *names = EXAMPLES[plot_deceived]
    assert "every judge is convinced by 20.0 % of" in title_of(plot_deceived(shares.assign(value=0.2), *names))
