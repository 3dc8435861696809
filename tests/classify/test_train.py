"""train: learning, resuming to the bit, what is frozen, averaged views."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from stand_ins import CPU, Interrupted, Points
from torch import nn

from vg_helpers.classify import train
from vg_helpers.classify.train import TrainConfig
from vg_helpers.models.classifier import build_classifier

CONFIG = TrainConfig(lr=3e-3, batch_size=8, num_epochs=4)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))


def state_of(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_fit_learns_what_can_be_separated(net, optimizer):
    seen = []
    result = train.fit(
        net, Points(), Points(30, 1), replace(CONFIG, optimizer=optimizer, num_epochs=16), CPU, on_batch=seen.append
    )
    assert result.best_value == 1 and result.history[-1]["val_accuracy"] > 0.9
    assert result.history[-1]["train_loss"] < 0.7 * result.history[0]["train_loss"]
    assert [row["epoch"] for row in result.history] == list(range(1, 17)) and sum(seen) == 16 * 40
    assert set(result.history[0]) == {"epoch", "train_loss", "val_loss", "val_auc", "val_auc_se", "val_accuracy"}


def test_an_epoch_has_its_own_view_and_order(net):
    views, orders = [], []

    class Watched(Points):
        def __getitem__(self, position):
            orders[-1].append(position)
            views[-1].add(self.view)
            return super().__getitem__(position)

    def begin(_=None):
        orders.append([])
        views.append(set())

    begin()
    train.fit(net, Watched(), Points(10, 1), CONFIG, CPU, on_epoch=begin)
    assert views[:4] == [{0}, {1}, {2}, {3}] and all(sorted(order) == list(range(40)) for order in orders[:4])
    assert len({tuple(order) for order in orders[:4]}) == 4


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
@pytest.mark.parametrize("moment", ["epoch", "batch"])
@pytest.mark.parametrize("save_every", [0, 20])
def test_a_resumed_run_ends_as_if_it_had_not_been_interrupted(
    net, tmp_path, monkeypatch, optimizer, moment, save_every
):
    monkeypatch.setattr(train, "SAVE_EVERY", save_every)
    config = replace(CONFIG, optimizer=optimizer)
    whole = copy.deepcopy(net)
    expected = train.fit(whole, Points(), Points(30, 1), config, CPU)
    for number in range(1, 5):
        path, rows, count = tmp_path / f"{number}.pt", [], 0

        def stop(_, number=number):
            nonlocal count
            count += 1
            if count == (number if moment == "epoch" else 5 * number - 2):
                raise Interrupted

        first, second = copy.deepcopy(net), copy.deepcopy(net)
        with pytest.raises(Interrupted):
            train.fit(first, Points(), Points(30, 1), config, CPU, path, **{f"on_{moment}": stop})
        finished = number if moment == "epoch" else number - 1
        assert path.exists() == (finished == 4 or (save_every == 0 and finished > 0))
        torch.manual_seed(number)  # a new process is in another state
        result = train.fit(second, Points(), Points(30, 1), config, CPU, path, rows.append)
        assert result.history == rows == expected.history and result.best_epoch == expected.best_epoch
        assert same(state_of(second), state_of(whole)) and same(result.best_state, expected.best_state)


def test_a_finished_run_is_not_trained_again(net, tmp_path):
    train.fit(net, Points(), Points(30, 1), CONFIG, CPU, tmp_path / "a.pt")
    again, rows, batches = copy.deepcopy(net), [], []
    train.fit(again, Points(), Points(30, 1), CONFIG, CPU, tmp_path / "a.pt", rows.append, batches.append)
    assert len(rows) == 4 and not batches and same(state_of(again), state_of(net))


def test_a_checkpoint_of_another_configuration_is_ignored(net, tmp_path):
    other, fresh = copy.deepcopy(net), copy.deepcopy(net)
    train.fit(net, Points(), Points(30, 1), CONFIG, CPU, tmp_path / "a.pt")
    changed = replace(CONFIG, lr=1e-3)
    result = train.fit(other, Points(), Points(30, 1), changed, CPU, tmp_path / "a.pt")
    assert result.history == train.fit(fresh, Points(), Points(30, 1), changed, CPU).history
    assert same(state_of(other), state_of(fresh)) and not same(state_of(other), state_of(net))


def test_the_best_epochs_weights_are_kept_and_are_no_alias(net, monkeypatch):
    states, aucs = [], iter([0.6, 0.9, 0.9, 0.7])

    def evaluate(module, *_):
        states.append(state_of(module))
        return {"val_loss": 1.0, "val_auc": next(aucs), "val_accuracy": 0.5}

    monkeypatch.setattr(train, "evaluate", evaluate)
    result = train.fit(net, Points(), Points(30, 1), CONFIG, CPU)
    assert result.best_epoch == 2 and result.best_value == 0.9
    assert same(state_of(net), states[1]) and same(result.best_state, states[1]) and not same(states[1], states[3])
    with torch.no_grad():
        net[0].weight.zero_()
    assert same(result.best_state, states[1])


def test_patience_ends_a_training_that_no_longer_improves_and_more_of_it_goes_on(net, tmp_path, monkeypatch):
    aucs = [0.6, 0.9, 0.7, 0.8, 0.95, 0.9]

    def evaluate(*_):
        return {"val_loss": 1.0, "val_auc": aucs[len(batches) // 3 - 1], "val_accuracy": 0.5}

    monkeypatch.setattr(train, "evaluate", evaluate)
    config, batches = replace(CONFIG, num_epochs=6, batch_size=20), []

    def learn(patience):
        options = {"on_batch": batches.append, "patience": patience}
        return train.fit(copy.deepcopy(net), Points(60), Points(30, 1), config, CPU, tmp_path / "a.pt", **options)

    for patience, epochs, best in ((2, 4, 2), (2, 4, 2), (3, 6, 5), (0, 6, 5)):
        result = learn(patience)
        assert (len(result.history), result.best_epoch, len(batches)) == (epochs, best, 3 * epochs)


def test_what_is_judged_and_kept_is_a_running_mean_of_the_weights(net, monkeypatch):
    monkeypatch.setattr(train, "EMA_STEPS", 4)
    means, number, judged = state_of(net), 0, []

    def follow(_):
        nonlocal number
        number += 1
        decay = min(1 - 1 / 4, number / (number + 9))
        for name, value in net.state_dict().items():
            means[name] = decay * means[name] + (1 - decay) * value

    original = train.evaluate

    def evaluate(module, *rest):
        judged.append((state_of(module), {name: value.clone() for name, value in means.items()}))
        return original(module, *rest)

    monkeypatch.setattr(train, "evaluate", evaluate)
    result = train.fit(net, Points(), Points(30, 1), CONFIG, CPU, on_batch=follow)
    for found, expected in judged:
        for name in expected:
            torch.testing.assert_close(found[name], expected[name])
    assert same(result.best_state, judged[result.best_epoch - 1][0]) and number == 20


def test_only_free_parameters_change(net):
    net[0].weight.requires_grad_(False)
    before = state_of(net)
    result = train.fit(net, Points(), Points(30, 1), CONFIG, CPU)
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == set(result.best_state) == {"0.bias", "3.weight", "3.bias"}


def test_divergence_is_one_sentence(net):
    config = replace(CONFIG, optimizer="SGD", lr=1e20)
    with pytest.raises(FloatingPointError, match=r"^training loss is (nan|inf) in epoch 1; lower lr \(now 1e\+20\)$"):
        train.fit(copy.deepcopy(net), Points(), Points(30, 1), config, CPU)
    with pytest.raises(FloatingPointError, match=r"^validation logits are not finite; lower lr$"):
        train.fit(
            net, Points(), Points(30, 1), replace(config, lr=1e30, batch_size=40), CPU
        )  # only the last update is too large


def test_the_last_layer_learns_faster_than_the_rest(net):
    config = TrainConfig(lr=0.01, optimizer="SGD", momentum=0.0, weight_decay=0.0)
    optimizer, before = train.build_optimizer(net, config), state_of(net)
    net(torch.ones(4, 6)).square().sum().backward()
    optimizer.step()
    for name, parameter in net.named_parameters():
        rate = 0.03 if name.startswith("3.") else 0.01
        torch.testing.assert_close(before[name] - parameter, rate * parameter.grad)
    net[0].requires_grad_(False)
    assert [len(group["params"]) for group in train.build_optimizer(net, config).param_groups] == [2]
    with pytest.raises(ValueError, match=r"^optimizer 'Adam': choose AdamW or SGD$"):
        train.build_optimizer(net, replace(config, optimizer="Adam"))


def test_the_rate_rises_and_falls_to_zero_along_a_cosine(net, monkeypatch):
    made, original = [], train.build_optimizer
    monkeypatch.setattr(train, "build_optimizer", lambda *a: made.append(original(*a)) or made[0])
    rates = []
    train.fit(net, Points(), Points(30, 1), CONFIG, CPU, on_batch=lambda _: rates.append(made[0].param_groups[1]["lr"]))
    expected = [3e-3 * 0.5 * (1 + np.cos(np.pi * step / 20)) for step in range(1, 21)]
    assert [train.warmup_cosine(step, 100) for step in (0, 4, 10)] == pytest.approx([0.1, 0.498, 0.9755], abs=1e-3)
    assert train.warmup_cosine(0, 1) == 1
    np.testing.assert_allclose(rates, expected, atol=1e-12)


def test_the_depth_is_chosen_by_device_and_network():
    cuda = torch.device("cuda")
    assert [train.choose_depth("auto", CPU, network) for network in ("vgg19", "alexnet")] == ["top", "all"]
    assert [train.choose_depth("auto", cuda, network) for network in ("vgg19", "alexnet")] == ["all", "all"]
    assert train.choose_depth("head", cuda, "vgg19") == "head"
    with pytest.raises(ValueError, match=r"^depth 'deep': choose auto, all, top or head$"):
        train.choose_depth("deep", CPU, "vgg19")


@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
@pytest.mark.parametrize("depth", ["all", "top", "head"])
def test_prepare_frees_the_named_layers_and_no_others(tiny_zoo, network, depth):
    model = build_classifier(network, "none")
    lower, upper = train.prepare(model, depth)
    names = train.trained_layers(network, depth)
    free = {id(p) for p in model.parameters() if p.requires_grad}
    assert free == {id(p) for name in names for p in model.module_of(name).parameters()}
    assert not any(p.requires_grad for p in lower.parameters()) and not any(m.training for m in lower.modules())
    assert upper[0] is model.module_of(names[0]) and list(upper.modules())[-1] is model.module_of("fc8")
    assert (len(lower) == 1) == (names[0] in ("conv1_1", "conv1"))
    expected = {
        "all": {"vgg19": 19, "alexnet": 8},
        "top": {"vgg19": 5, "alexnet": 6},
        "head": dict.fromkeys(["vgg19", "alexnet"], 1),
    }
    assert len(names) == expected[depth][network]


class Signs(torch.utils.data.Dataset):
    """Items (1, 3) in view 0 and (5, -1) in view 1."""

    targets, view = (0, 1, 0), 0

    def __len__(self):
        return 3

    def __getitem__(self, position):
        return torch.tensor([[1.0, 3.0], [5.0, -1.0]][self.view]) * (position + 1), self.targets[position]


@pytest.mark.parametrize("training", [True, False])
def test_predictions_average_views_without_dropout_and_restore_the_mode(training):
    module = nn.Sequential(nn.Dropout(0.9), nn.Identity()).train(training)
    logits = train.predict(module, Signs(), CPU, views=2, batch_size=2)
    assert logits.dtype == np.float32 and logits.tolist() == [[3, 1], [6, 2], [9, 3]]
    assert train.predict(module, Signs(), CPU).tolist() == [[1, 3], [2, 6], [3, 9]]
    assert all(part.training is training for part in module.modules())


def test_evaluate_is_what_scikit_learn_says():
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
    from sklearn.utils.class_weight import compute_sample_weight

    dataset = Points(30, 1)
    dataset.targets[:6] = [1, 1, 1, 0, 1, 1]  # 17 of 30
    torch.manual_seed(1)
    module = nn.Linear(6, 2)
    found = train.evaluate(module, dataset, CPU, views=3)
    probs = softmax(train.predict(module, dataset, CPU, views=3).astype(float), axis=1)[:, 1]
    assert found["val_auc"] == pytest.approx(roc_auc_score(dataset.targets, probs))
    assert found["val_accuracy"] == accuracy_score(dataset.targets, probs > 0.5)
    alike = compute_sample_weight("balanced", dataset.targets)
    assert found["val_loss"] == pytest.approx(log_loss(dataset.targets, probs, sample_weight=alike), rel=1e-5)


def test_both_classes_count_alike_however_few_one_has():
    weights = train.class_weights([0] * 30 + [1] * 10)
    torch.testing.assert_close(weights, torch.tensor([40 / 60, 40 / 20]))
    rare = Points(40)
    rare.targets = [0] * 36 + [1] * 4
    rare.points = torch.zeros(40, 6)  # nothing to learn from but the proportions
    module = nn.Sequential(nn.Linear(6, 2))
    train.fit(module, rare, rare, replace(CONFIG, lr=0.01, optimizer="SGD", num_epochs=30), CPU)
    assert abs(module(torch.zeros(1, 6)).softmax(1)[0, 1].item() - 0.5) < 0.1  # and not a tenth
