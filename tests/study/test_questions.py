"""questions: a balanced study of different questions, and its record."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vg_helpers.study.questions import build_study, read_study, real_paintings, write_study


def folder_of_pictures(folder, num_photos, num_real=20, makers=("alexnet", "vgg19")):
    """Return repainted photos, real paintings and photos, each a file of its own."""
    colors = itertools.count()

    def picture(name):
        number = next(colors)
        Image.new("RGB", (30, 24), (number % 256, number // 256, 80)).save(folder / f"{name}.png")
        return folder / f"{name}.png"

    rows = [
        {"content": f"c{i}", "extractor": name, "file": picture(f"{name}{i}"), "p_vgg19": i / 50, "ssim": 0.5 + i / 100}
        for name in makers
        for i in range(num_photos)
    ]
    real = pd.DataFrame({"file": [picture(f"real{i}") for i in range(num_real)], "p_vgg19": 0.9})
    photos = {f"c{i}": picture(f"photo{i}") for i in range(num_photos)}
    return pd.DataFrame(rows, columns=["content", "extractor", "file", "p_vgg19", "ssim"]), real, photos


@pytest.fixture
def study(tmp_path):
    return build_study(*folder_of_pictures(tmp_path, 20))


def with_makers(study):
    """Return the questions with the maker and the content of both pictures."""
    facts = study.pictures.set_index("id")
    rows = study.questions.copy()
    for side in ("first", "second"):
        for name in ("maker", "content"):
            rows[f"{side}_{name}"] = facts.loc[rows[side], name].to_list()
    return rows


def test_forty_different_questions_compare_makers_equally_often(study):
    rows = with_makers(study)
    assert len(rows) == 40 and rows.id.is_unique
    pairs = [(row.kind, frozenset([row.first, row.second])) for row in rows.itertuples()]
    assert len(set(pairs)) == 40 and all(len(pair) == 2 for _, pair in pairs)
    kinds = [(row.kind, *sorted([row.first_maker, row.second_maker])) for row in rows.itertuples()]
    counts = Counter(kinds)
    assert counts["photo", "alexnet", "vgg19"] == 15 and counts["van_gogh", "alexnet", "vgg19"] == 10
    assert {counts["van_gogh", "alexnet", "van_gogh"], counts["van_gogh", "van_gogh", "vgg19"]} == {7, 8}
    shown = Counter(itertools.chain(*(pair for kind, pair in pairs if kind == "photo")))
    assert set(shown.values()) == {1}


def test_questions_about_a_photo_show_two_versions_of_it(study):
    rows, facts = with_makers(study), study.pictures.set_index("id")
    about = rows[rows.kind == "photo"]
    assert (about.first_content == about.second_content).all()
    assert (facts.loc[about.photo, "content"].to_numpy() == about.first_content.to_numpy()).all()
    assert (facts.loc[about.photo, "maker"] == "photo").all() and (rows.photo[rows.kind == "van_gogh"] == "").all()
    between = rows[(rows.kind == "van_gogh") & ~rows[["first_maker", "second_maker"]].eq("van_gogh").any(axis=1)]
    assert (between.first_content == between.second_content).all()


def test_neither_names_nor_sides_give_a_real_painting_away(study):
    numbers = study.pictures.id.str[1:].astype(int)
    real = study.pictures.maker == "van_gogh"
    assert abs(numbers[real].mean() - numbers.mean()) < 0.2 * len(numbers)
    rows = with_makers(study)
    sides = rows[rows.first_maker.eq("van_gogh") | rows.second_maker.eq("van_gogh")]
    assert 0 < sides.first_maker.eq("van_gogh").sum() < len(sides)


def test_few_pictures_make_other_pairs_or_a_shorter_study(tmp_path):
    painted, real, photos = folder_of_pictures(tmp_path, 3, num_real=2)
    rows = with_makers(build_study(painted, real, photos))
    # 3 about photos; between two makers 3 of the same photo and 6 of others; 6 repainted by 2 real ones
    assert len(rows) == 3 + 9 + 12
    assert len({(row.kind, frozenset([row.first, row.second])) for row in rows.itertuples()}) == len(rows)
    alone = with_makers(build_study(painted[painted.extractor == "vgg19"], real, photos))
    assert (alone.kind == "van_gogh").all() and len(alone) == 3 + 6


def test_the_seed_decides_and_judges_do_not_change_the_study(tmp_path):
    painted, real, photos = folder_of_pictures(tmp_path, 20)
    one, same, other = (build_study(painted, real, photos, seed=seed).content for seed in (1, 1, 2))
    assert one == same != other
    assert build_study(painted.assign(p_vgg19=0.5), real, photos, seed=1).content == one
    changed = painted.file[0]
    before = build_study(painted.iloc[[0]], real.iloc[:1], photos)
    Image.new("RGB", (30, 24), "white").save(changed)
    assert build_study(painted.iloc[[0]], real.iloc[:1], photos).content != before.content


def test_answers_to_other_shapes_or_words_belong_to_another_study(study, monkeypatch):
    before = study.content
    for name in ("SHAPES", "KINDS"):
        with monkeypatch.context() as changed:
            changed.setattr(f"vg_helpers.study.questions.{name}", {"van_gogh": "whole", "photo": "whole"})
            assert study.content != before


def test_judges_answer_their_kind_of_question_and_log_odds_replace_p(tmp_path):
    painted, real, photos = folder_of_pictures(tmp_path, 4)
    painted = painted.assign(log_odds_vgg19=1.0, p_alexnet=0.5, perceptual=0.3, seconds=2.0)
    study = build_study(painted, real, photos)
    assert study.judges == {
        "ssim": "photo", "log_odds_vgg19": "van_gogh", "p_alexnet": "van_gogh", "perceptual": "photo"
    }  # fmt: skip
    repainted = study.pictures.maker == "vgg19"
    assert (study.pictures.perceptual[repainted] == -0.3).all()  # a distance: less is better
    assert study.pictures.perceptual[study.pictures.maker == "van_gogh"].isna().all()


def test_a_record_is_read_back_as_it_was_without_the_folders(study, tmp_path):
    write_study(tmp_path / "study.json", study)
    again = read_study(tmp_path / "study.json")
    assert again.content == study.content and again.judges == study.judges
    pd.testing.assert_frame_equal(again.questions, study.questions)
    for column in ("id", "maker", "p_vgg19", "ssim"):
        np.testing.assert_array_equal(again.pictures[column], study.pictures[column])
    assert str(tmp_path) not in (tmp_path / "study.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [("q07", "q41"), ('"format": 1', '"format": 9'), ('"judges"', '"others"')])
def test_a_changed_record_is_refused(study, tmp_path, change):
    path = tmp_path / "study.json"
    write_study(path, study)
    path.write_text(path.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"study\.json is no record of a study, damaged, or of an earlier version: give"
    ):
        read_study(path)


@pytest.mark.parametrize(
    ("painted_rows", "real_rows", "lacking"), [(0, 2, "repainted photos"), (2, 0, "real paintings")]
)
def test_a_study_needs_both(tmp_path, painted_rows, real_rows, lacking):
    painted, real, photos = folder_of_pictures(tmp_path, 1)
    with pytest.raises(ValueError, match=f"needs {lacking}"):
        build_study(painted[:painted_rows], real[:real_rows], photos)


def test_real_paintings_are_his_and_from_the_test_set():
    rows = [("a.jpg", 1, "test"), ("b.jpg", 0, "test"), ("c.jpg", 1, "train"), ("d.jpg", 1, "test")]
    chosen = real_paintings(pd.DataFrame(rows, columns=["path", "label", "split"]), "/data")
    assert [path.name for path in chosen.file] == ["a.jpg", "d.jpg"] and list(chosen.index) == [0, 1]
