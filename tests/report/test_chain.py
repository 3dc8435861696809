"""chain: what runs again and what does not, and how a notebook fails."""

import os
import re
import sys
from functools import cache

import pytest
from notebook_files import PARAMETERS, cell, write_notebook, write_stage

from report import build, chain
from report.plan import Step, plan
from vg_helpers.files import read_json, write_json, write_text
from vg_helpers.stage import open_stage


def test_the_chain_runs_what_changed_and_nothing_else(folder, steps_of, monkeypatch):
    ran = []
    execute = chain.execute
    monkeypatch.setattr(build, "execute", lambda step, *rest: ran.append(step.stage) or execute(step, *rest))
    rows = folder / "build" / "demo" / "02_classify" / "rows.txt"

    def runs(**given):
        ran.clear()
        build.run_chain(steps_of(folder, **given))
        return ran

    assert runs() == ["01_data", "02_classify"] and rows.read_text() == "33"
    write_stage(folder / "notebooks", "01_data", prose="Other words.")
    assert runs() == []
    (folder / "build" / "demo" / "01_data" / "rows.txt").touch()
    assert runs() == []
    assert runs(**{"02_classify": {"num_rows": "5"}}) == ["02_classify"] and rows.read_text() == "35"
    assert runs() == ["02_classify"]
    assert runs(**{"01_data": {"num_rows": "8"}}) == ["01_data", "02_classify"] and rows.read_text() == "83"
    assert runs() == ["01_data", "02_classify"] and rows.read_text() == "33"
    write_text(folder / "build" / "demo" / "01_data" / "rows.txt", "8")
    assert runs() == ["01_data"] and rows.read_text() == "33"
    rows.unlink()
    assert runs() == ["02_classify"]
    assert not list(folder.rglob("*.running.ipynb"))


def test_a_failed_cell_is_named_and_the_chain_goes_on_there(folder, steps_of):
    write_stage(folder / "notebooks", "02_classify", divisor=0)
    with pytest.raises(chain.ChainError, match=r"02_classify stopped at cell 4 \(Work\): ZeroDivisionError"):
        build.run_chain(steps_of(folder))
    first, second = steps_of(folder)
    assert chain.is_current(first, chain.key_of(first)) and not second.executed.exists()


def test_a_users_unusable_settings_of_jupyter_stay_outside(folder, steps_of, monkeypatch):
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    for name in ("IPYTHONDIR", *(f"JUPYTER_{place}" for place in places)):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("JUPYTER_PATH", os.pathsep.join(["", os.devnull, "nowhere"]))
    monkeypatch.setenv("MPLBACKEND", "module://nowhere")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    build.run_chain(steps_of(folder)[:1])
    assert (folder / "build" / "demo" / "01_data" / "rows.txt").read_text() == "3"


def test_an_interrupted_notebook_is_not_current(folder, steps_of):
    step = steps_of(folder)[0]
    stage = open_stage(step.build_dir, step.stage)
    write_text(stage.path("rows.txt"), "3")
    stage.finish()
    step.executed.write_text("{}")
    assert not chain.is_current(step, chain.key_of(step))


def test_key_depends_on_code_and_not_on_prose(tmp_path):
    package = tmp_path / "vg_helpers"
    (package / "a").mkdir(parents=True)
    (package / "a" / "__init__.py").write_text('"""One."""\n')
    (package / "a" / "part.py").write_text('"""One."""\nfrom ..b import f\n')
    (package / "b.py").write_text('def f():\n    """Two."""\n    return 1  # three\n')
    (package / "c.py").write_text("unused = 1\n")
    code = "from vg_helpers.a import part"
    before = chain.helper_sources(code, package)
    assert list(before) == ["vg_helpers.a", "vg_helpers.a.part", "vg_helpers.b"]
    (package / "b.py").write_text('def f():\n\n    """Other."""\n    return 1\n')
    (package / "c.py").write_text("unused = 2\n")
    assert chain.helper_sources(code, package) == before
    (package / "b.py").write_text("def f():\n    return 2\n")
    assert chain.helper_sources(code, package) != before
    assert chain.code_of("x = 1  # a") == chain.code_of("x = 1") != chain.code_of("x = 2")
    assert chain.code_of("x = 3") != chain.code_of("x = 4")


def test_listed_folders_decide_the_first_notebook(tmp_path):
    notebook = write_notebook(tmp_path / "n" / "01_data.ipynb", [cell('data_dir: str = ""', ["parameters"])])
    paintings = tmp_path / "paintings"
    paintings.mkdir()
    step = plan([notebook], tmp_path / "build", {}, {"data_dir": paintings.as_posix()}, {})[0]
    before = chain.key_of(step)
    (paintings / "new.jpg").write_bytes(b"x")
    assert chain.key_of(step) != before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_nowhere_are_files_like_others(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "loop.jpg").symlink_to("loop.jpg")
    write_notebook(tmp_path / "01_data.ipynb", [cell('data_dir = ""', ["parameters"])])
    step = Step(tmp_path / "01_data.ipynb", tmp_path / "build", {"data_dir": "data"})
    before = chain.key_of(step)
    (tmp_path / "data" / "missing.jpg").symlink_to("nowhere")
    assert chain.key_of(step) != before


def test_force_begins_without_kept_results(folder, steps_of):
    step = steps_of(folder)[0]
    build.run_chain([step])
    kept = step.build_dir / "01_data" / "state" / "kept" / "old.joblib"
    kept.touch()
    build.run_chain([step])
    assert kept.is_file()
    build.run_chain([step], force=True)
    assert not kept.exists()


def test_results_of_other_inputs_are_outdated_and_so_is_what_builds_on_them(folder, steps_of):
    write_stage(folder / "notebooks", "03_style_search", read=("02_classify", "rows.txt"))
    chain_steps = steps_of(folder)
    assert chain.outdated(chain_steps) == {}
    build.run_chain(chain_steps)
    assert chain.outdated(chain_steps) == {}
    build.run_chain(steps_of(folder, **{"01_data": {"num_rows": "8"}})[:1])
    assert chain.outdated(chain_steps) == {
        "02_classify": "01_data/rows.txt has changed since",
        "03_style_search": "it reads 02_classify, which is outdated",
    }
    chain_steps[0].record.unlink()
    assert chain.outdated(chain_steps)["01_data"].startswith("its last run did not end")
    open_stage(chain_steps[1].build_dir, "02_classify").finish()
    assert chain.outdated(chain_steps)["02_classify"] == "it was run by hand since"
    assert not chain.is_current(chain_steps[1], chain.key_of(chain_steps[1]))


@pytest.fixture
def executed(folder, steps_of):
    """The steps of the small chain, after a run that is only said to have happened."""
    steps = steps_of(folder)
    for step, rows in zip(steps, ([], [("01_data", "rows.txt")]), strict=True):
        stage = open_stage(step.build_dir, step.stage)
        for names in rows:
            stage.read(*names)
        write_text(stage.path("rows.txt"), "3")
        stage.finish()
        step.executed.write_bytes(step.source.read_bytes())
        write_json(step.record, {"key": chain.key_of(step), "seconds": 1} | chain._files_of(step))
    assert all(chain.is_current(step, chain.key_of(step)) for step in steps) and not chain.outdated(steps)
    return steps


@pytest.mark.parametrize("name", [".01_data.json", "01_data/manifest.json", "01_data.ipynb", "01_data/rows.txt"])
@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"key": 1, "outputs": ', "<<<<<<< HEAD"])
def test_damaged_records_notebooks_and_results_are_made_again_and_named_until_then(executed, name, content):
    first = executed[0]
    write_text(first.build_dir / name, content)
    assert not chain.is_current(first, chain.key_of(first))
    reasons = chain.outdated(executed)
    assert list(reasons) == ["01_data", "02_classify"]
    assert re.search("damaged|by hand|rows.txt has changed since", reasons["01_data"])


def test_the_limit_of_pictures_decides_what_reads_folders(executed, monkeypatch, tmp_path):
    reader = write_notebook(tmp_path / "n" / "01_data.ipynb", [cell('data_dir = ""', ["parameters"])])
    step = Step(reader, tmp_path / "build", {"data_dir": tmp_path.as_posix()})
    before = [chain.key_of(step) for step in (step, executed[1])]
    monkeypatch.setenv("VG_MAX_MEGAPIXELS", "500")
    after = [chain.key_of(step) for step in (step, executed[1])]
    assert before[0] != after[0] and before[1] == after[1]


def test_no_password_stays_in_what_a_notebook_leaves_behind(folder, steps_of):
    address = "postgresql+psycopg://ada:hunter2@db.example.org/search"
    look = """from pathlib import Path
from vg_helpers.files import write_json
from vg_helpers.search import database_url
from vg_helpers.stage import open_stage
stage = open_stage(build_dir, "01_data", globals())
running = Path(build_dir, "01_data.running.ipynb").read_text()
word = "hunt" + "er2"
write_json(stage.path("facts.json"), ["storage" in running, word in running, word in database_url(storage)])
stage.finish()"""
    write_notebook(folder / "notebooks" / "01_data.ipynb", [cell(PARAMETERS, ["parameters"]), cell(look)])
    step = steps_of(folder, **{"01_data": {"storage": address}})[0]
    build.run_chain([step])
    assert read_json(step.build_dir / "01_data" / "facts.json") == [True, False, True]
    left = [path for path in step.build_dir.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert not left and "ada:***@db.example.org" in step.executed.read_text(encoding="utf-8")
    assert chain.is_current(step, chain.key_of(step))
    write_stage(folder / "notebooks", "01_data", divisor=0)
    with pytest.raises(chain.ChainError):
        build.run_chain([step])
    assert not [path for path in step.build_dir.rglob("*.ipynb") if b"hunter2" in path.read_bytes()]


REAL = {path.stem: path for path in (build.ROOT / "notebooks").glob("0*.ipynb")}


@cache
def built_on(path):
    return chain.helper_sources("\n".join(cell["source"] for cell in chain.code_cells(path)))


def readers(module):
    """Return the notebooks that run again when the code of a module of vg_helpers changes."""
    return {stage[:2] for stage, path in REAL.items() if f"vg_helpers.{module}" in built_on(path)}


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("findings.classify", "02"),
        ("findings.style_search", "03"),
        ("findings.style_eval", "04"),
        ("findings.data", "01"),
        ("findings.speed", "05"),
        ("findings.gradcam", "06"),
        ("findings.summary", ""),
        ("plots.classify", "02"),
        ("plots.training", "02"),
        ("plots.speed", "05"),
        ("plots.cams", "06"),
        ("style.engine", "03 04 05 06"),
        ("style.guided", "06"),
        ("classify.train", "02"),
        ("classify.tuning", "02"),
        ("gradcam.maps", "06"),
    ],
)
def test_a_change_runs_only_the_notebooks_that_use_it(module, stages):
    assert readers(module) == set(stages.split())


def test_a_docstring_changes_no_key(tmp_path, monkeypatch):
    notebook = write_notebook(tmp_path / "n" / "01_data.ipynb", [cell(PARAMETERS, ["parameters"]), cell("x = 1")])
    step = Step(notebook, tmp_path / "build", {})
    before = chain.key_of(step)
    write_notebook(notebook, [cell("# Words", kind="markdown"), cell(PARAMETERS, ["parameters"]), cell("x = 1  # a")])
    assert chain.key_of(step) == before
    write_notebook(notebook, [cell(PARAMETERS, ["parameters"]), cell("%%bash\nls"), cell("x = 1")])
    assert chain.key_of(step) != before


def test_new_answers_of_people_run_the_evaluation_alone_again(folder, steps_of):
    write_stage(folder / "notebooks", "04_style_eval")
    before = [chain.key_of(step) for step in steps_of(folder)]
    write_text(folder / "build" / "demo" / "answers" / "answers_1.json", "{}")
    one_more = [chain.key_of(step) for step in steps_of(folder)]
    write_text(folder / "build" / "demo" / "answers" / "answers_1.json", "[]")
    other = [chain.key_of(step) for step in steps_of(folder)]
    assert before[:2] == one_more[:2] == other[:2] and len({before[2], one_more[2], other[2]}) == 3
