"""The paint command with a tiny extractor: what it writes, what it keeps, what it says when something is wrong."""

import errno
import json
import os
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import Tiny, interrupt_at

from vg_helpers.commands import paint as commands_paint
from vg_helpers.files import file_sha256
from vg_helpers.images import load_image
from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.weights import NoWeightsError, Weights
from vg_helpers.style.engine import VERSION, StyleParams, params_for
from vg_helpers.style.optimize import NonFiniteLoss
from vg_helpers.style.output import read_settings

ORIENTATION = 0x0112  # EXIF tag
ROTATED = 6  # its value for a camera held upright


class Extractor(Tiny):
    """The stand-in in place of VGG-19 or AlexNet, which notes what was asked for."""

    asked = None

    def __init__(self, network: str, weights: str) -> None:
        super().__init__()
        Extractor.asked = (network, weights)


def write_picture(path, seed, width=40, height=24, **options):
    pixels = np.random.default_rng(seed).integers(60, 190, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a photo and two paintings, and a tiny network in place of VGG-19."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VG_STYLES_DIR", raising=False)
    monkeypatch.setenv("VG_MAX_MEGAPIXELS", "")  # restored after a test that limits them
    monkeypatch.setattr(commands_paint, "build_extractor", Extractor)
    monkeypatch.setattr(commands_paint, "ROOT", tmp_path / "project")
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    write_picture(tmp_path / "photo.jpg", 1, exif=exif, quality=95)
    write_picture(tmp_path / "stars.png", 2)
    write_picture(tmp_path / "wheat.png", 3)
    return tmp_path


def paint(*arguments):
    return commands_paint.main(["photo.jpg", "--device", "cpu", "--steps", "12", *arguments])


def distance(path):
    return (load_image(path) - load_image("photo.jpg")).abs().mean().item()


def test_it_paints_upright_and_keeps_its_settings(place, capsys):
    assert paint("--style", "stars.png", "--strength", "0.8", "--size", "32") == 0
    with Image.open("photo_stars.png") as image:
        assert image.size == (19, 32)
        settings = json.loads(image.text["Settings"])
    assert settings["sources"] == {"photo": file_sha256("photo.jpg"), "styles": [file_sha256("stars.png")]}
    assert (settings["photo"], settings["styles"], settings["strength"]) == ("photo.jpg", ["stars.png"], 0.8)
    assert settings["num_steps"] == 12 and settings["weights"] == "imagenet"
    assert "photo_stars.png" in capsys.readouterr().out
    assert sorted(path.name for path in place.iterdir()) == ["photo.jpg", "photo_stars.png", "stars.png", "wheat.png"]


def test_network_weights_and_memory_are_as_asked_for(place, capsys):
    assert paint("--style", "stars.png", "--extractor", "alexnet", "--weights", "embedded", "--low-memory") == 0
    with Image.open("photo_stars.png") as image:
        assert Extractor.asked == ("alexnet", "embedded") and json.loads(image.text["Settings"])["low_memory"]
    assert paint("--style", "stars.png", "--low-memory", "--loss", "wasserstein") == 2
    assert "needs the whole picture at once; loss='gram' can be painted in tiles" in capsys.readouterr().err


def test_a_main_object_is_not_looked_for_without_imagenet_weights(place, monkeypatch, capsys):
    def no_weights(_):
        raise NoWeightsError("no route to host")

    monkeypatch.setattr(commands_paint, "find_imagenet_weights", no_weights)
    monkeypatch.setattr(commands_paint, "load_backbone", lambda *_: pytest.fail("half a minute for nothing"))
    assert paint("--style", "stars.png", "--protect", "auto") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the main object (--protect auto)") and "missing (no route to host)" in said
    assert said.count("\n") == 1 and "mask" in said


def test_embedded_weights_bring_parameters_and_strength_still_counts(place, monkeypatch):
    weights = Weights("vgg19", "embedded", "tiny.npz", None, "")
    monkeypatch.setattr(Extractor, "weights", weights)
    for strength in ("1", "0.5"):
        assert paint("--style", "stars.png", "--size", "32", "--out", "out.png", "--strength", strength) == 0
        with Image.open("out.png") as image:
            settings = json.loads(image.text["Settings"])
        wanted = params_for(weights) | {"tv_weight": float(strength) * params_for(weights)["tv_weight"]}
        assert settings["start"] == "patches" and {name: settings[name] for name in wanted} == wanted


def test_a_mask_protects_its_bright_side(place):
    mask = np.zeros((40, 24), dtype=np.uint8)
    mask[:20] = 255
    Image.fromarray(mask).save("mask.png")
    paint("--style", "stars.png", "--out", "out.png", "--protect", "mask.png", "--steps", "40")
    change = (load_image("out.png") - load_image("photo.jpg")).abs().mean((0, 1, 3))
    assert change[:16].mean() < 0.25 * change[24:].mean()


def test_several_styles_are_blended(place):
    images = {}
    for name, styles in {"a": ["stars"], "b": ["wheat"], "ab": ["stars", "wheat"]}.items():
        paint(*(word for style in styles for word in ("--style", f"{style}.png")), "--out", f"{name}.png")
        images[name] = load_image(f"{name}.png")
    assert not torch.equal(images["ab"], images["a"]) and not torch.equal(images["ab"], images["b"])


def test_weights_say_how_much_of_each_style_is_taken(place):
    for name, words in {
        "even": ["stars.png", "--style", "wheat.png"],
        "equal": ["stars.png:2", "wheat.png:2"],
        "mostly": ["stars.png:0.9", "wheat.png:.1"],
        "implied": ["stars.png:9", "--style", "wheat.png"],
        "alone": ["stars.png:0.5"],
        "plain": ["stars.png"],
    }.items():
        assert paint("--style", *words, "--out", f"{name}.png") == 0
    even, equal, mostly, implied, alone, plain = (
        load_image(f"{name}.png") for name in ("even", "equal", "mostly", "implied", "alone", "plain")
    )
    assert torch.equal(even, equal) and torch.equal(alone, plain) and torch.equal(mostly, implied)
    assert (mostly - plain).abs().mean() < (even - plain).abs().mean()
    with Image.open("mostly.png") as image:
        settings = json.loads(image.text["Settings"])
    assert settings["styles"] == ["stars.png", "wheat.png"] and settings["blend"] == [0.9, 0.1]


@pytest.mark.parametrize(
    ("word", "path", "weight"),
    [
        ("a.jpg", "a.jpg", None),
        ("a.jpg:0.7", "a.jpg", 0.7),
        ("folder/a:b.jpg:1e-1", "folder/a:b.jpg", 0.1),
        ("a:b.jpg", "a:b.jpg", None),
        (r"C:\x.jpg", r"C:\x.jpg", None),
        (r"C:\x.jpg:2", r"C:\x.jpg", 2.0),
        ("C:7", "C:7", None),
        ("a.jpg:", "a.jpg:", None),
    ],
)
def test_a_colon_is_a_weight_only_if_a_number_follows(word, path, weight):
    style = commands_paint.read_style(word)
    assert (str(style.path), style.weight) == (path.replace("/", os.sep), weight)


@pytest.mark.skipif(sys.platform == "win32", reason="no colon in a file's name")
def test_a_file_whose_name_ends_like_a_weight_is_that_file(place):
    shutil.copy("wheat.png", "stars.png:2")
    assert paint("--style", "stars.png:2", "--out", "colon.png") == 0
    assert paint("--style", "wheat.png", "--out", "wheat2.png") == 0
    assert torch.equal(load_image("colon.png"), load_image("wheat2.png"))


@pytest.mark.parametrize("loss", ["wasserstein", "neighbours"])
def test_the_loss_is_as_asked_for(place, loss):
    assert paint("--style", "stars.png", "--out", "gram.png") == 0
    assert paint("--style", "stars.png", "--out", "out.png", "--loss", loss) == 0
    assert not torch.equal(load_image("gram.png"), load_image("out.png"))
    wanted = params_for(Extractor.weights, loss)
    settings = json.loads(read_settings(place / "out.png")["Settings"])
    assert settings["loss"] == loss and {name: settings[name] for name in wanted} == wanted


def test_a_mask_on_a_painting_chooses_what_is_learnt(place):
    pixels = np.array(Image.open("stars.png"))
    pixels[:, 30:] = 255
    Image.fromarray(pixels).save("half white.png")
    Image.fromarray(np.uint8([[255] * 20 + [0] * 20] * 24)).save("mask.png")
    for style in ("stars", "half white"):
        words = ["--style", f"{style}.png", "--style-mask", "mask.png", "--out", f"{style} out.png"]
        assert paint(*words) == 0
    assert torch.equal(load_image("stars out.png"), load_image("half white out.png"))
    assert json.loads(read_settings(place / "stars out.png")["Settings"])["style_masks"] == ["mask.png"]


def test_brushstrokes_are_scaled_from_the_file_itself(place):
    write_picture(place / "large.png", 8, width=96, height=64)
    args = commands_paint.build_parser().parse_args(["photo.jpg", "--style-scale", "2"])
    args.size = 32
    assert torch.equal(commands_paint.load_style(args, place / "large.png"), load_image("large.png", 64))
    assert commands_paint.load_style(args, place / "stars.png").shape[2:] == (38, 64)  # enlarged
    args.style_scale = 0.5
    assert commands_paint.load_style(args, place / "large.png").shape[2:] == (11, 16)
    for scale in ("1", "2"):
        assert paint("--style", "large.png", "--style-scale", scale, "--out", f"{scale}.png", "--size", "32") == 0
    assert not torch.equal(load_image("1.png"), load_image("2.png"))
    assert json.loads(read_settings(place / "2.png")["Settings"])["style_scale"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--style", "stars.png:0"], "--style stars.png:0 needs a weight above 0, such as 0.5"),
        (["--style", "stars.png:nan"], "--style stars.png:nan needs a weight above 0"),
        (["--style", "stars.png:1", "wheat.png:-1"], "--style wheat.png:-1 needs a weight above 0"),
        (["--style", "nowhere.png:0.5"], "nowhere.png cannot be read as an image"),
        (["--style", "stars.png:0.5", "--out-dir", "d"], "leave them out with --out-dir"),
        (["--style", "stars.png", "--style-scale", "0"], "--style-scale 0 must be above 0"),
        (["--style", "stars.png", "--style-scale", "nan"], "--style-scale nan must be above 0"),
        (["--style", "stars.png", "--style-scale", "1e308"], "--style-scale 1e+308 must be above 0 and at most 100"),
        (["--style", "."], "--style . is a folder: name one painting in it, or --out-dir"),
        (["--style", "stars.png", "--style", "d", "--format", "bmp", "--out-dir", "o"], "--format bmp must be png"),
        (["--style-mask", "dark.png", "--style", "stars.png", "--style", "wheat.png"], "one mask for each painting"),
        (["--style", "stars.png", "--style-mask", "dark.png"], "--style-mask dark.png is dark everywhere"),
        (["--style", "stars.png", "--style-mask", "nowhere.png"], "nowhere.png cannot be read as an image"),
        (["--style", "stars.png", "--style-mask", "wheat.png", "--out", "wheat.png"], "wheat.png is one of the pict"),
    ],
)
def test_mistakes_about_styles_are_said_in_one_sentence(place, capsys, words, sentence):
    Image.new("L", (8, 8), 0).save("dark.png")
    assert paint(*words) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_dots_in_a_name_are_no_suffix(place):
    (place / "photo.jpg").rename(place / "photo.2024.v2.jpg")
    assert commands_paint.main(["photo.2024.v2.jpg", "--style", "stars.png", "--steps", "1", "--device", "cpu"]) == 0
    assert (place / "photo.2024.v2_stars.png").exists()


@pytest.mark.parametrize("words", [["--size", "9000"], ["--style-scale", "99"]])
def test_a_size_beyond_the_memory_is_named(place, monkeypatch, capsys, words):
    monkeypatch.setattr(commands_paint, "free_memory", lambda _: 10**7)
    forbid_painting(monkeypatch)
    assert paint("--style", "stars.png", *words) == 2
    error = capsys.readouterr().err
    assert f"error: {' '.join(words)} asks for " in error and "and 0.0 GB are free: give less" in error


def test_without_a_style_the_folder_of_styles_is_searched(place, monkeypatch, capsys):
    assert paint() == 2
    assert "give one with --style PAINTING.jpg" in capsys.readouterr().err
    (place / "data" / "styles").mkdir(parents=True)
    write_picture(place / "data" / "styles" / "olive.png", 4)
    assert paint() == 0 and (place / "photo_olive.png").exists()
    monkeypatch.setenv("VG_STYLES_DIR", str(place))
    assert commands_paint.find_style().name == "photo.jpg"
    for folder in ("photo.jpg", "nowhere"):
        monkeypatch.setenv("VG_STYLES_DIR", folder)
        with pytest.raises(ValueError, match=f"there is no folder {folder}, which VG_STYLES_DIR names"):
            commands_paint.find_style()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--style", "nowhere.jpg"], "nowhere.jpg cannot be read as an image"),
        (["--style", "text.jpg"], "text.jpg cannot be read as an image"),
        (["--style", "stars.png", "--out", "x.gif"], "--out x.gif must end in .png"),
        (["--style", "stars.png", "--strength", "1.5"], "error: --strength 1.5 must be from 0 (the photo) to 1"),
        (["--style", "stars.png", "--strength", "nan"], "--strength nan must be from 0"),
        (["--style", "stars.png", "--seed", "9" * 20], f"--seed {'9' * 20} must be a whole number below 2^63\n"),
        (["--style", "stars.png", "--size", "5"], "--size 5 must be from 32 to 100000 pixels\n"),
        (["--style", "stars.png", "--size", "10000000"], "--size 10000000 must be from 32 to 100000 pixels\n"),
        (["--style", "stars.png", "--size", "9" * 400], "must be from 32 to 100000 pixels\n"),
        (["--style", "stars.png", "--protect", "nowhere.png"], "nowhere.png cannot be read as an image"),
        (["--style", "stars.png", "--device", "quantum"], "device 'quantum' is not available; torch sees: "),
        (["--style", "stars.png", "--max-megapixels", "0.0001"], "photo.jpg cannot be read as an image"),
    ],
)
def test_mistakes_are_said_in_one_sentence(place, capsys, arguments, sentence):
    (place / "text.jpg").write_text("no image", encoding="utf-8")
    assert paint(*arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def test_an_overflowing_loss_leaves_the_last_good_image(place, capsys, monkeypatch):
    def overflow(content_image, *_, **__):
        raise NonFiniteLoss(7, content_image)

    monkeypatch.setattr(commands_paint, "stylize", overflow)
    assert paint("--style", "stars.png", "--out", "out.png") == 2
    assert "step 7" in capsys.readouterr().err.splitlines()[-1] and distance("out.png") == 0


def test_strength_leads_from_the_photo_to_the_style(place):
    distances = []
    for strength in ("0", "0.3", "0.6", "1"):
        assert paint("--style", "stars.png", "--strength", strength, "--out", f"{strength}.png", "--steps", "60") == 0
        distances.append(distance(f"{strength}.png"))
    assert distances[0] == 0 and distances == sorted(set(distances))


@pytest.mark.parametrize("size", ["128", "300"])
def test_without_strength_or_all_protected_the_photo_stays(place, monkeypatch, size):
    monkeypatch.setattr(commands_paint, "COARSE", 64)  # so that there are one or two coarser levels
    write_picture(place / "large.png", 5, width=300, height=200)
    Image.new("L", (8, 8), 255).save("white.png")
    photo = load_image("large.png", int(size))
    for number, options in enumerate((["--strength", "0"], ["--protect", "white.png"])):
        options += ["--style", "stars.png", "--size", size, "--out", f"{number}.png", "--steps", "4"]
        assert commands_paint.main(["large.png", "--device", "cpu", *options]) == 0
        assert (load_image(f"{number}.png") - photo).abs().max() < 0.6 / 255


def chroma(path):
    """Return the two colour channels of a picture."""
    with Image.open(path) as image:
        return np.asarray(image.convert("YCbCr"), dtype=float)[..., 1:]


@pytest.mark.parametrize("words", [["--keep-colors"], ["--keep-colors", "luminance"], ["--keep-colors", "histogram"]])
def test_colors_are_kept_on_request(place, words):
    tint = np.array(Image.open("stars.png")) // 3
    tint[..., 0] += 160
    Image.fromarray(tint).save("red.png")
    with Image.open("photo.jpg") as photo:
        photo.transpose(Image.Transpose.ROTATE_270).convert("RGB").save("upright.png")
    for name, options in {"plain": [], "kept": words}.items():
        assert paint(*options, "--style", "red.png", "--out", f"{name}.png", "--steps", "60") == 0
    lost, kept = (
        np.abs((chroma(name) - chroma("upright.png")).mean((0, 1))).mean() for name in ("plain.png", "kept.png")
    )
    assert kept < 0.3 * lost and distance("kept.png") > 0.01


def test_a_photo_after_keep_colors_is_no_choice_of_it(place):
    assert commands_paint.main(["--style", "stars.png", "--steps", "2", "--keep-colors", "photo.jpg"]) == 0
    with Image.open("photo_stars.png") as image:
        assert json.loads(image.text["Settings"])["colors"] == "luminance"


@pytest.fixture
def interrupted(place, monkeypatch):
    """Return a function that paints and is stopped after 80 steps."""

    def run(*arguments):
        with monkeypatch.context() as patched:
            real = commands_paint.stylize
            options = {"on_step": interrupt_at(80)}
            patched.setattr(commands_paint, "stylize", lambda *a, **k: real(*a, **k | options))
            assert paint(*arguments) == 130

    return run


LONG = ("--style", "stars.png", "--steps", "120", "--out")


def test_an_interrupted_painting_continues(place, interrupted, capsys):
    paint(*LONG, "whole.png")
    interrupted(*LONG, "again.png")
    assert "the same command continues" in capsys.readouterr().err
    assert len(list(place.glob(".again*.checkpoint"))) == 1
    assert paint(*LONG, "again.png") == 0
    assert torch.equal(load_image("again.png"), load_image("whole.png"))
    assert not list(place.glob(".*"))


def test_another_photo_or_version_begins_anew(place, interrupted, monkeypatch):
    interrupted(*LONG, "again.png")
    monkeypatch.setattr("vg_helpers.style.engine.VERSION", VERSION + 1)
    monkeypatch.setattr(commands_paint, "VERSION", VERSION + 1)
    assert paint(*LONG, "again.png") == 0
    interrupted(*LONG, "again.png")
    write_picture(place / "photo.jpg", 9)
    assert paint(*LONG, "other.png") == 0
    assert paint(*LONG, "again.png", "--overwrite") == 0
    assert torch.equal(load_image("again.png"), load_image("other.png"))


def test_a_result_that_cannot_be_saved_is_not_painted_twice(place, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(commands_paint, "save_picture", full_disk)
        assert paint(*LONG, "out.png") == 2
    assert "the disk is full" in capsys.readouterr().err
    steps, real = [], commands_paint.stylize
    options = {"on_step": lambda step, *_: steps.append(step), "every": 1}
    monkeypatch.setattr(commands_paint, "stylize", lambda *a, **k: real(*a, **k | options))
    assert paint(*LONG, "out.png") == 0 and steps[0] == 101


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def forbid_painting(monkeypatch):
    monkeypatch.setattr(commands_paint, "stylize", lambda *_, **__: pytest.fail("painted before the place was tried"))


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("photo.png", "photo.png is one of the pictures to read"),
        ("stars.png", "stars.png is one of the pictures to read"),
        ("./mask.png", "mask.png is one of the pictures to read"),
        ("link.png", "link.png is one of the pictures to read"),
        ("hard link.png", "hard link.png is one of the pictures to read"),
        ("wheat.png", "wheat.png exists and was not painted from these pictures"),
        ("folder.png", "folder.png: this is a folder"),
        ("photo.jpg/out.png", "photo.jpg"),
        ("n" * 300 + ".png", "name too long"),
    ],
)
def test_a_place_that_does_not_do_is_refused_first(place, monkeypatch, capsys, out, sentence):
    write_picture(place / "photo.png", 1)
    write_picture(place / "mask.png", 4)
    (place / "folder.png").mkdir()
    (place / "link.png").symlink_to("stars.png")
    (place / "hard link.png").hardlink_to(place / "photo.png")
    forbid_painting(monkeypatch)
    before = {path: path.read_bytes() for path in place.iterdir() if path.is_file()}
    words = ["photo.png", "--style", "stars.png", "--protect", "mask.png", "--out", out]
    assert commands_paint.main(words) == 2
    assert sentence in capsys.readouterr().err.casefold()
    assert {path: path.read_bytes() for path in place.iterdir() if path.is_file()} == before


def test_a_disk_without_room_is_refused_first(place, monkeypatch, capsys):
    forbid_painting(monkeypatch)
    usage = shutil.disk_usage(place)._replace(free=20_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert paint("--style", "stars.png") == 2
    assert "the disk is full" in capsys.readouterr().err


def test_only_its_own_results_are_overwritten(place, capsys):
    few = ("--style", "stars.png", "--steps", "2", "--out", "out.png")
    assert paint(*few) == 0
    assert "replaced" not in capsys.readouterr().err
    assert paint(*few, "--seed", "1") == 0  # the same photo and style again
    assert "Note: out.png is replaced when the new painting is finished\n" in capsys.readouterr().err
    write_picture(place / "photo.jpg", 7)
    assert paint(*few) == 2
    assert "out.png exists and was not painted from these pictures" in capsys.readouterr().err
    assert paint(*few, "--overwrite") == 0


def test_two_paintings_at_once_do_not_meet(place, monkeypatch):
    few = ("--style", "stars.png", "--out", "out.png")
    assert paint(*few[:2], "--out", "alone.png") == 0
    real = commands_paint.stylize

    def beside_another(*arguments, **options):
        monkeypatch.setattr(commands_paint, "stylize", real)
        assert paint(*few) == 0  # begins and ends meanwhile, with the same checkpoint and result
        return real(*arguments, **options)

    monkeypatch.setattr(commands_paint, "stylize", beside_another)
    assert paint(*few) == 0 and torch.equal(load_image("out.png"), load_image("alone.png"))
    assert not list(place.glob(".*"))


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes that are not UTF-8")
def test_names_that_are_not_utf8_survive(place):
    photo, style = os.fsdecode(b"caf\xe9.jpg"), os.fsdecode(b"m\xfcll.png")
    shutil.copy("photo.jpg", photo)
    shutil.copy("stars.png", style)
    assert commands_paint.main([photo, "--style", style, "--steps", "2", "--size", "32"]) == 0
    with Image.open("caf__m_ll.png") as image:
        assert json.loads(image.text["Settings"])["photo"].startswith("caf")
    assert commands_paint.main([photo, "--style", style, "--steps", "2", "--out", photo.replace("jpg", "png")]) == 0


def test_long_names_are_shortened(place):
    names = ["ö" * 120 + ".png", "y" * 250 + ".png"]
    for name in names:
        shutil.copy("stars.png", name)
    assert commands_paint.main([names[0], "--style", names[1], "--style", names[1], "--steps", "2"]) == 0
    assert len(list(place.glob("öööö*yy*.png")) + list(place.glob("ööö*-*.png"))) > 0


def test_a_small_picture_is_named_with_a_size_that_works(tiny_zoo, place, monkeypatch, capsys):
    monkeypatch.setattr(
        commands_paint, "build_extractor", lambda network, weights: build_extractor(network, weights="none")
    )
    write_picture(place / "strip.png", 1, width=600, height=30)
    write_picture(place / "dot.png", 1, width=3, height=3)
    words = ["--style", "stars.png", "--steps", "2", "--device", "cpu"]
    assert commands_paint.main(["strip.png", *words, "--size", "64"]) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("error: strip.png has 64×3 pixels at --size 64, and VGG-19 needs at least ")
    size = sentence.split("give --size ")[1].split()[0]
    assert commands_paint.main(["strip.png", *words, "--size", size]) == 0
    assert commands_paint.main(["photo.jpg", "--style", "dot.png"]) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("error: dot.png has 3×3 pixels") and sentence.endswith("give a larger picture")


@pytest.mark.parametrize(
    ("sizes", "levels"),
    [([(300, 200)], 0), ([(512, 400)], 1), ([(1024, 700)], 2), ([(1024, 40)], 0), ([(1024, 700), (70, 90)], 1)],
)
def test_larger_pictures_have_coarser_levels(sizes, levels):
    assert commands_paint.coarse_levels(*(torch.zeros(1, 3, *size) for size in sizes)) == levels


def test_coarser_levels_have_half_the_size_and_twice_the_steps():
    args = commands_paint.build_parser().parse_args(["photo.jpg", "--steps", "200"])
    params = commands_paint.plan(args, 2, StyleParams())
    assert params.coarse == ((0.25, 200), (0.5, 100)) and params.num_steps == 50


def test_debug_shows_where_an_error_arose(place, capsys):
    assert paint("--style", "nowhere.jpg", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("size, shape", [([], (40, 24)), (["--size", "80"], (80, 48)), (["--size", "32"], (32, 19))])
def test_a_size_above_the_photos_own_enlarges_it(place, size, shape):
    assert paint("--style", "stars.png", "--out", "out.png", "--steps", "2", *size) == 0
    assert load_image("out.png").shape[2:] == shape


def test_a_print_says_its_settings_and_may_be_painted_again(place, capsys):
    few = ("--style", "stars.png", "--steps", "2", "--out", "out.tif", "--dpi", "300")
    assert paint(*few) == 0 and paint(*few) == 0
    assert json.loads(read_settings(place / "out.tif")["Settings"])["num_steps"] == 2
    with Image.open("out.tif") as image:
        assert image.info["dpi"] == (300, 300)
    assert paint("--style", "stars.png", "--out", "out.jpg", "--bits", "16") == 2
    assert "--bits 16 needs a .png or .tif file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["photo.jpg", "stars.png"], "several photos or a folder of them need --out-dir"),
        (["photo.jpg", "--style", "stars.png", "wheat.png"], "give them weights: --style a.jpg:1 b.jpg:1"),
        (["."], "several photos or a folder of them need --out-dir"),
        (["photo.jpg", "--pair"], "--pair needs --out-dir"),
        (["photo.jpg", "--out-dir", "d", "--out", "a.png"], "give one of the two"),
    ],
)
def test_options_of_one_and_of_many_do_not_mix(place, capsys, words, sentence):
    assert commands_paint.main([*words, "--style", "wheat.png"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_photo_may_come_last(place):
    assert commands_paint.main(["--steps", "2", "--style", "stars.png", "photo.jpg"]) == 0
    assert (place / "photo_stars.png").exists()


def test_the_way_is_kept_on_request(place, interrupted):
    words = (*LONG, "out.png", "--snapshots", "50", "--film", "out.webp")
    interrupted(*words)
    assert paint(*words) == 0 and paint(*words) == 0  # its own results may be painted again
    names = {path.name for path in place.iterdir()}
    assert {"out.png", "out.webp", "out_step0050.png", "out_step0100.png"} <= names
    assert not [name for name in names if name.startswith(".") or name.endswith("0120.png")]
    paint(*LONG, "plain.png")
    assert torch.equal(load_image("plain.png"), load_image("out.png"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--film", "out.gif"], "--film out.gif must end in .webp"),
        (["--film", "mine.webp"], "mine.webp exists and was not painted from these pictures: give --film"),
        (["--snapshots", "0"], "--snapshots 0 must be at least 1 step"),
        (["--snapshots", "5"], "out_step0005.png exists and was not painted from these pictures"),
        (["--film", "out.webp", "--out-dir", "d"], "--film and --snapshots show the way of one photo"),
    ],
)
def test_films_and_snapshots_are_safe(place, monkeypatch, capsys, words, sentence):
    write_picture(place / "mine.webp", 5)
    write_picture(place / "out_step0005.png", 5)
    forbid_painting(monkeypatch)
    where = [] if "--out-dir" in words else ["--out", "out.png"]
    assert paint("--style", "stars.png", *where, *words) == 2
    assert sentence in capsys.readouterr().err
