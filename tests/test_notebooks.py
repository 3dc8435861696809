"""The house style of the notebooks, read from their files, and the whole chain once in profile `smoke`."""

import ast
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
from itertools import pairwise

import pytest
import yaml
from notebook_files import write_stage

from report import build
from report.markdown import FENCED, read_notebook
from report.plan import FOLDERS, ROOT, defaults, plan
from vg_helpers.code import python_of
from vg_helpers.files import read_json
from vg_helpers.stage import STAGES

STORY = sorted((ROOT / "notebooks").glob("0*.ipynb"))
PLAYGROUND = ROOT / "notebooks" / "playground.ipynb"  # stands beside the chain: neither parameters nor report
NOTEBOOKS = [*STORY, build.HERE / "front_matter.ipynb", build.HERE / "appendix.ipynb"]
PROFILES = sorted(build.PROFILES.glob("*.yaml"))
TYPICAL, LONGEST, NAMES = 5, 15, 8  # lines of a cell: half are shorter, nearly all are shorter; names besides modules
# What a run cannot change: years, names of networks, layers, notebooks and parts, sizes that the protocol fixes.
FIXED = (
    r"(F1|95 ?%|\[0, 1\]|(19|20)\d\d|VGG-19|(conv|relu|pool)\d(_\d)?|0[1-6](_\w+)?|[Pp]art [123]|"
    r"8-bit|float(16|32|64)|bfloat16|224|256)"
)


def tagged(cell):
    return set(cell["metadata"].get("tags", []))


def code_of(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return read_notebook(path)


def test_all_six_are_here():
    assert tuple(path.stem for path in STORY) == STAGES


def test_the_playground_is_a_few_lines():
    notebook = read_notebook(PLAYGROUND)
    code = code_of(notebook)
    assert notebook["cells"][0]["source"].startswith("# ") and len(code) == 2
    assert all(len(cell["source"].splitlines()) == 1 and not cell["outputs"] for cell in code)
    assert not any(cell["execution_count"] for cell in code) and not nodes_of(notebook, ast.FunctionDef, ast.ClassDef)


def test_no_outputs_are_kept(notebook):
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code_of(notebook))


def test_it_opens_with_its_title(path, notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(rf"# {path.stem[:2]} \S" if path in STORY else r"# \S", first["source"])
    if path in STORY:
        opening = "\n".join(cell["source"] for cell in notebook["cells"][:2])
        assert "**Reads**" in opening and "**Writes**" in opening


def test_parameters_are_literals_in_the_first_code_cell(path, notebook):
    assert [("parameters" in tagged(cell)) for cell in code_of(notebook)].index(True) == 0
    body = ast.parse(code_of(notebook)[0]["source"]).body
    assert all(isinstance(node, ast.AnnAssign) for node in body)
    values = {node.target.id: ast.literal_eval(node.value) for node in body}
    for node in body:
        kind = ast.unparse(node.annotation)
        assert kind in {"int", "float", "str", "bool"}, node.target.id
        assert type(values[node.target.id]).__name__ == kind, node.target.id
    assert {"build_dir", "seed", "device"} <= set(values) or path not in STORY


def lines_of(notebook):
    """Return the number of lines of each code cell that tells the story."""
    cells = [cell for cell in code_of(notebook) if not tagged(cell) & {"parameters", "setup"}]
    return [len([line for line in cell["source"].splitlines() if line.strip(" )]},")]) for cell in cells]


def nodes_of(notebook, *kinds):
    trees = [ast.parse(python_of(cell["source"])) for cell in code_of(notebook)]
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


def test_cells_define_nothing(notebook):
    names = [node.name for node in nodes_of(notebook, ast.FunctionDef, ast.ClassDef)]
    assert not names, f"{names} belong into vg_helpers"


def test_most_cells_are_short(notebook):
    lines = lines_of(notebook)
    assert statistics.median(lines) <= TYPICAL, lines
    assert sum(count > LONGEST for count in lines) <= math.floor(0.05 * len(lines)), lines


def test_conditional_expressions_stay_in_one_line(notebook):
    long = [ast.unparse(node) for node in nodes_of(notebook, ast.IfExp) if node.end_lineno > node.lineno]
    assert not long, long[0]


def test_two_fifths_of_the_cells_are_prose(notebook):
    prose = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert len(prose) >= 0.4 * len(notebook["cells"]), f"{len(prose)} of {len(notebook['cells'])}"


def test_setup_takes_few_names_from_the_helpers(notebook):
    imports = [node for node in nodes_of(notebook, ast.ImportFrom) if node.module.split(".")[0] == "vg_helpers"]
    names = [ROOT.joinpath(*node.module.split("."), alias.name) for node in imports for alias in node.names]
    names = [path.name for path in names if not path.is_dir() and not path.with_suffix(".py").is_file()]  # no modules
    assert len(names) <= NAMES, names


def test_it_ends_with_a_link_to_the_next_one():
    for path, following in pairwise(STORY):
        links = [cell for cell in read_notebook(path)["cells"] if f"]({following.name})" in cell["source"]]
        assert links and "notebook-only" in tagged(links[-1]), f"{path.name} has no link to {following.name}"


def test_prose_holds_no_number_that_a_run_could_change(notebook):
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown" and "notebook-only" not in tagged(cell):
            prose = FENCED.sub("", cell["source"].split("\n**Reads")[0])
            prose = re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[@[^\]]*\]|\]\([^)]*\)", "", prose, flags=re.DOTALL)
            words = re.findall(r"\w*(?:[-.,]?\d\w*)+", re.sub(rf"(?<!\w){FIXED}(?!\w)", "", prose))
            assert not words, f"{words} in {cell['source'][:60]!r}"


def test_cell_ids_are_unique(notebook):
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_profiles_name_parameters_that_exist(profile, tmp_path):
    assert plan(NOTEBOOKS, tmp_path, yaml.safe_load(profile.read_text(encoding="utf-8")), {}, {})


def test_the_defaults_are_the_profile_demo(tmp_path):
    demo = yaml.safe_load((build.PROFILES / "demo.yaml").read_text(encoding="utf-8"))
    for step in plan(STORY, tmp_path, demo, {}, {}):
        own = defaults(step.source)
        assert {k: v for k, v in step.parameters.items() if k != "build_dir" and own[k] != v} == {}
        assert own["build_dir"] == ""


@pytest.mark.parametrize("place", [".", "notebooks", "/elsewhere"])
def test_papermill_writes_to_the_projects_own_folder_from_anywhere(tmp_path, place):
    project = tmp_path / "project"
    for package in ("vg_helpers", "report"):
        sources = [p for p in (ROOT / package).rglob("*.py") if "build" not in p.relative_to(ROOT).parts]
        for path in sources:
            copy = project / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    shutil.copy(ROOT / "requirements.txt", project)
    notebook = write_stage(project / "notebooks", "01_data")
    folder = tmp_path / "elsewhere" if place == "/elsewhere" else project / place
    folder.mkdir(exist_ok=True)
    start = f"import os, papermill; papermill.execute_notebook({str(notebook)!r}, 'out.ipynb', kernel_name='python3')"
    environment = os.environ | {"PYTHONPATH": str(project)}
    done = subprocess.run([sys.executable, "-c", start], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-600:]
    assert (project / "report" / "build" / "demo" / "01_data" / "rows.txt").read_text() == "3"
    written = {path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".ipynb", ".txt")}
    assert written == {"01_data.ipynb", "out.ipynb", "rows.txt", "requirements.txt", "work.txt"}


@pytest.mark.slow
def test_the_whole_chain_in_profile_smoke(tmp_path, monkeypatch, capsys):
    for name in (*FOLDERS.values(), "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    options = build._parser().parse_args(["--profile", "smoke", "--device", "cpu"])
    assert build.build(options, build_root=tmp_path) == 0
    said, folder = capsys.readouterr().out, tmp_path / "smoke"
    assert all(stage in said for stage in STAGES) and "fallback in 01_data" in said and "report.pdf" in said
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF") and (folder / "report.pdf").stat().st_size < 12e6
    assert all(read_json(folder / stage / "manifest.json")["facts"] for stage in STAGES)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("no notebook has to run, no kernel to start"))
    assert build.build(options, build_root=tmp_path) == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
