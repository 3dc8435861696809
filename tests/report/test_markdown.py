"""markdown: what of a notebook comes into the report, and how it names what cannot."""

import base64
import re

import pytest
from notebook_files import PIXEL, cell, shown
from PIL import Image

from report import markdown


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
        shown("text", text="![far](data:image/png;base64,AAAA)"),
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


def pictured(source, tmp_path, **more):
    notebook = {"cells": [cell("a"), cell(source, kind="markdown") | more]}
    return markdown.to_markdown(notebook, "02_classify", tmp_path / "pages", tmp_path)


@pytest.mark.parametrize("target", ["p.png", "<a b (1).png>", "a%20b%20(1).png", 'p.png "Title"'])
def test_pictures_beside_the_notebook_are_found(tmp_path, target):
    for name in ("p.png", "a b (1).png"):
        (tmp_path / name).write_bytes(PIXEL)
    assert re.fullmatch(r"!\[A\]\([\da-f]{16}-1600\.png\)\n", pictured(f"![A]({target})", tmp_path))


def test_pasted_pictures_and_pictures_in_html_come_in(tmp_path):
    (tmp_path / "p.png").write_bytes(PIXEL)
    data = base64.b64encode(PIXEL).decode()
    text = pictured("![A](attachment:i.png)", tmp_path, attachments={"i.png": {"image/png": data}})
    assert text == pictured(f"![A](data:image/png;base64,{data})", tmp_path)
    assert text == pictured('<img width="300" alt="A" src="p.png"/>', tmp_path)
    assert len(list((tmp_path / "pages").iterdir())) == 1
    assert "no picture gone.png" in pictured("![A](gone.png)", tmp_path)


def test_a_picture_on_the_web_is_named_and_linked_but_not_fetched(tmp_path, caplog):
    text = pictured("See ![far](https://example.org/a.png).", tmp_path)
    assert text == "See [far](<https://example.org/a.png>) (a picture on the web).\n"
    assert "02_classify, cell 2: the picture https://example.org/a.png" in caplog.text


def test_what_no_page_can_show_is_left_out(tmp_path):
    cells = [cell("caf\udce9 \x00 bell\x07 \x1b[31mred\x1b[0m\n\n\tcode", kind="markdown")]
    text = markdown.to_markdown({"cells": cells}, "01_data", tmp_path, tmp_path)
    assert text == "caf\ufffd \ufffd bell\ufffd red\n\n\tcode\n" and text.encode("utf-8")


def test_a_users_own_cells_show_pictures_and_formulas_and_text_below_shown_code(tmp_path):
    picture = {"output_type": "display_data", "data": {"image/png": base64.b64encode(PIXEL).decode()}, "metadata": {}}
    svg = {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>", "text/plain": "s"}, "metadata": {}}
    formula = {"output_type": "execute_result", "data": {"text/latex": "$x^2$", "text/plain": "x**2"}, "metadata": {}}
    printed = {"output_type": "stream", "name": "stdout", "text": "42\n"}
    outputs = [picture, svg, formula, printed]
    cells = [cell("f()", outputs=outputs), cell("g()", ["show-input"], outputs=[printed])]
    text = markdown.to_markdown({"cells": cells}, "01_data", tmp_path, tmp_path)
    assert text.count("![Picture of 01_data, cell 1](") == 2 and "$x^2$" in text and text.count("42") == 1
    assert text.endswith("```python\ng()\n```\n\n```\n42\n```\n")
