"""The judges of the newest run: their answers are those of `predict`, and their maps those of the trained network."""

import numpy as np
import pytest
import torch
from stand_ins import CPU, RULE, noise, tiny_judge

from vg_helpers.commands import predict
from vg_helpers.files import write_json
from vg_helpers.gradcam.maps import LAST_RELU, grad_cam
from vg_helpers.images import png_bytes
from vg_helpers.models import texture
from vg_helpers.models.classifier import build_classifier, save_classifier
from vg_helpers.playground import judges


@pytest.fixture
def trained(tmp_path, tiny_zoo, monkeypatch):
    """A run with a trained AlexNet, its texture judge beside it; return the network."""
    monkeypatch.setattr(predict, "BUILD", tmp_path / "build")
    folder = tmp_path / "build" / "demo" / "02_classify"
    model = build_classifier("alexnet", "none").eval()
    save_classifier(folder / "alexnet.pt", model)
    extractor = texture.build_texture_extractor("alexnet", "none")
    whole = texture.TextureClassifier(model, extractor, tiny_judge(60)).eval()
    texture.save_texture_classifier(folder / "alexnet_texture.pt", whole, RULE)
    facts = {"threshold": 0.4, "views": 2}
    write_json(folder / "metrics.json", {"alexnet": facts, "alexnet_with_texture": facts})
    return model


def test_without_a_run_there_are_no_judges(tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BUILD", tmp_path)
    assert judges.load_judges() == []


def test_answers_are_those_of_predict(trained, tmp_path):
    [judge] = judges.load_judges()
    picture = noise(1, 1, 240, 260)
    (tmp_path / "painting.png").write_bytes(png_bytes(picture))
    fast = predict.load_trained(predict.build_parser().parse_args(["painting.png", "--model", "alexnet"]))
    [expected] = judges.judge_files(fast.answer, [tmp_path / "painting.png"], CPU, fast.views, fast.patches)
    answer = judge.answer(picture)
    assert (answer.answer, answer.unfamiliar) == (expected.answer, expected.unfamiliar)
    assert answer.p == pytest.approx(expected.p, abs=0.02)
    assert 0 <= judge.belief(picture) <= 1
    assert judges.beliefs([judge], picture) == {"alexnet": judge.belief(picture)}


def test_maps_are_those_of_the_trained_network(trained):
    [judge] = judges.load_judges()
    picture = noise(2, 1, 224, 224)
    cam, expected = judge.cam(picture), grad_cam(trained, picture, LAST_RELU["alexnet"])
    assert cam.shape == (1, 1, 224, 224) and cam.min() >= 0 and cam.max() <= 1
    assert np.corrcoef(cam.flatten(), expected.flatten())[0, 1] > 0.95
    assert torch.isfinite(cam).all()
