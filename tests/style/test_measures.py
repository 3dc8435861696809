"""measures: structural similarity against its formula, and the distance of textures against Gram matrices by hand."""

import numpy as np
import pytest
import torch
from stand_ins import Tiny, noise
from torchvision.transforms.v2.functional import gaussian_blur

from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.weights import Weights
from vg_helpers.style.measures import (
    PERCEPTUAL_LAYERS,
    Perceptual,
    edge_agreement,
    relative_distance,
    structural_similarity,
)

LUMINANCE = np.array([0.2989, 0.587, 0.114])  # ITU-R BT.601


def by_hand(image, photo, window=7):
    """Return the mean over all windows of Wang's index, with sample covariances, from plain loops."""
    a, b = (np.tensordot(LUMINANCE, picture.double().numpy(), 1) for picture in (image, photo))
    found = []
    for y in range(a.shape[0] - window + 1):
        for x in range(a.shape[1] - window + 1):
            p, q = (grey[y : y + window, x : x + window].ravel() for grey in (a, b))
            covariance = np.cov(p, q)
            alike = (2 * p.mean() * q.mean() + 1e-4) / (p.mean() ** 2 + q.mean() ** 2 + 1e-4)
            found.append(alike * (2 * covariance[0, 1] + 9e-4) / (covariance[0, 0] + covariance[1, 1] + 9e-4))
    return np.mean(found)


def test_structural_similarity_is_that_of_the_formula():
    images, photos = noise(1, n=2), noise(2, n=2)
    images[1] = 0.7 * photos[1] + 0.3 * images[1]
    expected = [by_hand(image, photo) for image, photo in zip(images, photos, strict=True)]
    assert structural_similarity(images, photos).tolist() == pytest.approx(expected, abs=1e-5)


def test_a_picture_is_like_itself_and_both_may_be_exchanged():
    images, photos = noise(1, n=2), noise(2, n=2)
    assert structural_similarity(photos, photos).tolist() == [1, 1]
    torch.testing.assert_close(structural_similarity(images, photos), structural_similarity(photos, images))


def test_blue_counts_less_than_green():
    photo = noise(1)
    green, blue = photo.clone(), photo.clone()
    green[:, 1], blue[:, 2] = noise(2)[:, 1], noise(2)[:, 2]
    assert structural_similarity(blue, photo) > structural_similarity(green, photo) + 0.1


def test_a_mask_says_where_the_pictures_are_compared():
    photo = noise(1)
    changed = photo.clone()
    changed[..., 8:, :] = noise(2)[..., 8:, :]
    above, below = torch.zeros(1, 1, 16, 12), torch.zeros(1, 1, 16, 12)
    above[..., :4, :], below[..., 12:, :] = 1, 1
    assert structural_similarity(changed, photo, above).item() == pytest.approx(1)
    assert structural_similarity(changed, photo, below).item() < 0.5
    half = structural_similarity(changed, photo, 0.5 * above + 0.5 * below).item()
    ends = [structural_similarity(changed, photo, mask).item() for mask in (above, below)]
    assert half == pytest.approx(np.mean(ends))


def test_the_distance_is_that_of_the_formula():
    image, photo, style, judge = noise(1), noise(2), noise(3), Tiny()

    def distance(picture):
        total = 0.0
        with torch.no_grad():
            pairs = [(judge(picture)[layer], judge(style)[layer]) for layer in judge.layers]
        for features, wanted in pairs:
            gram, target = (rows @ rows.T / rows.numel() for rows in (features[0].flatten(1), wanted[0].flatten(1)))
            total += float((gram - target).square().sum() / target.square().sum())
        return total

    found = relative_distance(image, photo, style, judge)
    assert found == pytest.approx(distance(image) / distance(photo), rel=1e-4)
    assert relative_distance(photo, photo, style, judge) == 1
    assert relative_distance(style, photo, style, judge) == 0


def disc(x, y, side=48, radius=10):
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).float().expand(1, 3, -1, -1)


def test_edges_agree_whatever_the_contrast():
    photo = disc(20, 24)
    assert edge_agreement(photo, photo).item() == pytest.approx(1)
    assert edge_agreement(0.8 - 0.3 * photo, photo).item() == pytest.approx(1)  # a negative has the same edges
    assert edge_agreement(photo, torch.rot90(photo, 1, (2, 3))).item() == pytest.approx(
        edge_agreement(torch.rot90(photo, 1, (2, 3)), photo).item()
    )


def test_edges_that_move_agree_less_and_strokes_hardly_count():
    photo = disc(20, 24)
    near, far = (edge_agreement(disc(x, 24), photo).item() for x in (22, 36))
    assert 0.95 > near > 0.5 > far
    strokes = (photo + 0.3 * (noise(3, 1, 48, 48) - 0.5)).clamp(0, 1)
    assert edge_agreement(strokes, photo).item() > 0.8
    assert abs(edge_agreement(noise(4, 1, 48, 48), photo).item()) < 0.3


def test_a_picture_without_edges_agrees_only_with_another_one():
    flat, photo = torch.full((1, 3, 48, 48), 0.4), disc(20, 24)
    assert edge_agreement(torch.cat([flat, photo]), torch.cat([flat + 0.2, flat])).tolist() == [1, 0]


def alexnet(source):
    extractor = build_extractor("alexnet", PERCEPTUAL_LAYERS, "none")
    extractor.weights = Weights("alexnet", source, None, None, "")
    return extractor


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
def test_the_perceptual_distance_is_that_of_the_package():
    import lpips

    judge, images, photos = Perceptual(alexnet("imagenet")), noise(1, 2, 64, 80), noise(2, 2, 64, 80)
    original = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    steps = {name: step for part in original.net.children() for name, step in part.named_children()}
    for name, step in judge.extractor.body.named_children():
        steps[name].load_state_dict(step.state_dict())
    with torch.no_grad():
        expected = original(images, photos, normalize=True).flatten()
    torch.testing.assert_close(judge(images, photos), expected.double(), rtol=1e-3, atol=1e-6)
    assert judge.title == "LPIPS"


def test_with_other_weights_all_channels_count_alike():
    judge, photo = Perceptual(alexnet("none")), noise(2, 1, 64, 64)
    assert judge.title == "distance of AlexNet's features"
    assert judge(photo, photo).item() == 0
    near, far = judge(0.9 * photo + 0.1 * noise(3, 1, 64, 64), photo), judge(noise(3, 1, 64, 64), photo)
    assert 0 < near < far <= 2 * len(PERCEPTUAL_LAYERS)
    assert judge(gaussian_blur(photo, [5, 5]), photo) > 0
