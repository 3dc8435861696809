"""Which paintings are explained, and how they come from their files."""

import pandas as pd
import torch
from stand_ins import noise

from vg_helpers.data.views import eval_transform
from vg_helpers.gradcam.paintings import choose_paintings, load_pictures, load_squares, load_strokes
from vg_helpers.images import load_image, read_pixels, save_image

TESTED = pd.DataFrame(
    {
        "path": [f"{number}.jpg" for number in range(8)],
        "label": [1, 1, 1, 1, 0, 0, 0, 0],
        "outcome": ["TP", "TP", "FN", "FN", "FP", "FP", "TN", "TN"],
        "p_vgg19": [0.6, 0.9, 0.1, 0.3, 0.55, 0.8, 0.2, 0.05],
    }
)


def test_paintings_are_the_clearest_of_each_outcome():
    chosen = choose_paintings(TESTED, num_examples=1, num_maps=3)
    names = {group: rows["path"].tolist() for group, rows in chosen.items()}
    assert names["TP"] == ["1.jpg"] and names["FP"] == ["5.jpg"] and names["FN"] == ["2.jpg"]
    assert names["measured"] == ["1.jpg", "5.jpg", "0.jpg"]
    assert len(names["Van Gogh"]) == 3 and set(names["Van Gogh"]) < {"0.jpg", "1.jpg", "2.jpg", "3.jpg"}
    assert set(chosen["other"]["label"]) == {0}


def test_the_drawn_paintings_depend_on_the_seed_alone():
    first, again = (choose_paintings(TESTED.sample(frac=1, random_state=turn), 1, 3, seed=1) for turn in (0, 1))
    assert first["Van Gogh"]["path"].tolist() == again["Van Gogh"]["path"].tolist()
    others = [choose_paintings(TESTED, 1, 2, seed)["Van Gogh"]["path"].tolist() for seed in range(5)]
    assert any(names != others[0] for names in others)


def test_a_group_without_paintings_is_left_out():
    assert list(choose_paintings(TESTED[TESTED["outcome"] == "TP"], 2, 2)) == ["TP", "measured", "Van Gogh"]


def test_pictures_are_what_the_classifiers_see(tmp_path, make_paintings):
    paths = make_paintings(tmp_path / "data", van_goghs=1, others=2)
    rows = pd.DataFrame({"path": [path.name for path in paths], "label": [0, 0, 1]})
    pictures = load_pictures(rows, str(tmp_path / "data"), str(tmp_path / "cache"), size=32)
    assert pictures.shape == (3, 3, 32, 32)
    expected = eval_transform(32)(torch.from_numpy(read_pixels(paths[1])).permute(2, 0, 1))
    assert torch.equal(pictures[1], expected)


def test_squares_are_cropped_as_paintings_are(tmp_path):
    for number in range(2):
        save_image(tmp_path / f"{number}.png", noise(number, height=40, width=60))
    paths = sorted(tmp_path.iterdir())
    squares = load_squares(paths, 32)
    assert torch.equal(squares[1:], eval_transform(32)(load_image(paths[1])))
    assert load_squares([], 32).shape == (0, 3, 32, 32)


def test_strokes_are_known_if_each_painting_has_them(tmp_path):
    rows = pd.DataFrame({"path": ["a/first.jpg", "second.jpg"]})
    strokes = torch.zeros(1, 3, 40, 40)
    strokes[..., :20] = 1
    folder = tmp_path / "strokes"
    save_image(folder / "first.png", strokes)
    assert load_strokes(rows, str(tmp_path), 16) is None
    save_image(folder / "second.png", 1 - strokes)
    masks = load_strokes(rows, str(tmp_path), 16)
    assert masks.shape == (2, 1, 16, 16) and masks.dtype == torch.bool
    assert masks[0, 0, :, :7].all() and not masks[0, 0, :, 9:].any()
    assert torch.equal(masks[0, 0, :, :7], masks[1, 0, :, 9:])
