"""The texture judge learns: textures apart, twins together, out-of-fold scores that nobody has seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from stand_ins import blotches, textured

from vg_helpers.classify import texture
from vg_helpers.classify.answers import neighbors_of
from vg_helpers.classify.texture import choose, combine, fit_texture_judge, group_draws, machine, out_of_fold
from vg_helpers.data.views import native_patches
from vg_helpers.models.texture import build_texture_extractor, channel_moments

LABELS = np.repeat([0, 1], 20)
GROUPS = np.arange(40) // 2  # pairs of twins
NAMES = [f"{number}.jpg" for number in range(40)]


@pytest.fixture(scope="module")
def moments():
    """Moments of stripes as two filters see them: one for steep and one for flat stripes."""
    images = torch.cat([textured(0, 20), textured(1, 20)]).mean(1, keepdim=True)
    filters = {"x": images.diff(dim=3)[:, :, 1:].relu(), "y": images.diff(dim=2)[..., 1:].relu()}
    return channel_moments(filters).numpy()


@pytest.fixture(scope="module")
def fitted(moments):
    return fit_texture_judge(moments, LABELS, GROUPS, NAMES, seed=3)


def test_textures_are_told_apart_wherever_they_are(fitted, moments):
    odds = fitted.judge(torch.from_numpy(moments)).numpy()
    assert roc_auc_score(LABELS, odds) == roc_auc_score(LABELS, fitted.out_of_fold) == 1
    assert ((fitted.out_of_fold > 0) == LABELS).all()
    assert fitted.judge.names == NAMES and fitted.judge.weights.shape == (1 + texture.REFITS, 40)


@pytest.fixture
def extractor(tiny_zoo):
    return build_texture_extractor("alexnet", "none")


def test_the_same_seed_gives_the_same_judge(fitted, moments):
    again = fit_texture_judge(moments, LABELS, GROUPS, NAMES, seed=3)
    for name, tensor in fitted.judge.state_dict().items():
        assert torch.equal(again.judge.state_dict()[name], tensor)
    other = fit_texture_judge(moments, LABELS, GROUPS, NAMES, seed=4)
    assert not torch.equal(other.judge.weights[1:], fitted.judge.weights[1:])
    torch.testing.assert_close(other.judge.support, fitted.judge.support)


def test_the_machine_is_scikit_learns(moments):
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(60, 3)), (np.arange(60) % 4 == 0).astype(int)
    points[labels == 1] += 1
    kernel = np.exp(-0.5 * ((points[:, None] - points[None]) ** 2).sum(2))
    weights, bias = machine(kernel, labels, 3.0)
    svc = SVC(C=3.0, gamma=0.5, class_weight="balanced").fit(points, labels)
    np.testing.assert_allclose(kernel @ weights + bias, svc.decision_function(points), atol=2e-2)


def test_no_painting_is_scored_by_a_machine_that_saw_it_or_its_twin():
    """With labels that say nothing but for twins, only a machine that saw the twin could be right."""
    rng = np.random.default_rng(1)
    groups, labels = np.arange(80) // 2, np.repeat(rng.integers(0, 2, 40), 2)
    kernel = np.where(groups[:, None] == groups[None], 1.0, 0.05) + 0.0
    honest = out_of_fold(kernel, labels, groups, 10.0, 0)
    leaky = out_of_fold(kernel, labels, np.arange(80), 10.0, 0)
    assert roc_auc_score(labels, leaky) > 0.9 > 0.7 > roc_auc_score(labels, honest)


def test_a_painting_is_not_scored_by_a_machine_that_saw_its_copy():
    rng = np.random.default_rng(1)
    groups, labels = np.arange(60), rng.integers(0, 2, 60)
    same = np.tile(np.eye(60), (2, 2))  # a copy is like its painting and like nothing else
    assert abs(roc_auc_score(labels, out_of_fold(same * 0.95 + 0.05, labels, groups, 10.0, 0)) - 0.5) < 0.15
    weights, bias = machine(same * 0.95 + 0.05, labels, 10.0)
    assert roc_auc_score(np.tile(labels, 2), (same * 0.95 + 0.05) @ weights + bias) == 1


def test_copies_teach_but_count_less_and_are_nobodys_neighbours(moments, fitted):
    copies = moments[::-1].copy()  # misleading: a copy looks like the other class
    taught = fit_texture_judge(moments, LABELS, GROUPS, NAMES, 3, copies)
    assert taught.judge.support.shape[0] == taught.judge.weights.shape[1] == 80 and len(taught.judge.labels) == 40
    assert taught.out_of_fold.shape == (40,)
    torch.testing.assert_close(taught.judge.center, fitted.judge.center)
    assert np.abs(taught.out_of_fold).mean() < np.abs(fitted.out_of_fold).mean()
    assert roc_auc_score(LABELS, taught.out_of_fold) > 0.9
    near = neighbors_of(taught.judge, torch.from_numpy(copies[:5]), 2)
    assert near.others.max() < 20 <= near.van_goghs.min() and near.van_goghs.max() < 40
    assert near.distance.max() < 1e-3


def test_copies_are_kept_on_disk_and_depend_on_the_seed(extractor, index, setup):
    first = texture.copies_moments(extractor, index[:4], setup)
    assert np.array_equal(texture.copies_moments(extractor, index[:4], setup), first)
    other = texture.copies_moments(extractor, index[:4], replace(setup, seed=setup.seed + 1))
    plain = texture.paintings_moments(extractor, index[:4], setup)
    assert not np.allclose(other, first, rtol=1e-3) and not np.allclose(plain, first, rtol=1e-3)


def test_width_and_strength_are_those_of_the_highest_cross_validated_auc(moments):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 2))
    labels = (np.abs(points).sum(1) > 1.4).astype(int)  # a ring: a kernel that is far too wide sees nothing
    distances = ((points[:, None] - points[None]) ** 2).mean(2)
    choice, scores = choose(distances, labels, np.arange(60))
    assert len(choice.tried) == len(texture.GAMMAS) * len(texture.STRENGTHS)
    best = choice.tried.loc[choice.tried["roc_auc"].idxmax()]
    assert (choice.gamma, choice.strength) == (best["gamma"], best["strength"])
    assert roc_auc_score(labels, scores) == best["roc_auc"]


def test_draws_keep_twins_together_and_have_both_classes():
    draws = group_draws(GROUPS, LABELS, 20, seed=0)
    for times in draws:
        assert (times[::2] == times[1::2]).all() and times.sum() == 40 and set(LABELS[times > 0]) == {0, 1}
    assert len({tuple(times) for times in draws}) == 20


def test_a_source_that_says_nothing_gets_no_weight():
    rng, labels = np.random.default_rng(0), np.tile([0, 1], 150)
    useful, useless = 4 * labels - 2 + rng.normal(size=300), 5 * rng.normal(size=300)
    for first, second, swap in ((useful, useless, False), (useless, useful, True)):
        a, b, _ = combine(first, second, labels)
        strong, weak = (b, a) if swap else (a, b)
        assert strong > 20 * weak >= 0
    assert combine(useful, -useful, labels)[1] == 0


def test_separated_classes_have_finite_weights():
    labels = np.tile([0, 1], 30)
    assert np.isfinite(combine(20.0 * labels - 10, 18.0 * labels - 9, labels)).all()


def test_moments_are_kept_on_disk_and_computed_once(extractor, index, setup):
    seen = []
    first = texture.paintings_moments(extractor, index, setup, 0, seen.append)
    again = texture.paintings_moments(extractor, index, setup, 0, seen.append)
    hashed = index.assign(phash=[f"{number:016x}" for number in range(len(index))])
    for frame in (hashed, hashed.assign(phash=hashed["phash"][::-1].tolist())):  # other pictures under the same names
        before = sum(seen)
        texture.paintings_moments(extractor, frame, setup, 0, seen.append)
        assert sum(seen) == before + len(index)
    assert sum(seen) == 3 * len(index) and first.shape == (24, 2 * 2 * 5 * 6) and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)


def test_patches_of_a_large_file_join_its_centre(extractor, index, setup, folder):
    small = texture.paintings_moments(extractor, index[:2], setup, 3)
    np.testing.assert_allclose(small, texture.paintings_moments(extractor, index[:2], setup), rtol=1e-5)
    Image.fromarray(blotches(1, (700, 900))).save(folder / "p" / "large.png")
    rows = index[:1].assign(path="p/large.png")
    joined = texture.paintings_moments(extractor, rows, setup, 3)
    centre = texture.paintings_moments(extractor, rows, setup)
    patches = native_patches(folder / "p" / "large.png", 3, setup.size)
    with torch.no_grad():
        moments = channel_moments(extractor(patches)).numpy()
    np.testing.assert_allclose(joined[0], (centre[0] + moments.sum(0)) / 4, rtol=0.03, atol=1e-3)
    (folder / "p" / "large.png").unlink()
