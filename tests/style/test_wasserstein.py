"""wasserstein: closed forms of distances and barycentres, gradients against autograd, precisions."""

import pytest
import torch

from vg_helpers.style import wasserstein
from vg_helpers.style.wasserstein import (
    Gaussian,
    WassersteinTerm,
    barycenter,
    gaussian_of,
    square_root,
    wasserstein_loss,
    with_ridge,
)


@pytest.fixture
def exact(monkeypatch):
    """No ridge to speak of, as the closed forms have none."""
    monkeypatch.setattr(wasserstein, "RIDGE", 1e-12)


def random_features(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def positive(seed, side):
    factor = random_features(seed, 1, side, side)
    return factor @ factor.transpose(1, 2)


def with_covariance(covariance, mean, seed=0):
    """Return features (1, C, 1, P) whose mean and covariance are exactly these."""
    side = covariance.shape[1]
    rows = random_features(seed, 4 * side, side)
    rows = rows - rows.mean(0)
    white = rows @ torch.linalg.inv(torch.linalg.cholesky(rows.t() @ rows / len(rows))).t()
    return (white @ torch.linalg.cholesky(covariance[0]).t() + mean).t()[None, :, None]


def test_a_gaussian_has_mean_and_covariance_of_the_features():
    features = random_features(1, 2, 3, 4, 5)
    mean, covariance = gaussian_of(features)
    for number in range(2):
        rows = features[number].flatten(1)
        torch.testing.assert_close(mean[number], rows.mean(1))
        torch.testing.assert_close(covariance[number], torch.cov(rows, correction=0))


def test_a_mask_chooses_the_positions():
    features, mask = random_features(1, 1, 3, 4, 6), torch.zeros(1, 1, 4, 6).double()
    mask[..., :2] = 0.3
    for part, whole in zip(gaussian_of(features, mask), gaussian_of(features[..., :2]), strict=True):
        torch.testing.assert_close(part, whole)


@pytest.mark.parametrize("scaling", ["relative", "classic"])
def test_one_channel_is_the_distance_of_means_and_deviations(exact, scaling):
    features, target = torch.tensor([[[[1.0, 5.0]]]]).double(), Gaussian(*torch.tensor([[7.0], [9.0]]).double())
    target = Gaussian(target.mean[None], target.covariance[None, None])
    loss = wasserstein_loss(features, target, scaling=scaling)
    squared = (3 - 7) ** 2 + (2 - 3) ** 2
    assert loss.item() == pytest.approx(squared / (7**2 + 9) if scaling == "relative" else squared)


def test_commuting_covariances_differ_by_their_square_roots(exact):
    vectors = torch.linalg.qr(random_features(2, 4, 4)).Q
    first, second = torch.tensor([1.0, 4.0, 9.0, 0.5]).double(), torch.tensor([4.0, 1.0, 16.0, 2.0]).double()
    covariances = [((vectors * values) @ vectors.t())[None] for values in (first, second)]
    means = random_features(3, 2, 4)
    features = with_covariance(covariances[0], means[0])
    loss = wasserstein_loss(features, Gaussian(means[1][None], covariances[1]), scaling="classic")
    squared = (means[0] - means[1]).square().sum() + (first.sqrt() - second.sqrt()).square().sum()
    assert loss.item() == pytest.approx(squared.item() / 4)


def test_any_covariances_have_the_distance_of_the_eigenvalues_of_their_product(exact):
    first, second = positive(4, 5), positive(5, 5)
    features = with_covariance(first, torch.zeros(5).double())
    loss = wasserstein_loss(features, Gaussian(torch.zeros(1, 5).double(), second), scaling="classic")
    cross = torch.linalg.eigvals(first[0] @ second[0]).real.sqrt().sum()
    assert 5 * loss.item() == pytest.approx((first[0].trace() + second[0].trace() - 2 * cross).item())


@pytest.mark.parametrize("positions", [3, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_features_are_no_distance_even_if_their_covariance_is_singular(positions, dtype):
    features = random_features(6, 1, 16, 1, positions, dtype=torch.float32).to(dtype).requires_grad_()
    loss = wasserstein_loss(features, gaussian_of(features.detach()))
    (gradient,) = torch.autograd.grad(loss.sum(), features)
    far = wasserstein_loss(features, gaussian_of(features.detach() * 2 + 1))
    assert abs(loss.item()) < 1e-4 and gradient.norm() < 0.02 * torch.autograd.grad(far.sum(), features)[0].norm()


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_the_one_that_differences_find(masked):
    features = random_features(7, 2, 3, 4, 5).requires_grad_()
    target = gaussian_of(random_features(8, 1, 3, 6, 6) * 2 + 1)
    mask = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(1)).double() if masked else None
    assert torch.autograd.gradcheck(lambda f: wasserstein_loss(f, target, mask=mask), features)


def test_the_gradient_leads_through_a_singular_covariance():
    features = random_features(7, 1, 6, 1, 3).requires_grad_()
    target = gaussian_of(random_features(8, 1, 6, 6, 6))
    assert torch.autograd.gradcheck(lambda f: wasserstein_loss(f, target), features)


def test_bfloat16_features_have_the_loss_and_gradient_of_float64():
    features = (random_features(9, 1, 24, 20, 20) @ random_features(10, 20, 20)).to(torch.bfloat16)
    target = gaussian_of(random_features(11, 1, 24, 20, 20) + 0.5)
    results = []
    for dtype in (torch.bfloat16, torch.float64):
        inputs = features.to(dtype).requires_grad_()
        goal = Gaussian(*(part.to(torch.float64 if dtype == torch.float64 else torch.float32) for part in target))
        loss = wasserstein_loss(inputs, goal)
        results.append((loss.double(), torch.autograd.grad(loss.sum(), inputs)[0].double()))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-4, atol=0)
    assert (results[0][1] - results[1][1]).norm() < 0.01 * results[1][1].norm()


def test_numbers_that_overflow_give_no_finite_loss_instead_of_an_error():
    features = torch.full((1, 3, 2, 2), float("inf"))
    assert not wasserstein_loss(features, gaussian_of(torch.rand(1, 3, 4, 4))).isfinite().any()


def test_relative_losses_do_not_depend_on_scale_or_size():
    features, target = random_features(12, 1, 4, 6, 6), random_features(13, 1, 4, 6, 6)
    loss = wasserstein_loss(features, gaussian_of(target))
    torch.testing.assert_close(wasserstein_loss(7 * features, gaussian_of(7 * target)), loss)
    torch.testing.assert_close(wasserstein_loss(features.repeat(1, 1, 2, 3), gaussian_of(target)), loss)


def test_a_term_of_several_layers_is_the_weighted_sum_of_their_losses():
    features = {"a": random_features(1, 2, 3, 8, 6), "b": random_features(2, 2, 5, 4, 3)}
    targets = {"a": gaussian_of(random_features(3, 1, 3, 4, 4)), "b": gaussian_of(random_features(4, 2, 5, 4, 4))}
    weights = {"a": torch.tensor([0.5, 2.0]).double(), "b": 3.0}
    total = WassersteinTerm(features, targets, weights)(features)
    parts = [weights[name] * wasserstein_loss(features[name], targets[name]) for name in features]
    torch.testing.assert_close(total, sum(parts))


def test_a_barycenter_mixes_means_and_deviations():
    gaussians = [Gaussian(torch.tensor([[mean]]), torch.tensor([[[deviation**2]]])) for mean, deviation in MIXED]
    mean, covariance = barycenter(gaussians, [0.25, 0.25, 0.5])
    assert mean.item() == pytest.approx(0.25 * 1 + 0.25 * 3 + 0.5 * 2)
    assert covariance.item() == pytest.approx((0.25 * 2 + 0.25 * 6 + 0.5 * 4) ** 2, rel=0.01)


MIXED = ((1.0, 2.0), (3.0, 6.0), (2.0, 4.0))


def test_between_two_gaussians_it_lies_on_the_shortest_way(exact):
    """McCann's interpolation: the pushforward by (1 − t)·identity + t·T, T the optimal transport."""
    first, second = positive(4, 4), positive(5, 4)
    gaussians = [Gaussian(torch.zeros(1, 4).double(), covariance) for covariance in (first, second)]
    root = square_root(first)
    inverse = torch.linalg.inv(root)
    transport = inverse @ square_root(root @ second @ root) @ inverse
    way = 0.7 * torch.eye(4).double() + 0.3 * transport
    torch.testing.assert_close(barycenter(gaussians, [0.7, 0.3]).covariance, way @ first @ way, rtol=1e-4, atol=1e-4)


def test_a_share_of_nothing_or_all_leaves_a_gaussian_as_it_is():
    gaussians = [gaussian_of(random_features(seed, 1, 6, 1, 3)) for seed in (1, 2)]
    for shares, whole in (([1, 0], 0), ([0, 1], 1)):
        assert torch.equal(barycenter(gaussians, shares).covariance, gaussians[whole].covariance)


def test_the_ridge_belongs_to_each_target_of_a_batch():
    covariance = torch.diag_embed(torch.tensor([[1.0, 3.0], [10.0, 30.0]]))
    added = (with_ridge(covariance, covariance) - covariance).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(added, wasserstein.RIDGE * torch.tensor([[2.0, 2.0], [20.0, 20.0]]), atol=1e-5, rtol=0)
