"""study: what is printed and written, which study is found, and what is said about bad files."""

import json

import numpy as np
import pandas as pd
import pytest

from vg_helpers.commands import study as command
from vg_helpers.study.questions import Study, write_study


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of a report under a build folder, beside another report's."""
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    makers = ["van_gogh"] * 6 + ["vgg19"] * 6 + ["photo"]
    pictures = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(13)], "maker": makers, "content": "", "file": "x.png",
            "sha256": [str(i) for i in range(13)], "p_vgg19": [0.9] * 6 + [0.2] * 6 + [np.nan], "ssim": np.arange(13.0),
        }
    )  # fmt: skip
    rows = [(f"q{i}", "van_gogh", f"p{i}", f"p{i + 6}", "") for i in range(6)] + [("q6", "photo", "p6", "p7", "p12")]
    questions = pd.DataFrame(rows, columns=["id", "kind", "first", "second", "photo"])
    study = Study(pictures, questions, {"p_vgg19": "van_gogh", "ssim": "photo"})
    write_study(tmp_path / "build" / "full" / "04_style_eval" / "study.json", study)
    other = Study(pictures, questions[:3], {})
    write_study(tmp_path / "build" / "demo" / "04_style_eval" / "study.json", other)
    return study


def answers(folder, study, rater, wrong=0):
    """Write the answers of a rater who takes the repainted photo for the Van Gogh in the first `wrong` questions."""
    pairs = study.questions[["id", "first", "second"]].to_numpy()
    rows = [
        {"question": name, "choice": second if number < wrong or name == "q6" else first, "seconds": 3.0}
        for number, (name, first, second) in enumerate(pairs)
    ]
    content = {"format": 1, "study": study.content, "rater": rater, "saved": "2030", "answers": rows}
    folder.mkdir(exist_ok=True)
    (folder / f"{rater}.json").write_text(json.dumps(content), encoding="utf-8")


def test_the_study_is_found_its_sentences_printed_and_the_table_written(study, tmp_path, capsys):
    for number in range(6):
        answers(tmp_path / "answers", study, f"r{number}", wrong=number % 3)
    assert command.main(["answers", "--out", "table.csv"]) == 0
    printed = capsys.readouterr()
    assert "6 people gave 42 answers" in printed.out and "VGG-19's pictures were taken for it in 17% [" in printed.out
    assert "structural similarity in 100%" in printed.out and printed.err == ""
    table = pd.read_csv(tmp_path / "table.csv").set_index(["kind", "result", "name"])
    row = table.loc["van_gogh", "taken for real", "vgg19"]
    assert row["value"] == pytest.approx(1 / 6) and row["low"] < 1 / 6 < row["high"]
    assert table.loc[("van_gogh", "agreement", "p_vgg19"), "value"] == pytest.approx(5 / 6)


def test_bad_files_are_named_and_the_others_count(study, tmp_path, capsys):
    answers(tmp_path / "answers", study, "r1")
    (tmp_path / "answers" / "bad.json").write_text("{", encoding="utf-8")
    assert command.main(["answers"]) == command.INCOMPLETE
    printed = capsys.readouterr()
    assert printed.err == "note: answers/bad.json is empty or damaged: ask for the file again\n".replace(
        "answers/", str(tmp_path.joinpath("answers").relative_to(tmp_path)) + "/"
    )
    assert "1 person gave 7 answers" in printed.out and (tmp_path / "study.csv").is_file()


def test_the_record_can_be_named(study, tmp_path, monkeypatch, capsys):
    answers(tmp_path / "answers", study, "r1")
    monkeypatch.setattr(command, "BUILD", tmp_path / "nothing")
    assert command.main(["answers"]) == 2
    assert f"has the study {study.content}: give its record with --study" in capsys.readouterr().err
    record = tmp_path / "build" / "full" / "04_style_eval" / "study.json"
    assert command.main(["answers/r1.json", "--study", str(record)]) == 0


def test_nothing_is_overwritten_but_its_own_table(study, tmp_path, capsys):
    answers(tmp_path / "answers", study, "r1")
    record = tmp_path / "build" / "full" / "04_style_eval" / "study.json"
    (tmp_path / "table.csv").write_bytes((tmp_path / "answers" / "r1.json").read_bytes())  # read under this name
    for name in ("notes.csv", "study.csv"):  # the second is the default
        (tmp_path / name).write_text("kind,of,mine\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for options, sentence in (
        (["--out", "answers/r1.json"], "--out answers/r1.json must end in .csv"),
        (["--out", str(record)], "must end in .csv"),
        (["table.csv", "--out", "table.csv"], "table.csv is one of the files to read; give another name"),
        (["--out", "notes.csv"], "notes.csv holds something else; give another name"),
        ([], "study.csv holds something else"),
    ):
        assert command.main(["answers", *options]) == 2
        assert sentence in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    for _ in range(2):
        assert command.main(["answers", "--out", "new.csv"]) == 0


def test_a_missing_file_is_said_to_be_missing(study, tmp_path, capsys):
    assert command.main(["nofile.json"]) == 2
    assert "nofile.json: no such file" in capsys.readouterr().err


def test_numbers_that_are_none_are_one_sentence(study, tmp_path, capsys):
    answers(tmp_path / "answers", study, "r1")
    text = (tmp_path / "answers" / "r1.json").read_text(encoding="utf-8").replace("3.0", "9" * 400, 1)
    (tmp_path / "answers" / "r2.json").write_text(text, encoding="utf-8")
    assert command.main(["answers"]) == command.INCOMPLETE
    assert "r2.json holds no answers of a study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "holds no answers of a study"), ('{"study": "0"}', "has the study 0: give its record")],
)
def test_nothing_to_read_is_an_error(study, tmp_path, capsys, content, sentence):
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    assert command.main(["a.json"]) == 2 and sentence in capsys.readouterr().err
    record = tmp_path / "build" / "full" / "04_style_eval" / "study.json"
    assert command.main(["a.json", "--study", str(record)]) == 2
    assert "none of the files holds answers that can be used" in capsys.readouterr().err
