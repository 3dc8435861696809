"""distributed: processes that train and search together end as one would, also after a kill."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch
from stand_ins import CPU, Points
from torch import nn

from vg_helpers.classify import train
from vg_helpers.classify.distributed import broadcast_object
from vg_helpers.classify.train import TrainConfig
from vg_helpers.files import ROOT, read_json
from vg_helpers.search import open_study, run_study, trials_frame

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


pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="torch was built without torch.distributed"
)


@pytest.mark.slow
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


# A process of torchrun that trains and, the first time, kills itself in the middle of the third epoch.
TRAINING = """
import json, os, signal, sys
from contextlib import nullcontext
from pathlib import Path
import torch
from stand_ins import CPU, Points
from test_distributed import CONFIG, network
from vg_helpers.classify import train
from vg_helpers.classify.distributed import join_processes, leave_processes, rank

train.autocast = lambda _: nullcontext()
train.SAVE_EVERY = 0.0
join_processes(CPU)
net, steps, epochs = network(), [], []
first_time = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"

def on_batch(count):
    steps.append(count)
    if first_time and rank() == 1 and len(steps) == 15:
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
result = train.fit(net, Points(41), Points(31, 1), CONFIG, CPU, folder / "a.pt", epochs.append, on_batch)
if rank() == 0:
    facts = {"history": result.history, "steps_now": len(steps), "epochs": len(epochs)}
    facts["state"] = {name: value.tolist() for name, value in net.state_dict().items()}
    (folder / "result.json").write_text(json.dumps(facts))
leave_processes()
"""


def network():
    """Return the network that all processes begin with."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


def torchrun(script, folder, *options):
    """Run a script in two processes and return what it says."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "classify")))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, folder / "script.py", folder], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills with a signal")
def test_a_training_that_torchrun_starts_again_ends_as_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "autocast", lambda _: nullcontext())
    net = network()
    alone = train.fit(net, Points(41), Points(31, 1), CONFIG, CPU)
    log = torchrun(TRAINING, tmp_path, "--max-restarts", "2")
    together = read_json(tmp_path / "result.json")
    assert log.count("exitcode: -9") == 1
    assert together["steps_now"] == 2 * 6 and together["epochs"] == 4  # two epochs came from the checkpoint
    saved = torch.load(tmp_path / "a.pt", weights_only=True)
    assert saved["live"]["schedule"]["last_epoch"] == 4 * 6  # steps: as many as one process takes
    for row, expected in zip(together["history"], alone.history, strict=True):
        assert row["val_auc"] == pytest.approx(expected["val_auc"], abs=1e-3)
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(torch.tensor(together["state"][name]), value, rtol=1e-4, atol=1e-5)


# A search of two processes: what only the first one knows must not be needed by the other.
SEARCH = """
import json, sys
from pathlib import Path
import torch.distributed as dist
from stand_ins import CPU
from test_distributed import objective
from vg_helpers.classify.distributed import join_processes, leave_processes, rank
from vg_helpers.search import open_study, run_study

join_processes(CPU)
folder, values = Path(sys.argv[1]), []
study = open_study("study", folder / "study.db", prune=True) if rank() == 0 else None
score = lambda trial: objective(trial, dist.all_reduce, values)
study = run_study(study, score, 6, seed=3, first=[{"lr": 1.18e-5, "batch": 16}])
assert (study is None) == (rank() == 1)
(folder / f"{rank()}.json").write_text(json.dumps(values))
leave_processes()
"""


def objective(trial, add_up=lambda tensor: None, values=None):
    """Return a height that both processes compute half of; some trials are pruned."""
    trial.suggest_float("lr", 1e-6, 1e-3, log=True)
    trial.suggest_categorical("batch", [16, 32])
    if values is not None:
        values.append([trial.number, trial.params])
    share = torch.tensor([trial.params["lr"] * (0.5 if values is not None else 1)], dtype=torch.float64)
    add_up(share)
    for epoch in (1, 2):
        trial.report(share.item() * epoch, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return share.item() * 2


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="torchrun needs libuv there")
def test_processes_search_together_as_one_would(tmp_path):
    alone = open_study("study", tmp_path / "alone.db", prune=True)
    run_study(alone, objective, 6, seed=3, first=[{"lr": 1.18e-5, "batch": 16}])
    torchrun(SEARCH, tmp_path)
    together = trials_frame(open_study("study", tmp_path / "study.db", prune=True))
    columns = ["trial", "lr", "batch", "value", "state"]
    assert together[columns].equals(trials_frame(alone)[columns]) and "PRUNED" in set(together.state)
    first, second = (json.loads((tmp_path / f"{number}.json").read_text()) for number in (0, 1))
    assert first == second and [params["lr"] for _, params in first] == together.lr.tolist()  # to the last digit
