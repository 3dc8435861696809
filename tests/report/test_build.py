"""The chain and the pages, on small notebooks made here: what runs again, what is said, what survives."""

import base64
import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import typst
from PIL import Image

from report import assemble, build, chain, markdown, render
from report.plan import plan
from vg_helpers.files import write_json, write_text
from vg_helpers.stage import open_stage

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PARAMETERS = 'build_dir: str = ""\nseed: int = 42\nnum_rows: int = 3\nlr: float = 0.1'
WORK = """from pathlib import Path
from vg_helpers.files import write_json, write_text
from vg_helpers.stage import open_stage
stage = open_stage(build_dir, "{stage}", globals())
text = stage.read({read}).read_text() if [{read}] else ""
write_text(stage.path("rows.txt"), text + str(num_rows // {divisor}))
stage.finish(device="cpu")"""


def cell(source, tags=(), kind="code", outputs=()):
    made = {
        "cell_type": kind,
        "id": f"c{abs(hash(source)) % 10**8}",
        "metadata": {"tags": list(tags)},
        "source": source,
    }
    return made | ({"execution_count": None, "outputs": list(outputs)} if kind == "code" else {})


def write_notebook(path, cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(
        json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
    )
    return path


def write_stage(folder, stage, read=(), divisor=1, prose="Words."):
    cells = [
        cell(f"# {stage[:2]} Title\n\n{prose}\n\n**Reads** nothing.", kind="markdown"),
        cell(PARAMETERS, ["parameters"]),
    ]
    cells += [
        cell("## Work", kind="markdown"),
        cell(WORK.format(stage=stage, read=", ".join(map(repr, read)), divisor=divisor)),
    ]
    return write_notebook(folder / f"{stage}.ipynb", cells)


@pytest.fixture
def folder(tmp_path):
    write_stage(tmp_path / "notebooks", "01_data")
    write_stage(tmp_path / "notebooks", "02_classify", read=("01_data", "rows.txt"))
    return tmp_path


def steps_of(folder, **given):
    return plan(sorted((folder / "notebooks").glob("*.ipynb")), folder / "build" / "demo", {}, {}, given)


def test_the_chain_runs_what_changed_and_nothing_else(folder, monkeypatch, capsys):
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
    write_text(folder / "build" / "demo" / "01_data" / "rows.txt", "8")
    assert runs() == ["02_classify"] and rows.read_text() == "83"
    rows.unlink()
    assert runs() == ["02_classify"]
    assert not list(folder.rglob("*.running.ipynb"))


def test_a_failed_cell_is_named_and_the_chain_goes_on_there(folder):
    write_stage(folder / "notebooks", "02_classify", divisor=0)
    with pytest.raises(chain.ChainError, match=r"02_classify stopped at cell 4 \(Work\): ZeroDivisionError"):
        build.run_chain(steps_of(folder))
    first, second = steps_of(folder)
    assert chain.is_current(first, chain.key_of(first)) and not second.executed.exists()


def test_an_interrupted_notebook_is_not_current(folder):
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "demmo"], "did you mean 'demo'"),
        (["--only", "09"], "choose from (01_data, 02_classify)"),
        (["--from", "2_clasify"], "did you mean '02_classify'"),
        (["-p", "02_classify.num_row=1"], "did you mean 'num_rows'"),
        (["-p", "02_clasify.num_rows=1"], "no notebook '02_clasify'"),
        (["-p", "02_classify.num_rows=many"], "kind int"),
        (["-p", "2.num_row=1"], "did you mean 'num_rows'"),
        (["-p", "num_rows"], "NOTEBOOK.NAME=VALUE"),
        (["--data-dir", "nowhere-at-all"], "no folder nowhere-at-all"),
    ],
)
def test_a_slip_is_one_sentence_and_exit_code_two(folder, monkeypatch, capsys, arguments, words):
    run = build.build
    monkeypatch.setattr(build, "build", lambda options: run(options, folder / "notebooks", folder / "build"))
    monkeypatch.setattr(build, "run_chain", lambda *rest: pytest.fail("the chain must not start"))
    assert build.main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and "Traceback" not in said


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


def shown(kind, **about):
    data = {"image/png": base64.b64encode(PIXEL).decode()} if kind == "figure" else {}
    data |= {"text/markdown": about.pop("text")} if "text" in about else {}
    return {"output_type": "display_data", "data": data, "metadata": {"vg": {"kind": kind, **about}}}


def test_markdown_takes_what_the_report_is_made_of(tmp_path):
    cells = [
        cell("x = 1"),
        cell("y = 2", ["show-input"], outputs=[shown("figure", name="f", caption="Cap", alt='a "b"')]),
        cell("z = 3", ["notebook-only"], outputs=[shown("text", text="hidden")]),
        cell(
            "w",
            outputs=[shown("text", text="said"), shown("caption", text="for the reader"), {"output_type": "stream"}],
        ),
        cell(
            "v", outputs=[{"output_type": "execute_result", "data": {"text/markdown": "displayed", "text/plain": "p"}}]
        ),
    ]
    text = markdown.to_markdown({"cells": cells}, "01_data", tmp_path, tmp_path)
    assert "y = 2" in text and "said" in text and "displayed" in text
    assert not any(word in text for word in ("x = 1", "z = 3", "hidden", "for the reader"))
    assert "#fig:01_data-f src=" in text and 'alt="a \\"b\\""' in text


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "error", "ename": "ValueError", "evalue": "no axes"},
        {
            "output_type": "display_data",
            "data": {"image/png": "AAAA"},
            "metadata": {"vg": {"kind": "figure", "name": "f"}},
        },
        shown("text", text="![far](https://example.org/a.png)"),
    ],
)
def test_a_damaged_output_names_notebook_and_cell(tmp_path, output):
    with pytest.raises(markdown.ReportError, match="02_classify, cell 2"):
        markdown.to_markdown({"cells": [cell("a"), cell("b", outputs=[output])]}, "02_classify", tmp_path, tmp_path)


def test_headings_move_and_listings_stay():
    text = "# A\n```python\n# comment\n```\n## B\n"
    assert markdown.headings(text, 1) == "## A\n```python\n# comment\n```\n### B\n"
    assert markdown.headings(text, -1) == "# A\n```python\n# comment\n```\n# B\n"
    assert markdown.split_title("# 03 Style search\n\nWords") == ("Style search", "Words")


ODD = "a_b#c$d%e&f@g<h>~i^j*k [l] 中文 😀 Ünï ¼ \\x.jpg"


@pytest.fixture(scope="module")
def odd_pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "pixel.png").write_bytes(PIXEL)
    outputs = [
        shown("figure", name="f", caption=f"Caption ] of {ODD}", alt=f'Alt "of" {ODD}'),
        shown("table", name="t", caption="Table", text=f"| name | n |\n|:--|--:|\n| {ODD.replace('|', '')} | 1 |"),
        shown("table", name="empty", caption="Nothing in it", text="| name | n |\n|:--|--:|"),
        shown("text", text=f"{ODD} cost 5 $ and 6 $; @nobody <b>said</b> \\alpha; $L = \\alpha L_c$ ![p](pixel.png)"),
        shown("text", text="---\nnot: metadata\n---"),
        shown(
            "text",
            text="See [@fig:01_data-f], [@tbl:01_data-t], [@fig:05_gpu_bench-none], [@gatys2016] and [@kingma2015].",
        ),
        shown("text", text="$$L = \\sum_l w_l E_l$$\n\nA note[^1].\n\n[^1]: Here.\n\n#### Deep heading"),
        shown("text", text="| " + "a very long title " * 20 + " | x |\n|---|---|\n| 1 | 2 |"),
    ]
    cells = [cell("# One\n\n::: {#contents}\n:::", kind="markdown"), cell("x", ["show-input"], outputs=outputs)]
    return markdown.to_markdown({"cells": cells}, "01_data", folder, folder), folder


def test_odd_text_survives_in_a_tagged_pdf_that_is_always_the_same(odd_pages):
    text, folder = odd_pages
    first, second = (render.to_pdf(text, ODD, date(2025, 1, 2), folder) for _ in range(2))
    assert first == second and first.startswith(b"%PDF") and b"/StructTreeRoot" in first and b"pdfuaid" in first
    written = (folder / "report.typ").read_text(encoding="utf-8")
    assert "中" not in written and "▯" in written and "Ünï ¼" in written and "\\@nobody \\<b\\>said" in written
    assert "a figure that is not part of this run" in written and "@gatys2016" in written
    assert '#ref(label("fig:01_data-f"))' in written


def test_the_same_pages_as_one_html_file(odd_pages):
    text, folder = odd_pages
    html = render.to_html(text, ODD, date(2025, 1, 2), folder)
    assert html == render.to_html(text, ODD, date(2025, 1, 2), folder)
    assert "中文" in html and "<math" in html and 'href="#fig:01_data-f"' in html and "Gatys" in html
    assert 'src="data:image/png;base64,' in html and "pixel.png" not in html and "http-equiv" not in html


def test_oddly_named_photos_and_styles_stand_side_by_side(tmp_path):
    content, style = "a_b#c$d%e&f@g ünï ` x y [z] @me", "vincent_s$t_r#%"
    photo, images = tmp_path / "p$#%@é.png", tmp_path / "04_style_eval" / "images"
    images.mkdir(parents=True)
    names = [images / f"result_{style}_{content}_{network}.png" for network in ("vgg19", "alexnet")]
    for colour, path in zip(("red", "green", "blue"), (photo, *names), strict=True):
        Image.new("RGB", (30, 20), colour).save(path)
    write_text(tmp_path / "01_data" / "contents.csv", f"name,path\n{content},{photo}\n")
    rows = "".join(f"{content},{style},{network},0.1,0.2\n" for network in ("vgg19", "alexnet"))
    write_text(images.parent / "scores.csv", "content,style,extractor,p_vgg19,p_alexnet\n" + rows)
    notebook = assemble.run_here(build.HERE / "appendix.ipynb", {"build_dir": str(tmp_path)})
    text = markdown.to_markdown(notebook, "appendix", tmp_path / "pages", tmp_path)
    assert render.to_pdf(text, "T", date(2025, 1, 2), tmp_path / "pages").startswith(b"%PDF")
    html = render.to_html(text, "T", date(2025, 1, 2), tmp_path / "pages")
    assert html.count("<img") == 3 == html.count("data:image/png") and style in html and "no picture" not in html
    assert 'id="tbl:appendix-images"' in html and "<strong>Table 1.</strong> Each photo" in html
    assert "breakable: true" in (tmp_path / "pages" / "report.typ").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["# A\n\n$\\undefinedcommand{$ and $\\frac{1}$", "# A\n\n![gone](gone.png)"])
def test_what_cannot_be_set_is_an_error_and_no_page(tmp_path, text):
    with pytest.raises(markdown.ReportError):
        render.to_pdf(text, "T", date(2025, 1, 2), tmp_path)


def test_sections_that_only_the_notebook_fills_leave_no_heading(tmp_path):
    html = render.to_html("# A\n\n## Empty\n\n## Full\n\nWords.\n\n## Last", "T", date(2025, 1, 2), tmp_path)
    assert "<h2>Full</h2>" in html and "Empty" not in html and "Last" not in html and "<h1>A</h1>" in html


def test_numbers_have_minus_signs_and_keep_their_percent_sign(tmp_path):
    text = "A gain of -0.5 (-2.0 [-3.0, 1.0]), 95 % of all, 7%, a 5%_x file of 2020-01-02."
    html = render.to_html(text, "T", date(2025, 1, 2), tmp_path)
    assert "of −0.5 (−2.0 [−3.0, 1.0]), 95\u00a0% of all, 7\u00a0%, a 5%_x file of 2020-01-02." in html


def pages(folder):
    """Return how many pages the report of a folder has."""
    made = typst.compile(folder / "report.typ", root=folder, ignore_system_fonts=True, format="svg")
    return len(made) if isinstance(made, list) else 1


def test_text_flows_on_above_figures_that_gather_at_the_foot_of_a_page(tmp_path):
    Image.new("RGB", (400, 500)).save(tmp_path / "tall.png", dpi=(72, 72))
    figure = '::: {{.figure #fig:01_data-{} src=tall.png alt="A"}}\nWords.\n:::\n\n'
    words = "Many words. " * 200 + "\n\n"
    text = "# A\n\n" + words + "".join(map(figure.format, "ab")) + words * 3 + assemble.FLUSH
    render.to_pdf(text, "T", date(2025, 1, 2), tmp_path)
    written = (tmp_path / "report.typ").read_text(encoding="utf-8")
    assert re.findall("<fig:01_data-(.)>", written) == ["a", "b"] and written.count("placement: bottom") == 2
    assert written.index("<fig:01_data-b>") < written.index("#place.flush()")
    flowing = pages(tmp_path)
    (tmp_path / "report.typ").write_text(written.replace("placement: bottom, ", ""), encoding="utf-8")
    assert flowing < pages(tmp_path)


def test_parts_share_a_page_where_there_is_room(tmp_path):
    parts = [f"# Part {number}\n\n" + "Words. " * 20 for number in range(1, 4)]
    render.to_pdf("\n\n".join(parts), "T", date(2025, 1, 2), tmp_path)
    assert pages(tmp_path) == 1
    filled = parts[0] + "\n\nLine.\n" * 40
    render.to_pdf(filled + parts[1], "T", date(2025, 1, 2), tmp_path)
    assert pages(tmp_path) == 2


def test_an_apostrophe_after_a_digit_is_no_prime(tmp_path):
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    figure = "::: {.figure #fig:01_data-a src=pixel.png alt=\"A\"}\nAlexNet's and VGG-19's.\n:::\n"
    render.to_pdf(f'VGG-19\'s "words".\n\n{figure}', "T", date(2025, 1, 2), tmp_path)
    written = (tmp_path / "report.typ").read_text(encoding="utf-8")
    assert "VGG-19’s “words”." in written and "AlexNet’s and VGG-19’s." in written


def test_a_large_photograph_is_packed_and_a_drawing_is_not(tmp_path):
    from io import BytesIO

    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    for picture, suffix in ((Image.fromarray(noise), ".jpg"), (Image.new("RGB", (400, 300), "teal"), ".png")):
        stream = BytesIO()
        picture.save(stream, format="PNG", dpi=(200, 200))
        name = markdown._save_picture(stream.getvalue(), tmp_path)
        with Image.open(tmp_path / name) as saved:
            assert name.endswith(suffix) and saved.size == (400, 300) and round(saved.info["dpi"][0]) == 200
    for picture, suffix in ((noise[:100, :100], ".jpg"), (noise[:8, :8], ".png")):
        small = BytesIO()
        Image.fromarray(picture).save(small, format="PNG")
        assert markdown._save_picture(small.getvalue(), tmp_path, 512).endswith(suffix)
    name = markdown._save_picture(stream.getvalue(), tmp_path, 100)
    assert Image.open(tmp_path / name).size == (100, 75)


def test_the_report_says_what_is_missing_and_takes_new_prose(folder):
    first, second = steps_of(folder)
    build.run_chain([first])
    write_stage(folder / "notebooks", "01_data", prose="Newer words.")
    extras = [
        write_notebook(
            folder / "x" / "front_matter.ipynb", [cell("# The title", kind="markdown"), cell("'group: str'")]
        ),
        write_notebook(folder / "x" / "appendix.ipynb", [cell("# Appendices", kind="markdown")]),
    ]
    title, text = assemble.assemble([first, second], plan(extras, first.build_dir, {}, {}, {}), folder / "pictures")
    assert title == "The title" and "Newer words." in text and "Reads" not in text
    assert (
        text.index("::: {#flush}") < text.index("# Part 1") < text.rindex("::: {#flush}") < text.index("# Appendices")
    )
    assert "This run holds no results of `02_classify`" in text and "report --profile demo --only 02" in text
    write_stage(folder / "notebooks", "01_data", prose="Words for other code.", divisor=2)
    cells = assemble.with_prose(first.source, first.executed)["cells"]
    assert "Words." in cells[0]["source"] and "other code" not in cells[0]["source"]


def test_every_citation_has_a_source_and_every_source_is_cited():
    cited = set()
    for path in [*(build.ROOT / "notebooks").glob("*.ipynb"), *build.HERE.glob("*.ipynb")]:
        for written in markdown.read_notebook(path)["cells"]:
            for found in re.findall(r"\[(@[^\]]+)\]", written["source"]):
                cited |= set(re.findall(r"@([a-z]+\d{4})", found))
    sources = (build.HERE / "references.bib").read_text(encoding="utf-8")
    assert cited == set(re.findall(r"(?m)^@\w+\{(\w+),", sources))


def test_front_matter_and_appendix_stand_without_any_results(tmp_path):
    for name in ("front_matter", "appendix"):
        source = build.HERE / f"{name}.ipynb"
        text = markdown.to_markdown(assemble.run_here(source, {"build_dir": str(tmp_path)}), name, tmp_path, tmp_path)
        assert "Not part of this run" in text and "`06_gradcam`" in text


def test_the_summary_is_short_and_every_number_has_its_interval_and_figure(tmp_path):
    facts = {stage: {} for stage in ("01_data", "02_classify", "04_style_eval", "05_gpu_bench", "06_gradcam")}
    facts["01_data"] = {"is_demo": True, "paintings": 600, "van_gogh": 151}
    fast = {"setting": "NVIDIA GeForce RTX 4080 SUPER in float32", "value": 12.3, "low": 11.9, "high": 12.8}
    facts["05_gpu_bench"] = {"speed_up": fast}
    about = {"device": "cpu", "seconds": 600, "fallbacks": ["One."], "weights": [{"source": "none"}]}
    for stage, found in facts.items():
        write_json(tmp_path / stage / "manifest.json", about | {"facts": found})
    auc = {"best": {"roc_auc": {"value": 0.9, "low": 0.8, "high": 0.95}}}
    write_json(
        tmp_path / "02_classify" / "metrics.json",
        {f"{n}{end}": auc for n in ("vgg19", "alexnet") for end in ("", "_with_texture")},
    )
    shares = {"vgg19": {"value": 0.5, "low": 0.095, "high": 0.905}, "photo": {"value": 0.0, "low": 0.0, "high": 0.79}}
    judged = {made: {"share_both": share} for made, share in shares.items()}
    write_json(tmp_path / "04_style_eval" / "summary.json", judged)
    curves = "insertion,random,0.27,0.19,0.35\ndeletion,random,-0.05,-0.06,-0.03\n"
    write_text(tmp_path / "06_gradcam" / "faithfulness.csv", "curve,against,gain,low,high\n" + curves)
    notebook = assemble.run_here(build.HERE / "front_matter.ipynb", {"build_dir": str(tmp_path)})
    text = markdown.to_markdown(notebook, "front_matter", tmp_path, tmp_path).split("## Executive summary")[1]
    numbers = re.findall(r"(?m)^- .*$", text)
    assert len(numbers) == 5 and "No number says anything about Van Gogh" in text
    assert all(re.search(r"\*\*[-\d.%]+ \[.+, .+\].*\[@fig:\w+-\w+\]", number) for number in numbers)
    assert "50% [10%, 90%]" in numbers[2] and "untouched 0% [0%, 79%]" in numbers[2]
    shown = [re.sub(r"\[@\w+:[^\]]+\]", "Figure 10", line).replace("*", "") for line in text.splitlines() if line]
    assert sum(-(-len(line) // 105) for line in shown if line != shown[-1]) <= 12  # characters that a line holds


def test_a_failing_front_matter_cell_is_named(tmp_path):
    source = write_notebook(tmp_path / "front_matter.ipynb", [cell("# T", kind="markdown"), cell("1 / 0")])
    with pytest.raises(markdown.ReportError, match="front_matter, cell 2: ZeroDivisionError"):
        assemble.run_here(source, {})


def test_nbconvert_finds_the_exporter(folder):
    source = write_notebook(folder / "one.ipynb", [cell("# One\n\n## Two", kind="markdown"), cell("x", ["show-input"])])
    command = [sys.executable, "-m", "nbconvert", "--to", "report.export.ReportExporter", str(source)]
    subprocess.run(command, cwd=Path(build.ROOT), check=True, capture_output=True)
    assert (folder / "one.pdf").read_bytes().startswith(b"%PDF")
