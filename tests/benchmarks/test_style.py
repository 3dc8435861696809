"""The benchmark of the style transfer: its tables on numbers by hand, its steps on real networks."""

import pandas as pd
import pytest
from stand_ins import noise

from vg_helpers.benchmarks.style import compare_quality, compare_speed, describe_ceiling, time_to_quality


def test_time_to_quality_is_when_the_engine_is_as_good_as_the_listing_in_the_end():
    curve = pd.DataFrame(
        [("listing", 1, 10.0, 9.0), ("listing", 2, 20.0, 4.0), ("engine", 1, 1.0, 5.0), ("engine", 2, 2.5, 3.9)],
        columns=["variant", "step", "seconds", "loss"],
    )
    assert time_to_quality(curve)["ratio"] == pytest.approx(20 / 2.5)
    assert time_to_quality(curve[:3]).isna()["engine"]


@pytest.mark.real
@pytest.mark.slow
def test_the_listing_minimises_the_engines_classic_loss():
    content, style = noise(1, height=64, width=64), noise(2, height=64, width=64)
    curve = compare_quality(content, style, "alexnet", steps=20, every=5)
    ends = curve.groupby("variant").loss.agg(["first", "last"])
    assert (ends["last"] < ends["first"]).all() and len(ends) == 2


def test_the_ceiling_is_the_engines_operations_at_the_peak():
    table = pd.DataFrame(
        [("vgg19", 256, "listing", 2.0, 300.0, 1.0), ("vgg19", 256, "bfloat16", 0.5, 200.0, 4.0)],
        columns=["network", "size", "variant", "seconds", "gflop", "speed_up"],
    )
    sentence = describe_ceiling(table, {"float32": 1e11, "bfloat16": 1e12})
    assert "200.0 GFLOP at the 1.00 TFLOP/s" in sentence and "take 0.2 s, 10.0 times" in sentence
    assert "measured are 4.0 times" in sentence and "run at 0.15 TFLOP/s" in sentence


@pytest.mark.real
@pytest.mark.slow
def test_every_variant_is_timed_and_its_operations_counted():
    table = compare_speed([256], repeats=1, device="cpu", networks=["alexnet"])
    gflop = dict(zip(table.variant, table.gflop, strict=True))
    assert (table.seconds > 0).all() and table.speed_up[0] == 1 and table.floors.iloc[-1] == 1
    listing, exact, single, batch, floor = gflop.values()
    assert listing > exact >= single == pytest.approx(batch) and single > floor  # bfloat16 may take fewer products
