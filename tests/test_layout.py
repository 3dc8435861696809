"""The arrows between the packages: who may import whom, read from the syntax trees."""

import ast
from importlib.util import resolve_name

import pytest

from report.plan import ROOT, code_cells
from vg_helpers.code import python_of

OURS = ("vg_helpers", "report")
NUMBERS = {"intervals", "metrics", "calibration"}  # they stand on nothing, so anything may stand on them
BASE = {"models", "data", "search", "device", "images", "files", "code", "tracking"} | NUMBERS
ALLOWED = {
    **{key: set() for key in ("files", "modes", "code", "device")},
    **{key: {"files"} for key in ("tracking", "show")},
    "models": {"files", "device"},
    "passwords": set(),
    "search": {"files", "passwords"},
    "images": {"files", "modes"},
    "data": {"files", "images"},
    "stage": {"code", "files", "passwords", "show"},
    "classify": BASE,
    "style": BASE,
    "gradcam": BASE,
    "demo": BASE,
    "study": BASE,
    "plots": {"intervals"},
    "metrics": {"intervals"},
    "calibration": {"intervals", "metrics"},
    "intervals": set(),
    "findings": {"intervals", "plots.look"},
    "notebooks": {""},  # anything of vg_helpers
    "report": {"files", "stage", "code", "passwords"},
}
EXCEPTIONS = {
    ("report.build", "commands.entry"): "commands of both kinds end in the same way",
    ("report.submit", "commands.entry"): "the same",
    ("report.build", "images"): "the limit of --max-megapixels; imported only for that option",
    ("report.build", "device"): "the advice about a GPU that torch cannot use; imported only if nvidia-smi is there",
    ("commands.repaint", "report.build"): "it paints what notebook 04 would with a profile's parameters",
    ("commands.repaint", "report.plan"): "the same",
    ("models.embedded.pretrain", "demo"): "it trains the embedded weights on the painters of the demo",
    ("models.embedded.pretrain", "classify"): "it trains with the classifiers' own loop",
}


def modules(root):
    """Return (name, package to resolve from, source) of every module and notebook below a project's folder."""
    for path in sorted([*root.glob("vg_helpers/**/*.py"), *root.glob("report/*.py")]):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name.removeprefix("vg_helpers."), ".".join(parts[:-1]), path.read_text(encoding="utf-8")
    for path in sorted([*root.glob("notebooks/*.ipynb"), *root.glob("report/*.ipynb")]):
        yield f"notebooks.{path.stem}", "", "\n".join(python_of(cell["source"]) for cell in code_cells(path))


def imports(source, package):
    """Return the modules of ours that the source imports, relative or absolute, by their whole names."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package or None)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in OURS}


def wrong_arrows(root):
    """Return every forbidden import as "module → imported"."""
    wrong = []
    for name, package, source in modules(root):
        top = name.split(".")[0]
        for imported in sorted(imports(source, package)):
            target = imported.removeprefix("vg_helpers.")
            inside = target.split(".")[0] == top
            if not inside and not allowed(name, top, target, imported):
                wrong.append(f"{name} → {imported}")
    return wrong


def allowed(name, top, target, imported):
    def begins(starts):
        return any(f"{target}.".startswith(f"{start}." if start else "") for start in starts)

    if begins(other for module, other in EXCEPTIONS if module == name):
        return True
    if imported.startswith("report"):
        return False  # nothing stands on the report
    if name.startswith("models.embedded.pretrain"):
        return top not in ("commands", "benchmarks")
    return top not in ALLOWED or begins(ALLOWED[top])


def test_the_arrows_of_the_packages():
    assert wrong_arrows(ROOT) == []


def test_package_files_hold_a_docstring_only():
    # vg_helpers/__init__.py sets how OpenMP waits, which has to happen before torch is loaded
    for path in [*ROOT.glob("vg_helpers/*/**/__init__.py"), ROOT / "report" / "__init__.py"]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1 and ast.get_docstring(ast.Module(body, [])), path


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("vg_helpers/style/engine.py", "from ..classify.judge import build_judge"),
        ("vg_helpers/style/engine.py", "from ..classify import judge"),
        ("vg_helpers/style/deep/engine.py", "from ...gradcam.maps import grad_cam"),
        ("vg_helpers/classify/task.py", "def f():\n    import vg_helpers.style.losses"),
        ("vg_helpers/plots/style.py", "from vg_helpers.files import read_csv"),
        ("vg_helpers/plots/look.py", "from ..findings import classify"),
        ("vg_helpers/findings/classify.py", "from ..plots.pictures import grid"),
        ("vg_helpers/intervals.py", "from . import metrics"),
        ("vg_helpers/demo/scenes.py", "from .. import style"),
        ("vg_helpers/data/views.py", "from report import plan"),
        ("vg_helpers/models/weights.py", "from ..classify.task import Task"),
        ("vg_helpers/search.py", "from .style.engine import stylize"),
        ("report/render.py", "from vg_helpers.show import figure"),
    ],
)
def test_an_arrow_turned_round_is_found(tmp_path, place, source):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(source, encoding="utf-8")
    assert len(wrong_arrows(tmp_path)) == 1


def test_the_allowed_ones_are_no_fault(tmp_path):
    sources = {
        "vg_helpers/style/search.py": "from ..models.extractor import x\nfrom .engine import y\nfrom .. import search",
        "vg_helpers/findings/gradcam.py": "from ..plots.look import name_of\nfrom ..intervals import Estimate",
        "vg_helpers/commands/paint.py": "from ..style import engine\nfrom ..gradcam import maps",
        "report/chain.py": "from vg_helpers.files import read_json\nfrom .plan import Step",
    }
    for place, source in sources.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(source, encoding="utf-8")
    assert wrong_arrows(tmp_path) == []
