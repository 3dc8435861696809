"""findings.data: every branch of 01's sentences."""

import pandas as pd

from vg_helpers.findings import data as findings


def test_contradictions_are_counted_with_an_example():
    rows = pd.DataFrame(
        {"path": ["P/vincent-van-gogh_a.jpg"], "artist": ["paul gauguin"], "named": ["vincent van gogh"]}
    )
    assert findings.contradictions(rows[:0]) == ""
    one = findings.contradictions(rows)
    assert "**1 row of classes.csv contradicts the file name**" in one and "`vincent-van-gogh_a.jpg`" in one
    assert "listed as paul gauguin" in one and "The row decides the label" in one
    assert "**2 rows of classes.csv contradict the" in findings.contradictions(pd.concat([rows, rows]))


def test_class_numbers_are_named():
    assert findings.numbered_artists(0) == "" and "in 1,200 rows" in findings.numbered_artists(1200)


def test_one_size_is_a_sentence_and_several_are_a_figure():
    index = pd.DataFrame({"width": [30, 30], "height": [20, 20]}, index=[7, 8])
    assert findings.sizes(index).startswith("All files are 30 pixels wide and 20 high")
    assert findings.sizes(pd.DataFrame({"width": [30, 31], "height": [20, 20]})) == ""


def test_the_demo_set_has_its_own_title():
    index = pd.DataFrame({"label": [1, 0, 0]})
    assert findings.classes_title(index, is_demo=False) is None
    assert findings.classes_title(index, is_demo=True) == "1 of 3 procedural paintings are by the Van Gogh painter"


def test_twins_are_counted_for_both_splits():
    assert findings.twins(pd.Series([], dtype=int), 8, 20, 0, 0).startswith("No painting has a twin")
    sentence = findings.twins(pd.Series([2, 3]), 8, 20, 5, 0)
    assert "5 paintings have a twin" in sentence and "2 groups" in sentence and "at most 8 of 64 bits" in sentence
    assert "5 of 20 validation" in sentence and "(25.0%)" in sentence and sentence.endswith("grouped split 0.")
    assert "1 group," in findings.twins(pd.Series([2]), 8, 20, 0, 0)
    assert findings.twins_title(1) == "1 held-out painting has a twin in training"
    assert findings.twins_title(1200) == "1,200 held-out paintings have a twin in training"


def test_the_result_says_what_the_paintings_are_and_what_the_grouped_split_is_good_for():
    real = findings.result(6450, 1005, 40, is_demo=False)
    assert real.startswith("**Data.** 6,450 paintings, 1,005 of them by Van Gogh.")
    assert "would leak 40 held-out paintings into training" in real and "No twins" not in real
    assert "leak 1 held-out painting into" in findings.result(10, 3, 1, is_demo=False)
    demo = findings.result(600, 150, 0, is_demo=True)
    assert "600 procedural demo paintings, 150 of them by the Van Gogh painter. No twins were found" in demo


def test_the_given_split_says_what_it_holds_and_which_twins_it_separates():
    assert findings.given_split({}) == ""
    counts = {"given_train": 211, "given_val": 53, "given_test": 67}
    drawn = findings.given_split(counts | {"given_drawn": 53, "given_unused": 0, "given_twins": 0})
    assert "211 for training, 53 for validation (drawn by groups from those given for training) and 67 for" in drawn
    assert "does not use" not in drawn and drawn.endswith(
        "No test painting of it has a twin in training or validation."
    )
    given = findings.given_split(counts | {"given_drawn": 0, "given_unused": 1, "given_twins": 1})
    assert "(as given)" in given and "It does not use 1 painting." in given and "No test" not in given
    assert "**1 test painting of it has a twin" in given and "They stay where they are" in given
    assert "2 test paintings of it have a twin" in findings.given_split(
        counts | {"given_drawn": 0, "given_unused": 0, "given_twins": 2}
    )
