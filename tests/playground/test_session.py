"""The painting of the page: frames, stopping, blending, variants, and that the copied command makes the same file."""

import shlex
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import CPU, Tiny

from vg_helpers.commands import paint as command
from vg_helpers.images import Upload, load_image
from vg_helpers.playground import session as module
from vg_helpers.playground.recipe import Recipe
from vg_helpers.playground.session import FAILED, FINISHED, STOPPED, Session
from vg_helpers.style.convolutions import prepare


def picture(path, seed, size=(72, 48)):
    pixels = np.random.default_rng(seed).integers(60, 190, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


class Extractor(Tiny):
    def __init__(self, network, weights):
        super().__init__()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "build_extractor", Extractor)
    monkeypatch.setattr(command, "COARSE", 32)  # so that a painting of 64 pixels has two levels
    monkeypatch.setattr(command, "COARSE_SHORTER", 16)
    picture(tmp_path / "photo.png", 1)
    picture(tmp_path / "stars.png", 2)
    Image.linear_gradient("L").resize((72, 48)).save(tmp_path / "mask.png")
    return tmp_path


@pytest.fixture
def recipe(place):
    photo, style = (Upload(name, (place / name).read_bytes()) for name in ("photo.png", "stars.png"))
    return Recipe(photo, style, size=64, steps=12)


def network(_):
    extractor = Extractor("vgg19", "auto")
    return extractor, prepare(extractor, CPU, "auto")


def session_that(at=None, **options):
    """Return a session that stops by itself after step `at`, the pictures it showed, and an event for the stop."""
    pictures, halted = [], threading.Event()

    def note():
        if session.current is not None and session.current.losses:
            pictures.append(session.current.picture())
        if session.state == STOPPED:
            halted.set()

    session = Session(note, network=network, **options)
    if at is not None:
        judge = session.judge

        def stop_then(image):
            session.stop() if len(session.current.losses) >= at else None
            return judge(image) if judge else {}

        session.judge = stop_then
    return session, pictures, halted


def by_command(variant):
    """Return the bytes of the file that the copied command writes."""
    words = shlex.split(variant.recipe.command())
    assert words[:3] == ["python3", "run.py", "paint"]
    assert command.main([*words[3:], "--device", "cpu", "--overwrite"]) == 0
    return (command.Path(words[words.index("--out") + 1])).read_bytes()


CHANGES = [
    {},
    {"opacity": 0.4},
    {"keep_colors": True},
    {"opacity": 0.7, "keep_colors": True, "seed": 3},
    {"protect": "mask.png"},
    {"loss": "wasserstein"},
    {"loss": "neighbours", "style_scale": 1.5},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_copied_command_makes_the_same_file(place, recipe, change):
    if "protect" in change:
        change = {"protect": Upload("mask.png", (place / "mask.png").read_bytes())}
    session, _, _ = session_that()
    session.paint(replace(recipe, **change))
    assert session.wait() == FINISHED
    assert session.current.png() == by_command(session.current)


@pytest.mark.parametrize("names", [("-photo.png", "-stars.png", "-mask.png"), ("~root", "~", "auto")])
def test_names_that_the_command_would_misread(place, recipe, names):
    pictures = []
    for name, old in zip(names, ("photo.png", "stars.png", "mask.png"), strict=True):
        (place / old).rename(place / name)
        pictures.append(Upload(name, (place / name).read_bytes()))
    photo, style, mask = pictures
    session, _, _ = session_that()
    session.paint(replace(recipe, photo=photo, style=style, protect=mask, size=32, steps=2))
    assert session.wait(60) == FINISHED, session.problem
    assert session.current.png() == by_command(session.current)


def test_words_that_the_parser_refuses_are_said(recipe):
    session, _, _ = session_that()
    session.paint(replace(recipe, extractor="resnet"))
    assert session.wait(60) == FAILED and "--extractor resnet" in session.problem


@pytest.mark.parametrize("at", [1, 5, 12, 14])
@pytest.mark.parametrize("protect", [False, True])
def test_a_stopped_painting_has_a_command_too(place, recipe, at, protect):
    mask = Upload("mask.png", (place / "mask.png").read_bytes()) if protect else None
    session, _, halted = session_that(at)
    session.paint(replace(recipe, protect=mask, keep_colors=True))
    assert halted.wait(60) and session.state == STOPPED
    assert session.step == session.current.recipe.stop_at < session.total
    assert session.current.png() == by_command(session.current)
    session.close()


def test_it_shows_frames_and_goes_on_where_it_stopped(recipe):
    session, pictures, halted = session_that(4)
    session.paint(recipe)
    assert halted.wait(60)
    session.judge = None
    session.resume()
    assert session.wait() == FINISHED and session.step == session.total == 18
    undisturbed, frames, _ = session_that()
    undisturbed.paint(recipe)
    undisturbed.wait()
    assert torch.equal(session.current.painting, undisturbed.current.painting)
    assert [step for step, _ in session.current.losses] == list(range(1, 19))
    assert len(pictures) >= 3 and not torch.equal(pictures[0], pictures[-1])
    assert frames[0].shape == frames[-1].shape


def test_opacity_and_colours_change_without_painting(recipe, monkeypatch):
    session, _, _ = session_that()
    session.paint(recipe)
    session.wait()
    monkeypatch.setattr("vg_helpers.playground.session.stylize", None)
    photo, painting = session.current.photo, session.current.picture()
    session.blend(0.25, False)
    assert torch.allclose(session.current.picture(), 0.75 * photo + 0.25 * painting, atol=1e-6)
    session.blend(0, True)
    assert torch.equal(session.current.picture(), photo)
    session.blend(1, False)
    assert torch.equal(session.current.picture(), painting)


def test_variants_stay_and_come_back(recipe):
    session, _, _ = session_that()
    for steps in (4, 8):
        session.paint(replace(recipe, steps=steps))
        session.wait()
    first = session.variants[0]
    assert [variant.recipe.steps for variant in session.variants] == [4, 8]
    session.show(first)
    assert session.current is first and session.state == FINISHED and session.step == len(first.losses)
    assert session.total == session.step < session.variants[1].total


def test_the_same_recipe_again_is_a_variant_of_its_own(recipe):
    session, _, _ = session_that()
    for _ in range(2):
        session.paint(replace(recipe, steps=2))
        session.wait()
    assert len(session.variants) == 2


def test_a_new_painting_ends_the_one_before_and_keeps_it(recipe):
    session, _, halted = session_that(3)
    session.paint(recipe)
    assert halted.wait(60)
    session.judge = None
    session.paint(replace(recipe, steps=4))
    assert session.wait() == FINISHED
    assert [variant.recipe.stop_at is None for variant in session.variants] == [False, True]


def test_judges_are_asked_from_the_first_to_the_last_step(recipe):
    session, _, _ = session_that(judge=lambda image: {"VGG-19": image.mean().item()})
    session.paint(replace(recipe, size=32))
    session.wait()
    steps = [step for step, _ in session.current.beliefs["VGG-19"]]
    assert steps[0] == 1 and steps[-1] == session.total and steps == sorted(set(steps))
    assert session.current.beliefs["VGG-19"][-1][1] == pytest.approx(session.current.painting.mean().item(), abs=1e-3)


@pytest.mark.parametrize(("cost", "steps"), [(0.25, [1, *range(2, 31, 2)]), (2, [1, 8, 14, 20, 26, 30])])
def test_slow_judges_are_asked_less_often(recipe, monkeypatch, cost, steps):
    clock = SimpleNamespace(now=0.0)

    def takes(seconds, work):
        def wrapped(*args):
            clock.now += seconds
            return work(*args)

        return wrapped

    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(module, "enlarged", takes(1, module.enlarged))  # of each step
    session, _, _ = session_that(judge=takes(cost, lambda image: {"vgg19": 0.5}))
    session.paint(replace(recipe, size=32, steps=30))
    assert session.wait(60) == FINISHED
    assert [step for step, _ in session.current.beliefs["vgg19"]] == steps


def test_two_sessions_do_not_mix(recipe):
    first, _, _ = session_that()
    second, _, _ = session_that()
    other = replace(recipe, photo=recipe.style, style=recipe.photo)
    first.paint(recipe)
    second.paint(other)
    assert first.wait() == second.wait() == FINISHED
    assert first.current.recipe == recipe and second.current.recipe == other
    assert torch.equal(first.current.photo, load_image(recipe.photo, 64))


@pytest.mark.parametrize(
    ("change", "word"),
    [({"photo": Upload("notes.txt", b"hello")}, "notes.txt"), ({"size": 8}, "--size"), ({"steps": 0}, "--steps")],
)
def test_what_is_wrong_is_said(recipe, change, word):
    session, _, _ = session_that()
    session.paint(replace(recipe, **change))
    assert session.wait() == FAILED and word in session.problem and session.variants == []


def test_nothing_is_written(place, recipe):
    before = sorted(place.iterdir())
    session, _, _ = session_that()
    session.paint(recipe)
    session.wait()
    assert session.current.png().startswith(b"\x89PNG") and sorted(place.iterdir()) == before
