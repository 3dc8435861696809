"""The paintings' figures: the numbers drawn are the numbers given."""

import numpy as np
import pandas as pd
import pytest
from figure_checks import ODD, check_figure, figures_of, title_of

from vg_helpers.plots import data
from vg_helpers.plots.data import plot_class_counts, plot_image_sizes, plot_split_sizes

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
EXAMPLES = {
    plot_class_counts: (INDEX,),
    plot_split_sizes: (INDEX,),
    plot_image_sizes: (INDEX,),
}


@pytest.mark.parametrize("plot", figures_of(data))
def test_every_figure_keeps_to_the_rules(plot):
    check_figure(plot, *EXAMPLES[plot])


def test_class_counts_are_the_bar_lengths():
    axes = plot_class_counts(INDEX, top=1).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3, 7]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Vincent van Gogh", "2 others"]
    assert title_of(plot_class_counts(INDEX)) == "3 of 10 paintings are by Vincent van Gogh (30.0 %)"


def test_split_sizes_are_the_bar_heights():
    seeded, grouped = plot_split_sizes(INDEX).axes
    assert [bar.get_height() for bar in seeded.patches] == [3, 0, 0, 3, 2, 2]
    assert [bar.get_height() for bar in grouped.patches] == [1, 1, 1, 3, 2, 2]
    given = plot_split_sizes(INDEX.assign(split_given=["train"] * 3 + ["test"] * 5 + [""] * 2)).axes[2]
    assert [bar.get_height() for bar in given.patches] == [3, 0, 0, 0, 0, 5] and given.get_title("left") == "given"


def test_sizes_that_are_all_the_same_are_no_range():
    square = INDEX.assign(width=256, height=256)
    assert title_of(plot_image_sizes(square)) == "All 10 files have a short side of 256 pixels"
    assert "300 to 309 pixels, median 304" in title_of(plot_image_sizes(INDEX))
