"""panel: judges taught with the paintings of the texture judge, and pictures that no judge of theirs has seen."""

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import CPU, RULE, noise, textured

from vg_helpers.classify import panel
from vg_helpers.classify.forewarned import learn_paintings, measure_textures
from vg_helpers.classify.task import Setup
from vg_helpers.data.twins import perceptual_hash
from vg_helpers.images import read_pixels, save_image
from vg_helpers.models.classifier import build_classifier
from vg_helpers.models.texture import TextureClassifier, build_texture_extractor, save_texture_classifier


def keep(name, function, *args, **options):
    return function(*args, **options)


@pytest.fixture
def paintings(tmp_path):
    """Twelve paintings with steep stripes (Van Gogh's) and twelve with flat ones, of two painters, and their index."""
    images = [*textured(1, 12, size=72), *textured(0, 12, size=72)]
    for number, image in enumerate(images):
        save_image(tmp_path / f"{number}.png", image[None])
    artists = ["vg"] * 12 + ["monet"] * 6 + ["degas"] * 6
    hashes = [f"{number * 0x0123456789ABCDEF % 2**64:016x}" for number in range(24)]
    columns = {"path": [f"{n}.png" for n in range(24)], "artist": artists, "label": [1] * 12 + [0] * 12}
    return pd.DataFrame(columns).assign(group=range(24), phash=hashes)


@pytest.fixture
def setup(tmp_path):
    return Setup(tmp_path, tmp_path / "cache", tmp_path / "state", CPU, weights="none", size=56)


@pytest.fixture
def looks(tiny_zoo, paintings, setup, tmp_path):
    """The texture judges of both networks, from files as 02 writes them; they learned from all paintings but two."""
    (tmp_path / "state").mkdir()
    files, models, train = {}, {}, paintings[2:].sample(frac=1, random_state=1)
    for network in ("vgg19", "alexnet"):
        torch.manual_seed(0)
        models[network] = build_classifier(network, "none")
        extractor = build_texture_extractor(network, "none")
        moments = measure_textures(extractor, panel.load_paintings(train, setup), CPU)
        about = train["label"].to_numpy(), train["group"].to_numpy(), train["path"].tolist()
        judge, _ = learn_paintings(moments, *about, 0.4)
        files[network] = tmp_path / f"{network}_texture.pt"
        save_texture_classifier(files[network], TextureClassifier(models[network], extractor, judge), RULE)
    return panel.load_looks(files, models, CPU)


def test_paintings_come_in_the_order_in_which_the_judge_learned_them(looks, paintings):
    rows = panel.training_rows(looks["alexnet"], paintings)
    assert rows["path"].tolist() == looks["alexnet"].judge.names
    assert rows["label"].tolist() == looks["alexnet"].judge.labels.tolist()


def test_a_judge_learns_the_same_paintings_at_another_size(looks, paintings, setup):
    seen = []
    look, auc = panel.at_size(looks["alexnet"], paintings, setup, seen.append)
    assert look.extractor.scales == (1,) and looks["alexnet"].extractor.scales == (1, 3)
    assert look.size == 56 and look.judge.names == looks["alexnet"].judge.names and sum(seen) == 22
    assert look.judge.support.shape[1] == looks["alexnet"].judge.support.shape[1] / 2
    assert auc.low <= auc.value <= auc.high <= 1
    assert panel.view_of(256) == 224


def test_a_look_is_warned_by_pictures_unless_there_are_none(looks, paintings, tmp_path):
    look, images = looks["alexnet"], [noise(number, 1, 64, 80) for number in range(5)]
    pictures = pd.DataFrame({"content": ["a", "b", "c", "a", "b"], "style": ["s", "s", "t", "", ""]})
    assert panel.warned(look, paintings, pictures[3:], images[3:], []) is look
    judge = panel.warned(look, paintings, pictures, images, [tmp_path / "5.png"]).judge
    assert judge.names[-1] == "picture 4" and judge.labels[-5:].tolist() == [0] * 5


def test_every_picture_is_judged_in_the_order_of_the_frame(looks, paintings, setup, tmp_path):
    opened = panel.open_panel(looks, paintings, [tmp_path / "3.png"], setup, keep)
    assert opened.artist == "vg"
    pictures = pd.DataFrame({"content": ["a", "b", "c", "a", "b", "c"], "style": ["s", "t", "s", "", "", ""]})
    images = [noise(number, 1, 64, 80) for number in range(6)]
    answers = opened.judge(pictures, images, keep)
    assert list(answers) == ["p_strokes", "p_forewarned_vgg19", "p_forewarned_alexnet", "painter"]
    assert ((answers.drop(columns="painter") >= 0) & (answers.drop(columns="painter") <= 1)).all(axis=None)
    assert set(answers.painter) <= {"vg", "monet", "degas"}
    assert answers.p_strokes.to_numpy() == pytest.approx(opened.strokes(images))
    turned = opened.judge(pictures[::-1].reset_index(drop=True), images[::-1], keep)
    assert turned.p_strokes[::-1].tolist() == pytest.approx(answers.p_strokes.tolist())
    assert turned.painter[::-1].tolist() == answers.painter.tolist()


def test_judges_are_tested_on_paintings_that_they_have_not_seen(looks, paintings, setup):
    opened = panel.open_panel(looks, paintings, [], setup, keep)
    pictures = pd.DataFrame({"content": ["a", "b"], "style": ["s", ""]})
    tested = paintings.iloc[[0, 1, 12, 23]]
    images = [noise(1, 1, 64, 80), noise(2, 1, 64, 80)]
    results, answers = panel.evaluate_panel(opened, tested, images, pictures, setup, keep)
    names = ["strokes", "strokes_validated", "texture_vgg19", "forewarned_vgg19", "texture_alexnet", "attribution"]
    assert set(names) < set(results) and all(0 <= result.value <= 1 for result in results.values())
    assert 0.1 < results["strokes_validated"].value < 0.9  # turned stripes are the same strokes
    assert {"p_strokes", "p_texture_vgg19", "p_forewarned_alexnet", "painter"} < {*answers}
    assert answers.index.equals(tested.index) and answers.notna().all(axis=None)


def test_no_judge_learns_the_paintings_whose_style_the_pictures_have(looks, paintings, setup, tmp_path):
    """The attribution would know the very painting that a picture imitates."""
    pixels = read_pixels(tmp_path / "3.png")
    paintings = paintings.assign(phash=[perceptual_hash(pixels) if n == 3 else paintings.phash[n] for n in range(24)])
    with_all, without = (panel.open_panel(looks, paintings, files, setup, keep) for files in ([], [tmp_path / "3.png"]))
    assert without.left_out.sum() == 1 and without.train["path"][without.left_out].item() == "3.png"
    assert not np.array_equal(with_all.attribution.regression.coef_, without.attribution.regression.coef_)
    numbers = panel.paintings_strokes(paintings[:4], setup)
    assert not np.allclose(with_all.strokes.probs(numbers), without.strokes.probs(numbers))


def test_paintings_are_loaded_as_they_are_in_the_cache(paintings, setup):
    images = panel.load_paintings(paintings[:2], setup)
    assert images[0].shape == (1, 3, 256, 256) and images[0].dtype == torch.uint8
    assert not np.array_equal(images[0], images[1])
