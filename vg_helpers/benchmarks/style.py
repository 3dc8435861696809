"""The speed of the style transfer beside a typical tutorial's (the baseline): per step, and until it is as good.

Convention: both sides get the same images, weights, device and threads, in one run; seconds are per image and step.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ..commands.entry import run
from ..device import fast_dtype, pick_device, steady_memory, synchronize
from ..findings import speed as findings
from ..images import load_image
from ..models.extractor import build_extractor
from ..models.layers import CONTENT_LAYER, LAYERS, STYLE_LAYERS
from ..models.weights import load_backbone
from ..style.convolutions import first_stride, prepare
from ..style.engine import Inputs, StyleParams, build_objective, stylize
from ..style.losses import content_loss
from ..style.optimize import StyleRun, stepper
from .timing import count_flops, matmul_peak, time_steps

CLASSIC = StyleParams(content_weight=0.089, style_weight=8.79e6, tv_weight=0.0, scaling="classic", frame=0)
BATCH = 4
SMALLEST = 24  # pixels of the shorter side of a coarse level: both networks halve it four times


def baseline_step(
    content_image: Tensor, style_image: Tensor, network: str = "vgg19"
) -> tuple[Callable[[], None], Tensor]:
    """Return one step as tutorials write it, and the image that it changes.

    The whole trunk with trainable weights, one image, contiguous float32; targets computed once, Adam with lr 0.02. It
    normalises its input and takes features before in-place ReLUs change them, which many copies forget: its pictures
    are right and its speed is typical.
    """
    trunk = load_backbone(network)[0].features.to(content_image.device).requires_grad_(True)
    mean = content_image.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = content_image.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    style_indices = [LAYERS[network][name] for name in STYLE_LAYERS[network]]
    content_index = LAYERS[network][CONTENT_LAYER[network]]

    def get_features(image):
        x, features = (image - mean) / std, {}
        for index, layer in enumerate(trunk):
            x = layer(x)
            if index in (*style_indices, content_index):
                features[index] = x
        return features

    def gram(features):
        _, channels, height, width = features.shape
        rows = features.reshape(channels, height * width)
        return rows @ rows.t() / (channels * height * width)

    target = get_features(content_image)[content_index].detach()
    style_grams = {index: gram(f).detach() for index, f in get_features(style_image).items() if index in style_indices}
    image = content_image.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([image], lr=0.02)

    def step():
        features = get_features(image)
        content = torch.mean((features[content_index] - target) ** 2)
        style = sum(torch.mean((gram(features[i]) - style_grams[i]) ** 2) for i in style_indices) / len(style_indices)
        loss = CLASSIC.content_weight * content + CLASSIC.style_weight * style
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)

    return step, image


def engine_step(
    content_image: Tensor, style_image: Tensor, extractor: nn.Module, precision: str = "auto", style: bool = True
) -> Callable[[], Tensor]:
    """Return one step of this project's engine; without style it is the lower bound, trunk and content loss alone."""
    network = extractor.network
    frame = StyleParams.frame * first_stride(extractor)
    params = StyleParams(content_layer=CONTENT_LAYER[network], style_layers=STYLE_LAYERS[network], frame=frame)
    features = prepare(extractor, content_image.device, precision)
    inputs = Inputs(content_image, [style_image]).framed(frame)
    run = StyleRun(params, len(content_image), content_image.device)
    run.enter(0, content_image.clone, content_image)
    if style:
        return stepper(run, build_objective(inputs, features, params))
    with torch.no_grad():
        target = features(inputs.content)[params.content_layer] * 0.5

    def lower_bound(image: Tensor) -> dict[str, Tensor]:
        loss = content_loss(features(image)[params.content_layer], target)
        return dict.fromkeys(("total", "content", "style", "tv"), loss)

    return stepper(run, lower_bound)


def compare_speed(
    sizes: Sequence[int] = (256,),
    repeats: int = 5,
    device: str = "auto",
    networks: Sequence[str] = ("vgg19", "alexnet"),
) -> pd.DataFrame:
    """Return the time of a step: the baseline, the engine (float32, fast precision, batched) and the lower bound.

    Columns: network, size, variant, seconds (median per image), low and high (quartiles), gflop (10⁹ operations of
    convolutions and matrix products per image), speed_up (over the baseline), times_lower_bound (seconds over the
    lower bound's).
    """
    where, rows = pick_device(device), []
    for network in networks:
        extractor = build_extractor(network)
        for size in sizes:
            images = torch.rand(2, 1, 3, size, size, generator=torch.Generator().manual_seed(0))
            counted = _variants(*images, extractor, str(fast_dtype(where)))
            for variant, build in _variants(*images.to(where), extractor, str(fast_dtype(where))).items():
                share = BATCH if "batch" in variant else 1
                gflop = count_flops(counted[variant]()) / share / 1e9
                # The baseline keeps the allocator's defaults, as its users do. On CUDA the engine's first steps are
                # single ones and the next is captured: warm up past both.
                with nullcontext() if variant == "baseline" else steady_memory(where):
                    seconds = time_steps(build(), where, warmup=5 if where.type == "cuda" else 2, repeats=repeats)
                low, median, high = np.quantile(seconds / share, (0.25, 0.5, 0.75))
                rows.append((network, size, variant, median, low, high, gflop))
    frame = pd.DataFrame(rows, columns=["network", "size", "variant", "seconds", "low", "high", "gflop"])
    per_size = frame.groupby(["network", "size"]).seconds
    return frame.assign(
        speed_up=per_size.transform("first") / frame.seconds,
        times_lower_bound=frame.seconds / per_size.transform("last"),
    )


def _variants(
    content: Tensor, style: Tensor, extractor: nn.Module, fast: str
) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return variant -> function that builds its step; the baseline first, the lower bound last."""
    fast = fast.removeprefix("torch.")
    batch = content.repeat(BATCH, 1, 1, 1)
    return {
        "baseline": lambda: baseline_step(content, style, extractor.network)[0],
        "float32": lambda: engine_step(content, style, extractor, "float32"),
        fast: lambda: engine_step(content, style, extractor, fast),
        f"{fast}, batch of {BATCH}": lambda: engine_step(batch, style, extractor, fast),
        "lower bound": lambda: engine_step(content, style, extractor, fast, style=False),
    }


def compare_quality(
    content_image: Tensor,
    style_image: Tensor,
    network: str = "vgg19",
    *,
    steps: int = 200,
    every: int = 10,
    params: StyleParams | None = None,
) -> pd.DataFrame:
    """Return the baseline's loss over time, for the baseline and for the engine, computed in float32 by one function.

    Columns: variant, step, seconds (judging left out), loss.

    Args:
        params: the engine's; None is L-BFGS from the photo made of the painting's patches, coarse to fine.
    """
    device = content_image.device
    layers = {"content_layer": CONTENT_LAYER[network], "style_layers": STYLE_LAYERS[network]}
    coarse = [(0.25, max(1, steps * 3 // 10)), (0.5**0.5, max(1, steps // 20))]
    coarse = tuple(level for level in coarse if level[0] * min(content_image.shape[2:]) >= SMALLEST)
    params = params or replace(CLASSIC, optimizer="lbfgs", lr=1.0, coarse=coarse, num_steps=steps // 2, start="patches")
    extractor = build_extractor(network)
    judge = build_objective(Inputs(content_image, [style_image]), extractor.to(device), replace(CLASSIC, **layers))
    curve: list[tuple[str, int, float, float]] = []
    clock = {"started": perf_counter(), "judging": 0.0}

    def note(variant: str, step: int, image: Tensor) -> None:
        synchronize(device)
        now = perf_counter()
        if image.shape == content_image.shape:
            with torch.no_grad():
                loss = judge(image)["total"].item()
            curve.append((variant, step, now - clock["started"] - clock["judging"], loss))
        clock["judging"] += perf_counter() - now

    step, image = baseline_step(content_image, style_image, network)
    clock.update(started=perf_counter(), judging=0.0)  # the engine's preparations count, the baseline's do not
    for number in range(1, steps + 1):
        step()
        if number % every == 0:
            note("baseline", number, image.detach())
    clock.update(started=perf_counter(), judging=0.0)
    stylize(
        content_image,
        style_image,
        extractor,
        replace(params, **layers),
        on_step=lambda number, _, picture: note("engine", number, picture),
        every=max(1, every // 4),
    )
    return pd.DataFrame(curve, columns=["variant", "step", "seconds", "loss"])


def time_to_quality(curve: pd.DataFrame) -> pd.Series:
    """Return the seconds of the baseline, the engine's until its loss is no higher (NaN if never), and their ratio."""
    end = curve[curve.variant == "baseline"].iloc[-1]
    engine = curve[(curve.variant == "engine") & (curve.loss <= end.loss)]
    seconds = float(engine.seconds.min()) if len(engine) else float("nan")
    return pd.Series({"baseline": end.seconds, "engine": seconds, "ratio": end.seconds / seconds})


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m vg_helpers.benchmarks.style",
        description="Print the table of speeds, what the device could do at best, and, with --quality, the time to "
        "equal quality.",
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--networks", nargs="+", default=["vgg19", "alexnet"], choices=("vgg19", "alexnet"))
    parser.add_argument("--quality", nargs=2, metavar=("PHOTO", "PAINTING"), help="also run the baseline's 200 steps")
    parser.add_argument("--quality-size", type=int, default=512, help="longer side of the photo in pixels (512)")
    return parser


def work(options: argparse.Namespace) -> None:
    """Run the command."""
    device = pick_device(options.device)
    if options.sizes:
        table = compare_speed(options.sizes, options.repeats, options.device, options.networks)
        print(table.to_string(index=False, float_format="%.4f"))
        peaks = {str(t).removeprefix("torch."): matmul_peak(device, t) for t in (torch.float32, fast_dtype(device))}
        print(findings.ceiling(table, peaks))
    if options.quality:
        images = (load_image(path, options.quality_size).to(device) for path in options.quality)
        curve = compare_quality(*images, options.networks[0])
        print(curve.to_string(index=False, float_format="%.4g"))
        seconds = time_to_quality(curve)
        print(findings.race(curve[curve.variant == "baseline"].step.max(), seconds.baseline, seconds.engine))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run(build_parser(), work, arguments)


if __name__ == "__main__":
    sys.exit(main())
