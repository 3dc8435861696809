"""intervals: closed forms, and how an estimate reads."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vg_helpers.intervals import Estimate, mean_interval, paired_difference, proportion, speed_up


def test_wilson_interval_closed_form():
    estimate = proportion(15, 20)
    z, p, n = stats.norm.ppf(0.975), 0.75, 20
    centre, margin = (p + z**2 / 2 / n), z * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
    assert estimate == pytest.approx((p, (centre - margin) / (1 + z**2 / n), (centre + margin) / (1 + z**2 / n)))
    assert proportion(0, 5).low == 0 and proportion(0, 5).high > 0.2
    assert proportion(0, 0)[1:] == (0, 1)


def test_paired_difference_is_the_paired_t_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=12), rng.normal(size=12)
    low, high = stats.ttest_rel(a, b).confidence_interval()
    assert paired_difference(a, b) == pytest.approx((np.mean(a - b), low, high))
    assert paired_difference([1.0, 2.0], [0.5, 1.5]) == (0.5, 0.5, 0.5)
    assert paired_difference([1.0], [0.5]).value == 0.5
    assert np.isnan(paired_difference([1.0], [0.5]).low)
    assert paired_difference([*a, np.nan], [*b, 1.0]) == paired_difference(a, b)


def test_an_estimate_reads_as_value_and_interval():
    assert f"{Estimate(0.125, 0.05, 0.2):.0%}" == "12% [5%, 20%]"
    assert f"{mean_interval([0.5]):+.2f}" == "+0.50 [–, –]"


def test_an_estimate_chooses_among_three_sentences():
    ends = ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1), (0.0, 0.1), (np.nan, np.nan))
    chosen = [Estimate(0, low, high).choose("more", "unclear", "less") for low, high in ends]
    assert chosen == ["more", "less", "unclear", "unclear", "unclear"]


@pytest.mark.parametrize("kind", [pd.Series, dict])
def test_an_estimate_is_read_from_a_row_or_a_json_object(kind):
    found = Estimate.read(kind({"low": 0.9, "value": 0.95, "high": 0.99, "more": "x"}))
    assert found == (0.95, 0.9, 0.99)


def test_a_mean_has_students_interval_and_skips_nan():
    values = np.random.default_rng(1).normal(size=9)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert mean_interval([*values, np.nan]) == pytest.approx((values.mean(), low, high))
    assert np.isnan(mean_interval([])).all()


def test_speed_up_is_a_ratio_of_medians_with_an_interval():
    rng = np.random.default_rng(0)
    slow, fast = rng.normal(8, 0.4, 20), rng.normal(2, 0.1, 20)
    result = speed_up(slow, fast)
    assert result.value == np.median(slow) / np.median(fast)
    assert 3.5 < result.low < result.value < result.high < 4.5
    more = speed_up(np.tile(slow, 20), np.tile(fast, 20))
    assert more.high - more.low < (result.high - result.low) / 2
    assert speed_up([3.0], [1.0]) == (3, 3, 3)


def test_speed_up_interval_covers_the_true_ratio():
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        result = speed_up(rng.normal(8, 0.4, 20), rng.normal(2, 0.1, 20), num_resamples=300, seed=seed)
        hits += result.low <= 4 <= result.high
    assert hits >= 88
