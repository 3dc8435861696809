"""files: whole or not at all, the same bytes on every system."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from vg_helpers.files import atomic, file_sha256, fingerprint, read_json, save_torch, write_csv, write_json


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
