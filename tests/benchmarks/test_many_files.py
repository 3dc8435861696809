"""many_files: the files are what they are said to be, and the command says what it measured."""

import pytest

from vg_helpers.benchmarks import many_files
from vg_helpers.data.labels import STYLE_FOLDER
from vg_helpers.data.paintings import index_paintings


def test_the_files_are_of_both_classes_and_some_are_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(many_files, "COPIES", 0.2)
    many_files.make_files(tmp_path, 120, 32)
    assert len(list((tmp_path / STYLE_FOLDER).glob("*.jpg"))) == 120
    index, quarantine = index_paintings(tmp_path, None)
    assert quarantine.empty and 0 < index.label.sum() < 40 and 70 < index.group.nunique() < 115


@pytest.mark.slow
def test_it_measures_both_counts_in_processes_of_their_own(tmp_path, capsys):
    assert many_files.main(["--count", "100", "--size", "16", "--folder", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["files", "groups"] and [line.split()[0] for line in lines[1:3]] == ["100", "100"]
    assert lines[3].startswith("1 times the files: ") and not list(tmp_path.iterdir())


def test_peak_memory_is_in_bytes():
    assert 20e6 < many_files.peak_memory() < 1e12
