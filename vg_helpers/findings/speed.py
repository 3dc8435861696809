"""Sentences of 05 that depend on its results.

Convention: speed-ups are Estimates of "times as fast"; the first row of a table of style-transfer speeds is the
baseline, its last row the lower bound.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from ..intervals import Estimate
from ..plots.look import name_of

NO_GPU = "Only the CPU was timed: torch finds no GPU, or the parameter device is set to cpu."


def nvidia_smi(output: str | None) -> str:
    """Return what the program `nvidia-smi` printed; None if it is not installed."""
    return (
        f"Output of `nvidia-smi`:\n\n```\n{output.strip()}\n```"
        if output
        else "`nvidia-smi` is not available on this machine."
    )


def fast_precision(gain: Estimate, dtype: str) -> str:
    """Return how much the CPU's fast precision helps; `gain` is over float32."""
    if dtype == "float32":
        return "This CPU has no instructions for a shorter number format, so everything runs in float32 on it."
    verdict = Estimate(*(value - 1 for value in gain)).choose(
        f"{dtype} makes a step faster", f"{dtype} makes no clear difference to a step", f"{dtype} makes a step slower"
    )
    return f"On the CPU, {verdict}: it is {gain:.1f} times as fast as in float32."


def gpu_against_cpu(names: Mapping[str, str], float32: Estimate | None, fast: Estimate | None) -> str:
    """Return how many times as fast the GPU is.

    Args:
        names: of the chips, "cpu" and "gpu".
        float32, fast: GPU over CPU, both in float32, and each in its fast precision; None without a GPU.
    """
    if float32 is None or fast is None:
        return f"{NO_GPU} Run this notebook on a machine with a GPU to complete the comparison."
    return (
        f"{names['gpu']} is {float32:.1f} times as fast as {names['cpu']} in float32, and {fast:.1f} times with the "
        "fast precision of each."
    )


def share_of_peak(shares: Sequence[float]) -> str:
    """Return what share of the device's best the training steps reach, by setting."""
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    reached = low if low == high else f"{low} to {high}"
    return f"The steps reach {reached} of the operations per second of a large matrix product on the same device."


def lower_bound(speeds: pd.DataFrame, variant: str, winograd: bool) -> str:
    """Return how far a variant is from the network without a style loss.

    Args:
        speeds: columns variant and seconds.
        winograd: whether its convolutions use Winograd's algorithm.
    """
    seconds = speeds.set_index("variant")["seconds"]
    ratio = seconds[variant] / seconds.iloc[-1]
    sentence = f"A step of the engine in {variant} takes {ratio:.2f} times as long as the network without a style loss."
    saved = " Its wide 3 × 3 convolutions use Winograd's algorithm, which needs a quarter of the multiplications."
    return sentence + (saved if winograd else "")


def ceiling(speeds: pd.DataFrame, peaks: Mapping[str, float]) -> str:
    """Return one sentence per network and size: how fast the engine's step would be at the device's best.

    Args:
        speeds: columns network, size, variant, seconds, gflop and speed_up.
        peaks: operations per second of a large matrix product by precision; the last one that was timed counts.
    """
    sentences = []
    for (network, size), rows in speeds.groupby(["network", "size"], sort=False):
        baseline, variants = rows.iloc[0], rows.set_index("variant")
        fast = next(name for name in reversed(peaks) if name in variants.index)
        step, peak = variants.loc[fast], peaks[fast]
        best, reached = step.gflop * 1e9 / peak, baseline.gflop * 1e9 / baseline.seconds
        sentences.append(
            f"{name_of(network)} at {size} pixels: a step needs {step.gflop:.1f} GFLOP. At the {peak / 1e12:.2f} "
            f"TFLOP/s of a large matrix product in {fast} it would take {best:.2g} s and be "
            f"{baseline.seconds / best:.1f} times as fast as the baseline; measured: {step.speed_up:.1f} times. "
            f"The baseline's {baseline.gflop:.1f} GFLOP run at {reached / 1e12:.2f} TFLOP/s."
        )
    return "\n".join(sentences)


def race(num_steps: int, baseline: float, engine: float) -> str:
    """Return which part of the time the engine needs to the quality that the baseline ends with.

    Args:
        num_steps: of the baseline.
        baseline: its seconds.
        engine: seconds until the loss is no higher; NaN if that never happened.
    """
    if engine != engine:
        return f"The engine does not reach the loss that the baseline has after {num_steps} steps and {baseline:.3g} s"
    return (
        f"The engine needs {engine:.3g} s for the loss that the baseline reaches after {num_steps} steps and "
        f"{baseline:.3g} s: 1/{baseline / engine:.1f} of the time"
    )


def left_out(style_repeats: int, quality_steps: int) -> str:
    """Return which comparisons of the style transfer this run left out; "" if none."""
    parts = [
        name
        for name, count in (("its steps", style_repeats), ("the race to equal quality", quality_steps))
        if not count
    ]
    return f"Style transfer: this run left out {' and '.join(parts)}." if parts else ""


def other_machine(name: str, torch: str, date: str, steps: pd.DataFrame, paintings: Sequence[Mapping]) -> str:
    """Return what was measured on a machine that is not this one.

    Args:
        torch: its version.
        date: of the measurement.
        steps: columns size, variant, ms, speed_up and share_of_peak. The fastest of each size counts that has a share
            and is no batch.
        paintings: network, photos, steps and seconds of each network; may be empty.
    """
    single = steps[steps.share_of_peak.notna() & ~steps.variant.str.contains("batch")]
    best = single.sort_values("speed_up").drop_duplicates("size", keep="last").sort_values("size")
    parts = [
        f"{row.ms:.2g} ms at {row.size} pixels, {row.speed_up:.1f} times as fast as the baseline and "
        f"{row.share_of_peak:.0%} of the best"
        for row in best.itertuples(index=False)
    ]
    sentence = (
        f"Not on this machine but on one with {name} and torch {torch}, a step takes {'; '.join(parts)} ({date})."
    )
    if not paintings:
        return sentence
    count, num_steps = paintings[0]["photos"], paintings[0]["steps"]
    networks, seconds = " and ".join(name_of(row["network"]) for row in paintings), sum(r["seconds"] for r in paintings)
    return f"{sentence} There {networks} painted {count} photos each, in {num_steps} steps, in {seconds:.0f} s in all."
