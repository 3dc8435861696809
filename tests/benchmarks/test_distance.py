"""style_distance: the judge's measure, that only ImageNet's network may judge, and the command."""

import os

import pytest
import torch

from vg_helpers.benchmarks import distance
from vg_helpers.benchmarks.distance import load_judge, relative_distance
from vg_helpers.images import load_image, save_image
from vg_helpers.models import weights


@pytest.fixture
def tiny_judge(tiny_zoo, tmp_path, monkeypatch):
    """A file of weights for the tiny VGG-19 where ImageNet's is looked for."""
    net = weights.zoo.vgg19().to_empty(device="cpu")
    path = tmp_path / "vgg19-00000000.pth"
    torch.save(weights.initialize(net).state_dict(), path)
    monkeypatch.setattr(weights, "find_imagenet_weights", lambda network: path)
    return load_judge()


@pytest.fixture
def pictures():
    smooth, coarse, rough = torch.rand(3, 1, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    coarse = torch.nn.functional.interpolate(coarse[..., ::8, ::8], (64, 48))
    return 0.5 + 0.1 * (smooth - 0.5), coarse, rough


def test_the_distance_is_that_of_the_formula(tiny_judge, pictures):
    image, photo, style = pictures

    def grams(picture):
        x, found = (picture - tiny_judge.normalize.mean) / tiny_judge.normalize.std, []
        for index, layer in enumerate(tiny_judge.body):
            x = layer(x)
            if index in (1, 6, 11, 20, 29):  # the ReLU after the first convolution of each block
                rows = x[0].flatten(1)
                found.append(rows @ rows.T / rows.numel())
        return found

    wanted = grams(style)
    of = {
        name: sum(float(((a - b) ** 2).sum() / (b**2).sum()) for a, b in zip(grams(picture), wanted, strict=True))
        for name, picture in (("image", image), ("photo", photo))
    }
    found = relative_distance(image, photo, style, tiny_judge)
    assert found == pytest.approx(of["image"] / of["photo"], rel=1e-4)
    assert distance.relative_distance(photo, photo, style, tiny_judge) == 1
    assert distance.relative_distance(style, photo, style, tiny_judge) == 0


def test_no_other_weights_may_judge(monkeypatch):
    def no_weights(network):
        raise weights.NoWeightsError("no route to host")

    monkeypatch.setattr(weights, "find_imagenet_weights", no_weights)
    with pytest.raises(ValueError, match="no route to host; put the file into"):
        distance.load_judge()


def test_the_command_prints_a_mean_and_keeps_pictures_only_when_asked(tiny_judge, pictures, tmp_path, capsys):
    for folder in ("photos", "styles"):
        (tmp_path / folder).mkdir()
        for name, picture in zip("cab", pictures, strict=True):
            save_image(tmp_path / folder / f"{name}.png", picture)
    folders = [str(tmp_path / "photos"), str(tmp_path / "styles")]
    few = ["--num-photos", "2", "--num-styles", "1", "--steps", "2", "--weights", "none", "--device", "cpu"]
    before = sorted(tmp_path.rglob("*.png"))
    distance.main([*folders, *few])
    printed = capsys.readouterr()
    assert sorted(tmp_path.rglob("*.png")) == before and "none" in printed.out
    assert [line.split()[:3] for line in printed.err.splitlines()] == [["a", "a", "none"], ["b", "a", "none"]]
    distance.main([*folders, *few, "--out", str(tmp_path / "out")])
    assert capsys.readouterr().out.split()[:-3] == printed.out.split()[:-3]  # same seed, same distances
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files == ["vgg19_none_a_a.png", "vgg19_none_b_a.png"]
    again = distance.relative_distance(
        load_image(tmp_path / "out" / files[1]), *(load_image(tmp_path / f / n) for f, n in
        (("photos", "b.png"), ("styles", "a.png"))), tiny_judge,
    )  # fmt: skip
    assert f"none b a {again:.3f}".split()[-1] in printed.err.splitlines()[1]


def test_a_missing_or_empty_folder_is_one_sentence(tiny_judge, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=r"^error: .*empty must both hold JPEG or PNG pictures$"):
        distance.main([str(tmp_path / "empty"), str(tmp_path / "empty")])
    with pytest.raises(SystemExit, match=r"^error: .*nowhere"):
        distance.main([str(tmp_path / "nowhere"), str(tmp_path)])


@pytest.mark.real
def test_embedded_weights_bring_a_photo_nearer_to_the_style(capsys):
    folders = [os.environ["VG_PHOTOS_DIR"], os.environ["VG_STYLES_DIR"]]
    few = ["--num-photos", "1", "--num-styles", "1", "--steps", "40", "--weights", "embedded"]
    distance.main([*folders, *few])
    mean = float(capsys.readouterr().out.splitlines()[-1].split()[1])
    assert 0.01 < mean < 0.28  # neither random weights get there, nor a start from anything but patches
