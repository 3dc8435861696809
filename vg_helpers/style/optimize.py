"""The optimisation loop of the style transfer: the state of a run, its steps and its checkpoints.

Convention: no step waits for the device; losses are read every CHECK_EVERY steps. The pairs of a batch do not
influence each other.
"""

import logging
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
from ..files import MALFORMED, load_torch, save_torch, set_aside
from .pixels import add_frame, cut_frame, resize

TERMS = ("total", "content", "style", "tv")
CHECK_EVERY = 10
EPS = 1e-8  # Adam's
MASKED_EPS = 1e-2  # the same under masks: pixels with hardly any gradient stay as they are
RANGE_PENALTY = 100.0  # L-BFGS: pull towards [0, 1]; clamping would spoil its curvature
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
class Callbacks:
    """What happens during a run: `on_step` every `every` steps, a checkpoint every `checkpoint_every` steps."""

    on_step: OnStep | None = None
    every: int = 10
    checkpoint: Path | None = None
    checkpoint_every: int = 50

    def saves_at(self, step: int) -> bool:
        """Return whether a checkpoint is due after this step."""
        return self.checkpoint is not None and step % self.checkpoint_every == 0


class StyleRun:
    """The state of one optimisation: all that a checkpoint holds.

    `image` is the one that is optimised, with its frame; `size` is (H, W) without it. `unit` (N, 1, 1, 1) is the root
    mean square of each pair's first gradient, infinite for a pair without one. `seconds` were spent before the last
    interruption. `log` holds a (4, N) tensor of losses per step, on the device. `best_image` is the best one seen
    (L-BFGS) or the last one whose loss was checked (Adam).
    """

    SAVED = ("identity", "level", "step", "size", "seconds", "heights", "image", "unit", "best_loss", "best_image")

    def __init__(self, params: Any, count: int, device: torch.device, masked: bool = False) -> None:
        """Begin with `count` pairs; `params` are StyleParams."""
        self.params, self.device, self.eps = params, device, MASKED_EPS if masked else EPS
        self.started = time.perf_counter()
        self.level, self.step, self.seconds, self.identity = 0, 0, 0.0, ""
        self.image: Tensor | None = None
        self.size: tuple[int, int] | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        self.unit: Tensor | None = None
        self.coarser_unit: Tensor | None = None
        self.log: list[Tensor] = []
        self.heights: list[int] = []
        self.best_loss = torch.full((count,), float("inf"), device=device)
        self.best_image: Tensor | None = None

    def enter(self, level: int, start: Callable[[], Tensor], content: Tensor, reach: Tensor | None = None) -> None:
        """Begin a level: from the start image, from the coarser result, or where the checkpoint left off.

        Args:
            content: the photo at this level's size.
            reach: how far a style applies at each pixel, (N or 1, 1, H, W); None is everywhere. Elsewhere the photo
                itself is taken, for the coarser result is less sharp.
        """
        coarser, size = self.size, tuple(content.shape[2:])
        if self.image is None:
            image = add_frame(start(), self.params.frame)
        elif level > self.level:
            image = add_frame(self._enlarged(start, content, reach), self.params.frame)
            self.step, self.unit, self.coarser_unit = 0, None, self.unit
        else:
            image = self.image.detach()
        momentum = None if self.optimizer is None else self.optimizer.state_dict()
        self.level, self.size = level, size
        self.image = image.detach().clone(memory_format=torch.channels_last).requires_grad_()
        self.optimizer = self._build_optimizer()
        if momentum is not None and (self.step > 0 or self.params.optimizer == "adam"):
            self._carry_over(momentum, coarser)
        if self.step == 0:
            self.best_loss.fill_(float("inf"))
            self.best_image = self.image.detach().clone()

    def _enlarged(self, start: Callable[[], Tensor], content: Tensor, reach: Tensor | None) -> Tensor:
        """Return the coarser result at this level's size, and the start image for pairs without a gradient."""
        image = resize(self.result(), tuple(content.shape[2:]))
        if reach is not None:
            image = torch.lerp(content, image, reach.expand_as(image))
        if self.unit is not None and self.unit.isinf().any():
            image = torch.where(self.unit.isinf(), start(), image)
        return image

    def _build_optimizer(self) -> torch.optim.Optimizer:
        if self.params.optimizer == "lbfgs":
            options = {"max_iter": 1, "history_size": 20, "tolerance_grad": 0.0, "tolerance_change": 0.0}
            return torch.optim.LBFGS([self.image], lr=self.params.lr, **options)
        # torch's kernels for many tensors run on a fraction of the GPU if there is only one
        on_cuda = self.image.device.type == "cuda"
        return torch.optim.Adam([self.image], lr=self.params.lr, eps=self.eps, capturable=on_cuda, foreach=False)

    def _carry_over(self, saved: dict, coarser: tuple[int, int] | None) -> None:
        """Take the optimiser's state along, Adam's moments enlarged from a coarser level."""
        if self.step == 0:
            for state in saved["state"].values():
                for name in ("exp_avg", "exp_avg_sq"):
                    moment = cut_frame(state[name], coarser)
                    moment = F.interpolate(moment, self.size, mode="bilinear", align_corners=False)
                    state[name] = add_frame(moment, self.params.frame)
        self.optimizer.load_state_dict(saved)

    @property
    def pixels(self) -> int:
        """How many pixels the image has, its frame included."""
        return self.image.shape[2] * self.image.shape[3]

    def check(self) -> None:
        """Raise NonFiniteLoss, with the last good image, if a loss since the last check or the image is not finite."""
        recent = torch.stack(self.log[-CHECK_EVERY:])[:, 0]
        good = recent.isfinite().all(1)
        if not good.all():
            raise NonFiniteLoss(len(self.log) - len(recent) + int(good.int().argmin()) + 1, self._without_frame("best"))
        if not self.image.isfinite().all():
            raise NonFiniteLoss(len(self.log), self._without_frame("best"))
        if self.params.optimizer == "adam":
            self.best_image.copy_(self.image.detach())

    def result(self) -> Tensor:
        """Return the best image seen (L-BFGS), or the last one (Adam), within [0, 1]."""
        return self._without_frame("best" if self.params.optimizer == "lbfgs" else "last")

    def _without_frame(self, which: str) -> Tensor:
        image = self.best_image if which == "best" else self.image.detach()
        return cut_frame(image, self.size).clamp(0, 1).contiguous()

    def losses_now(self) -> dict[str, Tensor]:
        """Return the losses of the last step, (N,) each."""
        return dict(zip(TERMS, self.log[-1].cpu(), strict=True))

    def frame(self) -> pd.DataFrame:
        """Return one row per pair and step: pair, step, height and the losses."""
        steps, count = len(self.log), len(self.best_loss)
        losses = torch.stack(self.log).cpu() if self.log else torch.empty(0, len(TERMS), count)
        frames = [
            pd.DataFrame(losses[:, :, pair].numpy(), columns=list(TERMS)).assign(
                pair=pair, step=range(1, steps + 1), height=self.heights
            )
            for pair in range(count)
        ]
        return pd.concat(frames, ignore_index=True)[["pair", "step", "height", *TERMS]]

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        seconds = self.seconds + time.perf_counter() - self.started
        state = {name: getattr(self, name) for name in self.SAVED} | {"seconds": seconds}
        save_torch(path, state | {"log": torch.stack(self.log), "optimizer": self.optimizer.state_dict()})

    def load(self, path: Path, identity: str) -> None:
        """Continue from the checkpoint at `path`, if it is one of a run with the same identity."""
        self.identity = identity
        if not path.exists():
            return
        try:
            state = load_torch(path, "delete it to start anew")
            known = state["identity"]
        except MALFORMED:
            set_aside(path)
            return
        if known != identity:
            logging.getLogger(__name__).warning(
                "%s belongs to other images, settings or weights: the painting begins anew.", path
            )
            return
        for name in self.SAVED:
            value = state[name]
            setattr(self, name, value.to(self.device) if isinstance(value, Tensor) else value)
        self.log = list(state["log"].to(self.device))
        self.optimizer = self._build_optimizer()
        self.optimizer.load_state_dict(state["optimizer"])


def optimize(run: StyleRun, objective: Objective, steps: int, callbacks: Callbacks) -> None:
    """Take the run's steps at its present size, `steps` in all, those before an interruption included."""
    advance = stepper(run, objective)
    full_size = run.level == len(run.params.coarse)
    with steady_memory(run.image.device):
        while run.step < steps:
            run.log.append(advance())
            run.heights.append(run.size[0])
            run.step += 1
            total, last = len(run.log), run.step == steps
            if total % CHECK_EVERY == 0 or last or callbacks.saves_at(total):
                run.check()
            if callbacks.saves_at(total):
                run.save(callbacks.checkpoint)
            if callbacks.on_step is not None and (total % callbacks.every == 0 or (last and full_size)):
                callbacks.on_step(total, run.losses_now(), run.result())


def stepper(run: StyleRun, objective: Objective) -> Callable[[], Tensor]:
    """Return the function that takes one step and returns its losses (4, N), in the order of TERMS.

    On CUDA, Adam's step is captured as one graph after a few single steps: one launch instead of hundreds.
    """
    step = _lbfgs_step if run.params.optimizer == "lbfgs" else _adam_step
    if run.image.device.type != "cuda" or step is _lbfgs_step or not getattr(objective, "capturable", True):
        return lambda: step(run, objective)
    return _CapturedStep(run, objective)


class _CapturedStep:
    """Adam's step: single at first, then as a CUDA graph; single to the end if CUDA cannot capture it."""

    def __init__(self, run: StyleRun, objective: Objective) -> None:
        self.run, self.objective, self.taken = run, objective, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.losses: Tensor | None = None
        self.capturable = True

    def __call__(self) -> Tensor:
        """Take a step and return its losses (4, N)."""
        self.taken += 1
        if self.taken > GRAPH_AFTER and self.graph is None and self.capturable:
            self.capturable = self._capture()
        if self.graph is None:
            return _adam_step(self.run, self.objective)
        self.graph.replay()
        return self.losses.clone()

    def _capture(self) -> bool:
        """Return whether CUDA could capture the step."""
        try:
            graph = torch.cuda.CUDAGraph()
            # a capture that fails leaves its own stream behind: the outer context brings the present one back
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
                self.losses = _adam_step(self.run, self.objective)
        except RuntimeError as error:  # code that waits for the GPU, or too little memory for a second set of buffers
            self.run.image.grad, self.losses = None, None
            logging.getLogger(__name__).warning(
                "CUDA cannot capture this step as a graph (%s): the steps are taken one by one, more slowly.",
                str(error).strip().splitlines()[0],
            )
            return False
        self.graph = graph
        return True


def _gradient(run: StyleRun, objective: Objective) -> dict[str, Tensor]:
    """Set the image's gradient, in units of each pair's first gradient and of a pixel; return the losses.

    The unit makes Adam's eps a share of the first gradient's root mean square, whatever the weights and the scaling.
    A pair without a gradient, such as one that is masked everywhere, does not move; its next level tries again.
    """
    losses = objective(run.image)
    run.image.grad = None
    losses["total"].backward(torch.full_like(losses["total"], run.pixels))
    if run.unit is None:
        size, coarser = run.image.grad.square().mean((1, 2, 3), keepdim=True).sqrt(), run.coarser_unit
        size = size.masked_fill(size == 0, float("inf"))
        run.unit = size if coarser is None else torch.where(coarser.isinf(), size, coarser)
    run.image.grad /= run.unit
    return {name: loss.detach() for name, loss in losses.items()}


def _adam_step(run: StyleRun, objective: Objective) -> Tensor:
    losses = _gradient(run, objective)
    run.optimizer.step()
    with torch.no_grad():
        run.image.clamp_(0, 1)
    return torch.stack([losses[name] for name in TERMS])


def _lbfgs_step(run: StyleRun, objective: Objective) -> Tensor:
    first = []

    def closure() -> Tensor:
        losses = _gradient(run, objective)
        value = (losses["total"] * run.pixels / run.unit.flatten()).sum()
        better = losses["total"] < run.best_loss
        run.best_loss = torch.where(better, losses["total"], run.best_loss)
        run.best_image = torch.where(better.view(-1, 1, 1, 1), run.image.detach(), run.best_image)
        first.append(torch.stack([losses[name] for name in TERMS]))
        outside = run.image.detach() - run.image.detach().clamp(0, 1)
        run.image.grad = (run.image.grad + RANGE_PENALTY * outside).contiguous()  # torch's L-BFGS views it flat
        return value + 0.5 * RANGE_PENALTY * outside.square().sum()

    run.optimizer.step(closure)
    return first[0]
