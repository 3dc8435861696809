"""task: from paintings to predictions on tiny networks, interrupted anywhere, with the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from stand_ins import CPU

from vg_helpers.classify import task as classify_task
from vg_helpers.classify import train
from vg_helpers.classify.task import build_task, fit_probe, held_out_probs, train_finally
from vg_helpers.classify.tuning import KNOWN_GOOD, search_training
from vg_helpers.data import views
from vg_helpers.search import trials_frame
from vg_helpers.stage import Stage


def learn(index, setup, network="alexnet", stop_at=None):
    """Do all that the notebook does; raise KeyboardInterrupt at an epoch of ("search" or "final", number)."""
    counts = {"search": 0, "final": 0}

    def on_epoch(row):
        part = "search" if "trial" in row else "final"
        counts[part] += 1
        if (part, counts[part]) == stop_at:
            raise KeyboardInterrupt

    task = build_task(network, index, "split_grouped", setup)
    probe = fit_probe(task)
    task.start_from(probe)
    study = search_training(task, 4, 2, 12, on_epoch=on_epoch)
    result = train_finally(task, study.best_params, 3, on_epoch)
    trials = trials_frame(study).drop(columns=["seconds", "number"])
    return task, probe.probs, trials, result.history, task.probs("test"), counts


def test_a_run_interrupted_anywhere_ends_with_the_same_numbers(index, setup, tmp_path):
    task, probes, trials, history, probs, _ = learn(index, replace(setup, state_dir=tmp_path / "whole"))
    assert len(trials) == 4 and len(history) == 3 and probs.shape == (4,) and ((probs > 0) & (probs < 1)).all()
    known = KNOWN_GOOD["alexnet"]
    assert trials.loc[: len(known) - 1, list(known[0])].to_dict("records") == known
    assert [path.name[:6] for path in task.folder.glob("*.pt")] == ["final-"]
    for stop_at in (("search", 1), ("search", 4), ("final", 2)):
        with pytest.raises(KeyboardInterrupt):
            learn(index, setup, stop_at=stop_at)
    again = learn(index, setup)
    assert again[2].equals(trials) and again[3] == history
    np.testing.assert_array_equal(again[4], probs)
    np.testing.assert_array_equal(again[1]["test"], probes["test"])
    finished = learn(index, setup)
    assert finished[2].equals(trials) and finished[5] == {
        "search": 0,
        "final": 3,
    }  # the final epochs are reported again
    np.testing.assert_array_equal(finished[4], probs)


def test_every_depth_runs_and_trains_what_it_says(index, setup):
    for depth, learning in [("all", True), ("top", False), ("head", False)]:
        task = build_task("alexnet", index, "split_grouped", replace(setup, depth=depth))
        before = {name: value.clone() for name, value in task.model.state_dict().items()}
        probe = fit_probe(task)
        task.start_from(probe)
        assert (task.learning is task.model) == learning and set(probe.probs) == {"val", "test"}
        train_finally(task, {"lr": 1e-3, "batch_size": 16, "optimizer": "SGD"}, 1)
        changed = {
            name.split(".", 1)[1]
            for name, value in task.model.state_dict().items()
            if not torch.equal(value, before[name])
        }
        expected = {"all": 16, "top": 12, "head": 2}
        assert len(changed) == expected[depth] and "classifier.6.weight" in changed
        assert len(task.probs("val", views=1)) == 4


def test_the_head_starts_as_the_probe(index, setup):
    task = build_task("alexnet", index, "split_grouped", setup)
    probe = fit_probe(task)
    before = task.probs("test", views=1)
    task.start_from(probe)
    np.testing.assert_allclose(task.probs("test", views=1), probe.probs["test"], atol=0.02)
    assert not np.allclose(before, task.probs("test", views=1), atol=0.02)
    logits = train.predict(task.learning, task.sets["test"], CPU, 2)
    np.testing.assert_allclose(task.probs("test"), softmax(logits, axis=1)[:, 1], atol=1e-6)


@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_each_network_drops_its_own_share(index, setup, network):
    task = build_task(network, index, "split_grouped", setup)
    dropped = {module.p for module in task.learning.modules() if isinstance(module, torch.nn.Dropout)}
    assert dropped == {classify_task.DROPOUT[network]}


def test_yellow_is_separated_from_blue(index, setup):
    task = build_task("vgg19", index, "split_grouped", replace(setup, depth="head"))
    probs, targets = fit_probe(task).probs["test"], np.array(task.sets["test"].targets)
    assert probs[targets == 1].mean() > probs[targets == 0].mean()


def test_features_are_kept_and_only_training_pictures_are_augmented(index, setup, monkeypatch):
    seen, built, original = [], [], views.build_dataset
    monkeypatch.setattr(classify_task, "build_dataset", lambda *a: built.append(original(*a)) or built[-1])
    task = build_task("alexnet", index, "split_grouped", replace(setup, views=3), seen.append)
    names, held = ("train", "val", "test", "search"), 16 - len(task.search_rows)
    assert sum(seen) == 3 * 16 + 2 * 4 + 2 * 4 + (4 + held)
    assert [dataset.augment for dataset in built] == [True, False, False, False]
    assert [len(task.sets[name].features) for name in names] == [3, 2, 2, 1]
    assert [len(task.sets[name]) for name in names] == [16, 4, 4, 4 + held]
    again = build_task("alexnet", index, "split_grouped", replace(setup, views=3), seen.append)
    assert sum(seen) == 68 + held and again.key == task.key


def test_damaged_features_and_checkpoints_are_set_aside_and_made_again(index, setup, capsys):
    def run():
        task = build_task("alexnet", index, "split_grouped", setup)
        task.start_from(fit_probe(task))
        train_finally(task, {"lr": 1e-3, "batch_size": 4}, 2)
        return task

    task = run()
    probs = task.probs("test")
    for pattern in ("train-2.npy", "final-*.pt"):
        (path,) = task.folder.glob(pattern)
        for rest in (b"", path.read_bytes()[: path.stat().st_size // 2]):
            path.write_bytes(rest)
            np.testing.assert_array_equal(run().probs("test"), probs)
            assert f"{path} is damaged: it is now called {path.name}.damaged" in capsys.readouterr().out
            assert path.with_name(f"{path.name}.damaged").read_bytes() == rest and path.stat().st_size > len(rest)


def test_the_folder_is_another_one_for_everything_that_matters(index, setup):
    def key(network="alexnet", frame=index, **changes):
        return build_task(network, frame, "split_grouped", replace(setup, **changes)).key

    changed = index.assign(split_grouped=index.split_grouped.to_numpy()[::-1])
    keys = [key(), key("vgg19"), key(size=72), key(views=1), key(seed=1), key(depth="head"), key(frame=changed)]
    assert len(set(keys)) == 7 and key() == keys[0]


def test_what_a_stage_keeps_of_a_task_depends_on_its_training_not_its_folders(index, setup, tmp_path, monkeypatch):
    stage, calls, original = Stage(tmp_path / "build", "02_classify", {}), [], train.predict
    monkeypatch.setattr(classify_task, "predict", lambda *a: calls.append(1) or original(*a))

    def kept(task):
        calls.clear()
        return stage.keep("probs", held_out_probs, task), len(calls)

    first, again = (build_task("alexnet", index, "split_grouped", setup) for _ in range(2))
    probs, computed = kept(first)
    assert computed == 2 and kept(again)[1] == 0
    moved = build_task("alexnet", index, "split_grouped", replace(setup, state_dir=tmp_path / "elsewhere"))
    assert kept(moved)[1] == 0
    np.testing.assert_array_equal(kept(moved)[0]["val"], probs["val"])
    assert kept(build_task("alexnet", index, "split_grouped", replace(setup, eval_views=4)))[1] == 2
    probe = stage.keep("probe", fit_probe, first)
    first.start_from(stage.keep("probe", fit_probe, again))  # the kept one, as it is read from disk
    again.start_from(probe)
    np.testing.assert_array_equal(kept(first)[0]["test"], held_out_probs(again)["test"])
    train_finally(first, {"lr": 1e-3, "batch_size": 4}, 1)
    assert kept(first)[1] == 2


def test_replaced_pictures_are_another_task(index, setup):
    hashed = index.assign(phash=[f"{number:016x}" for number in range(len(index))])
    replaced = hashed.assign(phash=hashed["phash"].where(hashed["phash"] != f"{3:016x}", f"{99:016x}"))
    keys = [build_task("alexnet", frame, "split_grouped", setup).key for frame in (hashed, hashed.copy(), replaced)]
    assert keys[0] == keys[1] != keys[2]
