"""stress: painters who are really left out, learning curves by groups, votes of refits that did not see a painting."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC

from vg_helpers.classify import stress
from vg_helpers.classify.texture import fit_texture_judge, group_draws, machine
from vg_helpers.models.texture import TextureJudge
from vg_helpers.stage import Stage

COUNTS = {"vincent": 40, "pupil": 24, "stranger": 26, "rare": 10}


def made_up():
    """Return an index and moments: the pupil paints like Vincent but for one trait of his own."""
    rng, rows, values = np.random.default_rng(0), [], []
    for artist, count in COUNTS.items():
        center = np.full(6, 3.0)
        center[0] += 1.2 * (artist in ("vincent", "pupil"))
        center[1] += 1.2 * (artist == "pupil")
        values.append((center + 0.4 * rng.normal(size=(count, 6))).clip(0.1))
        rows += [(f"{artist}-{number}.jpg", artist, int(artist == "vincent"), number // 2) for number in range(count)]
    index = pd.DataFrame(rows, columns=["path", "artist", "label", "group"])
    index["group"] = index.artist + index.group.astype(str)
    mean = np.concatenate(values).astype(np.float32)
    return index, np.concatenate([mean, mean**2 + 0.1], axis=1)


@pytest.fixture(scope="module")
def index():
    return made_up()[0]


@pytest.fixture(scope="module")
def fit(index):
    return fit_texture_judge(made_up()[1], index.label.to_numpy(), index.group.to_numpy(), index.path.tolist())


@pytest.fixture(scope="module")
def scores(fit, index):
    return stress.painters_left_out(fit.judge, fit.choice.strength, index)


def changed(judge, rows, seed=1):
    """Return the judge with other statistics of some of its paintings."""
    tensors = {name: tensor.clone() for name, tensor in judge.state_dict().items()}
    noise = torch.randn(len(rows), tensors["support"].shape[1], generator=torch.Generator().manual_seed(seed))
    tensors["support"][torch.as_tensor(rows)] = noise.half()
    return TextureJudge(tensors, judge.names)


def test_a_painter_left_out_is_judged_as_if_his_other_paintings_did_not_exist(fit, index, scores):
    his = np.flatnonzero(index.artist == "pupil")
    other = changed(fit.judge, his[1:])
    again = stress.painters_left_out(other, fit.choice.strength, index)
    first = (scores.path == index.path[his[0]]).to_numpy()
    np.testing.assert_allclose(again.unseen[first], scores.unseen[first], rtol=1e-9)
    assert abs(again.seen[first].item() - scores.seen[first].item()) > 1e-3


def test_a_pupil_is_mistaken_only_by_who_has_never_seen_him(scores):
    rates = stress.painter_rates(scores, 0.5)
    assert rates.index[0] == "pupil" and set(rates.index) == {"pupil", "stranger"}  # the rare one has too few
    assert rates.unseen["pupil"].value > 0.8 > 0.2 > rates.seen["pupil"].value
    assert rates.auc_unseen["pupil"].value < 0.9 < rates.auc_seen["pupil"].value
    assert rates.unseen["stranger"].value < 0.5 and rates.paintings.to_dict() == {"pupil": 24, "stranger": 26}
    assert set(scores.artist) == {"vincent", "pupil", "stranger"}


def test_scores_are_those_of_scikit_learns_machine_without_him(fit, index, scores):
    labels, artists = index.label.to_numpy(), index.artist.to_numpy()
    support = fit.judge.support.double().numpy()
    differences = ((support[:, None] - support[None]) ** 2).mean(-1)
    kernel = np.exp(-float(fit.judge.gamma) * differences)
    train, held = next(StratifiedGroupKFold(5, shuffle=True, random_state=42).split(labels, labels, index.group))
    train = train[artists[train] != "pupil"]
    held = held[artists[held] == "pupil"]
    svc = SVC(C=fit.choice.strength, kernel="precomputed", class_weight="balanced")
    svc.fit(kernel[np.ix_(train, train)], labels[train])
    odds = fit.judge.slope.item() * svc.decision_function(kernel[np.ix_(held, train)]) + fit.judge.shift.item()
    found = scores.set_index("path").loc[index.path[held]]
    np.testing.assert_allclose(logit(found.unseen), odds, atol=0.02)
    np.testing.assert_allclose(found.distance, differences[np.ix_(held, train)].min(axis=1), rtol=1e-3, atol=1e-4)


def test_who_is_seen_gets_the_out_of_fold_scores_of_the_fit(fit, index, scores):
    probs = pd.Series(expit(fit.out_of_fold), index.path)
    np.testing.assert_allclose(scores.seen, probs[scores.path], atol=0.01)
    van_goghs = scores[scores.label == 1]
    np.testing.assert_array_equal(van_goghs.seen, van_goghs.unseen)


def test_the_index_may_have_another_order_and_more_paintings(fit, index, scores):
    more = pd.concat([index.iloc[::-1], index.iloc[:1].assign(path="new.jpg")])
    again = stress.painters_left_out(fit.judge, fit.choice.strength, more)
    pd.testing.assert_frame_equal(again, scores)


FEW = pd.DataFrame(
    {
        "artist": ["v"] * 2 + ["a"] * 4 + ["b"] * 2,
        "label": [1] * 2 + [0] * 6,
        "group": range(8),
        "seen": [0.9, 0.8, 0.1, 0.2, 0.3, 0.6, 0.2, 0.2],
        "unseen": [0.9, 0.8, 0.7, 0.95, 0.3, 0.6, 0.2, 0.45],
        "distance": [1, 1, 1, 3, 1, 1, 1, 1],
    }
)


def test_the_cost_of_unseen_painters_by_hand():
    cost = stress.unseen_painters(FEW, 0.5)
    assert [cost.seen.value, cost.unseen.value, cost.rise.value] == pytest.approx([1 / 6, 3 / 6, 2 / 6])
    assert cost.auc_seen.value == pytest.approx(1) and cost.auc_unseen.value == pytest.approx(10 / 12)
    assert cost.auc_change.value == pytest.approx(-2 / 12) and cost.unseen.low == 0 and cost.unseen.high == 0.75


def test_intervals_resample_painters():
    one = stress.unseen_painters(FEW[FEW.artist != "b"], 0.5)
    assert one.unseen == (0.75, 0.75, 0.75)  # one painter tells nothing about the next one, and cannot vary


def test_answers_to_unseen_painters_by_hand():
    answers = stress.unseen_answers(FEW, 0.5, margin=logit(0.6) - 1e-9, familiar=2)
    assert [share.value for share in answers.answered] == pytest.approx([1, 5 / 6, 4 / 6])
    assert [share.value for share in answers.mistaken] == pytest.approx([3 / 6, 3 / 5, 2 / 4])
    assert answers.index.tolist() == ["all", "sure", "sure and familiar"]


def test_the_margin_promises_few_errors_about_painters_that_were_seen(scores):
    margin = stress.margin_when_seen(scores, 0.5, 0.2)
    sure = np.abs(logit(scores.seen)) >= margin
    assert 0 < margin < np.inf and ((scores.seen >= 0.5) != scores.label)[sure].mean() <= 0.2
    assert stress.margin_when_seen(scores, 0.5, 0.1) > margin


def test_the_table_prints_every_interval(scores):
    rates = stress.painter_rates(scores, 0.5)
    table = stress.painters_table(rates, str.title)
    assert table.painter.tolist() == ["Pupil", "Stranger"] and len(table.columns) == 6
    assert table["if left out"][0] == f"{rates.unseen['pupil']:.2f}"
    assert table["ROC AUC if seen"][1] == f"{rates.auc_seen['stranger']:.3f}"


def test_results_are_kept_whatever_other_columns_an_index_has(fit, index, scores, tmp_path, monkeypatch):
    stage = Stage(tmp_path, "02_classify", {})
    again = stress.leave_painters_out(fit, index.assign(title="a"), 42, stage.keep)
    pd.testing.assert_frame_equal(again, scores)
    curve, _ = stress.learn_from_fewer(fit, index.assign(title="a"), 42, stage.keep)
    monkeypatch.setattr(stress, "scores_of", None)
    pd.testing.assert_frame_equal(stress.leave_painters_out(fit, index.assign(title="b"), 42, stage.keep), scores)
    pd.testing.assert_frame_equal(stress.learn_from_fewer(fit, index, 42, stage.keep)[0], curve)


def test_bars_count_the_machines(fit, index):
    counts, machines = stress.num_machines(fit.judge, index), {"painters": [], "learning": []}
    values = fit.judge, fit.choice.strength, index
    stress.painters_left_out(*values, on_machine=machines["painters"].append)
    stress.learning_curve(*values, on_machine=machines["learning"].append)
    assert {name: sum(ones) for name, ones in machines.items()} == counts


def test_the_learning_curve_ends_at_the_cross_validated_machine(fit, index):
    curve, gain = stress.learning_curve(fit.judge, fit.choice.strength, index)
    assert curve.share.tolist() == [0.1, 0.25, 0.5, 1.0] and curve.paintings.tolist() == [8, 20, 40, 80]
    assert curve.value.iloc[-1] == pytest.approx(roc_auc_score(index.label, fit.out_of_fold), abs=1e-3)
    assert curve.value.iloc[0] < curve.value.iloc[-1] and (curve.low <= curve.value).all()
    assert gain.value == pytest.approx(curve.value.iloc[-1] - curve.value.iloc[-2])
    again, _ = stress.learning_curve(fit.judge, fit.choice.strength, index)
    pd.testing.assert_frame_equal(curve, again)


def test_a_share_is_drawn_by_whole_groups_of_each_class(index):
    drawn = stress._drawn(index, 0.25, np.random.default_rng(0))
    assert drawn[index.label == 1].sum() == 10 and drawn[index.label == 0].sum() == 16  # 8 of 30 groups, two in each
    assert index[drawn].groupby("group").size().eq(2).all()


def test_refits_vote_on_the_paintings_that_they_did_not_draw(fit, index):
    draws = group_draws(index.group.to_numpy(), index.label.to_numpy(), 30, 42)
    support = fit.judge.support.double()
    kernel = torch.exp(-fit.judge.gamma.double() * (support[:, None] - support[None]).square().mean(-1)).numpy()
    unsteady, wrong = [], fit.out_of_fold >= 0
    for i in range(len(index)):
        votes = []
        for refit, draw in enumerate(draws, 1):
            if not draw[i]:
                score = kernel[i] @ fit.judge.weights[refit].double().numpy() + fit.judge.biases[refit].item()
                votes.append((fit.judge.slope * score + fit.judge.shift >= 0) != (fit.out_of_fold[i] >= 0))
        unsteady.append(np.mean(votes) >= 0.1)
    unsteady, wrong = np.array(unsteady), wrong != index.label
    stability = stress.refit_stability(fit, index, 0.5)
    assert 0 < unsteady.sum() < 50 and stability.unsteady.value == pytest.approx(unsteady.mean())
    assert stability.wrong_if_unsteady.value == pytest.approx(wrong[unsteady].mean())
    assert stability.wrong_if_steady.value == pytest.approx(wrong[~unsteady].mean())


def test_another_seed_than_that_of_the_fit_is_refused(fit, index):
    with pytest.raises(ValueError, match="seed=7 is not the seed"):
        stress.refit_stability(fit, index, 0.5, seed=7)


def test_a_painting_that_is_not_drawn_does_not_matter():
    rng = np.random.default_rng(0)
    points, draw = rng.normal(size=(60, 3)), rng.integers(0, 3, 60).astype(float)
    labels = (points[:, 0] + 0.5 * rng.normal(size=60) > 0).astype(int)
    kernel, drawn = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1)), draw > 0
    weights, bias = machine(kernel, labels, 3.0, draw)
    svc = SVC(C=3.0, kernel="precomputed", class_weight="balanced")
    svc.fit(kernel[np.ix_(drawn, drawn)], labels[drawn], sample_weight=draw[drawn])
    np.testing.assert_allclose(kernel @ weights + bias, svc.decision_function(kernel[:, drawn]))
    assert not weights[~drawn].any()
