"""show: what the report's exporter reads, and what the reader of a notebook sees."""

import base64
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vg_helpers import show
from vg_helpers.stage import open_stage


@pytest.fixture
def shown(monkeypatch):
    """The outputs (bundle, metadata) that `show` has displayed."""
    outputs = []
    monkeypatch.setattr(show, "display", lambda bundle, raw, metadata: outputs.append((bundle, metadata)))
    return outputs


@pytest.fixture
def stage(tmp_path):
    return open_stage(tmp_path, "01_data")


def test_a_figure_is_shown_kept_and_captioned(stage, shown):
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1])
    stage.figure("line", figure, "A <line> & more.", alt="Rises.")
    (bundle, metadata), (caption, caption_metadata) = shown
    kept = stage.path("figures", "line.png").read_bytes()
    assert base64.b64decode(bundle["image/png"]) == kept
    assert Image.open(BytesIO(kept)).info["dpi"] == pytest.approx((200, 200), abs=0.1)
    assert metadata["vg"] == {"kind": "figure", "name": "line", "caption": "A <line> & more.", "alt": "Rises."}
    assert metadata["image/png"] == {"width": 288} and bundle["text/plain"] == "Rises."
    assert caption["text/markdown"] == "<small>A &lt;line&gt; &amp; more.</small>"
    assert caption_metadata == {"vg": {"kind": "caption"}}
    assert list(stage.path("figures", "x").parent.iterdir()) == [stage.path("figures", "line.png")]


def test_the_caption_stands_in_for_a_missing_description(stage, shown):
    stage.figure("empty", Figure(figsize=(1, 1)), "Nothing.")
    assert shown[0][1]["vg"]["alt"] == "Nothing."


def test_the_same_figure_gives_the_same_bytes(stage, shown):
    for name in ("a", "b"):
        stage.figure(name, Figure(figsize=(1, 1)), "Nothing.")
    assert shown[0][0]["image/png"] == shown[2][0]["image/png"]


def test_a_table_is_rounded_aligned_and_escaped(stage, shown):
    frame = pd.DataFrame({"name": ["a|b\nc", "<d>"], "n": [1, 20], "value": [0.12345, np.nan], "note": ["x", None]})
    before = frame.copy()
    stage.table("scores", frame, "Scores.", digits=2)
    bundle, metadata = shown[0]
    lines = [
        [cell.strip() for cell in line.replace("\\|", "¦").split("|")[1:-1]]
        for line in bundle["text/markdown"].splitlines()
    ]
    assert lines[0] == ["name", "n", "value", "note"]
    assert [cell.endswith(":") for cell in lines[1]] == [False, True, True, False]
    assert lines[2:] == [["a¦b c", "1", "0.12", "x"], ["<d>", "20", "–", "–"]]
    assert "&lt;d&gt;" in bundle["text/html"] and "0.12345" not in bundle["text/html"]
    assert metadata == {"vg": {"kind": "table", "name": "scores", "caption": "Scores."}}
    assert shown[1][1] == {"vg": {"kind": "caption"}}
    pd.testing.assert_frame_equal(frame, before)


def test_numbers_written_as_text_stay_as_they_are(stage, shown):
    stage.table("t", pd.DataFrame({"lr": ["1.20e-05", "003"]}), "T.")
    assert "1.20e-05" in shown[0][0]["text/markdown"] and "003" in shown[0][0]["text/markdown"]


def test_a_table_without_rows_keeps_its_head(stage, shown):
    stage.table("quarantine", pd.DataFrame({"path": [], "reason": []}), "None.")
    assert "path" in shown[0][0]["text/markdown"] and "reason" in shown[0][0]["text/markdown"]


def test_text_is_taken_over_as_it_is(shown):
    show.text("**bold** [@fig:01_data-line]")
    assert shown == [
        (
            {"text/markdown": "**bold** [@fig:01_data-line]", "text/plain": "**bold** [@fig:01_data-line]"},
            {"vg": {"kind": "text"}},
        )
    ]


def test_the_best_of_a_column_is_bold(stage, shown):
    frame = pd.DataFrame({"the_name": ["a", "b", "c"], "auc": ["0.8 [0.7, 0.9]", "0.95 [0.1, 1.0]", "–"]})
    stage.table("best", frame, "Best.", best=["auc"])
    bundle = shown[0][0]
    assert bundle["text/markdown"].count("**") == 2 and "**0.95** [0.1, 1.0]" in bundle["text/markdown"]
    assert "<b>0.95</b> [0.1, 1.0]" in bundle["text/html"] and "**" not in bundle["text/html"]
    assert "the name" in bundle["text/markdown"] and "the_name" not in bundle["text/html"]


def test_only_plain_names_lose_their_underscores(stage, shown):
    stage.table("t", pd.DataFrame({"p_vgg19": [1], "P(van_gogh)": [0.5], 3: [1]}), "T.")
    head = [cell.strip() for cell in shown[0][0]["text/markdown"].splitlines()[0].split("|")[1:-1]]
    assert head == ["p vgg19", "P(van_gogh)", "3"]


@pytest.mark.parametrize(("source", "words"), [("embedded", " (Embedded weights.)"), ("imagenet", "")])
def test_a_caption_names_weights_that_are_not_imagenets(stage, shown, source, words):
    stage.weights.append({"source": source})
    stage.table("t", pd.DataFrame({"a": [1]}), "T.")
    assert shown[0][1]["vg"]["caption"] == f"T.{words}"


def test_empty_paragraphs_are_left_out(shown):
    show.text("", "")
    assert not shown
    show.text("One.", "", "Two.")
    assert shown[0][0]["text/markdown"] == "One.\n\nTwo."


def test_source_is_shown_as_code(shown):
    show.source(show.text, show.picture_name)
    assert shown[0][0]["text/markdown"].count("```python\ndef ") == 2


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("vincent-van-gogh_the-night-cafe-1888", "the night cafe 1888"),
        ("vincent-van-gogh_demo-style-1-night-v5-42-640", "demo style 1 night"),
        ("a_b#c$ü", "a_b#c$ü"),
    ],
)
def test_a_picture_is_called_what_its_file_tells(stem, name):
    assert show.picture_name(stem) == name
