"""classify: from paintings to predictions on tiny networks, interrupted anywhere, with the same numbers."""

import os
import socket
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax

from vg_helpers.calibration import log_odds
from vg_helpers.classify import features as classify_features
from vg_helpers.classify import judge, train, tuning
from vg_helpers.classify import task as classify_task
from vg_helpers.classify.tuning import KNOWN_GOOD, Sample, search_training
from vg_helpers.commands import search
from vg_helpers.data import views
from vg_helpers.files import write_csv, write_json
from vg_helpers.search import trials_frame

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("paintings")


@pytest.fixture
def index(folder, make_paintings):
    """24 paintings, half of them by Van Gogh: 16 to learn from, 4 to choose by, 4 to test."""
    paths = (
        sorted((folder / "p").iterdir()) if (folder / "p").is_dir() else make_paintings(folder / "p", 12, 12, (60, 48))
    )
    label = [int(path.name.startswith("vincent")) for path in paths]
    frame = pd.DataFrame({"path": [f"p/{path.name}" for path in paths], "label": label})
    order = frame.groupby("label").cumcount()
    return frame.assign(split_grouped=np.where(order < 8, "train", np.where(order < 10, "val", "test")))


@pytest.fixture
def setup(folder, tmp_path, tiny_zoo):
    return classify_task.Setup(str(folder), str(folder / "cache"), tmp_path / "state", CPU, "top", "none", 2, 64)


def learn(index, setup, network="alexnet", stop_at=None):
    """Do all that the notebook does; raise KeyboardInterrupt at an epoch of ("search" or "final", number)."""
    counts = {"search": 0, "final": 0}

    def on_epoch(row):
        part = "search" if "trial" in row else "final"
        counts[part] += 1
        if (part, counts[part]) == stop_at:
            raise KeyboardInterrupt

    task = classify_task.build_task(network, index, "split_grouped", setup)
    probes = classify_task.fit_probe(task)
    study = search_training(task, 4, 2, 12, on_epoch=on_epoch)
    result = classify_task.train_finally(task, study.best_params, 3, on_epoch)
    return (
        task,
        probes,
        trials_frame(study).drop(columns=["seconds", "number"]),
        result.history,
        task.probs("test"),
        counts,
    )


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
        task = classify_task.build_task("alexnet", index, "split_grouped", replace(setup, depth=depth))
        before = {name: value.clone() for name, value in task.model.state_dict().items()}
        found = classify_task.fit_probe(task)
        assert (task.learning is task.model) == learning and set(found) == {"val", "test"}
        classify_task.train_finally(task, {"lr": 1e-3, "batch_size": 16, "optimizer": "SGD"}, 1)
        changed = {
            name.split(".", 1)[1]
            for name, value in task.model.state_dict().items()
            if not torch.equal(value, before[name])
        }
        expected = {"all": 16, "top": 12, "head": 2}
        assert len(changed) == expected[depth] and "classifier.6.weight" in changed
        assert len(task.probs("val", views=1)) == 4


def test_the_head_starts_as_the_probe(index, setup):
    task = classify_task.build_task("alexnet", index, "split_grouped", setup)
    found = classify_task.fit_probe(task)
    np.testing.assert_allclose(task.probs("test", views=1), found["test"], atol=0.02)
    logits = train.predict(task.learning, task.sets["test"], CPU, 2)
    np.testing.assert_allclose(task.probs("test"), softmax(logits, axis=1)[:, 1], atol=1e-6)


@pytest.mark.parametrize("depth", ["top", "all"])
def test_a_texture_head_is_fitted_to_the_trained_networks_own_middle_layer(index, setup, depth):
    task = classify_task.build_task("alexnet", index, "split_grouped", replace(setup, depth=depth))
    classify_task.fit_probe(task)
    classify_task.train_finally(task, {"lr": 1e-3, "batch_size": 4}, 1)
    own, (whole, alone) = task.probs("test"), classify_task.add_texture(task, index, "split_grouped")
    targets = np.array(task.sets["test"].targets)
    assert alone["test"][targets == 1].min() > alone["test"][targets == 0].max()  # yellow is told from blue
    paths = [f"{setup.data_dir}/{path}" for path in index.path[index.split_grouped == "test"]]
    together = expit(log_odds(own) + log_odds(alone["test"]))
    np.testing.assert_allclose(judge.judge(whole, paths, CPU, setup.size, setup.eval_views), together, atol=0.02)


@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_each_network_drops_its_own_share(index, setup, network):
    task = classify_task.build_task(network, index, "split_grouped", setup)
    dropped = {module.p for module in task.learning.modules() if isinstance(module, torch.nn.Dropout)}
    assert (
        dropped == {classify_task.DROPOUT[network]}
        and classify_task.DROPOUT["alexnet"] < classify_task.DROPOUT["vgg19"]
    )


def test_splits_are_compared_by_the_same_features(index, setup, monkeypatch):
    shuffled = index.split_grouped.sample(frac=1, random_state=3).to_numpy()
    index, fitted, original = index.assign(split_seed=shuffled, artist="", group=0), [], classify_features.probe
    monkeypatch.setattr(classify_task, "probe", lambda *a: fitted.append(a) or original(*a))
    task = classify_task.build_task("alexnet", index, "split_grouped", setup)
    found = classify_task.probe_splits(task, index, ["split_seed", "split_grouped", "split_grouped"])
    assert list(found) == ["split_seed", "split_grouped"]
    for (features, targets, _), split in zip(fitted, ["split_seed", "split_grouped"], strict=False):
        assert targets.tolist() == index.label[index[split] == "train"].tolist() and len(features) == len(targets)
        tested = index[index[split] == "test"]
        assert found[split].path.tolist() == tested.path.tolist() and found[split].p.between(0, 1).all()
    own = found["split_grouped"]
    assert own.p[own.label == 1].mean() > own.p[own.label == 0].mean()


def test_yellow_is_told_from_blue(index, setup):
    task = classify_task.build_task("vgg19", index, "split_grouped", replace(setup, depth="head"))
    found = classify_task.fit_probe(task)
    targets = np.array(task.sets["test"].targets)
    assert (found["test"][targets == 1].mean()) > found["test"][targets == 0].mean()


def test_features_are_kept_and_only_training_pictures_are_augmented(index, setup, monkeypatch):
    seen, built, original = [], [], views.build_dataset
    monkeypatch.setattr(classify_task, "build_dataset", lambda *a: built.append(original(*a)) or built[-1])
    task = classify_task.build_task("alexnet", index, "split_grouped", replace(setup, views=3), seen.append)
    assert sum(seen) == 3 * 16 + 2 * 4 + 2 * 4
    assert [dataset.augment for dataset in built] == [True, False, False]
    assert [len(task.sets[name].features) for name in ("train", "val", "test")] == [3, 2, 2]
    assert [len(task.sets[name]) for name in ("train", "val", "test")] == [16, 4, 4]
    again = classify_task.build_task("alexnet", index, "split_grouped", replace(setup, views=3), seen.append)
    assert sum(seen) == 64 and again.key == task.key


def test_the_folder_is_another_one_for_everything_that_matters(index, setup):
    def key(network="alexnet", frame=index, **changes):
        return classify_task.build_task(network, frame, "split_grouped", replace(setup, **changes)).key

    changed = index.assign(split_grouped=index.split_grouped.to_numpy()[::-1])
    keys = [key(), key("vgg19"), key(size=72), key(views=1), key(seed=1), key(depth="head"), key(frame=changed)]
    assert len(set(keys)) == 7 and key() == keys[0]


def test_a_trial_that_diverges_is_pruned_and_the_search_goes_on(index, setup, monkeypatch):
    task = classify_task.build_task("alexnet", index, "split_grouped", setup)
    calls, original = [], train.fit

    def fit(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise FloatingPointError("training loss is nan in epoch 1; lower lr (now 0.001)")
        return original(*arguments)

    monkeypatch.setattr(tuning, "fit", fit)
    study = search_training(task, 4, 1)
    frame = trials_frame(study)
    assert frame.state[1] == "PRUNED" and np.isnan(frame.value[1]) and len(frame) == 4 and study.best_value >= 0
    assert not list(task.folder.glob("trial-*.pt"))


def test_trials_start_from_the_same_weights_and_leave_them(index, setup, monkeypatch):
    task = classify_task.build_task("alexnet", index, "split_grouped", setup)
    starts, original = [], train.fit

    def fit(module, *rest):
        starts.append({name: value.clone() for name, value in module.state_dict().items()})
        return original(module, *rest)

    monkeypatch.setattr(tuning, "fit", fit)
    before = {name: value.clone() for name, value in task.learning.state_dict().items()}
    search_training(task, 3, 1)
    for state in (*starts, task.learning.state_dict()):
        assert all(torch.equal(state[name], before[name]) for name in before)


def test_pruned_trials_leave_no_checkpoint(index, setup, monkeypatch):
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number == 1)
    task = classify_task.build_task("alexnet", index, "split_grouped", setup)
    frame = trials_frame(search_training(task, 3, 2))
    assert frame.state.tolist() == ["COMPLETE", "PRUNED", "COMPLETE"] and not list(task.folder.glob("trial-*.pt"))
    trained = [path for path in task.folder.iterdir() if path.suffix == ".pt"]
    assert not trained


class Numbers:
    """Ten items that say their view."""

    targets, view = [0, 1] * 5, 0

    def __len__(self):
        return 10

    def __getitem__(self, position):
        return 100 * self.view + position, self.targets[position]


def test_a_sample_changes_with_the_view_and_keeps_the_classes():
    dataset, parts = Numbers(), {}
    sample = Sample(dataset, 4, 42)
    for sample.view in (0, 1, 3, 1):
        assert dataset.view == sample.view and len(sample) == 4 and parts.get(sample.view) in (None, sample.indices)
        parts[sample.view] = sample.indices
        assert [sample[i][0] for i in range(4)] == [100 * sample.view + position for position in sample.indices]
        assert [sample[i][1] for i in range(4)] == sample.targets and sum(sample.targets) == 2
    assert len({tuple(part) for part in parts.values()}) == 3
    assert parts[0] == Sample(Numbers(), 4, 42).indices != Sample(Numbers(), 4, 1).indices


@pytest.mark.parametrize(("count", "expected"), [(0, 16), (4, 4), (16, 16), (99, 16)])
def test_an_epoch_of_a_trial_has_as_many_paintings_as_asked_for(index, setup, monkeypatch, count, expected):
    seen, original = [], train.fit
    monkeypatch.setattr(tuning, "fit", lambda *a: seen.append(len(a[1])) or original(*a))
    search_training(classify_task.build_task("alexnet", index, "split_grouped", setup), 1, 1, count)
    assert seen == [expected]


@pytest.fixture
def command(index, folder, tmp_path, tiny_zoo, monkeypatch):
    """The arguments of a worker, whose profile's 01_data is there."""
    monkeypatch.setattr(search, "__file__", str(tmp_path / "vg_helpers" / "commands" / "search.py"))
    data = tmp_path / "report" / "build" / "p" / "01_data"
    write_csv(data / "index.csv", index)
    write_json(data / "sources.json", {"data_dir": str(folder), "cache_dir": str(folder / "cache")})
    url = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"
    arguments = ["--model", "alexnet", "--storage", url, "--profile", "p", "--num-trials", "1", "--num-epochs", "1"]
    return [*arguments, "--weights", "none", "--device", "cpu", "--depth", "head"]


def test_the_command_joins_a_search(command, tmp_path, capsys):
    assert search.main([*command, "--profile", "q"]) == 2
    assert capsys.readouterr().err.strip().endswith("run `run.py report --profile q --only 01` first")
    assert search.main([*command, "--storage", "search.db"]) == 2
    assert "--storage search.db is no database URL" in capsys.readouterr().err
    assert search.main(command) == 0
    assert "COMPLETE" in capsys.readouterr().out and os.path.exists(tmp_path / "shared.db")


def be_started_by_torchrun(monkeypatch):
    for name, value in {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))


@pytest.mark.parametrize("number", [0, 1])
def test_the_command_trains_together_with_the_first_ones_values(command, tmp_path, monkeypatch, capsys, number):
    def of_the_first(values):
        assert set(values) == set(KNOWN_GOOD["alexnet"][0]) and torch.distributed.get_world_size() == 1
        return {**values, "lr": 0.5}

    search.main(command)
    capsys.readouterr()
    be_started_by_torchrun(monkeypatch)
    monkeypatch.setattr(search, "of_the_first", of_the_first)
    monkeypatch.setattr(search, "rank", lambda: number)
    assert search.main([*command, "--final", "2"]) == 0 and not torch.distributed.is_initialized()
    assert ("COMPLETE" in capsys.readouterr().out) == (number == 0)
    (trained,) = (tmp_path / "report" / "build" / "p").rglob("final-*.pt")
    saved = torch.load(trained, weights_only=True)
    assert saved["config"]["lr"] == 0.5 and [row["epoch"] for row in saved["result"]["history"]] == [1, 2]


def test_values_of_a_search_that_never_was_are_missed_before_any_work(command, monkeypatch, capsys):
    search.main(command)
    be_started_by_torchrun(monkeypatch)
    monkeypatch.setattr(search, "fit_probe", lambda _: pytest.fail("too late"))
    assert search.main([*command, "--final", "2", "--num-epochs", "3"]) == 2
    assert "no trial is complete with --num-epochs 3 --num-paintings 0: " in capsys.readouterr().err
    assert not torch.distributed.is_initialized()
