"""The style transfer's speed beside the usual listing's: per step, and until the picture is as good.

Convention: both sides get the same images, weights, device and threads, in one run; seconds are per image and step.
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ..device import fast_dtype, pick_device, steady_memory, synchronize
from ..images import load_image
from ..models.extractor import build_extractor
from ..models.layers import CONTENT_LAYER, LAYERS, STYLE_LAYERS, TITLES
from ..models.weights import load_backbone
from ..style.convolutions import first_stride, prepare
from ..style.engine import Inputs, StyleParams, build_objective, stylize
from ..style.losses import content_loss
from ..style.optimize import StyleRun, stepper
from .timing import count_flops, matmul_peak, time_steps

CLASSIC = StyleParams(content_weight=0.089, style_weight=8.79e6, tv_weight=0.0, scaling="classic", frame=0)
BATCH = 4
SMALLEST = 24  # pixels of the shorter side of a coarse level: both networks halve it four times


def listing_step(
    content_image: Tensor, style_image: Tensor, network: str = "vgg19"
) -> tuple[Callable[[], None], Tensor]:
    """Return one step of the usual tutorial listing, and the image that it changes.

    Whole trunk with trainable weights, one image, contiguous float32; targets once, Adam with lr 0.02. It has the
    normalisation and the untouched taps that many copies lack, so that its pictures are right and its speed is usual.
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
    """Return one step of this project's engine; without style it is the floor, trunk and content loss alone."""
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

    def floor(image: Tensor) -> dict[str, Tensor]:
        loss = content_loss(features(image)[params.content_layer], target)
        return dict.fromkeys(("total", "content", "style", "tv"), loss)

    return stepper(run, floor)


def compare_speed(
    sizes: Sequence[int] = (256,),
    repeats: int = 5,
    device: str = "auto",
    networks: Sequence[str] = ("vgg19", "alexnet"),
) -> pd.DataFrame:
    """Return the time of a step for the listing, the engine in float32, in its fast precision, batched, and the floor.

    Columns: network, size, variant, seconds (median per image), low and high (quartiles), gflop (10⁹ operations of
    convolutions and matrix products per image), speed_up (over the listing), floors (seconds over the floor's).
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
                # The listing gets the allocator that users of it have. On CUDA the engine's first steps are single ones
                # and the next is captured: warm up past both.
                with nullcontext() if variant == "listing" else steady_memory(where):
                    seconds = time_steps(build(), where, warmup=5 if where.type == "cuda" else 2, repeats=repeats)
                low, median, high = np.quantile(seconds / share, (0.25, 0.5, 0.75))
                rows.append((network, size, variant, median, low, high, gflop))
    frame = pd.DataFrame(rows, columns=["network", "size", "variant", "seconds", "low", "high", "gflop"])
    per_size = frame.groupby(["network", "size"]).seconds
    return frame.assign(
        speed_up=per_size.transform("first") / frame.seconds, floors=frame.seconds / per_size.transform("last")
    )


def _variants(
    content: Tensor, style: Tensor, extractor: nn.Module, fast: str
) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return variant -> function that builds its step; the listing first, the floor last."""
    fast = fast.removeprefix("torch.")
    batch = content.repeat(BATCH, 1, 1, 1)
    return {
        "listing": lambda: listing_step(content, style, extractor.network)[0],
        "float32": lambda: engine_step(content, style, extractor, "float32"),
        fast: lambda: engine_step(content, style, extractor, fast),
        f"{fast}, batch of {BATCH}": lambda: engine_step(batch, style, extractor, fast),
        f"{fast}, no style": lambda: engine_step(content, style, extractor, fast, style=False),
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
    """Return the listing's own loss over time, for the listing and for the engine, judged in float32 by one function.

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

    step, image = listing_step(content_image, style_image, network)
    clock.update(started=perf_counter(), judging=0.0)  # the engine's preparations count, the listing's do not
    for number in range(1, steps + 1):
        step()
        if number % every == 0:
            note("listing", number, image.detach())
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
    """Return the seconds the listing took, those the engine took to a loss no worse, and their ratio (NaN if never)."""
    listing = curve[curve.variant == "listing"].iloc[-1]
    engine = curve[(curve.variant == "engine") & (curve.loss <= listing.loss)]
    seconds = float(engine.seconds.min()) if len(engine) else float("nan")
    return pd.Series({"listing": listing.seconds, "engine": seconds, "ratio": listing.seconds / seconds})


def describe_ceiling(table: pd.DataFrame, peaks: dict[str, float]) -> str:
    """Return one sentence per network and size: the engine's step if it ran at the peak of a large matrix product.

    Args:
        peaks: precision -> operations per second; the last one that `table` has a variant of counts.
    """
    sentences = []
    for (network, size), rows in table.groupby(["network", "size"], sort=False):
        rows = rows.set_index("variant")
        fast = next(name for name in reversed(peaks) if name in rows.index)
        step, listing, peak = rows.loc[fast], rows.loc["listing"], peaks[fast]
        best, reached = step.gflop * 1e9 / peak, listing.gflop * 1e9 / listing.seconds
        sentences.append(
            f"{TITLES[network]} at {size} px: {step.gflop:.1f} GFLOP at the {peak / 1e12:.2f} TFLOP/s of a {fast} "
            f"matrix product take {best:.2g} s, {listing.seconds / best:.1f} times as fast as the listing; measured "
            f"are {step.speed_up:.1f} times. "
            f"The listing's {listing.gflop:.1f} GFLOP run at {reached / 1e12:.2f} TFLOP/s."
        )
    return "\n".join(sentences)


def main(argv: list[str] | None = None) -> None:
    """Print the table of speeds, what the device could do at best, and, with --quality, the time to equal quality."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.benchmarks.style", description=main.__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--networks", nargs="+", default=["vgg19", "alexnet"], choices=("vgg19", "alexnet"))
    parser.add_argument("--quality", nargs=2, metavar=("PHOTO", "PAINTING"), help="also run the listing's 200 steps")
    parser.add_argument("--quality-size", type=int, default=512, help="longer side of the photo in pixels (512)")
    args = parser.parse_args(argv)
    device = pick_device(args.device)
    if args.sizes:
        table = compare_speed(args.sizes, args.repeats, args.device, args.networks)
        print(table.to_string(index=False, float_format="%.4f"))
        peaks = {str(t).removeprefix("torch."): matmul_peak(device, t) for t in (torch.float32, fast_dtype(device))}
        print(describe_ceiling(table, peaks))
    if args.quality:
        images = (load_image(path, args.quality_size).to(device) for path in args.quality)
        curve = compare_quality(*images, args.networks[0])
        print(curve.to_string(index=False, float_format="%.4g"))
        print(time_to_quality(curve).to_string(float_format="%.4g"))


if __name__ == "__main__":
    main()
