"""Busy machines: what is compared, that waiting differs between the processes, and that the other program ends."""

import json
import os
import subprocess
import sys

import psutil
import pytest

import vg_helpers
from vg_helpers.benchmarks import busy
from vg_helpers.files import ROOT


def test_the_table_relates_each_time_to_the_quiet_one(monkeypatch, capsys):
    times = iter([[9.0, 1.0, 2.0], [4.0], [6.0], [1.0], [2.0], [2.2]])
    monkeypatch.setattr(busy, "measure", lambda *_: next(times))
    monkeypatch.setattr(busy, "COMPETITOR", "print('up', flush=True); import time; time.sleep(60)")
    assert busy.main(["--threads", "1", "2"]) == 0
    assert "times_quiet" in capsys.readouterr().out.splitlines()[0]
    times = iter([[9.0, 1.0, 2.0], [4.0], [1.0], [2.2]])
    table = busy.compare(32, "alexnet", 3, [1])
    assert table.seconds.tolist() == [2.0, 4.0, 1.0, 2.2] and table.times_quiet.tolist() == [1.0, 2.0, 1.0, 2.2]
    assert table.beside.tolist() == ["nothing", "torch with 1 threads"] * 2


@pytest.mark.parametrize("waiting", busy.WAITING)
def test_each_process_waits_as_its_row_says(waiting):
    code = f"{busy.WAITING[waiting]}; import os, json; print(json.dumps(dict(os.environ)))"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, cwd=ROOT, env=busy.environment(), capture_output=True, text=True, check=True)
    names = set(json.loads(shown.stdout)) & {"OMP_WAIT_POLICY", *vg_helpers.CALM_THREADS}
    assert names == (set(vg_helpers.CALM_THREADS) if waiting == "calm" else set())


def test_the_other_program_ends_with_the_block():
    before = {child.pid for child in psutil.Process(os.getpid()).children()}
    with pytest.raises(KeyboardInterrupt), busy.competitor(1):
        assert len({child.pid for child in psutil.Process(os.getpid()).children()} - before) == 1
        raise KeyboardInterrupt
    assert {child.pid for child in psutil.Process(os.getpid()).children()} <= before
