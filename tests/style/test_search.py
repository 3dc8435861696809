"""style.search: trials in their ranges, judged as saved pictures, and a study that is found again."""

import json

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from stand_ins import Tiny, noise

from vg_helpers.images import load_image, read_metadata
from vg_helpers.style import search
from vg_helpers.style.checks import TooSmall
from vg_helpers.style.search import (
    KNOWN_GOOD,
    StyleObjective,
    choose_picture,
    open_style_study,
    search_weights,
    suggest_style,
)

VALUES = {"content_weight": 2.0, "style_weight": 30.0}


def style_weight(trial):
    """A landscape that rises with the style weight."""
    values = suggest_style(trial)
    assert 0.1 <= values["content_weight"] <= 10 and 1 <= values["style_weight"] <= 1000
    return values["style_weight"]


def brightness(paths):
    return [load_image(path).mean().item() for path in paths]


@pytest.fixture
def objective(tmp_path):
    return StyleObjective(noise(1), noise(2), Tiny(), brightness, 3, tmp_path / "new" / "folder")


def test_a_trial_is_judged_as_the_picture_that_was_saved(objective):
    assert objective(optuna.trial.FixedTrial(VALUES)) == brightness([objective.path(VALUES)])[0]
    assert load_image(objective.path(VALUES)).shape == (1, 3, 16, 12)
    assert list(objective.folder.iterdir()) == [objective.path(VALUES)]  # no checkpoint is left


@pytest.mark.parametrize(("role", "name"), [("content", "photos/dot.png"), ("style", "styles/night.png")])
def test_a_picture_that_is_too_small_is_named(objective, role, name):
    def too_small(images):
        raise TooSmall(role, images, 32)

    objective.names, objective.extractor.forward = ("photos/dot.png", "styles/night.png"), too_small
    with pytest.raises(ValueError, match=f"{name}: the {role} image has .* at least 32 on the shorter side"):
        objective(optuna.trial.FixedTrial(VALUES))


def test_each_trial_has_a_picture_of_its_own(objective):
    for values in (VALUES, {**VALUES, "style_weight": 300.0}, {**VALUES, "content_weight": 0.2}):
        objective(optuna.trial.FixedTrial(values))
    pictures = [load_image(path) for path in objective.folder.iterdir()]
    assert len(pictures) == 3 and not torch.equal(pictures[0], pictures[1])


def test_the_picture_of_a_trial_is_saved_with_its_weights(objective, tmp_path):
    objective(optuna.trial.FixedTrial(VALUES))
    picture = objective.save_picture(tmp_path / "best.png", VALUES)
    assert torch.equal(picture, load_image(objective.path(VALUES)))
    assert torch.equal(picture, load_image(tmp_path / "best.png"))
    assert json.loads(read_metadata(tmp_path / "best.png")["settings"]) == VALUES


def test_a_trial_takes_the_settings_that_suit_its_weights(objective, monkeypatch):
    plain = objective(optuna.trial.FixedTrial(VALUES))
    monkeypatch.setattr(search, "params_for", lambda weights: {"start": "style"} if weights is Tiny.weights else {})
    assert objective(optuna.trial.FixedTrial(VALUES)) != plain


def test_the_first_trial_has_the_default_weights_and_all_have_a_row(tmp_path):
    finished = []
    trials = search_weights(open_style_study(tmp_path, "pair"), style_weight, 4, 42, finished.append)
    assert trials.loc[0, list(KNOWN_GOOD)].to_dict() == KNOWN_GOOD
    assert list(trials)[:5] == ["trial", "content_weight", "style_weight", "log_odds", "p_van_gogh"]
    assert len(trials) == len(finished) == 4 and (trials.log_odds == trials.style_weight).all()
    assert trials.p_van_gogh.tolist() == pytest.approx(1 / (1 + np.exp(-trials.log_odds)))


def test_an_interrupted_search_goes_on_where_it_was(tmp_path):
    def stop_at_third(trial):
        if trial.number == 2:
            raise KeyboardInterrupt
        return style_weight(trial)

    (tmp_path / "whole").mkdir()
    with pytest.raises(KeyboardInterrupt):
        search_weights(open_style_study(tmp_path, "pair", 3), stop_at_third, 4, 42)
    tried = []
    resumed = search_weights(
        open_style_study(tmp_path, "pair", 3), lambda trial: tried.append(trial.number) or style_weight(trial), 4, 42
    )
    whole = search_weights(open_style_study(tmp_path / "whole", "pair", 3), style_weight, 4, 42)
    assert resumed[list(VALUES)].equals(whole[list(VALUES)]) and tried == [3, 4]  # the third again, under a new number


def test_another_setting_or_engine_is_another_study(tmp_path, monkeypatch):
    first = open_style_study(tmp_path, "pair", 3)
    assert open_style_study(tmp_path, "pair", 3).study_name == first.study_name
    assert open_style_study(tmp_path, "pair", 4).study_name != first.study_name
    monkeypatch.setattr(search, "VERSION", search.VERSION + 1)
    assert open_style_study(tmp_path, "pair", 3).study_name != first.study_name


@pytest.mark.parametrize("names", [["cat", "001"], ["NA", "null"]])
def test_a_picture_is_chosen_by_its_name(names):
    paths = pd.Series([f"{name}.jpg" for name in names], index=names)
    assert choose_picture(paths) == (names[0], f"{names[0]}.jpg")
    assert choose_picture(paths, names[1]) == (names[1], f"{names[1]}.jpg")
    with pytest.raises(ValueError, match=rf"^no picture is called 'dog'; there are {names[0]}, {names[1]}$"):
        choose_picture(paths, "dog")
