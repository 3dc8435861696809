"""What the tests of all figures share: what every figure keeps to, and how to read back what was drawn."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ODD = "a_b #1 $5 & $6 <50%> @ Émile Bernard's très très long title that does not stop anywhere near the end"
IMAGES = torch.rand(8, 3, 12, 16, generator=torch.Generator().manual_seed(0))


def figures_of(module: ModuleType) -> list[Callable[..., Figure]]:
    """Return the functions of a module of `plots` that draw a figure."""
    own = [part for part in vars(module).values() if getattr(part, "__module__", "") == module.__name__]
    return [part for part in own if part.__name__.startswith("plot_")]


def check_figure(plot: Callable[..., Figure], *arguments: Any) -> None:
    """Check what every figure keeps to: its size and title, names of axes, text that lies inside, no side effects.

    A figure of a single frame must also say so if the frame is empty.
    """
    before, settings = content(arguments), dict(matplotlib.rcParams)
    figure = plot(*arguments, title=ODD)
    assert figure.get_figwidth() <= 6.3 and figure.get_figheight() <= 9
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings
    assert content(arguments) == before
    assert "a_b #1 $5 & $6 <50%>" in title_of(figure).replace(r"\$", "$")
    assert clipped(figure) == []
    if any(axes.axison for axes in figure.axes):  # those of pictures are off
        check_axes(plot(*arguments))
    if len(arguments) == 1 and isinstance(arguments[0], pd.DataFrame):
        assert texts(plot(arguments[0].iloc[:0])).startswith("no ")


def check_axes(figure: Figure) -> None:
    """Check that the figure has a title, and each of its axes a label, its own or that of the axes beside it."""
    assert title_of(figure)
    for axes in (axes for axes in figure.axes if axes.axison):
        shares_x = len(axes.get_shared_x_axes().get_siblings(axes)) > 1
        shares_y = len(axes.get_shared_y_axes().get_siblings(axes)) > 1
        assert axes.get_xlabel() or shares_x or axes.get_label() == "<colorbar>"
        assert axes.get_ylabel() or shares_y or figure.axes[0].get_ylabel()
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert any(axes.get_ylabel() for axes in figure.axes)


def content(of: Any) -> Any:
    """Return all numbers and texts of nested inputs."""
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


def line(axes: Any, label: str) -> Any:
    """Return the line whose label starts with this text."""
    return next(line for line in axes.get_lines() if str(line.get_label()).startswith(label))


def clipped(figure: Figure) -> list[str]:
    """Return the texts that reach out of the figure once it is laid out."""
    FigureCanvasAgg(figure).draw()
    undrawn = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in hidden(axis)}
    drawn = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text() and id(text) not in undrawn]
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn if text.get_visible()]
    (width, height), slack = figure.bbox.size, 1
    return [
        text for text, box in boxes if min(box.x0, box.y0) < -slack or box.x1 > width + slack or box.y1 > height + slack
    ]


def hidden(axis: Any) -> list[Any]:
    """Return tick labels outside the axis' limits, which matplotlib keeps but does not draw."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [label for tick in ticks if not low <= tick.get_loc() <= high for label in (tick.label1, tick.label2)]
