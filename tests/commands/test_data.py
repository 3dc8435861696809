"""data: options that do not fit are refused before anything is fetched."""

import pytest

from vg_helpers.commands import data


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--from", "vgdb_2016.zip"], "--from names a copy of VGDB: add --set vgdb, or leave it out"),
        (["--list", "a.csv", "--from", "vgdb_2016.zip"], "--from names a copy of VGDB"),
        (["--split-column", "run_3"], "--split-column names a column of a list: give the list with --list FILE.csv"),
        (["--set", "vgdb", "--split-column", "run_3"], "--split-column names a column of a list"),
        (["--set", "vgdb", "--limit", "3"], "--limit does not fit --set vgdb"),
        (["--limit", "0"], "--limit 0 must be 1 or more"),
        (["--threads", "0"], "--threads 0 must be from 1 to 8"),
        (["--threads", "100"], "--threads 100 must be from 1 to 8"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, monkeypatch, capsys, words, sentence):
    for name in ("fetch_paintings", "fetch_list", "fetch_vgdb"):
        monkeypatch.setattr(data, name, lambda *_, **__: pytest.fail("something was fetched"))
    assert data.main([*words, "--data-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {sentence}") and error.count("\n") == 1
