"""measures: structural similarity against its formula, and the distance of textures against Gram matrices by hand."""

import numpy as np
import pytest
import torch
from stand_ins import Tiny, noise

from vg_helpers.style.measures import relative_distance, structural_similarity

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
