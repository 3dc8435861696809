"""strokes: known directions, widths and lengths, no colour, turned pictures, and a judge that learns."""

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import CPU, noise

from vg_helpers.classify.strokes import (
    BINS,
    DISTANCES,
    LUMINANCE,
    cross_validate,
    direction_histogram,
    directions,
    fit_stroke_judge,
    luminance,
    measure_strokes,
    paintings_strokes,
    relief_of,
    stroke_numbers,
)
from vg_helpers.classify.task import Setup
from vg_helpers.data.views import eval_view
from vg_helpers.images import save_image

PICTURE = noise(3, height=65, width=48)[0]


def stripes(angle, width=4.0, length=None, side=96):
    """Return a picture whose stripes run at an angle, half a period being `width`, cut into strokes of `length`."""
    y, x = torch.meshgrid(torch.arange(side) - side / 2, torch.arange(side) - side / 2, indexing="ij")
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wave = torch.sin(np.pi * across / width)
    if length:
        wave = wave * torch.sign(torch.sin(np.pi * along / length))
    return (0.5 + 0.4 * wave).expand(3, -1, -1)


def histogram(picture):
    return direction_histogram(directions(relief_of(luminance(picture))))


@pytest.mark.parametrize("angle", [0.1, 0.9, 1.8, 2.7])
def test_stripes_have_the_direction_in_which_they_run(angle):
    strokes = directions(relief_of(luminance(stripes(angle))))
    middle = strokes.angle[20:-20, 20:-20]
    assert np.abs(np.exp(2j * middle) - np.exp(2j * angle)).max() < 0.1
    assert strokes.coherence[20:-20, 20:-20].min() > 0.95
    assert histogram(stripes(angle)).argmax() == int(angle * BINS / np.pi)


def test_noise_has_every_direction():
    assert directions(relief_of(luminance(PICTURE))).coherence.mean() < 0.5
    assert histogram(PICTURE).sum() == pytest.approx(1) and histogram(PICTURE).max() < 0.2
    assert stroke_numbers(PICTURE)["directions"][-1] > stroke_numbers(stripes(0.9))["directions"][-1]


def test_a_turned_picture_has_the_histogram_rolled_by_half():
    turned = torch.rot90(PICTURE, 1, (1, 2))
    assert histogram(turned) == pytest.approx(np.roll(histogram(PICTURE), BINS // 2), abs=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (65, 48), (50, 71)])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_by_90_degrees_leaves_every_number_alone(size, turns):
    picture = stripes(0.7, side=96)[:, : size[0], : size[1]] * 0.7 + 0.3 * noise(5, 1, *size)[0]
    if size != (64, 64):  # halving drops the last row of an odd number, which turning makes the first
        picture = picture[:, : size[0] // 32 * 32, : size[1] // 32 * 32]
    before, after = stroke_numbers(picture), stroke_numbers(torch.rot90(picture, turns, (1, 2)))
    for name, values in before.items():
        assert after[name] == pytest.approx(values, abs=2e-3), name


def test_colour_is_left_out():
    hue = torch.tensor([LUMINANCE[1], -LUMINANCE[0], 0.0])  # has no luminance
    shades = 0.3 * noise(7, 1, *PICTURE.shape[1:])[0, :1] * hue[:, None, None]
    recolored, before = stroke_numbers(PICTURE + shades), stroke_numbers(PICTURE)
    for name, values in before.items():
        assert recolored[name] == pytest.approx(values, abs=1e-3), name
    gray = torch.from_numpy(luminance(PICTURE)).expand(3, -1, -1)
    assert stroke_numbers(gray)["width"] == pytest.approx(before["width"], abs=1e-3)


def test_wide_strokes_are_alike_farther_across():
    narrow, wide = (stroke_numbers(stripes(0.6, width))["width"] for width in (3.0, 6.0))
    assert DISTANCES[3] == 4 and narrow[2] < -0.8 and wide[2] == pytest.approx(0, abs=0.2) and wide[4] < -0.8


def test_long_strokes_are_alike_farther_along():
    short, long = (stroke_numbers(stripes(0.6, 3.0, length))["length"] for length in (8, None))
    assert short[5] < -0.3 and long[5] > 0.6


def test_parallel_strokes_have_more_rhythm_than_noise():
    assert stroke_numbers(stripes(0.4))["rhythm"][1] > 0.9 > 0.5 > stroke_numbers(PICTURE)["rhythm"][1]


def test_fine_detail_is_in_the_first_octave():
    fine = torch.from_numpy((np.indices((64, 64)).sum(0) % 2).astype(np.float32)).expand(3, -1, -1)
    octaves = stroke_numbers(fine)["fineness"]
    assert octaves[0] == pytest.approx(np.log(0.5 + 1e-4), abs=1e-4) and octaves[1:].max() < -9


def test_an_even_picture_has_finite_numbers():
    assert all(np.isfinite(values).all() for values in stroke_numbers(torch.full((3, 64, 64), 0.5)).values())


def test_pictures_are_seen_as_held_out_paintings_are():
    pictures = [noise(1, 1, 80, 120), noise(2, 1, 70, 64)]
    for row, picture in zip(measure_strokes(pictures, 56), pictures, strict=True):
        assert np.array_equal(row, np.concatenate(list(stroke_numbers(eval_view(picture[0], 56, 0)).values())))


def test_the_judge_learns_from_strokes_and_gives_probabilities():
    fine, coarse = ([stripes(a, w)[None] for a in np.linspace(0, 3, 9)] for w in (2.0, 5.0))
    numbers, labels = measure_strokes([*fine, *coarse], 56), np.repeat([1, 0], 9)
    judge = fit_stroke_judge(numbers, labels, size=56)
    probs = judge([stripes(0.3, 2.2)[None], stripes(0.3, 4.8)[None]])
    assert probs[0] > 0.8 and probs[1] < 0.2
    auc = cross_validate(numbers, labels, np.arange(18))
    assert auc.value == 1 and auc.low <= auc.value <= auc.high


def test_twins_are_judged_together():
    """Noise that is there twice is learned by heart, unless both copies are held out."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(rng.normal(size=(40, 60)), 2, axis=0)
    labels = np.repeat(rng.permutation([0, 1] * 20), 2)
    assert cross_validate(numbers, labels, np.arange(80)).value > 0.85
    assert cross_validate(numbers, labels, np.repeat(np.arange(40), 2)).value < 0.7


def test_paintings_are_measured_in_the_order_of_the_index(tmp_path):
    names = ["b.png", "a.png"]
    for number, name in enumerate(names):
        save_image(tmp_path / name, noise(number, 1, 64, 64))
    seen = []
    setup = Setup(tmp_path, tmp_path / "cache", tmp_path, CPU, size=56)
    index = pd.DataFrame({"path": names, "label": [0, 1]})
    numbers = paintings_strokes(index, setup, seen.append)
    assert seen == [1, 1] and not np.array_equal(numbers[0], numbers[1])
    assert np.array_equal(paintings_strokes(index[::-1], setup), numbers[::-1])
