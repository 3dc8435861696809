"""answers: good files become rows, and each bad one is one sentence that names it and the way out."""

import json

import pandas as pd
import pytest

from vg_helpers.study.answers import list_files, read_answers, study_of
from vg_helpers.study.questions import Study


@pytest.fixture
def study():
    pictures = pd.DataFrame({"id": ["p1", "p2", "p3"], "maker": ["van_gogh", "a", "b"], "sha256": ["1", "2", "3"]})
    questions = pd.DataFrame(
        [("q1", "van_gogh", "p1", "p2", ""), ("q2", "van_gogh", "p2", "p3", "")],
        columns=["id", "kind", "first", "second", "photo"],
    )
    return Study(pictures, questions, {})


def answer_file(path, fitting, rater="r1", saved="2030-01-01T10:00:00Z", choices=("p1", "p3"), **changes):
    answers = [{"question": f"q{number}", "choice": choice, "seconds": 2.5} for number, choice in enumerate(choices, 1)]
    content = {"format": 1, "study": fitting.content, "rater": rater, "saved": saved, "answers": answers} | changes
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_answers_become_rows(study, tmp_path):
    rows, problems = read_answers([answer_file(tmp_path / "a.json", study)], study)
    assert problems == [] and rows.to_dict("records") == [
        {"rater": "r1", "question": "q1", "kind": "van_gogh", "choice": "p1", "other": "p2", "seconds": 2.5},
        {"rater": "r1", "question": "q2", "kind": "van_gogh", "choice": "p3", "other": "p2", "seconds": 2.5},
    ]


def test_of_two_files_by_one_person_the_last_one_counts(study, tmp_path):
    late = answer_file(tmp_path / "late.json", study, saved="2030-01-01T11:00:00Z", choices=("p2",))
    early = answer_file(tmp_path / "early.json", study)
    for order in ([late, early], [early, late]):
        rows, problems = read_answers(order, study)
        assert rows.choice.tolist() == ["p2"]
        assert problems == [f"{early} and {late} are by the same person: the one saved last counts"]


BAD = {
    "cut": ("is empty or damaged: ask for the file again", lambda path, study: path.write_text('{"format": 1,')),
    "else": (
        "holds no answers of a study: give the files that its page saved",
        lambda path, study: path.write_text("[]"),
    ),
    "other study": (
        "answers another study: give --study the study.json of the report it came from",
        lambda path, study: answer_file(path, study, study="0" * 16),
    ),
    "unknown question": (
        "was changed after it was saved (question q3): ask for the file again",
        lambda path, study: answer_file(path, study, choices=("p1", "p3", "p1")),
    ),
    "not shown": (
        "was changed after it was saved (question q1): ask for the file again",
        lambda path, study: answer_file(path, study, choices=("p3",)),
    ),
    "twice": (
        "was changed after it was saved (question q1): ask for the file again",
        lambda path, study: answer_file(
            path, study, answers=[{"question": "q1", "choice": "p1", "seconds": 1}] * 2
        ),
    ),
    "no seconds": (
        "holds no answers of a study: give the files that its page saved",
        lambda path, study: answer_file(path, study, answers=[{"question": "q1", "choice": "p1", "seconds": "soon"}]),
    ),
    "nothing": (
        "holds no answer: ask for a file that was saved after the first question",
        lambda path, study: answer_file(path, study, choices=()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_sentence_and_the_others_count(study, tmp_path, kind):
    sentence, write = BAD[kind]
    write(tmp_path / "bad.json", study)
    good = answer_file(tmp_path / "good.json", study, rater="r2")
    rows, problems = read_answers([tmp_path / "bad.json", good], study)
    assert problems == [f"{tmp_path / 'bad.json'} {sentence}"] and set(rows.rater) == {"r2"} and len(rows) == 2


def test_a_missing_file_is_a_sentence_too(study, tmp_path):
    rows, problems = read_answers([tmp_path / "none.json"], study)
    assert rows.empty and problems == [f"{tmp_path / 'none.json'}: no such file or directory"]


def test_folders_give_their_files_and_an_empty_one_is_an_error(study, tmp_path):
    folder = tmp_path / "answers"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"answers holds no \.json files: put the files that people saved there"):
        list_files([folder])
    for name in ("b.json", "a.json", ".hidden.json", "notes.txt"):
        answer_file(folder / name, study)
    assert [path.name for path in list_files([folder, tmp_path / "c.json"])] == ["a.json", "b.json", "c.json"]


def test_a_file_says_which_study_it_answers(study, tmp_path):
    assert study_of(answer_file(tmp_path / "a.json", study)) == study.content
    (tmp_path / "b.json").write_text("[1]")
    assert study_of(tmp_path / "b.json") is None and study_of(tmp_path / "c.json") is None
