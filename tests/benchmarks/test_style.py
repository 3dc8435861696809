"""The benchmark of the style transfer: its tables on numbers by hand, its steps on real networks."""

import pandas as pd
import pytest
from stand_ins import noise

from vg_helpers.benchmarks.style import compare_quality, compare_speed, time_to_quality


def test_time_to_quality_ends_when_the_loss_is_as_low():
    curve = pd.DataFrame(
        [("baseline", 1, 10.0, 9.0), ("baseline", 2, 20.0, 4.0), ("engine", 1, 1.0, 5.0), ("engine", 2, 2.5, 3.9)],
        columns=["variant", "step", "seconds", "loss"],
    )
    assert time_to_quality(curve)["ratio"] == pytest.approx(20 / 2.5)
    assert time_to_quality(curve[:3]).isna()["engine"]


@pytest.mark.real
@pytest.mark.slow
def test_the_baseline_minimises_the_engines_classic_loss():
    content, style = noise(1, height=64, width=64), noise(2, height=64, width=64)
    curve = compare_quality(content, style, "alexnet", steps=20, every=5)
    ends = curve.groupby("variant").loss.agg(["first", "last"])
    assert (ends["last"] < ends["first"]).all() and len(ends) == 2


@pytest.mark.real
@pytest.mark.slow
def test_every_variant_is_timed_and_its_operations_counted():
    table = compare_speed([256], repeats=1, device="cpu", networks=["alexnet"])
    gflop = dict(zip(table.variant, table.gflop, strict=True))
    assert (table.seconds > 0).all() and table.speed_up[0] == 1 and table.times_lower_bound.iloc[-1] == 1
    baseline, exact, single, batch, bound = gflop.values()
    assert baseline > exact >= single == pytest.approx(batch) and single > bound  # bfloat16 may take fewer products
