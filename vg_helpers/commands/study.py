"""The `study` command: what people's answers say, and how far each judge agrees with people."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..files import ROOT, expand_home, write_csv
from ..findings import study as findings
from ..study import fit
from ..study.answers import list_files, read_answers, study_of
from ..study.questions import Study, read_study
from .entry import run
from .outputs import check_table

BUILD = ROOT / "report" / "build"
COLUMNS = ("kind", "result", "name")  # the first of the table
INCOMPLETE = 1  # the exit code if some files were left out


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="run.py study",
        description="Say what people answered on a report's study.html. The exit code is 1 if a file was left out.",
    )
    parser.add_argument("files", nargs="+", type=expand_home, metavar="FILE", help="saved answers, or folders of them")
    record = "the study.json of the report (default: searched in report/build)"
    parser.add_argument("--study", type=expand_home, metavar="study.json", help=record)
    parser.add_argument("--out", type=expand_home, default=Path("study.csv"), help="the table to write (study.csv)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the answers, print what they say, write the table, and return the exit code."""
    return run(build_parser(), study, arguments)


def study(options: argparse.Namespace) -> int:
    """Read the answers, print what they say, write the table, and return the exit code."""
    files = list_files(options.files)
    check_table(options.out, COLUMNS, [*files, *filter(None, [options.study])])
    record = read_study(options.study) if options.study else find_study(files)
    answers, problems = read_answers(files, record)
    for sentence in problems:
        print(f"note: {sentence}", file=sys.stderr)
    if answers.empty:
        raise ValueError("none of the files holds answers that can be used: the notes above say why")
    table = fit.evaluate(answers, record)
    print(findings.participants(answers), *findings.results(table), sep="\n")
    write_csv(options.out, table)
    print(f"All values are in {options.out}")
    return INCOMPLETE if problems else 0


def find_study(files: Sequence[Path]) -> Study:
    """Return the study of the first file that can be read, among those of the reports made here.

    Raises:
        ValueError: if none of them fits.
    """
    wanted = next(filter(None, map(study_of, files)), None)
    if wanted is None:
        with files[0].open():  # a file that is missing or may not be read is another error
            pass
        raise ValueError(f"{files[0]} holds no answers of a study: give the files that its page saved")
    for path in sorted(BUILD.glob("*/04_style_eval/study.json")):
        if study_of(path) == wanted:
            return read_study(path)
    raise ValueError(f"no report under {BUILD} has the study {wanted}: give its record with --study study.json")


if __name__ == "__main__":
    sys.exit(main())
