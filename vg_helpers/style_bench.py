"""The style transfer's speed beside the usual listing's: per step, and until the picture is as good.

Convention: both sides get the same images, weights, device and threads, in one run; seconds are per image and step.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from .bench import time_steps
from .device import fast_dtype, pick_device, synchronize
from .models import CONTENT_LAYER, LAYERS, STYLE_LAYERS, build_extractor, load_backbone
from .style import StyleParams, build_objective, content_loss, prepare, stylize
from .style_images import add_frame
from .style_run import Run, stepper

CLASSIC = StyleParams(content_weight=0.089, style_weight=8.79e6, tv_weight=0.0, scaling="classic", frame=0)
BATCH = 4


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
    params = StyleParams(content_layer=CONTENT_LAYER[network], style_layers=STYLE_LAYERS[network])
    features = prepare(extractor, content_image.device, precision)
    run = Run(params, len(content_image), content_image.device)
    run.enter(0, content_image.clone, content_image.shape[2:])
    if style:
        return stepper(
            run, build_objective(add_frame(content_image, StyleParams.frame), [style_image], features, params)
        )
    with torch.no_grad():
        target = features(add_frame(content_image, StyleParams.frame))[params.content_layer] * 0.5

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

    Columns: network, size, variant, seconds (median per image), low and high (quartiles), speed_up (over the listing).
    """
    where, rows = pick_device(device), []
    fast = str(fast_dtype(where)).removeprefix("torch.")
    for network in networks:
        extractor = build_extractor(network)
        for size in sizes:
            content, style = torch.rand(2, 1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(where)
            variants = {
                "listing": lambda c=content, s=style, n=network: listing_step(c, s, n)[0],
                "float32": lambda c=content, s=style, e=extractor: engine_step(c, s, e, "float32"),
                fast: lambda c=content, s=style, e=extractor: engine_step(c, s, e),
                f"{fast}, batch of {BATCH}": lambda c=content, s=style, e=extractor: engine_step(
                    c.repeat(BATCH, 1, 1, 1), s, e
                ),
                f"{fast}, no style": lambda c=content, s=style, e=extractor: engine_step(c, s, e, style=False),
            }
            for variant, build in variants.items():
                # On CUDA the engine's first steps are single ones and the next is captured: warm up past both.
                seconds = time_steps(build(), where, warmup=5 if where.type == "cuda" else 2, repeats=repeats)
                low, median, high = np.quantile(seconds / (BATCH if "batch" in variant else 1), (0.25, 0.5, 0.75))
                rows.append((network, size, variant, median, low, high))
    frame = pd.DataFrame(rows, columns=["network", "size", "variant", "seconds", "low", "high"])
    listing = frame[frame.variant == "listing"].set_index(["network", "size"]).seconds
    return frame.assign(
        speed_up=listing.loc[list(zip(frame.network, frame["size"], strict=True))].values / frame.seconds
    )


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
        params: the engine's; None is L-BFGS from the recoloured photo, in half as many steps as the listing.
    """
    device = content_image.device
    layers = {"content_layer": CONTENT_LAYER[network], "style_layers": STYLE_LAYERS[network]}
    params = params or replace(CLASSIC, optimizer="lbfgs", lr=1.0, num_steps=steps // 2, start="style")
    extractor = build_extractor(network)
    judge = build_objective(content_image, [style_image], extractor.to(device), replace(CLASSIC, **layers))
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

    clock.update(started=perf_counter(), judging=0.0)
    step, image = listing_step(content_image, style_image, network)
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
        every=every,
    )
    return pd.DataFrame(curve, columns=["variant", "step", "seconds", "loss"])


def time_to_quality(curve: pd.DataFrame) -> pd.Series:
    """Return the seconds the listing took, those the engine took to a loss no worse, and their ratio (NaN if never)."""
    listing = curve[curve.variant == "listing"].iloc[-1]
    engine = curve[(curve.variant == "engine") & (curve.loss <= listing.loss)]
    seconds = float(engine.seconds.min()) if len(engine) else float("nan")
    return pd.Series({"listing": listing.seconds, "engine": seconds, "ratio": listing.seconds / seconds})


def main(argv: list[str] | None = None) -> None:
    """Print the table of speeds."""
    parser = argparse.ArgumentParser(prog="python -m vg_helpers.style_bench", description=main.__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--networks", nargs="+", default=["vgg19", "alexnet"], choices=("vgg19", "alexnet"))
    args = parser.parse_args(argv)
    table = compare_speed(args.sizes, args.repeats, args.device, args.networks)
    print(table.to_string(index=False, float_format="%.4f"))


if __name__ == "__main__":
    main()
