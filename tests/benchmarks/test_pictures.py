"""The pictures of README: small enough, of one height, and with the numbers of the run that made them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import noise

from vg_helpers.benchmarks import pictures
from vg_helpers.images import save_image
from vg_helpers.models.classifier import build_classifier, save_classifier


def test_pictures_are_made_from_a_run_and_a_painting(tmp_path, tiny_zoo, monkeypatch):
    save_classifier(tmp_path / "run" / "02_classify" / "alexnet.pt", build_classifier("alexnet", "none"))
    save_image(tmp_path / "painting.png", noise(1, height=80, width=64))
    monkeypatch.setattr(pictures.data, "coffee", lambda: np.full((96, 128, 3), 128, np.uint8))
    options = ["--style", tmp_path / "painting.png", "--out", tmp_path / "out", "--photo", "coffee"]
    options += ["--network", "alexnet", "--weights", "none", "--steps", 2, "--size", 128]
    assert pictures.main([str(word) for word in (tmp_path / "run", *options)]) == 0
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"photo.jpg", "painting.jpg", "result.jpg", "gradcam.jpg", "numbers.json"}
    assert len({Image.open(path).height for path in (tmp_path / "out").glob("*.jpg")}) == 1
    numbers = json.loads((tmp_path / "out" / "numbers.json").read_text(encoding="utf-8"))
    assert 0 <= numbers["p_before"] <= 1 and 0 <= numbers["p_after"] <= 1
    assert (numbers["licence"], numbers["weights"]) == ("CC0, Rachel Michetti", "none")


@pytest.mark.parametrize(("most", "fits"), [(1_000_000, True), (25_000, True), (500, False)])
def test_all_jpegs_together_stay_below_the_limit(tmp_path, most, fits):
    grain = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    made = {"photo": Image.fromarray(grain), "painting": Image.fromarray(grain.transpose(1, 0, 2).copy())}
    if not fits:
        with pytest.raises(ValueError, match="do not fit"):
            pictures.write_jpegs(tmp_path, made, most)
        return
    pictures.write_jpegs(tmp_path, made, most)
    assert 0 < sum(path.stat().st_size for path in tmp_path.glob("*.jpg")) <= most


def test_the_map_lies_over_the_picture(tiny_zoo):
    model, image = build_classifier("alexnet", "none").eval(), torch.full((1, 3, 96, 128), 0.5)
    mixed = np.asarray(pictures.overlay(model, image)).astype(float)
    assert mixed.shape == (96, 128, 3)
    heat = (mixed / 255 - 0.6 * 0.5) / 0.4
    assert heat.min() >= -0.02 and heat.max() <= 1.02


@pytest.mark.parametrize("name", pictures.PHOTOS)
def test_photos_come_with_scikit_image(name):
    photo = getattr(pictures.data, name)()
    assert photo.dtype == np.uint8 and photo.ndim == 3
