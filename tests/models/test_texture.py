"""texture: moments and kernels against slow formulas, one forward pass like two, a file that brings all of it back."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from stand_ins import RULE, tiny_judge

from vg_helpers.models.classifier import build_classifier
from vg_helpers.models.texture import (
    TextureClassifier,
    build_texture_extractor,
    channel_moments,
    load_texture_classifier,
    mean_squared_differences,
    save_texture_classifier,
    standardised,
    statistics,
)


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(1)
    return {name: torch.rand(3, c, 4, 6, generator=generator).bfloat16() for name, c in (("low", 5), ("high", 2))}


def test_statistics_are_roots_of_mean_and_standard_deviation(features):
    moments = channel_moments(features)
    flat = np.concatenate([maps.double().flatten(2).numpy() for maps in features.values()], axis=1)
    expected = np.sqrt(np.concatenate([flat.mean(2), flat.std(2)], axis=1))
    np.testing.assert_allclose(statistics(moments), expected, atol=1e-5)
    assert moments.dtype == torch.float32 and moments.shape == (3, 14)


def test_moments_do_not_see_the_arrangement(features):
    shuffled = {name: f.flatten(2)[:, :, torch.randperm(24)].unflatten(2, (4, 6)) for name, f in features.items()}
    torch.testing.assert_close(channel_moments(shuffled), channel_moments(features))


def test_the_moments_of_halves_average_to_those_of_the_whole(features):
    halves = [channel_moments({name: f[..., part] for name, f in features.items()}) for part in (slice(3), slice(3, 6))]
    torch.testing.assert_close(torch.stack(halves).mean(0), channel_moments(features))


def test_a_channel_that_is_silent_has_finite_statistics_and_gradients():
    moments = torch.zeros(1, 6, requires_grad=True)
    statistics(moments).sum().backward()
    assert torch.isfinite(statistics(moments)).all() and torch.isfinite(moments.grad).all()


def test_the_judges_answer_is_a_sum_of_scikit_learns_kernel():
    judge = tiny_judge()
    moments = torch.rand(5, 12) + torch.tensor([0.0] * 6 + [1.0] * 6)
    first, second = judge.standardise(moments).numpy(), judge.support.float().numpy()
    kernel = rbf_kernel(first, second, gamma=float(judge.gamma) / first.shape[1])
    expected = 1.5 * (kernel @ judge.weights.numpy().T + judge.biases.numpy()) - 0.2
    np.testing.assert_allclose(judge.log_odds(judge.distances(moments)), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judge(moments), judge.log_odds(judge.distances(moments))[:, 0])


def test_mean_squared_differences_of_a_row_from_itself_are_zero():
    rows = torch.randn(4, 7)
    differences = mean_squared_differences(rows, rows)
    expected = (rows[:, None] - rows[None]).square().mean(2)
    torch.testing.assert_close(differences, expected, atol=1e-5, rtol=1e-5)
    assert (differences >= 0).all()


def trained(network, fine=False):
    """Return a tiny network whose upper convolutions have changed, and an extractor of it as it was before."""
    model, extractor = build_classifier(network, "none").eval(), build_texture_extractor(network, "none", fine)
    layers = [layer for layer in model.net.features if isinstance(layer, torch.nn.Conv2d)]
    with torch.no_grad():
        for layer in layers[len(layers) * 4 // 5 :]:
            layer.weight.mul_(1.5)
    return model, extractor


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_one_pass_gives_what_two_would_and_a_file_brings_it_back(network, fine, tiny_zoo, tmp_path):
    model, extractor = trained(network, fine)
    judge = tiny_judge(6 * len(extractor.layers) * len(extractor.scales))
    both, images = TextureClassifier(model, extractor, judge).eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        logits, moments = both(images)
        torch.testing.assert_close(logits, model(images))
        torch.testing.assert_close(moments, channel_moments(extractor(images)))
    save_texture_classifier(tmp_path / "a.pt", both, RULE)
    loaded, rule = load_texture_classifier(tmp_path / "a.pt", model)
    with torch.no_grad():
        for before, after in zip((logits, moments), loaded(images), strict=True):
            torch.testing.assert_close(after, before, rtol=0, atol=0)
        torch.testing.assert_close(loaded.judge(moments), judge(moments), rtol=0, atol=0)
    assert rule == RULE and loaded.judge.names == judge.names and not loaded.training


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("rows", [([0, 2, 3], [1, 2]), ([0, 1, 2, 3], [0]), ([3], [0, 1, 2, 3])])
def test_each_of_the_two_computes_only_the_images_it_is_to_see(rows, fine, tiny_zoo):
    model, extractor = trained("vgg19", fine)
    both, images = TextureClassifier(model, extractor, tiny_judge(24)).eval(), torch.rand(4, 3, 64, 64)
    seen = {}
    for name, part in (("network", model.net.features[-2]), ("texture", both.extractor.body[-1])):
        part.register_forward_hook(lambda layer, inputs, output, name=name: seen.update({name: len(output)}))
    judged, measured = map(torch.tensor, rows)
    with torch.no_grad():
        logits, moments = both(images, judged, measured)
        assert seen == {"network": len(judged), "texture": len(measured)}
        torch.testing.assert_close(logits, model(images[judged]), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(moments, channel_moments(extractor(images[measured])), rtol=1e-3, atol=1e-3)


def test_layers_that_training_left_alone_are_shared_and_not_written_twice(tiny_zoo, tmp_path):
    model, extractor = trained("vgg19")
    both = TextureClassifier(model, extractor, tiny_judge(24))
    changed = [index for index, layer in enumerate(extractor.body) if list(layer.parameters())][-1]
    assert 0 < both.shared <= changed
    save_texture_classifier(tmp_path / "a.pt", both, RULE)
    written = torch.load(tmp_path / "a.pt", weights_only=True)["steps"]
    assert min(written) == both.shared
    untouched = build_classifier("vgg19", "none")
    assert TextureClassifier(untouched, extractor, tiny_judge(24)).shared == len(extractor.body)


def test_the_rule_adds_what_counts():
    assert RULE.log_odds(2.0, -1.0) == pytest.approx(0.8 * 2 - 1.1 - 0.3)


def test_a_channel_that_wakes_up_in_one_picture_is_far_and_not_at_infinity():
    center, scale = torch.zeros(2), torch.tensor([1.0, 1e-6])  # the second one is dead in all training paintings
    values = standardised(torch.tensor([[0.5, 0.0], [0.5, 3.0]]), center, scale)
    assert values.tolist() == [[0.5, 0.0], [0.5, 100.0]]
    assert mean_squared_differences(values.half().float(), values).isfinite().all()
