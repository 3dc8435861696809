"""The paint command with a tiny extractor: what it writes, what it keeps, what it says when something is wrong."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vg_helpers.commands import paint as commands_paint
from vg_helpers.images import load_image
from vg_helpers.models.weights import NoWeightsError, Weights
from vg_helpers.style import engine
from vg_helpers.style.engine import VERSION, params_for
from vg_helpers.style.optimize import NonFiniteLoss

ORIENTATION = 0x0112  # EXIF tag
ROTATED = 6  # its value for a camera held upright


class Tiny(nn.Module):
    layers = ("fine", "content")
    weights, checkpointing, asked = Weights("vgg19", "imagenet", "tiny.pth", None, ""), False, None

    def __init__(self, network: str, weights: str) -> None:
        super().__init__()
        Tiny.asked = (network, weights)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        generator = torch.Generator().manual_seed(3)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, images):
        features = self.conv(images - 0.5)
        return {"fine": features.relu(), "content": features}


def write_picture(path, seed, width=40, height=24, **options):
    pixels = np.random.default_rng(seed).integers(60, 190, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a photo and two paintings, and a tiny network in place of VGG-19."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VG_STYLES_DIR", raising=False)
    monkeypatch.setattr(commands_paint, "build_extractor", Tiny)
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
    assert (settings["photo"], settings["styles"], settings["strength"]) == ("photo.jpg", ["stars.png"], 0.8)
    assert settings["num_steps"] == 12 and settings["weights"] == "imagenet"
    assert "photo_stars.png" in capsys.readouterr().out
    assert sorted(path.name for path in place.iterdir()) == ["photo.jpg", "photo_stars.png", "stars.png", "wheat.png"]


def test_network_weights_and_memory_are_as_asked_for(place):
    assert paint("--style", "stars.png", "--extractor", "alexnet", "--weights", "embedded", "--low-memory") == 0
    with Image.open("photo_stars.png") as image:
        assert Tiny.asked == ("alexnet", "embedded") and json.loads(image.text["Settings"])["low_memory"]


def test_a_main_object_is_not_looked_for_without_imagenet_weights(place, monkeypatch, capsys):
    def no_weights(_):
        raise NoWeightsError("no route to host")

    monkeypatch.setattr(commands_paint, "find_imagenet_weights", no_weights)
    monkeypatch.setattr(commands_paint, "load_backbone", lambda *_: pytest.fail("half a minute for nothing"))
    assert paint("--style", "stars.png", "--protect", "auto") == 2
    sentence = "error: --protect auto needs ImageNet weights (no route to host); give a mask image instead\n"
    assert capsys.readouterr().err == sentence


def test_embedded_weights_bring_their_own_parameters_and_the_strength_counts_as_well(place, monkeypatch):
    weights = Weights("vgg19", "embedded", "tiny.npz", None, "")
    monkeypatch.setattr(Tiny, "weights", weights)
    for strength in ("1", "0.5"):
        assert paint("--style", "stars.png", "--size", "32", "--out", "out.png", "--strength", strength) == 0
        with Image.open("out.png") as image:
            settings = json.loads(image.text["Settings"])
        wanted = params_for(weights) | {"tv_weight": float(strength) * params_for(weights)["tv_weight"]}
        assert settings["start"] == "patches" and {name: settings[name] for name in wanted} == wanted


def test_strength_leads_from_the_photo_to_the_style(place):
    distances = []
    for strength in ("0", "0.3", "0.6", "1"):
        paint("--style", "stars.png", "--strength", strength, "--out", "out.png", "--steps", "60")
        distances.append(distance("out.png"))
    assert distances[0] == 0 and distances == sorted(set(distances))


def test_colors_are_kept_on_request(place):
    def chroma(path):
        with Image.open(path) as image:
            return np.asarray(image.convert("YCbCr"), dtype=float)[..., 1:]

    with Image.open("photo.jpg") as photo:
        photo.transpose(Image.Transpose.ROTATE_270).convert("RGB").save("upright.png")
    paint("--style", "stars.png", "--out", "plain.png", "--steps", "60")
    paint("--style", "stars.png", "--out", "kept.png", "--steps", "60", "--keep-colors")
    lost, kept = (np.abs(chroma(name) - chroma("upright.png")).mean() for name in ("plain.png", "kept.png"))
    assert kept < 0.2 * lost and distance("kept.png") > 0.01


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


def test_a_style_may_be_left_out_where_there_is_a_folder_of_them(place, monkeypatch, capsys):
    assert paint() == 2
    assert "name a painting with --style" in capsys.readouterr().err
    (place / "data" / "styles").mkdir(parents=True)
    write_picture(place / "data" / "styles" / "olive.png", 4)
    assert paint() == 0 and (place / "photo_olive.png").exists()
    monkeypatch.setenv("VG_STYLES_DIR", str(place))
    assert commands_paint.find_style().name == "photo.jpg"


def test_an_interrupted_painting_continues(place, monkeypatch, capsys):
    arguments = ("--style", "stars.png", "--steps", "120", "--out")
    paint(*arguments, "whole.png")
    real = engine.stylize

    def killed(*args, on_step, **options):
        def stop(step, *rest):
            if step == 80:
                raise KeyboardInterrupt

        return real(*args, on_step=stop, **options)

    monkeypatch.setattr(commands_paint, "stylize", killed)
    assert paint(*arguments, "again.png") == 130
    assert "the same command continues" in capsys.readouterr().err
    monkeypatch.setattr(commands_paint, "stylize", real)
    assert len(list(place.glob(".again*.checkpoint"))) == 1
    shutil.copytree(place, place / "updated")
    assert paint(*arguments, "again.png") == 0
    assert torch.equal(load_image("again.png"), load_image("whole.png"))
    assert not list(place.glob(".*"))
    monkeypatch.chdir(place / "updated")
    monkeypatch.setattr("vg_helpers.style.engine.VERSION", VERSION + 1)
    monkeypatch.setattr(commands_paint, "VERSION", VERSION + 1)
    assert paint(*arguments, "again.png") == 0  # another version begins anew


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--style", "nowhere.jpg"], "nowhere.jpg cannot be read as an image"),
        (["--style", "text.jpg"], "text.jpg cannot be read as an image"),
        (["--style", "stars.png", "--out", "x.gif"], "--out x.gif must end in .png"),
        (["--style", "stars.png", "--strength", "1.5"], "strength=1.5 must be from 0"),
        (["--style", "stars.png", "--size", "5"], "give at least 32 pixels"),
        (["--style", "stars.png", "--protect", "nowhere.png"], "the mask nowhere.png cannot be read"),
        (["--style", "stars.png", "--device", "quantum"], "device 'quantum' is not available; torch sees: "),
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


def test_larger_pictures_begin_with_coarser_ones():
    assert commands_paint.plan(300, 200, 1.0).coarse == ()
    large = commands_paint.plan(1024, 200, 1.0)
    assert large.coarse == ((0.25, 200), (0.5, 100)) and large.num_steps == 50
