"""protocols: lists fetched from a server on this machine, local folders, and VGDB-2016 in the forms it comes in."""

import errno
import io
import re
import threading
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kagglehub
import pandas as pd
import pytest
from PIL import Image
from stand_ins import blotches

from vg_helpers.commands import data
from vg_helpers.data import download, protocols
from vg_helpers.data.download import retry_after
from vg_helpers.data.labels import ARTIST, STYLE_FOLDER, label_paintings
from vg_helpers.data.paintings import list_paintings
from vg_helpers.data.protocols import fetch_list, fetch_vgdb
from vg_helpers.data.splits import add_given


def jpeg(seed: int, size: tuple[int, int] = (24, 18)) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(blotches(seed, size)).save(stream, "JPEG")
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers by the path: a script of answers, one after the other, the last one for ever."""

    def do_GET(self):
        server = self.server
        with server.lock:
            server.asked[self.path] += 1
            server.agents.add(self.headers["User-Agent"])
            script = server.answers.get(self.path, [(404, {}, b"")])
            status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked, server.agents, server.lock = {}, Counter(), set(), threading.Lock()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a list of (url, artist, split) and returns its path."""

    def written(rows):
        path = tmp_path / "lists" / "paintings.csv"
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame(rows, columns=["src", "artist_name", "split"]).to_csv(path, index=False)
        return path

    return written


def good(server, *names):
    for seed, name in enumerate(names):
        server.answers[f"/{name}"] = [(200, {"Content-Type": "image/jpeg"}, jpeg(seed))]


def rows_of(server, *names):
    return [(f"{server.url}/{name}", ARTIST if "v" in name else "Anna", "train") for name in names]


def fetched(folder):
    return sorted(path.name for path in (folder / STYLE_FOLDER).glob("*")) if folder.is_dir() else []


def reasons(missing):
    return dict(zip(missing["filename"].str.rpartition("_")[2], missing["reason"], strict=True))


def test_a_list_is_fetched_and_laid_out_for_01(server, write, tmp_path):
    good(server, "v1.jpg", "a1.jpg")
    path = write([(f"{server.url}/v1.jpg", "Gogh, Vincent van", "train"), (f"{server.url}/a1.jpg", "Anna", "test")])
    assert fetch_list(path, tmp_path / "d", wait=0).empty
    folder = tmp_path / "d"
    assert fetched(folder) == ["anna_a1.jpg", "gogh-vincent-van_v1.jpg"]
    assert (folder / STYLE_FOLDER / "anna_a1.jpg").read_bytes() == jpeg(1)
    index = label_paintings(list_paintings(folder), folder)
    assert index[["label", "split_given"]].values.tolist() == [[0, "test"], [1, "train"]]
    assert {path.name for path in folder.iterdir()} == {STYLE_FOLDER, "classes.csv", "fetched.csv", "missing.csv"}
    assert len(server.agents) == 1 and "vg_helpers" in server.agents.pop()


def test_a_second_run_asks_for_nothing_and_another_size_or_address_is_fetched_again(server, write, tmp_path):
    good(server, "v1.jpg", "a1.jpg", "b/a1.jpg")
    folder, rows = tmp_path / "d", rows_of(server, "v1.jpg", "a1.jpg")
    fetch_list(write(rows), folder, wait=0)
    fetch_list(write(rows), folder, wait=0)
    assert set(server.asked.values()) == {1}
    (folder / "fetched.csv").write_text("filename,url,bytes\n")  # a run that was killed has recorded nothing
    fetch_list(write(rows), folder, wait=0)
    assert set(server.asked.values()) == {1}
    place = folder / STYLE_FOLDER / "anna_a1.jpg"
    place.write_bytes(jpeg(5, (40, 40)))  # a whole picture, but of another size than recorded
    fetch_list(write(rows), folder, wait=0)
    assert server.asked["/a1.jpg"] == 2 and place.read_bytes() == jpeg(1)
    fetch_list(write(rows_of(server, "v1.jpg", "b/a1.jpg")), folder, wait=0)
    assert place.read_bytes() == jpeg(2) and server.asked["/v1.jpg"] == 1


def test_every_failure_has_its_reason_and_nothing_half_lies_there(server, write, tmp_path):
    good(server, "v1.jpg")
    whole = jpeg(3)
    server.answers |= {
        "/gone.jpg": [(404, {}, b"")],
        "/page.jpg": [(200, {"Content-Type": "text/html"}, b"<html>see the museum</html>")],
        "/cut.jpg": [(200, {"Content-Length": str(len(whole))}, whole[:200])],
        "/half.jpg": [(200, {}, whole[: len(whole) // 2])],  # whole by its length, and yet no whole picture
        "/empty.jpg": [(200, {}, b"")],
        "/large.jpg": [(200, {}, b"x" * 60_000)],
        "/endless.jpg": [(200, {"Content-Length": "999999999999"}, b"")],
        "/moved.jpg": [(301, {"Location": "file:///etc/passwd"}, b"")],
    }
    names = [name.lstrip("/") for name in server.answers]
    others = [("", "Anna", "train"), ("ftp://h/x.jpg", "Anna", "train"), ("http://[", "Anna", "train")]
    missing = fetch_list(write(rows_of(server, *names) + others), tmp_path / "d", wait=0, max_bytes=50_000)
    why = reasons(missing)
    assert why["gone.jpg"] == "the server answers 404 Not Found" and server.asked["/gone.jpg"] == 1
    assert why["page.jpg"] == "no picture that can be read: it is a web page or an SVG drawing"
    assert why["cut.jpg"] == "the file was cut off" and server.asked["/cut.jpg"] == download.TRIES
    assert why["half.jpg"].startswith("no picture that can be read: ")
    assert why["empty.jpg"] == "no picture that can be read: it is empty"
    assert why["large.jpg"] == why["endless.jpg"] == "the file has more than 0.05 MB"
    assert why["moved.jpg"].startswith("the address does not work")
    assert sorted(missing["reason"])[0].startswith("addresses of ftp: are not fetched")
    assert "the list gives no address" in set(missing["reason"])
    assert len(missing) == 11 and fetched(tmp_path / "d") == ["vincent-van-gogh_v1.jpg"]
    assert not list((tmp_path / "d").rglob("*.part*"))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "d" / "missing.csv"), missing)


def test_busy_servers_and_cut_files_are_tried_again(server, write, tmp_path):
    whole = (200, {}, jpeg(1))
    server.answers |= {
        "/v1.jpg": [(429, {"Retry-After": "0"}, b""), (503, {}, b""), whole],
        "/v2.jpg": [(200, {"Content-Length": "9999"}, jpeg(1)[:50]), whole],
        "/v3.jpg": [(429, {"Retry-After": "0"}, b"")],
        "/v4.jpg": [(429, {"Retry-After": "86400"}, b"")],
    }
    names = ["v1.jpg", "v2.jpg", "v3.jpg", "v4.jpg"]
    why = reasons(fetch_list(write(rows_of(server, *names)), tmp_path / "d", wait=0))
    assert why["v3.jpg"] == "the server answers 429 Too Many Requests"
    assert why["v4.jpg"].endswith("it asks to wait 86400 seconds") and len(why) == 2
    assert server.asked == {"/v1.jpg": 3, "/v2.jpg": 2, "/v3.jpg": download.TRIES, "/v4.jpg": 1}


def test_pauses_grow_and_hold_for_all_files_of_the_server(server, tmp_path, monkeypatch):
    clock, pauses = [100.0], []

    def wait(seconds):
        pauses.append(round(seconds, 6))
        clock[0] += seconds
        return False

    server.answers["/v1.jpg"] = [(503, {}, b""), (429, {"Retry-After": "40"}, b""), (503, {}, b"")]
    good(server, "a1.jpg")
    monkeypatch.setattr(download.time, "monotonic", lambda: clock[0])
    downloader = download.Downloader(tmp_path, wait=2)
    monkeypatch.setattr(downloader.stop, "wait", wait)
    assert downloader.fetch(f"{server.url}/v1.jpg", tmp_path / "v1.jpg") == "the server answers 503 Service Unavailable"
    assert pauses == [2, 40, 8]  # what the server asks for counts if it is longer
    downloader._rest_until = {server.url.removeprefix("http://"): clock[0] + 5}
    assert downloader.fetch(f"{server.url}/a1.jpg", tmp_path / "a1.jpg") == "" and pauses[3:] == [5]


def test_retry_after_may_be_a_date(monkeypatch):
    monkeypatch.setattr(download.time, "time", lambda: 1445412400.0)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 80.0
    assert retry_after("Tue, 20 Oct 2015 07:28:00 GMT") == 0.0 and retry_after("") == 0.0


def test_gives_up_when_no_server_answers(server, write, tmp_path, monkeypatch):
    monkeypatch.setattr("vg_helpers.data.fetch.GIVE_UP_AFTER", 3)
    monkeypatch.setattr(download, "TRIES", 1)
    good(server, "v0.jpg")
    rows = [*rows_of(server, "v0.jpg"), *((f"http://127.0.0.1:9/{i}.jpg", "Anna", "train") for i in range(9))]
    with pytest.raises(ValueError, match=r"^3 files in a row could not be downloaded from the addresses in paintings"):
        fetch_list(write(rows), tmp_path / "d", num_threads=1, wait=0)
    assert fetched(tmp_path / "d") == ["vincent-van-gogh_v0.jpg"]  # what was there before stays, and is recorded
    assert "v0.jpg" in (tmp_path / "d" / "fetched.csv").read_text()
    missing_ones = rows_of(server, *(f"gone{i}.jpg" for i in range(9)))
    assert len(fetch_list(write(missing_ones), tmp_path / "e", wait=0)) == 9  # a 404 is an answer


def test_a_full_disk_is_one_sentence(server, write, tmp_path, monkeypatch):
    good(server, "v1.jpg")

    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.Downloader, "_write", no_room)
    with pytest.raises(ValueError, match="is full: free some space"):
        fetch_list(write(rows_of(server, "v1.jpg")), tmp_path / "d", wait=0)


def test_local_files_lie_below_the_list_or_are_refused(write, tmp_path):
    path = write(
        [
            ("in/v1.jpg", ARTIST, "train"),
            ("../outside.jpg", "Anna", "train"),
            (str(tmp_path / "outside.jpg"), "B", "train"),
            ("in\\a1.jpg", "Anna", "test"),
            ("in/none.jpg", "Anna", "test"),
            ("file:///etc/passwd", "Anna", "test"),
        ]
    )
    (path.parent / "in").mkdir()
    for name in ("lists/in/v1.jpg", "lists/in/a1.jpg", "outside.jpg"):
        (tmp_path / name).write_bytes(jpeg(1))
    why = reasons(fetch_list(path, tmp_path / "d"))
    assert fetched(tmp_path / "d") == ["anna_a1.jpg", "vincent-van-gogh_v1.jpg"]
    assert why["outside.jpg"] == "the file lies outside the list's folder"
    assert why["none.jpg"] == "there is no such file beside the list" and "addresses of file:" in why["passwd.jpg"]
    if hasattr(path, "symlink_to"):
        (path.parent / "in" / "link.jpg").symlink_to(tmp_path / "outside.jpg")
        assert "outside the list" in fetch_list(write([("in/link.jpg", "A", "test")]), tmp_path / "e")["reason"][0]


def test_limits_are_nested_and_other_folders_are_left_alone(server, write, tmp_path):
    names = [f"v{i}.jpg" for i in range(8)]
    good(server, *names)
    path = write(rows_of(server, *names))
    fetch_list(path, tmp_path / "d", limit=2, wait=0)
    two = fetched(tmp_path / "d")
    fetch_list(path, tmp_path / "d", limit=5, wait=0)
    assert len(two) == 2 and len(fetched(tmp_path / "d")) == 5 and set(two) < set(fetched(tmp_path / "d"))
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "classes.csv").write_text("filename,artist\n")
    with pytest.raises(ValueError, match=r"e holds other paintings; name an empty folder with --data-dir$"):
        fetch_list(path, tmp_path / "e", wait=0)


def test_the_command_says_what_is_there_and_ends_with_1_if_some_are_missing(server, write, tmp_path, capsys):
    good(server, "v1.jpg", "a1.jpg")
    path = write([(f"{server.url}/v1.jpg", ARTIST, "train"), (f"{server.url}/a1.jpg", "Anna", "test")])
    arguments = ["--list", str(path), "--data-dir", str(tmp_path / "d")]
    assert data.main(arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"^2 of 2 paintings are in .*Post_Impressionism \(1 train, 1 test\); take this split with `.*"
                     r"--data-dir .*d -p 02_classify\.split=given`$", out.strip())  # fmt: skip
    path = write([(f"{server.url}/v1.jpg", ARTIST, ""), (f"{server.url}/gone.jpg", "Anna", "")])
    assert data.main(arguments) == 1
    out = capsys.readouterr().out
    assert "1 of 2 paintings are in" in out and "split=given" not in out
    assert "1 could not be fetched, see" in out and "missing.csv" in out
    with pytest.raises(SystemExit):
        data.main(["--set", "vgdb", "--list", str(path)])


@pytest.fixture
def vgdb(tmp_path):
    """A small VGDB-2016 as its authors describe it: train, test and check, vg_<page>.png and nvg_<page>.png, a list."""
    folder = tmp_path / "kaggle" / "vgdb_2016"
    for number in range(30):
        part, prefix = ("test" if number % 5 == 0 else "train"), ("vg" if number % 2 else "nvg")
        place = folder / part / prefix / f"{prefix}_{9100000 + number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blotches(number, (24, 18))).save(place)
    (folder / "check").mkdir()
    Image.fromarray(blotches(99, (24, 18))).save(folder / "check" / "9200000.png")
    lines = [f"{9100000 + n},{'Vincent van Gogh' if n % 2 else 'Paul Cézanne'}" for n in range(28)]
    (folder.parent / "vgdb_2016.csv").write_text("PageID,Artist\n" + "\n".join(lines), encoding="utf-8")
    return folder.parent


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(protocols, "VGDB_SIZES", {"train": 24, "test": 6})


def check_vgdb(folder):
    index = label_paintings(list_paintings(folder), folder)
    assert index.groupby(["split_given", "label"]).size().to_dict() == {
        ("test", 0): 3, ("test", 1): 3, ("train", 0): 12, ("train", 1): 12,
    }  # fmt: skip
    assert set(index["artist"]) == {ARTIST, "paul cézanne", "other"}  # two pages are not in the list
    assert "paul-cezanne_nvg_9100002.png" in fetched(folder) and "9200000" not in " ".join(fetched(folder))
    assert not (folder / ".fetch").exists()
    given = add_given(index.assign(group=range(30)))
    assert given["split_given"].value_counts().to_dict() == {"train": 19, "test": 6, "val": 5}


def test_vgdb_comes_from_kaggle_with_its_split(vgdb, small, tmp_path, monkeypatch):
    monkeypatch.setattr(kagglehub, "dataset_download", lambda handle: str({"gfolego/vangogh": vgdb}[handle]))
    monkeypatch.setenv("VG_DATA_DIR", str(tmp_path / "data"))
    assert data.main(["--set", "vgdb"]) == 0
    check_vgdb(tmp_path / "data" / "vgdb")


def test_vgdb_comes_from_an_archive_or_a_folder_with_archives(vgdb, small, tmp_path, capsys):
    archive = tmp_path / "copy" / "vgdb_2016.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for path in vgdb.rglob("*.*"):
            packed.write(path, path.relative_to(vgdb))
        packed.writestr("../../train/vg/vg_1.txt", "no picture")
    for number, copy in enumerate((archive, archive.parent)):
        folder = tmp_path / f"d{number}"
        assert data.main(["--set", "vgdb", "--from", str(copy), "--data-dir", str(folder)]) == 0
        check_vgdb(folder)
    archive.write_bytes(archive.read_bytes()[:500])
    assert data.main(["--set", "vgdb", "--from", str(archive), "--data-dir", str(tmp_path / "d2")]) == 2
    assert "is not a whole zip archive; download it again" in capsys.readouterr().err


def test_a_copy_that_lacks_paintings_is_said_to(vgdb, small, tmp_path):
    (vgdb / "vgdb_2016" / "test" / "vg" / "vg_9100005.png").unlink()
    (vgdb / "vgdb_2016" / "train" / "vg" / "vg_9100001.png").write_bytes(b"")
    missing = fetch_vgdb(tmp_path / "d", vgdb)
    assert missing.values.tolist() == [
        [f"{STYLE_FOLDER}/vincent-van-gogh_vg_9100001.png", "no picture that can be read: it is empty"],
        ["test", "1 of 6 paintings are not in this copy"],
    ]
    assert len(pd.read_csv(tmp_path / "d" / "missing.csv")) == 2


def test_a_copy_without_pictures_and_no_network_name_the_way_out(vgdb, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    for copy in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"(holds no pictures such as .*--from|does not exist; name)"):
            fetch_vgdb(tmp_path / "d", copy)

    def offline(handle):
        raise ConnectionError("Name or service\nnot known")

    monkeypatch.setattr(kagglehub, "dataset_download", offline)
    with pytest.raises(ValueError, match=r"gfolego/vangogh cannot be downloaded \(Name or service not known\): check"):
        fetch_vgdb(tmp_path / "d")
