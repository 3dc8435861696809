"""The house style of the notebooks, read from their files, and the whole chain once in profile `smoke`."""

import ast
import re
import time

import pytest
import yaml

from report import build
from report.markdown import FENCED, read_notebook
from report.plan import FOLDERS, ROOT, defaults, plan
from vg_helpers.files import read_json
from vg_helpers.stage import STAGES

STORY = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = [*STORY, build.HERE / "front_matter.ipynb", build.HERE / "appendix.ipynb"]
PROFILES = sorted(build.PROFILES.glob("*.yaml"))
LONGEST = 15
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


def test_cells_are_short_and_define_nothing(notebook):
    for cell in code_of(notebook):
        tree = ast.parse(re.sub(r"(?m)^\s*[%!].*$", "", cell["source"]))
        made = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert not made, f"{made[0].name} belongs into vg_helpers"
        if not tagged(cell) & {"parameters", "setup"}:
            lines = [line for line in cell["source"].splitlines() if line.strip(" )]},")]  # no lone closing brackets
            assert len(lines) <= LONGEST, f"{len(lines)} lines, from {lines[0]!r} on"


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


@pytest.mark.slow
def test_the_whole_chain_in_profile_smoke(tmp_path, monkeypatch, capsys):
    for name in (*FOLDERS.values(), "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    options = build._options(["--profile", "smoke", "--device", "cpu"])
    assert build.build(options, build_root=tmp_path) == 0
    said, folder = capsys.readouterr().out, tmp_path / "smoke"
    assert all(stage in said for stage in STAGES) and "fallback in 01_data" in said and "report.pdf" in said
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF") and (folder / "report.pdf").stat().st_size < 12e6
    assert all(read_json(folder / stage / "manifest.json")["facts"] for stage in STAGES)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    started = time.perf_counter()
    assert build.build(options, build_root=tmp_path) == 0
    assert time.perf_counter() - started < 5
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
