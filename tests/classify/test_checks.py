"""checks: the same features for every split, swapped palettes, and a network from random weights."""

import numpy as np
import pytest
from stand_ins import CPU

from vg_helpers.classify import checks
from vg_helpers.classify.judge import judge
from vg_helpers.classify.task import build_task, train_finally
from vg_helpers.images import load_image
from vg_helpers.stage import Stage


@pytest.fixture
def task(index, setup):
    return build_task("alexnet", index, "split_grouped", setup)


def test_splits_are_compared_by_the_same_features(index, task, monkeypatch):
    shuffled = index.split_grouped.sample(frac=1, random_state=3).to_numpy()
    index, fitted, original = index.assign(split_seed=shuffled, artist="", group=0), [], checks.probe
    monkeypatch.setattr(checks, "probe", lambda *a: fitted.append(a) or original(*a))
    tested = checks.probe_splits(task, index, ["split_seed", "split_grouped", "split_grouped"])
    assert list(tested) == ["split_seed", "split_grouped"]
    for (features, targets, _), split in zip(fitted, ["split_seed", "split_grouped"], strict=False):
        assert targets.tolist() == index.label[index[split] == "train"].tolist() and len(features) == len(targets)
        rows = index[index[split] == "test"]
        assert tested[split].path.tolist() == rows.path.tolist() and tested[split].p.between(0, 1).all()
    grouped = tested["split_grouped"]
    assert grouped.p[grouped.label == 1].mean() > grouped.p[grouped.label == 0].mean()


def test_palettes_are_swapped_between_artists_and_judged_by_the_same_views(index, task, setup):
    index = index.assign(artist=["vincent"] * 12 + ["a", "b", "c"] * 4)
    test = index[index.split_grouped == "test"].reset_index(drop=True)
    pictures, pairs = [load_image(f"{setup.data_dir}/{path}") for path in test.path], []

    def number_of(picture):  # as it is cached, larger
        small = [(picture.mean((2, 3)) - other.mean((2, 3))).abs().sum().item() for other in pictures]
        return int(np.argmin(small))

    def match_colors(picture, other):
        pairs.append((number_of(picture), number_of(other)))
        return other

    probs = checks.swapped_palettes(task, index, "split_grouped", match_colors)
    assert [first for first, _ in pairs] == list(range(len(test)))
    assert all(test.artist[first] != test.artist[second] for first, second in pairs)
    np.testing.assert_allclose(probs["swapped"], probs["own"][[second for _, second in pairs]], atol=0.02)
    paths = [f"{setup.data_dir}/{path}" for path in test.path]
    np.testing.assert_allclose(probs["own"], judge(task.model, paths, CPU, setup.size), atol=0.02)


def test_from_scratch_all_layers_are_trained_from_random_weights(index, setup):
    probs = checks.train_from_scratch("alexnet", index, "split_grouped", setup, 1)
    assert {name: len(values) for name, values in probs.items()} == {"val": 4, "test": 4}
    fresh = build_task("alexnet", index, "split_grouped", setup)
    train_finally(fresh, checks.SCRATCH, 1)
    assert not np.array_equal(probs["test"], fresh.probs("test"))  # of the upper layers alone


def recolor(picture, other):
    return other


def test_what_a_stage_keeps_depends_on_the_function_that_recolors(index, task, tmp_path):
    index = index.assign(artist=["vincent"] * 12 + ["a"] * 12)
    stage = Stage(tmp_path / "build", "02_classify", {})
    first = stage.keep("palettes", checks.swapped_palettes, task, index, "split_grouped", recolor)
    again = stage.keep("palettes", checks.swapped_palettes, task, index.copy(), "split_grouped", recolor)
    np.testing.assert_array_equal(first["swapped"], again["swapped"])
    other = stage.keep("palettes", checks.swapped_palettes, task, index, "split_grouped", leave)
    np.testing.assert_allclose(other["swapped"], other["own"], atol=0.02)


def leave(picture, other):
    return picture
