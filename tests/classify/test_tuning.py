"""tuning: trials that start alike, are sampled anew in each epoch, and leave nothing behind."""

import copy

import numpy as np
import optuna
import pytest
import torch

from vg_helpers.classify import train, tuning
from vg_helpers.classify.task import build_task, fit_probe
from vg_helpers.classify.tuning import Sample, pictures_per_trial, search_training
from vg_helpers.search import trials_frame


@pytest.fixture
def task(index, setup):
    return build_task("alexnet", index, "split_grouped", setup)


def test_a_trial_that_diverges_is_pruned_and_the_search_goes_on(task, monkeypatch):
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


@pytest.mark.parametrize("with_head", [False, True])
def test_trials_start_from_the_same_weights_and_leave_the_tasks_own(task, monkeypatch, with_head):
    starts, original = [], train.fit

    def fit(module, *rest):
        starts.append({name: value.clone() for name, value in module.state_dict().items()})
        return original(module, *rest)

    monkeypatch.setattr(tuning, "fit", fit)
    own, expected = copy.deepcopy(task.learning.state_dict()), copy.deepcopy(task.learning)
    if with_head:
        task.search_head = torch.nn.Linear(task.model.module_of(train.HEAD).in_features, 2)
        train.head_of(expected).load_state_dict(task.search_head.state_dict())
    search_training(task, 3, 1)
    for state in starts:
        assert all(torch.equal(value, expected.state_dict()[name]) for name, value in state.items())
    assert all(torch.equal(value, own[name]) for name, value in task.learning.state_dict().items())


def test_the_head_of_trials_has_seen_no_painting_that_compares_them(task):
    before, targets = fit_probe(task), task.sets["train"].targets
    held = np.setdiff1d(np.arange(len(targets)), task.search_rows)
    task.sets["train"].targets = [1 - target if row in held else target for row, target in enumerate(targets)]
    after = fit_probe(task)
    assert torch.equal(after.search_head.weight, before.search_head.weight)
    assert not torch.equal(after.head.weight, before.head.weight)
    task.start_from(after)
    assert task.search_head is after.search_head and torch.equal(
        task.model.module_of(train.HEAD).weight, after.head.weight
    )


def test_pruned_trials_leave_no_checkpoint(task, monkeypatch):
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number == 1)
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
    rows = range(1, 9)
    sample = Sample(dataset, rows, 4, 42)
    for view in (0, 1, 3, 1):
        part = sample.draw(view)
        assert dataset.view == view and len(sample) == len(part) == 4 and parts.get(view) in (None, part.indices)
        parts[view] = part.indices
        assert [part[i][0] for i in range(4)] == [100 * view + position for position in part.indices]
        assert [part[i][1] for i in range(4)] == part.targets and sum(part.targets) == 2
        assert set(part.indices) <= set(rows)
    assert len({tuple(part) for part in parts.values()}) == 3
    assert parts[0] == Sample(Numbers(), rows, 4, 42).draw(0).indices != Sample(Numbers(), rows, 4, 1).draw(0).indices
    assert Sample(dataset, rows, 0, 42).draw(2).indices == list(rows) and dataset.view == 2


def test_no_trial_learns_from_a_painting_that_compares_trials(task, index):
    train_rows, search = index[index.split_grouped == "train"], task.sets["search"]
    learned = train_rows.iloc[task.search_rows]
    held = train_rows.drop(learned.index)
    assert len(search) == len(task.sets["val"]) + len(held) and 0.2 < len(held) / len(train_rows) < 0.5
    assert search.targets == task.sets["val"].targets + held.label.tolist()
    assert not set(learned.group) & set(held.group)


@pytest.mark.parametrize(("count", "expected"), [(0, None), (4, 4), (99, None)])
def test_an_epoch_of_a_trial_has_as_many_paintings_as_asked_for(task, count, expected):
    seen = []
    search_training(task, 1, 2, count, on_batch=seen.append)
    assert sum(seen) == pictures_per_trial(task, 2, count) == 2 * (expected or len(task.search_rows))


def test_a_damaged_study_is_set_aside_and_made_again(task, capsys):
    values = trials_frame(search_training(task, 2, 1)).value.tolist()
    path = task.folder / "study.db"
    path.write_bytes(path.read_bytes()[:5000])
    assert trials_frame(search_training(task, 2, 1)).value.tolist() == values
    assert "study.db is damaged: it is now called study.db.damaged" in capsys.readouterr().out
