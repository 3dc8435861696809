"""attribution: painters told apart, the rates by hand, and no painting named by a head that saw its twin."""

import numpy as np
import pandas as pd
import pytest
from stand_ins import CPU, noise, tiny_judge

from vg_helpers.classify.attribution import (
    attribute,
    deception_rate,
    fit_attribution,
    judge_statistics,
)
from vg_helpers.classify.forewarned import measure_textures
from vg_helpers.models.extractor import build_extractor

PAINTERS = np.repeat(["degas", "monet", "van gogh"], [30, 12, 18])


@pytest.fixture(scope="module")
def statistics():
    rng = np.random.default_rng(0)
    centers = {"degas": (0, 0), "monet": (4, 0), "van gogh": (0, 4)}
    points = np.array([centers[name] for name in PAINTERS]) + rng.normal(0, 0.3, (60, 2))
    return np.concatenate([points, rng.normal(size=(60, 3))], axis=1)


def test_painters_are_told_apart(statistics):
    head = fit_attribution(statistics, PAINTERS, range(60))
    assert head.painters == ["degas", "monet", "van gogh"]
    assert (head.names(statistics) == PAINTERS).all()
    probs = head.probs(np.array([[0, 4, 0, 0, 0.0]]))
    assert probs.shape == (1, 3) and probs.sum() == pytest.approx(1) and probs.argmax() == 2


def test_a_rare_painter_counts_like_a_frequent_one(statistics):
    unclear = np.zeros_like(statistics)  # nothing speaks for anybody
    probs = fit_attribution(unclear, PAINTERS, range(60)).probs(unclear[:1])
    assert probs[0] == pytest.approx([1 / 3] * 3, abs=1e-3)


def test_twins_do_not_choose_the_strength():
    rng = np.random.default_rng(1)  # only a weak head does not learn the noise of each pair of twins by heart
    signal = np.repeat(rng.permutation([0, 1] * 30), 2)
    points = np.repeat(rng.normal(size=(60, 80)), 2, axis=0)
    points[:, 0] += 3 * signal
    names = np.array(["a", "b"])[signal]
    strengths = [
        fit_attribution(points, names, groups).regression.C for groups in (np.arange(120) // 2, np.arange(120))
    ]
    assert strengths[0] < strengths[1]


def test_the_deception_rate_is_the_share_of_the_styles_artist():
    rate = deception_rate(["van gogh", "monet", "van gogh", "degas"], "van gogh")
    assert rate.value == 0.5 and 0 < rate.low < 0.5 < rate.high < 1
    assert deception_rate(["monet", "monet"], ["monet", "degas"]).value == 0.5


def test_pictures_get_a_probability_for_each_painter(tiny_zoo):
    extractor, judge = build_extractor("alexnet", ("relu1",), "none"), tiny_judge(6)
    pictures = [noise(number, 1, 240, 260) for number in range(3)]
    values = judge_statistics(judge, measure_textures(extractor, pictures, CPU))
    head = fit_attribution(np.concatenate([values, values + 1]), ["a"] * 3 + ["b"] * 3, range(6))
    frame = attribute(head, judge, extractor, pictures, CPU)
    assert list(frame) == ["a", "b"] and isinstance(frame, pd.DataFrame)
    np.testing.assert_allclose(frame.to_numpy(), head.probs(values), atol=1e-6)
    assert frame.sum(axis=1).tolist() == pytest.approx([1] * 3, abs=1e-5)
