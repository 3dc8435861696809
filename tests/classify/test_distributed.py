"""distributed: two processes that train together end as one would."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_ins import CPU, Points
from torch import nn

from vg_helpers.classify import train
from vg_helpers.classify.distributed import broadcast_object
from vg_helpers.classify.train import TrainConfig

CONFIG = TrainConfig(lr=3e-3, batch_size=8, num_epochs=4)


def be_one_of(number, count, folder, config):
    """Train and predict as one of several processes, and write down what came out."""
    torch.set_num_threads(1)
    train.autocast = lambda _: nullcontext()  # in bfloat16 the same numbers differ by what rounding leaves, two digits
    store = f"file:///{(folder / 'store').as_posix().lstrip('/')}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=number, world_size=count)
    torch.manual_seed(number)  # only the first one's weights count
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    seen = []
    found = train.fit(net, Points(41), Points(31, 1), config, CPU, folder / "a.pt", on_batch=seen.append)
    again = train.fit(net, Points(41), Points(31, 1), config, CPU, folder / "a.pt")
    assert again.history == found.history and sum(seen) == 41 * config.num_epochs
    logits = train.predict(net, Points(31, 1), CPU, views=2, batch_size=10)
    assert broadcast_object(number) == 0
    torch.save(
        {"history": found.history, "state": net.state_dict(), "logits": logits.tolist()}, folder / f"{number}.pt"
    )
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed")
@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_processes_train_together_as_one_would(tmp_path, monkeypatch, optimizer):
    monkeypatch.setattr(train, "autocast", lambda _: nullcontext())
    config = replace(CONFIG, optimizer=optimizer)  # 41 pictures in batches of 8: one process has no share of the last
    torch.multiprocessing.spawn(be_one_of, (2, tmp_path, config), nprocs=2)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    alone = train.fit(net, Points(41), Points(31, 1), config, CPU)
    expected = train.predict(net, Points(31, 1), CPU, views=2, batch_size=10)
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in (0, 1))
    assert first["history"] == second["history"]
    for name, value in first["state"].items():
        torch.testing.assert_close(second["state"][name], value, rtol=0, atol=0)
    assert first["logits"] == second["logits"] and len(first["logits"]) == 31
    np.testing.assert_allclose(first["logits"], expected, rtol=1e-4, atol=1e-5)
    for together, row in zip(first["history"], alone.history, strict=True):
        assert together == pytest.approx(row, rel=1e-4, abs=1e-5)
