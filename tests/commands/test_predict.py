"""judge and predict: a picture is seen as a test painting is; bad files are reported and not fatal."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import softmax
from torch import nn

from vg_helpers.classify import train
from vg_helpers.classify.judge import judge
from vg_helpers.commands import predict
from vg_helpers.data.views import EVAL_VIEWS, PaintingDataset
from vg_helpers.files import write_json
from vg_helpers.images import load_image
from vg_helpers.models import classifier

CPU = torch.device("cpu")


class Redness(nn.Module):
    """Logits (0, six times the mean of red in the left half, less a half)."""

    def forward(self, images):
        red = images[:, 0, :, : images.shape[-1] // 2].mean((1, 2))
        return torch.stack([torch.zeros_like(red), 6 * (red - 0.5)], dim=1)


@pytest.fixture
def pictures(tmp_path):
    """A folder with a red and a blue picture."""
    folder = tmp_path / "pictures é"
    folder.mkdir()
    for name in ("red", "blue"):
        Image.new("RGB", (90, 70), name).save(folder / f"{name}.png")
    return folder


def test_a_picture_is_judged_by_its_centre_and_its_mirror_image():
    image = torch.zeros(1, 3, 256, 400)
    image[:, 0, :, 200:] = 1  # red on the right alone
    image[:, 0, :, 320:] = 0.5  # beyond the centre, and so without weight
    image[:, 0, :, :80] = 0.5
    expected = torch.tensor([[0, -3.0], [0, 3.0]]).mean(0).softmax(0)[1].item()
    assert judge(Redness(), [image], CPU)[0] == pytest.approx(expected, abs=0.02)
    both = judge(Redness(), [torch.ones(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)], CPU)
    np.testing.assert_allclose(both, torch.tensor([3.0, -3.0]).sigmoid(), atol=0.01)


def test_files_and_tensors_are_judged_alike_and_the_mode_is_restored(pictures):
    model = nn.Sequential(nn.Dropout(0.99), Redness())
    paths = sorted(pictures.iterdir())
    for training in (True, False):
        found = judge(model.train(training), paths, CPU)
        np.testing.assert_allclose(found, judge(model, [load_image(path) for path in paths], CPU), atol=1e-6)
        assert all(part.training is training for part in model.modules())
    assert found[0] < 0.1 and found[1] > 0.9


class Darkness(nn.Module):
    """Logits that feel every pixel: the mean of red's square root, and of blue's square."""

    def forward(self, images):
        return 9 * torch.stack([images[:, 0].sqrt().mean((1, 2)), images[:, 2].square().mean((1, 2))], dim=1)


def test_a_file_is_judged_as_the_same_painting_is_in_the_cache(tmp_path, make_paintings):
    paths = make_paintings(tmp_path / "p", 3, 3, (1400, 1100))
    cached = PaintingDataset(paths, [0] * 6, tmp_path / "cache")
    for views in (6, EVAL_VIEWS):
        expected = softmax(train.predict(Darkness(), cached, CPU, views).astype(float), axis=1)[:, 1]
        np.testing.assert_allclose(judge(Darkness(), paths, CPU, views=views), expected, atol=1e-6)
    loaded = judge(Darkness(), [load_image(path) for path in paths], CPU)  # decoded in full before it is scaled
    np.testing.assert_allclose(loaded, expected, atol=0.01)
    assert np.ptp(expected) > 0.01


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


def test_the_newest_run_is_taken_unless_a_profile_is_named(trained, pictures, tmp_path):
    import os

    for profile, when in (("demo", 2), ("full", 1)):
        os.utime(tmp_path / "build" / profile / "02_classify" / "alexnet.pt", (when, when))
    assert predict.find_model("alexnet", None)[1] == 0.0 and predict.find_model("alexnet", "full")[1] == 1.1
    (tmp_path / "build" / "demo" / "02_classify" / "metrics.json").unlink()  # a run that has not come to its end
    assert predict.find_model("alexnet", None)[1] == 1.1


def test_a_texture_head_beside_the_network_is_added_and_brings_its_own_threshold(trained, pictures, tmp_path, capsys):
    folder = tmp_path / "build" / "demo" / "02_classify"
    head = nn.Linear(2 * trained.module_of("conv2").out_channels, 2)
    whole = classifier.Textured(trained, head)
    classifier.save_head(folder / "alexnet_texture.pt", whole)
    own = {"threshold": 0.0, "views": 4}
    write_json(folder / "metrics.json", {"alexnet": own, "alexnet_with_texture": {"threshold": 1.1, "views": 2}})
    assert call(pictures / "red.png", "--profile", "demo") == 0
    (p,) = judge(whole, [pictures / "red.png"], CPU, views=2)
    assert capsys.readouterr().out.endswith(f": P = {p:.3f}  other\n")
    write_json(folder / "metrics.json", {"alexnet": own})  # of a run before the one that wrote the head
    assert call(pictures / "red.png", "--profile", "demo") == 0
    (p,) = judge(trained, [pictures / "red.png"], CPU, views=4)
    assert capsys.readouterr().out.endswith(f": P = {p:.3f}  van_gogh\n")


def test_wrong_use_is_one_sentence_and_exit_code_two(trained, pictures, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty") == 2
    assert (
        capsys.readouterr().err
        == f"predict: {tmp_path / 'empty'} holds no JPEG or PNG files; give a folder with pictures\n"
    )
    assert call(pictures, "--profile", "nothing") == 2
    assert (
        "no trained AlexNet under" in (error := capsys.readouterr().err)
        and "run `python3 run.py report` first" in error
    )
    assert predict.main([str(pictures), "--model", "alexnet", "--device", "tpu"]) == 2
    assert "device 'tpu' is not to be had here" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        predict.main(["--model", "alexnet"])
    assert caught.value.code == 2


def test_a_classifier_of_the_demo_set_says_so(tmp_path, monkeypatch, capsys):
    path = tmp_path / "demo" / "02_classify" / "vgg19.pt"
    monkeypatch.setattr(predict, "find_model", lambda network, profile: (path, 0.5, 2))
    monkeypatch.setattr(predict, "load_classifier", lambda path: None)
    for is_demo in (True, False):
        write_json(tmp_path / "demo" / "01_data" / "sources.json", {"is_demo": is_demo})
        predict.predict_files([], "vgg19")
        assert ("demo paintings" in capsys.readouterr().err) == is_demo
