"""The widgets without a browser: what they show, what they ask the session for, and what comes back."""

import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ipywidgets import Widget
from PIL import Image
from stand_ins import CPU, Tiny

from vg_helpers.classify.answers import Answer
from vg_helpers.commands import paint as command
from vg_helpers.images import Upload, png_bytes
from vg_helpers.playground import judges, page, pictures, session
from vg_helpers.style.convolutions import prepare

ABOUT = {"type": "", "size": 1, "last_modified": datetime(2025, 1, 2, tzinfo=UTC)}  # an upload


class Judge(SimpleNamespace):
    """Believes in yellow, and looks at the left half."""

    def belief(self, picture):
        return picture.mean().item()

    def answer(self, picture):
        return Answer(picture.mean().item() ** 2, 0.1, 0.9, "cannot_tell", True)  # it looks at more than the centre

    def cam(self, picture):
        cam = torch.zeros_like(picture[:, :1])
        cam[..., : picture.shape[-1] // 2] = 1
        return cam


class Extractor(Tiny):
    def __init__(self, network, weights):
        super().__init__()


def save(path, seed):
    pixels = np.random.default_rng(seed).integers(60, 190, (48, 72, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def open_page(tmp_path, monkeypatch):
    """Return a function that opens a page with these judges, and waits until it has loaded."""
    network = Extractor("vgg19", "auto"), prepare(Extractor("vgg19", "auto"), CPU, "auto")
    monkeypatch.setattr(session, "open_network", lambda name: network)
    monkeypatch.setattr(session.Session.__init__, "__defaults__", (lambda: None, None, lambda name: network))
    monkeypatch.setattr(command, "build_extractor", Extractor)
    monkeypatch.setattr(pictures, "photos", lambda: {"one": save(tmp_path / "one.png", 1)})
    monkeypatch.setattr(pictures, "styles", lambda: {"two": save(tmp_path / "two.png", 2)})
    monkeypatch.setattr(pictures, "bundled_photos", dict)

    def build(*present):
        monkeypatch.setattr(judges, "load_judges", lambda: list(present))
        opened = page.Page()
        until(lambda: opened.session is not None and (opened.judges or "judge" in opened.verdict.value))
        opened.size.value, opened.steps.value = 192, 10
        return opened

    return build


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def painted(opened):
    opened.paint.click()
    assert opened.session.wait(60) == "finished", opened.session.problem
    return opened.image.value.tobytes()


def test_it_paints_and_offers_file_and_command(open_page):
    opened = open_page()
    before = opened.image.value.tobytes()
    assert painted(opened) != before
    assert "Finished" in opened.status.value and "data:image/png;base64," in opened.download.value
    assert "run.py paint" in opened.download.value and "loss" in opened.charts.value
    assert "P(van_gogh)" not in opened.charts.value and "run.py report" in opened.verdict.value and opened.why.disabled


def test_opacity_colours_and_the_photo_uncovered_change_the_picture_at_once(open_page):
    opened = open_page()
    shown = {painted(opened)}
    for change in ({"opacity": 0.5}, {"colors": True}, {"share": 50}):
        [(name, value)] = change.items()
        getattr(opened, name).value = value
        shown.add(opened.image.value.tobytes())
    assert len(shown) == 4
    assert "--opacity=0.5" in opened.download.value and "--keep-colors=luminance" in opened.download.value


def test_judges_draw_curves_give_a_verdict_and_show_where_they_look(open_page):
    opened = open_page(Judge(network="vgg19"))
    plain = painted(opened)
    assert "P(van_gogh)" in opened.charts.value and "polyline" in opened.charts.value
    until(lambda: "cannot tell" in opened.verdict.value)
    assert "learned from no painting like this" in opened.verdict.value
    answer = opened.judges[0].answer(opened.session.current.picture()).p
    assert f"(P = {answer:.2f}" in opened.verdict.value and f"<b>{answer:.2f}</b>" in opened.charts.value
    opened.why.value = True
    assert opened.image.value.tobytes() != plain
    opened.why.value = False
    assert opened.image.value.tobytes() == plain


class Broken(Judge):
    def cam(self, picture):
        raise RuntimeError("no map today")


def test_what_goes_wrong_with_the_judges_is_said(open_page, monkeypatch):
    opened = open_page(Broken(network="vgg19"))
    painted(opened)
    until(lambda: "no map today" in opened.verdict.value)
    assert 'role="alert"' in opened.verdict.value

    def damaged():
        raise ValueError("vgg19.pt is damaged")

    monkeypatch.setattr(judges, "load_judges", damaged)
    opened = page.Page()
    until(lambda: "vgg19.pt is damaged" in opened.verdict.value)
    opened.size.value, opened.steps.value = 192, 10
    painted(opened)


def test_a_network_that_cannot_be_loaded_is_said(open_page, monkeypatch):
    def damaged(name):
        raise ValueError("the weights are damaged")

    open_page()
    monkeypatch.setattr(session, "open_network", damaged)
    opened = page.Page()
    until(lambda: "the weights are damaged" in opened.verdict.value, 20)


def test_a_variant_comes_back_with_its_settings(open_page):
    opened = open_page()
    first = painted(opened)
    opened.steps.value, opened.opacity.value, opened.loss.value, opened.strokes.value = 20, 0.8, "wasserstein", 1.5
    assert painted(opened) != first and len(opened.history.children) == 2
    opened.history.children[0].children[1].click()
    assert (opened.steps.value, opened.loss.value, opened.strokes.value) == (10, "gram", 1.0)
    assert opened.session.current is opened.session.variants[0]


def test_the_history_goes_on_when_it_is_full(open_page, monkeypatch):
    monkeypatch.setattr(session, "MOST_VARIANTS", 2)
    opened = open_page()
    for steps in (5, 10, 15):
        opened.steps.value = steps
        painted(opened)
    tips = [card.children[1].tooltip for card in opened.history.children]
    assert [re.search(r"(\d+) steps", tip)[1] for tip in tips] == ["10", "15"]


def test_pictures_of_one_name_come_back_as_they_were(open_page, tmp_path):
    opened = open_page()
    uploads = [Upload("image.jpg", save(tmp_path / "image.png", seed).read_bytes()) for seed in (5, 6, 7)]
    for upload in [*uploads, *uploads]:
        opened.photo.choose(upload)
        assert opened.photo.picture == upload
    assert list(opened.photo.choices) == ["one", "image", "image (2)", "image (3)"]


def test_an_upload_is_chosen_and_not_kept_in_the_widget(open_page, tmp_path):
    opened = open_page()
    data = save(tmp_path / "mine.png", 5).read_bytes()
    opened.photo.upload.value = (ABOUT | {"name": "mine.png", "content": data},)
    assert opened.photo.picture == Upload("mine.png", data) and len(opened.photo.upload.value) == 0
    opened.photo.preview.value = b""
    painted(opened)
    assert "paint mine.png" in opened.download.value


def mask_of(photo):
    """Return a mask that covers a photo's left half, as the brush sends it."""
    pixels = np.zeros((48, 72), np.uint8)
    pixels[:, :36] = 255
    return png_bytes(torch.from_numpy(pixels)[None, None].expand(1, 3, -1, -1) / 255)


def test_what_the_brush_covers_stays_of_the_photo(open_page):
    opened = open_page()
    opened.brushing.value = True
    assert opened.brush.photo and opened.image.layout.display == "none"
    opened.brush.mask = mask_of(opened.photo.picture)
    assert opened.protect.list.value == page.BRUSHED
    painted(opened)
    assert opened.image.layout.display == "" and not opened.brushing.value
    variant = opened.session.current
    change = (variant.picture() - variant.photo).abs().mean((0, 1, 2))
    half = len(change) // 2
    assert change[: half // 2].max() == 0 and change[-half // 2 :].min() > 0
    assert "--protect mask.png" in opened.download.value and 'download="mask.png"' in opened.download.value


def test_a_brushed_mask_goes_with_its_photo_and_when_it_is_cleared(open_page, tmp_path):
    opened = open_page()
    opened.photo.add({"three": save(tmp_path / "three.png", 3)})
    for forget in (lambda: setattr(opened.brush, "mask", b""), lambda: setattr(opened.photo.list, "value", "three")):
        opened.brushing.value = True
        opened.brush.mask = mask_of(opened.photo.picture)
        assert page.BRUSHED in opened.protect.choices
        forget()
        assert page.BRUSHED not in opened.protect.choices and opened.protect.picture is None
    assert opened.brush.photo == page._preview(tmp_path / "three.png", page.BRUSH_SIZE)


def test_choices_that_come_later_leave_the_chosen_one(open_page, tmp_path):
    opened = open_page()
    opened.photo.choose(Upload("mine.png", save(tmp_path / "mine.png", 5).read_bytes()))
    opened.photo.add({"three": tmp_path / "one.png"})
    assert opened.photo.list.value == "mine" and list(opened.photo.choices) == ["one", "mine", "three"]


def test_what_cannot_be_read_is_said(open_page, tmp_path):
    opened = open_page()
    opened.photo.add({"broken": Upload("broken.jpg", b"no picture")})
    opened.photo.list.value = "broken"
    opened.paint.click()
    assert opened.session.wait(60) == "failed"
    assert 'role="alert"' in opened.status.value and "broken.jpg" in opened.status.value
    opened.photo.list.value = "one"
    assert opened.session.state == "ready" and "alert" not in opened.status.value


def test_an_upload_that_is_no_picture_is_named_at_once_and_leaves_nothing_of_the_last_painting(open_page):
    opened = open_page()
    painted(opened)
    assert opened.download.value and opened.charts.value
    opened.photo.upload.value = (ABOUT | {"name": "notes.jpg", "content": b"no picture"},)
    assert 'role="alert"' in opened.photo.problem.value and "notes.jpg" in opened.photo.problem.value
    opened.paint.click()
    assert opened.session.wait(60) == "failed"
    assert opened.download.value == opened.charts.value == ""
    opened.photo.list.value = "one"
    assert opened.photo.problem.value == ""


def test_a_variant_that_was_stopped_says_so(open_page, monkeypatch):
    opened = open_page()
    opened.session.on_change = lambda: (opened.session.step == 1 and opened.session.stop(), opened.render())
    opened.paint.click()
    until(lambda: opened.session.state == "stopped")
    assert "Paint begins anew" in opened.status.value
    at, total = opened.session.step, opened.session.total
    opened.session.on_change = opened.render
    painted(opened)
    thumbnail, button = opened.history.children[0].children
    assert f"stopped after {at} of {total}" in thumbnail.tooltip and "one, painted like two" in thumbnail.tooltip
    button.click()
    assert f"Ended after step {at} of {total}" in opened.status.value


def test_every_widget_that_takes_input_has_a_name(open_page):
    opened = open_page()

    def walk(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    for widget in walk(opened.box):
        if isinstance(widget, Widget) and type(widget).__name__ in (
            "Dropdown",
            "IntSlider",
            "FloatSlider",
            "Button",
            "ToggleButton",
            "Checkbox",
            "FileUpload",
        ):
            assert widget.description, widget
        if isinstance(widget, page.Picture):
            assert widget.tooltip
