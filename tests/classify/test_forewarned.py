"""forewarned: no picture, photo or style in the training of its own judge; log odds on the texture judge's scale."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from stand_ins import CPU, blotches, noise

from vg_helpers.classify import forewarned
from vg_helpers.classify.forewarned import (
    PHOTO_FOLDS,
    TextureLook,
    blocks,
    cross_fit,
    forewarn,
    learn_paintings,
    measure_textures,
    photo_bound,
    same_paintings,
)
from vg_helpers.data.twins import perceptual_hash
from vg_helpers.data.views import eval_view
from vg_helpers.images import save_image
from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.texture import TextureJudge, channel_moments

LABELS, GROUPS = np.repeat([0, 1], 30), np.arange(60) // 2
NAMES = [f"{number}.jpg" for number in range(60)]
PICTURES = pd.DataFrame(
    [(f"photo {p}", style) for p in range(7) for style in ("a", "b", "")], columns=["content", "style"]
)


def moments(first, second, count, seed):
    """Return moments of two channels whose means are near these numbers."""
    means = np.random.default_rng(seed).normal((first, second), 0.05, (count, 2))
    return np.concatenate([means, means**2 + 0.05], axis=1).astype(np.float32)


NO_PHOTOS = PICTURES.assign(style=[f"style {n}" for n in range(len(PICTURES))])
UNTOUCHED = (PICTURES["style"] == "").to_numpy()
PAINTINGS = np.concatenate([moments(0.5, 0.5, 30, 1), moments(1.0, 0.5, 30, 2)])
REPAINTED = moments(1.0, 1.2, len(PICTURES), 3)  # as strong in the first channel as Van Goghs, but with too much second


@pytest.fixture(scope="module")
def judge():
    return learn_paintings(PAINTINGS, LABELS, GROUPS, NAMES, 0.4)[0]


def test_paintings_are_learned_with_honest_log_odds(judge):
    again, odds = learn_paintings(PAINTINGS, LABELS, GROUPS, NAMES, 0.4)
    assert roc_auc_score(LABELS, odds) == 1 and ((odds > 0) == LABELS).all()
    assert ((judge(torch.from_numpy(PAINTINGS)).numpy() > 0) == LABELS).all()
    assert judge.names == NAMES and torch.equal(judge.weights, again.weights)


def test_labels_that_say_nothing_have_no_honest_log_odds():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.permutation([0, 1] * 15), 2)
    odds = learn_paintings(moments(1, 1, 60, 5), labels, GROUPS, NAMES, 0.4)[1]
    assert roc_auc_score(labels, odds) < 0.7


def test_a_forewarned_judge_rejects_what_the_other_accepts(judge):
    fresh = torch.from_numpy(moments(1.0, 1.2, 20, 9))
    warned = forewarn(judge, REPAINTED, NO_PHOTOS)
    assert (judge(fresh) > 0).float().mean() > 0.9 and (warned(fresh) > 0).float().mean() == 0
    assert ((warned(torch.from_numpy(PAINTINGS)).numpy() > 0) == LABELS).all()
    assert len(warned.names) == len(warned.labels) == 60 + len(REPAINTED)


def test_paintings_that_are_left_out_are_not_learned(judge):
    left_out = np.arange(60) >= 40
    warned = forewarn(judge, REPAINTED, NO_PHOTOS, left_out)
    assert warned.names[:40] == NAMES[:40] and len(warned.names) == 40 + len(REPAINTED)
    assert warned.labels.tolist() == [0] * 30 + [1] * 10 + [0] * len(REPAINTED)
    assert not np.allclose(cross_fit(judge, REPAINTED, PICTURES, left_out), cross_fit(judge, REPAINTED, PICTURES))


def test_copies_of_paintings_are_learned_and_left_out_with_them(judge):
    """A judge whose copies are the paintings themselves answers much as one without copies."""
    tensors = dict(judge.state_dict())
    tensors["support"] = torch.cat([tensors["support"], tensors["support"]])
    tensors["weights"] = torch.cat([tensors["weights"], 0 * tensors["weights"]], dim=1)
    copied, left_out = TextureJudge(tensors, judge.names), np.arange(60) >= 40
    warned = forewarn(copied, REPAINTED, NO_PHOTOS, left_out)
    assert warned.names[40:80] == NAMES[:40] and warned.labels.tolist()[40:80] == [0] * 30 + [1] * 10
    plain, fresh = forewarn(judge, REPAINTED, NO_PHOTOS, left_out), torch.from_numpy(moments(1.0, 1.2, 9, 4))
    assert warned(fresh).numpy() == pytest.approx(plain(fresh).numpy(), abs=1.0)
    odds = cross_fit(copied, REPAINTED, PICTURES, left_out)
    assert odds == pytest.approx(cross_fit(judge, REPAINTED, PICTURES, left_out), abs=1.0)


def test_each_picture_is_judged_once_without_its_photo_and_its_style():
    judged = []
    for held, learned in blocks(PICTURES):
        judged += held.tolist()
        for row in held:
            others = PICTURES.iloc[learned]
            assert PICTURES.content[row] not in set(others.content)
            assert PICTURES["style"][row] == "" or PICTURES["style"][row] not in set(others["style"])
            assert len(learned) >= 4
    assert sorted(judged) == list(range(len(PICTURES)))


def test_paintings_in_turn_lose_no_more_than_a_fold():
    pairs = pd.DataFrame({"content": range(20), "style": [f"style {n % 5}" for n in range(20)]})
    assert PHOTO_FOLDS == 5 and [len(learned) for _, learned in blocks(pairs)] == [16] * 5


def test_cross_fitted_log_odds_are_those_of_a_judge_that_learned_from_the_others(judge):
    odds = cross_fit(judge, REPAINTED, PICTURES)
    bounds = forewarned._cross_fitted(judge, REPAINTED, PICTURES, None, UNTOUCHED | True) - odds
    for held, learned in list(blocks(PICTURES))[:3]:
        without = NO_PHOTOS.iloc[learned]  # so that nothing is subtracted
        alone = forewarn(judge, REPAINTED[learned], without)(torch.from_numpy(REPAINTED[held]))
        others = odds[learned][UNTOUCHED[learned]] + bounds[learned][UNTOUCHED[learned]]
        assert odds[held] + photo_bound(others) == pytest.approx(alone.numpy(), abs=0.02)
    seen = []
    assert np.array_equal(cross_fit(judge, REPAINTED, PICTURES, on_block=seen.append), odds)
    assert sum(seen) == len(PICTURES)


def test_the_bound_is_students():
    odds = np.array([-2.0, -1.0, 0.5, 3.0])
    below = stats.t.cdf((photo_bound(odds) - odds.mean()) / (odds.std(ddof=1) * np.sqrt(5 / 4)), 3)
    assert below == pytest.approx(1 - forewarned.MISTAKEN)
    assert photo_bound(odds - 50) == 0  # no lower than the threshold that was
    assert photo_bound(odds[:2] + 9) == 0  # two photos do not tell


def test_few_photos_pass_a_bound_that_others_gave():
    draws = np.random.default_rng(0).normal(1.0, 2.0, (4000, 10))
    passed = np.array([row[0] > photo_bound(row[1:]) for row in draws])
    assert passed.mean() == pytest.approx(forewarned.MISTAKEN, abs=0.007)


def test_log_odds_are_lower_by_the_bound_of_the_photos(judge):
    photos = moments(1.0, 0.55, len(PICTURES), 8)  # like Van Goghs
    fresh = torch.from_numpy(moments(1.0, 0.55, 5, 11))
    strict, mild = forewarn(judge, photos, PICTURES)(fresh), forewarn(judge, photos, NO_PHOTOS)(fresh)
    honest = np.concatenate([cross_fit(judge, photos, PICTURES)[UNTOUCHED]])
    assert (mild - strict).numpy() == pytest.approx(float((mild - strict).mean()), abs=1e-4)
    assert float((mild - strict).mean()) > 0 and (honest < 0).all()


def test_the_bound_is_that_of_photos_which_the_machine_did_not_learn(judge):
    """Photos that the machine rejects as soon as it knows others of their kind cost real Van Goghs nothing."""
    photos = moments(1.0, 1.2, len(PICTURES), 8)  # Van Goghs to the judge as it was
    before = judge(torch.from_numpy(photos)).numpy()[UNTOUCHED]
    assert photo_bound(before) > 1
    strict, mild = (forewarn(judge, photos, frame)(torch.from_numpy(PAINTINGS)) for frame in (PICTURES, NO_PHOTOS))
    assert torch.equal(strict, mild) and ((strict.numpy() > 0) == LABELS).all()


def test_a_single_photo_is_judged_by_a_judge_that_knows_paintings_alone(judge):
    odds = cross_fit(judge, REPAINTED[:1], PICTURES[:1])
    assert odds == pytest.approx(judge(torch.from_numpy(REPAINTED[:1])).numpy(), abs=0.02)


def test_twins_of_the_style_paintings_are_the_same_paintings(tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        save_image(file, torch.tensor(blotches(number)).permute(2, 0, 1)[None] / 255)
    hashes = [perceptual_hash(blotches(number)) for number in range(3)]
    index = pd.DataFrame({"phash": [*hashes, "0" * 16], "group": [4, 5, 6, 5]})
    assert same_paintings(index, files[1:2]).tolist() == [False, True, False, True]  # the last one by its group
    assert not same_paintings(index, []).any()


def test_pictures_are_measured_as_held_out_paintings_are(tiny_zoo):
    extractor = build_extractor("alexnet", ("relu1", "relu2"), "none")
    pictures = [noise(number, 1, 80, 100) for number in range(forewarned.BATCH + 1)]
    values = measure_textures(extractor, pictures, CPU, 56)
    last = channel_moments(extractor(eval_view(pictures[-1][0], 56, 0)[None]))
    np.testing.assert_allclose(values[-1], last[0], rtol=0.03, atol=1e-3)
    assert values.shape == (forewarned.BATCH + 1, 24)


def test_a_look_gives_the_judges_own_answer(tiny_zoo):
    extractor = build_extractor("alexnet", ("relu1",), "none")
    pictures = [noise(number, 1, 80, 100) for number in range(12)]
    values = measure_textures(extractor, pictures, CPU, 56)
    judge, _ = learn_paintings(values, np.tile([0, 1], 6), np.arange(12), [str(n) for n in range(12)], 0.4)
    look = TextureLook(extractor, judge, CPU, 56)
    assert look.log_odds(pictures[:2]) == pytest.approx(judge(torch.from_numpy(values[:2])).numpy(), abs=1e-5)
    assert look(pictures[:2]) == pytest.approx(1 / (1 + np.exp(-look.log_odds(pictures[:2]))))
