"""The look that all figures share: style sheet, colours, markers, names and numbers as they are printed.

Figures are drawn at their final size, 160 mm wide at most, so that text has the size it will have on paper. Networks
look the same throughout: VGG-19 blue, round, solid; AlexNet orange, square, dashed.
"""

import functools
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

WIDTH = 6.3  # inches: the width of the report's text block
STYLE = {
    "font.family": ["STIXGeneral", "DejaVu Serif"],  # the second if the first lacks a glyph
    "mathtext.fontset": "stix",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.titlesize": 9.5,
    "figure.titleweight": "bold",
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.5,
}
TITLES = {"vgg19": "VGG-19", "alexnet": "AlexNet"}  # as in models.layers, which no figure imports
VAN_GOGH, OTHER, PALE, NEUTRAL = "#882255", "#B5B5B5", "#DDDDDD", "#555555"
# colour, marker, line: different in hue, in lightness and in form
LOOKS = {"vgg19": ("#0173B2", "o", "-"), "alexnet": ("#DE8F05", "s", "--")}
MORE_LOOKS = [("#882255", "^", "-"), ("#029E73", "D", "--"), ("#CC78BC", "v", "-."), ("#56B4E9", "P", ":")]
VARIANTS = ({"markerfacecolor": "white", "linestyle": ":"}, {"fillstyle": "left", "linestyle": "-."})
OUTCOMES = {"TP": "true positives", "FP": "false positives", "TN": "true negatives", "FN": "false negatives"}
P_LABEL = "P(van_gogh)"


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Return the function with STYLE in force while it draws; the caller's matplotlib settings stay as they were."""

    @functools.wraps(function)
    def draw(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    return draw


def plain(text: object) -> str:
    """Return the text so that matplotlib prints it as it is: a dollar sign starts no formula."""
    return str(text).replace("$", r"\$")


def network_and_variant(key: object) -> tuple[str, str]:
    """Return the two parts of a key.

    >>> network_and_variant("vgg19_probe")
    ('vgg19', 'probe')
    """
    network, _, variant = str(key).replace("_", " ").partition(" ")
    return network, variant


def name_of(key: object) -> str:
    """Return the printed name of a network or its variant; other keys stay as they are.

    >>> name_of("vgg19_probe")
    'VGG-19 probe'
    """
    network, variant = network_and_variant(key)
    return plain(f"{TITLES[network]} {variant}".strip() if network in TITLES else key)


def wrap(text: object, inches: float, size: float = 7.5, lines: int = 2) -> str:
    """Return the text broken into at most `lines` lines that are about `inches` wide at `size` points, cut with "…"."""
    width = max(4, int(inches * 72 / (0.47 * size)))
    wrapper = textwrap.TextWrapper(width, break_on_hyphens=False)
    broken = [piece for line in str(text).splitlines() for piece in wrapper.wrap(line) or [""]]
    if len(broken) > lines:
        broken = [*broken[: lines - 1], broken[lines - 1][: width - 1].rstrip() + "…"]
    return plain("\n".join(broken))


def typeset(text: object) -> str:
    """Return the text with true minus signs and spaces before percent signs, as in the report's text."""
    spaced = re.sub(r"(?<=\d)%(?=[)\].,;:]*(\s|$))", "\u00a0%", str(text))
    return re.sub(r"(?m)(?<![^\s(\[])-(?=\d)", "−", spaced)


def title_text(title: str) -> str:
    """Return a figure's title in lines that fit."""
    return wrap(typeset(title), WIDTH, 10, lines=3)


def add_title(figure: Figure, title: str | None) -> None:
    """Write the figure's message at its top left."""
    if title:
        figure.suptitle(title_text(title), x=0.005, ha="left")


def empty_figure(what: str) -> Figure:
    """Return a small figure that says "no <what>", for data that turned out to be empty."""
    figure = Figure(figsize=(WIDTH, 0.8))
    figure.text(0.5, 0.5, plain(f"no {what}"), ha="center", va="center", style="italic", color="0.3")
    return figure


def style_of(key: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return colour, marker and line of a network, its variant ("vgg19 calibrated"), or another key by its place.

    The first variant of a network among `keys` has empty markers, the second half-filled ones.
    """
    base, variant = network_and_variant(key)
    if base in LOOKS:
        colour, marker, line = LOOKS[base]
        variants = [other for other in keys if network_and_variant(other)[0] == base and network_and_variant(other)[1]]
        place = variants.index(key) if key in variants else 0
        return {"color": colour, "marker": marker, "linestyle": line} | (
            VARIANTS[place % len(VARIANTS)] if variant else {}
        )
    others = [other for other in keys if network_and_variant(other)[0] not in LOOKS]
    colour, marker, line = MORE_LOOKS[others.index(key) % len(MORE_LOOKS) if key in others else 0]
    return {"color": colour, "marker": marker, "linestyle": line}


def canvas(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a Figure as wide as the text, and its Axes."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def finish(figure: Figure, title: str | None, computed: str, legend: Any = None) -> Figure:
    """Return the figure with its title (the computed one if none is given) and the legend of an Axes below."""
    add_title(figure, computed[:1].upper() + computed[1:] if title is None else title)
    if legend is not None:
        handles, labels = legend.get_legend_handles_labels()
        fitting = max(1, int(130 / (8 + max(map(len, labels)))))  # entries of this length side by side
        rows = -(-len(labels) // fitting)
        figure.legend(handles, labels, loc="outside lower center", ncols=-(-len(labels) // rows))
    return figure


def up_to_one(axes: Any) -> None:
    """Let the vertical axis of a metric end where the metric does."""
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.005))


def plain_numbers(axis: Any) -> None:
    """Write 0.5, 1, 2, 5 and so on at a logarithmic axis, and nothing at its minor ticks."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def percent(share: float) -> str:
    """Return "15.6 %"."""
    return f"{100 * share:.1f} %"


def short(value: float) -> str:
    """Return three significant digits: "0.089", "1,020", "8.79e6"."""
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.{max(0, 2 - int(np.floor(np.log10(abs(value)))))}f}"
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def counted(number: int, noun: str) -> str:
    """Return "1 painting" or "2 paintings"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def metric_name(key: str) -> str:
    """Return a metric's name in print.

    >>> metric_name("roc_auc"), metric_name("balanced_accuracy")
    ('ROC AUC', 'balanced accuracy')
    """
    return {"roc_auc": "ROC AUC", "f1": "F1", "brier": "Brier score"}.get(key, key.replace("_", " "))


def artist_name(artist: str) -> str:
    """Return "vincent van gogh" as "Vincent van Gogh"."""
    small = {"van", "von", "de", "la", "der"}
    return " ".join(word if word in small else word.title() for word in str(artist).split())


def ranked(values: Mapping[str, float]) -> str:
    """Return "VGG-19 0.976, AlexNet 0.971", largest first."""
    return ", ".join(f"{name_of(key)} {value:.3f}" for key, value in sorted(values.items(), key=lambda item: -item[1]))
