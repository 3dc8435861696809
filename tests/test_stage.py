"""stage: each notebook reads what earlier ones wrote, and its manifest says what it did."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from vg_helpers.code import sources_of
from vg_helpers.files import (
    ROOT,
    write_text,
)
from vg_helpers.stage import MissingArtifact, open_stage, package_versions


def test_a_missing_file_names_the_notebook_to_run(tmp_path):
    stage = open_stage(tmp_path, "02_classify")
    with pytest.raises(MissingArtifact, match=r"^index.csv is missing: run notebooks/01_data.ipynb first$"):
        stage.read("01_data", "index.csv")
    with pytest.raises(ValueError, match="stage '07_more' does not exist; choose from 01_data, 02_classify"):
        open_stage(tmp_path, "07_more")


def test_the_manifest_says_what_was_done(tmp_path, capsys):
    namespace = {"build_dir": "x", "seed": 7, "lr": 0.1, "text": "", "flag": True, "_i": "code", "In": [], "pd": np}
    first, stage = (open_stage(tmp_path, name, namespace) for name in ("01_data", "02_classify"))
    write_text(first.path("sub", "index.csv"), "x")
    assert stage.read("01_data", "sub", "index.csv") == first.path("sub", "index.csv")
    for names in [("b.csv",), ("figures", "a.png"), ("state", "half.pt"), ("wandb", "log"), ("figures", ".rest.png")]:
        write_text(stage.path(*names), "x")
    write_text(stage.state / "more.pt", "x")
    write_text(stage.path("statement.csv"), "x")
    imagenet = SimpleNamespace(network="vgg19", source="imagenet", file="v.pth", sha256="1", note="Fine.")
    none = SimpleNamespace(network="alexnet", source="none", file=None, sha256=None, note="No weights.")
    for weights in (imagenet, none, none):
        stage.uses(weights)
    stage.fallback("No GPU.")
    path = stage.finish(device="cuda", auc=0.9)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path.resolve() / "02_classify" / "manifest.json"
    assert manifest["stage"] == "02_classify"
    assert manifest["parameters"] == {
        "seed": 7,
        "lr": 0.1,
        "text": "",
        "flag": True,
    }
    assert manifest["facts"] == {"device": "cuda", "auc": 0.9} and manifest["device"] == "cuda"
    assert manifest["inputs"] == {"01_data/sub/index.csv": hashlib.sha256(b"x").hexdigest()}
    assert manifest["outputs"] == ["b.csv", "figures/a.png", "statement.csv"]
    assert manifest["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert manifest["weights"] == [vars(imagenet), vars(none)] and manifest["seed"] == 7
    assert manifest["fallbacks"] == ["No weights.", "No GPU."]
    assert capsys.readouterr().out == "Fallback: No weights.\nFallback: No GPU.\n"
    assert manifest["seconds"] >= 0 and manifest["started"].endswith("+00:00")
    assert {"python", "platform"} <= set(manifest)
    assert stage.finish() and json.loads(path.read_text(encoding="utf-8"))["outputs"] == manifest["outputs"]


def test_the_build_folder_is_the_projects_own_wherever_one_stands(tmp_path, monkeypatch):
    monkeypatch.setattr("vg_helpers.stage.DEFAULT_BUILD", tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    assert open_stage("", "01_data").folder == tmp_path / "project" / "01_data"
    assert open_stage("given", "01_data").folder == tmp_path / "given" / "01_data"


def test_every_requirement_has_its_version_in_the_manifest():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert len(package_versions()) == len(required)


def test_a_kept_result_is_not_computed_again_until_its_code_or_values_change(tmp_path, monkeypatch):
    module = tmp_path / "kept_module.py"
    module.write_text("calls = []\n\n\ndef double(x, on_step=None):\n    calls.append(x)\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import kept_module

    def again(value, **options):
        return open_stage(tmp_path / "build", "01_data").keep("doubled", kept_module.double, value, **options)

    first, second = torch.ones(2), torch.nn.Linear(2, 2).requires_grad_(False)
    assert again(first).tolist() == again(first.clone(), on_step=print).tolist() == [2, 2]
    assert len(kept_module.calls) == 1
    again(first + 1)
    assert len(kept_module.calls) == 2
    (tmp_path / "build" / "01_data" / "state" / "kept" / "doubled.joblib").write_bytes(b"cut")
    again(first + 1)
    assert len(kept_module.calls) == 3
    module.write_text(module.read_text().replace("2 * x", "x * 2  # faster"))
    sources_of.cache_clear()
    again(first + 1)
    assert len(kept_module.calls) == 4 and again([second.weight])[0] is not None


def test_a_frame_may_have_a_column_called_content(tmp_path):
    frames = [pd.DataFrame({"content": [name]}) for name in ("cat", "dog", "cat")]
    stage = open_stage(tmp_path / "build", "01_data")
    assert [stage.keep("frame", content_of, frame) for frame in frames] == ["cat", "dog", "cat"]


def content_of(frame):
    return frame["content"][0]
