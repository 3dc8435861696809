"""The steps of 02 for VGG-19 and AlexNet, one after the other, each with a bar.

Convention: everything costly resumes. `keep` is `Stage.keep`, which keeps results of the same code and values on disk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..device import fast_dtype
from ..images import load_image
from ..models.layers import TITLES
from ..search import importances, trials_frame
from ..tracking import tracked, trial_values_from_log
from .checks import probe_splits, swapped_palettes, train_from_scratch
from .setup import Setup
from .task import Task, build_task, fit_probe, held_out_probs, train_finally
from .train import trained_layers
from .tuning import pictures_per_trial, search_training

Keep = Callable[..., Any]
Probs = dict[str, dict[str, np.ndarray]]  # by classifier, P(van_gogh) of "val" and "test"


@dataclass(frozen=True)
class Plan:
    """How long networks are searched and trained, and who records it.

    `trial_paintings` counts the training paintings per epoch of a trial, 0 takes all; `storage` is the URL of a study
    that other workers share; `on_problem` gets a sentence if Weights & Biases cannot log.
    """

    num_trials: int
    trial_epochs: int
    trial_paintings: int
    num_epochs: int
    patience: int
    storage: str = ""
    use_wandb: bool = True
    on_problem: Callable[[str], None] = print


@dataclass(frozen=True)
class Search:
    """What a search found: all trials, the best one's values, each value's share of the variance, and W&B's mode."""

    trials: pd.DataFrame
    params: dict[str, Any]
    value: float
    shares: dict[str, float] = field(default_factory=dict)
    mode: str = "off"


def build_tasks(index: pd.DataFrame, split: str, setup: Setup) -> dict[str, Task]:
    """Return the task of each network; the features of frozen layers are computed once and stay on disk."""
    tasks = {}
    for network, title in TITLES.items():
        with tqdm(desc=f"{title}: features", unit=" pictures") as bar:
            tasks[network] = build_task(network, index, split, setup, bar.update)
    return tasks


def networks_table(tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Return one row per network: its weights in millions, how many are trained, which layers, and where it starts."""
    rows = []
    for network, task in tasks.items():
        names = trained_layers(network, task.config.depth)
        total, *trained = [
            sum(p.numel() for p in layer.parameters()) / 1e6
            for layer in (task.model, *(task.model.module_of(name) for name in names))
        ]
        rows.append([TITLES[network], total, sum(trained), f"{names[0]} … {names[-1]}", task.model.weights.source])
    return pd.DataFrame(rows, columns=["network", "million weights", "of them trained", "trained layers", "start"])


def settings_table(setup: Setup) -> pd.DataFrame:
    """Return how networks compute and what they see of a painting."""
    rows = [
        ["device", setup.device.type.upper()],
        ["precision of convolutions", precision_of(setup)],
        ["precision of losses and weights", "float32"],
        ["augmented views of a training painting whose frozen features are kept", str(setup.views)],
        ["views of a held-out painting whose logits are averaged", str(setup.eval_views)],
    ]
    return pd.DataFrame(rows, columns=["setting", "value"])


def precision_of(setup: Setup) -> str:
    """Return the number format of convolutions, such as "bfloat16"."""
    return str(fast_dtype(setup.device)).removeprefix("torch.")


def fit_probes(tasks: Mapping[str, Task], keep: Keep) -> Probs:
    """Return P(van_gogh) by each linear probe, as "vgg19_probe" and so on; a probe becomes its network's last layer."""
    probs = {}
    for network, task in tqdm(tasks.items(), desc="linear probes"):
        probe = keep(f"probe_{network}", fit_probe, task)
        task.start_from(probe)
        probs[f"{network}_probe"] = probe.probs
    return probs


def search(tasks: Mapping[str, Task], plan: Plan) -> dict[str, Search]:
    """Return each network's search; finished trials are not repeated."""
    searches, config = {}, {"epochs": plan.trial_epochs, "paintings": plan.trial_paintings}
    sizes = plan.trial_epochs, plan.trial_paintings
    for network, task in tasks.items():
        total = plan.num_trials * pictures_per_trial(task, *sizes)
        with tracked(task, "search", config, total, plan.use_wandb, plan.on_problem) as (tracker, bar):
            study = search_training(task, plan.num_trials, *sizes, plan.storage, tracker.log, bar.update)
        trials = trial_values_from_log(trials_frame(study), tracker.rows()).assign(model=network)
        shares, best = importances(study, task.setup.seed), study.best_trial
        searches[network] = Search(trials, dict(best.params), best.value, shares, tracker.mode)
    return searches


def all_trials(searches: Mapping[str, Search]) -> pd.DataFrame:
    """Return what trials.csv holds."""
    return pd.concat([search.trials for search in searches.values()], ignore_index=True)


def trials_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials as they are printed."""
    return pd.DataFrame(
        {
            "model": trials["model"].map(TITLES),
            "trial": trials["trial"],
            "learning rate": trials["lr"].map("{:.2e}".format),
            "batch size": trials["batch_size"],
            "optimiser": trials["optimizer"],
            "validation AUC": trials["value"],
            "±": trials["se"],
            "state": trials["state"].str.lower(),
            "seconds": trials["seconds"].map("{:.1f}".format),
        }
    )


def train(tasks: Mapping[str, Task], searches: Mapping[str, Search], plan: Plan) -> pd.DataFrame:
    """Train each network with its search's best values, and return what history.csv holds: one row per epoch."""
    histories = []
    for network, task in tasks.items():
        params = searches[network].params
        config = {"epochs": plan.num_epochs, "file": f"{network}.pt", **params}
        total = plan.num_epochs * len(task.sets["train"])
        with tracked(task, "final", config, total, plan.use_wandb, plan.on_problem) as (tracker, bar):
            train_finally(task, params, plan.num_epochs, tracker.log, bar.update, plan.patience)
        histories.append(pd.DataFrame(tracker.rows()).assign(model=network))
    return pd.concat(histories)


def judge_held_out(tasks: Mapping[str, Task], keep: Keep) -> Probs:
    """Return P(van_gogh) by the trained networks."""
    bar = tqdm(tasks.items(), desc="held-out paintings")
    return {network: keep(f"probs_{network}", held_out_probs, task) for network, task in bar}


def probe_both_splits(index: pd.DataFrame, split: str, setup: Setup, keep: Keep) -> dict[str, pd.DataFrame]:
    """Return by split its test paintings with P(van_gogh) by a linear probe on AlexNet as it was before training."""
    task = build_task("alexnet", index, split, setup)
    return keep("splits", probe_splits, task, index, ["split_seed", "split_grouped"])


def train_random_weights(index: pd.DataFrame, split: str, setup: Setup, num_epochs: int, keep: Keep) -> Probs:
    """Return P(van_gogh) by an AlexNet trained from random weights, as "alexnet_scratch"; empty for 0 epochs."""
    if not num_epochs:
        return {}
    total = num_epochs * int((index[split] == "train").sum())
    with tqdm(total=total, desc="AlexNet from random weights", unit=" pictures") as bar:
        values = "alexnet", index, split, setup, num_epochs
        return {"alexnet_scratch": keep("scratch", train_from_scratch, *values, on_batch=bar.update)}


def swap_palettes(
    tasks: Mapping[str, Task], index: pd.DataFrame, split: str, match_colors: Callable[..., Any], keep: Keep
) -> Probs:
    """Return P(van_gogh) of the test paintings with their own palettes and with those of other artists.

    By "vgg19_own", "vgg19_swapped" and so on. `match_colors` gives one picture the colours of another.
    """
    probs = {}
    for network, task in tqdm(tasks.items(), desc="palettes"):
        kinds = keep(f"palettes_{network}", swapped_palettes, task, index, split, match_colors)
        probs |= {f"{network}_{kind}": {"test": values} for kind, values in kinds.items()}
    return probs


def load_pictures(rows: pd.DataFrame, setup: Setup) -> list[Any]:
    """Return the pictures (3, H, W) of rows with a column path."""
    return [load_image(Path(setup.data_dir, name))[0] for name in rows["path"]]


def facts(searches: Mapping[str, Search]) -> dict[str, Any]:
    """Return what the manifest says of the searches: how W&B logged, minutes, and the best values."""
    minutes = {
        f"search_minutes_{network}": round(float(search.trials["seconds"].sum()) / 60, 1)
        for network, search in searches.items()
    }
    best = {f"best_{network}": ", ".join(_printed(search.params)) for network, search in searches.items()}
    mode = [search.mode for search in searches.values()][-1]
    return {"wandb": mode, **minutes, **best}


def _printed(params: Mapping[str, Any]) -> list[str]:
    return [f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()]
