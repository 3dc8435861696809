"""The page in a real browser, by Voilà: a photo is painted, stopped, continued, blended and downloaded."""

import base64
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
SLOW = 150  # seconds: a machine may be busy
STATUS = "document.querySelector('.vg-right .vg-line').textContent"
COMMAND = "document.querySelector('.vg-take code').textContent"
SHOWN = "document.querySelector('.vg-picture').src"
SESSION = "Array.from(jupyterapp.shell.widgets('main')).find(widget => widget.sessionContext)?.sessionContext"
BUTTON = "Array.from(document.querySelectorAll('.vg-page button')).find(b => b.textContent.includes('{}'))"


def choose(tab, label, text):
    """Choose the entry of a list by its words."""
    tab(
        "{const s = Array.from(document.querySelectorAll('.widget-dropdown'))"
        f".find(d => d.textContent.includes('{label}')).querySelector('select'); "
        f"s.selectedIndex = Array.from(s.options).findIndex(o => o.text.includes('{text}')); "
        "s.dispatchEvent(new Event('change', {bubbles: true}))}"
    )


def click(tab, text):
    tab(f"{BUTTON.format(text)}.click()")


@contextmanager
def served(command, pattern, port, cwd=ROOT):
    """Yield the address that a server prints, as `pattern` finds it."""
    bundled = {name: value for name, value in os.environ.items() if not name.startswith("VG_")}
    environment = bundled | {"JUPYTER_PREFER_ENV_PATH": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", *command, str(port)]
    server = subprocess.Popen(command, cwd=cwd, env=environment, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        lines = []
        for line in server.stderr:
            lines.append(line)
            if match := re.search(pattern, line):
                threading.Thread(target=server.stderr.read, daemon=True).start()
                yield match[0]
                break
        else:
            pytest.fail("".join(lines[-20:]))
    finally:
        server.terminate()
        server.wait()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def address():
    """Serve the page; return its address."""
    command = ["vg_helpers.commands.play", "--no-browser", "--port"]
    with served(command, r"http://127\.0\.0\.1:\d+/\?token=\w+", free_port()) as place:
        yield place


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    from browser import browser

    with browser(tmp_path_factory.mktemp("browser")) as port:
        yield port


def shots(tmp_path):
    """Return the folder for pictures of the page: VG_SHOTS_DIR if somebody wants to look at them."""
    folder = Path(os.environ.get("VG_SHOTS_DIR", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_visit(address, port, tmp_path):
    from browser import Tab

    photo = tmp_path / "my photo of a cup of coffee on a table in a small cafe by the harbour.jpg"
    Image.open(ROOT / "report" / "pictures" / "photo.jpg").save(photo)
    tab, folder = Tab(port, address), shots(tmp_path)
    tab.wait(f"document.querySelector('.vg-right .vg-line') && {STATUS}.includes('press Paint')", SLOW)
    tab.shot(folder / "start.png")
    tab.give_file("document.querySelector('.widget-upload')", photo)
    # the list's spaces are not those of the file's name: ipywidgets shows them unbroken
    tab.wait("document.querySelector('.widget-dropdown select').selectedOptions[0].text.includes('harbour.jpg')", SLOW)
    choose(tab, "Size", "192")
    click(tab, "Paint")  # by VGG-19: AlexNet is done after a second, with fewer pictures than are counted here
    tab.wait(f"{STATUS}.startsWith('Painting')", SLOW)
    click(tab, "Stop")
    tab.wait(f"{STATUS}.startsWith('Stopped')", SLOW)
    stopped = tab(SHOWN)
    click(tab, "Continue")
    frames = {stopped}
    end = time.monotonic() + SLOW
    while not tab(STATUS).startswith("Finished"):
        assert time.monotonic() < end, tab(STATUS)
        frames.add(tab(SHOWN))
    assert tab("document.querySelectorAll('.vg-chart polyline').length") >= 1
    tab.wait("document.querySelector('.vg-take a')", SLOW)
    before = tab(SHOWN)
    tab("document.querySelector('.widget-checkbox input').click()")
    tab.wait(f"{SHOWN} != '{before}' && {COMMAND}.includes('keep-colors')", SLOW)
    tab("document.querySelectorAll('.vg-right .noUi-handle')[1].focus()")
    tab.press("ArrowLeft", 37)
    tab.wait(f"{COMMAND}.includes('--opacity=0.95')", SLOW)
    assert "by the harbour.jpg' --style" in tab(COMMAND) and "--size 192" in tab(COMMAND), tab(COMMAND)
    tab.shot(folder / "painted.png")
    assert tab("document.querySelector('.vg-left').offsetWidth") <= 340
    tab.resize(800, 900, dark=True)
    tab.shot(folder / "painted_dark_800.png")
    assert tab("document.documentElement.scrollWidth <= 800")
    same_by_command(tab, tmp_path)
    assert len(frames) >= 5, len(frames)
    assert not tab.errors
    outside = [place for place in tab.requests if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", place)]
    assert not outside


def test_the_brush_makes_a_mask(address, port, tmp_path):
    from browser import Tab

    tab = Tab(port, address)
    tab.wait(f"document.querySelector('.vg-right .vg-line') && {STATUS}.includes('press Paint')", SLOW)
    choose(tab, "Size", "192")
    choose(tab, "Network", "AlexNet")
    click(tab, "Brush")
    canvas = "document.querySelector('.vg-brush canvas')"
    tab.wait(f"{canvas} && {canvas}.width > 300", SLOW)
    box = tab(f"(b => [b.left, b.top, b.width, b.height])({canvas}.getBoundingClientRect())")
    places = [(box[0] + box[2] * share, box[1] + box[3] / 2) for share in (0.2, 0.4, 0.6)]
    tab.drag(places)
    chosen = "Array.from(document.querySelectorAll('.widget-dropdown select')).map(s => s.selectedOptions[0].text)"
    tab.wait(f"{chosen}.some(t => t.replaceAll('\u00a0', ' ').includes('brush covers'))", SLOW)
    tab.shot(shots(tmp_path) / "brush.png")
    click(tab, "Paint")
    tab.wait(f"{STATUS}.startsWith('Finished') && document.querySelectorAll('.vg-take a').length == 2", SLOW)
    data = tab("document.querySelectorAll('.vg-take a')[1].href").partition(",")[2]
    (tmp_path / "mask.png").write_bytes(base64.b64decode(data))
    same_by_command(tab, tmp_path)
    mask = Image.open(tmp_path / "mask.png").convert("L")
    assert mask.getpixel((mask.width * 4 // 10, mask.height // 2)) == 255 and mask.getpixel((5, 5)) == 0
    assert not tab.errors


def same_by_command(tab, folder):
    """Check that the command on the page writes the very bytes that the page offers."""
    data = base64.b64decode(tab("document.querySelector('.vg-take a').href").partition(",")[2])
    words = shlex.split(tab(COMMAND))
    assert words[:3] == ["python3", "run.py", "paint"]
    command = [sys.executable, "-m", "vg_helpers.commands.paint", *words[3:]]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    assert (folder / "painting.png").read_bytes() == data


def test_two_pages_do_not_mix(address, port):
    from browser import Tab

    tabs = [Tab(port, address), Tab(port, address)]
    for tab, photo in zip(tabs, ("cat", "rocket"), strict=True):
        tab.wait(f"document.querySelector('.vg-right .vg-line') && {STATUS}.includes('press Paint')", SLOW)
        tab.wait("document.querySelector('.widget-dropdown select').options.length > 3", SLOW)
        choose(tab, "Photo", photo)
        choose(tab, "Size", "192")
        choose(tab, "Network", "AlexNet")
        click(tab, "Paint")
    for tab, photo in zip(tabs, ("chelsea", "rocket"), strict=True):
        tab.wait(f"{STATUS}.startsWith('Finished') && document.querySelector('.vg-take code')", SLOW)
        assert photo in tab(COMMAND)


def test_without_the_token_there_is_no_page(address):
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        text = urlopen(address.partition("?")[0], timeout=SLOW).read().decode()
    except HTTPError as error:
        assert error.code in (401, 403)
    else:
        assert "vg-page" not in text and "Playground" not in text


def test_the_same_widgets_paint_in_jupyterlab(port, tmp_path, tmp_path_factory, monkeypatch):
    from browser import Tab

    shutil.copy(ROOT / "notebooks" / "playground.ipynb", tmp_path)
    options = ["--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True", f"--notebook-dir={tmp_path}"]
    for name in ("SETTINGS", "WORKSPACES"):
        monkeypatch.setenv(f"JUPYTERLAB_{name}_DIR", str(tmp_path_factory.mktemp(name.lower())))
    command = ["jupyterlab", *options, "--port"]
    with served(command, r"http://127\.0\.0\.1:\d+/lab\?token=\w+", free_port()) as lab:
        tab = Tab(port, lab.replace("/lab?", "/lab/tree/playground.ipynb?"))
        tab.wait("window.jupyterapp && document.querySelector('.jp-CodeCell')", SLOW)
        tab.wait(f"{SESSION}?.isReady && {SESSION}.session?.kernel?.connectionStatus == 'connected'", SLOW)
        tab("void jupyterapp.commands.execute('notebook:run-all-cells')")
        tab.wait(f"document.querySelector('.vg-right .vg-line') && {STATUS}.includes('press Paint')", SLOW)
        before = tab(SHOWN)
        choose(tab, "Size", "192")
        choose(tab, "Network", "AlexNet")
        click(tab, "Paint")
        tab.wait(f"{STATUS}.startsWith('Finished')", SLOW)
        tab.shot(shots(tmp_path) / "jupyterlab.png")
        assert tab(SHOWN) != before
