"""page: it holds all pictures and no solution; and a visit in a real browser, up to the saved file."""

import base64
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vg_helpers.study.answers import read_answers
from vg_helpers.study.page import write_page
from vg_helpers.study.questions import build_study

SIZES = {"alexnet": (300, 200), "vgg19": (300, 200), "van_gogh": (500, 700), "photo": (300, 200)}


def picture(folder, maker, number):
    color = (20 + 60 * list(SIZES).index(maker), 15 * number, 255 - 15 * number)
    image = Image.radial_gradient("L").resize(SIZES[maker]).convert("RGB")
    image = Image.blend(image, Image.new("RGB", SIZES[maker], color), 0.6)
    image.save(path := folder / f"{maker}_{number}.png")
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rows = [(f"secret{i}", maker, picture(folder, maker, i)) for maker in ("alexnet", "vgg19") for i in range(16)]
    painted = pd.DataFrame(rows, columns=["content", "extractor", "file"])
    real = pd.DataFrame({"file": [picture(folder, "van_gogh", i) for i in range(8)]})
    return build_study(painted, real, {f"secret{i}": picture(folder, "photo", i) for i in range(16)})


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "study.html"
    write_page(path, study, 120)
    return path


def data_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="study" type="application/json">(.*?)</script>', text)[1])


def image_of(address):
    start, _, code = address.partition(",")
    assert start == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(code)))


def sizes_of(page):
    """Return the sizes of the pictures by kind of question."""
    return {kind: {image_of(one).size for one in part.values()} for kind, part in data_of(page)["pictures"].items()}


def test_the_page_holds_the_pictures_of_each_question(page, study):
    data = data_of(page)
    assert len(data["questions"]) == 40
    for question in data["questions"]:
        shown = {question[name] for name in ("first", "second", "photo")} - {""}
        assert shown <= set(data["pictures"][question["kind"]])
    assert set().union(*data["pictures"].values()) == set(study.pictures["id"])


def test_no_shape_gives_a_real_painting_away_and_versions_of_a_photo_are_whole(page):
    assert sizes_of(page) == {"van_gogh": {(120, 120)}, "photo": {(120, 80)}}


def test_squares_are_cut_from_the_middle(study, page):
    files, squares = study.pictures.set_index("id")["file"], data_of(page)["pictures"]["van_gogh"]
    for name, address in squares.items():
        whole = Image.open(files[name])
        half = min(whole.size) // 2
        x, y = whole.width // 2, whole.height // 2
        middle = whole.crop((x - half, y - half, x + half, y + half)).resize((120, 120))
        assert np.abs(np.subtract(middle, image_of(address), dtype=float)).mean() < 3


def test_the_smallest_picture_decides_the_size_of_all(study, tmp_path):
    write_page(tmp_path / "study.html", study, 400)
    assert sizes_of(tmp_path / "study.html") == {"van_gogh": {(200, 200)}, "photo": {(300, 200)}}


def test_a_kind_without_questions_needs_no_pictures(study, tmp_path):
    few = replace(study, questions=study.questions[study.questions["kind"] == "van_gogh"])
    write_page(tmp_path / "study.html", few, 120)
    assert data_of(tmp_path / "study.html")["pictures"]["photo"] == {}


def test_the_page_holds_no_solution_and_asks_for_nothing(page, study):
    text = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", page.read_text(encoding="utf-8"))
    for secret in ("secret", "alexnet", "vgg19", *(Path(file).stem for file in study.pictures["file"])):
        assert secret not in text
    assert not re.search(r"""(src|href)=["']|https?:|url\(|@import""", text)
    assert "default-src 'none'" in text


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    from browser import browser

    with browser(tmp_path_factory.mktemp("browser")) as port:
        yield port


COUNT = "document.getElementById('count').textContent"
ARROWS = {"ArrowLeft": 37, "ArrowRight": 39}


def shown(tab):
    """Return the names of both pictures by what they show."""
    return tab(
        "['left', 'right'].map(side => Object.entries(study.pictures[at('ask').className])"
        ".find(([name, src]) => src === document.querySelector(`#${side} img`).src)[0])"
    )


def saved_file(folder, tab):
    tab("document.getElementById('save').click()")
    tab.wait("document.getElementById('saved').textContent.startsWith('Saved')", 60)
    name = tab("document.getElementById('saved').textContent.match(/answers_\\w+\\.json/)[0]")
    for _ in range(600):
        if (folder / name).exists():
            return folder / name
        tab("new Promise(done => setTimeout(done, 100))")
    raise AssertionError(f"{name} was not saved")


@pytest.mark.browser
@pytest.mark.slow
def test_a_visit(page, study, port, tmp_path):
    from browser import Tab

    shots = Path(os.environ.get("VG_SHOTS_DIR", tmp_path))
    tab = Tab(port, page.as_uri())
    tab.do("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.wait("document.getElementById('begin')")
    assert tab("document.getElementById('title').textContent") == "40 quick questions about pictures"
    tab.shot(shots / "study_start.png")
    tab("document.getElementById('begin').click()")
    expected, kinds = {}, []
    for number in range(1, 41):
        assert tab(COUNT) == f"Question {number} of 40"
        kinds.append(tab("document.getElementById('ask').className"))
        pair, key = shown(tab), ("ArrowLeft", "ArrowRight")[number % 3 == 0]
        if number in (3, 30):
            looks(tab, shots, number)
        tab.press(key, ARROWS[key])
        expected[frozenset(pair), kinds[-1]] = pair[key == "ArrowRight"]
        if number == 5:  # twice back: by Backspace, and by the space bar; then both questions again
            tab.press("Backspace", 8)
            assert tab(COUNT) == "Question 5 of 40" and pair == shown(tab)
            assert tab("document.querySelector('[aria-pressed=true]').id") == "left"
            tab.press(" ", 32)
            assert tab(COUNT) == "Question 4 of 40"
            again = shown(tab)
            tab("document.getElementById('right').click()")
            expected[frozenset(again), kinds[3]] = again[1]
            tab("document.getElementById('left').click()")
        if number == 20:  # a page that is closed goes on where it was
            tab.do("Page.reload")
            tab.wait("document.getElementById('begin') && document.getElementById('begin').textContent === 'Continue'")
            tab("document.getElementById('begin').click()")
    assert kinds == sorted(kinds, reverse=True)  # "van_gogh" first: photos show what is repainted
    tab.shot(shots / "study_end.png")
    file = saved_file(tmp_path, tab)
    rows, problems = read_answers([file], study)
    assert problems == [] and len(rows) == 40 and (rows.seconds > 0).all()
    choices = {(frozenset([row.choice, row.other]), row.kind): row.choice for row in rows.itertuples()}
    assert choices == expected
    assert not tab.errors and all(re.match("file:|data:|blob:", place) for place in tab.requests)


def looks(tab, shots, number):
    """Check that the page fits screens of three widths, and keep pictures of it."""
    for width, height in ((1280, 800), (800, 900), (390, 844)):
        for dark in (False, True):
            tab.resize(width, height, dark)
            tab.wait("Array.from(document.images).every(image => !image.src || image.complete)")
            tab.shot(shots / f"study_{number}_{width}_{'dark' if dark else 'light'}.png")
            assert tab("document.documentElement.scrollWidth") <= width
            assert tab("document.getElementById('right').getBoundingClientRect().bottom") <= height
    tab.resize(1280, 900)


@pytest.mark.browser
@pytest.mark.slow
def test_each_person_gets_another_order_and_every_control_a_name(page, port):
    from browser import Tab

    tab = Tab(port, page.as_uri())
    tab.wait("document.getElementById('begin')")
    orders = [tab("open(null), order.map(question => question.id + question.pair).join()") for _ in range(2)]
    same = tab("open({...visit}), order.map(question => question.id + question.pair).join()")
    assert orders[0] != orders[1] == same
    tab("localStorage.clear(), show()")
    tab.do("Accessibility.enable")
    nodes = tab.do("Accessibility.getFullAXTree")["nodes"]
    controls = [node["name"]["value"] for node in nodes if node["role"]["value"] in ("button", "progressbar")]
    assert controls == ["Questions answered", "← first picture", "second picture →", "Back"]
    assert tab("document.activeElement.id") == "question"
