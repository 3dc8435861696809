"""page: the contact sheet and the page show every painting, need nothing else, and can be read aloud."""

import re
from html.parser import HTMLParser

import pytest
from PIL import Image
from stand_ins import noise

from vg_helpers.images import save_image
from vg_helpers.style.batch import Job
from vg_helpers.style.output import read_settings
from vg_helpers.style.page import write_page, write_sheet

NAME = 'a <b> & "c" #1'


@pytest.fixture
def jobs(tmp_path):
    files = [tmp_path / name for name in (f"{NAME}.png", "stars.png", f"{NAME}_stars.png")]
    for seed, file in enumerate(files):
        save_image(file, noise(seed, height=30, width=40))
    return [Job(*files)]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def of(self, name):
        return [about for tag, about in self.tags if tag == name]


def test_the_page_needs_no_other_file_and_names_everything(jobs, tmp_path):
    text = write_page(tmp_path, jobs * 2).read_text(encoding="utf-8")
    page = Tags(text)
    assert len(page.of("img")) == 4 and all(about["src"].startswith("data:image/jpeg;") for about in page.of("img"))
    assert {about["alt"] for about in page.of("img")} == {f"{NAME} in the style of stars", f"the photo {NAME}"}
    assert all(about["type"] == "range" and NAME in about["aria-label"] for about in page.of("input"))
    assert [about["href"] for about in page.of("a")] == ["a%20%3Cb%3E%20%26%20%22c%22%20%231_stars.png"] * 2
    assert not re.search(r"https?://|<link|url\(", text) and "default-src 'none'" in text
    assert page.of("html")[0]["lang"] == "en" and "light dark" in text


@pytest.mark.parametrize("count", [1, 5, 401])
def test_the_sheet_shows_every_painting(jobs, tmp_path, count):
    file = write_sheet(tmp_path, jobs * count)
    with Image.open(file) as sheet:
        width, height = sheet.size
    assert count == 1 or 1 / 2.5 < width / height < 2.5
    assert read_settings(file)["Key"]
