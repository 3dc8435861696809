"""plan: from the command line and the profile to each notebook's parameters."""

from report import build
from report.plan import plan


def test_parameter_values_keep_their_kind(folder):
    given = build._given(["02_classify.num_rows=9", "2.lr=1e-5", "01_data.build_dir=x"])
    assert given == {"02_classify": {"num_rows": "9"}, "2": {"lr": "1e-5"}, "01_data": {"build_dir": "x"}}
    first, second = plan(
        sorted((folder / "notebooks").glob("*.ipynb")),
        folder / "build",
        {"common": {"seed": 7}, "02_classify": {"num_rows": 5}},
        {"device": "cpu"},
        {"02_classify": {"num_rows": "9", "lr": "1e-5"}, "01_data": {"build_dir": "x", "lr": "1"}},
    )
    assert first.parameters == {"seed": 7, "lr": 1, "build_dir": "../build"}
    assert second.parameters == {"seed": 7, "num_rows": 9, "lr": 1e-5, "build_dir": "../build"}


def test_a_text_is_taken_as_it_was_typed(tmp_path):
    pairs = ["front_matter.group=026", "front_matter.due_date=2026-01-05", "front_matter.members=A: B, [C] #1"]
    step = plan([build.HERE / "front_matter.ipynb"], tmp_path, {}, {}, build._given(pairs))[0]
    typed = {"group": "026", "due_date": "2026-01-05", "members": "A: B, [C] #1"}
    assert {name: step.parameters[name] for name in typed} == typed
