"""Shared by all tests: no display, no tracking service, and a reason for every test that this machine cannot run."""

import os
from pathlib import Path

import pytest

REAL = ("TORCH_HOME", "VG_DATA_DIR", "VG_PHOTOS_DIR", "VG_STYLES_DIR")

os.environ["MPLBACKEND"] = "Agg"
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip `real` without paintings and weights, and `gpu` without a CUDA device."""
    absent = [name for name in REAL if not Path(os.environ.get(name, "/nowhere")).is_dir()]
    for item in items:
        if absent and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=f"no folder in {', '.join(absent)}"))
        if item.get_closest_marker("gpu"):
            import torch

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
