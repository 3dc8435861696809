"""The download, with kagglehub's function replaced by one that copies from a local folder."""

import errno
import shutil
import unicodedata
import zipfile
from pathlib import Path

import kagglehub
import numpy as np
import pandas as pd
import pytest
import requests
from PIL import Image

from vg_helpers.commands import data
from vg_helpers.data import fetch

COMPOSED = unicodedata.normalize("NFC", "Post_Impressionism/émile-bernard_été.jpg")
NAMES = [f"Post_Impressionism/paul-gauguin_p{i}.jpg" for i in range(6)]


class Kaggle:
    """Stands in for kagglehub.dataset_download: the same arguments, the same place of the file, the same errors."""

    def __init__(self, source: Path) -> None:
        self.source, self.asked, self.errors = source, [], {}

    def __call__(self, handle: str, path: str, *, force_download: bool = False, output_dir: str = "") -> str:
        assert handle == "steubk/wikiart"
        self.asked.append(path)
        target = Path(output_dir, path)
        if target.exists() and not force_download:
            raise FileExistsError(
                f"File already exists at output_dir: {target}. Set force_download=True to replace it."
            )
        if self.errors.get(path):  # one after the other, then the file
            raise self.errors[path].pop(0)
        if not (self.source / path).exists():
            response = requests.Response()
            response.status_code = 404
            raise requests.HTTPError("404 Client Error.\n\nResource not found", response=response)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.source / path, target)
        return str(target)


@pytest.fixture
def kaggle(tmp_path, monkeypatch) -> Kaggle:
    source = tmp_path / "kaggle"
    (source / "Post_Impressionism").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in [*NAMES, COMPOSED]:
        Image.fromarray(rng.integers(0, 255, (16, 12, 3), dtype=np.uint8)).save(source / name)
    names = [*NAMES, COMPOSED, "Cubism/somebody_else.jpg", "Post_Impressionism/../secret.jpg", NAMES[0]]
    pd.DataFrame({"filename": names, "artist": "x"}).to_csv(source / "classes.csv", index=False)
    stand_in = Kaggle(source)
    monkeypatch.setattr(kagglehub, "dataset_download", stand_in)
    return stand_in


def paintings(folder: Path) -> list[str]:
    return sorted(f"Post_Impressionism/{path.name}" for path in (folder / "Post_Impressionism").iterdir())


def test_fetches_the_listed_paintings_and_nothing_else(kaggle, tmp_path):
    missing = fetch.fetch_paintings(tmp_path / "data")
    assert missing.empty
    assert paintings(tmp_path / "data") == sorted([*NAMES, COMPOSED])
    assert (tmp_path / "data" / NAMES[0]).read_bytes() == (kaggle.source / NAMES[0]).read_bytes()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "Post_Impressionism",
        "classes.csv",
        "missing.csv",
    ]
    assert kaggle.asked[0] == "classes.csv"
    assert sorted(kaggle.asked[1:]) == sorted([*NAMES, COMPOSED])


def test_a_second_run_asks_for_nothing(kaggle, tmp_path):
    fetch.fetch_paintings(tmp_path / "data")
    asked = len(kaggle.asked)
    fetch.fetch_paintings(tmp_path / "data")
    assert len(kaggle.asked) == asked


def test_limits_are_nested_and_mixed(kaggle, tmp_path):
    fetch.fetch_paintings(tmp_path / "data", limit=2)
    two = paintings(tmp_path / "data")
    fetch.fetch_paintings(tmp_path / "data", limit=4)
    four = paintings(tmp_path / "data")
    assert (len(two), len(four)) == (2, 4)
    assert set(two) < set(four)
    assert four != sorted([*NAMES, COMPOSED])[:4]  # the list is sorted by artist: its head would be one class


def test_a_truncated_file_is_listed_and_never_put_in_place(kaggle, tmp_path):
    whole = (kaggle.source / NAMES[2]).read_bytes()
    (kaggle.source / NAMES[2]).write_bytes(whole[: len(whole) // 2])
    missing = fetch.fetch_paintings(tmp_path / "data", wait=0)
    assert list(missing["filename"]) == [NAMES[2]]
    assert "does not decode" in missing["reason"][0]
    assert NAMES[2] not in paintings(tmp_path / "data")
    assert len(paintings(tmp_path / "data")) == len(NAMES)  # all others, among them the one that is not ASCII
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "data" / "missing.csv"), missing)
    (kaggle.source / NAMES[2]).write_bytes(whole)
    assert fetch.fetch_paintings(tmp_path / "data", wait=0).empty  # another run tries again, and the list is empty
    assert pd.read_csv(tmp_path / "data" / "missing.csv").empty


def test_a_404_is_asked_for_once_and_a_lost_connection_again(kaggle, tmp_path):
    (kaggle.source / NAMES[1]).unlink()
    kaggle.errors[NAMES[3]] = [requests.ConnectionError("reset"), requests.ConnectionError("reset")]
    missing = fetch.fetch_paintings(tmp_path / "data", wait=0)
    assert list(missing["filename"]) == [NAMES[1]]
    assert missing["reason"][0] == "404 Client Error. Resource not found"
    assert kaggle.asked.count(NAMES[1]) == 1
    assert kaggle.asked.count(NAMES[3]) == 3


def test_another_spelling_of_a_name_is_tried_and_saved_as_listed(kaggle, tmp_path):
    decomposed = unicodedata.normalize("NFD", COMPOSED)
    (kaggle.source / COMPOSED).rename(kaggle.source / decomposed)
    assert fetch.fetch_paintings(tmp_path / "data", wait=0).empty
    assert (tmp_path / "data" / COMPOSED).is_file()
    assert decomposed in kaggle.asked


def test_zipped_answers_are_unpacked(kaggle, tmp_path):
    for name in ("classes.csv", NAMES[0]):
        content = (kaggle.source / name).read_bytes()
        with zipfile.ZipFile(kaggle.source / name, "w") as archive:
            archive.writestr(Path(name).name, content)
    assert fetch.fetch_paintings(tmp_path / "data").empty
    assert Image.open(tmp_path / "data" / NAMES[0]).size == (12, 16)


def test_the_rest_of_a_killed_download_does_not_stop_the_next(kaggle, tmp_path):
    rest = tmp_path / "data" / ".fetch" / NAMES[0]
    rest.parent.mkdir(parents=True)
    rest.write_bytes(b"half")
    assert fetch.fetch_paintings(tmp_path / "data").empty


def test_gives_up_when_kaggle_stops_answering(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "GIVE_UP_AFTER", 3)
    for name in [*NAMES, COMPOSED]:
        kaggle.errors[name] = [requests.ConnectionError("no route to host")] * fetch.TRIES
    with pytest.raises(ValueError, match=r"3 files in a row .*no route to host.*again later"):
        fetch.fetch_paintings(tmp_path / "data", num_threads=1, wait=0)
    assert len(pd.read_csv(tmp_path / "data" / "missing.csv")) == 3


def test_no_network_no_space_no_list_are_one_sentence(kaggle, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)

    def said(*arguments: str) -> str:
        assert data.main(["--data-dir", str(tmp_path / "data"), *arguments]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert "--limit 0 must be 1 or more" in said("--limit", "0")
    kaggle.errors["classes.csv"] = [requests.ConnectionError("Name or service not known")] * fetch.TRIES
    assert "check the network" in said()
    kaggle.errors[NAMES[0]] = [OSError(errno.ENOSPC, "No space left on device")]
    assert "is full: free some space" in said()
    (tmp_path / "data" / "classes.csv").write_text("id,year\n1,2\n", encoding="utf-8")
    assert "classes.csv, line 1: no column of id, year names picture files" in said()
    (tmp_path / "data" / "classes.csv").write_text("filename\nCubism/x.jpg\n", encoding="utf-8")
    assert "lists no file in Post_Impressionism/" in said()


def test_the_command_counts_what_is_there(kaggle, tmp_path, capsys):
    (kaggle.source / NAMES[1]).unlink()
    assert data.main(["--data-dir", str(tmp_path / "data"), "--threads", "2"]) == 1
    out = capsys.readouterr().out
    assert "6 paintings in" in out
    assert "1 could not be fetched" in out


def test_kagglehub_still_takes_these_arguments():
    import inspect

    parameters = inspect.signature(kagglehub.datasets.dataset_download).parameters
    assert {"path", "force_download", "output_dir"} <= set(parameters)
    assert hasattr(kagglehub.clients, "tqdm")
