"""judge: a picture is seen as a test painting is."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax
from stand_ins import CPU
from torch import nn

from vg_helpers.classify import train
from vg_helpers.classify.judge import judge, judge_log_odds
from vg_helpers.data.views import EVAL_VIEWS, PaintingDataset
from vg_helpers.images import load_image


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
        probs = judge(model.train(training), paths, CPU)
        np.testing.assert_allclose(probs, judge(model, [load_image(path) for path in paths], CPU), atol=1e-6)
        assert all(part.training is training for part in model.modules())
    assert probs[0] < 0.1 and probs[1] > 0.9


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


def test_a_file_that_is_no_picture_is_one_sentence(tmp_path):
    (tmp_path / "a.jpg").write_text("no picture", encoding="utf-8")
    for name in ("a.jpg", "missing.jpg"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as an image \("):
            judge(Redness(), [tmp_path / name], CPU)


def test_log_odds_still_differ_where_the_probabilities_are_one():
    class Sure(nn.Module):
        def forward(self, images):
            return torch.stack([torch.zeros(len(images)), 40 + images.mean((1, 2, 3))], dim=1)

    pictures = [torch.full((1, 3, 64, 64), shade) for shade in (0.2, 0.8)]
    odds = judge_log_odds(Sure(), pictures, CPU)
    assert odds == pytest.approx([40.2, 40.8], abs=0.01) and judge(Sure(), pictures, CPU) == pytest.approx([1, 1])
