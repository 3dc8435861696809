"""Thresholds, temperatures and reliability against scikit-learn and simulations of known probabilities."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from vg_helpers import calibration
from vg_helpers.metrics import score


def overconfident_predictions(num, seed):
    """Targets (a quarter van_gogh) and probs whose log odds are twice too far from zero."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(num) < 0.25).astype(int)
    odds = 1.5 * rng.normal(size=num) + 2.25 * (targets - 0.5)  # the true log odds, but for the prior's
    return targets, special.expit(2.0 * odds)


def test_threshold_is_that_of_the_highest_expected_f1():
    targets, probs = overconfident_predictions(50_000, 0)
    best = max(sk.f1_score(targets, probs >= t) for t in np.linspace(0.01, 0.99, 99))
    found = sk.f1_score(targets, probs >= calibration.threshold_for_f1(targets, probs))
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
        chosen.append(sk.f1_score(new_targets, new_probs >= calibration.threshold_for_f1(targets, probs)))
    assert np.mean(chosen) > np.mean(greedy) and np.std(chosen) < np.std(greedy)


def test_threshold_follows_the_temperature_of_the_probs():
    targets, probs = overconfident_predictions(300, 2)
    cooler = special.expit(calibration.log_odds(probs) / 3)
    expected = special.expit(calibration.log_odds(calibration.threshold_for_f1(targets, probs)) / 3)
    assert calibration.threshold_for_f1(targets, cooler) == pytest.approx(float(expected), abs=1e-3)


def test_threshold_separates_classes_and_calls_everything_for_uninformative_probs():
    assert 0.2 < calibration.threshold_for_f1([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) < 0.6
    assert 0.01 < calibration.threshold_for_f1([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0]) < 0.99
    assert calibration.threshold_for_f1([0, 0, 1], [0.4, 0.4, 0.4]) <= 0.4
    assert calibration.threshold_for_f1([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2]) == 0.0
    with pytest.raises(ValueError, match="both classes"):
        calibration.threshold_for_f1([0, 0], [0.1, 0.2])


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_temperature_is_recovered_from_overconfident_probs(true_temperature):
    rng = np.random.default_rng(0)
    honest = rng.normal(scale=2, size=20000)
    targets = (rng.random(20000) < special.expit(honest)).astype(int)
    probs = special.expit(honest * true_temperature)
    temperature = calibration.fit_temperature(targets, probs)
    assert temperature == pytest.approx(true_temperature, rel=0.05)
    calibrated = calibration.calibrate(probs, temperature)
    np.testing.assert_allclose(calibrated, special.expit(honest), atol=0.03)
    assert score(targets, calibrated)["log_loss"] <= score(targets, probs)["log_loss"]
    assert error_of(targets, calibrated) < 0.02


def test_temperature_of_separated_classes_stays_finite():
    assert calibration.fit_temperature([0, 1], [0.05, 0.95]) == pytest.approx(0.05, rel=1e-3)
    assert np.isfinite(calibration.log_odds([0.0, 1.0])).all()


def error_of(targets, probs):
    return calibration.expected_calibration_error(calibration.reliability_table(targets, probs))


def test_reliability_table_is_scikit_learns_calibration_curve():
    rng = np.random.default_rng(0)
    targets = (rng.random(500) < 0.25).astype(int)
    probs = special.expit(rng.normal(size=500) + 2.0 * targets - 1.2).round(4)
    table = calibration.reliability_table(targets, probs)
    fraction, mean_prob = calibration_curve(targets, probs, n_bins=10)
    np.testing.assert_allclose(table["fraction"], fraction)
    np.testing.assert_allclose(table["mean_prob"], mean_prob)
    assert table["count"].sum() == 500
    assert ((table["low"] <= table["fraction"]) & (table["fraction"] <= table["high"])).all()
    assert ((table["from"] <= table["mean_prob"]) & (table["mean_prob"] <= table["to"])).all()


def test_expected_calibration_error_by_hand():
    assert error_of([0, 1, 1, 1], [0.25, 0.25, 1.0, 1.0]) == pytest.approx(0.125)
