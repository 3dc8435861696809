"""The files with people's answers, read and checked.

Convention: an answer is a row of rater, question, kind, choice, other (ids of pictures) and seconds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..files import MALFORMED, UNREADABLE, printable, read_json
from .questions import FORMAT, Study

COLUMNS = ["rater", "question", "kind", "choice", "other", "seconds"]


def list_files(places: Sequence[Path]) -> list[Path]:
    """Return the files, and those named *.json of the folders.

    Raises:
        ValueError: if a folder holds none.
    """
    files = []
    for place in places:
        inside = sorted(path for path in place.glob("*.json") if path.name[0] != ".") if place.is_dir() else [place]
        if not inside:
            raise ValueError(f"{place} holds no .json files: put the files that people saved there")
        files += inside
    return files


def study_of(path: Path) -> str | None:
    """Return the hash of the study that a file of answers belongs to, or None if it cannot be read."""
    try:
        return str(read_json(path)["study"])
    except (*UNREADABLE, *MALFORMED):
        return None


def read_answers(paths: Sequence[Path], study: Study) -> tuple[pd.DataFrame, list[str]]:
    """Return the answers of all good files, and one sentence for each file that was left out.

    Of several files by one rater the one saved last counts.
    """
    latest: dict[str, tuple[str, Path, list[dict[str, Any]]]] = {}
    problems = []
    for path in paths:
        try:
            rater, saved, rows = _read(path, study)
        except UNREADABLE as error:
            reason = f"{path}: {error.strerror.lower()}" if isinstance(error, OSError) else str(error)
            problems.append(printable(reason))
            continue
        entry = saved, path, rows
        if rater in latest:
            older, entry = sorted((latest[rater], entry), key=lambda one: one[0])
            both = f"{printable(str(older[1]))} and {printable(str(entry[1]))}"
            problems.append(f"{both} are by the same person: the one saved last counts")
        latest[rater] = entry
    rows = [row for _, _, part in latest.values() for row in part]
    return pd.DataFrame(rows, columns=COLUMNS), problems


def _read(path: Path, study: Study) -> tuple[str, str, list[dict[str, Any]]]:
    """Return rater, time of saving and answers of one file.

    Raises:
        OSError, ValueError: if it cannot be read or does not fit the study.
    """
    try:
        content = read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is empty or damaged: ask for the file again") from error
    try:
        number, about, rater, saved = content["format"], content["study"], str(content["rater"]), str(content["saved"])
        answers = [(str(one["question"]), str(one["choice"]), float(one["seconds"])) for one in content["answers"]]
    except MALFORMED as error:
        raise ValueError(f"{path} holds no answers of a study: give the files that its page saved") from error
    if number != FORMAT or about != study.content:
        raise ValueError(f"{path} answers another study: give --study the study.json of the report it came from")
    questions = study.questions.set_index("id")
    rows = []
    for question, choice, seconds in answers:
        pair = set(questions.loc[question, ["first", "second"]]) if question in questions.index else set()
        if choice not in pair or question in {row["question"] for row in rows}:
            raise ValueError(f"{path} was changed after it was saved (question {question}): ask for the file again")
        (other,) = pair - {choice}
        kind = questions.loc[question, "kind"]
        rows.append(dict(zip(COLUMNS, (rater, question, kind, choice, other, seconds), strict=True)))
    if not rows:
        raise ValueError(f"{path} holds no answer: ask for a file that was saved after the first question")
    return rater, saved, rows
