"""metrics against scikit-learn and closed forms; intervals against simulation."""

import time

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from vg_helpers import metrics
from vg_helpers.intervals import proportion
from vg_helpers.metrics import resample_counts


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
    counts = resample_counts(len(targets), num_resamples=7, seed=3)
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


def test_a_thousand_resamples_of_a_test_split_are_quick():
    targets, probs = make_predictions(645, decimals=6)
    started = time.process_time()
    metrics.score_table(targets, probs)
    assert time.process_time() - started < 3


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


def overconfident_predictions(num, seed):
    """Targets (a quarter van_gogh) and probs whose log odds are twice too far from zero."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(num) < 0.25).astype(int)
    odds = 1.5 * rng.normal(size=num) + 2.25 * (targets - 0.5)  # the true log odds, but for the prior's
    return targets, special.expit(2.0 * odds)


def test_threshold_is_that_of_the_highest_f1_to_be_expected():
    targets, probs = overconfident_predictions(50_000, 0)
    best = max(sk.f1_score(targets, probs >= t) for t in np.linspace(0.01, 0.99, 99))
    found = sk.f1_score(targets, probs >= metrics.threshold_for_f1(targets, probs))
    assert best - 0.001 < found < best + 0.001
    assert found > sk.f1_score(targets, probs >= 0.5) + 0.002


def test_threshold_serves_new_paintings_better_than_the_best_one_of_the_validation_paintings():
    new_targets, new_probs = overconfident_predictions(20_000, 1000)
    chosen, greedy = [], []
    for seed in range(40):
        targets, probs = overconfident_predictions(200, seed)
        precision, recall, steps = sk.precision_recall_curve(targets, probs)
        best = steps[np.argmax((precision * recall / (precision + recall + 1e-12))[:-1])]
        greedy.append(sk.f1_score(new_targets, new_probs >= best))
        chosen.append(sk.f1_score(new_targets, new_probs >= metrics.threshold_for_f1(targets, probs)))
    assert np.mean(chosen) > np.mean(greedy) and np.std(chosen) < np.std(greedy)


def test_threshold_follows_the_temperature_of_the_probs():
    targets, probs = overconfident_predictions(300, 2)
    cooler = special.expit(metrics.log_odds(probs) / 3)
    expected = special.expit(metrics.log_odds(metrics.threshold_for_f1(targets, probs)) / 3)
    assert metrics.threshold_for_f1(targets, cooler) == pytest.approx(float(expected), abs=1e-3)


def test_threshold_lies_between_separated_classes_and_calls_all_where_probs_tell_nothing():
    assert 0.2 < metrics.threshold_for_f1([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) < 0.6
    assert 0.01 < metrics.threshold_for_f1([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0]) < 0.99
    assert metrics.threshold_for_f1([0, 0, 1], [0.4, 0.4, 0.4]) <= 0.4
    assert metrics.threshold_for_f1([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2]) == 0.0
    with pytest.raises(ValueError, match="both classes"):
        metrics.threshold_for_f1([0, 0], [0.1, 0.2])


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_temperature_is_recovered_from_overconfident_logits(true_temperature):
    rng = np.random.default_rng(0)
    honest = rng.normal(scale=2, size=20000)
    targets = rng.random(20000) < 1 / (1 + np.exp(-honest))
    logits = np.stack([np.full(20000, 5.0), 5 + honest * true_temperature], axis=1)
    temperature = metrics.fit_temperature(logits, targets)
    assert temperature == pytest.approx(true_temperature, rel=0.05)
    probs, raw = metrics.calibrate(logits, temperature), metrics.calibrate(logits, 1)
    assert metrics.score(targets, probs)["log_loss"] <= metrics.score(targets, raw)["log_loss"]
    assert metrics.expected_calibration_error(targets, probs) < 0.02
    assert metrics.fit_temperature(metrics.log_odds(raw), targets) == pytest.approx(temperature, rel=1e-3)


def test_temperature_of_separated_classes_stays_finite():
    assert metrics.fit_temperature([-3.0, 3.0], [0, 1]) == pytest.approx(0.05, rel=1e-3)
    assert np.isfinite(metrics.log_odds([0.0, 1.0])).all()


def test_reliability_table_is_scikit_learns_calibration_curve():
    targets, probs = make_predictions(500, decimals=4)
    table = metrics.reliability_table(targets, probs)
    fraction, mean_prob = calibration_curve(targets, probs, n_bins=10)
    np.testing.assert_allclose(table["fraction"], fraction)
    np.testing.assert_allclose(table["mean_prob"], mean_prob)
    assert table["count"].sum() == 500
    assert ((table["low"] <= table["fraction"]) & (table["fraction"] <= table["high"])).all()


def test_expected_calibration_error_by_hand():
    assert metrics.expected_calibration_error([0, 1, 1, 1], [0.25, 0.25, 1.0, 1.0]) == pytest.approx(0.125)


def test_rates_by_artist_are_shares_of_their_own_paintings():
    targets, preds = [1, 1, 1, 0, 0, 0, 0], [True, False, True, True, False, False, True]
    frame = metrics.rates_by(targets, preds, ["a", "a", "a", "b", "b", "c", "a"])
    assert frame.van_goghs.tolist() == [3, 0, 0] and frame.others.tolist() == [1, 2, 1]
    assert frame.found["a"] == proportion(2, 3) and frame.mistaken["b"] == proportion(1, 2)
    assert frame.mistaken["c"].value == 0 and frame.mistaken["a"].value == 1 and np.isnan(frame.found["b"].value)
