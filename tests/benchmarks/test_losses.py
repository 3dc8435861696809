"""The benchmark of losses: equal time, a run that continues, and what the table holds."""

import json

import pandas as pd
import pytest
from stand_ins import Tiny, noise

from vg_helpers.benchmarks import losses
from vg_helpers.images import save_image
from vg_helpers.style.once import stylize


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The words of the command for two photos in two styles, with a tiny network and a fixed clock."""
    monkeypatch.setattr(losses, "build_extractor", lambda *_, **__: Tiny())
    seconds = {"gram": (0.0, 0.1), "wasserstein": (0.0, 0.2), "neighbours": (0.3, 0.025)}
    seconds = {loss: losses.Seconds(*own) for loss, own in seconds.items()}
    monkeypatch.setattr(losses, "measure_seconds", lambda *_: seconds)
    for number, name in enumerate(("photos/a", "photos/b", "photos/c", "styles/s", "styles/t")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_image(tmp_path / f"{name}.png", noise(number, height=64, width=72))
    folders = ["--photos-dir", str(tmp_path / "photos"), "--styles-dir", str(tmp_path / "styles")]
    counts = [
        "--photos",
        "2",
        "--styles",
        "2",
        "--steps",
        "6",
        "--size",
        "72",
        "--device",
        "cpu",
        "--weights",
        "embedded",
    ]
    return [*folders, *counts, "--weights", "embedded", "--out", str(tmp_path / "out")]


def test_all_losses_get_the_seconds_of_the_first_one(words, tmp_path, monkeypatch, capsys):
    assert losses.main(words) == 0
    table = pd.read_csv(tmp_path / "out" / "losses.csv")
    assert table.groupby("painted").steps.unique().to_dict() == {
        "gram": [6], "wasserstein": [3], "neighbours": [12], "photo": [0],
    }  # fmt: skip
    assert len(table) == 3 * 4 + 2 and table[["edges", "perceptual", "seconds"]].notna().all(axis=None)
    assert (table[table.painted == "photo"].ssim == 1).all() and (table[table.painted != "photo"].ssim < 1).all()
    assert all((tmp_path / "out" / file).exists() for file in table.file)
    assert "wasserstein − gram" in capsys.readouterr().out


def test_what_is_painted_stays_and_the_steps_too(words, tmp_path, monkeypatch):
    assert losses.main(words) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    monkeypatch.setattr(losses, "measure_seconds", lambda *_: pytest.fail("measured twice"))
    monkeypatch.setattr("vg_helpers.style.once.stylize", lambda *_, **__: pytest.fail("painted twice"))
    assert losses.main(words) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")} == before and len(before) == 12
    monkeypatch.setattr("vg_helpers.style.once.stylize", stylize)
    equal = {"gram": losses.Seconds(0, 1), "neighbours": losses.Seconds(0, 1)}
    monkeypatch.setattr(losses, "measure_seconds", lambda *_: equal)
    assert losses.main([*words, "--losses", "gram", "neighbours"]) == 0
    assert json.loads((tmp_path / "out" / "steps.json").read_text(encoding="utf-8"))["steps"]["neighbours"] == 6


def test_seconds_are_measured_for_each_loss():
    seconds = losses.measure_seconds(noise(1), noise(2), Tiny(), ("gram", "neighbours"))
    assert list(seconds) == ["gram", "neighbours"] and all(own.step > 0 <= own.once for own in seconds.values())


def test_differences_are_paired_by_photo():
    rows = [("gram", "a", 0.5), ("gram", "b", 0.9), ("wasserstein", "a", 0.3), ("wasserstein", "b", 0.6)]
    rows += [("photo", "a", 1.0), ("photo", "b", 1.0)]
    frame = pd.DataFrame(rows, columns=["painted", "content", "ssim"]).assign(steps=3, style="s")
    both = losses.compare(pd.concat([frame, frame.assign(ssim=frame.ssim + 0.02)])).set_index("")
    difference = both["wasserstein − gram"]["ssim"]
    assert difference.value == pytest.approx(-0.25) and both.gram["ssim"].value == pytest.approx(0.71)
    assert difference.low == pytest.approx(losses.paired_difference([0.3, 0.6], [0.5, 0.9]).low)


def test_numbers_that_do_not_fit_are_refused(words, capsys):
    assert losses.main([*words, "--steps", "0"]) == 2
    assert "must be at least 1" in capsys.readouterr().err


def test_the_judges_of_04_say_what_they_take_for_a_van_gogh(words, profile, tmp_path, capsys):
    assert losses.main([*words, "--profile", profile, "--weights", "none"]) == 0
    table = pd.read_csv(tmp_path / "out" / "losses.csv")
    judges = ["vgg19", "alexnet", "strokes", "forewarned_vgg19", "forewarned_alexnet"]
    assert {f"yes_{name}" for name in [*judges, "attribution"]} | {f"odds_{name}" for name in judges} <= {*table}
    assert len(table) == 3 * 4 + 2 and table.filter(like="yes_").isin([0, 1]).all(axis=None)
    assert ((table.odds_strokes > 0) == (table.yes_strokes == 1)).all()
    assert "yes_attribution" in capsys.readouterr().out


def test_a_profile_that_has_not_run_is_one_sentence(words, profile, capsys):
    assert losses.main([*words, "--profile", "q"]) == 2
    error = capsys.readouterr().err
    assert "index.csv is missing: run the report of that profile first" in error and error.count("\n") == 1
