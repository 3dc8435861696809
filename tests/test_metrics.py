"""metrics against scikit-learn and closed forms; intervals against simulation."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from vg_helpers import metrics
from vg_helpers.intervals import proportion


def make_predictions(num=200, seed=0, decimals=2):
    """Targets (about a quarter van_gogh) and informative probs with ties."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(num) < 0.25).astype(int)
    probs = 1 / (1 + np.exp(-(rng.normal(size=num) + 2.0 * targets - 1.2)))
    return targets, probs.round(decimals)


ORACLES = {
    "accuracy": lambda y, p, t, w: sk.accuracy_score(y, p >= t, sample_weight=w),
    "balanced_accuracy": lambda y, p, t, w: sk.balanced_accuracy_score(y, p >= t, sample_weight=w),
    "roc_auc": lambda y, p, t, w: sk.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, t, w: sk.average_precision_score(y, p, sample_weight=w),
    "f1": lambda y, p, t, w: sk.f1_score(y, p >= t, sample_weight=w, zero_division=0),
    "precision": lambda y, p, t, w: sk.precision_score(y, p >= t, sample_weight=w, zero_division=0),
    "recall": lambda y, p, t, w: sk.recall_score(y, p >= t, sample_weight=w),
    "brier": lambda y, p, t, w: sk.brier_score_loss(y, p, sample_weight=w),
    "log_loss": lambda y, p, t, w: sk.log_loss(y, p, sample_weight=w),
}


@pytest.mark.parametrize("threshold", [0.3, 0.5, 1.1])
def test_scores_of_resamples_equal_scikit_learn_on_the_same_resamples(threshold):
    targets, probs = make_predictions()
    probs[:2] = 0.0, 1.0  # saturated probs must not make the log loss infinite
    counts = metrics.resample_counts(len(targets), num_resamples=7, seed=3)
    ours = metrics._weighted_scores(targets, probs, threshold, counts)
    for row, count in zip(ours, counts, strict=True):
        for name, value in zip(metrics.METRICS, row, strict=True):
            assert value == pytest.approx(ORACLES[name](targets, probs, threshold, count), abs=1e-12), name


def test_point_values_are_the_resample_in_which_everything_occurs_once():
    targets, probs = make_predictions()
    once = metrics._weighted_scores(targets, probs, 0.4, np.ones((1, len(targets)), dtype=int))[0]
    assert metrics.score(targets, probs, 0.4) == pytest.approx(dict(zip(metrics.METRICS, once, strict=True)))


def test_the_table_has_a_row_per_metric_and_its_interval_holds_the_value():
    targets, probs = make_predictions(400)
    table = metrics.score_table(targets, probs, num_resamples=500)
    assert list(table.index) == list(metrics.METRICS) and list(table.columns) == ["value", "low", "high"]
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()
    assert table.equals(metrics.score_table(targets, probs, num_resamples=500))
    assert not table.equals(metrics.score_table(targets, probs, num_resamples=500, seed=1))


def test_resamples_draw_whole_groups():
    groups = np.array(["a", "b", "a", "c", "b", "a"])
    counts = metrics.resample_counts(6, groups, num_resamples=50)
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 0] == counts[:, 5]).all()
    assert (counts[:, 1] == counts[:, 4]).all()
    assert (counts[:, 0] + counts[:, 1] + counts[:, 3] == 3).all()
    assert len(np.unique(counts, axis=0)) > 5


def coverage(groups_of, num_simulations=120):
    """How often the interval holds the true accuracy (0.8) when each painting occurs four times."""
    hits = 0
    for seed in range(num_simulations):
        rng = np.random.default_rng(seed)
        targets = rng.integers(0, 2, 60)
        targets[:2] = 0, 1
        right = rng.random(60) < 0.8
        probs = np.where(right, targets, 1 - targets)
        table = metrics.score_table(
            np.repeat(targets, 4), np.repeat(probs, 4), groups=groups_of, num_resamples=200, seed=seed
        )
        hits += table.loc["accuracy", "low"] <= 0.8 <= table.loc["accuracy", "high"]
    return hits / num_simulations


def test_grouped_intervals_cover_and_ungrouped_ones_are_too_narrow():
    assert coverage(np.repeat(np.arange(60), 4)) >= 0.88
    assert coverage(None) < 0.8


def test_resamples_without_a_van_gogh_leave_the_interval_finite():
    targets = np.array([1] + [0] * 9)
    table = metrics.score_table(targets, np.linspace(0.9, 0.1, 10), num_resamples=300)
    assert np.isfinite(table.to_numpy()).all()
    assert table.loc["roc_auc", "low"] == 1


@pytest.mark.parametrize(
    ("targets", "probs", "reason"),
    [
        ([0, 0], [0.1, 0.2], "both classes"),
        ([0, 1], [0.1, 1.2], r"\[0, 1\]"),
        ([0, 1], [0.1, float("nan")], r"\[0, 1\]"),
        ([0, 1], [0.1], "same length"),
        ([0, 2], [0.1, 0.3], "0 .other. or 1"),
    ],
)
def test_bad_input_is_named(targets, probs, reason):
    with pytest.raises(ValueError, match=reason):
        metrics.score(targets, probs)


def test_groups_of_the_wrong_length_are_named():
    with pytest.raises(ValueError, match="one per painting"):
        metrics.score_table([0, 1], [0.1, 0.9], groups=["a"])


def test_auc_difference_is_paired():
    targets, probs = make_predictions(300, decimals=6)
    noise = np.random.default_rng(1).random(300)
    worse = np.clip(0.5 * probs + 0.5 * noise, 0, 1)
    difference = metrics.auc_difference(targets, probs, worse)
    expected = sk.roc_auc_score(targets, probs) - sk.roc_auc_score(targets, worse)
    assert difference.value == pytest.approx(expected)
    assert 0 < difference.low < difference.value < difference.high
    swapped = metrics.auc_difference(targets, worse, probs)
    assert swapped == pytest.approx((-difference.value, -difference.high, -difference.low))
    # the same ranking on other values: no difference in any resample, which an unpaired bootstrap would not know
    assert metrics.auc_difference(targets, probs, probs**2) == (0, 0, 0)


def test_mcnemar_counts_discordant_pairs():
    targets = np.array([1] * 10 + [0] * 10)
    preds_a, preds_b = targets.copy(), targets.copy()
    preds_b[:6] = 0  # only a is right on six
    preds_a[10] = 1  # only b is right on one
    preds_a[19] = preds_b[19] = 1  # both wrong: says nothing
    result = metrics.mcnemar(targets, preds_a, preds_b)
    assert result[:2] == (6, 1)
    assert result.p_value == pytest.approx(2 * sum(stats.binom.pmf(k, 7, 0.5) for k in (0, 1)))
    assert metrics.mcnemar(targets, preds_a, preds_a).p_value == 1


def test_confusion_and_outcomes_agree():
    targets, probs = [0, 0, 1, 1, 1], [0.2, 0.5, 0.49, 0.9, 0.5]
    assert metrics.confusion_of(targets, probs).tolist() == [[1, 1], [1, 2]]
    assert metrics.outcomes_of(targets, probs).tolist() == ["TN", "FP", "FN", "TP", "TP"]
    assert metrics.outcomes_of(targets, probs, 0.6).tolist() == ["TN", "TN", "FN", "TP", "FN"]
    assert metrics.confusion_of([1, 1], [0.9, 0.8]).tolist() == [[0, 0], [0, 2]]


def test_rates_by_artist_are_shares_of_their_own_paintings():
    targets, preds = [1, 1, 1, 0, 0, 0, 0], [True, False, True, True, False, False, True]
    frame = metrics.rates_by(targets, preds, ["a", "a", "a", "b", "b", "c", "a"])
    assert frame.van_goghs.tolist() == [3, 0, 0] and frame.others.tolist() == [1, 2, 1]
    assert frame.found["a"] == proportion(2, 3) and frame.mistaken["b"] == proportion(1, 2)
    assert frame.mistaken["c"].value == 0 and frame.mistaken["a"].value == 1 and np.isnan(frame.found["b"].value)


def test_the_standard_error_of_an_auc_is_the_spread_over_samples():
    rng, targets = np.random.default_rng(0), np.repeat([0, 1], [300, 100])
    draws = [rng.normal(size=400) + 1.2 * targets for _ in range(200)]
    spread = np.std([sk.roc_auc_score(targets, draw) for draw in draws])
    errors = [metrics.auc_standard_error(targets, draw) for draw in draws]
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)
    assert metrics.auc_standard_error(targets, 1000 * draws[0] - 5) == pytest.approx(errors[0])
    assert np.isnan(metrics.auc_standard_error([0, 0, 1], [0.1, 0.2, 0.3]))
