"""neighbours: the nearest features against a slow loop, and the loss against content_loss and autograd."""

import pytest
import torch
import torch.nn.functional as F

from vg_helpers.style import neighbours
from vg_helpers.style.losses import content_loss
from vg_helpers.style.neighbours import NeighbourTerm, nearest_features


def random_features(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slowly(photo, style, mask, region):
    """Return the replaced features of one photo, position by position; mask and region are flat."""
    queries, keys = photo.flatten(1).t(), style.flatten(1).t()
    keys = keys[region > 0]
    own_mean = sum(share * row for share, row in zip(mask / mask.sum(), queries, strict=True))
    rows = []
    for query in queries:
        cosines = [F.cosine_similarity(query - own_mean, key - keys.mean(0), dim=0) for key in keys]
        rows.append(keys[int(torch.stack(cosines).argmax())])
    return torch.stack(rows).t().unflatten(1, photo.shape[1:])


@pytest.mark.parametrize("chunk", [2**24, 40])
def test_each_feature_is_replaced_by_the_one_of_least_angle(monkeypatch, chunk):
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    photos, styles = random_features(1, 2, 4, 5, 3) + 2, random_features(2, 2, 4, 3, 6) - 1
    replaced = nearest_features(photos, styles)
    assert replaced.shape == photos.shape
    for photo, style, features in zip(photos, styles, replaced, strict=True):
        torch.testing.assert_close(features, slowly(photo, style, torch.ones(15).double(), torch.ones(18)))


def test_masks_say_which_part_is_centred_and_which_may_be_taken():
    photo, style = random_features(1, 1, 4, 5, 3), random_features(2, 1, 4, 3, 6)
    mask = torch.rand(1, 1, 5, 3, generator=torch.Generator().manual_seed(1)).double()
    region = torch.zeros(1, 1, 3, 6)
    region[..., 2:4] = 0.4
    replaced = nearest_features(photo, style, mask, region)
    torch.testing.assert_close(replaced[0], slowly(photo[0], style[0], mask.flatten(), region.flatten()))
    allowed = style[..., 2:4].flatten(2)[0].t()
    assert all((feature == allowed).all(1).any() for feature in replaced[0].flatten(1).t())


def test_features_of_the_same_picture_are_their_own_neighbours():
    photo = random_features(3, 1, 6, 4, 4)
    assert torch.equal(nearest_features(photo, photo), photo)


def test_where_the_paintings_features_lie_does_not_matter():
    photo, style = random_features(1, 1, 4, 5, 3), random_features(2, 1, 4, 4, 6)
    shuffled = style.flatten(2)[..., torch.randperm(24)].view(1, 4, 6, 4)
    torch.testing.assert_close(nearest_features(photo, shuffled), nearest_features(photo, style))


def test_bfloat16_features_have_nearly_the_same_neighbours():
    photo, style = random_features(1, 1, 32, 12, 12), random_features(2, 1, 32, 12, 12)
    half = nearest_features(photo.bfloat16(), style.bfloat16())
    assert half.dtype == torch.float32
    same = (half - nearest_features(photo, style)).abs().amax(1) < 0.02
    assert same.float().mean() > 0.95


@pytest.mark.parametrize("scaling", ["relative", "classic"])
def test_the_loss_is_a_content_loss_of_the_replaced_features(scaling):
    features = {"a": random_features(1, 2, 3, 4, 5), "b": random_features(2, 2, 6, 2, 3)}
    targets = {name: random_features(3, *values.shape) for name, values in features.items()}
    weights = {"a": torch.tensor([0.5, 2.0]).double(), "b": 3.0}
    total = NeighbourTerm(targets, weights, scaling=scaling)(features)
    parts = [w * content_loss(features[name], targets[name], scaling=scaling) for name, w in weights.items()]
    torch.testing.assert_close(total, sum(parts))
    assert NeighbourTerm(targets, weights, scaling=scaling)(targets).tolist() == [0, 0]


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_the_one_that_differences_find(masked):
    features, target = random_features(4, 2, 2, 3, 4, 5)
    mask = torch.rand(1, 1, 8, 10, generator=torch.Generator().manual_seed(1)).double() if masked else None
    term = NeighbourTerm({"a": target}, {"a": 2.0}, mask=mask)
    assert torch.autograd.gradcheck(lambda f: term({"a": f}), features.requires_grad_())


def test_what_lies_outside_the_mask_has_no_loss():
    features, target = random_features(5, 2, 1, 3, 4, 6)
    mask = torch.zeros(1, 1, 4, 6).double()
    mask[..., :3] = 1
    loss = NeighbourTerm({"a": target}, {"a": 1.0}, mask=mask)({"a": features})
    torch.testing.assert_close(loss, content_loss(features[..., :3], target[..., :3]))
