"""Exporters for nbconvert: a cell that cannot be set is named, whoever wrote it."""

import nbformat
import pytest
from notebook_files import cell

from report.export import ReportExporter, ReportPageExporter
from report.markdown import ReportError


@pytest.mark.parametrize("exporter", [ReportExporter, ReportPageExporter])
@pytest.mark.parametrize(
    "text", ["A formula: $\\nonsense{$ and $x^2$", "::: {.figure #fig:a src=gone.png}\nWords.\n:::"]
)
def test_a_cell_that_cannot_be_set_is_named(tmp_path, exporter, text):
    cells = [cell("# Title", kind="markdown"), cell("x = 1"), cell(text, kind="markdown")]
    cells[2]["metadata"]["report"] = {"stage": "07_mine", "number": 5, "base": str(tmp_path)}
    notebook = nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    with pytest.raises(ReportError, match=r"^07_mine, cell 5: (pandoc refuses|Typst)"):
        exporter(folder=str(tmp_path)).from_notebook_node(notebook)
