"""Part-wise evidence: it adds up to the verdict, moves with the picture, and has the right sign on planted textures."""

import numpy as np
import pytest
import torch
from stand_ins import noise
from torch import nn

from vg_helpers.classify.texture import fit_texture_judge
from vg_helpers.gradcam import evidence as ev
from vg_helpers.models.texture import channel_moments

SIZE = 56


class Trunk(nn.Module):
    """Two convolutions with ReLU, the second on a quarter of the places.

    The picture's ends meet, and left and right are alike to it.
    """

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.first = nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular", bias=False)
        self.second = nn.Conv2d(6, 8, 3, padding=1, padding_mode="circular", bias=False)
        for parameter in self.parameters():
            values = torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5
            parameter.data = (values + values.flip(-1)) / 2
        self.requires_grad_(False)

    def forward(self, images):
        fine = self.first(images - 0.5).relu()
        return {"fine": fine, "coarse": self.second(nn.functional.avg_pool2d(fine, 2)).relu()}


class Stand(nn.Module):
    """What evidence needs of a `TextureClassifier`."""

    def __init__(self, judge):
        super().__init__()
        self.extractor, self.judge = Trunk(), judge


def stripes(count, upright, seed=0):
    """Return pictures with upright or lying stripes in noise."""
    wave = torch.sin(torch.arange(SIZE) * 2 * torch.pi / 7)
    pattern = wave.expand(SIZE, SIZE) if upright else wave[:, None].expand(SIZE, SIZE)
    contrast = 0.1 + 0.25 * torch.rand(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed))
    return (0.5 + contrast * pattern + 0.2 * (noise(seed, count, SIZE, SIZE) - 0.5)).clamp(0, 1)


@pytest.fixture(scope="module")
def classifier():
    """A judge that has learnt upright (van_gogh) against lying stripes."""
    pictures = torch.cat([stripes(30, True, 1), stripes(30, False, 2)])
    trunk, labels = Trunk(), np.repeat([1, 0], 30)
    moments = channel_moments(trunk(pictures))
    return Stand(fit_texture_judge(moments.numpy(), labels, range(60), [str(n) for n in range(60)]).judge)


@pytest.fixture
def pictures():
    return torch.cat([stripes(2, True, 3), stripes(2, False, 4)])


def moments_of(classifier, pictures):
    return channel_moments(classifier.extractor(pictures))


def test_a_map_adds_up_to_the_verdict_minus_the_baseline(classifier, pictures):
    for images in (pictures, noise(9, 3, 40, 52), torch.rand(2, 3, 1, 1).expand(2, 3, SIZE, SIZE)):
        shown = ev.evidence(classifier, images, batch_size=3)
        verdict = classifier.judge(moments_of(classifier, images))
        torch.testing.assert_close(shown.log_odds, verdict)
        assert shown.maps.shape == (len(images), 1, *images.shape[-2:])
        torch.testing.assert_close(shown.maps.sum((1, 2, 3)), verdict - shown.baseline, rtol=1e-3, atol=1e-3)
    assert verdict.abs().min() > 0.1


def test_the_baseline_is_where_every_statistic_is_average(classifier):
    start = ev.baseline_moments(classifier.judge)
    assert classifier.judge.standardise(start).abs().max() < 1e-2
    assert ev.evidence(classifier, noise(1, 1, 28, 28)).baseline == pytest.approx(classifier.judge(start).item())


def test_gradients_add_up_although_channels_fall_silent(classifier):
    start, end = ev.baseline_moments(classifier.judge), moments_of(classifier, stripes(3, True, 6))
    mean, square = end.chunk(2, 1)
    mean[0, ::2] = square[0, ::2] = 0  # silent
    square[1, ::3] = mean[1, ::3].square()  # the same everywhere, up to rounding, whose fourth root the judge sees
    start[0, 1] = start[0, 1 + mean.shape[1]] = end[:, 1] = end[:, 1 + mean.shape[1]] = 0  # silent at both ends
    gradients = ev.mean_gradients(classifier.judge, start, end)
    gain = classifier.judge(end) - classifier.judge(start)
    assert gradients.isfinite().all()
    total = (gradients * (end - start)).sum(1)
    torch.testing.assert_close(total[[0, 2]], gain[[0, 2]], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(total[1], gain[1], rtol=0.05, atol=0)


def test_gradients_of_a_quadratic_function_closed_form():
    class Product(nn.Module):
        def forward(self, moments):
            return moments[:, 0] * moments[:, 1]

    start, end = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 10.0]])
    torch.testing.assert_close(ev.mean_gradients(Product(), start, end), torch.tensor([[6.0, 2.0]]))


def test_contributions_by_hand():
    layer = torch.tensor([[[[1.0, 3.0]]]])  # one channel, two places
    gradients, start = torch.tensor([[2.0, 10.0]]), torch.tensor([[0.5, 4.0]])
    (local,) = ev.contributions({"layer": layer}, gradients, start)
    expected = torch.tensor([[[2 * (1 - 0.5) + 10 * (1 - 4), 2 * (3 - 0.5) + 10 * (9 - 4)]]]) / 2
    torch.testing.assert_close(local, expected)


def test_contributions_keep_layers_apart(classifier, pictures):
    features, start = classifier.extractor(pictures), ev.baseline_moments(classifier.judge)
    gradients = torch.randn(4, start.shape[1], generator=torch.Generator().manual_seed(1))
    fine, coarse = ev.contributions(features, gradients, start)
    total = (gradients * (channel_moments(features) - start)).sum(1)
    torch.testing.assert_close(fine.sum((1, 2)) + coarse.sum((1, 2)), total)
    (alone,) = ev.contributions(
        {"fine": features["fine"]}, gradients[:, [*range(6), *range(14, 20)]], start[:, [*range(6), *range(14, 20)]]
    )
    torch.testing.assert_close(alone, fine)


def test_evidence_moves_with_the_picture(classifier, pictures):
    maps, step = ev.evidence(classifier, pictures).maps, SIZE // 14
    moved = ev.evidence(classifier, pictures.roll((2 * step, 3 * step), (2, 3))).maps
    inside = (..., slice(5 * step, -5 * step), slice(6 * step, -4 * step))  # resizing knows where the picture ends
    expected = maps.roll((2 * step, 3 * step), (2, 3))
    torch.testing.assert_close(moved[inside], expected[inside], rtol=1e-3, atol=1e-3 * maps.abs().max().item())
    mirrored = ev.evidence(classifier, pictures.flip(-1)).maps
    torch.testing.assert_close(mirrored, maps.flip(-1), rtol=1e-3, atol=1e-3 * maps.abs().max().item())
    assert not torch.allclose(mirrored, maps, rtol=0.1)


def test_planted_textures_have_the_right_sign(classifier):
    upright, lying = stripes(6, True, 7), stripes(6, False, 8)
    half = torch.cat([upright[..., : SIZE // 2], lying[..., SIZE // 2 :]], dim=-1)
    left, right = (part.sum((1, 2, 3)) for part in ev.evidence(classifier, half).maps.chunk(2, -1))
    assert (left > 0).all() and (right < 0).all()
    right, left = (part.sum((1, 2, 3)) for part in ev.evidence(classifier, half.flip(-1)).maps.chunk(2, -1))
    assert (left > 0).all() and (right < 0).all()


@pytest.mark.parametrize(("before", "after"), [((3, 5), (14, 14)), ((14, 14), (224, 224)), ((55, 20), (14, 7))])
def test_resizing_keeps_the_sum_and_what_is_even(before, after):
    maps = torch.randn(2, *before, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(ev.resize(maps, after).sum((1, 2)), maps.sum((1, 2)))
    share = before[0] * before[1] / (after[0] * after[1])
    middle = ev.resize(torch.ones(1, *before), after)[:, after[0] // 4 : -after[0] // 4, after[1] // 4 : -after[1] // 4]
    torch.testing.assert_close(middle, torch.full_like(middle, share), rtol=0.1, atol=0)


def test_resizing_smoothly_keeps_places():
    maps = torch.zeros(1, 14, 14)
    maps[0, 3, 10] = 1
    large = ev.resize(maps, (224, 224))[0]
    row, column = divmod(large.argmax().item(), 224)
    assert abs(row - 3.5 * 16) <= 1 and abs(column - 10.5 * 16) <= 1


def test_evidence_of_groups(classifier, pictures):
    groups = ev.evidence_of_groups(classifier, {"a": pictures[:1], "b": pictures[1:]})
    assert list(groups) == ["a", "b"] and groups["b"].maps.shape == (3, 1, SIZE, SIZE)
    torch.testing.assert_close(groups["a"].maps, ev.evidence(classifier, pictures[:1]).maps)


@pytest.mark.parametrize("content", [None, {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}])
def test_without_a_texture_judge_there_is_a_fallback(content, tmp_path):
    class Named:
        network = "vgg19"

    def find(stage, name):
        assert (stage, name) == ("02_classify", "vgg19_texture.pt")
        if content is None:
            raise FileNotFoundError
        torch.save(content, tmp_path / name)
        return tmp_path / name

    sentences = []
    assert ev.load_judge(find, Named(), sentences.append) is None
    assert len(sentences) == 1 and "run 02 again" in sentences[0]
