"""The form of `paint` with --out-dir: many photos in many styles, a contact sheet and a page to compare them.

Convention: what is wrong with one picture is said and does not stop the others; what is wrong with the folder, the
options or the disk ends the command.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..files import expand_home, file_sha256, fingerprint, printable
from ..images import ImageError
from ..style.batch import (
    PAGE,
    SHEET,
    Job,
    Problems,
    check_folder,
    find_keys,
    groups,
    list_jobs,
    list_pictures,
    remove_leftovers,
)
from ..style.checks import TooSmall, free_memory, needed_memory
from ..style.convolutions import FrozenExtractor, prepare
from ..style.engine import StyleParams, params_for, stylize
from ..style.output import Format, save_picture
from ..style.page import write_page, write_sheet
from .paint import (
    BYTES_PER_PIXEL,
    COARSE,
    COARSE_SHORTER,
    coarse_levels,
    cover,
    describe,
    load_photo,
    load_protection,
    load_style,
    load_style_masks,
    plan,
    too_small,
)
from .shards import read_shard

TOGETHER = 8  # pictures of one size on a GPU; a CPU gains nothing from more than one at a time
STATE = ".unfinished"  # the folder of checkpoints in the output folder
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
NOTHING = "there is nothing to paint: name photos and paintings that can be read"
DECISIVE = ["size", "enlarge", "extractor", "strength", "opacity", "keep_colors", "steps", "stop_at", "seed", "dpi"]
DECISIVE += ["bits", "loss", "style_scale"]


def paint_all(
    args: argparse.Namespace, device: torch.device, open_extractor: Callable[[argparse.Namespace], nn.Module]
) -> int:
    """Paint each photo in each style that is not finished; return 1 if something was wrong with a picture, else 0.

    A shard returns 0 then, too: another code would make torchrun end the other processes, and a scheduler start this
    one again. The last run without --shard returns 1.
    """
    problems = Problems(lambda sentence: tqdm.write(f"skipped: {sentence}", file=sys.stderr))
    photos, styles = list_pictures(args.photos, problems), list_pictures(args.style, problems)
    layout = Format(args.dpi, args.bits)
    layout.check(Path(f"picture{args.format}"))
    jobs = list_jobs(photos, styles, args.out_dir, args.format, args.pair)
    shard = read_shard(args.shard)
    if not jobs:
        raise ValueError(NOTHING)
    if args.style_mask is not None and len(styles) != 1:
        raise ValueError("--style-mask is the mask of one painting; name one with --style, not a folder of several")
    room = args.size**2 * (BYTES_PER_PIXEL + 3 * len(jobs))
    places = [*args.photos, *args.style]
    existing = check_folder(args.out_dir, jobs, places, room, args.overwrite)
    extractor = open_extractor(args)
    base = StyleParams(**params_for(extractor.weights, args.loss))
    mine = [job for position, job in enumerate(jobs) if shard.takes(position)]
    keys = find_keys(mine, _settings(args, base, extractor), problems)
    if not keys and shard.count == 1:
        raise ValueError(NOTHING)
    finished = {job for job, key in keys.items() if existing.get(job.file) == key}
    if changed := [job for job in keys if job not in finished and existing.get(job.file)]:
        what = f"{len(changed)} finished picture{'s' * (len(changed) > 1)}"
        print(f"Note: painting {what} of other settings or photos again, which replaces them", file=sys.stderr)
    painter = Painter(args, extractor, prepare(extractor, device, base.precision), base, layout, problems)
    with tqdm(total=len(keys), initial=len(finished), desc="Painting", file=sys.stderr, bar_format=BAR) as bar:
        for group in groups(list(keys), TOGETHER if device.type != "cpu" else 1):
            if not finished.issuperset(group):
                painter.paint(group, keys, finished, bar)
    if shard.count > 1:  # the same command without --shard makes the page, once all are painted
        print(f"Painted {len(finished)} of {len(mine)} into {printable(str(args.out_dir))} ({shard.name})")
        return 0
    _tidy(args.out_dir, [PAGE, SHEET, *(job.file.name for job in jobs)])
    _show(args.out_dir, [job for job in keys if job in finished], problems, len(jobs))
    return 1 if problems.sentences else 0


def _settings(args: argparse.Namespace, base: StyleParams, extractor: nn.Module) -> list[object]:
    """Return everything that decides the pictures besides photo and style."""
    mask = args.protect if args.protect in (None, "auto") else file_sha256(expand_home(args.protect))
    options = {name: getattr(args, name) for name in DECISIVE}
    style_mask = args.style_mask and file_sha256(args.style_mask[0])
    return [
        options,
        mask,
        style_mask,
        asdict(base),
        extractor.weights.sha256,
        extractor.weights.source,
        COARSE,
        COARSE_SHORTER,
    ]


class Painter:
    """What all pictures share: options, network and the last style."""

    def __init__(
        self,
        args: argparse.Namespace,
        extractor: nn.Module,
        network: FrozenExtractor,
        base: StyleParams,
        layout: Format,
        problems: Problems,
    ) -> None:
        self.args, self.extractor, self.network, self.base = args, extractor, network, base
        self.layout, self.problems = layout, problems
        self.device = next(network.parameters()).device
        self.style: tuple[Path, Tensor] | None = None

    def paint(self, group: Sequence[Job], keys: dict[Job, str], finished: set[Job], bar: tqdm) -> None:
        """Paint the jobs of one style, write those that are not finished, and add them to `finished`."""
        if group[0].style in self.problems.sentences:
            bar.update(len(set(group) - finished))
            return
        alike: dict[tuple[int, ...], list[tuple[Job, Tensor]]] = {}
        for job in group:
            try:
                photo = load_photo(self.args, job.photo)
                alike.setdefault(tuple(photo.shape), []).append((job, photo))
            except ImageError as error:
                self.problems.add(job.photo, error)
                bar.update(1)
        for pairs in alike.values():  # several only if EXIF turns some of them
            for part in self._fitting(pairs):
                self._paint_part(part, keys, finished, bar)

    def _fitting(self, pairs: list[tuple[Job, Tensor]]) -> list[list[tuple[Job, Tensor]]]:
        """Return the pairs in one part, or one by one if memory does not suffice for all."""
        whole = torch.cat([photo for _, photo in pairs]).to(self.device)
        if self.args.low_memory or needed_memory(self.network, whole) > free_memory(self.device):
            return [[pair] for pair in pairs]
        return [pairs]

    def _paint_part(self, part: list[tuple[Job, Tensor]], keys: dict[Job, str], finished: set[Job], bar: tqdm) -> None:
        """Paint photos of one size in one style; if that fails for several together, one by one."""
        jobs, before, done = [job for job, _ in part], bar.n, len(finished)
        new = [job for job in jobs if job not in finished]
        if not new:
            return
        try:
            self._write(part, keys, finished, bar)
        except ImageError as error:
            self.problems.add(error.path, error)
        except ValueError as error:  # too small, too large, or no longer finite: a matter of this photo and this style
            if len(part) > 1:
                bar.update(before - bar.n)
                for pair in part:
                    self._paint_part([pair], keys, finished, bar)
                return
            self.problems.add(jobs[0].file, error)
        bar.update(before + len(new) - bar.n)
        bar.set_postfix_str(f"{done + len(new)} pictures", refresh=True)

    def _write(self, part: list[tuple[Job, Tensor]], keys: dict[Job, str], finished: set[Job], bar: tqdm) -> None:
        jobs, content = [job for job, _ in part], torch.cat([photo for _, photo in part]).to(self.device)
        style = self._load_style(jobs[0].style)
        params = plan(self.args, coarse_levels(content, style), self.base)
        masks = None if self.args.protect is None else [1 - load_protection(self.args.protect, content[:1])]
        if masks and len(part) > 1 and self.args.protect == "auto":
            masks = [torch.cat([1 - load_protection("auto", photo[None]) for photo in content])]
        total, new = params.num_steps + sum(steps for _, steps in params.coarse), set(jobs) - finished
        start = bar.n

        def show(step: int, losses: dict[str, Tensor], image: Tensor) -> None:
            bar.update(start + len(new) * step / total - bar.n)

        checkpoint = self.args.out_dir / STATE / f"{fingerprint([keys[job] for job in jobs])}.checkpoint"
        options = {"on_step": show, "every": 5, "checkpoint": checkpoint, "keep_checkpoint": True}
        try:
            options |= {"masks": masks, "style_masks": load_style_masks(self.args, [style])}
            result = stylize(content, style, self.extractor, params, network=self.network, **options)
        except TooSmall as error:
            raise ValueError(too_small(self._named(jobs[0]), error, [content, style])) from error
        for number, job in enumerate(jobs):
            if job in new:
                about = self._named(job)
                sources = {"photo": file_sha256(job.photo), "styles": [file_sha256(job.style)]}
                settings = describe(about, params, sources, self.extractor) | {"Key": keys[job]}
                one = slice(number, number + 1)
                picture = cover(content[one], result.image[one], self.args.opacity)
                save_picture(job.file, picture, settings, self.layout)
                finished.add(job)
        checkpoint.unlink(missing_ok=True)

    def _named(self, job: Job) -> argparse.Namespace:
        """Return the options as if they had named this photo and style alone."""
        return argparse.Namespace(**vars(self.args) | {"photo": job.photo, "style": [job.style], "blend": [None]})

    def _load_style(self, path: Path) -> Tensor:
        if self.style is None or self.style[0] != path:
            self.style = path, load_style(self.args, path).to(self.device)
        return self.style[1]


def _tidy(folder: Path, names: Sequence[str]) -> None:
    """Remove the checkpoints of other settings and what killed runs left half written."""
    remove_leftovers(folder, names)
    state = folder / STATE
    for path in [*state.glob("*.checkpoint"), *state.glob(".*.part*"), *state.glob("*.damaged")]:
        path.unlink(missing_ok=True)
    if state.is_dir() and not any(state.iterdir()):
        state.rmdir()


def _show(folder: Path, jobs: Sequence[Job], problems: Problems, wanted: int) -> None:
    """Write contact sheet and page, and say where they are and what is missing."""
    if jobs:
        write_sheet(folder, jobs)
        write_page(folder, jobs)
        print(f"Painted {len(jobs)} of {wanted} into {printable(str(folder))}; {PAGE} compares them with their photos")
    if problems.sentences:
        count = len(problems.sentences)
        print(f"{count} problem{'s' * (count > 1)}, each named above", file=sys.stderr)
