"""Sentences of 01 that depend on its results."""

from collections.abc import Mapping

import pandas as pd

from ..plots.look import counted


def contradictions(rows: pd.DataFrame) -> str:
    """Return how many rows of classes.csv contradict the file's name about Van Gogh.

    Args:
        rows: columns path, artist (of the row), named (the artist in the file name).
    """
    if rows.empty:
        return ""
    first = rows.iloc[0]
    name = first["path"].rpartition("/")[2]
    rows_contradict = "row of classes.csv contradicts" if len(rows) == 1 else "rows of classes.csv contradict"
    return (
        f"**{len(rows):,} {rows_contradict} the file name** about whether a painting is Van Gogh's, for example "
        f"`{name}`, listed as {first['artist']}. The row decides the label: please check the list."
    )


def numbered_artists(count: int) -> str:
    """Return that classes.csv gives class numbers in place of artists."""
    if count == 0:
        return ""
    return (
        f"classes.csv gives a number in place of the artist in {count:,} rows; these files are labelled by their names."
    )


def sizes(index: pd.DataFrame) -> str:
    """Return the files' size if they all have the same.

    Args:
        index: columns width, height.
    """
    if len(index[["width", "height"]].drop_duplicates()) > 1:
        return ""
    width, height = index["width"].iloc[0], index["height"].iloc[0]
    return f"All files are {width} pixels wide and {height} high; the networks see 224 × 224."


def classes_title(index: pd.DataFrame, is_demo: bool) -> str | None:
    """Return the title of the figure of artists for the demo set; None keeps the figure's own."""
    if not is_demo:
        return None
    return f"{index['label'].sum():,} of {len(index):,} procedural paintings are by the Van Gogh painter"


def twins(groups: pd.Series, bits: int, held_out: int, leaks_random: int, leaks_grouped: int) -> str:
    """Return how many twins there are, and how many of them each split separates.

    Args:
        groups: the sizes of the groups that hold several paintings.
        bits: differing bits up to which two perceptual hashes count as the same picture.
        held_out: validation and test paintings.
        leaks_random: those of the random split that have a twin in training; leaks_grouped: of the grouped one.
    """
    if groups.empty:
        return "No painting has a twin: both splits are equally safe."
    return (
        f"{groups.sum():,} paintings have a twin. They form {counted(len(groups), 'group')}, in which "
        f"hashes differ in at most {bits} of 64 bits or titles agree. In the random split {leaks_random:,} of "
        f"{held_out:,} validation and test paintings ({leaks_random / held_out:.1%}) have a twin in training, in the "
        f"grouped split {leaks_grouped:,}."
    )


def twins_title(leaks: int) -> str:
    """Return the title of the figure of twins."""
    return f"{counted(leaks, 'held-out painting')} {'has' if leaks == 1 else 'have'} a twin in training"


def given_split(counts: Mapping[str, int]) -> str:
    """Return what the split that came with the list of paintings holds, and how many twins it separates.

    Args:
        counts: given_train, given_val, given_test, given_drawn (validation paintings drawn from the training ones),
            given_unused, given_twins (test paintings with a twin in training or validation); {} without such a split.
    """
    if not counts:
        return ""
    val, drawn, twins = counts["given_val"], counts["given_drawn"], counts["given_twins"]
    where = "drawn by groups from those given for training" if drawn else "as given"
    sentences = [
        f"The list of paintings gives a split of its own: {counts['given_train']:,} for training, {val:,} for "
        f"validation ({where}) and {counts['given_test']:,} for the test. Notebook 02 takes it with `split=given`."
    ]
    if counts["given_unused"]:
        sentences.append(f"It does not use {counted(counts['given_unused'], 'painting')}.")
    if twins:
        sentences.append(
            f"**{counted(twins, 'test painting')} of it {'has' if twins == 1 else 'have'} a twin in training or "
            "validation.** They stay where they are, so that results compare with published ones, and may flatter both."
        )
    else:
        sentences.append("No test painting of it has a twin in training or validation.")
    return " ".join(sentences)


def result(paintings: int, van_goghs: int, leaks: int, is_demo: bool) -> str:
    """Return the notebook's answer: what the data set is, and what the grouped split is good for."""
    kind, artist = ("procedural demo paintings", "by the Van Gogh painter") if is_demo else ("paintings", "by Van Gogh")
    safety = "No twins were found, so both splits are equally safe."
    if leaks:
        leaked = counted(leaks, "held-out painting")
        safety = f"The random split would leak {leaked} into training; the grouped split keeps twins together."
    return f"**Data.** {paintings:,} {kind}, {van_goghs:,} of them {artist}. {safety}"
