"""splits: sizes, classes, seeds, and no twins on both sides of the grouped split."""

import numpy as np
import pandas as pd
import pytest
from stand_ins import hashed_frame

from vg_helpers.data.labels import ARTIST
from vg_helpers.data.splits import SPLITS, add_given, choose, given_counts, split_column, split_grouped, split_seed
from vg_helpers.data.twins import find_twins, group_paintings


@pytest.fixture
def planted():
    """200 pairs of twins and 200 single paintings, a sixth by Van Gogh."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 1 << 63, 400)
    artist = np.where(np.arange(400) % 6 == 0, ARTIST, "somebody else")
    rows = [(artist[i], f"title-{i}", int(codes[i])) for i in range(400)]
    rows += [
        (artist[i], f"title-{i}-1888" if i % 2 else f"other-{i}", int(codes[i]) ^ (i % 2) * 0xFFFFF ^ 0b1011)
        for i in range(200)
    ]
    index = hashed_frame(rows).sample(frac=1, random_state=0, ignore_index=True)
    return index.assign(label=(index.artist == ARTIST).astype(int), path=index.title, group=group_paintings(index))


def test_twins_never_straddle_the_grouped_split_and_do_straddle_the_random_one(planted):
    assert planted.group.nunique() == 400
    planted["split_seed"] = split_seed(planted.label)
    for seed in (42, 1, 2):
        planted["split_grouped"] = split_grouped(planted.label, planted.group, seed)
        assert (planted.groupby("group").split_grouped.nunique() == 1).all()
        assert find_twins(planted, "split_grouped").empty
    leaks = find_twins(planted, "split_seed")
    straddling = planted.groupby("group").split_seed.agg(lambda s: "train" in set(s) and len(set(s)) > 1)
    assert set(leaks.title) == set(
        planted.title[planted.group.isin(straddling[straddling].index) & (planted.split_seed != "train")]
    )
    assert len(leaks) > 20 and set(leaks.split) == {"val", "test"} and "path_train" in leaks and "title_train" in leaks
    assert not set(leaks.path_train) & set(leaks.path)


def test_the_random_split_is_the_reference_protocols():
    labels = np.zeros(6450, int)
    labels[:1005] = 1
    names = split_seed(labels)
    assert [int((names == name).sum()) for name in SPLITS] == [5160, 645, 645]
    assert [int(labels[names == name].sum()) for name in SPLITS] == pytest.approx([804, 100.5, 100.5], abs=0.5)
    assert (names == split_seed(labels, 42)).all() and (names != split_seed(labels, 43)).any()


def test_the_grouped_split_has_the_right_sizes_classes_and_seed(planted):
    names = split_grouped(planted.label, planted.group)
    for name, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        here = names == name
        assert here.mean() == pytest.approx(share, abs=0.02)
        assert planted.label[here].mean() == pytest.approx(planted.label.mean(), abs=0.04)
    assert (names == split_grouped(planted.label, planted.group, 42)).all()
    assert (names != split_grouped(planted.label, planted.group, 43)).any()


def test_too_few_paintings_for_a_split_are_one_sentence():
    for van_goghs in (1, 4):  # too few for the first division, and for the second
        with pytest.raises(
            ValueError, match=r"^too few paintings of one class to split 80/10/10 \(.*\); add paintings$"
        ):
            split_seed([1] * van_goghs + [0] * 60)
    with pytest.raises(ValueError, match=r"^fewer than 10 paintings of one class: too few to split 80/10/10; add"):
        split_grouped([1] * 9 + [0] * 90, range(99))
    with pytest.raises(
        ValueError, match=r"^the (train|val|test) split would hold one class only; add paintings of both"
    ):
        split_grouped([1] * 20 + [0] * 80, [0] * 20 + list(range(1, 81)))


def test_a_split_has_a_short_name_and_its_column():
    index = pd.DataFrame(columns=["path", "split_seed", "split_grouped", "split_given"])
    names = {"grouped": "split_grouped", "random": "split_seed", "seed": "split_seed", "given": "split_given"}
    assert all(split_column(name, index) == split_column(column, index) == column for name, column in names.items())
    for name in ("given", "split_given"):
        with pytest.raises(ValueError, match=r"^split=given needs paintings whose classes\.csv has a column split"):
            split_column(name, index.drop(columns="split_given"))
    for name in ("path", "", "by artist"):
        with pytest.raises(ValueError, match=rf"^split={name} is unknown; take grouped, random or given$"):
            split_column(name, index)


def test_a_chosen_split_comes_with_the_paintings_that_it_uses(planted):
    index = given_as(planted, ["train", "", "test", "val"]).assign(split_grouped="train")
    column, used = choose("given", index)
    assert column == "split_given" and set(used.split_given) == set(SPLITS) and used.index.tolist() == list(range(450))
    assert choose("split_grouped", index)[1].equals(index)


def given_as(index, names):
    """Return the index with these names, over and over, as the split that its list gives."""
    return index.assign(split_given=[names[number % len(names)] for number in range(len(index))])


def test_validation_paintings_are_drawn_by_groups_from_the_training_ones_alone(planted):
    listed = given_as(planted, ["train", "train", "train", "test", ""])
    before, index = listed.copy(), add_given(listed, 1)
    pd.testing.assert_frame_equal(listed, before)
    drawn, rest = index[index.split_given == "val"], index[index.split_given == "train"]
    assert (listed.split_given[drawn.index] == "train").all() and not set(drawn.group) & set(rest.group)
    others = listed.split_given != "train"
    assert (index.split_given[others] == listed.split_given[others]).all()  # twins stay where the protocol has them
    assert len(drawn) == pytest.approx(len(rest) / 4, rel=0.05)
    assert drawn.label.mean() == pytest.approx(rest.label.mean(), abs=0.05)
    assert (add_given(listed, 1).split_given == index.split_given).all()
    assert (add_given(listed, 2).split_given != index.split_given).any()


def test_a_given_split_with_validation_paintings_and_an_index_without_one_stay_as_they_are(planted):
    assert add_given(planted) is planted and given_counts(planted, planted) == {}
    listed = given_as(planted, ["train", "val", "test"])
    assert add_given(listed).equals(listed)


def test_the_given_split_is_counted_with_the_twins_that_it_separates():
    index = pd.DataFrame(
        {
            "label": [0, 1] * 10,
            "group": [*range(16), 0, 1, 18, 99],
            "split_given": ["train"] * 15 + [""] + ["test"] * 4,
        }
    )
    index.loc[index.index[15], "group"] = 99  # a twin that the split does not use is no leak
    after = add_given(index)
    counts = given_counts(index, after)
    assert counts["given_train"] + counts["given_val"] == 15 and counts["given_drawn"] == counts["given_val"] == 3
    assert (counts["given_test"], counts["given_unused"], counts["given_twins"]) == (4, 1, 2)


def test_a_given_split_that_cannot_be_used_is_one_sentence(planted):
    with pytest.raises(ValueError, match=r"^the test part of the given split does not hold both classes; fetch the"):
        add_given(planted.assign(split_given="train"))
    held_out = np.where(planted.label == 1, planted.label.cumsum() > 4, planted.index % 2 == 1)
    few = planted.assign(split_given=np.where(held_out, "test", "train"))
    with pytest.raises(ValueError, match=r"^the given split has fewer than 5 training paintings of one class"):
        add_given(few)
