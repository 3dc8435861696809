"""The look that all figures share: names, colours, numbers as they are printed."""

import numpy as np
import pytest
from figure_checks import texts
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from vg_helpers.models import layers
from vg_helpers.plots import look


def test_networks_are_called_as_in_the_models():
    assert look.TITLES == layers.TITLES
    assert set(look.LOOKS) == set(look.TITLES)


def test_variants_of_a_network_look_like_it():
    keys = ["vgg19", "alexnet", "vgg19_probe", "alexnet probe", "alexnet_scratch"]
    styles = {key: look.style_of(key, keys) for key in keys}
    assert len({tuple(sorted(style.items())) for style in styles.values()}) == 5
    assert styles["vgg19_probe"]["color"] == styles["vgg19"]["color"]
    assert styles["vgg19_probe"]["linestyle"] != styles["vgg19"]["linestyle"]
    assert {style["marker"] for key, style in styles.items() if "alexnet" in key} == {"s"}


def test_networks_differ_in_grey_and_in_form():
    vgg, alexnet = look.style_of("vgg19"), look.style_of("alexnet")
    grey = [np.dot(to_rgb(style["color"]), [0.299, 0.587, 0.114]) for style in (vgg, alexnet)]
    assert abs(grey[0] - grey[1]) > 0.15
    assert vgg["marker"] != alexnet["marker"]
    assert vgg["linestyle"] != alexnet["linestyle"]


def test_other_keys_have_a_look_each():
    keys = ["ours", "baseline", "lower bound"]
    assert len({look.style_of(key, keys)["color"] for key in keys}) == 3


@pytest.mark.parametrize(
    ("key", "name"),
    [("vgg19_probe", "VGG-19 probe"), ("alexnet", "AlexNet"), ("a_b c", "a_b c"), ("5 $", r"5 \$"), (3, "3")],
)
def test_names_are_printed(key, name):
    assert look.name_of(key) == name


def test_numbers_in_titles_are_set_as_in_the_text():
    assert look.typeset("-0.44 (-1) is 96% of 3-4, e-5, a-1 and 5%_x") == (
        "−0.44 (−1) is 96\u00a0% of 3-4, e-5, a-1 and 5%_x"
    )


@pytest.mark.parametrize(("value", "text"), [(0.0891, "0.0891"), (1020.4, "1,020"), (8.79e6, "8.79e6"), (2e-5, "2e-5")])
def test_numbers_are_short(value, text):
    assert look.short(value) == text


def test_wrapped_text_keeps_to_its_lines():
    lines = look.wrap("one two three four five six seven", inches=0.5, lines=2).splitlines()
    assert len(lines) == 2 and lines[1].endswith("…")
    assert look.wrap("short", inches=2) == "short"


def test_the_axis_of_a_metric_ends_at_one():
    for highest, end in ((1.0, 1.005), (0.5, 0.525)):
        axes = Figure().subplots()
        axes.plot([0, 1], [0, highest])
        look.up_to_one(axes)
        assert axes.get_ylim()[1] == pytest.approx(end)


def test_an_empty_figure_says_what_there_is_none_of():
    assert texts(look.empty_figure("paintings for $5")) == "no paintings for $5"


def test_artists_are_written_as_names():
    assert look.artist_name("vincent van gogh") == "Vincent van Gogh"
