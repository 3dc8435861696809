"""The optimisation loop of the style transfer: what a run holds, its steps, checkpoints and early stops.

Convention: nothing in a step waits for the device; losses are looked at every CHECK_EVERY steps. Pairs of a batch do
not touch each other.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..device import steady_memory
from ..files import save_torch
from .pixels import add_frame, cut_frame, resize

TERMS = ("total", "content", "style", "tv")
CHECK_EVERY = 10
PATIENCE = 20  # steps over which a plateau is judged
EPS = 1e-8  # Adam's
MASKED_EPS = 1e-2  # the same under masks: pixels that hardly anything pulls stay where they are
RANGE_PENALTY = 100.0  # L-BFGS: pull towards [0, 1], in place of clamping, which would spoil its curvature
GRAPH_AFTER = 3  # eager steps before CUDA captures the step
Objective = Callable[[Tensor], dict[str, Tensor]]
OnStep = Callable[[int, dict[str, Tensor], Tensor], None]


class NonFiniteLoss(ValueError):
    """The loss became infinite or NaN; `step` says when, `image` is the last good one."""

    def __init__(self, step: int, image: Tensor) -> None:
        super().__init__(
            f"the loss is no longer finite at step {step}: lower lr or the weights (the last good image is kept)"
        )
        self.step, self.image = step, image


@dataclass(frozen=True)
class Watch:
    on_step: OnStep | None
    every: int
    checkpoint: Path | None
    checkpoint_every: int

    def of(self, pair: int) -> dict[str, object]:
        path = self.checkpoint and self.checkpoint.with_name(f"{self.checkpoint.stem}_{pair}{self.checkpoint.suffix}")
        return vars(self) | {"checkpoint": path}


class Run:
    """The state of one optimisation: all that a checkpoint has to hold. `params` are StyleParams."""

    def __init__(self, params: Any, count: int, device: torch.device, masked: bool = False) -> None:
        self.params, self.started = params, time.perf_counter()
        self.eps = MASKED_EPS if masked else EPS
        self.level, self.step, self.elapsed, self.identity = 0, 0, 0.0, ""
        self.image: Tensor | None = None
        self.size: tuple[int, int] | None = None  # of the image without its frame
        self.optimizer: torch.optim.Optimizer | None = None
        self.unit: Tensor | None = None  # (N, 1, 1, 1), size of the first gradient
        self.log: list[Tensor] = []  # one (4, N) tensor per step, on the device
        self.heights: list[int] = []  # image height at each step
        self.best = torch.full((count,), float("inf"), device=device)
        self.kept: Tensor | None = None  # the best image (L-BFGS), or the last good one, or the plateau's (Adam)
        self.stopped = torch.zeros(count, dtype=torch.long, device=device)  # step of the plateau, 0 while still going
        self.finished, self.checked = False, 0

    def enter(self, level: int, start: Callable[[], Tensor], size: tuple[int, int]) -> None:
        """Begin a level: from the start image, from the coarser result, or where the checkpoint left off.

        The image that is optimised has a frame around the `size` that results have.
        """
        coarser = self.size
        if self.image is None or level > self.level:
            image = add_frame(start() if self.image is None else resize(self.result(), size), self.params.frame)
            self.step = 0
        else:
            image = self.image.detach()
        momentum = None if self.optimizer is None else self.optimizer.state_dict()
        self.level, self.size = level, tuple(size)
        self.image = image.detach().clone(memory_format=torch.channels_last).requires_grad_()
        self.optimizer = self._build_optimizer()
        if momentum is not None and (self.step > 0 or self.params.optimizer == "adam"):
            self._carry_over(momentum, coarser)
        if self.step == 0:
            self.best.fill_(float("inf"))
            self.kept = self.image.detach().clone()

    def _build_optimizer(self) -> torch.optim.Optimizer:
        if self.params.optimizer == "lbfgs":
            options = {"max_iter": 1, "history_size": 20, "tolerance_grad": 0.0, "tolerance_change": 0.0}
            return torch.optim.LBFGS([self.image], lr=self.params.lr, **options)
        return torch.optim.Adam(
            [self.image], lr=self.params.lr, eps=self.eps, capturable=self.image.device.type == "cuda"
        )

    def _carry_over(self, saved: dict, coarser: tuple[int, int] | None) -> None:
        """Take the optimiser's state along, Adam's moments enlarged from a coarser level."""
        for state in saved["state"].values() if self.step == 0 else ():
            for name in ("exp_avg", "exp_avg_sq"):
                moment = cut_frame(state[name], coarser)
                state[name] = add_frame(
                    F.interpolate(moment, self.size, mode="bilinear", align_corners=False), self.params.frame
                )
        self.optimizer.load_state_dict(saved)

    def check(self, judge_plateau: bool) -> None:
        """Stop with the last good image if a loss is not finite; note which pairs are on their plateau."""
        recent = torch.stack(self.log[self.checked :])[:, 0]
        good = recent.isfinite().all(1)
        if not good.all():
            raise NonFiniteLoss(self.checked + int(good.int().argmin()) + 1, self.result(kept=True))
        if not self.image.isfinite().all():
            raise NonFiniteLoss(len(self.log), self.result(kept=True))
        self.checked = len(self.log)
        if judge_plateau and self.params.plateau > 0 and self.step >= PATIENCE:
            before, now = torch.stack(self.log[-PATIENCE:])[:, 0].unflatten(0, (2, -1)).mean(1)
            flat = (before - now < self.params.plateau * before) & (self.stopped == 0)
            self.stopped[flat] = len(self.log)
            self._keep(flat)
            self.finished = bool((self.stopped > 0).all())
        if self.params.optimizer == "adam":
            self._keep(self.stopped == 0)

    def _keep(self, pairs: Tensor) -> None:
        if self.params.optimizer == "adam":
            self.kept[pairs] = self.image.detach()[pairs]

    def result(self, kept: bool = False) -> Tensor:
        """Return the best image seen (L-BFGS), or the last one of each pair (Adam), within [0, 1]."""
        image = self.kept
        if not kept and self.params.optimizer == "adam":
            image = torch.where((self.stopped == 0).view(-1, 1, 1, 1), self.image.detach(), self.kept)
        return cut_frame(image, self.size).clamp(0, 1).contiguous()

    def losses_now(self) -> dict[str, Tensor]:
        return dict(zip(TERMS, self.log[-1].cpu(), strict=True))

    def steps_per_pair(self) -> tuple[int, ...]:
        return tuple(steps or len(self.log) for steps in self.stopped.tolist())

    def frame(self) -> pd.DataFrame:
        rows = []
        for pair, steps in enumerate(self.steps_per_pair()):
            values = torch.stack(self.log[:steps])[:, :, pair].cpu() if steps else torch.empty(0, len(TERMS))
            frame = pd.DataFrame(values.numpy(), columns=list(TERMS))
            rows.append(frame.assign(pair=pair, step=range(1, steps + 1), height=self.heights[:steps]))
        return pd.concat(rows, ignore_index=True)[["pair", "step", "height", *TERMS]]

    SAVED = ("identity", "level", "step", "size", "elapsed", "heights", "image", "unit", "best", "kept", "stopped")

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name) for name in self.SAVED}
        state["elapsed"] = self.elapsed + time.perf_counter() - self.started
        save_torch(path, state | {"log": torch.stack(self.log), "optimizer": self.optimizer.state_dict()})

    def load(self, path: Path, identity: str) -> None:
        """Continue from `path` if it is there."""
        self.identity = identity
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.best.device, weights_only=True)
        except Exception as error:
            raise ValueError(f"the checkpoint {path} cannot be read ({error}); delete it to start anew") from error
        if state["identity"] != identity:
            raise ValueError(
                f"the checkpoint {path} belongs to other images, settings or weights; delete it to start anew"
            )
        for name in self.SAVED:
            setattr(self, name, state[name])
        self.log, self.checked = list(state["log"]), len(state["log"])
        self.finished = bool((self.stopped > 0).all())
        self.optimizer = self._build_optimizer()
        self.optimizer.load_state_dict(state["optimizer"])


def optimise(run: Run, objective: Objective, steps: int, watch: Watch) -> None:
    """Take the run's steps at its present size; `steps` counts those of an earlier, interrupted session in."""
    advance = stepper(run, objective)
    full_size = run.level == len(run.params.coarse)
    with steady_memory(run.image.device):
        while run.step < steps and not run.finished:
            run.log.append(advance())
            run.heights.append(run.size[0])
            run.step += 1
            total, last = len(run.log), run.step == steps
            saving = watch.checkpoint is not None and total % watch.checkpoint_every == 0
            if total % CHECK_EVERY == 0 or last or saving:
                run.check(judge_plateau=full_size and total % CHECK_EVERY == 0)
            if saving:
                run.save(watch.checkpoint)
            if watch.on_step is not None and (total % watch.every == 0 or (last and full_size) or run.finished):
                watch.on_step(total, run.losses_now(), run.result())


def stepper(run: Run, objective: Objective) -> Callable[[], Tensor]:
    """Return the function that takes one step and returns its losses (4, N), in the order of TERMS.

    On CUDA, Adam's step is captured as one graph after a few single steps: one launch instead of hundreds.
    """
    step = _lbfgs_step if run.params.optimizer == "lbfgs" else _adam_step
    if run.image.device.type != "cuda" or step is _lbfgs_step:
        return lambda: step(run, objective)
    taken, graph, losses = 0, None, None

    def advance() -> Tensor:
        nonlocal taken, graph, losses
        taken += 1
        if taken <= GRAPH_AFTER:
            return step(run, objective)
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                losses = step(run, objective)
        graph.replay()
        return losses.clone()

    return advance


def _gradient(run: Run, objective: Objective) -> tuple[Tensor, dict[str, Tensor]]:
    """Set the image's gradient, in units of each pair's first gradient and of a pixel; return what it belongs to.

    The unit makes Adam's eps a share of the first gradient's root mean square, whatever the weights and the scaling.
    """
    losses = objective(run.image)
    pixels = run.image.shape[2] * run.image.shape[3]
    run.image.grad = None
    (losses["total"].sum() * pixels).backward()
    if run.unit is None:
        run.unit = run.image.grad.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-30)
    run.image.grad /= run.unit
    return (losses["total"].detach() * pixels / run.unit.flatten()).sum(), {k: v.detach() for k, v in losses.items()}


def _adam_step(run: Run, objective: Objective) -> Tensor:
    _, losses = _gradient(run, objective)
    run.optimizer.step()
    with torch.no_grad():
        run.image.clamp_(0, 1)
    return torch.stack([losses[name] for name in TERMS])


def _lbfgs_step(run: Run, objective: Objective) -> Tensor:
    seen = []

    def closure() -> Tensor:
        value, losses = _gradient(run, objective)
        better = losses["total"] < run.best
        run.best = torch.where(better, losses["total"], run.best)
        run.kept = torch.where(better.view(-1, 1, 1, 1), run.image.detach(), run.kept)
        seen.append(torch.stack([losses[name] for name in TERMS]))
        outside = run.image.detach() - run.image.detach().clamp(0, 1)
        run.image.grad = (run.image.grad + RANGE_PENALTY * outside).contiguous()  # torch's L-BFGS views it flat
        return value + 0.5 * RANGE_PENALTY * outside.square().sum()

    run.optimizer.step(closure)
    return seen[0]
