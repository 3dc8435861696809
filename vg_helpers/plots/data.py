"""Figures of the paintings: artists, splits, sizes. Frames have the columns of index.csv."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .look import NEUTRAL, OTHER, PALE, VAN_GOGH, artist_name, canvas, empty_figure, finish, percent, styled, wrap


@styled
def plot_class_counts(index: pd.DataFrame, top: int = 15, title: str | None = None) -> Figure:
    """Return the number of paintings by artist, the `top` largest one by one, Van Gogh highlighted.

    Args:
        index: columns artist, label.
    """
    if index.empty:
        return empty_figure("paintings")
    counts = index.groupby("artist")["label"].agg(["size", "max"]).sort_values(["max", "size"], ascending=False)
    shown, rest = counts.iloc[:top], counts.iloc[top:]
    bars = [
        (wrap(artist_name(name), 1.8, lines=1), row["size"], VAN_GOGH if row["max"] else OTHER)
        for name, row in shown.iterrows()
    ]
    bars += [(f"{len(rest)} others", rest["size"].sum(), PALE)] if len(rest) else []
    names, sizes, colours = zip(*bars, strict=True)
    figure, axes = canvas(0.75 + 0.17 * len(names))
    drawn = axes.barh(range(len(names)), sizes, color=colours, edgecolor=NEUTRAL)
    axes.bar_label(drawn, labels=[f"{size:,}" for size in sizes], padding=2, fontsize=7)
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="paintings", ylabel="artist")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.grid(axis="y", visible=False)
    van_goghs = int(index["label"].sum())
    share = percent(van_goghs / len(index))
    return finish(figure, title, f"{van_goghs:,} of {len(index):,} paintings are by Vincent van Gogh ({share})")


@styled
def plot_split_sizes(index: pd.DataFrame, title: str | None = None) -> Figure:
    """Return the number of paintings by split and class, one panel for each split: random, grouped, given.

    Args:
        index: columns label, split_seed, split_grouped and perhaps split_given.
    """
    if index.empty:
        return empty_figure("paintings")
    names = {"split_seed": "at random", "split_grouped": "grouped", "split_given": "given"}
    columns = [column for column in names if column in index]
    figure, panels = canvas(2.3, 1, len(columns), sharey=True)
    shares = []
    for axes, column in zip(panels, columns, strict=True):
        table = pd.crosstab(index[column], index["label"])
        table = table.reindex(index=["train", "val", "test"], columns=[0, 1], fill_value=0)
        axes.bar(table.index, table[1], color=VAN_GOGH, edgecolor=NEUTRAL, label="Van Gogh")
        axes.bar(table.index, table[0], bottom=table[1], color=OTHER, edgecolor=NEUTRAL, label="other")
        for x, (other, van_gogh) in enumerate(table.to_numpy()):
            total = van_gogh + other
            shares.append(van_gogh / max(total, 1))
            above = {"xy": (x, total), "textcoords": "offset points", "ha": "center", "fontsize": 7}
            text = f"{van_gogh:,} ({percent(shares[-1])})"
            axes.annotate(text, xytext=(0, 2.5), color=VAN_GOGH, weight="bold", **above)
            axes.annotate(f"{total:,}", xytext=(0, 11), **above)
        axes.set(xlabel="split", ylabel="paintings", title=names[column])
        axes.grid(axis="x", visible=False)
        axes.margins(y=0.2)
        axes.label_outer()
    panels[-1].legend(loc="upper right")
    message = f"Van Gogh's share lies between {percent(min(shares))} and {percent(max(shares))} in every split"
    return finish(figure, title, message)


@styled
def plot_image_sizes(index: pd.DataFrame, title: str | None = None) -> Figure:
    """Return width against height in pixels, and the aspect ratios, by class.

    Args:
        index: columns width, height, label.
    """
    if index.empty:
        return empty_figure("images")
    figure, (left, right) = canvas(2.5, 1, 2)
    ratio = index["width"] / index["height"]
    bins = np.geomspace(ratio.min() * 0.98, ratio.max() * 1.02, 30)
    for label, name, colour, marker in ((0, "other", OTHER, "o"), (1, "Van Gogh", VAN_GOGH, "x")):
        members = index["label"] == label
        sizes = index["width"][members], index["height"][members]
        left.plot(*sizes, marker, color=colour, ms=3, mew=0.7, alpha=0.7, label=name)
        if members.any():
            kind = {"histtype": "step", "lw": 1.4} if label else {"histtype": "stepfilled", "alpha": 0.7}
            shares = np.full(members.sum(), 100 / members.sum())
            right.hist(ratio[members], bins=bins, weights=shares, color=colour, **kind)
    left.set(xlabel="width (pixels)", ylabel="height (pixels)")
    right.set(xlabel="width / height", ylabel="share of the class (%)")
    right.axvline(1, color=NEUTRAL, lw=0.8, ls=":")
    side = index[["width", "height"]].min(axis=1)
    message = f"Short sides: {side.min():,.0f} to {side.max():,.0f} pixels, median {side.median():,.0f}"
    if side.min() == side.max():
        message = f"All {len(index):,} files have a short side of {side.min():,.0f} pixels"
    return finish(figure, title, message, legend=left)
