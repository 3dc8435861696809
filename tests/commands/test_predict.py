"""predict: bad files are reported and not fatal, what is done is written, and answers say what they rest on."""

import dataclasses
import math
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from PIL import Image
from stand_ins import CPU, RULE, tiny_judge

from vg_helpers import files
from vg_helpers.classify import answers
from vg_helpers.classify.judge import judge_files
from vg_helpers.commands import predict
from vg_helpers.files import ROOT, save_torch, write_json
from vg_helpers.models import classifier, texture
from vg_helpers.models.inference import convert_weights


@pytest.fixture
def pictures(tmp_path):
    """A folder with a red and a blue picture."""
    folder = tmp_path / "pictures é"
    folder.mkdir()
    for name in ("red", "blue"):
        Image.new("RGB", (90, 70), name).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def trained(tmp_path, tiny_zoo, monkeypatch):
    """A build folder with a trained AlexNet in two profiles; return the model."""
    monkeypatch.setattr(predict, "BUILD", tmp_path / "build")
    model = classifier.build_classifier("alexnet", "none").eval()
    for profile, threshold in (("demo", 0.0), ("full", 1.1)):
        classifier.save_classifier(tmp_path / "build" / profile / "02_classify" / "alexnet.pt", model)
        facts = {"alexnet": {"threshold": threshold, "views": 4}}
        write_json(tmp_path / "build" / profile / "02_classify" / "metrics.json", facts)
    return model


@pytest.fixture
def textured(trained, tmp_path):
    """A texture judge beside the AlexNet of the profile demo, and a threshold for both; return a function that saves
    it with other fields of its rule."""
    folder = tmp_path / "build" / "demo" / "02_classify"
    extractor = texture.build_texture_extractor("alexnet", "none")
    whole = texture.TextureClassifier(trained, extractor, tiny_judge(60)).eval()
    own = {"threshold": 0.0, "views": 4}
    write_json(folder / "metrics.json", {"alexnet": own, "alexnet_with_texture": own})

    def save(**fields):
        rule = dataclasses.replace(RULE, **fields)
        texture.save_texture_classifier(folder / "alexnet_texture.pt", whole, rule)
        return whole, rule

    return save


def call(*arguments):
    return predict.main([*map(str, arguments), "--model", "alexnet", "--device", "cpu"])


def probs_of(model, files, views=4):
    """Return P(van_gogh) by the network alone, in batches as `predict` makes them."""
    convert_weights(model, CPU)
    results = judge_files(lambda images: answers.answer_alone(model, 0.5, images), files, CPU, views)
    return [result.p for result in results]


def read(path):
    return pd.read_csv(path, encoding="utf-8", keep_default_na=False, dtype=str)


def test_folders_and_files_get_a_line_each(trained, pictures, capsys):
    assert call(pictures, pictures / "red.png", "--profile", "demo") == 0
    lines = capsys.readouterr().out.splitlines()
    probs = probs_of(trained, [pictures / name for name in ("blue.png", "red.png", "red.png")])
    assert [line.rpartition(": P = ")[0] for line in lines] == [
        str(pictures / name) for name in ("blue.png", "red.png", "red.png")
    ]
    assert [line.rpartition(": P = ")[2] for line in lines] == [f"{p:.3f}  van_gogh" for p in probs]


def test_bad_files_are_reported_and_not_fatal(trained, pictures, tmp_path, capsys):
    (pictures / "a_text.jpg").write_text("no picture", encoding="utf-8")
    assert call(pictures, tmp_path / "missing.png", "--profile", "full", "--out", tmp_path / "new" / "out.csv") == 1
    out = capsys.readouterr().out.splitlines()
    assert (
        len(out) == 4 and "a_text.jpg cannot be read as an image" in out[0] and "missing.png cannot be read" in out[3]
    )
    frame = read(tmp_path / "new" / "out.csv")
    assert list(frame) == predict.COLUMNS and len(frame) == 4
    assert [cell != "" for cell in frame.p_van_gogh] == [False, True, True, False]
    assert frame.answer.tolist() == ["", "other", "other", ""] and frame.file[1] == str(pictures / "blue.png")
    assert (frame.error != "").tolist() == [True, False, False, True]
    assert (frame[["p_low", "unfamiliar", "nearest_other_3"]] == "").all(axis=None)  # the network judges alone


def test_a_folder_takes_all_suffixes_and_an_empty_one_is_not_fatal(trained, pictures, tmp_path, capsys):
    Image.new("RGB", (90, 70), "red").save(pictures / "z.webp")
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty", pictures, "--profile", "demo") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "empty holds no pictures" in lines[0] and [line.split(": ")[0][-8:] for line in lines[1:]] == [
        "blue.png",
        "/red.png",
        "é/z.webp",
    ]


def test_what_is_done_is_written_after_an_interruption(trained, pictures, tmp_path, monkeypatch, capsys):
    for number in range(20):
        Image.new("RGB", (90, 70), (number, 0, 0)).save(pictures / f"later-{number:02}.png")
    batches = []

    def answer(model, threshold, images):
        batches.append(len(images))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return [answers.Answer(0.25, math.nan, math.nan, "other")] * len(images)

    monkeypatch.setattr(predict, "answer_alone", answer)
    assert call(pictures, "--profile", "demo", "--out", tmp_path / "a.csv") == 130
    partial = tmp_path / "a.partial.csv"
    assert read(partial).p_van_gogh.tolist() == ["0.25"] * sum(batches[:2]) and not (tmp_path / "a.csv").exists()
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == sum(batches[:2])
    assert f"{sum(batches[:2])} of 22 rows are in {partial}" in captured.err
    batches.extend([0, 0])
    assert call(pictures, "--profile", "demo", "--out", tmp_path / "a.csv") == 0
    before = (tmp_path / "a.csv").read_bytes()
    assert len(read(tmp_path / "a.csv")) == 22
    batches.clear()
    assert call(pictures, "--profile", "demo", "--out", tmp_path / "a.csv") == 130  # the whole table stays
    assert (tmp_path / "a.csv").read_bytes() == before
    batches.extend([0, 0])
    assert call(pictures / "red.png", "--profile", "demo", "--out", tmp_path / "a.csv") == 0  # and is replaced by one
    assert len(read(tmp_path / "a.csv")) == 1


def test_a_list_is_not_replaced_by_its_answers(trained, pictures, tmp_path, monkeypatch, capsys):
    out = tmp_path / "a.csv"
    assert call(pictures, "--profile", "demo", "--out", out) == 0
    (tmp_path / "link.csv").hardlink_to(out)
    (tmp_path / "b.partial.csv").write_text("mine\n", encoding="utf-8")
    before = out.read_bytes()
    for name in ("a.csv", "link.csv"):
        assert call(out, "--out", tmp_path / name) == 2
        assert f"{name} is one of the files to read; give another name" in capsys.readouterr().err
    assert call(out, "--out", tmp_path / "b.csv") == 2
    assert "b.partial.csv holds something else; give another name" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_an_empty_list_is_a_row_with_a_reason(trained, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    assert call(tmp_path / "empty.txt", "--profile", "demo", "--out", tmp_path / "a.csv") == 1
    assert "empty.txt lists no pictures; write one path a line" in capsys.readouterr().out
    assert "lists no pictures" in read(tmp_path / "a.csv").error[0]


def test_wrong_use_makes_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "BUILD", tmp_path / "build")
    for out in ("new", "new/a.csv"):
        assert call("a.png", "--out", tmp_path / out) == 2
        assert "no trained AlexNet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_before_any_work(trained, pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "load_trained", lambda *_: pytest.fail("half a minute for nothing"))
    (tmp_path / "text").write_text("in the way", encoding="utf-8")
    (tmp_path / "notes.csv").write_text("mine\n", encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    for name, sentence in (
        ("text/a.csv", "text"),
        ("notes.csv", "notes.csv holds something else; give another name"),
        ("folder.csv", "folder.csv: this is a folder; name a file in it"),
        ("photo.png", "photo.png must end in .csv"),
    ):
        assert call(pictures, "--out", tmp_path / name) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and sentence in error and error.count("\n") == 1
    assert (tmp_path / "notes.csv").read_text(encoding="utf-8") == "mine\n"


def test_the_newest_run_is_taken_unless_a_profile_is_named(trained, pictures, tmp_path):
    for profile, when in (("demo", 2), ("full", 1)):
        os.utime(tmp_path / "build" / profile / "02_classify" / "alexnet.pt", (when, when))
    assert predict.find_model("alexnet", None)[1] == 0.0 and predict.find_model("alexnet", "full")[1] == 1.1
    (tmp_path / "build" / "demo" / "02_classify" / "metrics.json").unlink()  # a run that has not come to its end
    assert predict.find_model("alexnet", None)[1] == 1.1


def test_a_texture_judge_beside_the_network_brings_interval_neighbours_and_its_own_rule(
    textured, pictures, tmp_path, capsys
):
    whole, rule = textured(margin=0.0)
    assert call(pictures, "--profile", "demo", "--out", tmp_path / "a.csv", "--neighbours") == 0
    convert_weights(whole, CPU)
    files = [pictures / "blue.png", pictures / "red.png"]
    results = judge_files(lambda images: answers.answer_with_texture(whole, rule, images), files, CPU, rule.views)
    frame, lines = read(tmp_path / "a.csv"), capsys.readouterr().out.splitlines()
    for place, result in enumerate(results):
        row, line = frame.iloc[place], lines[3 * place]
        assert line.startswith(f"{files[place]}: P = {result.p:.3f} [{result.low:.3f}, {result.high:.3f}]  ")
        assert result.answer in line and row.answer == result.answer
        assert line.endswith("  unfamiliar") == result.unfamiliar and row.unfamiliar == str(result.unfamiliar)
        assert float(row.p_van_gogh) == pytest.approx(result.p, rel=1e-9)
        assert float(row.p_low) == pytest.approx(result.low) and float(row.p_high) == pytest.approx(result.high)
        assert tuple(row[f"nearest_van_gogh_{n}"] for n in (1, 2, 3)) == result.van_goghs
        assert tuple(row[f"nearest_other_{n}"] for n in (1, 2, 3)) == result.others
        assert lines[3 * place + 1] == f"    nearest Van Goghs: {', '.join(result.van_goghs)}"
        assert lines[3 * place + 2] == f"    nearest others: {', '.join(result.others)}"


def test_a_picture_alone_gets_the_line_it_gets_in_its_folder(textured, pictures, capsys):
    textured()
    for number in range(9):
        noise = torch.randint(0, 256, (8, 8, 3), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
        Image.fromarray(noise.numpy()).resize((300, 260)).save(pictures / f"{number}.jpg")
    assert call(pictures, "--profile", "demo") == 0
    lines = capsys.readouterr().out.splitlines()
    for line in (lines[0], lines[5], lines[8]):
        assert call(line.partition(": P = ")[0], "--profile", "demo") == 0
        assert capsys.readouterr().out == f"{line}\n"


def test_options_and_margin_choose_between_two_and_three_answers(textured, pictures, capsys):
    def words(*options, **fields):
        textured(**fields)
        assert call(pictures / "red.png", "--profile", "demo", *options) == 0
        captured = capsys.readouterr()
        return captured.out.split("]  ")[1].split()[0], captured.err

    answer, notes = words(margin=math.inf)
    assert answer == "cannot_tell" and "no margin kept" in notes
    answer, notes = words("--answers", 2, margin=math.inf)
    assert answer in ("van_gogh", "other") and "no margin" not in notes
    assert words("--threshold", 0, margin=5.0)[0] == "van_gogh"
    assert words("--threshold", 1, margin=5.0)[0] == "other"
    assert words(margin=1e3)[0] == "cannot_tell" and "no margin" not in words(margin=1e3)[1]


def test_a_run_without_texture_judge_has_two_answers_and_says_so(textured, trained, pictures, tmp_path, capsys):
    metrics = tmp_path / "build" / "demo" / "02_classify" / "metrics.json"
    textured()
    write_json(metrics, {"alexnet": {"threshold": 0.0, "views": 4}})  # of a run before the one that wrote the judge
    assert call(pictures / "red.png", "--profile", "demo", "--neighbours") == 0
    captured, (p,) = capsys.readouterr(), probs_of(trained, [pictures / "red.png"])
    assert captured.out.endswith(f": P = {p:.3f}  van_gogh\n") and "no texture judge" in captured.err
    assert call(pictures / "red.png", "--profile", "demo", "--answers", 2, "--threshold", 1) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("  other\n") and "no texture judge" not in captured.err


@pytest.mark.parametrize(
    "fields", [{"threshold": math.nan}, {"views": 0}, {"margin": -1.0}, {"bias": math.inf}, {"familiar": math.nan}]
)
def test_a_rule_that_decides_nothing_is_damage(textured, pictures, capsys, fields):
    textured(**fields)
    assert call(pictures, "--profile", "demo") == 2
    assert "alexnet_texture.pt is damaged; delete it and run the report" in capsys.readouterr().err


def test_the_texture_head_of_an_earlier_version_is_one_sentence(textured, pictures, tmp_path, capsys):
    textured()
    head = {"weight": torch.zeros(2, 12), "bias": torch.zeros(2)}
    save_torch(tmp_path / "build" / "demo" / "02_classify" / "alexnet_texture.pt", head)
    assert call(pictures, "--profile", "demo") == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Note")]
    assert line.startswith("error: ") and "alexnet_texture.pt holds no texture judge" in line


def test_a_threshold_that_is_no_probability_is_refused(trained, pictures, capsys):
    for threshold in ("1.5", "-0.1", "nan"):
        assert call(pictures, f"--threshold={threshold}") == 2
        assert f"--threshold {float(threshold)} must be a probability" in capsys.readouterr().err


def test_nothing_that_starts_slowly_is_loaded_before_the_first_answer():
    command = (
        "import sys; from vg_helpers.commands import predict;"
        "print(*{name.split('.')[0] for name in sys.modules}, *(name for name in sys.modules if '_dynamo' in name))"
    )
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    slow = {"pandas", "scipy", "sklearn", "matplotlib", "optuna", "sympy", "torch._dynamo", "torch._dynamo.utils"}
    assert "torchvision" in loaded and not loaded & slow


@pytest.mark.parametrize("chosen", ['{"threshold": NaN}', '{"threshold": 0.5, "views": -3}'])
def test_numbers_that_decide_nothing_are_damage(trained, tmp_path, chosen):
    (tmp_path / "build" / "demo" / "02_classify" / "metrics.json").write_text(f'{{"alexnet": {chosen}}}')
    with pytest.raises(ValueError, match=r"metrics\.json is damaged"):
        predict.find_model("alexnet", "demo")


@pytest.mark.parametrize("name", ["alexnet.pt", "alexnet_texture.pt", "metrics.json", "../01_data/sources.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe{", b'{"alexnet": {}, "alexnet_with_texture": 1}'])
def test_a_damaged_file_of_the_run_is_one_sentence_with_its_name(textured, pictures, tmp_path, capsys, name, content):
    folder = tmp_path / "build" / "demo" / "02_classify"
    textured()
    path = folder.parent / "01_data" / name.rpartition("/")[2] if ".." in name else folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert call(pictures, "--profile", "demo") == 2
    error = capsys.readouterr().err
    assert "error: " in error and path.name in error and "run the report of its profile again" in error
    assert len(error.splitlines()[-1]) < 300 and "Traceback" not in error


def test_wrong_use_is_one_sentence_and_exit_code_two(trained, pictures, tmp_path, capsys):
    for profile, command in (("smoke", "report --profile smoke"), ("demo", "report --profile demo"), ("", "report")):
        (tmp_path / "build" / "demo" / "02_classify" / "metrics.json").unlink(missing_ok=True)
        (tmp_path / "build" / "full" / "02_classify" / "metrics.json").unlink(missing_ok=True)
        assert call(pictures, "--profile", profile) == 2
        error = capsys.readouterr().err
        assert "no trained AlexNet under" in error and f"run `python3 run.py {command}` first" in error
    assert call(pictures, "--profile", "fll") == 2
    assert "there is no profile 'fll': did you mean 'full'? (demo, full, smoke)" in capsys.readouterr().err
    assert predict.main([str(pictures), "--model", "alexnet", "--device", "tpu"]) == 2
    assert "device 'tpu' is not available" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        predict.main(["--model", "alexnet"])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("profile", "source", "is_demo", "words"),
    [
        ("demo", "imagenet", True, ["procedural demo paintings"]),
        ("demo", "imagenet", False, []),
        ("smoke", "none", False, ["a smoke run"]),
        ("full", "none", False, ["started from random weights"]),
        ("smoke", "imagenet", True, ["a smoke run", "procedural demo paintings"]),
    ],
)
def test_a_classifier_that_knows_little_is_named(tmp_path, profile, source, is_demo, words):
    path = tmp_path / profile / "02_classify" / "vgg19.pt"
    write_json(tmp_path / profile / "01_data" / "sources.json", {"is_demo": is_demo})
    notes = predict.notes_on(path, source)
    assert len(notes) == len(words) and all(word in note for word, note in zip(words, notes, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes that are not UTF-8")
def test_names_that_are_not_utf8_or_hold_odd_signs_survive(trained, pictures, tmp_path, capsys):
    names = [os.fsdecode(b"caf\xe9.png"), "=1+1.png", 'a\nb,"c.png', "-x.png"]
    for name in names:
        (pictures / name).hardlink_to(pictures / "red.png")
    out = tmp_path / os.fsdecode(b"r\xe9sultat.csv")
    assert call(pictures, "--profile", "demo", "--out", out) == 0
    assert {os.path.basename(file) for file in files.read_csv(out).file} >= set(names)
    assert len(capsys.readouterr().out.splitlines()) == len(names) + 2  # a line each, also for a name of two
