"""The figures of other machines: written by the command, read back, and those that the project brings along."""

import json

import numpy as np
import pandas as pd
import pytest

from vg_helpers.benchmarks import measured, timing


@pytest.fixture
def quick(monkeypatch):
    """Let nothing be timed: fixed numbers in place of the benchmarks."""
    steps = pd.DataFrame(
        {
            "network": "vgg19",
            "size": 512,
            "variant": ["baseline", "float32", "lower bound"],
            "seconds": [4.0, 0.5, 0.25],
            "gflop": [800.0, 400.0, 300.0],
            "speed_up": [1.0, 8.0, 16.0],
        }
    )
    monkeypatch.setattr(measured, "compare_speed", lambda *_: steps)
    monkeypatch.setattr(measured, "fast_dtype", lambda device: measured.torch.float32)
    monkeypatch.setattr(timing, "fast_dtype", lambda device: measured.torch.float32)
    monkeypatch.setattr(timing, "matmul_peak", lambda *_: 2e12)
    monkeypatch.setattr(timing, "time_training", lambda *_: np.array([1.0, 2.0, 9.0]))
    monkeypatch.setattr(timing, "training_flops", lambda shape: 4e12)


def test_the_command_writes_what_the_table_reads(quick, tmp_path, capsys):
    assert measured.main(["--out", str(tmp_path), "--device", "cpu", "--photos", "0"]) == 0
    (figures,) = measured.read_measured(tmp_path)
    assert figures["peaks"] == {"float32": 2.0} and figures["paintings"] == []
    assert figures["training"][0]["seconds"] == 2.0 and figures["machine"]["torch"] and len(figures["date"]) == 10
    (file,) = tmp_path.iterdir()
    assert file.name in capsys.readouterr().out
    table = measured.steps_table([figures])
    assert table.machine.unique() == [figures["machine"]["cpu"]]
    assert table.ms.tolist() == [4000, 500, 250] and table.tflops[1] == 0.8
    assert table.share_of_peak[1] == pytest.approx(0.4) and table.share_of_peak[[0, 2]].isna().all()


def test_without_files_the_table_is_empty(tmp_path):
    assert measured.read_measured(tmp_path) == [] and measured.steps_table([]).empty


def test_the_figures_that_the_project_brings_along_are_whole_and_agree():
    machines = measured.read_measured()
    assert machines
    for figures in machines:
        assert {"machine", "date", "command", "peaks", "style", "paintings"} <= set(figures)
        steps = pd.DataFrame(figures["style"])
        first = steps.groupby("size").seconds.transform("first")
        np.testing.assert_allclose(first / steps.seconds, steps.speed_up, rtol=0.01)
        assert (measured.steps_table([figures]).share_of_peak.dropna() < 1).all()


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "gpu.json").write_text(json.dumps({})[:-1], encoding="utf-8")
    with pytest.raises(ValueError, match=r"gpu\.json"):
        measured.read_measured(tmp_path)
