"""The archive for handing in: complete, clean, and never older than what it was made of."""

import json
import os
import zipfile
from datetime import date

import pytest

from report import render, submit
from vg_helpers.files import write_json


@pytest.fixture
def project(tmp_path):
    """A project with an executed notebook that names this machine's folders, data and weights."""
    build_dir = tmp_path / "report" / "build" / "demo"
    for name in ("notebooks/01_data.ipynb", "report/build.py", "vg_helpers/a.py", "tests/test_a.py", "data/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (build_dir / "02_classify").mkdir(parents=True)
    (build_dir / "02_classify" / "vgg19.pt").write_bytes(b"weights")
    source = f'data_dir = "/mnt/paintings"\nopen("{tmp_path.as_posix()}/a.txt")'
    source += '\nstorage = "postgresql+psycopg://ada:hunter2@db.example.org/search"'
    data = {"text/plain": [f"{tmp_path}/b\n", "/mnt/paintings/c.jpg"]}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    bar = {"output_type": "stream", "name": "stdout", "text": ["Downloading to /mnt/hub/x.pth"]}
    cell = {"cell_type": "code", "id": "a", "metadata": {"papermill": {}}, "source": source, "outputs": [output, bar]}
    notebook = {
        "cells": [cell],
        "metadata": {"papermill": {"output_path": str(tmp_path)}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (build_dir / "01_data.ipynb").write_text(json.dumps(notebook))
    write_json(build_dir / "01_data" / "manifest.json", {"started": "2025-01-02", "inputs": {}})
    write_json(build_dir / ".01_data.json", {"started": "2025-01-02", "inputs": {}})
    (build_dir / "report.pdf").write_bytes(b"%PDF-1.7")
    return tmp_path


def pack(project, group="026"):
    return submit.pack(group, project / "report" / "build" / "demo", project, "run.py report", project)


def test_the_archive_holds_report_notebooks_and_scripts_alone(project):
    archive = pack(project)
    assert archive.name == "Group_026_DL_Project.zip"
    with zipfile.ZipFile(archive) as packed:
        content = {name.removeprefix("Group_026_DL_Project/"): packed.read(name) for name in packed.namelist()}
    assert set(content) == {
        "report.pdf",
        "notebooks/01_data.ipynb",
        "report/build.py",
        "vg_helpers/a.py",
        "tests/test_a.py",
    }
    notebook = content["notebooks/01_data.ipynb"].decode()
    assert str(project) not in notebook and "/mnt/paintings" not in notebook and "papermill" not in notebook
    assert "/mnt" not in notebook and "./b" in notebook
    assert "hunter2" not in notebook and "ada:***@db.example.org" in notebook
    assert archive.read_bytes() == pack(project).read_bytes()


@pytest.mark.parametrize(
    ("first_page", "signed"),
    [
        ("**Group** 026  \n**Members** A. Student, B. Student  \n**Due** *(not given)*", True),
        ("**Group** 026  \n**Members** *(not given)*", False),
        ("**Course** Introduction to Deep Learning", False),
    ],
)
def test_a_report_without_names_is_packed_with_a_warning(project, monkeypatch, capsys, first_page, signed):
    archive, build_dir = pack(project), project / "report" / "build" / "demo"
    monkeypatch.setattr(submit, "pack", lambda *_: archive)
    render.to_pdf(first_page, "T", date(2025, 1, 2), build_dir / ".report")
    assert submit.main(["--group", "026", "--build-dir", str(build_dir)]) == 0
    said = capsys.readouterr().err
    assert said == "" if signed else "-p front_matter.group=026" in said and said.count("\n") == 1


def test_a_report_older_than_its_inputs_is_refused(project):
    notebook = project / "notebooks" / "01_data.ipynb"
    later = notebook.stat().st_mtime + 100
    os.utime(notebook, (later, later))
    with pytest.raises(ValueError, match=r"older than 01_data.ipynb: run `run.py report` first"):
        pack(project)


def test_outdated_results_are_refused(project):
    build_dir = project / "report" / "build" / "demo"
    write_json(build_dir / "01_data" / "manifest.json", {"started": "2025-01-03", "inputs": {}})
    with pytest.raises(ValueError, match=r"results of 01_data are outdated \(it was run by hand since\): run `run.py"):
        pack(project)


def test_a_newer_copy_of_the_report_is_no_input(project):
    sample = project / "report" / "sample_report.pdf"
    sample.write_bytes(b"%PDF-1.7")
    os.utime(sample, (sample.stat().st_mtime + 100,) * 2)
    assert pack(project).is_file()


def test_without_a_report_with_a_secret_or_too_large_there_is_no_archive(project, monkeypatch):
    secret = project / "vg_helpers" / "a.py"
    secret.write_text("api_key = '" + "0123456789abcdef" * 2 + "'")
    os.utime(secret, (0, 0))
    with pytest.raises(ValueError, match=r"a\.py seems to hold a key"):
        pack(project)
    secret.unlink()
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="may have 0"):
        patch.setattr(submit, "LIMIT_MB", 0)
        pack(project)
    (project / "report" / "build" / "demo" / "report.pdf").unlink()
    with pytest.raises(ValueError, match="there is no report in"):
        pack(project)
    assert not list(project.glob("*.zip")) and not list(project.glob("*.part"))


@pytest.mark.parametrize("change", ["a file was added", "something else"])
def test_an_archive_that_others_made_or_changed_is_not_replaced(project, change):
    archive = pack(project)
    if change == "something else":
        archive.write_bytes(b"mine")
    else:
        with zipfile.ZipFile(archive, "a") as packed:
            packed.writestr("Group_026_DL_Project/slides.pdf", b"mine")
    before = archive.read_bytes()
    with pytest.raises(ValueError, match=r"Project\.zip was changed since it was packed, or something else"):
        pack(project)
    assert archive.read_bytes() == before


def test_a_place_where_no_archive_can_be_is_named(project, capsys):
    (project / "Group_026_DL_Project.zip").mkdir()
    with pytest.raises(OSError, match="this is a folder"):
        pack(project)
    assert not [path for path in project.iterdir() if "part" in path.name]


def test_while_a_report_is_made_nothing_is_packed(project):
    (project / "report" / "build" / "demo" / ".01_data.json").unlink()  # as at the start of each notebook
    with pytest.raises(ValueError, match=r"results of 01_data are outdated \(its last run did not end"):
        pack(project)


def test_the_group_is_a_word(project):
    with pytest.raises(ValueError, match="letters and digits"):
        pack(project, "../026")
