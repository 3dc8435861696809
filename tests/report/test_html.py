"""The web page in a real browser: sliders that keys move, dark and light, nothing from outside. Skips without one."""

import base64
import io
import json
import shutil
import subprocess
import time
from datetime import date
from urllib.request import urlopen

import pytest
from PIL import Image

from report import render

websocket = pytest.importorskip("websocket", reason="websocket-client, which comes with jupyter, is not installed")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PAGE = """# Pictures

$L = \\alpha$ and words.

::: {.compare}
| photo | VGG-19 | AlexNet |
|:-:|:-:|:-:|
| ![cat](red.png){height=2.6cm} | ![cat by VGG-19](blue.png){height=2.6cm} | ![cat by AlexNet](blue.png){height=2.6cm} |
| ![dog](red.png){height=2.6cm} | ![dog by VGG-19](blue.png){height=2.6cm} | |
:::
"""


class Browser:
    """One page of a headless browser, which takes its commands over its debugging socket."""

    def __init__(self, port, path):
        for _ in range(100):
            pages = [page for page in json.load(urlopen(f"http://127.0.0.1:{port}/json")) if page["type"] == "page"]
            if pages:
                break
            time.sleep(0.1)
        self.socket = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], suppress_origin=True, timeout=30)
        self.number = 0
        self.do("Page.enable")
        self.do("Page.navigate", url=path.as_uri())
        while self("document.readyState") != "complete" or self("location.protocol") != "file:":
            time.sleep(0.05)

    def do(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def __call__(self, expression):
        return self.do("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.do(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Home": 36}.get(key, 39)
            )

    def colour(self, x, y):
        shot = base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"])
        return Image.open(io.BytesIO(shot)).convert("RGB").getpixel((round(x), round(y)))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        pytest.skip("no Chromium, Chrome or Edge is on PATH")
    folder = tmp_path_factory.mktemp("page")
    for name in ("red", "blue"):
        Image.new("RGB", (40, 30), name).save(folder / f"{name}.png")
    path, profile = folder / "report.html", folder / "profile"
    path.write_text(render.to_html(PAGE, "Title", date(2025, 1, 2), folder), encoding="utf-8")
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        "--window-size=800,900",
    ]
    running = subprocess.Popen([*command, f"--user-data-dir={profile}"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if (profile / "DevToolsActivePort").exists():
                break
            time.sleep(0.1)
        else:
            pytest.skip(f"{program} does not start here")
        yield Browser((profile / "DevToolsActivePort").read_text().split()[0], path)
    finally:
        running.kill()
        running.wait()


def test_keys_move_the_slider_and_it_uncovers_the_painting(browser):
    assert browser("document.querySelectorAll('.slider').length") == 3
    assert browser("document.querySelector('.compare label').textContent") == "photo shown over cat by VGG-19"
    browser("document.querySelector('.slider').scrollIntoView(); document.querySelector('.compare input').focus()")
    box = json.loads(browser("JSON.stringify(document.querySelector('.slider').getBoundingClientRect())"))
    middle = box["y"] + box["height"] / 2
    left, right = box["x"] + 0.3 * box["width"], box["x"] + 0.7 * box["width"]
    assert browser.colour(left, middle) == (255, 0, 0) and browser.colour(right, middle) == (0, 0, 255)
    browser.press("Home")
    assert browser("document.querySelector('.compare input').value") == "0"
    assert browser.colour(left, middle) == (0, 0, 255)
    browser.press("ArrowRight")
    assert browser("document.querySelector('.compare input').value") == "1"


def test_the_page_is_legible_in_dark_and_in_light_and_asks_nobody(browser):
    for scheme, dark in (("dark", True), ("light", False)):
        browser.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        style = "getComputedStyle(document.querySelector('{}'))['{}'].match(/[0-9]+/g).slice(0, 3).join()"
        paper, ink = (
            sum(map(int, browser(style.format(*of)).split(",")))
            for of in (("html", "background-color"), ("p", "color"))
        )
        assert (paper < ink) == dark and abs(paper - ink) > 450
    assert browser("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    assert browser("document.querySelector('math').getBoundingClientRect().height") > 5
    assert browser("document.documentElement.scrollWidth <= innerWidth")


def test_the_contents_stand_beside_the_text_where_there_is_room_and_above_it_elsewhere(browser):
    box = "JSON.stringify(document.querySelector('{}').getBoundingClientRect())"
    for width, beside in ((1500, True), (800, False), (400, False)):
        browser.do("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        contents, words = (json.loads(browser(box.format(of))) for of in ("nav#TOC", "body > section > p"))
        assert (contents["right"] < words["left"]) == beside and contents["left"] >= 0
        assert beside or contents["bottom"] < words["top"]
        assert browser("document.documentElement.scrollWidth <= innerWidth")
    browser.do("Emulation.clearDeviceMetricsOverride")
