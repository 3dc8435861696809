"""One visit: a painting in the making, which can be stopped and continued, and the variants painted before.

Convention: a worker thread paints; `on_change` is called in it after each change. Pictures are (1, 3, H, W) tensors in
[0, 1]. Nothing is written to disk. The states are READY, PREPARING (before the first step), PAINTING, STOPPED,
FINISHED and FAILED.
"""

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ..commands import paint as command
from ..commands.entry import sentence
from ..device import pick_device
from ..images import load_mask, png_bytes
from ..style.checks import TooSmall
from ..style.convolutions import FrozenExtractor, prepare
from ..style.engine import Inputs, StyleParams, params_for, stylize
from ..style.pixels import keep_luminance_only, resize
from .pictures import ensure
from .recipe import AUTO, Recipe

READY, PREPARING, PAINTING = "ready", "preparing", "painting"
STOPPED, FINISHED, FAILED = "stopped", "finished", "failed"
FRAME_SECONDS = 0.25  # between two pictures that are shown
POINTS = 15  # judgements during a painting, or fewer
JUDGES_SHARE = 0.25  # of the time until the next judgement that one may take
MOST_VARIANTS = 24  # that a visit keeps


@dataclass(eq=False)  # each painting is itself: tensors have no single answer to ==
class Variant:
    """A painting: its recipe, the picture so far without opacity and colours, and how it came about.

    `total` counts the steps of the whole painting; `beliefs` holds (step, P(van_gogh)) for each judge by name, `losses`
    (step, loss).
    """

    recipe: Recipe
    photo: Tensor
    painting: Tensor
    total: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    beliefs: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    metadata: Callable[[Recipe], dict[str, str]] = lambda recipe: {}

    def picture(self) -> Tensor:
        """Return the painting with the recipe's colours and opacity."""
        return finished_picture(self.photo, self.painting, self.recipe)

    def png(self) -> bytes:
        """Return the file that the recipe's command writes."""
        return png_bytes(self.picture(), self.metadata(self.recipe))


def finished_picture(photo: Tensor, painting: Tensor, recipe: Recipe) -> Tensor:
    """Return a painting with the recipe's colours and opacity."""
    painting = keep_luminance_only(painting, photo) if recipe.keep_colors else painting
    return command.cover(photo, painting, recipe.opacity)


class Cancelled(Exception):
    """Another painting begins, so this one ends."""


@cache
def open_network(name: str) -> tuple[nn.Module, FrozenExtractor]:
    """Return the extractor with the best weights there are, and the same one ready to paint."""
    extractor = command.build_extractor(name, weights="auto")
    return extractor, prepare(extractor, pick_device(), StyleParams().precision)


class Session:
    """What happens on one page. `judge(picture)` returns P(van_gogh) by the name of each judge there is."""

    def __init__(
        self,
        on_change: Callable[[], None] = lambda: None,
        judge: Callable[[Tensor], dict[str, float]] | None = None,
        network: Callable[[str], tuple[nn.Module, FrozenExtractor]] = open_network,
    ) -> None:
        self.on_change, self.judge, self.network = on_change, judge, network
        self.state, self.problem = READY, ""
        self.step, self.total, self.seconds_left = 0, 0, None
        self.current: Variant | None = None
        self.variants: list[Variant] = []
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()
        self._go, self._cancelled = threading.Event(), threading.Event()

    def paint(self, recipe: Recipe) -> None:
        """Begin a painting; one that is still in the making ends, and stays among the variants if it had begun."""
        self.close()
        self._go, self._cancelled = threading.Event(), threading.Event()
        self._go.set()
        self.state, self.problem, self.current, self.step, self.seconds_left = PREPARING, "", None, 0, None
        self._worker = threading.Thread(target=self._work, args=(replace(recipe, stop_at=None),), daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Stop after the step that is being taken."""
        self._go.clear()

    def resume(self) -> None:
        """Continue a painting that was stopped."""
        self._go.set()

    def close(self) -> None:
        """End a painting that is still in the making, and wait for its last step."""
        self._cancelled.set()
        self._go.set()
        if self._worker is not None and self._worker is not threading.current_thread():
            self._worker.join()

    def wait(self, seconds: float | None = None) -> str:
        """Return the state after the worker's end, or after so many seconds."""
        if self._worker is not None:
            self._worker.join(seconds)
        return self.state

    def blend(self, opacity: float, keep_colors: bool) -> None:
        """Change opacity and colours of the current painting, which needs no painting."""
        if self.current is not None:
            self.change(self.current, opacity=opacity, keep_colors=keep_colors)
            self.on_change()

    def change(self, variant: Variant, **fields: Any) -> None:
        """Change fields of a variant's recipe; worker and page may do so at once."""
        with self._lock:
            variant.recipe = replace(variant.recipe, **fields)

    def forget_problem(self) -> None:
        """Be ready again after a failure."""
        if self.state == FAILED:
            self.problem = ""
            self._set(READY)

    def show(self, variant: Variant) -> None:
        """Bring an earlier variant back; one that is being painted ends."""
        self.close()
        self.current, self.state, self.problem = variant, FINISHED, ""
        self.step, self.total, self.seconds_left = variant.losses[-1][0], variant.total, 0.0
        self.on_change()

    def _work(self, recipe: Recipe) -> None:
        try:
            self._paint(recipe)
            self._set(FINISHED)
        except Cancelled:
            pass
        except (Exception, SystemExit) as error:  # shown, whatever it is: a thread has nobody else to tell
            self.problem = sentence(_named(error, recipe))
            self._set(FAILED)
        finally:
            variant = self.current
            if variant is not None and variant.losses and variant not in self.variants:
                self.variants = [*self.variants, variant][-MOST_VARIANTS:]
                self.on_change()

    def _set(self, state: str) -> None:
        self.state = state
        self.on_change()

    def _paint(self, recipe: Recipe) -> None:
        """Paint what the command with the recipe's options would paint."""
        self._set(PREPARING)
        args = recipe.options()
        command.check_options(args)
        ensure(recipe.style)
        extractor, network = self.network(recipe.extractor)
        device = next(network.parameters()).device
        content, style = command.load_photo(args, recipe.photo).to(device), command.load_style(args, recipe.style)
        style, levels = style.to(device), command.coarse_levels(content, style)
        base = StyleParams(**params_for(extractor.weights, recipe.loss))
        masks = None if recipe.protect is None else [1 - protection(recipe, content)]
        params = command.plan(args, levels, base)
        sources = recipe.sources()

        def metadata(final: Recipe) -> dict[str, str]:
            options = final.options()
            return command.describe(options, command.plan(options, levels, base), sources, extractor)

        self.current = Variant(recipe, content, content, metadata=metadata)
        watch = Watch(self, params, Inputs(content, [style], [1.0], masks))
        options = {"masks": masks, "network": network, "blend": [1.0]}
        stylize(content, [style], extractor, params, on_step=watch.on_step, every=1, **options)


class Watch:
    """What happens between the steps of one painting: pictures, judgements, waiting."""

    def __init__(self, session: Session, params: StyleParams, inputs: Inputs) -> None:
        self.session, self.variant = session, session.current
        levels = [*params.coarse, (1.0, params.num_steps)]
        self.levels = [inputs.scaled(fraction) for fraction, _ in levels]
        self.costs = [fraction**2 for fraction, steps in levels for _ in range(steps)]
        session.total = session.current.total = len(self.costs)
        self.judge_every = max(1, session.total // POINTS)
        self.began, self.shown = time.perf_counter(), 0.0
        self.next_judgement = 0.0

    def on_step(self, step: int, losses: dict[str, Tensor], image: Tensor) -> None:
        """Take note of a step; wait here while the painting is stopped."""
        session, variant = self.session, self.variant
        if session._cancelled.is_set():
            raise Cancelled
        variant.losses.append((step, losses["total"].item()))
        variant.painting = enlarged(image, self.levels)
        last = step == session.total
        session.change(variant, stop_at=None if last else step)
        session.step, session.state = step, PAINTING
        session.seconds_left = self._seconds_left(step)
        is_due = step % self.judge_every == 0 and time.perf_counter() >= self.next_judgement
        if step == 1 or last or is_due:
            self._judge(step)
        if last or step == 1 or time.perf_counter() - self.shown >= FRAME_SECONDS:
            session.on_change()
            self.shown = time.perf_counter()
        if not session._go.is_set() and not last:
            self._wait(step)

    def _wait(self, step: int) -> None:
        stopped = time.perf_counter()
        if self._last_judged() != step:
            self._judge(step)
        self.session._set(STOPPED)
        self.session._go.wait()
        if self.session._cancelled.is_set():
            raise Cancelled
        self.began += time.perf_counter() - stopped
        self.session._set(PAINTING)

    def _judge(self, step: int) -> None:
        began = time.perf_counter()
        if self.session.judge is not None:
            for name, p in self.session.judge(self.variant.painting).items():
                self.variant.beliefs.setdefault(name, []).append((step, p))
        self.next_judgement = began + (time.perf_counter() - began) / JUDGES_SHARE

    def _last_judged(self) -> int:
        return max((points[-1][0] for points in self.variant.beliefs.values()), default=0)

    def _seconds_left(self, step: int) -> float | None:
        """Return the seconds that the steps left will take, judged by those taken; None after the first one."""
        if step < 2:
            return None
        return (time.perf_counter() - self.began) * sum(self.costs[step:]) / sum(self.costs[:step])


def enlarged(image: Tensor, levels: list[Inputs]) -> Tensor:
    """Return the image at the size of the last level, enlarged as a painting is that gets no more steps."""
    place = [level.content.shape[2:] for level in levels].index(image.shape[2:])
    for level in levels[place + 1 :]:
        image, reach = resize(image, tuple(level.content.shape[2:])), level.reach()
        image = image if reach is None else torch.lerp(level.content, image, reach.expand_as(image))
    return image


def protection(recipe: Recipe, content: Tensor) -> Tensor:
    """Return the mask (1, 1, H, W) of what stays of the photo."""
    if recipe.protect == AUTO:
        return command.load_protection(AUTO, content)
    return load_mask(recipe.protect, tuple(content.shape[2:])).to(content.device)


def _named(error: BaseException, recipe: Recipe) -> BaseException:
    """Return the error with the name of the picture that is too small, or the words that argparse refused."""
    if isinstance(error, SystemExit):
        return ValueError(f"run.py paint does not understand {shlex.join(recipe.words())}: choose other settings")
    if not isinstance(error, TooSmall):
        return error
    return error.named(recipe.photo, recipe.style)
