"""render: tagged PDF and HTML of odd text, the same bytes each time, pages that are full."""

import json
import re
import shutil
import sys
from datetime import date
from html import unescape
from pathlib import Path

import matplotlib
import pytest
import typst
from fontTools.ttLib import TTFont
from notebook_files import PIXEL, cell, shown
from PIL import Image

from report import assemble, markdown, render

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
    assert "Ünï ¼" in written and "\\@nobody \\<b\\>said" in written
    assert "a figure that is not part of this run" in written and "@gatys2016" in written
    assert '#ref(label("fig:01_data-f"))' in written


def test_the_same_pages_as_one_html_file(odd_pages):
    text, folder = odd_pages
    html = render.to_html(text, ODD, date(2025, 1, 2), folder)
    assert html == render.to_html(text, ODD, date(2025, 1, 2), folder)
    assert "中文" in html and "<math" in html and 'href="#fig:01_data-f"' in html and "Gatys" in html
    assert 'src="data:image/png;base64,' in html and "pixel.png" not in html and "http-equiv" not in html


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


@pytest.mark.parametrize("title", ['"Starry Night", repainted', "Cost $5 and $6, C_1 @home <b> #2", "back\\slash \\"])
def test_a_title_stands_in_page_and_metadata_as_it_was_written(tmp_path, title):
    assert render.to_pdf("# A\n\nWords.", title, date(2025, 1, 2), tmp_path).startswith(b"%PDF")
    first = (tmp_path / "report.typ").read_text(encoding="utf-8").split("#set document(title: ")[1]
    assert json.loads(first[: first.index(", date:")]) == title
    html = render.to_html("# A", title, date(2025, 1, 2), tmp_path)
    assert unescape(re.search(r"(?s)<title>(.*?)</title>", html)[1]) == title


def linear_a_font(path):
    """Write a font that has a character which hardly any other font has, and return the character."""
    font, character = TTFont(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), "\U00010600"
    for table in font["cmap"].tables:
        if table.format == 12:
            table.cmap[ord(character)] = table.cmap[ord("A")]
    for name in font["name"].names:
        name.string = "Signs" if name.nameID in (1, 16) else name.string
    path.parent.mkdir(parents=True, exist_ok=True)
    font.save(path)
    return character


@pytest.mark.skipif(sys.platform == "win32", reason="programs are other files there")
def test_a_pandoc_of_another_processor_is_left_for_one_that_runs(tmp_path, monkeypatch):
    wheel, path = tmp_path / "pypandoc" / "files" / "pandoc", tmp_path / "bin" / "pandoc"
    for program, content in ((wheel, b"\xcf\xfa\xed\xfe another processor's"), (path, b"#!/bin/sh\n")):
        program.parent.mkdir(parents=True)
        program.write_bytes(content)
        program.chmod(0o755)
    monkeypatch.setattr("pypandoc.__file__", str(wheel.parents[1] / "__init__.py"))
    monkeypatch.setenv("PATH", str(path.parent))
    assert render._pandoc_program.__wrapped__() == str(path)
    path.write_bytes(b"#!/bin/sh\nexit 1\n")
    with pytest.raises(markdown.ReportError, match="no pandoc runs here: install pandoc"):
        render._pandoc_program.__wrapped__()


@pytest.mark.skipif(sys.platform != "linux", reason="where fonts of a user lie differs")
def test_characters_come_from_a_font_of_the_machine_or_are_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HOME", str(tmp_path))
    character = linear_a_font(tmp_path / "elsewhere" / "signs.ttf")
    pdf = render.to_pdf(f"Members {character}.", "T", date(2025, 1, 2), tmp_path / "pages")
    written = tmp_path / "pages" / "report.typ"
    assert pdf.startswith(b"%PDF") and "▯" in written.read_text(encoding="utf-8")
    assert len(caplog.messages) == 1 and character in caplog.messages[0] and "fonts-noto" in caplog.messages[0]
    caplog.clear()
    linear_a_font(tmp_path / ".fonts" / "signs.ttf")
    render.to_pdf(f"Members {character}.", "T", date(2025, 1, 2), tmp_path / "pages")
    assert character in written.read_text(encoding="utf-8") and not caplog.messages


def test_pictures_among_letters_leave_the_other_text_alone(tmp_path, caplog):
    words = "Vincent \U0001f3a8\ufe0f \U0001f469\u200d\U0001f3a8 \U000f0000 20 \\\\ done"  # and an icon
    assert render.to_pdf(words, "T", date(2025, 1, 2), tmp_path).startswith(b"%PDF")
    text = (tmp_path / "report.typ").read_text(encoding="utf-8")
    assert "date: datetime(year: 2025, month: 1, day: 2)" in text and "done" in text
    assert all("\\" not in message and "200d" not in message for message in caplog.messages)


@pytest.mark.parametrize(("rows", "in_one_piece", "floats"), [(4, True, False), (20, True, True), (60, False, False)])
def test_tables_stay_in_one_piece_unless_they_are_long(tmp_path, rows, in_one_piece, floats):
    grid = "| name | n |\n|:--|--:|\n" + "| a | 1 |\n" * rows
    table = f"::: {{.table #tbl:01_data-t}}\n{grid}\nCaption.\n:::\n\n"
    render.to_pdf(f"# A\n\n{table}Words.", "T", date(2025, 1, 2), tmp_path)
    written = (tmp_path / "report.typ").read_text(encoding="utf-8").split("$body$")[-1]
    assert ("breakable: true" not in written) == in_one_piece and ("placement: auto" in written) == floats


def test_pages_are_made_in_folders_that_the_locale_cannot_spell(tmp_path, monkeypatch):
    folder = tmp_path / "Übung’s #1"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "bläue.png").write_bytes(PIXEL)
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setattr(render, "HERE", Path(shutil.copytree(render.HERE, folder / "report", ignore=only_templates)))
    text = "![Blau](<figures/bläue.png>)\n"
    assert render.to_pdf(text, "T", date(2026, 1, 2), folder).startswith(b"%PDF")
    assert "data:image/png" in render.to_html(text, "T", date(2026, 1, 2), folder)


def only_templates(folder, names):
    return [name for name in names if Path(name).suffix not in {".lua", ".typ", ".bib", ".html"}]
