"""Importing the package sets how OpenMP's threads wait, in time and only where nobody else has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vg_helpers

ROOT = Path(__file__).parent.parent
SHOW = "import os, vg_helpers; print({name: os.environ.get(name) for name in vg_helpers.CALM_THREADS})"


@pytest.mark.parametrize(
    ("variables", "before", "calm"),
    [
        ({}, "", True),
        ({"OMP_WAIT_POLICY": "active"}, "", False),
        ({"GOMP_SPINCOUNT": "7"}, "", False),
        ({}, "import sys; sys.modules['torch'] = sys; ", False),
    ],
)
def test_threads_are_calm_unless_set_otherwise_or_too_late(variables, before, calm):
    names = {"OMP_WAIT_POLICY", *vg_helpers.CALM_THREADS}
    environment = {name: value for name, value in os.environ.items() if name not in names} | variables
    command = [sys.executable, "-c", before + SHOW]
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    others = {name: variables.get(name) for name in vg_helpers.CALM_THREADS}
    assert shown.strip() == str(vg_helpers.CALM_THREADS if calm else others)
