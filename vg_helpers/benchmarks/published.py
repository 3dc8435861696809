"""Published results on Van Gogh attribution with intervals: python -m vg_helpers.benchmarks.published.

Convention: only results whose confusion matrix is published, or follows without a doubt from what is, stand here; the
intervals are recomputed from it (`intervals.f1_of_counts` and Wilson's for the accuracy).
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ..commands.entry import run
from ..intervals import f1_of_counts, proportion


class Result(NamedTuple):
    """One published result: true and false negatives, false and true positives among the test paintings."""

    study: str
    test: str
    tn: int
    fp: int
    fn: int
    tp: int
    source: str


FOLEGO = "Folego et al. 2016, VGG-19 patches, the farthest decides"
UNSEEN = "paintings of the Van Gogh Museum that VGDB-2016 lacks"
RECAPTURED = "VGDB-2016, other photographs of its test paintings"
CONNOISSEUR = "github.com/lucasdavid/connoisseur, docs/REPORTS.md"
RESULTS = (
    # F1 0.923, accuracy 63 of 67, and 25 Van Goghs among the test paintings leave one matrix.
    Result(FOLEGO, "VGDB-2016", 39, 3, 1, 24, "doi 10.1109/icip.2016.7532335"),
    Result("David, InceptionV3 patches and SVM", "VGDB-2016", 39, 3, 0, 25, CONNOISSEUR),
    Result("David, DenseNet-264 patches", "VGDB-2016", 39, 3, 2, 23, CONNOISSEUR),
    Result("David, InceptionV3 patches and SVM", RECAPTURED, 37, 1, 6, 19, CONNOISSEUR),
    Result("David, InceptionV3 patches and SVM", UNSEEN, 11, 0, 19, 15, CONNOISSEUR),
    # Accuracy 0.93220 of 354, recall 0.94 of 178 and 0.92 of 176, and both precisions leave one matrix.
    Result(
        "LMI Group, Swin-Tiny patches, run 3",
        "its list, run 3",
        162, 14, 10, 168,
        "github.com/LMIGroupIntl/VanGoghComputerVision, notebooks/experiments",
    ),
)  # fmt: skip
COLUMNS = ("study", "test paintings", "Van Goghs", "others", "F1", "accuracy", "source")


def table(results: Sequence[Result] = RESULTS) -> pd.DataFrame:
    """Return one row per result: study, test paintings, how many of both classes, F1, accuracy, source."""
    rows = []
    for item in results:
        counts = item.tn, item.fp, item.fn, item.tp
        accuracy = proportion(item.tn + item.tp, sum(counts))
        numbers = (item.fn + item.tp, item.tn + item.fp, f"{f1_of_counts(*counts):.3f}", f"{accuracy:.3f}")
        rows.append((item.study, item.test, *numbers, item.source))
    return pd.DataFrame(rows, columns=COLUMNS)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.published", description=__doc__)
    row = ("NAME", "TN", "FP", "FN", "TP")
    parser.add_argument("--row", nargs=5, action="append", default=[], metavar=row, help="add a result of your own")
    return parser


def show(options: argparse.Namespace) -> None:
    """Print the table as Markdown."""
    own = []
    for name, *counts in options.row:
        if not all(count.isdecimal() for count in counts):
            raise ValueError(f"--row {name} needs four whole numbers: TN FP FN TP")
        own.append(Result(name, "", *map(int, counts), ""))
    print(table([*RESULTS, *own]).to_markdown(index=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    return run(build_parser(), show, arguments)


if __name__ == "__main__":
    sys.exit(main())
