"""front: dominated trials leave, areas and knees by hand, both searches from the same start, pools without the pair."""

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from stand_ins import Tiny, noise

from vg_helpers.images import load_image, save_image
from vg_helpers.style import front
from vg_helpers.style.convolutions import prepare
from vg_helpers.style.engine import StyleParams
from vg_helpers.style.front import (
    SPACE,
    STARTUP,
    Canvas,
    Pair,
    along,
    defaults,
    front_of,
    front_table,
    hypervolume,
    knee_of,
    list_pool,
    paint_pool,
    params_of,
    random_values,
    scaled,
    search_front,
    suggest,
)
from vg_helpers.style.measures import structural_similarity


def trials(*points):
    return pd.DataFrame(points, columns=["log_odds", "ssim"])


HOLLOW = trials((4, 0.1), (1, 0.3), (0.0, 1.0))  # its middle lies below the line between the ends
WORST = pd.Series({"log_odds": -9.0, "ssim": 0.0})
BULGING = trials((0, 1.0), (3, 0.9), (4, 0.1), (3.8, 0.3), (2, 0.5), (-1, 0.2))


def test_a_front_is_what_no_other_trial_beats():
    assert front_of(BULGING).index.tolist() == [2, 3, 1, 0]
    assert front_of(trials((1, 1), (1, 1), (0, 1), (1, 0))).index.tolist() == [0]  # equal ones count once
    assert front_of(BULGING[:0]).empty


def test_the_hypervolume_is_the_area_below_the_steps():
    corner = (-1.0, 0.0)
    expected = 5 * 0.1 + 4.8 * 0.2 + 4 * 0.6 + 1 * 0.1
    assert hypervolume(BULGING, corner) == pytest.approx(expected)
    assert hypervolume(BULGING, (5.0, 0.0)) == hypervolume(BULGING, (-1.0, 2.0)) == 0
    points, rng = BULGING.to_numpy(), np.random.default_rng(0)
    darts = rng.uniform((-1, 0), (5, 1), (20000, 2))
    share = ((darts[:, None] <= points[None]).all(2)).any(1).mean()
    assert hypervolume(BULGING, corner) == pytest.approx(6 * share, rel=0.03)


def test_the_knee_is_farthest_beyond_the_line_between_the_ends():
    assert knee_of(front_of(BULGING), WORST).name == 1
    stretched = BULGING.assign(log_odds=100 * BULGING.log_odds - 7)
    assert knee_of(front_of(stretched), WORST).name == 1  # scales do not matter
    assert knee_of(front_of(HOLLOW), WORST).name == 0
    assert knee_of(trials((2, 0.3)), WORST).name == 0


def test_the_knee_is_at_least_as_good_as_the_defaults():
    whole = trials((4, 0.1), (3.6, 0.3), (3.2, 0.4), (2, 0.5), (0, 1.0), (1, 0.2))
    front = front_of(whole)
    assert knee_of(front, WORST).name == 2
    assert knee_of(front, trials((3.4, 0.05)).iloc[0]).name == 0  # none lies beyond the line: the most convincing one
    assert knee_of(front, trials((1.5, 0.25)).iloc[0]).name == 2 and knee_of(front, trials((0, 0.45)).iloc[0]).name == 3
    for row in (4, 3):  # on the front themselves
        assert knee_of(front, whole.iloc[row]).name == row
    assert knee_of(front, whole.iloc[5]).name in (1, 2, 3)  # beaten by several


def test_both_values_are_scaled_between_the_ends():
    assert scaled(front_of(BULGING)).tolist()[0] == [1, 0] and scaled(front_of(BULGING)).tolist()[-1] == [0, 1]
    assert scaled(trials((2, 0.3))).tolist() == [[1, 1]]


def test_trials_along_the_front_hold_its_knee_and_its_ends():
    x = np.linspace(0, 1, 21)
    many = front_of(trials(*zip(x, 1 - x**3, strict=True)))
    knee = knee_of(many, WORST).name
    chosen = along(many, 5, knee)
    assert len(chosen) == 5 and knee in chosen.index
    assert {many.index[0], many.index[-1]} <= set(chosen.index)
    assert chosen.log_odds.is_monotonic_decreasing
    assert along(many[:3], 5, knee).equals(many[:3]) and along(many, 1, knee).index.tolist() == [knee]
    assert along(many, 0, knee).empty


def test_points_are_drawn_within_the_space_and_by_the_seed():
    points = random_values(30, 3)
    assert points == random_values(30, 3) != random_values(30, 4) and points[:5] == random_values(5, 3)
    for name, space in SPACE.items():
        assert all(space._contains(space.to_internal_repr(point[name])) for point in points)
    weights = np.log([point["style_weight"] for point in points])
    assert 0.2 < (weights > np.log(1000) / 2).mean() < 0.8  # on a logarithmic scale
    assert suggest(optuna.trial.FixedTrial(points[0])) == points[0]


def test_values_become_settings_and_the_rest_suits_the_network(monkeypatch):
    values = {**random_values(1, 0)[0], "log_odds": 3.0}
    params = params_of(values, Tiny(), 7, 5)
    assert (params.num_steps, params.seed) == (7, 5)
    assert all(getattr(params, name) == values[name] for name in SPACE)
    monkeypatch.setattr(front, "params_for", lambda weights, **loss: {"tv_weight": 50.0, "lr": 0.01})
    assert params_of({}, Tiny(), 7).tv_weight == 50 and params_of({"tv_weight": 2.0}, Tiny(), 7).tv_weight == 2
    assert params_of({}, Tiny(), 7).lr == 0.01


def test_the_defaults_are_the_engines():
    assert defaults(Tiny()) == {name: getattr(StyleParams(), name) for name in SPACE}


@pytest.fixture
def pair(tmp_path):
    for number, name in enumerate(("photo", "painting")):
        save_image(tmp_path / f"{name}.png", noise(number, 1, 24, 20))
    canvas = Canvas(Tiny(), 2, 20, tmp_path / "pictures")
    return Pair(tmp_path / "photo.png", tmp_path / "painting.png", brightness, canvas)


def brightness(pictures):
    return [picture.mean().item() for picture in pictures]


def test_a_trial_is_measured_as_the_picture_that_was_saved(pair):
    values = random_values(1, 0)[0]
    odds, similarity = pair.measure(values)
    (file,) = pair.canvas.folder.glob("*.png")
    picture = load_image(file)
    assert odds == picture.mean().item()
    assert similarity == structural_similarity(picture, load_image(pair.photo)).item() < 1
    stamp = file.stat().st_mtime_ns
    assert pair.measure(values) == (odds, similarity) and file.stat().st_mtime_ns == stamp  # painted once


def test_a_front_repeated_in_another_canvas_keeps_its_settings(pair):
    rows = pd.DataFrame(random_values(2, 0), index=[4, 9]).assign(trial=[4, 9], log_odds=0.0, ssim=0.0)
    again, pictures = pair.repeat(rows)
    assert again.index.tolist() == [4, 9] and again[list(SPACE)].equals(rows[list(SPACE)])
    assert tuple(again.loc[9, ["log_odds", "ssim"]]) == pair.measure(rows.loc[9].to_dict())
    assert brightness(pictures) == again.log_odds.tolist()
    table = front_table(rows, again, 20)
    assert table["log odds"].tolist() == [0, 0] and table["log odds at 20 px"].tolist() == again.log_odds.tolist()
    assert list(table)[:4] == ["trial", "α", "β", "γ"]


def test_both_searches_begin_at_the_same_points(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(Pair, "measure", lambda self, values: (values["style_weight"], values["content_weight"]))
    guided = search_front(pair, tmp_path, "pair", STARTUP + 4, 42)
    chance = search_front(pair, tmp_path, "pair", STARTUP + 4, 42, at_random=True)
    assert guided.loc[0, list(SPACE)].to_dict() == defaults(Tiny())
    assert guided[: STARTUP + 1].drop(columns="seconds").equals(chance[: STARTUP + 1].drop(columns="seconds"))
    assert not guided[list(SPACE)].equals(chance[list(SPACE)])
    assert chance[list(SPACE)][1:].to_dict("records") == random_values(STARTUP + 3, 42)
    assert guided.log_odds.tolist() == guided.style_weight.tolist()
    assert guided.ssim.tolist() == guided.content_weight.tolist()


def test_an_interrupted_front_goes_on_as_if_it_had_not_been(pair, tmp_path, monkeypatch):
    count = []

    def measure(self, values):
        count.append(values)
        if len(count) == STARTUP + 2:
            raise KeyboardInterrupt
        return values["style_weight"], values["content_weight"]

    monkeypatch.setattr(Pair, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        search_front(pair, tmp_path, "pair", STARTUP + 3, 42)
    resumed = search_front(pair, tmp_path, "pair", STARTUP + 3, 42)
    (tmp_path / "whole").mkdir()
    whole = search_front(pair, tmp_path / "whole", "pair", STARTUP + 3, 42)
    assert resumed.drop(columns="seconds").equals(whole.drop(columns="seconds"))
    assert search_front(pair, tmp_path, "another", 1, 42).shape[0] == 1


def test_a_pool_has_other_photos_in_other_styles(tmp_path):
    photos = pd.Series({f"photo {n}": str(tmp_path / f"p{n}.png") for n in range(4)})
    paintings = pd.Series({f"style {n}": str(tmp_path / f"s{n}.png") for n in range(3)})
    pool = list_pool(photos, paintings, ("photo 1", "style 2"), 8, 0)
    assert len(pool) == 8 and set(pool.content) == {"photo 0", "photo 2", "photo 3"}
    assert set(pool["style"]) == {"style 0", "style 1"}
    assert all(photos[row.content] == row.photo and paintings[row.style] == row.painting for row in pool.itertuples())
    assert pool.style_weight.nunique() == 8
    assert list_pool(photos[:1], paintings, ("photo 0", "style 2"), 8, 0).empty
    assert list_pool(photos, paintings[:1], ("photo 1", "style 0"), 8, 0).empty


def test_a_pool_is_painted_with_its_own_values(pair, tmp_path):
    names = {"photo": str(pair.photo)}, {"painting": str(pair.painting)}
    pool = list_pool(*names, ("x", "y"), 2, 0)
    pictures = paint_pool(pool, pair.canvas)
    assert len(pictures) == 2 and pictures[0].shape == (1, 3, 24, 20) and not torch.equal(*pictures)
    values = {name: pool[name][1] for name in SPACE}
    assert torch.equal(pair.canvas.paint(pair.photo, pair.painting, values), pictures[1])
    assert paint_pool(pool[:0], pair.canvas) == []


def test_a_canvas_prepares_its_network_once(pair, monkeypatch):
    prepared = []
    monkeypatch.setattr(
        "vg_helpers.style.front.prepare", lambda *given: prepared.append(prepare(*given)) or prepared[0]
    )
    monkeypatch.setattr("vg_helpers.style.engine.prepare", None)  # nobody prepares it for one picture
    for values in random_values(2, 0):
        pair.measure(values)
    assert len(prepared) == 1 and pair.canvas.network is prepared[0]
