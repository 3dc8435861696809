"""corruptions: each does what its name says, shows nothing but picture, and is the same for all classifiers."""

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import blotches, textured

from vg_helpers.classify import corruptions
from vg_helpers.classify.corruptions import CORRUPTIONS, UNCHANGED
from vg_helpers.data.views import eval_view
from vg_helpers.metrics import auc_difference, score
from vg_helpers.stage import Stage

GEOMETRIC = ("crop to 60 %", "rotation by 5°", "perspective")
DRAWN = (*GEOMETRIC, "colour cast", "glare", "noise")
EVERY = pytest.mark.parametrize("name", CORRUPTIONS)


def picture(seed=0, size=(96, 72)):
    return torch.from_numpy(blotches(seed, size).copy()).permute(2, 0, 1)


def apply(name, image, seed=0):
    return CORRUPTIONS[name](image, np.random.default_rng(seed))


@EVERY
def test_the_picture_is_of_bytes_and_the_original_stays(name):
    image = picture()
    before = image.clone()
    changed = apply(name, image)
    assert changed.dtype == torch.uint8 and changed.shape[0] == 3 and torch.equal(image, before)
    if name in GEOMETRIC:
        assert min(changed.shape[1:]) >= 0.59 * 72
    else:
        assert changed.shape == image.shape
        assert torch.equal(changed, image) == (name == UNCHANGED)


@EVERY
def test_draws_depend_on_the_seed_alone(name):
    image = picture()
    first, again, others = apply(name, image), apply(name, image), [apply(name, image, seed) for seed in range(1, 6)]
    assert torch.equal(first, again)
    assert any(not torch.equal(first, other) for other in others) == (name in DRAWN)


@pytest.mark.parametrize("name", [*GEOMETRIC, "half size", "blur", "shades of grey", "JPEG quality 30"])
@pytest.mark.parametrize("size", [(96, 72), (72, 96), (256, 300)])
def test_no_border_shows(name, size):
    for seed in range(4):
        changed = apply(name, torch.full((3, *size), 200, dtype=torch.uint8), seed)
        assert (changed.int() - 200).abs().max() <= 1


def test_jpeg_loses_more_at_lower_quality():
    image = (255 * textured(1, 1)[0]).byte()
    losses = [(apply(f"JPEG quality {q}", image).float() - image).abs().mean() for q in (95, 75, 50, 30)]
    assert 0 < losses[0] < losses[1] < losses[2] < losses[3] < 40


@pytest.mark.parametrize("name", ["half size", "blur"])
def test_fine_detail_goes_and_coarse_detail_stays(name):
    checks = 255 * (torch.arange(64)[:, None] + torch.arange(64)[None]).remainder(2).byte().expand(3, 64, 64)
    assert apply(name, checks).float().std() < 0.3 * checks.float().std()
    assert (apply(name, picture()).float() - picture()).abs().mean() < 5


def test_a_crop_is_a_part_of_the_picture():
    image = picture()
    part = apply("crop to 60 %", image)
    height, width = part.shape[1:]
    places = [(top, left) for top in range(73 - height) for left in range(97 - width)]
    assert (height, width) == (43, 58)
    assert any(torch.equal(image[:, top : top + height, left : left + width], part) for top, left in places)


def test_a_cast_is_warm_or_cool_and_glare_only_brightens():
    grey = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    casts = {tuple(apply("colour cast", grey, seed).float().mean((1, 2)).tolist()) for seed in range(8)}
    assert casts == {(120, 100, 80), (80, 100, 120)}
    brighter = apply("glare", picture()).int() - picture()
    assert brighter.min() >= 0 and brighter.max() > 50


def test_noise_and_grey():
    grey = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    assert apply("noise", grey).float().std().item() == pytest.approx(15, rel=0.05)
    red, green, blue = apply("shades of grey", picture())
    assert torch.equal(red, green) and torch.equal(green, blue)


def test_rotation_turns_about_the_middle():
    line = torch.zeros(3, 101, 101, dtype=torch.uint8)
    line[:, 50] = 255
    turned = apply("rotation by 5°", line)[0].float()
    rows = turned.argmax(0)
    size = turned.shape[0]
    slope = (rows[-5] - rows[5]).item() / (size - 10)
    assert abs(slope) == pytest.approx(np.tan(np.radians(5)), abs=0.03) and size < 101
    assert rows[size // 2].item() == pytest.approx(size / 2, abs=2)


@pytest.fixture
def rows(index):
    return index.assign(group=range(24), artist="a")


class Brightness:
    """Two judges, of the brightness and of the red, that note what they see."""

    def __init__(self):
        self.seen = []

    def content(self):
        return "brightness"

    def __call__(self, pictures):
        probs = {"vgg19": [], "vgg19_with_texture": []}
        for image in pictures:
            assert image.shape[:2] == (1, 3) and image.min() >= 0 and image.max() <= 1
            self.seen.append(image)
            probs["vgg19"].append(image.mean().item())
            probs["vgg19_with_texture"].append(image[:, 0].mean().item())
        return {name: np.array(values) for name, values in probs.items()}


def test_all_corruptions_are_judged_once_and_kept(rows, setup, tmp_path):
    stage, judge, few = Stage(tmp_path / "build", "02_classify", {}), Brightness(), rows[:3]
    probs = corruptions.judge_all(judge, few, setup, stage.keep)
    assert list(probs) == list(CORRUPTIONS) and next(iter(probs)) == UNCHANGED
    assert len(judge.seen) == 3 * len(CORRUPTIONS)
    for position, path in enumerate(few.path):
        image = corruptions.corrupted("blur", path, setup)
        assert probs["blur"]["vgg19"][position] == pytest.approx(image.mean().item())
    corruptions.judge_all(judge, few, setup, stage.keep)
    assert len(judge.seen) == 3 * len(CORRUPTIONS)


def test_no_paintings_need_no_judge(rows, setup):
    assert corruptions.judge_all(None, rows[:0], setup, None) == {}
    assert corruptions.corruption_changes(rows[:0], {}).empty


def test_a_painting_is_corrupted_alike_whatever_is_beside_it(rows, setup):
    seen = []
    judge = lambda pictures: {"vgg19": np.array([seen.append(image) or 0.5 for image in pictures])}  # noqa: E731
    for part in (rows[:4], rows[2:3]):
        corruptions.judge_corrupted("noise", judge, part, setup)
    assert torch.equal(seen[2], seen[4])
    noises = [
        image - corruptions.corrupted(UNCHANGED, path, setup) for image, path in zip(seen, rows.path, strict=False)
    ]
    assert not torch.equal(noises[0], noises[1])  # each has noise of its own


def test_examples_are_pictures_of_every_corruption(rows, setup):
    examples = corruptions.examples(rows.path[0], setup)
    assert list(examples) == list(CORRUPTIONS) and all(image.shape[0] == 3 for image in examples.values())


@pytest.mark.parametrize(
    ("count", "van_goghs", "all_of_them"), [(0, 0, 0), (6, 3, 6), (24, 8, 24), (28, 8, 28), (99, 8, 28)]
)
def test_paintings_are_drawn_half_and_half_as_far_as_there_are(count, van_goghs, all_of_them):
    index = pd.DataFrame(
        {
            "path": range(40),
            "label": [1] * 10 + [0] * 30,
            "split": ["test"] * 8 + ["train"] * 2 + ["test"] * 20 + ["val"] * 10,
        }
    )
    chosen = corruptions.choose_paintings(index, "split", count)
    assert chosen.label.sum() == van_goghs and len(chosen) == all_of_them == chosen.path.nunique()
    assert (index.set_index("path").split[chosen.path] == "test").all()
    pd.testing.assert_frame_equal(chosen, corruptions.choose_paintings(index, "split", count))


def test_changes_are_paired_with_the_unchanged_pictures():
    rng, rows = np.random.default_rng(0), pd.DataFrame({"label": [0, 1] * 20, "group": np.arange(40) // 2})
    clear = np.clip(0.3 * rows.label.to_numpy() + 0.7 * rng.random(40), 0, 1)
    probs = {UNCHANGED: {"vgg19": clear}, "blur": {"vgg19": rng.random(40)}}
    first, second = corruptions.corruption_changes(rows, probs).itertuples()
    assert first.change == (0, 0, 0) and first.auc.value == score(rows.label, clear)["roc_auc"]
    assert second.change == auc_difference(rows.label, probs["blur"]["vgg19"], clear, groups=rows.group)
    assert (second.corruption, second.model) == ("blur", "vgg19") and second.auc.low < second.auc.value


def test_copies_are_of_all_kinds_and_each_is_what_its_corruption_makes(index, setup):
    many = corruptions.CopyDataset([f"{number}.jpg" for number in range(300)], [0] * 300, setup)
    assert {many.kind(position) for position in range(300)} == set(CORRUPTIONS) - {UNCHANGED}
    copies = corruptions.CopyDataset(index["path"].tolist(), index["label"].tolist(), setup)
    picture, target = copies[1]
    expected = corruptions.corrupted(copies.kind(1), index["path"][1], setup)[0]
    assert torch.equal(picture, eval_view(expected, setup.size, 0)) and target == index["label"][1]
