"""fit: closed forms, scikit-learn as an oracle, simulated raters, and what intervals cover."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from vg_helpers.findings.study import select
from vg_helpers.study.fit import HALF, PEOPLE, People, bradley_terry, evaluate
from vg_helpers.study.questions import Study

TRUTH = {"van_gogh": 0.0, "a": -0.5, "b": -1.5}


def study_of(num_each=12):
    """Return a study of pictures by three makers, each pair compared `num_each` times; "good" knows the order."""
    makers = list(TRUTH)
    pictures = pd.DataFrame([(f"{name}{i}", name) for name in makers for i in range(num_each)], columns=["id", "maker"])
    pictures = pictures.assign(good=pictures.maker.map(TRUTH), bad=-pictures.maker.map(TRUTH), even=1.0, blind=np.nan)
    pairs = [("van_gogh", "a"), ("van_gogh", "b"), ("a", "b")]
    rows = [("van_gogh", f"{one}{i}", f"{other}{i}", "") for one, other in pairs for i in range(num_each)]
    questions = pd.DataFrame(rows, columns=["kind", "first", "second", "photo"])
    questions.insert(0, "id", [f"q{i}" for i in range(len(rows))])
    return Study(pictures, questions, dict.fromkeys(("good", "bad", "even", "blind"), "van_gogh"))


def simulate(study, num_raters, seed=0, truth=TRUTH):
    """Return the answers of raters who follow Bradley and Terry's model."""
    rng, makers = np.random.default_rng(seed), study.pictures.set_index("id").maker
    first, second = (makers[study.questions[side]].map(truth).to_numpy() for side in ("first", "second"))
    gap = first - second
    rows = []
    for rater in range(num_raters):
        for question, first in zip(study.questions.itertuples(), rng.random(len(gap)) < expit(gap), strict=True):
            choice, other = (question.first, question.second) if first else (question.second, question.first)
            rows.append((f"r{rater}", question.id, question.kind, choice, other, 3.0))
    return pd.DataFrame(rows, columns=["rater", "question", "kind", "choice", "other", "seconds"])


def test_two_items_have_a_closed_form():
    assert bradley_terry([[0, 9], [3, 0]]) == pytest.approx([0, math.log(3 / 9)], abs=1e-6)


def test_the_fit_is_a_logistic_regression_without_intercept():
    wins = np.random.default_rng(0).integers(1, 20, (4, 4)).astype(float)
    np.fill_diagonal(wins, 0)
    rows, weights = [], []
    for i in range(4):
        for j in range(4):
            if i != j:
                rows.append(np.eye(4)[i] - np.eye(4)[j])
                weights.append(wins[i, j])
    features = np.array(rows + [-row for row in rows])[:, 1:]
    targets = [1] * len(rows) + [0] * len(rows)
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(features, targets, weights * 2)
    np.testing.assert_allclose(bradley_terry(wins)[1:], oracle.coef_[0], atol=1e-4)


def test_many_fits_at_once_are_the_single_ones():
    wins = np.random.default_rng(1).integers(1, 9, (5, 3, 3))
    np.testing.assert_allclose(bradley_terry(wins), [bradley_terry(one) for one in wins], atol=1e-5)


def test_the_order_of_simulated_raters_is_recovered_and_the_first_is_the_real_one():
    study = study_of()
    strengths = select(evaluate(simulate(study, 30), study, 200), "van_gogh", "strength")
    assert list(strengths) == ["van_gogh", "a", "b"] and strengths["van_gogh"] == (0, 0, 0)
    assert strengths["a"].value == pytest.approx(-0.5, abs=0.3) and strengths["b"].value == pytest.approx(-1.5, abs=0.3)
    assert strengths["b"].high < strengths["a"].low


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    study, covered = study_of(4), []
    for seed in range(40):
        strengths = People(simulate(study, 20, seed), study, "van_gogh", 100, seed).strengths()
        covered += [strengths[name].low <= TRUTH[name] <= strengths[name].high for name in ("a", "b")]
    assert 0.87 <= np.mean(covered) <= 0.99


def test_one_who_always_wins_has_a_finite_strength():
    study = study_of(2)
    answers = simulate(study, 5, truth={"van_gogh": 0, "a": -500, "b": -1000})
    strengths = People(answers, study, "van_gogh", 50).strengths()
    assert -8 < strengths["b"].value < strengths["a"].value < -2
    only = answers[answers.question.isin(study.questions.id[:2])]  # the real ones against a: 10 to 0
    value = People(only, study, "van_gogh", 50).strengths()["a"].value
    assert value == pytest.approx(math.log(HALF / (10 + HALF)), abs=1e-5)


def test_a_maker_who_was_never_compared_with_the_first_has_no_strength():
    study = study_of(2)
    pictures = pd.concat([study.pictures, pd.DataFrame({"id": ["c0", "d0"], "maker": ["c", "d"]})])
    answers = simulate(study, 3)
    apart = answers[:3].assign(choice="c0", other="d0")
    strengths = People(pd.concat([answers, apart]), Study(pictures, study.questions, {}), "van_gogh", 20).strengths()
    assert math.isnan(strengths["c"].value) and math.isfinite(strengths["b"].value)


def test_shares_by_hand_and_one_rater_without_an_interval():
    study = study_of(2)
    answers = pd.DataFrame(
        [
            ("r", "q0", "van_gogh", "a0", "van_gogh0", 1.0),
            ("r", "q1", "van_gogh", "van_gogh1", "a1", 1.0),
            ("r", "q2", "van_gogh", "van_gogh0", "b0", 1.0),
            ("r", "q4", "van_gogh", "a0", "b0", 1.0),
        ],
        columns=["rater", "question", "kind", "choice", "other", "seconds"],
    )
    table = evaluate(answers, study)
    taken, agreement = (select(table, "van_gogh", result) for result in ("taken for real", "agreement"))
    assert taken["a"].value == 0.5 and taken["b"].value == 0 and math.isnan(taken["a"].low)
    assert {name: share.value for name, share in agreement.items()} == {"good": 0.75, "bad": 0.25, "even": 0.5}
    assert math.isnan(select(table, "van_gogh", "strength")["a"].low)


def test_agreement_among_people_counts_the_others_alone():
    study = study_of(1)
    choices = [("r1", "van_gogh0", "a0"), ("r2", "van_gogh0", "a0"), ("r3", "a0", "van_gogh0")]
    rows = [(rater, "q0", "van_gogh", choice, other, 1.0) for rater, choice, other in choices]
    rows.append(("r1", "q1", "van_gogh", "b0", "van_gogh0", 1.0))  # nobody else answered it
    answers = pd.DataFrame(rows, columns=["rater", "question", "kind", "choice", "other", "seconds"])
    table = evaluate(answers, study, 50)
    assert select(table, "van_gogh", "agreement")[PEOPLE].value == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_a_resample_of_raters_is_wider_if_raters_differ():
    study = study_of(6)
    alike = simulate(study, 12)
    other = {"van_gogh": 0.0, "a": 2.0, "b": 2.0}  # every second person sees it the other way round
    second = [f"r{number}" for number in range(1, 12, 2)]
    differing = simulate(study, 12, 1, other)
    split = pd.concat([alike[~alike.rater.isin(second)], differing[differing.rater.isin(second)]])
    widths = []
    for answers in (alike, split):
        share = People(answers, study, "van_gogh", 300).taken_for_real("a")
        widths.append(share.high - share.low)
    assert widths[1] > 1.5 * widths[0]
