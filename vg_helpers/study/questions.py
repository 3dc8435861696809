"""The questions of a study: which two pictures a person compares, and the record that says what these pictures are.

Convention: a question shows two pictures, `first` and `second`. Its kind is "van_gogh" (which of them is by Van Gogh?)
or "photo" (which of them keeps the photo better?). A picture's maker is "van_gogh" for a real painting, "photo" for an
untouched photo, and else what repainted it. The page holds no makers, so nobody can read the solution from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, cycle, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..files import MALFORMED, file_sha256, fingerprint, read_json, write_json

KINDS = {"van_gogh": "Which of these is by Van Gogh?", "photo": "Which keeps the photo better?"}
SHAPES = {"van_gogh": "square", "photo": "whole"}  # a shape may not tell a painting from a photo
REAL, PHOTO = "van_gogh", "photo"  # makers that are no style transfer
TOTAL, BETWEEN, CONTENT = 40, 10, 15  # questions: all, between repainted photos, about the photo
MEASURES = {"ssim": 1, "edges": 1, "perceptual": -1}  # of the likeness to the photo; -1: less is more alike
FORMAT = 1


@dataclass(frozen=True)
class Study:
    """The pictures of a study (columns id, maker, content, file, sha256 and the judges'), its questions (id, kind,
    first, second, photo: ids of pictures, "" for no photo), and which kind of question each judge answers too.

    Of two pictures a judge prefers the one with the higher value; NaN is no opinion.
    """

    pictures: pd.DataFrame
    questions: pd.DataFrame
    judges: dict[str, str]

    @property
    def content(self) -> str:
        """A hash of the questions, how they are asked, and the files of their pictures; judges do not count."""
        return fingerprint(
            KINDS, SHAPES, self.questions.to_dict("records"), dict(self.pictures[["id", "sha256"]].to_numpy())
        )


def real_paintings(predictions: pd.DataFrame, data_dir: str | Path) -> pd.DataFrame:
    """Return the test paintings by Van Gogh: the columns of `predictions`, and file.

    Args:
        predictions: columns path, label, split and the judges' P, as 02 writes them.
    """
    chosen = predictions[(predictions["label"] == 1) & (predictions["split"] == "test")]
    return chosen.assign(file=[Path(data_dir, path) for path in chosen["path"]]).reset_index(drop=True)


def build_study(
    painted: pd.DataFrame,
    paintings: pd.DataFrame,
    photos: Mapping[str, str | Path],
    maker: str = "extractor",
    total: int = TOTAL,
    seed: int = 42,
) -> Study:
    """Return a study of `total` different questions, or fewer if there are not enough pictures for them.

    Args:
        painted: the repainted photos, columns content, file, `maker`, and judges: P(van_gogh) is called p_ and a name,
            log odds log_odds_ and a name, likeness to the photo as in MEASURES.
        paintings: real ones, the column file and, where they are known, those of judges.
        photos: by content, the file of the untouched photo.
        maker: the column that says what repainted a photo.

    Raises:
        ValueError: if there is no repainted photo or no real painting.
    """
    if painted.empty or paintings.empty:
        what = "repainted photos" if painted.empty else "real paintings by Van Gogh"
        raise ValueError(f"a study needs {what}, and there are none: give at least one")
    rng = np.random.default_rng(seed)
    judges = _judges(painted)
    frames = [
        painted.assign(maker=painted[maker].astype(str)),
        paintings.assign(maker=REAL, content=""),
        pd.DataFrame({"content": list(photos), "file": list(photos.values()), "maker": PHOTO}),
    ]
    pictures = pd.concat(frames, ignore_index=True)[["maker", "content", "file"]].reset_index(drop=True)
    values = pd.concat(frames, ignore_index=True).reindex(columns=list(judges)).astype(float)
    for name in values.columns.intersection(MEASURES):
        values[name] *= MEASURES[name]
    pictures = pd.concat([pictures, values], axis=1)
    rows = list(_questions(pictures, total, rng))
    return _named(pictures, rows, judges, rng)


def _judges(painted: pd.DataFrame) -> dict[str, str]:
    """Return the kind of question by column; of a judge with log odds, which do not saturate, P is left out."""
    judges = {}
    for column in painted.columns:
        if column.startswith("log_odds_") or (
            column.startswith("p_") and f"log_odds_{column.removeprefix('p_')}" not in painted
        ):
            judges[column] = "van_gogh"
        elif column in MEASURES:
            judges[column] = "photo"
    return judges


def _questions(pictures: pd.DataFrame, total: int, rng: np.random.Generator) -> Iterator[tuple[str, int, int, int]]:
    """Yield kind and rows of the first picture, the second and the photo (-1 for none)."""
    painted = pictures[~pictures["maker"].isin([REAL, PHOTO])]
    photo_rows = pictures[pictures["maker"] == PHOTO].reset_index().set_index("content")["index"]
    about_photo = [
        pair for pair in _pairs(painted, rng, across=False) if pictures.loc[pair[0], "content"] in photo_rows.index
    ][: total * CONTENT // TOTAL]
    between = _pairs(painted, rng, across=True)[: total * BETWEEN // TOTAL]
    with_real = _with_real(painted, pictures.index[pictures["maker"] == REAL], rng)
    for pair in with_real[: total - len(about_photo) - len(between)]:
        yield "van_gogh", *pair, -1
    for pair in between:
        yield "van_gogh", *pair, -1
    for pair in about_photo:
        yield "photo", *pair, photo_rows[pictures.loc[pair[0], "content"]]


def _pairs(painted: pd.DataFrame, rng: np.random.Generator, across: bool) -> list[tuple[int, int]]:
    """Return pairs of repainted photos in turn by their makers: first of the same photo, then, if `across`, of others.

    Two pictures by one maker are compared only if there is no other maker.
    """
    makers, single = sorted(painted["maker"].unique()), painted["maker"].nunique() == 1
    rows = {name: rng.permutation(painted.index[painted["maker"] == name]) for name in makers}
    content = painted["content"].to_dict()
    lists = []
    for one, other in combinations_with_replacement(makers, 2):
        if one != other or single:
            pairs = [(i, j) for i, j in product(rows[one], rows[other]) if one != other or i < j]
            same = [pair for pair in pairs if content[pair[0]] == content[pair[1]]]
            rest = [pair for pair in pairs if content[pair[0]] != content[pair[1]]] if across else []
            lists.append(same + [rest[place] for place in rng.permutation(len(rest))])
    return [(int(i), int(j)) for i, j in _in_turn(lists)]


def _with_real(painted: pd.DataFrame, real: Sequence[int], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return different pairs of a repainted photo and a real painting, makers in turn, each picture about as often."""
    lists = [list(rng.permutation(rows.index)) for _, rows in painted.groupby("maker")]
    ordered, real = list(_in_turn(lists)), rng.permutation(real)
    size = np.lcm(len(ordered), len(real))  # after so many steps the same pairs would come again
    steps = range(min(len(ordered) * len(real), TOTAL * 10))
    return [(int(ordered[step % len(ordered)]), int(real[(step + step // size) % len(real)])) for step in steps]


def _in_turn(lists: Sequence[list[Any]]) -> Iterator[Any]:
    """Yield the first entry of each list, then the second ones, until all are empty."""
    waiting = [list(reversed(entries)) for entries in lists]
    for entries in cycle(waiting):
        if not any(waiting):
            return
        if entries:
            yield entries.pop()


def _named(pictures: pd.DataFrame, rows: Sequence[tuple], judges: dict[str, str], rng: np.random.Generator) -> Study:
    """Return the study of the pictures that its questions use, under names whose order says nothing."""
    used = rng.permutation(sorted({row for _, *places in rows for row in places if row >= 0}))
    names = {row: f"p{number:03d}" for number, row in enumerate(used, 1)} | {-1: ""}
    questions = []
    for number, (kind, *pair, photo) in enumerate(rows, 1):
        one, other = rng.permutation(pair)  # whether a picture is the first must say nothing either
        questions.append((f"q{number:02d}", kind, names[one], names[other], names[photo]))
    chosen = pictures.loc[used].assign(id=[names[row] for row in used]).reset_index(drop=True)
    chosen["sha256"] = [file_sha256(file) for file in chosen["file"]]
    return Study(chosen, pd.DataFrame(questions, columns=["id", "kind", "first", "second", "photo"]), judges)


def write_study(path: Path, study: Study) -> None:
    """Write the record with which answers are read: what each picture is, and what the judges think of it."""
    values = study.pictures[list(study.judges)].astype(object).where(study.pictures[list(study.judges)].notna(), None)
    pictures = study.pictures.assign(file=[Path(file).name for file in study.pictures["file"]], **values)
    content = {
        "format": FORMAT,
        "study": study.content,
        "judges": study.judges,
        "questions": study.questions.to_dict("records"),
        "pictures": pictures[["id", "maker", "content", "file", "sha256", *study.judges]].to_dict("records"),
    }
    write_json(path, content)


def read_study(path: Path) -> Study:
    """Return the study that `write_study` wrote.

    Raises:
        ValueError: if the file is no such record, or its content does not fit its hash.
    """
    content = read_json(path)
    try:
        if content["format"] != FORMAT:
            raise ValueError
        pictures, questions = pd.DataFrame(content["pictures"]), pd.DataFrame(content["questions"])
        study = Study(pictures.astype({name: float for name in content["judges"]}), questions, content["judges"])
        if study.content != content["study"]:
            raise ValueError
    except MALFORMED as error:
        reason = "is no record of a study, damaged, or of an earlier version"
        raise ValueError(f"{path} {reason}: give the study.json of a report") from error
    return study
