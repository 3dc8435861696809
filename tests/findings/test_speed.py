"""Each sentence of 05 in each of its branches, with and without a GPU."""

import pandas as pd
import pytest

from vg_helpers.findings import speed as findings
from vg_helpers.intervals import Estimate

SPEEDS = pd.DataFrame(
    {
        "network": "vgg19",
        "size": 256,
        "variant": ["baseline", "float32", "bfloat16", "bfloat16, no style"],
        "seconds": [1.0, 0.5, 0.25, 0.2],
        "gflop": [100.0, 80.0, 80.0, 60.0],
        "speed_up": [1.0, 2.0, 4.0, 5.0],
    }
)


def test_nvidia_smi_is_quoted_or_missing():
    assert findings.nvidia_smi("\nTesla\n") == "Output of `nvidia-smi`:\n\n```\nTesla\n```"
    assert findings.nvidia_smi(None) == "`nvidia-smi` is not available on this machine."


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (Estimate(2.0, 1.5, 2.5), "makes a step faster: it is 2.0 [1.5, 2.5] times"),
        (Estimate(1.0, 0.8, 1.2), "makes no clear difference to a step: it is 1.0 [0.8, 1.2] times"),
        (Estimate(0.5, 0.4, 0.6), "makes a step slower: it is 0.5 [0.4, 0.6] times"),
    ],
)
def test_fast_precision_of_the_cpu(gain, verdict):
    assert findings.fast_precision(gain, "bfloat16") == f"On the CPU, bfloat16 {verdict} as fast as in float32."


def test_a_cpu_with_float32_alone():
    assert "no instructions for a shorter number format" in findings.fast_precision(Estimate(1, 1, 1), "float32")


def test_with_and_without_a_gpu():
    names = {"cpu": "Some CPU", "gpu": "Some GPU"}
    sentence = findings.gpu_against_cpu(names, Estimate(20, 19, 21), Estimate(30, 29, 31))
    assert sentence == (
        "Some GPU is 20.0 [19.0, 21.0] times as fast as Some CPU in float32, and 30.0 [29.0, 31.0] times with the fast "
        "precision of each."
    )
    alone = findings.gpu_against_cpu({"cpu": "Some CPU"}, None, None)
    assert alone.startswith(findings.NO_GPU) and "machine with a GPU" in alone


def test_share_of_peak_is_one_number_or_a_range():
    assert "reach 40% of" in findings.share_of_peak([0.4, 0.401])
    assert "reach 30% to 60% of" in findings.share_of_peak([0.6, 0.3, 0.4])


def test_lower_bound_says_when_multiplications_are_saved():
    sentence = findings.lower_bound(SPEEDS, "bfloat16", winograd=True)
    assert "bfloat16 takes 1.25 times as long" in sentence and "Winograd" in sentence
    assert "Winograd" not in findings.lower_bound(SPEEDS, "bfloat16", winograd=False)


def test_ceiling_by_hand():
    sentence = findings.ceiling(SPEEDS, {"float32": 1e12, "bfloat16": 0.8e12})
    assert sentence == (
        "VGG-19 at 256 pixels: a step needs 80.0 GFLOP. At the 0.80 TFLOP/s of a large matrix product in bfloat16 it "
        "would take 0.1 s and be 10.0 times as fast as the baseline; measured: 4.0 times. The baseline's 100.0 GFLOP "
        "run at 0.10 TFLOP/s."
    )
    only = SPEEDS[SPEEDS["variant"] != "bfloat16"]
    assert "in float32 it would take 0.08 s" in findings.ceiling(only, {"float32": 1e12, "bfloat16": 0.8e12})
    both = pd.concat([SPEEDS, SPEEDS.assign(network="alexnet")])
    assert [line.split()[0] for line in findings.ceiling(both, {"float32": 1e12}).splitlines()] == ["VGG-19", "AlexNet"]


def test_a_race_that_is_won_and_one_that_is_not():
    assert findings.race(200, 30.0, 3.0) == (
        "The engine needs 3 s for the loss that the baseline reaches after 200 steps and 30 s: 1/10.0 of the time"
    )
    assert findings.race(200, 30.0, float("nan")).startswith("The engine does not reach the loss")


@pytest.mark.parametrize(
    ("repeats", "steps", "expected"),
    [(3, 30, ""), (0, 30, "its steps."), (3, 0, "the race to equal quality."), (0, 0, "its steps and the race")],
)
def test_what_was_left_out(repeats, steps, expected):
    sentence = findings.left_out(repeats, steps)
    assert (sentence == "") == (expected == "") and expected in sentence


def test_figures_of_another_machine_say_whose_they_are():
    steps = pd.DataFrame(
        {
            "size": 512,
            "variant": ["baseline", "float32", "bfloat16", "bfloat16, batch of 4", "lower bound"],
            "ms": [8.0, 4.0, 1.6, 1.0, 1.2],
            "speed_up": [1.0, 2.0, 5.0, 8.0, 6.7],
            "share_of_peak": [float("nan"), 0.3, 0.32, 0.5, float("nan")],
        }
    )
    painted = [{"network": network, "photos": 20, "steps": 200, "seconds": 8.0} for network in ("vgg19", "alexnet")]
    alone = findings.other_machine("Some GPU", "2.11", "2026-11-26", steps, [])
    assert alone == (
        "Not on this machine but on one with Some GPU and torch 2.11, a step takes 1.6 ms at 512 pixels, 5.0 times as "
        "fast as the baseline and 32% of the best (2026-11-26)."
    )
    both = findings.other_machine("Some GPU", "2.11", "2026-11-26", steps, painted)
    assert both == alone + " There VGG-19 and AlexNet painted 20 photos each, in 200 steps, in 16 s in all."
