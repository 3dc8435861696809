"""inputs: what names stand for, in the same order every time."""

import http.server
import os
import threading

import numpy as np
import pytest
from PIL import Image
from stand_ins import blotches

from vg_helpers.commands import inputs
from vg_helpers.commands.inputs import pictures_of, source_of
from vg_helpers.data import download
from vg_helpers.images import ImageError, read_pixels


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures on two levels, and a text; the current folder."""
    for name in ("b.jpg", "a.PNG", "sub/d.jpg", "sub/c.jpg", "sub/e.txt", ".hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(name):
    return [found.replace(os.sep, "/") for found in pictures_of(str(name))]


def test_files_folders_and_patterns(folder):
    assert names("missing.jpg") == ["missing.jpg"]  # whoever reads it says so
    assert names("sub") == ["sub/c.jpg", "sub/d.jpg"]
    assert names("**/*") == ["a.PNG", "b.jpg", "sub/c.jpg", "sub/d.jpg"]
    assert names("sub/[cx].jp?") == ["sub/c.jpg"]
    (folder / "sub" / "[1].jpg").write_bytes(b"")
    assert names("sub/[1].jpg") == ["sub/[1].jpg"]  # a file of this name comes before a pattern
    with pytest.raises(ValueError, match=r"no picture matches \*\.gif"):
        names("*.gif")


def test_a_text_file_names_a_picture_a_line(folder):
    (folder / "list.txt").write_bytes("\ufeffb.jpg\r\n\n with space .jpg\nhttps://host/ä.jpg\n".encode())
    assert names("list.txt") == ["b.jpg", " with space .jpg", "https://host/ä.jpg"]


@pytest.mark.parametrize("header", ["path", "number,URL", "title, File ,url"])
def test_a_table_names_pictures_in_a_column(folder, header):
    columns = header.count(",")
    rows = ['"b,1.jpg"', "", '"two\nlines.jpg"']
    lines = [("x," * min(columns, 1)) + row + (",y" if columns == 2 else "") for row in rows]
    (folder / "table.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    assert names("table.csv") == ["b,1.jpg", "two\nlines.jpg"]


def test_tables_without_pictures_are_refused(folder):
    (folder / "table.csv").write_text("title,artist\na,b\n", encoding="utf-8")
    (folder / "empty.csv").write_text("", encoding="utf-8")
    for name in ("table.csv", "empty.csv"):
        with pytest.raises(ValueError, match="has no column that names pictures; call one of its columns path or url"):
            names(name)
    (folder / "cut.csv").write_text('path\n"a.jpg', encoding="utf-8")
    with pytest.raises(ValueError, match=r"cut\.csv cannot be read as a table"):
        names("cut.csv")


@pytest.mark.parametrize(
    "name, content", [("l.txt", ""), ("l.txt", "\n\r\n"), ("l.csv", "path\n"), ("l.csv", "url\n\n")]
)
def test_lists_of_nothing_are_refused(folder, name, content):
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"{name} lists no pictures; write one "):
        names(name)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_the_encoding_of_powershell_is_named(folder, name, encoding):
    (folder / name).write_text("path\r\nb.jpg\r\n", encoding=encoding)
    with pytest.raises(ValueError, match=rf"{name} is UTF-16, or no text: save it as UTF-8"):
        names(name)


def test_parquet(folder):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"n": [1, 2, 3], "url": ["https://h/a.jpg", None, "b.jpg"]}), "table.parquet")
    assert names("table.parquet") == ["https://h/a.jpg", "b.jpg"]
    (folder / "text.parquet").write_text("path\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.parquet cannot be read as a table"):
        names("text.parquet")


def test_parquet_without_pyarrow_is_one_sentence(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"a\.parquet needs pyarrow: install it, or write the table as CSV"):
        names("a.parquet")


@pytest.fixture
def server(tmp_path):
    """The address of a folder with a picture and a text."""
    (tmp_path / "www").mkdir()
    Image.fromarray(blotches(1)).save(tmp_path / "www" / "a.png")
    (tmp_path / "www" / "text.jpg").write_text("no picture", encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_a_picture_at_an_address_is_read_like_a_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    remote = source_of(f"{server}/a.png")
    np.testing.assert_array_equal(read_pixels(remote), read_pixels(tmp_path / "www" / "a.png"))
    for name, reason in (("missing.jpg", "404"), ("text.jpg", "no picture that can be read")):
        with pytest.raises(ImageError, match=reason) as caught:
            read_pixels(source_of(f"{server}/{name}"))
        assert str(caught.value).startswith(f"{server}/{name} cannot be read")
    assert inputs.source_of("a.png") == inputs.Path("a.png")
