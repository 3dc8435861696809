"""build: one command from notebooks to pages; slips are sentences, two runs do not meet, old work can go."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_files import cell, write_notebook, write_stage

from report import build
from report.folder import clean, locked
from vg_helpers.files import read_json, write_json

FINDINGS = build.ROOT / "vg_helpers" / "findings"


@pytest.fixture
def report(folder, monkeypatch):
    """Return a function that runs the report's command over the small chain."""
    (folder / "notebooks" / "02_classify.ipynb").unlink()
    write_stage(folder / "notebooks", "03_style_search", read=("01_data", "rows.txt"))
    work = build.build
    monkeypatch.setattr(build, "build", lambda options: work(options, folder / "notebooks", folder / "build"))
    return lambda *arguments: build.main(list(arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "demmo"], "did you mean 'demo'"),
        (["--only", "09"], "choose from (01_data, 03_style_search)"),
        (["--from", "3_style_serch"], "did you mean '03_style_search'"),
        (["-p", "03_style_search.num_row=1"], "did you mean 'num_rows'"),
        (["-p", "3_stile.num_rows=1"], "no notebook '3_stile'"),
        (["-p", "03_style_search.num_rows=many"], "kind int"),
        (["-p", "3.num_row=1"], "did you mean 'num_rows'"),
        (["-p", "num_rows"], "NOTEBOOK.NAME=VALUE"),
        (["-p", "03_style_search.num_rows=["], "03_style_search.num_rows=[ is not a value that can be read, such as 3"),
        (["-p", "03_style_search.num_rows=!!python/object:x"], "is not a value that can be read"),
        (["-p", "03_style_search.num_rows="], "kind int"),
        (["--max-megapixels", "0"], "--max-megapixels 0 must be a number above 0"),
        (["--data-dir", "nowhere-at-all"], "no folder nowhere-at-all"),
    ],
)
def test_a_slip_is_one_sentence_and_exit_code_two(report, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(build, "run_chain", lambda *rest: pytest.fail("the chain must not start"))
    assert report(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and "Traceback" not in error


def test_a_tilde_in_folders_is_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("VG_DATA_DIR", raising=False)
    (tmp_path / "pictures").mkdir()
    monkeypatch.setenv("VG_STYLES_DIR", "~/pictures")
    options = build._parser().parse_args(["--photos-dir", "~/pictures", "--build-dir", "~/results"])
    home = tmp_path.resolve().as_posix()
    assert build._common(options) == {"photos_dir": f"{home}/pictures", "styles_dir": f"{home}/pictures"}
    assert build.choose_folder(options) == ("demo", tmp_path.resolve() / "results")


def test_results_lie_where_they_are_asked_for_and_nothing_is_written_beside_the_sources(report, folder, capsys):
    before = sorted((folder / "notebooks").iterdir())
    tree = {path: path.stat().st_mtime_ns for path in build.HERE.iterdir() if path.name not in ("__pycache__", "build")}
    place = folder / "else where"
    assert report("--build-dir", str(place)) == 0
    assert sorted((folder / "notebooks").iterdir()) == before and not (folder / "build").exists()
    assert tree == {path: path.stat().st_mtime_ns for path in build.HERE.iterdir() if path in tree}
    assert {"report.pdf", "report.html", "01_data.ipynb", "front_matter.ipynb"} <= {
        path.name for path in place.iterdir()
    }
    capsys.readouterr()
    assert report("--build-dir", str(place), "--only", "01", "-p", "01_data.num_rows=9") == 0
    assert "03_style_search    outdated, left out: 01_data/rows.txt has changed since" in capsys.readouterr().out
    html = (place / "report.html").read_text(encoding="utf-8")
    assert "are outdated and left out" in html and "--build-dir" in html


def test_nothing_is_executed_or_written_when_nothing_changed(report, folder, monkeypatch):
    assert report() == 0
    files = {path: path.stat().st_mtime_ns for path in (folder / "build").rglob("*") if ".lock" not in path.name}
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("no notebook has to run"))
    monkeypatch.setitem(sys.modules, "report.assemble", None)
    assert report() == 0
    again = {path: path.stat().st_mtime_ns for path in (folder / "build").rglob("*") if ".lock" not in path.name}
    files.pop(folder / "build" / "demo"), again.pop(folder / "build" / "demo")
    assert again == files


def test_a_second_run_says_who_is_at_work(tmp_path):
    with locked(tmp_path / "b"):
        code = "import sys; from pathlib import Path; from report.folder import locked\n"
        code += "with locked(Path(sys.argv[1])): pass"
        command = [sys.executable, "-c", code, str(tmp_path / "b")]
        other = subprocess.run(command, cwd=build.ROOT, capture_output=True, text=True)
    assert other.returncode and f"process {os.getpid()} on" in other.stderr and "wait for it" in other.stderr
    assert subprocess.run(command, cwd=build.ROOT).returncode == 0


def test_half_written_files_of_a_killed_run_go(tmp_path):
    mine = tmp_path / "02_classify" / ".my.parts"
    left_over, other = (tmp_path / "02_classify" / f".{network}.4282.part.pt" for network in ("vgg19", "alexnet"))
    whole = tmp_path / "02_classify" / "partial.pt"
    whole.parent.mkdir()
    for path in (left_over, other, whole, mine):
        path.write_bytes(b"half")
    for path in (left_over, whole, mine):
        os.utime(path, (0, 0))
    with locked(tmp_path):
        assert not left_over.exists() and other.exists() and whole.exists() and mine.exists()


@pytest.mark.parametrize("name", ["report.pdf", "report.html", "01_data.ipynb", "appendix.ipynb"])
def test_files_of_others_in_a_build_folder_stay(report, folder, monkeypatch, capsys, name):
    monkeypatch.setattr(build, "run_chain", lambda *rest: pytest.fail("the chain must not start"))
    (folder / "mine").mkdir()
    (folder / "mine" / name).write_text("mine")
    assert report("--build-dir", str(folder / "mine")) == 2
    assert f"mine holds {name}, which no run made" in capsys.readouterr().err
    assert report("--build-dir", str(folder / "notebooks")) == 2
    assert [path.name for path in (folder / "mine").iterdir()] == [
        name
    ] and "notebooks holds" in capsys.readouterr().err


def test_pages_that_were_cut_are_made_again(report, folder):
    assert report() == 0
    pages = folder / "build" / "demo" / "report.pdf"
    whole = pages.read_bytes()
    pages.write_bytes(whole[:100])
    assert report() == 0 and pages.read_bytes() == whole


@pytest.mark.parametrize("text", ["01_data: [", "- a", "01_data: 3", "a: b: c", "\x00"])
def test_a_profile_that_is_no_yaml_of_its_form_is_named(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.yaml cannot be read as a profile"):
        build.read_profile(path)


def test_clean_removes_what_the_last_run_did_not_use(folder, steps_of):
    first, second = steps_of(folder)
    build.run_chain([first, second])
    for step in (first, second):
        (step.build_dir / step.stage / "state" / "old-features").mkdir()
        (step.build_dir / step.stage / "state" / "old-features" / "train.npy").write_bytes(b"0" * 2_000_000)
    write_json(second.record, read_json(second.record) | {"key": "other"})
    lines = clean([first, second])
    assert lines[0] == "removed 01_data/state/old-features: 2.0 MB" and lines[-1] == "2.0 MB freed"
    assert lines[2].startswith("02_classify is not up to date, so its 2.0 MB of kept work stay")
    assert sorted(path.name for path in (first.build_dir / "01_data" / "state").iterdir()) == ["kept"]
    assert (second.build_dir / "02_classify" / "state" / "old-features").exists()


def test_every_citation_has_a_source_and_every_source_is_cited():
    places = [(build.ROOT / "notebooks", "*.ipynb"), (build.HERE, "*.ipynb"), (FINDINGS, "*.py")]
    text = "".join(path.read_text(encoding="utf-8") for folder, names in places for path in folder.glob(names))
    cited = {key for group in re.findall(r"\[(@[^\]]+)\]", text) for key in re.findall(r"@([a-z]+\d{4})", group)}
    sources = (build.HERE / "references.bib").read_text(encoding="utf-8")
    assert cited == set(re.findall(r"(?m)^@\w+\{(\w+),", sources))


@pytest.mark.parametrize(("exporter", "suffix"), [("ReportExporter", ".pdf"), ("ReportPageExporter", ".html")])
def test_nbconvert_finds_the_exporters(folder, exporter, suffix):
    source = write_notebook(folder / "one.ipynb", [cell("# One\n\n## Two", kind="markdown"), cell("x", ["show-input"])])
    command = [sys.executable, "-m", "nbconvert", "--to", f"report.export.{exporter}", str(source)]
    subprocess.run(command, cwd=Path(build.ROOT), check=True, capture_output=True)
    assert (folder / "one").with_suffix(suffix).read_bytes().startswith((b"%PDF", b"<!DOCTYPE html>"))


def test_pages_need_nbconvert(folder, steps_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbconvert", None)
    for name in [name for name in sys.modules if name.startswith("nbconvert.") or name == "report.export"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError):
        build.report([], steps_of(folder), {}, "again")
