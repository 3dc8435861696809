"""Every figure: no wider than the text, labelled, inputs untouched, and the numbers drawn are the numbers given."""

import functools
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn import metrics

from vg_helpers.plots import cams, classify, data, pictures, speed, style, training
from vg_helpers.plots import look as plots_look
from vg_helpers.plots.cams import jet
from vg_helpers.plots.pictures import plot_prediction_examples

MODULES = (cams, classify, data, pictures, speed, style, training)
PLOTS = {name: vars(module)[name] for module in MODULES for name in vars(module) if name.startswith("plot_")}


ODD = "a_b #1 $5 & $6 <50%> @ Émile Bernard's très très long title that does not stop anywhere near the end"
RNG = np.random.default_rng(0)
IMAGES = torch.rand(8, 3, 12, 16, generator=torch.Generator().manual_seed(0))
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
TRIALS = pd.DataFrame(
    {
        "model": ["vgg19"] * 3 + ["alexnet"] * 2,
        "trial": [0, 1, 2, 0, 1],
        "lr": [1e-5, 1e-4, 1e-3, 3e-5, 2e-4],
        "batch_size": [16, 32, 16, 32, 16],
        "optimizer": ["AdamW", "SGD", "AdamW", "SGD", "AdamW"],
        "value": [0.9, 0.95, 0.7, 0.85, 0.88],
        "state": ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE"],
    }
)
HISTORY = pd.DataFrame(
    {
        "model": ["vgg19"] * 3 + ["alexnet"] * 3,
        "epoch": [1, 2, 3] * 2,
        "train_loss": [0.5, 0.3, 0.2, 0.6, 0.4, 0.3],
        "val_loss": [0.5, 0.35, 0.4, 0.6, 0.5, 0.45],
        "val_auc": [0.8, 0.9, 0.88, 0.7, 0.8, 0.85],
        "val_accuracy": [0.85, 0.9, 0.91, 0.8, 0.83, 0.84],
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
STYLE_TRIALS = pd.DataFrame(
    {"content_weight": [0.1, 1.0, 3.0], "style_weight": [1e4, 8.79e6, 1e5], "p_van_gogh": [0.2, 0.886, 0.5]}
)
SCORES = pd.DataFrame(
    {
        "content": [ODD, "cat"] * 3,
        "extractor": ["none"] * 2 + ["vgg19"] * 2 + ["alexnet"] * 2,
        "p_vgg19": [0.01, 0.1, 0.9, 0.8, 0.7, 0.3],
        "p_alexnet": [0.02, 0.2, 0.6, 0.4, 0.9, 0.2],
    }
)
AGREEMENT = pd.DataFrame({"both": [14, 19], "only one": [6, 1], "neither": [0, 0]}, index=["vgg19", "alexnet"])
TIMINGS = pd.DataFrame({"device": ["CPU"] * 3 + ["GPU"] * 3, "seconds": [3.0, 2.0, 4.0, 0.1, 0.2, 0.3]})
SPEED = pd.DataFrame({"engine": ["listing", "ours"], "seconds_per_step": [2.0, 0.5]})
SIZES = pd.DataFrame(
    {"engine": ["listing"] * 2 + ["ours"] * 2, "size": [256, 512] * 2, "seconds_per_step": [1.0, 4.0, 0.2, 0.8]}
)
QUALITY = pd.DataFrame(
    {"engine": ["listing"] * 2 + ["ours"] * 2, "seconds": [10.0, 20.0, 1.0, 3.0], "loss": [5.0, 4.0, 6.0, 2.0]}
)
CURVES = pd.DataFrame(
    {
        "curve": ["deletion"] * 4 + ["insertion"] * 4,
        "method": (["Grad-CAM"] * 2 + ["random"] * 2) * 2,
        "fraction": [0.0, 1.0] * 4,
        "p": [0.9, 0.1, 0.9, 0.3, 0.1, 0.9, 0.1, 0.7],
    }
).assign(low=0.0, high=1.0)
CONFUSIONS = {"vgg19": np.array([[530, 9], [26, 80]]), "alexnet": np.array([[523, 16], [31, 75]])}
CAMS = torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(1))
PICTURES = {
    "plot_samples": (IMAGES, [ODD] * 8),
    "plot_augmentations": (IMAGES[0], IMAGES[1:6]),
    "plot_twins": ([(IMAGES[0], IMAGES[1])], [(ODD, ODD)]),
    "plot_prediction_examples": ([IMAGES[:2], [], IMAGES[2:5], IMAGES[5:6]], [[ODD] * 2, [], [ODD] * 3, [ODD]]),
    "plot_triptych": (IMAGES[:1], IMAGES[1], IMAGES[2]),
    "plot_result_grid": (
        IMAGES,
        IMAGES,
        {"vgg19": IMAGES, "alexnet": IMAGES},
        {"vgg19": [0.5] * 8, "alexnet": [0.25] * 8},
    ),
    "plot_cam_panels": (IMAGES[:6], CAMS, [ODD] * 6),
    "plot_randomisation": ({"conv5_4": CAMS[:2], "conv1_1": CAMS[2:4]}, IMAGES[:2]),
}
CHARTS = {
    "plot_class_counts": (INDEX,),
    "plot_split_sizes": (INDEX,),
    "plot_image_sizes": (INDEX,),
    "plot_p_by_artist": (INDEX,),
    "plot_trials": (TRIALS,),
    "plot_trial_comparison": (TRIALS,),
    "plot_learning_curves": (HISTORY,),
    "plot_metric_comparison": (METRICS,),
    "plot_confusions": (CONFUSIONS,),
    "plot_roc": (TARGETS, PROBS),
    "plot_precision_recall": (TARGETS, PROBS),
    "plot_reliability": (TARGETS, PROBS),
    "plot_style_trials": (STYLE_TRIALS,),
    "plot_judgements": (SCORES,),
    "plot_agreement": (AGREEMENT,),
    "plot_timings": (TIMINGS,),
    "plot_speed": (SPEED,),
    "plot_quality": (QUALITY,),
    "plot_faithfulness": (CURVES,),
}


@functools.cache
def figure_of(name: str) -> Figure:
    """Return the figure of the examples above."""
    return PLOTS[name](*{**PICTURES, **CHARTS}[name])


def draw(name: str, *arguments, **options) -> Figure:
    if not arguments and not options:
        return figure_of(name)
    return PLOTS[name](*(arguments or {**PICTURES, **CHARTS}[name]), **options)


def content(of) -> object:
    """Return all numbers and texts in nested inputs."""
    if isinstance(of, pd.DataFrame):
        return of.to_csv()
    if isinstance(of, torch.Tensor | np.ndarray):
        return np.asarray(of).tolist()
    if isinstance(of, dict):
        return [(key, content(value)) for key, value in of.items()]
    return [content(part) for part in of] if isinstance(of, list | tuple) else of


def texts(figure: Figure) -> str:
    """Return all that is written in the figure, dollar signs unescaped as they are drawn."""
    written = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return "\n".join(written).replace(r"\$", "$")


def title_of(figure: Figure) -> str:
    return figure.get_suptitle()


def line(axes, label: str):
    return next(line for line in axes.get_lines() if str(line.get_label()).startswith(label))


def test_every_figure_is_tested():
    assert set(PLOTS) == {*PICTURES, *CHARTS}


@pytest.mark.parametrize("name", [*PICTURES, *CHARTS])
def test_contract(name):
    arguments = {**PICTURES, **CHARTS}[name]
    before, settings = content(arguments), dict(matplotlib.rcParams)
    figure = draw(name, title=ODD)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() <= 6.3
    assert figure.get_figheight() <= 9
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings
    assert content(arguments) == before
    assert "a_b #1 $5 & $6 <50%>" in title_of(figure).replace(r"\$", "$")
    assert clipped(figure) == []


def clipped(figure: Figure) -> list[str]:
    """Return the texts that reach out of the figure once it is laid out."""
    FigureCanvasAgg(figure).draw()
    undrawn = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _hidden(axis)}
    drawn = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text() and id(text) not in undrawn]
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn if text.get_visible()]
    (width, height), slack = figure.bbox.size, 1
    return [
        text for text, box in boxes if min(box.x0, box.y0) < -slack or box.x1 > width + slack or box.y1 > height + slack
    ]


def _hidden(axis) -> list:
    """Return tick labels outside the axis' limits, which matplotlib keeps but does not draw."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [label for tick in ticks if not low <= tick.get_loc() <= high for label in (tick.label1, tick.label2)]


@pytest.mark.parametrize("name", CHARTS)
def test_axes_have_names(name):
    figure = draw(name)
    assert title_of(figure)  # computed from the data
    for axes in figure.axes:
        shares_y = len(axes.get_shared_y_axes().get_siblings(axes)) > 1
        shares_x = len(axes.get_shared_x_axes().get_siblings(axes)) > 1
        assert axes.get_xlabel() or shares_x or axes.get_label() == "<colorbar>"
        assert axes.get_ylabel() or shares_y or name == "plot_trial_comparison"
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert any(axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize("name", [name for name in CHARTS if isinstance(CHARTS[name][0], pd.DataFrame)])
def test_an_empty_frame_says_so(name):
    assert texts(draw(name, CHARTS[name][0].iloc[:0])).startswith("no ")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("plot_confusions", ({},)),
        ("plot_roc", ([0, 0], {"vgg19": [0.1, 0.2]})),
        ("plot_precision_recall", ([], {})),
        ("plot_reliability", ([], {})),
        ("plot_samples", ([],)),
        ("plot_augmentations", ([], [])),
        ("plot_twins", ([],)),
        ("plot_prediction_examples", ([[], []], [[], []])),
        ("plot_result_grid", ([], [], {})),
        ("plot_cam_panels", ([], [])),
        ("plot_randomisation", ({},)),
    ],
)
def test_nothing_to_show_says_so(name, arguments):
    assert texts(draw(name, *arguments)).startswith("no ")


# --- the numbers drawn


def test_class_counts_are_the_bar_lengths():
    axes = draw("plot_class_counts", top=1).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3, 7]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Vincent van Gogh", "2 others"]
    assert title_of(draw("plot_class_counts")) == "3 of 10 paintings are by Vincent van Gogh (30.0 %)"


def test_split_sizes_are_the_bar_heights():
    seeded, grouped = draw("plot_split_sizes").axes
    assert [bar.get_height() for bar in seeded.patches] == [3, 0, 0, 3, 2, 2]
    assert [bar.get_height() for bar in grouped.patches] == [1, 1, 1, 3, 2, 2]


def test_trials_are_at_their_values():
    left, right = draw("plot_trials").axes
    drawn = {(float(p.get_xdata()[0]), float(p.get_ydata()[0])) for p in left.get_lines() if len(p.get_xdata())}
    assert drawn == set(zip(TRIALS["lr"], TRIALS["value"], strict=True))
    for trial in TRIALS.itertuples():
        at = [p.get_xdata()[0] for p in right.get_lines() if p.get_ydata()[0] == trial.value]
        assert right.get_xticklabels()[round(float(at[0]))].get_text() == str(trial.batch_size)
    crosses = [p for p in left.get_lines() if p.get_marker() == "x" and len(p.get_xdata())]
    assert [p.get_ydata()[0] for p in crosses] == [0.7]
    assert "VGG-19 0.950 (SGD, 1.0e-4, 32)" in title_of(draw("plot_trials"))


def test_trial_comparison_fills_the_best_and_crosses_the_pruned():
    vgg, alexnet = draw("plot_trial_comparison").axes
    assert [p.get_xdata()[0] for p in vgg.get_lines()] == [0.9, 0.95, 0.7]
    assert [p.get_markerfacecolor() != "white" for p in vgg.get_lines()] == [False, True, False]
    assert [p.get_marker() for p in vgg.get_lines()] == ["o", "o", "x"]
    assert {p.get_marker() for p in alexnet.get_lines()} == {"s"}
    apart = TRIALS.assign(value=TRIALS["value"].where(TRIALS["model"] == "vgg19", 0.99))
    for axes in draw("plot_trial_comparison", apart).axes:
        low, high = axes.get_xlim()
        assert all(low < p.get_xdata()[0] < high for p in axes.get_lines())
    assert "1 of them pruned" in title_of(draw("plot_trial_comparison"))


def test_learning_curves_ring_the_best_epoch():
    figure = draw("plot_learning_curves")
    loss, auc, accuracy = figure.axes
    assert list(line(loss, "VGG-19, training").get_ydata()) == [0.5, 0.3, 0.2]
    rings = [(p.get_xdata()[0], p.get_ydata()[0]) for p in auc.get_lines() if len(p.get_xdata()) == 1]
    assert rings == [(2, 0.9), (3, 0.85)]
    assert [p.get_ydata()[0] for p in accuracy.get_lines() if len(p.get_xdata()) == 1] == [0.9, 0.84]  # the same epochs
    assert "VGG-19 at epoch 2 (0.900), AlexNet at epoch 3 (0.850)" in title_of(figure)


def test_metric_comparison_draws_values_and_intervals():
    axes = draw("plot_metric_comparison").axes[0]
    points, _, (bars,) = axes.containers[0].lines
    assert list(points.get_xdata()) == [0.976, 0.821]
    np.testing.assert_allclose([segment[:, 0] for segment in bars.get_segments()], [[0.96, 0.99], [0.76, 0.87]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ROC AUC", "F1"]


def test_variants_of_a_network_look_like_it():
    assert plots_look.name_of("vgg19_probe") == "VGG-19 probe" and plots_look.name_of("a_b c") == "a_b c"
    assert plots_look.style_of("vgg19_probe")["color"] == plots_look.style_of("vgg19")["color"]
    keys = ["vgg19", "alexnet", "vgg19_probe", "alexnet probe", "alexnet_scratch"]
    looks = {tuple(sorted(plots_look.style_of(key, keys).items())) for key in keys}
    assert (
        len(looks) == 5 and plots_look.style_of("vgg19_probe")["linestyle"] != plots_look.style_of("vgg19")["linestyle"]
    )
    assert {plots_look.style_of(key, keys)["marker"] for key in keys if "alexnet" in key} == {"s"}


def test_the_axis_of_a_metric_ends_at_one():
    perfect = HISTORY.assign(val_auc=1.0, val_accuracy=1.0)
    tops = [axes.get_ylim()[1] for axes in draw("plot_learning_curves", perfect).axes[1:]]
    tops += [axes.get_ylim()[1] for axes in draw("plot_trials", TRIALS.assign(value=[1.0, 0.99, 0.5, 1.0, 1.0])).axes]
    assert max(tops) == 1.005
    assert draw("plot_learning_curves", HISTORY.assign(val_auc=0.5)).axes[1].get_ylim()[1] < 0.6
    axes = draw("plot_metric_comparison", METRICS.assign(value=1.0, low=0.9, high=1.0)).axes[0]
    assert max(axes.get_xticks()) == 1 < axes.get_xlim()[1]  # the labels have room beyond


def test_sizes_that_are_all_the_same_are_no_range():
    square = INDEX.assign(width=256, height=256)
    assert title_of(draw("plot_image_sizes", square)) == "All 10 files have a short side of 256 pixels"
    assert "300 to 309 pixels, median 304" in title_of(draw("plot_image_sizes"))


def test_confusions_are_written_row_by_row():
    first, second = draw("plot_confusions").axes
    assert [text.get_text() for text in first.texts] == ["530\n98.3 %", "9\n1.7 %", "26\n24.5 %", "80\n75.5 %"]
    assert [text.get_text().split("\n")[0] for text in second.texts] == ["523", "16", "31", "75"]
    assert first.texts[0].get_position()[1] < first.texts[2].get_position()[1]
    assert first.yaxis_inverted()  # "other" on top


def test_roc_and_precision_recall_agree_with_scikit_learn():
    figure = draw("plot_roc")
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
            draw("plot_precision_recall")
        )


def test_precision_recall_marks_the_threshold():
    points = [p for p in draw("plot_precision_recall").axes[0].get_lines() if len(p.get_xdata()) == 1]
    preds = PROBS["vgg19"] >= 0.5
    expected = metrics.recall_score(TARGETS, preds), metrics.precision_score(TARGETS, preds)
    assert (points[0].get_xdata()[0], points[0].get_ydata()[0]) == pytest.approx(expected)


def test_reliability_of_two_bins_by_hand():
    axes, below = draw("plot_reliability", [0, 1, 1, 1], {"vgg19": [0.1, 0.3, 0.8, 1.0]}, bins=2).axes
    curve = line(axes, "VGG-19")
    np.testing.assert_allclose(curve.get_xydata(), [[0.2, 0.5], [0.9, 1.0]])
    assert [bar.get_height() for bar in below.patches] == [2, 2]
    assert curve.get_label() == "VGG-19 (error 0.200)"  # (2·0.3 + 2·0.1) / 4
    assert 0 < below.get_ylim()[0] < 1  # a bin of one painting shows


def test_style_trials_name_the_best():
    left = draw("plot_style_trials").axes[0]
    assert list(line(left, "best so far").get_ydata()) == [0.2, 0.886, 0.886]
    assert title_of(draw("plot_style_trials")) == "Best of 3 trials: P = 0.886 at α = 1.00, β = 8.79e6"


def test_the_weights_have_plain_numbers_that_do_not_overprint():
    narrow = STYLE_TRIALS.assign(content_weight=[0.7, 1.0, 3.0], style_weight=[20.0, 30.0, 60.0])
    for trials in (STYLE_TRIALS, narrow):
        axes = draw("plot_style_trials", trials).axes[1]
        FigureCanvasAgg(axes.figure).draw()
        for axis, side in ((axes.xaxis, 0), (axes.yaxis, 1)):
            hidden = {id(label) for label in _hidden(axis)}
            labels = [
                label for label in axis.get_ticklabels(which="both") if label.get_text() and id(label) not in hidden
            ]
            spans = sorted(tuple(label.get_window_extent().get_points()[:, side]) for label in labels)
            assert len(spans) >= 2
            assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_judgements_are_beside_their_photo():
    figure = draw("plot_judgements")
    by_vgg, by_alexnet = figure.axes
    names = [label.get_text() for label in by_vgg.get_yticklabels()]
    drawn = dict(zip(line(by_vgg, "VGG-19").get_ydata(), line(by_vgg, "VGG-19").get_xdata(), strict=True))
    assert drawn[names.index("cat")] == 0.8
    assert sorted(line(by_alexnet, "untouched").get_xdata()) == [0.02, 0.2]
    assert title_of(figure) == "2 of 4 stylised photos are a Van Gogh to both classifiers"


@pytest.mark.parametrize("counts", [AGREEMENT, AGREEMENT.rename(columns={"only one": "one"}).to_dict("index")])
def test_agreement_bars_add_up(counts):
    figure = draw("plot_agreement", counts)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [14, 19, 6, 1, 0, 0]
    assert "14 of 20 with VGG-19 features, 19 of 20 with AlexNet features" in title_of(figure)


def test_timings_show_medians_and_their_ratio():
    figure = draw("plot_timings")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3.0, 0.2]
    assert title_of(figure) == "GPU is 15.0 times as fast as CPU"


def test_speed_is_bars_or_lines_over_the_size():
    figure = draw("plot_speed")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [2.0, 0.5]
    assert "0.500 s (×4.0)" in texts(figure)
    assert list(line(draw("plot_speed", SIZES).axes[0], "ours").get_ydata()) == [0.2, 0.8]
    assert title_of(draw("plot_speed", SIZES)) == "Ours: 5.0 times as fast as listing"


def test_quality_is_the_loss_over_time_and_where_the_reference_ends():
    axes = draw("plot_quality").axes[0]
    assert list(line(axes, "ours").get_xdata()) == [1, 3] and list(line(axes, "ours").get_ydata()) == [6, 2]
    assert axes.get_lines()[-1].get_ydata()[0] == 4


def test_faithfulness_gives_the_areas():
    assert "deletion Grad-CAM 0.50, random 0.60; insertion Grad-CAM 0.50, random 0.40" in title_of(
        draw("plot_faithfulness")
    )


# --- pictures


def test_pictures_are_drawn_whole_and_undistorted():
    wide, tall = torch.zeros(3, 10, 30), torch.ones(3, 30, 10)
    wide[0] = 1
    figure = draw("plot_samples", [wide, tall, IMAGES[0]])
    for axes, image in zip(figure.axes, (wide, tall, IMAGES[0]), strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), image.permute(1, 2, 0), atol=1e-6)
        assert axes.bbox.height / axes.bbox.width == pytest.approx(image.shape[1] / image.shape[2], rel=0.01)


def test_odd_titles_are_drawn_as_they_are():
    figure = draw("plot_samples", IMAGES[:2], ["a_b $5 & $6 #%", "Émile <x>"], columns=2)
    assert {"a_b $5 & $6 #%", "Émile <x>"} <= set(texts(figure).split("\n"))
    drawn = next(text for text in figure.texts if "$5" in text.get_text())
    assert drawn._preprocess_math(drawn.get_text()) == ("a_b $5 & $6 #%", False)  # no formula


def test_a_share_in_a_title_keeps_a_space_before_its_percent_sign():
    shown = title_of(draw("plot_samples", title="96% (7%) of 5 % and a 5%_x"))
    assert shown == "96\u00a0% (7\u00a0%) of 5 % and a 5%_x"


def test_long_titles_stay_within_their_column():
    figure = draw("plot_samples", IMAGES, ["incomprehensibilities_" * 9] * 8)
    width = figure.axes[0].bbox.width * 1.15
    assert all(text.get_window_extent().width <= width for text in figure.texts)


def test_few_pictures_in_several_rows_stay_small():
    heights = [draw("plot_cam_panels", IMAGES[:n], CAMS[:n]).get_figheight() for n in (2, 5)]
    assert heights[0] < 1.3 * heights[1]


def test_cells_are_aligned():
    figure = draw("plot_result_grid", title="")
    boxes = np.array([[axes.bbox.x0, axes.bbox.y0] for axes in figure.axes]).round(3)
    assert len(figure.axes) == 32
    assert len(set(boxes[:, 0])) == 8
    assert len(set(boxes[:, 1])) == 4
    assert texts(figure).count("P = 0.50") == 8
    assert texts(figure).count("P = 0.25") == 8


def test_the_overlay_is_the_stated_mixture():
    figure = draw("plot_cam_panels", IMAGES[:1], CAMS[:1], overlay=0.4)
    original, heat, overlay = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_allclose(overlay, 0.6 * original + 0.4 * heat, atol=1e-6)


def test_heat_maps_are_jet():
    ends = jet(np.array([[0.0, 1.0]]), (1, 2))
    np.testing.assert_allclose(ends[0], [[0, 0, 0.5], [0.5, 0, 0]], atol=1e-6)


def test_an_empty_row_of_examples_says_none():
    image = np.full((3, 20, 20), 0.5)
    labels = ("true positives", "false positives")
    some = plot_prediction_examples([[image], []], [["a"], []], labels)
    both = plot_prediction_examples([[image], [image]], [["a"], ["b"]], labels)
    assert "false positives: none" in texts(some).split("\n") and "none" not in texts(both)
    assert some.get_figheight() < 0.7 * both.get_figheight()


def test_every_curve_lies_within_its_panel():
    for axes in draw("plot_learning_curves").axes:
        low, high = axes.get_ylim()
        values = np.concatenate([line.get_ydata() for line in axes.lines])
        assert low <= values.min() and values.max() <= high


def test_numbers_in_titles_are_set_as_in_the_text():
    assert plots_look.typeset("-0.44 (-1) is 96% of 3-4, e-5, a-1 and 5%_x") == (
        "−0.44 (−1) is 96\u00a0% of 3-4, e-5, a-1 and 5%_x"
    )


def test_several_images_where_one_is_needed_are_an_error():
    with pytest.raises(ValueError, match="pass one image at a time"):
        draw("plot_triptych", IMAGES, IMAGES, IMAGES)


def test_networks_differ_in_lightness_and_form():
    vgg, alexnet = plots_look.style_of("vgg19"), plots_look.style_of("alexnet")
    grey = [np.dot(matplotlib.colors.to_rgb(look["color"]), [0.299, 0.587, 0.114]) for look in (vgg, alexnet)]
    assert abs(grey[0] - grey[1]) > 0.15
    assert vgg["marker"] != alexnet["marker"]
    assert vgg["linestyle"] != alexnet["linestyle"]
