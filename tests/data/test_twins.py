"""twins: hashes, titles and groups, and which twins a split separates."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from stand_ins import blotches, hashed_frame

from vg_helpers.data.twins import (
    NEAR_DUPLICATE,
    clean_title,
    group_paintings,
    group_sizes,
    medium_of,
    perceptual_hash,
    twin_titles,
)


def bits_apart(first, second):
    return (int(first, 16) ^ int(second, 16)).bit_count()


def test_the_hash_sees_through_size_and_compression_and_tells_pictures_apart(tmp_path):
    codes = []
    for seed in range(6):
        whole = blotches(seed)
        small = Image.fromarray(whole).resize((110, 150), Image.Resampling.LANCZOS)
        small.save(tmp_path / "a.jpg", quality=50)
        codes.append(perceptual_hash(whole))
        assert bits_apart(codes[-1], perceptual_hash(np.asarray(Image.open(tmp_path / "a.jpg")))) <= NEAR_DUPLICATE
    apart = [bits_apart(a, b) for i, a in enumerate(codes) for b in codes[:i]]
    assert min(apart) > 2 * NEAR_DUPLICATE and 24 < np.mean(apart) < 40


@pytest.mark.parametrize(
    ("title", "clean"),
    [
        ("Starry-Night-1889", "starry-night"),
        ("starry-night-1889(1)", "starry-night"),
        ("wheat-field-1888-2", "wheat-field"),
        ("portrait-of-1701-soldiers", "portrait-of-soldiers"),
        ("la-maison-du-12345", "la-maison-du-12345"),
        ("1887", ""),
        ("olive-trees", "olive-trees"),
    ],
)
def test_titles_lose_years_and_copy_numbers(title, clean):
    assert clean_title(title) == clean


@pytest.mark.parametrize(
    ("title", "medium"),
    [
        ("sketch-of-a-woman-1882", "drawing or sketch"),
        ("study-of-a-watercolour-box", "watercolour"),
        ("Studies-for-a-cow", "study"),
        ("self-portrait-drawing", "self-portrait"),
        ("the-studio-at-pink-house", "not stated"),  # neither a study nor in ink
        ("woman-sketching", "not stated"),
        ("cat-stretching", "not stated"),
        ("in-the-drawing-room", "not stated"),
        ("", "not stated"),
    ],
)
def test_titles_tell_the_medium(title, medium):
    assert medium_of(title) == medium


def test_near_duplicates_and_same_titles_of_one_artist_share_a_group():
    eight, nine = (1 << 8) - 1, (1 << 9) - 1
    high = nine << 40  # far from all of the others
    index = hashed_frame(
        [
            ("a", "one", 0),
            ("a", "two", eight),  # 8 bits from the first
            ("a", "three", eight << 8 | eight),  # 8 bits from the second, 16 from the first: linked through it
            ("b", "four", 0),  # the same picture by somebody else
            ("b", "five", nine),  # 9 bits
            ("b", "Sunflowers-1888", high),
            ("b", "sunflowers-1889(2)", ~high & (1 << 64) - 1),
            ("a", "sunflowers", high << 4 | 0xFFFF << 24),
            ("c", "", 0xFFFFFFFF),  # no title is no title-mate
            ("c", "", 0xFFFFFFFF << 32),
        ]
    )
    groups = group_paintings(index)
    assert groups[0] == groups[1] == groups[2] and groups[5] == groups[6]
    assert len(set(groups)) == 7


def test_groups_and_pairs_are_named_for_the_reader():
    index = pd.DataFrame({"group": [4, 4, 4, 7, 8, 8]})
    assert sorted(group_sizes(index)) == [2, 3] and set(group_sizes(index).index) == {4, 8}
    pairs = pd.DataFrame({"split": ["val", "test"], "title": ["a", "b"], "title_train": ["a-1888", "c"]})
    assert twin_titles(pairs) == [("val: a", "train: a-1888"), ("test: b", "train: c")]
