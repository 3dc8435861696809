"""predict: bad files are reported and not fatal, what is done is written, and a weak classifier is named."""

import os

import pandas as pd
import pytest
from PIL import Image
from stand_ins import CPU
from torch import nn

from vg_helpers.classify.judge import judge
from vg_helpers.commands import predict
from vg_helpers.files import write_json
from vg_helpers.models import classifier


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


def call(*arguments):
    return predict.main([*map(str, arguments), "--model", "alexnet", "--device", "cpu"])


def test_folders_and_files_get_a_line_each(trained, pictures, capsys):
    assert call(pictures, pictures / "red.png", "--profile", "demo") == 0
    lines = capsys.readouterr().out.splitlines()
    probs = judge(trained, [pictures / name for name in ("blue.png", "red.png", "red.png")], CPU, views=4)
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
    frame = pd.read_csv(
        tmp_path / "new" / "out.csv", encoding="utf-8", keep_default_na=False, na_values={"p_van_gogh": ""}
    )
    assert list(frame) == ["file", "p_van_gogh", "decision", "error"] and len(frame) == 4
    assert frame.p_van_gogh.isna().tolist() == [True, False, False, True]
    assert frame.decision.tolist() == ["", "other", "other", ""] and frame.file[1] == str(pictures / "blue.png")
    assert (frame.error != "").tolist() == [True, False, False, True]


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
    def judge_one(model, paths, *_, **__):
        if paths[0].name == "red.png":
            raise KeyboardInterrupt
        return [0.25]

    monkeypatch.setattr(predict, "judge", judge_one)
    assert call(pictures, "--profile", "demo", "--out", tmp_path / "a.csv") == 130
    assert pd.read_csv(tmp_path / "a.csv").p_van_gogh.tolist() == [0.25]
    monkeypatch.setattr(predict, "judge", lambda model, paths, *_, **__: [0.5])
    assert call(pictures, "--profile", "demo", "--out", tmp_path / "a.csv") == 0  # its own file is replaced
    assert pd.read_csv(tmp_path / "a.csv").p_van_gogh.tolist() == [0.5, 0.5]


def test_a_place_that_cannot_be_written_is_named_before_any_work(trained, pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "load_judge", lambda *_: pytest.fail("half a minute for nothing"))
    (tmp_path / "text").write_text("in the way", encoding="utf-8")
    (tmp_path / "notes.csv").write_text("mine\n", encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    for name, sentence in (
        ("text/a.csv", "text"),
        ("notes.csv", "notes.csv holds something else; name another file"),
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


def test_a_texture_head_beside_the_network_is_added_and_brings_its_own_threshold(trained, pictures, tmp_path, capsys):
    folder = tmp_path / "build" / "demo" / "02_classify"
    head = nn.Linear(2 * trained.module_of("conv2").out_channels, 2)
    whole = classifier.TextureClassifier(trained, head)
    classifier.save_texture_head(folder / "alexnet_texture.pt", head)
    own = {"threshold": 0.0, "views": 4}
    write_json(folder / "metrics.json", {"alexnet": own, "alexnet_with_texture": {"threshold": 1.1, "views": 2}})
    assert call(pictures / "red.png", "--profile", "demo") == 0
    (p,) = judge(whole, [pictures / "red.png"], CPU, views=2)
    assert capsys.readouterr().out.endswith(f": P = {p:.3f}  other\n")
    write_json(folder / "metrics.json", {"alexnet": own})  # of a run before the one that wrote the head
    assert call(pictures / "red.png", "--profile", "demo") == 0
    (p,) = judge(trained, [pictures / "red.png"], CPU, views=4)
    assert capsys.readouterr().out.endswith(f": P = {p:.3f}  van_gogh\n")


@pytest.mark.parametrize("chosen", ['{"threshold": NaN}', '{"threshold": 0.5, "views": -3}'])
def test_numbers_that_decide_nothing_are_damage(trained, tmp_path, chosen):
    (tmp_path / "build" / "demo" / "02_classify" / "metrics.json").write_text(f'{{"alexnet": {chosen}}}')
    with pytest.raises(ValueError, match=r"metrics\.json is damaged"):
        predict.find_model("alexnet", "demo")


@pytest.mark.parametrize("name", ["alexnet.pt", "alexnet_texture.pt", "metrics.json", "../01_data/sources.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe{", b'{"alexnet": {}, "alexnet_with_texture": 1}'])
def test_a_damaged_file_of_the_run_is_one_sentence_with_its_name(trained, pictures, tmp_path, capsys, name, content):
    folder = tmp_path / "build" / "demo" / "02_classify"
    classifier.save_texture_head(folder / "alexnet_texture.pt", nn.Linear(12, 2))
    chosen = {"threshold": 0.0, "views": 4}
    write_json(folder / "metrics.json", {"alexnet": chosen, "alexnet_with_texture": chosen})
    path = folder.parent / "01_data" / name.rpartition("/")[2] if ".." in name else folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert call(pictures, "--profile", "demo") == 2
    error = capsys.readouterr().err
    assert "error: " in error and path.name in error and "run the report of its profile again" in error
    assert len(error.splitlines()[-1]) < 300 and "Traceback" not in error


def test_wrong_use_is_one_sentence_and_exit_code_two(trained, pictures, tmp_path, capsys):
    assert call(pictures, "--profile", "nothing") == 2
    error = capsys.readouterr().err
    assert "no trained AlexNet under" in error and "run `python3 run.py report` first" in error
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
