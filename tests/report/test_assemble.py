"""assemble: one notebook of all, with the prose of today and a sentence for what is missing or outdated."""

from notebook_files import cell, write_notebook, write_stage

from report import assemble, build, markdown
from report.plan import plan


def joined(folder, steps, outdated):
    front = [cell("# The title", kind="markdown"), cell("x = 1", ["parameters"])]
    extras = [
        write_notebook(folder / "x" / "front_matter.ipynb", front),
        write_notebook(folder / "x" / "appendix.ipynb", [cell("# Appendices\n\n## A. One", kind="markdown")]),
    ]
    extras = plan(extras, steps[0].build_dir, {}, {}, {})
    build.run_chain(extras)
    notebook = assemble.join(steps, extras, outdated, "2025-01-02", "python run.py report --profile demo")
    return markdown.to_markdown(notebook, "report", folder / "pictures", folder)


def test_the_report_says_what_is_missing_and_takes_new_prose(folder, steps_of):
    first, second = steps_of(folder)
    build.run_chain([first])
    write_stage(folder / "notebooks", "01_data", prose="Newer words.")
    text = joined(folder, [first, second], {})
    assert text.startswith("# The title\n") and "Newer words." in text and "Reads" not in text
    parts = ["::: {#flush}", "## Part 1", "### Title", "#### Work", "This run holds no results of `02_classify`"]
    places = [text.index(part) for part in [*parts, "`python run.py report --profile demo --only 02` adds them"]]
    assert places == sorted(places) and text.index("## Appendices") < text.index("### A. One")
    write_stage(folder / "notebooks", "01_data", prose="Words for other code.", divisor=2)
    cells = assemble.with_prose(first.source, first.executed)["cells"]
    assert "Words." in cells[0]["source"] and "other code" not in cells[0]["source"]


def test_outdated_results_stay_out_with_their_reason(folder, steps_of):
    steps = steps_of(folder)
    build.run_chain(steps)
    text = joined(folder, steps, {"02_classify": "01_data/rows.txt has changed since"})
    assert "results of `02_classify` are outdated and left out: 01_data/rows.txt has changed since." in text
    assert text.count("Words.") == 1


def test_a_notebook_that_no_part_names_is_a_part_of_its_own(folder, steps_of):
    write_stage(folder / "notebooks", "07_more", read=("01_data", "rows.txt"))
    text = joined(folder, steps_of(folder), {})
    assert text.index("## Part 1") < text.index("This run holds no results of `07_more`") < text.index("## Appendices")
    assert "\n## Title\n" in text
