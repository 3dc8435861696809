"""README and the other texts for newcomers: links lead somewhere, pictures are small, their numbers are the run's."""

import re
from pathlib import Path

import pytest

from vg_helpers.benchmarks.pictures import MOST_BYTES
from vg_helpers.files import read_json

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "report" / "pictures"


@pytest.mark.parametrize("name", ["README.md", "data_README.md", "CONTRIBUTING.md", "docs/scale.md"])
def test_links_and_pictures_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r'\]\(([^)#]+)\)|src="([^"]+)"', text)
    local = [link or picture for link, picture in targets if not (link or picture).startswith("http")]
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_pictures_are_small():
    assert sum(path.stat().st_size for path in PICTURES.glob("*.jpg")) <= MOST_BYTES
    assert sum(path.stat().st_size for path in PICTURES.glob("*.webp")) <= 1_500_000  # the film


def test_the_numbers_beside_the_pictures_are_those_of_the_run():
    numbers = read_json(PICTURES / "numbers.json")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"P\(van_gogh\) = ([\d.]+)", text) == [f"{numbers[name]:.2f}" for name in ("p_before", "p_after")]
    assert numbers["licence"] in text


def test_commands_in_readme_exist():
    import run

    for name in ("README.md", "data_README.md", "CONTRIBUTING.md", "docs/scale.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"python3? run\.py (\w+)", text)) <= set(run.TASKS)
        for module in re.findall(r"-m (vg_helpers[\w.]+)", text):
            assert (ROOT / Path(*module.split("."))).with_suffix(".py").exists()
