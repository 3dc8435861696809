"""plan: from the command line and the profile to each notebook's parameters."""

import json

import pytest
from notebook_files import cell, write_notebook

from report import build
from report.plan import defaults, plan


def test_parameter_values_keep_their_kind(folder):
    given = build.given(["02_classify.num_rows=9", "2.lr=1e-5", "01_data.build_dir=x"])
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
    step = plan([build.HERE / "front_matter.ipynb"], tmp_path, {}, {}, build.given(pairs))[0]
    typed = {"group": "026", "due_date": "2026-01-05", "members": "A: B, [C] #1"}
    assert {name: step.parameters[name] for name in typed} == typed


@pytest.mark.parametrize(
    "source",
    ["import os\nx = 1", "x = 2 * 3", "a, b = 1, 2", '"""Text."""', "x =", "%matplotlib inline", "x: int", "x[0] = 1"],
)
def test_a_cell_of_parameters_with_anything_else_is_one_sentence(tmp_path, source):
    path = write_notebook(tmp_path / "07_mine.ipynb", [cell(source, ["parameters"])])
    with pytest.raises(ValueError, match=r"the cell of 07_mine\.ipynb tagged parameters may hold lines like NAME = 3"):
        defaults(path)


MERGED = '{\n "cells": [\n<<<<<<< HEAD\n  {\n=======\n>>>>>>> mine\n'
CELLS = json.dumps({"cells": [{"cell_type": "code"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"3", b"\xff\xfe{\0}\0", MERGED.encode(), CELLS.encode()])
def test_a_damaged_notebook_is_one_sentence_with_its_name(tmp_path, content):
    (tmp_path / "07_mine.ipynb").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"07_mine\.ipynb cannot be read as a notebook \(.+\); restore it or remove it"
    ):
        defaults(tmp_path / "07_mine.ipynb")
