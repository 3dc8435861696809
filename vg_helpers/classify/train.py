"""Fine-tuning: which layers are trained, epochs that resume, several processes that train as one, predictions.

Convention: seed, epoch and position decide every random draw, so that an interrupted run ends like an undisturbed one.
Data sets yield (picture or features, target); their `view` chooses the augmentation, and each epoch takes the next one.
If torch.distributed is initialised, every process takes its share of each batch, and DistributedDataParallel adds up
their gradients. `fit` and `predict` then return the same in all processes, and the same as in a single one but for
rounding and the draws of dropout.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from sklearn.metrics import roc_auc_score
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader, default_collate

from ..device import autocast
from ..files import MALFORMED, load_torch, save_torch, set_aside
from ..metrics import auc_standard_error
from ..models.classifier import Classifier
from ..models.layers import LAYERS
from .distributed import broadcast_object, gather_outputs, in_parallel, rank, share_of, world_size

HEAD = "fc8"
TOP = {  # VGG-19's fc6 and fc7, twice AlexNet's size, stay as they are
    "vgg19": ("conv5_1", "conv5_2", "conv5_3", "conv5_4", HEAD),
    "alexnet": ("conv3", "conv4", "conv5", "fc6", "fc7", HEAD),
}
EMA_STEPS = 100  # about so many steps are averaged
# Share of all steps. The head was fitted to features without dropout, so the first losses under dropout are large.
WARM_UP = 0.1
SAVE_EVERY = 20.0  # seconds of training between two checkpoints
HEAD_LR_FACTOR = 3.0  # the last layer, fitted by the probe, learns faster than the pre-trained layers


@dataclass(frozen=True)
class TrainConfig:
    """What one training depends on; `depth` is "all" layers, the "top" ones or the "head".

    `val_views` counts the views that validation averages.
    """

    lr: float = 1e-5
    batch_size: int = 16
    optimizer: str = "AdamW"
    num_epochs: int = 3
    depth: str = "all"
    weight_decay: float = 0.01
    momentum: float = 0.9
    val_views: int = 1
    seed: int = 42


@dataclass
class FitResult:
    """History rows (one per epoch), and the best epoch's trained weights as a deep copy."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_value(self) -> float:
        """The best validation ROC AUC so far."""
        return self.history[self.best_epoch - 1]["val_auc"]


def choose_depth(depth: str, device: torch.device, network: str) -> str:
    """Return the depth; "auto" means all layers, except for VGG-19 on a CPU: the top ones."""
    if depth not in ("auto", "all", "top", "head"):
        raise ValueError(f"depth {depth!r}: choose auto, all, top or head")
    costly = device.type == "cpu" and network == "vgg19"
    return ("top" if costly else "all") if depth == "auto" else depth


def trained_layers(network: str, depth: str) -> tuple[str, ...]:
    """Return the names of the layers that a depth trains, from the lowest up."""
    every = (*(name for name in LAYERS[network] if name.startswith("conv")), "fc6", "fc7", HEAD)
    return {"all": every, "top": TOP[network], "head": (HEAD,)}[depth]


def prepare(model: Classifier, depth: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the frozen part below the lowest trained layer and the rest, in which only the trained layers learn."""
    names = trained_layers(model.network, depth)
    model.requires_grad_(False)
    for name in names:
        model.module_of(name).requires_grad_(True)
    lower, upper = model.split(names[0])
    return lower.eval(), upper


def head_of(module: nn.Module) -> nn.Module:
    """Return the layer HEAD of a classifier; of the part of one that `prepare` returns, the last module."""
    return module.module_of(HEAD) if isinstance(module, Classifier) else module[-1]


def build_optimizer(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimiser of the trained parameters; those of the head learn HEAD_LR_FACTOR times faster."""
    free = [p for p in module.parameters() if p.requires_grad]
    head = [p for p in head_of(module).parameters() if p.requires_grad]
    rest = [p for p in free if all(p is not q for q in head)]
    groups = [{"params": head, "lr": config.lr * HEAD_LR_FACTOR}, {"params": rest, "lr": config.lr}]
    groups = [group for group in groups if group["params"]]
    kinds = {
        "AdamW": lambda: torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True),
        "SGD": lambda: torch.optim.SGD(groups, momentum=config.momentum, weight_decay=config.weight_decay, fused=True),
    }
    if config.optimizer not in kinds:
        raise ValueError(f"optimizer {config.optimizer!r}: choose {' or '.join(kinds)}")
    return kinds[config.optimizer]()


def warmup_cosine(step: int, steps: int) -> float:
    """Return the factor of the learning rate: it rises over the first WARM_UP of the steps and falls along a cosine."""
    return min(1.0, (step + 1) / (WARM_UP * steps)) * float(0.5 * (1 + np.cos(np.pi * min(step / steps, 1))))


@dataclass
class Learner:
    """What changes from step to step: `free` are the module's trained parameters, `means` their running means."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    free: list[nn.Parameter]
    means: list[Tensor]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": trained_state(self.module),
            "means": [mean.cpu() for mean in self.means],
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.module.load_state_dict(saved["model"], strict=False)
        for mean, value in zip(self.means, saved["means"], strict=True):
            mean.copy_(value)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])


def build_learner(module: nn.Module, config: TrainConfig, steps: int) -> Learner:
    """Return the learner of a module, which is on its device already, before the first of `steps` steps."""
    optimizer = build_optimizer(module, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, steps))
    free = [p for p in module.parameters() if p.requires_grad]
    return Learner(module, optimizer, schedule, free, [p.detach().clone() for p in free])


def fit(
    module: nn.Module,
    train_set: Any,
    val_set: Any,
    config: TrainConfig,
    device: torch.device,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
    patience: int = 0,
) -> FitResult:
    """Train `module` and leave it with the weights of the epoch of best validation ROC AUC.

    Running means of the weights, over about EMA_STEPS steps, are validated and kept: they lie nearer the middle of a
    good region than the last step does (Izmailov et al. 2018, "Averaging weights leads to wider optima").

    Args:
        module: gives logits (N, 2); only parameters that require gradients are trained.
        checkpoint: written after the last epoch and, at least SAVE_EVERY seconds apart, after others. A run with the
            same config continues from it and reports its epochs again; a damaged one is set aside.
        on_epoch: called with each epoch's row; an exception that it raises (a pruned trial) ends the training.
        on_batch: called after each batch with the number of pictures in it.
        patience: stop after this many epochs in a row without a better one; 0 trains all epochs.

    Raises:
        FloatingPointError: if loss or logits are not finite; the message says what to lower.
    """
    module.to(device, memory_format=torch.channels_last)
    parallel = in_parallel(module)
    learner = build_learner(module, config, -(-len(train_set) // config.batch_size) * config.num_epochs)
    result, saved_at = _resume(learner, config, checkpoint), time.monotonic()
    for row in result.history:
        if on_epoch:
            on_epoch(row)
    while not should_stop(result, config, patience):
        epoch = len(result.history) + 1
        loss = _train_epoch(learner, parallel, train_set, config, epoch, device, on_batch)
        with swapped_parameters(learner.free, learner.means):
            row = {"epoch": epoch, "train_loss": loss, **evaluate(module, val_set, device, config.val_views)}
            result.history.append(row)
            if epoch == 1 or row["val_auc"] > result.best_value:
                result.best_epoch, result.best_state = epoch, trained_state(module)
        due = should_stop(result, config, patience) or time.monotonic() - saved_at >= SAVE_EVERY
        if checkpoint and due and rank() == 0:
            save_torch(checkpoint, {"config": asdict(config), "live": learner.state(), "result": vars(result)})
            saved_at = time.monotonic()
        if on_epoch:
            on_epoch(row)
    module.load_state_dict(result.best_state, strict=False)
    return result


def should_stop(result: FitResult, config: TrainConfig, patience: int) -> bool:
    """Return whether all epochs are trained, or `patience` of them in a row were no better than the best."""
    done = len(result.history)
    return done >= config.num_epochs or 0 < patience <= done - result.best_epoch


@contextmanager
def swapped_parameters(parameters: list[nn.Parameter], values: list[Tensor]) -> Iterator[None]:
    """Give parameters other values while the block runs."""
    original = [parameter.data for parameter in parameters]
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        yield
    finally:
        for parameter, value in zip(parameters, original, strict=True):
            parameter.data = value


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy, on the CPU, of the parameters that are trained, by name."""
    return {name: p.detach().to("cpu", copy=True) for name, p in module.named_parameters() if p.requires_grad}


def _resume(learner: Learner, config: TrainConfig, checkpoint: Path | None) -> FitResult:
    saved = None
    if checkpoint and checkpoint.is_file() and rank() == 0:
        saved = _load_checkpoint(checkpoint)
    saved = broadcast_object(saved)  # the first process's file counts, whatever the other machines hold
    if saved is None or saved["config"] != asdict(config):
        return FitResult()
    learner.load(saved["live"])
    return FitResult(**saved["result"])


def _load_checkpoint(path: Path) -> dict[str, Any] | None:
    try:
        saved = load_torch(path, "delete it to train from the start")
        return {name: saved[name] for name in ("config", "live", "result")}
    except MALFORMED:
        set_aside(path)
        return None


def _train_epoch(
    learner: Learner,
    parallel: nn.Module,
    dataset: Any,
    config: TrainConfig,
    epoch: int,
    device: torch.device,
    on_batch: Any,
) -> float:
    """Return the mean training loss of one epoch; `parallel` is the learner's module in all processes together."""
    seed = config.seed * 1000 + epoch
    torch.manual_seed(seed + 10**9 * rank())  # dropout draws differ; the order of the paintings does not
    dataset = in_view(dataset, epoch - 1)
    parallel.train()
    total = torch.zeros((), device=device)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed)).tolist()
    batches = [order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size)]
    classes = class_weights(dataset.targets).to(device)
    # All processes take part in each backward pass: one without a share computes a picture that counts for nothing.
    loader = _load(dataset, [share_of(batch) or batch[:1] for batch in batches], device)
    for batch, (inputs, targets) in zip(batches, loader, strict=True):
        learner.optimizer.zero_grad(set_to_none=True)
        with autocast(device):
            logits = parallel(inputs)
        loss = cross_entropy(logits.float(), targets, classes, reduction="sum") * bool(share_of(batch))
        (loss / len(batch) * world_size()).backward()  # of which the mean over the processes is taken
        total += loss.detach()
        learner.optimizer.step()
        learner.schedule.step()
        steps = learner.schedule.last_epoch  # at first a mean over many steps would still be near the start
        average = get_ema_multi_avg_fn(min(1 - 1 / EMA_STEPS, steps / (steps + 9)))
        average(learner.means, [p.detach() for p in learner.free], steps)
        if on_batch:
            on_batch(len(batch))
    if world_size() > 1:
        dist.all_reduce(total)
    mean = float(total) / len(dataset)
    if not np.isfinite(mean):
        raise FloatingPointError(f"training loss is {mean} in epoch {epoch}; lower lr (now {config.lr:g})")
    return mean


def in_view(dataset: Any, view: int) -> Any:
    """Return a data set in one of its views; a sample draws its paintings anew for each."""
    if hasattr(dataset, "draw"):
        return dataset.draw(view)
    dataset.view = view
    return dataset


def class_weights(targets: Sequence[int]) -> Tensor:
    """Return the weight (2,) of a painting of each class in the loss, so that both classes count alike.

    Otherwise the proportions of the collection would enter every later judgement, also that of a repainted photo.
    """
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=np.asarray(targets))
    return torch.from_numpy(weights.astype(np.float32))


def _load(dataset: Any, shares: list[list[int]], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets of each share, which may be empty."""
    workers = 0 if device.type == "cpu" else min(8, torch.get_num_threads())
    options = {"batch_sampler": shares, "collate_fn": _collate, "num_workers": workers, "pin_memory": workers > 0}
    for inputs, targets in DataLoader(dataset, **options):
        inputs = inputs.to(device, non_blocking=True)
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        yield inputs, targets.to(device, non_blocking=True)


def _collate(items: list[tuple[Tensor, int]]) -> Any:
    return default_collate(items) if items else (torch.empty(0), torch.empty(0, dtype=torch.long))


def evaluate(module: nn.Module, dataset: Any, device: torch.device, views: int = 1) -> dict[str, float]:
    """Return loss, ROC AUC with its standard error, and accuracy at 0.5 on a validation set.

    Raises:
        FloatingPointError: if the logits are not finite, after an update that was too large.
    """
    logits = predict(module, dataset, device, views)
    if not np.isfinite(logits).all():
        raise FloatingPointError("validation logits are not finite; lower lr")
    targets = np.asarray(dataset.targets)
    loss = cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets), class_weights(targets))
    score = logits[:, 1] - logits[:, 0]
    return {
        "val_loss": float(loss),
        "val_auc": float(roc_auc_score(targets, score)),
        "val_auc_se": auc_standard_error(targets, score),
        "val_accuracy": float(((score > 0) == targets).mean()),
    }


@torch.inference_mode()
def predict(module: nn.Module, dataset: Any, device: torch.device, views: int = 1, batch_size: int = 32) -> np.ndarray:
    """Return logits (N, 2) as float32, averaged over the first `views` views; the training mode is restored."""
    was_training = module.training
    module.to(device).eval()
    positions = list(range(len(dataset)))
    batches = [positions[start : start + batch_size] for start in positions[::batch_size]]
    total = []
    for view in range(views):
        dataset.view, parts = view, []
        for inputs, targets in _load(dataset, [share_of(batch) for batch in batches], device):
            if len(targets):
                with autocast(device):  # around the module alone: pictures are resampled in float32
                    parts.append(module(inputs).float().cpu())
        total.append(gather_outputs(torch.cat(parts) if parts else torch.empty(0), batches))
    module.train(was_training)
    return torch.stack(total).mean(0).numpy()
