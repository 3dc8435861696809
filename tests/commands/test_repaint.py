"""The pictures of 04, painted by several processes: each once, and as the notebook paints them."""

import pandas as pd
import pytest
from PIL import Image

from report.plan import defaults
from vg_helpers.commands import repaint
from vg_helpers.files import write_csv, write_json
from vg_helpers.models.classifier import build_classifier, save_classifier
from vg_helpers.style import steps


@pytest.fixture
def command(tmp_path, tiny_zoo):
    """The arguments of a process, whose build folder holds what 01 to 03 wrote: three photos and two paintings."""
    colors = {"photo": ["red", "green", "blue"], "painting": ["gold", "navy"]}
    for kind, table in (("photo", "contents.csv"), ("painting", "styles.csv")):
        for number, color in enumerate(colors[kind]):
            Image.new("RGB", (72, 64), color).save(tmp_path / f"{kind}{number}.png")
        names = [f"{kind}{number}" for number in range(len(colors[kind]))]
        frame = pd.DataFrame({"name": names, "path": [str(tmp_path / f"{name}.png") for name in names]})
        write_csv(tmp_path / "build" / "01_data" / table, frame)
    values = {"content_weight": 1.0, "style_weight": 10.0}
    write_json(
        tmp_path / "build" / "03_style_search" / "best_params.json", values | {"knee": values | {"tv_weight": 1}}
    )
    for network in steps.NETWORKS:
        save_classifier(tmp_path / "build" / "02_classify" / f"{network}.pt", build_classifier(network, "none"))
    parameters = ["4.num_steps=2", "4.image_size=64", "4.num_photos=3"]
    return ["--build-dir", str(tmp_path / "build"), "--device", "cpu", *(f"-p{text}" for text in parameters)]


def test_every_picture_is_painted_by_one_process_and_the_notebook_finds_it(command, tmp_path):
    stage, written = tmp_path / "build" / "04_style_eval", []
    for number in (1, 2):
        assert repaint.main([*command, "--shard", f"{number}/2"]) == 0
        pictures = {path: path.stat().st_mtime_ns for path in stage.rglob("*.png")}
        written.append(pictures)
    assert len(written[0]) == 5 and len(written[1]) == 9  # two networks and the optimum, three photos each
    assert written[0].items() <= written[1].items()
    assert repaint.main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in stage.rglob("*.png")} == written[1]
    names = {path.relative_to(stage).as_posix() for path in written[1]}
    assert (
        "optimum/result_painting0_photo2_vgg19.png" in names and "images/result_painting1_photo1_alexnet.png" in names
    )


def test_the_seed_of_04_and_its_names_are_those_of_the_notebook():
    assert {"num_photos", "num_steps", "image_size", "seed", "device"} <= set(defaults(repaint.NOTEBOOK))


def test_what_is_missing_or_wrong_is_one_sentence(command, tmp_path, capsys):
    best = tmp_path / "build" / "03_style_search" / "best_params.json"
    best.unlink()
    build = tmp_path / "build"
    for arguments, sentence in (
        ([], f"{best} is missing: run `python3 run.py report --profile demo --build-dir {build} --only 03` first"),
        (["--shard", "3/2"], "--shard 3/2 must be like 3/16"),
        (["--profile", "ful"], "did you mean 'full'?"),
        (["-p4.num_stepz=3"], "num_stepz"),
        (["--device", "abacus"], "device 'abacus' is not available"),
    ):
        assert repaint.main([*command, *arguments]) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "build" / "04_style_eval").exists()
    assert repaint.main(["--build-dir", str(tmp_path / "new"), "--device", "cpu"]) == 2
    table = tmp_path / "new" / "01_data" / "contents.csv"
    assert f"{table} is missing: run `python3 run.py report" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
