"""Shared by all tests: no display, no tracking service, and a reason for each test that this machine cannot run."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

REAL = ("TORCH_HOME", "VG_DATA_DIR", "VG_PHOTOS_DIR", "VG_STYLES_DIR")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")

os.environ["MPLBACKEND"] = "Agg"
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
# Debian keeps PostgreSQL's programs off the PATH
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests whose mark asks for what this machine lacks."""
    for mark, reason in REASONS.items():
        marked = [item for item in items if item.get_closest_marker(mark)]
        missing = reason() if marked else None
        for item in marked:
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


def _no_gpu() -> str | None:
    import torch

    return None if torch.cuda.is_available() else "no CUDA device"


def _no_real_data() -> str | None:
    absent = [name for name in REAL if not Path(os.environ.get(name, "/nowhere")).is_dir()]
    return f"no folder in {', '.join(absent)}" if absent else None


def _no_postgres() -> str | None:
    if not importlib.util.find_spec("psycopg"):
        return 'no PostgreSQL driver: pip install "psycopg[binary]"'
    if os.name == "nt" or not (shutil.which("initdb") and shutil.which("postgres")):
        return "no PostgreSQL server (initdb, postgres)"
    return None


def _no_browser() -> str | None:
    if not importlib.util.find_spec("websocket"):
        return "no websocket-client"
    return None if any(map(shutil.which, BROWSERS)) else "no Chromium, Chrome or Edge on the PATH"


REASONS = {"gpu": _no_gpu, "real": _no_real_data, "postgres": _no_postgres, "browser": _no_browser}


@pytest.fixture
def tiny_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give torchvision's VGG-19 and AlexNet a few channels each; layers, names and order stay as they are."""
    import torch
    import torchvision
    from torch import nn

    def shrunk(real):
        def build(num_classes=1000, **options):
            with torch.device("meta"):
                net = real(num_classes=num_classes, **options)
            width = 3
            for index, layer in enumerate(net.features):
                if isinstance(layer, nn.Conv2d):
                    net.features[index] = nn.Conv2d(width, 6, layer.kernel_size, layer.stride, layer.padding)
                    width = 6
            net.avgpool, width = nn.AdaptiveAvgPool2d(2), 24
            for index, layer in enumerate(net.classifier):
                if isinstance(layer, nn.Linear):
                    last = index == len(net.classifier) - 1
                    net.classifier[index] = nn.Linear(width, num_classes if last else 24)
            return net

        return build

    for network in ("vgg19", "alexnet"):
        monkeypatch.setattr(torchvision.models, network, shrunk(getattr(torchvision.models, network)))


@pytest.fixture
def make_paintings():
    """Return a function that fills a folder with blotchy pictures: Van Gogh's are yellow, the others' blue."""
    import numpy as np
    from PIL import Image

    def make(folder, van_goghs=4, others=6, size=(96, 80)):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(van_goghs + others):
            blotches = np.random.default_rng(number).integers(0, 256, (8, 8, 3))
            tint = [255, 220, 0] if number < van_goghs else [0, 40, 255]
            image = Image.fromarray(((2 * blotches + tint) // 3).astype(np.uint8)).resize(
                size, Image.Resampling.BICUBIC
            )
            artist = "vincent-van-gogh" if number < van_goghs else f"painter-{number % 3}"
            image.save(folder / f"{artist}_picture-{'abcdefghijklmnopqrstuvwxyz'[number]}.jpg", quality=95)
        return sorted(folder.iterdir())

    return make


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the paintings of `index`, which all tests of a module share."""
    return tmp_path_factory.mktemp("paintings")


@pytest.fixture
def index(folder, make_paintings):
    """24 paintings, half of them by Van Gogh: 16 to learn from, 4 to choose by, 4 to test."""
    import numpy as np
    import pandas as pd

    place = folder / "p"
    paths = sorted(place.iterdir()) if place.is_dir() else make_paintings(place, 12, 12, (60, 48))
    label = [int(path.name.startswith("vincent")) for path in paths]
    frame = pd.DataFrame({"path": [f"p/{path.name}" for path in paths], "label": label, "group": range(len(paths))})
    order = frame.groupby("label").cumcount()
    return frame.assign(split_grouped=np.where(order < 8, "train", np.where(order < 10, "val", "test")))


@pytest.fixture
def setup(folder, tmp_path, tiny_zoo):
    """What a task on `index` depends on: the upper layers of a tiny network, two views."""
    import torch

    from vg_helpers.classify.task import Setup

    return Setup(str(folder), str(folder / "cache"), tmp_path / "state", torch.device("cpu"), "top", "none", 2, 64)
