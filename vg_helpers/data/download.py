"""Fetch pictures by their address: few at a time, patient with busy servers, and never half a file in its place.

Convention: `Downloader.fetch` returns "" for a file that is in its place, whole and a picture, or the reason why not.
"""

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests

from ..files import atomic
from ..images import SHORT_SIDE, ImageError, open_image

AGENT = "vg_helpers/0.2 (fetches paintings for research, few at a time)"
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces of an answer
TRIES = 4
LONGEST_WAIT = 300  # seconds: who asks for more is tried again by the next run
MAX_BYTES = 200_000_000  # per file
NO_ANSWER = "no answer"  # how the reason begins if the network or the server is gone
BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers that may be another one later


class Downloader:
    """Fetches files with retries and growing pauses; a server that asks to wait is left alone by all threads.

    Args:
        root: the folder in which a list's local files lie, that is, the list's own.
        wait: seconds before a second try, twice as long each time.
    """

    def __init__(self, root: Path, wait: float = 2.0, max_bytes: int = MAX_BYTES) -> None:
        self.root, self.wait, self.max_bytes = root.resolve(), wait, max_bytes
        self.stop = threading.Event()
        self._rest_until: dict[str, float] = {}
        self._local = threading.local()

    def fetch(self, url: str, target: Path) -> str:
        """Return "" when the picture at `url` is in its place, else the reason why not.

        Raises:
            OSError: if the file cannot be written.
        """
        if not url:
            return "the list gives no address"
        try:
            scheme, host = urlsplit(url).scheme.casefold(), urlsplit(url).netloc
        except ValueError as error:
            return f"the address does not work ({error})"
        if scheme not in ("http", "https"):
            return self._copy(url, target) if not scheme else f"addresses of {scheme}: are not fetched, only http(s)"
        for attempt in range(TRIES):
            reason, pause = self._try(url, target)
            if not reason or pause is None or attempt == TRIES - 1 or self.stop.is_set():
                break
            pause = max(pause, self.wait * 2**attempt)
            if pause > LONGEST_WAIT:
                return f"{reason}; it asks to wait {pause:.0f} seconds"
            self._rest_until[host] = max(self._rest_until.get(host, 0), time.monotonic() + pause)
        return reason

    def _try(self, url: str, target: Path) -> tuple[str, float | None]:
        """Return the reason why a file was not fetched, and seconds after which to try again (None: never)."""
        rest = self._rest_until.get(urlsplit(url).netloc, 0) - time.monotonic()
        if rest > 0 and self.stop.wait(rest):
            return "not tried", None
        try:
            with closing(self._session().get(url, stream=True, timeout=TIMEOUT)) as answer:
                if answer.status_code != 200:
                    reason = f"the server answers {answer.status_code} {answer.reason or ''}".strip()
                    busy = answer.status_code in BUSY
                    return reason, retry_after(answer.headers.get("Retry-After", "")) if busy else None
                return self._place(answer, target), None
        except requests.exceptions.ChunkedEncodingError:  # also a body shorter than announced
            return "the file was cut off", 0
        except (requests.ConnectionError, requests.Timeout) as error:
            return f"{NO_ANSWER} ({_cause(error)})", 0
        except requests.RequestException as error:  # no address, too many redirections, or one to a local file
            return f"the address does not work ({_cause(error)})", None

    def _place(self, answer: requests.Response, target: Path) -> str:
        """Write the answer's body to its place if it is a picture of an acceptable size; return the reason if not."""
        too_large = f"the file has more than {self.max_bytes / 1e6:g} MB"
        announced = answer.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self.max_bytes:
            return too_large
        return place(target, lambda part: self._write(answer, part, too_large))

    def _write(self, answer: requests.Response, part: Path, too_large: str) -> str:
        size = 0
        with part.open("wb") as stream:
            for piece in answer.iter_content(1 << 16):
                size += len(piece)
                if size > self.max_bytes:
                    return too_large
                stream.write(piece)
        return ""

    def _copy(self, name: str, target: Path) -> str:
        """Copy a file that lies beside the list, or below it."""
        source = (self.root / name.replace("\\", "/")).resolve()
        if not source.is_relative_to(self.root):
            return "the file lies outside the list's folder"
        if not source.is_file():
            return "there is no such file beside the list"
        if source.stat().st_size > self.max_bytes:
            return f"the file has more than {self.max_bytes / 1e6:g} MB"
        return place(target, lambda part: shutil.copyfile(source, part) and "")

    def _session(self) -> requests.Session:
        """Return this thread's session, which keeps its connections."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.headers["User-Agent"] = AGENT
        return self._local.session


def place(target: Path, write: Callable[[Path], str]) -> str:
    """Put a picture that `write` writes in its place, whole; return "" or the reason why it is not there."""
    try:
        with atomic(target) as part:
            if reason := write(part):
                raise _Refused(reason)
            open_image(part, at_least=SHORT_SIDE)
    except _Refused as refusal:
        return str(refusal)
    except ImageError as error:
        return f"no picture that can be read: {error.reason}"
    return ""


class _Refused(Exception):
    """Leaves `atomic` without putting anything in place."""


def retry_after(header: str) -> float:
    """Return the seconds that a Retry-After header asks for: a number or a date; 0 if it says nothing.

    >>> retry_after("12"), retry_after("soon")
    (12.0, 0.0)
    """
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0


def _cause(error: BaseException) -> str:
    """Return the innermost cause of a network error, in one short line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(str(error).split())[:120] or type(error).__name__
