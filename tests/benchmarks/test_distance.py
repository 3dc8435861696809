"""The benchmark of texture distances: only ImageNet's network may judge; what the command prints and keeps."""

import io
import os

import pandas as pd
import pytest
import torch

from vg_helpers.benchmarks import distance
from vg_helpers.benchmarks.distance import load_judge
from vg_helpers.images import load_image, save_image
from vg_helpers.models import weights
from vg_helpers.style.measures import relative_distance


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


def test_the_judge_sees_the_first_relu_of_each_block(tiny_judge, pictures):
    features = tiny_judge(pictures[0])
    for name, index in zip(distance.JUDGED, (1, 6, 11, 20, 29), strict=True):
        expected = tiny_judge.body[: index + 1](tiny_judge.normalize(pictures[0]))
        torch.testing.assert_close(features[name], expected, rtol=0, atol=0)


def test_no_other_weights_may_judge(monkeypatch):
    def no_weights(network):
        raise weights.NoWeightsError("no route to host")

    monkeypatch.setattr(weights, "find_imagenet_weights", no_weights)
    with pytest.raises(ValueError, match="no route to host; put the file into"):
        distance.load_judge()


@pytest.fixture
def folders(pictures, tmp_path):
    """Folders of photos and of styles with the pictures a, b and c in each."""
    for folder in ("photos", "styles"):
        (tmp_path / folder).mkdir()
        for name, picture in zip("cab", pictures, strict=True):
            save_image(tmp_path / folder / f"{name}.png", picture)
    return [tmp_path / "photos", tmp_path / "styles"]


FEW = ["--num-photos", "2", "--num-styles", "1", "--steps", "2", "--weights", "none", "--device", "cpu"]


def tables(printed):
    """Return the rows and the means that the command printed."""
    rows, means = printed.split("\n\n")
    return pd.read_csv(io.StringIO(rows), sep=r"\s+"), [line.split() for line in means.strip().splitlines()]


def test_the_command_prints_each_distance_and_their_mean(tiny_judge, folders, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*.png"))
    assert distance.main([*map(str, folders), *FEW]) == 0
    rows, means = tables(capsys.readouterr().out)
    assert rows[["photo", "style", "weights"]].to_numpy().tolist() == [["a", "a", "none"], ["b", "a", "none"]]
    assert means[-1][0] == "none" and float(means[-1][1]) == pytest.approx(rows["distance"].mean(), abs=1e-3)
    assert sorted(tmp_path.rglob("*.png")) == before


def test_pictures_are_kept_when_asked_for(tiny_judge, folders, tmp_path, capsys):
    assert distance.main([*map(str, folders), *FEW, "--out", str(tmp_path / "out")]) == 0
    rows, _ = tables(capsys.readouterr().out)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == ["vgg19_none_a_a.png", "vgg19_none_b_a.png"]
    images = [load_image(path) for path in (files[1], folders[0] / "b.png", folders[1] / "a.png")]
    assert relative_distance(*images, tiny_judge) == pytest.approx(rows["distance"][1], abs=1e-3)


def test_a_missing_or_empty_folder_is_one_sentence(tiny_judge, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for name, sentence in {"empty": "empty holds no pictures", "nowhere": "nowhere: no such file"}.items():
        assert distance.main([str(tmp_path / name), str(tmp_path)]) == 2
        printed = capsys.readouterr().err
        assert sentence in printed and printed.count("\n") == 1


@pytest.mark.real
def test_embedded_weights_bring_a_photo_nearer_to_the_style(capsys):
    folders = [os.environ["VG_PHOTOS_DIR"], os.environ["VG_STYLES_DIR"]]
    few = ["--num-photos", "1", "--num-styles", "1", "--steps", "40", "--weights", "embedded"]
    distance.main([*folders, *few])
    mean = float(capsys.readouterr().out.splitlines()[-1].split()[1])
    assert 0.01 < mean < 0.28  # neither random weights get there, nor a start from anything but patches
