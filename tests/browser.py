"""A headless Chromium, Chrome or Edge that tests drive over its debugging socket, and what its pages ask for."""

import base64
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from urllib.request import Request, urlopen

from conftest import BROWSERS

QUIET = (
    "--headless --no-sandbox --disable-gpu --remote-debugging-port=0 --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --remote-allow-origins=*"
)


class Tab:
    """One page of a browser. `requests` are the addresses it has asked for, `errors` what its scripts raised."""

    def __init__(self, port, address, width=1280, height=900):
        import websocket

        page = json.load(urlopen(Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")))
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], suppress_origin=True, timeout=120)
        self.chooser = None
        self.number, self.requests, self.errors, self.console = 0, [], [], []
        for domain in ("Page", "Network", "Runtime", "DOM"):
            self.do(f"{domain}.enable")
        self.resize(width, height)
        self.do("Page.navigate", url=address)

    def do(self, method, **params):
        """Return the result of a command; what the page reports meanwhile is noted."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _note(self, event):
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        elif event["method"] == "Network.webSocketCreated":
            self.requests.append(event["params"]["url"])
        elif event["method"] == "Page.fileChooserOpened":
            self.chooser = event["params"]["backendNodeId"]
        elif event["method"] == "Runtime.consoleAPICalled":
            words = [str(word.get("value", word.get("description", ""))) for word in event["params"]["args"]]
            self.console.append(" ".join(words))
        elif event["method"] == "Runtime.exceptionThrown":
            self.errors.append(event["params"]["exceptionDetails"].get("exception", {}).get("description", ""))

    def __call__(self, expression):
        """Return the value of an expression in the page."""
        options = {"returnByValue": True, "awaitPromise": True}
        return self.do("Runtime.evaluate", expression=expression, **options)["result"].get("value")

    def wait(self, expression, seconds=120):
        """Return as soon as an expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self(f"Boolean({expression})"):
                return
            time.sleep(0.1)
        raise AssertionError(f"{expression} is still {value!r} after {seconds} s")

    def resize(self, width, height, dark=False):
        """Give the page a size and light or dark colours."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, path):
        """Write a picture of the whole page."""
        data = self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def give_file(self, button, path):
        """Choose a file in the dialog that a button (an expression) opens."""
        self.do("Page.setInterceptFileChooserDialog", enabled=True)
        self.do("Runtime.evaluate", expression=f"{button}.click()", userGesture=True)
        end = time.monotonic() + 60
        while self.chooser is None:
            assert time.monotonic() < end, f"{button} opens no dialog"
            self("1")
        self.do("DOM.setFileInputFiles", backendNodeId=self.chooser, files=[str(path)])
        self.chooser = None

    def drag(self, places):
        """Press the left button at the first of several places (x, y), and let it go at the last one."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 1)]
        for kind, (x, y) in zip(kinds, places, strict=True):
            self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        x, y = places[-1]
        self.do("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)

    def press(self, key, code):
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


@contextmanager
def browser(folder):
    """Yield the debugging port of a running browser whose profile lies in `folder`."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    profile = folder / "profile"
    running = subprocess.Popen([program, *QUIET.split(), f"--user-data-dir={profile}"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if (profile / "DevToolsActivePort").exists():
                break
            time.sleep(0.1)
        yield (profile / "DevToolsActivePort").read_text().split()[0]
    finally:
        running.kill()
        running.wait()
