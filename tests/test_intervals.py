"""intervals: closed forms, and how an estimate reads."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from vg_helpers.intervals import (
    Estimate,
    f1_of_counts,
    mean_interval,
    paired_difference,
    paired_proportions,
    proportion,
    speed_up,
)
from vg_helpers.metrics import score_table


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


@pytest.mark.parametrize("counts", [(39, 3, 1, 24), (11, 0, 19, 15), (162, 14, 10, 168)])
def test_f1_of_a_table_is_f1_of_its_paintings(counts):
    targets, preds = np.repeat([0, 0, 1, 1], counts), np.repeat([0, 1, 0, 1], counts)
    result = f1_of_counts(*counts)
    assert result.value == pytest.approx(f1_score(targets, preds))
    table = score_table(targets, preds.astype(float), num_resamples=4000, seed=3)
    assert result == pytest.approx(tuple(table.loc["f1"]), abs=0.02)
    assert f1_of_counts(*counts) == result != f1_of_counts(*counts, num_resamples=7)


def test_the_interval_of_f1_holds_the_true_value_nineteen_times_in_twenty():
    shares, rng = np.array([0.55, 0.05, 0.06, 0.34]), np.random.default_rng(0)
    true = 2 * 0.34 / (2 * 0.34 + 0.11)
    tables = rng.multinomial(200, shares, 300)
    hits = [result.low <= true <= result.high for result in (f1_of_counts(*table, 400) for table in tables)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)


def test_f1_without_van_goghs_is_zero_and_no_table_is_refused():
    assert f1_of_counts(9, 0, 0, 0) == (0, 0, 0) and f1_of_counts(0, 0, 0, 9) == (1, 1, 1)
    for counts in ((0, 0, 0, 0), (1, -1, 2, 3)):
        with pytest.raises(ValueError, match=r"are no confusion matrix; give four numbers from 0 up$"):
            f1_of_counts(*counts)


def test_paired_shares_have_an_interval_that_covers_the_truth():
    rng = np.random.default_rng(0)
    for truth in ([0.5, 0.3, 0.05, 0.15], [0.1, 0.6, 0.1, 0.2]):  # of both, only a, only b, neither
        kinds = rng.choice(4, (2000, 25), p=truth)
        found = [paired_proportions(row < 2, np.isin(row, [0, 2])) for row in kinds]
        covered = np.mean([each.low <= truth[1] - truth[2] <= each.high for each in found])
        assert 0.93 < covered < 0.99


def test_paired_shares_turn_round_and_know_that_pairs_agree():
    a, b = [True] * 32 + [False] * 18, [True] * 20 + [False] * 12 + [True] * 2 + [False] * 16
    found, turned = paired_proportions(a, b), paired_proportions(b, a)
    assert turned == pytest.approx((-found.value, -found.high, -found.low))
    apart = paired_proportions(a, b[::-1])  # the same shares, but answers that do not go together
    assert apart.value == pytest.approx(found.value) and apart.high - apart.low > found.high - found.low


@pytest.mark.parametrize("count", [2, 4])
def test_few_answers_that_all_agree_prove_little(count):
    found = paired_proportions([True] * count, [False] * count)
    assert found.value == 1 and found.low < 0.6
    assert paired_proportions([True] * count, [True] * count).low < -0.3
