"""The losses against closed forms, float64 loops and autograd's own gradients."""

import pytest
import torch
import torch.nn.functional as F

from vg_helpers.style.losses import StyleTerm, content_loss, gram_matrix, style_loss, total_variation


def test_gram_matrix_is_the_mean_of_outer_products():
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    expected = torch.zeros(2, 3, 3, dtype=torch.float64)
    for n, a, b, i, j in torch.cartesian_prod(*map(torch.arange, (2, 3, 3, 4, 5))):
        expected[n, a, b] += features[n, a, i, j] * features[n, b, i, j] / (3 * 4 * 5)
    torch.testing.assert_close(gram_matrix(features), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_matrix_ignores_where_things_are(layout):
    features = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    shuffled = features.flatten(2)[..., torch.randperm(36)].view_as(features).contiguous(memory_format=layout)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features))


@pytest.mark.parametrize("count", [1, 2])
def test_gram_matrices_of_bfloat16_features_are_added_up_in_float32(count):
    features = torch.rand(count, 8, 40, 50, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    torch.testing.assert_close(gram_matrix(features).double(), gram_matrix(features.double()), rtol=2e-3, atol=0)


def test_a_gram_matrix_does_not_depend_on_the_masks_area():
    texture = torch.randn(1, 5, 2, 2, dtype=torch.float64).repeat(1, 1, 8, 8)
    clutter = torch.randn(1, 5, 16, 16, dtype=torch.float64)
    whole = gram_matrix(texture)
    for columns in (2, 6, 14):
        mask = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
        mask[..., :columns] = 1
        torch.testing.assert_close(gram_matrix(torch.where(mask > 0, texture, clutter), mask), whole)
        torch.testing.assert_close(gram_matrix(texture, 0.3 * mask), whole)


@pytest.mark.parametrize("scaling", ["relative", "classic"])
@pytest.mark.parametrize("masked", [False, True])
def test_style_loss_has_the_gradient_that_autograd_finds(scaling, masked):
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64).requires_grad_()
    target = gram_matrix(torch.randn(2, 3, 6, 6, dtype=torch.float64))
    mask = torch.rand(2, 1, 4, 5, dtype=torch.float64) if masked else None
    assert torch.autograd.gradcheck(lambda f: style_loss(f, target, scaling=scaling, mask=mask), features)
    squared = (gram_matrix(features, mask) - target).square()
    plain = squared.sum((1, 2)) / target.square().sum((1, 2)) if scaling == "relative" else squared.mean((1, 2))
    torch.testing.assert_close(style_loss(features, target, scaling=scaling, mask=mask), plain)


@pytest.mark.parametrize("masked", [False, True])
def test_a_term_of_several_layers_is_the_weighted_sum_of_their_losses(masked):
    torch.manual_seed(0)
    features = {"a": torch.randn(2, 3, 8, 6).double(), "b": torch.randn(2, 5, 4, 3).double()}
    targets = {"a": torch.eye(3).double()[None], "b": gram_matrix(torch.randn(2, 5, 4, 4).double())}
    mask = torch.rand(1, 1, 8, 6).double() if masked else None
    weights = {"a": torch.tensor([0.5, 2.0]).double(), "b": 3.0}
    results = []
    for joined in (True, False):
        inputs = {name: values.clone().requires_grad_() for name, values in features.items()}
        if joined:
            loss = StyleTerm(features, targets, weights, mask=mask)(inputs)
        else:
            masks = {
                name: F.interpolate(mask, v.shape[2:], mode="area") if masked else None for name, v in features.items()
            }
            loss = sum(weights[name] * style_loss(inputs[name], targets[name], mask=masks[name]) for name in features)
        (loss * torch.tensor([1.0, -2.0])).sum().backward()
        results.append((loss, inputs["a"].grad, inputs["b"].grad))
    torch.testing.assert_close(*results)


def test_style_loss_keeps_the_memory_layout_of_its_features():
    features = torch.randn(1, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    style_loss(features, torch.eye(4)[None]).sum().backward()
    assert features.grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("scaling", ["relative", "classic"])
def test_content_loss_has_the_gradient_that_autograd_finds(scaling):
    features, target = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: content_loss(f, target, scaling=scaling), features.requires_grad_())
    squared = (features - target).square()
    plain = (
        squared.sum((1, 2, 3)) / target.square().sum((1, 2, 3)) if scaling == "relative" else squared.mean((1, 2, 3))
    )
    torch.testing.assert_close(content_loss(features, target, scaling=scaling), plain)


def test_relative_losses_do_not_depend_on_scale_or_size():
    features, other = torch.randn(2, 1, 4, 6, 6, dtype=torch.float64)
    loss = style_loss(features, gram_matrix(other))
    torch.testing.assert_close(style_loss(7 * features, gram_matrix(7 * other)), loss)
    torch.testing.assert_close(style_loss(features.repeat(1, 1, 2, 3), gram_matrix(other)), loss)
    assert style_loss(0 * features, gram_matrix(other)).item() == pytest.approx(1)
    assert content_loss(7 * features, 7 * other).item() == pytest.approx(
        ((features - other).square().sum() / other.square().sum()).item()
    )


@pytest.mark.parametrize("masked", [False, True])
def test_total_variation_has_the_gradient_that_autograd_finds(masked):
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64).requires_grad_()
    mask = torch.rand(2, 1, 4, 5, dtype=torch.float64) if masked else None
    assert torch.autograd.gradcheck(lambda x: total_variation(x, mask), image)


def test_total_variation_of_a_checkerboard_is_one():
    board = (torch.arange(6)[:, None] + torch.arange(4)).remainder(2).float().expand(2, 3, 6, 4)
    assert total_variation(board).tolist() == [1, 1]
    assert total_variation(board, torch.ones(1, 1, 6, 4)).tolist() == [1, 1]
    assert total_variation(board, torch.zeros(1, 1, 6, 4)).tolist() == [0, 0]
    assert total_variation(torch.full((1, 3, 5, 5), 0.4)).item() == 0
    with pytest.raises(ValueError, match="2×2"):
        total_variation(board[..., :1])
