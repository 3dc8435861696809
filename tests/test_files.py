"""files: whole or not at all, the same bytes on every system."""

import errno
import hashlib
import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vg_helpers.files import (
    atomic,
    check_place,
    file_sha256,
    fingerprint,
    printable,
    read_csv,
    read_json,
    result_name,
    save_torch,
    unique_names,
    write_csv,
    write_json,
    write_text,
)


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), atomic(path) as part:
        part.write_text("half", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [path]


def test_a_finished_block_replaces_the_file_in_a_folder_made_for_it(tmp_path):
    path = tmp_path / "new" / "a.npy"
    for number in (1, 2):
        with atomic(path) as part:
            np.save(part, number)  # NumPy would append .npy to a name without it
        assert np.load(path) == number
    assert list(path.parent.iterdir()) == [path]


def test_json_keeps_numbers_lists_and_letters(tmp_path):
    content = {"é": np.float32(0.5), "n": np.int64(3), "row": np.arange(3), "one": np.ones(1), "where": tmp_path}
    write_json(tmp_path / "a.json", content)
    expected = {"é": 0.5, "n": 3, "row": [0, 1, 2], "one": [1.0], "where": str(tmp_path)}
    assert read_json(tmp_path / "a.json") == expected
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_tables_and_texts_have_the_same_bytes_on_every_system(tmp_path):
    write_csv(tmp_path / "a.csv", pd.DataFrame({"title": ["Nuit étoilée"], "n": [1]}))
    assert (tmp_path / "a.csv").read_bytes() == "title,n\nNuit étoilée,1\n".encode()


def test_saved_tensors_load_without_pickle(tmp_path):
    save_torch(tmp_path / "a.pt", {"w": torch.ones(2), "lr": 0.1})
    assert torch.load(tmp_path / "a.pt", weights_only=True)["lr"] == 0.1


def test_hashes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert fingerprint("a", {"b": 1, "c": np.int64(2)}) == fingerprint("a", {"c": 2, "b": 1})
    assert len({fingerprint(*parts) for parts in [("a",), ("b",), ("a", 1), ("a", 1.5), (["a"],)]}) == 5
    assert fingerprint("a", 1) == hashlib.sha256(b'["a", 1]').hexdigest()[:16]  # names folders of kept work


NAMES = ["001", "1e5", "NA", "null", "", "nan", "True", "caf\udce9", "é", "a,b", 'say "x"', " x ", "'", "=1+1", "12:30"]


def test_names_come_back_as_the_text_they_were(tmp_path):
    frame = pd.DataFrame({"name": NAMES, "score": np.arange(len(NAMES)) / 4})
    frame.loc[2, "score"] = np.nan
    write_csv(tmp_path / "a.csv", frame)
    again = read_csv(tmp_path / "a.csv")
    assert again.name.tolist() == NAMES and np.array_equal(again.score, frame.score, equal_nan=True)
    assert read_csv(tmp_path / "a.csv", text=["score"]).score.tolist()[:3] == ["0.0", "0.25", ""]


@pytest.mark.parametrize("content", [b"", b'name,path\na,b,c,d\n"'])
def test_a_damaged_table_is_one_sentence_with_its_name(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.csv is empty or damaged \(.*\); run again what writes it"):
        read_csv(tmp_path / "a.csv", text=())


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe{", b"<<<<<<< HEAD"])
def test_damaged_json_is_one_sentence_with_its_name(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is empty or damaged \(.*\); run again what writes it"):
        read_json(tmp_path / "a.json")


def test_texts_keep_names_that_are_no_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "caf\udce9\n")
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xe9\n" or os.name == "nt"
    write_json(tmp_path / "a.json", {"caf\udce9": "\udcff"})
    assert read_json(tmp_path / "a.json") == {"caf\udce9": "\udcff"}


def test_what_is_printable_can_be_encoded_and_stands_on_one_line():
    for text in ("caf\udce9", "\ud800", "a\nb\rc\td\0e", "\x85\u2028\u2029\x9b"):
        shown = printable(text)
        assert shown.encode("utf-8") and len(shown.splitlines()) == 1 and len(shown) == len(text)
    assert printable("é 梵高 “x”") == "é 梵高 “x”"


@pytest.mark.parametrize("suffix", [".png", ".csv"])
@pytest.mark.parametrize("name", ["x" * 250, "é" * 120, "梵" * 80])
def test_the_longest_names_can_be_written(tmp_path, name, suffix):
    path = tmp_path / f"{name}{suffix}"
    write_text(path, "whole")
    assert path.read_text(encoding="utf-8") == "whole" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.jpg", "a.png", "b/a.gif"], ["a", "a-2", "a-3"]),
        (["a.jpg", "A.png", "a-2.png"], ["a", "A-3", "a-2"]),
        (["a-2.jpg", "a.jpg", "a.png"], ["a-2", "a", "a-3"]),
        (["é.jpg", "e\u0301.jpg"], ["é", "e\u0301-2"]),
        (["caf\udce9.jpg", "caf\udce8.jpg"], ["caf_", "caf_-2"]),
        (["a\nb.jpg", " .jpg"], ["a b", "picture"]),
        ([], []),
    ],
)
def test_names_for_further_files_are_different_from_each_other(paths, names):
    assert unique_names(paths) == names


def test_names_for_further_files_are_short_enough_for_two_in_one():
    long = unique_names(["x" * 250 + ".jpg", "x" * 249 + "y.jpg", "梵" * 80 + ".jpg"])
    assert len(set(long)) == 3 and all(len(name.encode()) <= 100 for name in long)
    assert long[0].startswith("xxx") and long[2].startswith("梵梵")


class Full:
    """A stream on a disk that has room for so many bytes."""

    def __init__(self, room):
        self.room = room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    def flush(self):
        pass


@pytest.mark.parametrize("room", [0, 300, 2000, 399_000])
def test_torch_does_not_hide_a_full_disk(tmp_path, monkeypatch, room):
    save_torch(tmp_path / "a.pt", {"x": torch.ones(3)})
    before = (tmp_path / "a.pt").read_bytes()
    monkeypatch.setattr(Path, "open", lambda *_: nullcontext(Full(room)))
    with pytest.raises(OSError, match="No space left"):
        save_torch(tmp_path / "a.pt", {"x": torch.ones(100_000)})
    monkeypatch.undo()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_a_place_is_tried_without_leaving_anything(tmp_path):
    check_place(tmp_path / "new" / "a.png", room=1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    check_place(tmp_path / "file")
    with pytest.raises(IsADirectoryError, match="folder"):
        check_place(tmp_path / "folder")
    with pytest.raises(OSError, match="file"):
        check_place(tmp_path / "file" / "a.png")
    with pytest.raises(OSError, match="too long"):
        check_place(tmp_path / ("n" * 300))
    with pytest.raises(OSError, match="MB are needed"):
        check_place(tmp_path / "a.png", room=10**18)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept" and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(OSError, match="too long"):
        check_place(tmp_path / "new" / ("n" * 300) / "a.png")


@pytest.mark.parametrize("name", ["a" * 250, "é" * 120, "night"])
def test_names_of_results_fit_every_file_system_and_differ(name):
    names = {result_name(name, name + end, "vgg19") for end in ("", "x", "y")}
    assert len(names) == 3 and max(len(name.encode()) for name in names) <= 255
