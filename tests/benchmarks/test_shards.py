"""shards: the command measures each stage and as many processes as asked for."""

import numpy as np
from stand_ins import CPU

from vg_helpers.benchmarks import loading, shards
from vg_helpers.classify.answers import Answer
from vg_helpers.commands.predict import Trained


def answer(images):
    return [Answer(0.5, 0.4, 0.6, "other")] * len(images)


def test_each_stage_is_measured(tmp_path):
    times = shards.stages(Trained(answer, CPU, 2), loading.make_originals(tmp_path, 2, 400))
    assert list(times) == ["decode", "transform", "network"] and min(times.values()) >= 0 and times["decode"] > 0


def test_the_command_says_what_it_measured(monkeypatch, capsys):
    monkeypatch.setattr(shards, "SIDES", (300, 400))
    monkeypatch.setattr(shards.predict, "load_trained", lambda _: Trained(answer, CPU, 2))
    monkeypatch.setattr(shards, "stages", lambda *_: {"decode": 10.0, "transform": 2.0, "network": 300.0})
    monkeypatch.setattr(shards, "rate", lambda options, paths, count: (3.0 * count * len(paths) / 3, 310.0))
    monkeypatch.setattr(shards.os, "cpu_count", lambda: 2)
    assert shards.main(["--count", "3", "--processes", "1", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "300-pixel files: decode 10.0 ms, transform 2.0 ms, network 300.0 ms; bound by the network"
    assert lines[2].strip() == "2 processes: 6.00 pictures/s, 310 CPU ms each" and len(lines) == 8
    hours = 1e6 * 0.150 / 3600
    assert lines[6] == f"1,000,000 files of 400 pixels: {hours:.1f} hours of the network; 0.08 cores to decode for it"
    np.testing.assert_allclose(shards.forecast({"decode": 1, "transform": 0}, 500, 10**6), (1e6 / 500 / 3600, 0.5))
