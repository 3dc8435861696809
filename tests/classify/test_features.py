"""features: computed once, kept across interruptions, read view by view, and a head that repeats their probe."""

import pickle

import numpy as np
import pytest
import torch
from scipy.special import softmax
from stand_ins import CPU, Interrupted
from torch import nn

from vg_helpers.classify.features import FeatureDataset, cache_features, probe, set_head


class Pictures(torch.utils.data.Dataset):
    """Ninety tiny pictures, another one in each view; counts how often they are asked for."""

    def __init__(self, count=90):
        self.targets, self.view, self.asked = [i % 2 for i in range(count)], 0, 0

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, position):
        self.asked += 1
        generator = torch.Generator().manual_seed(1000 * self.view + position)
        return torch.rand(3, 8, 8, generator=generator), self.targets[position]


def test_features_are_computed_once_and_go_on_after_an_interruption(tmp_path):
    torch.manual_seed(0)
    lower = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    whole = cache_features(lower, Pictures(), 2, tmp_path / "whole.npy", CPU)
    seen = []

    def stop(count):
        seen.append(count)
        if len(seen) == 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        cache_features(lower, Pictures(), 2, tmp_path / "a.npy", CPU, stop)
    assert not (tmp_path / "a.npy").exists()
    dataset, rest = Pictures(), []
    resumed = cache_features(lower, dataset, 2, tmp_path / "a.npy", CPU, rest.append)
    assert seen == [32, 32, 26, 32, 32] and rest == [32, 26] and dataset.asked == 58  # four batches were kept
    np.testing.assert_array_equal(resumed.features, whole.features)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "whole.npy"]
    for view in (0, 1):
        dataset.view = view
        direct = lower(torch.stack([dataset[i][0] for i in range(90)])).detach()
        torch.testing.assert_close(
            torch.from_numpy(whole.features[view].astype(np.float32)), direct, rtol=0.02, atol=0.02
        )
    dataset.asked = 0
    cache_features(lower, dataset, 2, tmp_path / "a.npy", CPU)
    assert dataset.asked == 0


def test_an_interruption_between_the_last_batch_and_the_end_loses_nothing(tmp_path):
    lower, dataset = nn.Identity(), Pictures(128)  # four batches
    with pytest.raises(Interrupted):
        cache_features(lower, dataset, 1, tmp_path / "a.npy", CPU, lambda _: stop_at_the_fourth(dataset))
    dataset.asked = 0
    kept = cache_features(lower, dataset, 1, tmp_path / "a.npy", CPU)
    assert dataset.asked == 0 and len(kept) == 128
    torch.testing.assert_close(kept[127][0], dataset[127][0], rtol=0, atol=1e-2)


def stop_at_the_fourth(dataset):
    if dataset.asked == 128:
        raise Interrupted


def test_kept_features_are_views_in_turn_and_can_be_pickled(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12, dtype=np.float16).reshape(2, 3, 2))
    kept = FeatureDataset(tmp_path / "a.npy", [0, 1, 1])
    kept.view = 3  # the second of two views again
    copied = pickle.loads(pickle.dumps(kept))
    assert len(pickle.dumps(kept)) < 1000
    for dataset in (kept, copied):
        inputs, target = dataset[2]
        assert inputs.tolist() == [10, 11] and inputs.dtype == torch.float32 and target == 1 and len(dataset) == 3


def test_values_beyond_float16_are_clipped(tmp_path):
    kept = cache_features(nn.Flatten(), Huge(), 1, tmp_path / "a.npy", CPU)
    assert kept[0][0].tolist() == [65504, -65504]


class Huge:
    """One picture of values that float16 cannot hold."""

    targets = (0,)

    def __len__(self):
        return 1

    def __getitem__(self, _):
        return torch.tensor([1e6, -1e6]).view(2, 1, 1), 0


def test_a_head_reproduces_the_probe():
    rng = np.random.default_rng(0)
    inputs = rng.normal(3, 5, (120, 10)).astype(np.float32)
    targets = (inputs[:, 0] + rng.normal(0, 1, 120) > 3).astype(int)
    fitted = probe(inputs, targets)
    head = nn.Linear(10, 2)
    set_head(head, fitted)
    probs = softmax(head(torch.from_numpy(inputs)).detach().double().numpy(), axis=1)
    np.testing.assert_allclose(probs, fitted.predict_proba(inputs), atol=1e-5)
    assert probs[targets == 1, 1].min() > probs[targets == 0, 1].mean()
    np.testing.assert_array_equal(probe(inputs, targets).predict_proba(inputs), fitted.predict_proba(inputs))


@pytest.mark.parametrize("damage", ["a.npy", "a.part.npy", "a.done"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_that_was_cut_is_computed_again(tmp_path, damage, share, capsys):
    lower = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    whole = cache_features(lower, Pictures(), 2, tmp_path / "whole.npy", CPU)
    if damage == "a.npy":
        cache_features(lower, Pictures(), 2, tmp_path / "a.npy", CPU)
    else:
        seen = []
        with pytest.raises(Interrupted):
            cache_features(lower, Pictures(), 2, tmp_path / "a.npy", CPU, lambda n: seen.append(n) or stop_at(seen, 5))
    path = tmp_path / damage
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    features = cache_features(lower, Pictures(), 2, tmp_path / "a.npy", CPU).features
    np.testing.assert_array_equal(features, whole.features)
    assert ("a.npy is damaged" in capsys.readouterr().out) == (damage == "a.npy")


def stop_at(seen, number):
    if len(seen) == number:
        raise Interrupted


def test_the_network_whose_features_are_kept_stays_as_it_was(tmp_path):
    torch.manual_seed(0)
    lower = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout()).train()
    before = {name: tensor.clone() for name, tensor in lower.state_dict().items()}
    cache_features(lower, Pictures(2), 1, tmp_path / "a.npy", CPU)
    assert lower.training and lower[0].weight.dtype == torch.float32
    assert all(torch.equal(tensor, before[name]) for name, tensor in lower.state_dict().items())
