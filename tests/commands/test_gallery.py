"""paint --out-dir with a tiny extractor: many photos in many styles, interrupted, damaged, in the way of each other."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import Interrupted, Tiny

from vg_helpers.commands import gallery
from vg_helpers.commands import paint as commands_paint
from vg_helpers.images import load_image, save_image
from vg_helpers.style.output import read_settings


class Extractor(Tiny):
    def __init__(self, network: str, weights: str) -> None:
        super().__init__()


def write_picture(path, seed, width=40, height=32):
    pixels = np.random.default_rng(seed).integers(60, 190, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a folder of two photos, one more photo, and two paintings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands_paint, "build_extractor", Extractor)
    for seed, name in enumerate(["photos/a.png", "photos/b.png", "c.png", "stars.png", "wheat.png"]):
        write_picture(tmp_path / name, seed)
    return tmp_path


STYLES = ("--style", "stars.png", "wheat.png")


def paint(*words, photos=("photos", "c.png"), styles=STYLES, out="out"):
    options = ["--device", "cpu", "--steps", "6", "--size", "32", *words]
    return commands_paint.main([*photos, *styles, "--out-dir", out, *options])


def contents(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


ALL = [f"{photo}_{style}.png" for photo in "abc" for style in ("stars", "wheat")]


def test_every_photo_is_painted_in_every_style(place, capsys):
    assert paint() == 0
    assert sorted(contents("out")) == sorted([*ALL, "contact_sheet.jpg", "index.html"])
    assert not torch.equal(load_image("out/a_stars.png"), load_image("out/a_wheat.png"))
    assert "Painted 6 of 6 into out" in capsys.readouterr().out
    words = ["photos/a.png", "--style", "stars.png", "--out", "alone.png", "--steps", "6", "--size", "32"]
    assert commands_paint.main([*words, "--device", "cpu"]) == 0
    assert torch.equal(load_image("out/a_stars.png"), load_image("alone.png"))


def test_pairs_and_formats(place, capsys):
    assert paint("--pair", "--format", "tif", photos=["photos"]) == 0
    assert [name for name in contents("out") if name.endswith(".tif")] == ["a_stars.tif", "b_wheat.tif"]
    assert paint("--pair", out="other") == 2
    assert "--pair needs as many paintings as photos, not 2 for 3" in capsys.readouterr().err


def test_a_mask_and_a_scale_are_those_of_one_painting(place, capsys):
    write_picture(place / "mask.png", 7)
    words = ["--style-mask", "mask.png", "--style-scale", "1.5", "--loss", "wasserstein"]
    assert paint(*words, photos=["c.png"], styles=["--style", "stars.png"]) == 0
    one = ["c.png", "--style", "stars.png", *words, "--out", "alone.png", "--steps", "6", "--size", "32"]
    assert commands_paint.main([*one, "--device", "cpu"]) == 0
    assert torch.equal(load_image("out/c_stars.png"), load_image("alone.png"))
    before = contents("out")
    assert paint(*words, photos=["c.png"], styles=["--style", "stars.png"]) == 0 and contents("out") == before
    write_picture(place / "mask.png", 8)
    assert paint(*words, photos=["c.png"], styles=["--style", "stars.png"]) == 0
    assert contents("out")["c_stars.png"] != before["c_stars.png"]
    (place / "two").mkdir()
    for name in ("stars.png", "wheat.png"):
        (place / "two" / name).write_bytes((place / name).read_bytes())
    assert paint("--style-mask", "mask.png", styles=["--style", "two"]) == 2
    assert "--style-mask is the mask of one painting" in capsys.readouterr().err


def test_what_is_finished_stays_until_something_changes(place, monkeypatch, capsys):
    paint()
    black = place / "out" / "a_stars.png"
    save_image(black, torch.zeros(1, 3, 26, 32), read_settings(black))
    assert paint() == 0 and load_image(black).max() == 0
    write_picture(place / "photos/b.png", 9)
    before = contents("out")
    assert paint() == 0 and load_image(black).max() == 0
    changed = {name for name, content in contents("out").items() if before[name] != content}
    assert changed == {"b_stars.png", "b_wheat.png", "contact_sheet.jpg", "index.html"}
    for words in (
        ["--seed", "1"],
        ["--steps", "7"],
        ["--strength", "0.9"],
        ["--loss", "neighbours"],
        ["--keep-colors"],
    ):
        save_image(black, torch.zeros(1, 3, 26, 32), read_settings(black))
        capsys.readouterr()
        assert paint(*words) == 0 and load_image(black).max() > 0
        assert "Note: painting 6 finished pictures of other settings or photos again" in capsys.readouterr().err
    save_image(black, torch.zeros(1, 3, 26, 32), read_settings(black))
    monkeypatch.setattr("vg_helpers.style.batch.VERSION", -1)
    assert paint("--keep-colors") == 0 and load_image(black).max() > 0


@pytest.mark.parametrize("together", [1, 2])
def test_interrupted_anywhere_it_ends_with_the_same_bytes(place, monkeypatch, together):
    real_groups, real_paint, real_save = gallery.groups, gallery.stylize, gallery.save_picture
    monkeypatch.setattr(gallery, "groups", lambda jobs, _: real_groups(jobs, together))
    assert paint(out="whole") == 0
    calls = []

    def stop_late(*arguments, **options):
        """Paint, but stop the third picture or group in the middle, after a checkpoint."""
        calls.append(1)
        if len(calls) == 3:
            options |= {"on_step": stop, "every": 4, "checkpoint_every": 2}
        return real_paint(*arguments, **options)

    def stop(*_):
        raise Interrupted

    def stop_writing(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted
        real_save(*arguments)

    for name, function in (("stylize", stop_late), ("save_picture", stop_writing)):
        calls.clear()
        monkeypatch.setattr(gallery, name, function)
        with pytest.raises(Interrupted):
            paint()
        monkeypatch.setattr(gallery, "stylize", real_paint)
        monkeypatch.setattr(gallery, "save_picture", real_save)
        assert name != "stylize" or list((place / "out").glob(".unfinished/*.checkpoint"))
    (place / "out" / ".a_stars.4194305.part.png").write_bytes(b"cut")
    (place / "out" / ".mine.4194305.part.png").write_bytes(b"of somebody else")
    assert paint() == 0
    assert contents("out").keys() - contents("whole").keys() == {".mine.4194305.part.png"}
    assert contents("out").items() >= contents("whole").items()


def test_bad_files_are_named_and_do_not_stop_the_others(place, capsys):
    (place / "photos" / "text.jpg").write_text("no picture", encoding="utf-8")
    (place / "photos" / "cut.png").write_bytes((place / "c.png").read_bytes()[:-900])
    (place / "empty").mkdir()
    assert paint(photos=["photos", "c.png", "nowhere.jpg", "empty"], styles=("--style", "stars.png", "bad.png")) == 1
    error = capsys.readouterr().err
    for name in ("text.jpg", "cut.png", "nowhere.jpg", "empty", "bad.png"):
        assert len(re.findall(f"skipped: .*{name}", error)) == 1
    assert "5 problems" in error
    assert {"a_stars.png", "b_stars.png", "c_stars.png"} <= contents("out").keys()


def test_a_bad_photo_does_not_stop_the_other_processes_of_torchrun(place, capsys):
    (place / "photos" / "text.jpg").write_text("no picture", encoding="utf-8")
    for number in (1, 2):
        assert paint("--shard", f"{number}/2") == 0
    assert "text.jpg" in capsys.readouterr().err
    assert paint() == 1 and set(ALL) <= contents("out").keys()


def test_a_mask_in_nobodys_home_is_one_sentence(place, capsys):
    assert paint("--protect", "~nobody9/x.png") == 2
    assert "~nobody9/x.png: no such file" in capsys.readouterr().err


def test_nothing_to_paint_is_an_error(place, capsys):
    assert paint(photos=["nowhere"]) == 2
    error = capsys.readouterr().err
    assert "skipped: nowhere cannot be read as an image" in error and "there is nothing to paint" in error


def test_a_loss_that_overflows_spoils_one_picture(place, monkeypatch, capsys):
    real = gallery.stylize

    def overflow(content, *arguments, **options):
        if len(content) > 1 or torch.equal(content, load_image("photos/a.png", 32)):
            raise ValueError("the loss is no longer finite")
        return real(content, *arguments, **options)

    monkeypatch.setattr(gallery, "stylize", overflow)
    monkeypatch.setattr(gallery, "groups", lambda jobs, _: [list(jobs)])
    assert paint(styles=("--style", "stars.png")) == 1
    assert "a_stars.png: the loss is no longer finite" in capsys.readouterr().err
    assert [name for name in contents("out") if name.endswith(".png")] == ["b_stars.png", "c_stars.png"]


def own_index(place):
    (place / "out" / "index.html").write_text("mine", encoding="utf-8")


def own_picture(place):
    write_picture(place / "out" / "c_wheat.png", 3)


def own_sheet(place):
    Image.new("RGB", (8, 8)).save(place / "out" / "contact_sheet.jpg")


@pytest.mark.parametrize("own", [own_index, own_picture, own_sheet])
def test_nothing_of_others_is_overwritten(place, monkeypatch, capsys, own):
    (place / "out").mkdir()
    own(place)
    before = contents(".")
    with monkeypatch.context() as patched:
        patched.setattr(gallery, "stylize", lambda *_, **__: pytest.fail("painted before the place was tried"))
        assert paint() == 2
    assert "was not made for this folder" in capsys.readouterr().err and contents(".") == before
    assert paint("--overwrite") == 0 and len(contents("out")) == 8


@pytest.mark.parametrize("words", [[], ["--overwrite"]])
def test_a_photo_is_never_overwritten(place, capsys, words):
    (place / "out").mkdir()
    (place / "out" / "a_stars.png").symlink_to(place / "c.png")
    before = contents(".")
    assert paint(*words) == 2 and "one of the pictures to read" in capsys.readouterr().err
    assert paint(*words, out="photos") == 2 and "is a folder of pictures to read" in capsys.readouterr().err
    assert contents(".") == before


def test_equal_names_do_not_meet(place):
    write_picture(place / "more" / "a.png", 8)
    assert paint(photos=["photos/a.png", "more/a.png", "photos/../more/a.png"], styles=("--style", "stars.png")) == 0
    assert {"a_stars.png", "a-2_stars.png"} <= contents("out").keys() and len(contents("out")) == 4


def test_shards_paint_everything_once_and_a_last_run_makes_the_page(place, capsys, monkeypatch):
    assert paint(out="alone") == 0
    assert paint("--shard", "2/4") == 0
    assert sorted(contents("out")) == ["a_wheat.png", "c_wheat.png"]  # of six, the second and the last
    for number, count in ((0, 4), (2, 4), (3, 4)):
        for name, value in {"LOCAL_RANK": 0, "RANK": number, "WORLD_SIZE": count}.items():
            monkeypatch.setenv(name, str(value))
        assert paint() == 0  # started by torchrun
    assert sorted(contents("out")) == sorted(ALL) and "Painted 1 of 1 into out (part-4-of-4)" in capsys.readouterr().out
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name)
    assert paint("--shard", "9/9") == 0  # there are not as many pictures
    before = {name: (place / "out" / name).stat().st_mtime_ns for name in ALL}
    assert paint() == 0
    assert {name: (place / "out" / name).stat().st_mtime_ns for name in ALL} == before
    pictures = {name: digest for name, digest in contents("out").items() if name in ALL}
    assert pictures.items() <= contents("alone").items()
    assert sorted(contents("out")) == sorted(contents("alone"))
    assert commands_paint.main(["c.png", "--style", "stars.png", "--out", "x.png", "--shard", "1/2"]) == 2
    assert "--shard divides the pictures of --out-dir; name that folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "short", "alone"), [((), False, False), (("--low-memory",), False, True), ((), True, True)]
)
def test_photos_are_painted_one_by_one_where_memory_counts(place, monkeypatch, words, short, alone):
    real_groups, real, counts = gallery.groups, gallery.stylize, []
    monkeypatch.setattr(gallery, "groups", lambda jobs, _: real_groups(jobs, 2))
    monkeypatch.setattr(gallery, "needed_memory", lambda *_: float("inf") if short else 0)

    def noted(content, *given, **options):
        counts.append(len(content))
        return real(content, *given, **options)

    monkeypatch.setattr(gallery, "stylize", noted)
    assert paint(*words) == 0
    assert (max(counts) == 1) is alone and sum(counts) >= 6
