"""Two notebooks of a small chain, for the tests of the report."""

import pytest
from notebook_files import write_stage

from report.plan import plan


@pytest.fixture
def folder(tmp_path):
    """A project with two notebooks; the second reads what the first writes."""
    write_stage(tmp_path / "notebooks", "01_data")
    write_stage(tmp_path / "notebooks", "02_classify", read=("01_data", "rows.txt"))
    return tmp_path


@pytest.fixture
def steps_of():
    """Return a function: project folder, parameters by notebook → the steps of its chain."""
    return lambda folder, **given: plan(
        sorted((folder / "notebooks").glob("*.ipynb")), folder / "build" / "demo", {}, {}, given
    )
