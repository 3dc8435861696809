"""steps on tiny networks: what 02 does, from the paintings to its files; a second run computes nothing again."""

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import CPU, RULE

from vg_helpers.classify import joint, steps
from vg_helpers.classify import task as task_module
from vg_helpers.classify import texture as texture_module
from vg_helpers.classify.setup import open_setup
from vg_helpers.models.classifier import load_classifier
from vg_helpers.models.texture import load_texture_classifier
from vg_helpers.stage import Stage

SPLIT = "split_grouped"
PLAN = steps.Plan(num_trials=2, trial_epochs=1, trial_paintings=12, num_epochs=2, patience=0, use_wandb=False)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path / "build", "02_classify", {})


def run(index, setup, stage):
    """Return what the notebook computes, in its order."""
    tasks = steps.build_tasks(index, SPLIT, setup)
    probes = steps.fit_probes(tasks, stage.keep)
    searches = steps.search(tasks, PLAN)
    history = steps.train(tasks, searches, PLAN)
    probs = steps.judge_held_out(tasks, stage.keep)
    moments = joint.measure_textures(index, setup)
    copies = joint.measure_copies(index[index[SPLIT] == "train"], setup)
    textures = joint.fit_textures(moments, copies, index, SPLIT, 42, stage.keep)
    joint.save(tasks, textures, {"vgg19": RULE, "alexnet": RULE}, stage.path)
    return tasks, probes, searches, history, probs, textures


def test_both_networks_are_learned_judged_and_saved(index, setup, stage, monkeypatch):
    tasks, probes, searches, history, probs, textures = run(index, setup, stage)
    assert list(tasks) == list(searches) == list(probs) == ["vgg19", "alexnet"]
    assert list(probes) == ["vgg19_probe", "alexnet_probe"]
    assert history.groupby("model").epoch.max().to_dict() == {"vgg19": 2, "alexnet": 2}
    assert steps.all_trials(searches).model.value_counts().to_dict() == {"vgg19": 2, "alexnet": 2}
    for network, search in searches.items():
        best = search.trials.loc[search.trials["value"].idxmax()]
        assert search.value == best["value"] and search.params["optimizer"] in ("AdamW", "SGD")
        np.testing.assert_array_equal(probs[network]["test"], tasks[network].probs("test"))
        model = load_classifier(stage.path(f"{network}.pt"))
        assert model.network == network
        loaded, rule = load_texture_classifier(stage.path(f"{network}_texture.pt"), model)
        assert rule == RULE and torch.equal(loaded.judge.weights, textures[network].judge.weights)
    monkeypatch.setattr(task_module, "probe", raises)
    monkeypatch.setattr(texture_module, "machine", raises)
    monkeypatch.setattr(task_module.Task, "probs", raises)
    again = run(index, setup, stage)
    np.testing.assert_array_equal(again[4]["alexnet"]["test"], probs["alexnet"]["test"])
    pd.testing.assert_frame_equal(again[3], history)


def raises(*_, **__):
    raise AssertionError("computed again")


def test_random_weights_are_left_out_for_no_epochs(index, setup):
    assert steps.train_random_weights(index, SPLIT, setup, 0, raises) == {}
    probs = steps.train_random_weights(index, SPLIT, setup, 1, lambda name, _, *values, **options: (name, values))
    assert probs == {"alexnet_scratch": ("scratch", ("alexnet", index, SPLIT, setup, 1))}


def test_palettes_are_kept_for_each_network():
    probs = steps.swap_palettes(
        {"vgg19": "a task"}, None, SPLIT, max, lambda name, function, *values: {"own": name, "swapped": values[0]}
    )
    assert probs == {"vgg19_own": {"test": "palettes_vgg19"}, "vgg19_swapped": {"test": "a task"}}


def test_tables_and_facts(index, setup):
    trials = pd.DataFrame(
        [[0, 1e-5, 16, "SGD", 0.75, "PRUNED", 90.0, "vgg19", 0.02]],
        columns=["trial", "lr", "batch_size", "optimizer", "value", "state", "seconds", "model", "se"],
    )
    row = steps.trials_table(trials).iloc[0].tolist()
    assert row == ["VGG-19", 0, "1.00e-05", 16, "SGD", 0.75, 0.02, "pruned", "90.0"]
    facts = steps.facts({"vgg19": steps.Search(trials, {"lr": 1.5e-5, "batch_size": 16}, 0.75, {}, "offline")})
    assert facts == {
        "wandb": "offline",
        "search_minutes_vgg19": 1.5,
        "best_vgg19": "lr 1.5e-05, batch_size 16",
    }
    tasks = steps.build_tasks(index, SPLIT, setup)
    table = steps.networks_table(tasks).set_index("network")
    total = sum(p.numel() for p in tasks["alexnet"].model.parameters()) / 1e6
    assert table.loc["AlexNet", "million weights"] == total > table.loc["AlexNet", "of them trained"] > 0
    assert steps.settings_table(setup)["value"].tolist()[-2:] == [str(setup.views), str(setup.eval_views)]


def test_setup_takes_the_folders_of_the_sources(tmp_path):
    sources = {"data_dir": "pictures", "cache_dir": "cache", "is_demo": True}
    setup = open_setup(sources, tmp_path, "cpu", 7, depth="head", views=3)
    assert (setup.data_dir.name, setup.cache_dir.name, setup.device, setup.seed) == ("pictures", "cache", CPU, 7)
    assert setup.depth == "head" and setup.views == 3
    first = np.random.random()
    open_setup(sources, tmp_path, "cpu", 7)
    assert np.random.random() == first
