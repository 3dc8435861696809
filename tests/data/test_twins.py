"""twins: hashes, titles and groups, and which twins a split separates."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from stand_ins import blotches, hashed_frame

from vg_helpers.data import twins
from vg_helpers.data.twins import (
    BANDS,
    NEAR_DUPLICATE,
    clean_title,
    group_paintings,
    group_sizes,
    medium_of,
    near_duplicates,
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


def by_all_pairs(index):
    """Return the groups as comparing every painting with every other finds them."""
    titles, artists = index.title.map(clean_title).to_numpy(), index.artist.to_numpy()
    hashes = np.array([int(code, 16) for code in index.phash], dtype=np.uint64)
    groups = np.arange(len(index))
    for i in range(len(index)):
        near = np.bitwise_count(hashes ^ hashes[i]) <= NEAR_DUPLICATE
        near = (near | ((titles == titles[i]) & (titles != ""))) & (artists == artists[i])
        groups[np.isin(groups, groups[near])] = groups[near].min()
    return np.unique(groups, return_inverse=True)[1]


def flipped(rng, code, count):
    """Return a 64-bit number with `count` of its bits changed."""
    return code ^ sum(1 << int(bit) for bit in rng.choice(64, count, replace=False))


@pytest.mark.parametrize("block", [1 << 20, 7])
def test_groups_are_those_of_all_pairs(block, monkeypatch):
    monkeypatch.setattr(twins, "BLOCK", block)
    rng, rows = np.random.default_rng(0), []
    for number in range(150):
        code = int(rng.integers(0, 1 << 63)) * 2 + 1
        for distance in rng.integers(0, 12, 4):  # around the limit, and chains of several pictures
            code = flipped(rng, code, distance)
            rows.append((f"painter {rng.integers(3)}", f"title-{number % 140}" if rng.random() < 0.2 else "", code))
    index = hashed_frame(rows).sample(frac=1, random_state=0).reset_index(drop=True)
    groups = group_paintings(index)
    assert groups.tolist() == by_all_pairs(index).tolist() and 100 < groups.max() < 500


def test_pairs_at_the_limit_are_linked_wherever_their_bits_differ():
    rng = np.random.default_rng(1)
    distances = rng.permutation([NEAR_DUPLICATE, NEAR_DUPLICATE + 1] * 300)
    codes = [int(code) for code in rng.integers(0, 1 << 63, len(distances))]
    pairs = [(code, flipped(rng, code, distance)) for code, distance in zip(codes, distances, strict=True)]
    # two and three bits in each band: 6 and 9
    pairs += [(0, sum(1 << (start + bit) for start, _ in BANDS for bit in range(count))) for count in (2, 3)]
    artists = np.repeat(np.arange(len(pairs)), 2)  # each pair is by an artist of its own
    linked = np.zeros(len(pairs), dtype=bool)
    for one, other in near_duplicates(np.array(pairs, dtype=np.uint64).ravel(), artists):
        assert (one // 2 == other // 2).all()
        linked[one[one != other] // 2] = True
    assert linked.tolist() == [*(distances == NEAR_DUPLICATE), True, False]


def test_few_of_all_pairs_are_compared():
    hashes = np.random.default_rng(2).integers(0, 1 << 63, 20_000).astype(np.uint64)
    compared = sum(
        len(one)
        for start, width in BANDS
        for one, _ in twins._bucket_pairs(np.sort((hashes >> np.uint64(start)).astype(np.int64) % (1 << width)), width)
    )
    assert compared < 20_000**2 / 2 / 1000


@pytest.mark.real
def test_groups_of_real_paintings_are_those_of_all_pairs(tmp_path):
    from vg_helpers.data.paintings import index_paintings

    index, _ = index_paintings(Path(os.environ["VG_DATA_DIR"]), None, max_paintings=600)
    assert group_paintings(index).tolist() == by_all_pairs(index).tolist()
    alone = index.assign(artist="one artist")  # then many more pairs have to be told apart
    assert group_paintings(alone).tolist() == by_all_pairs(alone).tolist()


def test_groups_and_pairs_are_named_for_the_reader():
    index = pd.DataFrame({"group": [4, 4, 4, 7, 8, 8]})
    assert sorted(group_sizes(index)) == [2, 3] and set(group_sizes(index).index) == {4, 8}
    pairs = pd.DataFrame({"split": ["val", "test"], "title": ["a", "b"], "title_train": ["a-1888", "c"]})
    assert twin_titles(pairs) == [("val: a", "train: a-1888"), ("test: b", "train: c")]
