"""The demo set: same bytes from any number of workers, a consistent layout, brushwork that follows its field."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from vg_helpers.data.splits import SPLITS, split_grouped, split_seed
from vg_helpers.demo import dataset, manners, painters, strokes
from vg_helpers.demo.scenes import Scene, level_lines, noise
from vg_helpers.demo.subjects import SUBJECTS, compose

SMALL = {"num_paintings": 16, "size": 48}


def _hashes(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return dataset.paint_demo_set(tmp_path_factory.mktemp("demo"), workers=1, **SMALL)


@pytest.fixture(scope="module")
def rows(folder) -> list[dict]:
    with (folder / "classes.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_same_bytes_from_two_workers(folder, tmp_path):
    seen = []
    again = dataset.paint_demo_set(tmp_path / "two", workers=2, on_progress=lambda *done: seen.append(done), **SMALL)
    assert _hashes(again) == _hashes(folder)
    assert seen == [(k, 16) for k in range(1, 17)]


def test_another_seed_paints_something_else(folder, tmp_path):
    other = dataset.paint_demo_set(tmp_path, seed=7, workers=1, **{**SMALL, "num_paintings": 2})
    assert not set(_hashes(other / "Post_Impressionism").values()) & set(_hashes(folder).values())


def test_layout_agrees_with_the_csv(folder, rows):
    columns = "filename artist genre description phash width height genre_count subset"
    assert list(rows[0]) == columns.split()
    on_disk = {path.relative_to(folder).as_posix() for path in folder.glob("Post_Impressionism/*")}
    assert {row["filename"] for row in rows} == on_disk and len(rows) == 16
    for row in rows:
        name = Path(row["filename"])
        assert name.name.startswith("vincent-van-gogh_") == (row["artist"] == "vincent van gogh")
        assert row["description"].startswith("procedural demo painting")
        with Image.open(folder / name) as image, Image.open(folder / "strokes" / f"{name.stem}.png") as mask:
            assert image.size == mask.size == (48, 48) == (int(row["width"]), int(row["height"]))
            assert (image.mode, mask.mode) == ("RGB", "L")
            assert (np.asarray(mask).max() == 0) == ("smooth" in row["artist"])


def test_a_quarter_is_the_flow_painters_and_a_quarter_of_these_is_early(rows):
    by_van_gogh = [row["description"] for row in rows if row["artist"] == "vincent van gogh"]
    assert len(by_van_gogh) == 4 and sum("early years" in description for description in by_van_gogh) == 1
    assert {row["artist"] for row in rows} == set(painters.ARTISTS.values())
    assert sum(row["artist"] == "pupil painter (demo)" for row in rows) == 3


@pytest.mark.parametrize("num_paintings", [100, 600])
def test_every_split_has_both_classes_and_the_van_gogh_painter_a_quarter(num_paintings):
    labels = [painters.manner_of(42, index) in painters.BY_VAN_GOGH for index in range(num_paintings)]
    assert set(painters.HARD) == set(manners.MANNERS) and 0.2 < np.mean(labels) < 0.3
    for splits in (split_seed(labels), split_grouped(labels, np.arange(num_paintings))):
        assert all(len(set(np.array(labels)[splits == name])) == 2 for name in SPLITS)


def test_the_embedded_weights_were_trained_on_the_five_painters_they_know(tmp_path):
    known = {painters.manner_of(7, index, hard=False) for index in range(64)}
    assert known == set(painters.PAINTERS)
    dataset.paint_demo_set(tmp_path, num_paintings=16, size=32, workers=1, hard=False)
    assert not list(tmp_path.glob("*/pupil-painter_*"))


def test_the_record_says_that_nothing_is_real(folder):
    record = dataset.read_json(folder / "demo.json")
    assert "no real painting" in record["note"] and record["version"] == dataset.VERSION
    assert sum(record["counts"].values()) == 16


def test_a_finished_set_is_not_painted_again_and_a_broken_one_is_completed(tmp_path, monkeypatch):
    recipe = {"num_paintings": 4, "size": 32, "workers": 1}
    dataset.paint_demo_set(tmp_path, **recipe)
    before = _hashes(tmp_path)
    painted = []
    paint = painters.paint
    monkeypatch.setattr(painters, "paint", lambda *job: painted.append(job[1]) or paint(*job))
    dataset.paint_demo_set(tmp_path, **recipe)
    assert painted == []
    names = sorted(name for name in before if name.startswith("Post"))
    (tmp_path / names[0]).unlink()
    (tmp_path / "strokes" / f"{Path(names[1]).stem}.png").unlink()
    (tmp_path / "demo.json").unlink()
    (tmp_path / "Post_Impressionism" / f".{Path(names[0]).stem}.77.part.jpg").write_bytes(b"half")
    begun = {"version": dataset.VERSION, "seed": 42, "num_paintings": 4, "size": 32, "hard": True}
    dataset.write_json(tmp_path / "demo.partial.json", begun)
    dataset.paint_demo_set(tmp_path, **recipe)
    assert len(painted) == 2 and _hashes(tmp_path) == before


def test_a_new_recipe_replaces_the_old_pictures(tmp_path):
    dataset.paint_demo_set(tmp_path, num_paintings=2, size=32, workers=1)
    dataset.paint_demo_set(tmp_path, num_paintings=1, size=40, workers=1)
    (only,) = (tmp_path / "Post_Impressionism").iterdir()
    assert Image.open(only).size == (40, 40)


def test_the_easy_set_replaces_the_hard_one(tmp_path):
    hard, easy = (dataset.paint_demo_set(tmp_path, num_paintings=16, size=32, workers=1, hard=kind) for kind in (1, 0))
    assert hard == easy and not list(tmp_path.glob("*/pupil-painter_*"))


def test_foreign_paintings_are_refused(tmp_path):
    stranger = tmp_path / "Post_Impressionism" / "paul-cezanne_bathers.jpg"
    stranger.parent.mkdir()
    stranger.write_bytes(b"a painting")
    with pytest.raises(ValueError, match="paul-cezanne_bathers"):
        dataset.paint_demo_set(tmp_path, num_paintings=1, size=32)
    assert stranger.read_bytes() == b"a painting"


@pytest.mark.parametrize("bad", [{"num_paintings": 0}, {"size": 16}])
def test_bad_parameters(tmp_path, bad):
    with pytest.raises(ValueError, match="num_paintings"):
        dataset.paint_demo_set(tmp_path, **bad)


def _orientation(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction along the brightness ridges, as doubled angles, and how clear it is."""
    down, right = np.gradient(ndimage.gaussian_filter(image.astype(float).mean(2), 0.7))
    square = -((right + 1j * down) ** 2)
    mean = ndimage.gaussian_filter(square.real, sigma) + 1j * ndimage.gaussian_filter(square.imag, sigma)
    return mean / (np.abs(mean) + 1e-9), np.abs(mean)


def _agreement(image: np.ndarray, angle: np.ndarray) -> float:
    seen, clear = _orientation(image, 2.0)
    return float(np.average((seen * np.exp(-2j * angle)).real, weights=clear))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_flow_strokes_run_along_their_field(subject):
    """What the brush adds to the scene's own colours runs along the field for the flow painter, not for the dots."""
    along = {}
    for painter in ("flow", "dots"):
        work = painters.paint(5, 3, 128, painter, subject)
        along[painter] = _agreement(work.image / 255 - work.scene.color, work.scene.angle)
    assert along["flow"] > 0.6 and along["dots"] < along["flow"] - 0.3


def test_flow_follows_the_field_where_the_colors_do_not_help():
    """On one plain colour with a known field only the strokes can carry the direction."""
    scene = Scene(128, {})
    scene.color[:] = 0.5
    scene.angle = level_lines(np.hypot(scene.x - 0.5, scene.y - 0.5))
    rng = np.random.default_rng(0)
    flow, hatch, dots = (manners.MANNERS[name](scene, rng, 192).color for name in ("flow", "hatch", "dots"))
    angle = strokes.enlarge(scene.angle, 192)
    assert _agreement(flow, angle) > 0.7
    assert abs(_agreement(hatch, angle)) < 0.2 and abs(_agreement(dots, angle)) < 0.2


def _alike(manner: str, right: int) -> float:
    """Return the correlation of brightness with that `right` pixels further on, along strokes on one plain colour."""
    scene = Scene(128, {})
    scene.color[:] = 0.5
    grey = manners.MANNERS[manner](scene, np.random.default_rng(0), 192).color.mean(2)[8:-8, 8:-8]
    return float(np.corrcoef(grey[:, :-right].ravel(), grey[:, right:].ravel())[0, 1])


def test_the_pupil_and_the_early_pieces_have_shorter_strokes():
    flow, early, pupil = (_alike(manner, 8) for manner in ("flow", "early", "pupil"))
    assert max(early, pupil) < flow - 0.15 and abs(early - pupil) < 0.3


def test_the_pupil_follows_the_field_as_his_master_does():
    work = painters.paint(5, 3, 128, "pupil")
    assert _agreement(work.image / 255 - work.scene.color, work.scene.angle) > 0.6


def test_a_hand_between_two_is_their_mean():
    assert manners.between(manners.FLOW, manners.PUPIL, 0.0) == manners.FLOW
    middle = manners.between(manners.FLOW, manners.PUPIL, 0.5)
    assert middle.even == 0.5 and middle.layers[0] == pytest.approx((0.0255, 0.0235, 0.125))


def test_an_even_grid_keeps_its_distance():
    """Without jitter the seeds are the middles of their cells."""
    seeds = strokes.scatter(np.random.default_rng(0), 40, 10, jitter=0.0)
    assert sorted(map(tuple, seeds.tolist())) == [(x, y) for x in (5, 15, 25, 35) for y in (5, 15, 25, 35)]


def test_directions_have_their_convention():
    scene = Scene(32, {})
    np.testing.assert_allclose(np.sin(level_lines(scene.y)), 0, atol=1e-5)  # level lines of y run along x
    np.testing.assert_allclose(np.cos(level_lines(scene.x)), 0, atol=1e-5)
    np.testing.assert_allclose(np.cos(scene.around(0.5, 0.5)[16, 30:]), 0, atol=0.1)  # right of the centre: upright


def test_lay_covers_a_straight_stroke_and_nothing_else():
    canvas = strokes.Canvas(np.zeros((40, 40, 3), np.float32), np.zeros((40, 40)), np.zeros((40, 40), bool))
    points = np.stack([np.linspace(10, 30, 9), np.full(9, 20.0)], -1)[None]
    color = np.array([[1.0, 0.5, 0.25]])
    rng = np.random.default_rng(0)
    strokes.lay(canvas, points, np.ones((1, 9), bool), np.array([6.0]), color, rng, blunt=8, bristle=0)
    ys, xs = np.nonzero(canvas.mask)
    assert (ys.min(), ys.max()) == (17, 22) and xs.min() in (9, 10, 11) and xs.max() in (28, 29, 30)
    assert canvas.mask[18:22, 12:28].all()
    np.testing.assert_allclose(canvas.color[20, 20], color[0], rtol=1e-6)


def test_later_strokes_lie_over_earlier_ones():
    canvas = strokes.Canvas(np.zeros((20, 20, 3), np.float32), np.zeros((20, 20)), np.zeros((20, 20), bool))
    across = np.stack([np.linspace(2, 18, 5), np.full(5, 10.0)], -1)
    points = np.stack([across, across[:, ::-1]])
    alive, width = np.ones((2, 5), bool), np.full(2, 4.0)
    strokes.lay(canvas, points, alive, width, np.eye(3)[:2], np.random.default_rng(0), bristle=0)
    assert canvas.color[10, 10].argmax() == 1 and canvas.color[10, 4].argmax() == 0


def test_colors_do_not_tell_the_painters_apart():
    """Each scene painted in each manner: the mean and spread of the colours stay the scene's."""
    for index in range(3):
        works = [painters.paint(1, index, 64, manner) for manner in manners.MANNERS]
        means = np.array([work.image.reshape(-1, 3).mean(0) for work in works]) / 255
        spreads = np.array([work.image.reshape(-1, 3).std(0) for work in works]) / 255
        assert np.ptp(means, axis=0).max() < 0.03 and np.ptp(spreads, axis=0).max() < 0.06


def test_nearest_mean_color_guesses_painters_at_chance():
    works = [painters.paint(3, index, 32) for index in range(64)]
    colors = np.array([np.r_[work.image.reshape(-1, 3).mean(0), work.image.reshape(-1, 3).std(0)] for work in works])
    names = np.array([painters.ARTISTS[work.manner] for work in works])
    right, artists = 0, sorted(set(names))
    for k in range(len(works)):
        rest = np.arange(len(works)) != k
        centres = [colors[rest & (names == name)].mean(0) for name in artists]
        right += artists[np.linalg.norm(centres - colors[k], axis=1).argmin()] == names[k]
    assert right / len(works) < 0.37  # chance is 1/6, four standard errors above it 0.35


def test_the_scene_does_not_depend_on_the_painter():
    scenes = [painters.paint(9, 4, 48, painter).scene for painter in ("flow", "flat")]
    np.testing.assert_array_equal(scenes[0].color, scenes[1].color)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_scenes_are_whole_and_resolution_free(subject):
    for seed in range(4):
        small, large = (compose(np.random.default_rng(seed), subject, size) for size in (48, 96))
        assert np.isfinite(small.color).all() and np.isfinite(small.angle).all()
        assert small.color.min() >= 0 and small.color.max() <= 1 and small.label.max() >= 1
        coarse = large.color.reshape(48, 2, 48, 2, 3).mean((1, 3))
        assert np.abs(coarse - small.color).mean() < 0.05 and large.title == small.title


def test_noise_is_about_unit_variance():
    assert 0.6 < noise(np.random.default_rng(0), 128, 20).std() < 1.4


def test_photos_decode_and_name_their_licence(tmp_path):
    paths = dataset.demo_photos(tmp_path, num_photos=9, size=96)
    assert len(set(paths)) == 9
    with (tmp_path / "photos.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["filename"] for row in rows] == [path.name for path in paths]
    assert all(row["source"] and row["licence"] for row in rows)
    for path in paths:
        with Image.open(path) as photo:
            assert photo.mode == "RGB" and max(photo.size) <= 96 and np.asarray(photo).std() > 5
    stamps = [path.stat().st_mtime_ns for path in paths]
    assert dataset.demo_photos(tmp_path, num_photos=9, size=96) == paths
    assert [path.stat().st_mtime_ns for path in paths] == stamps


def test_photos_without_the_packages_that_bundle_them(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "BUNDLED_PHOTOS", (("cat", "no_such_package", "cat.png", "CC0"),))
    paths = dataset.demo_photos(tmp_path, num_photos=2, size=48)
    assert [path.name[:8] for path in paths] == ["scene-01", "scene-02"]


def test_styles_are_the_flow_painters_and_not_in_the_set(tmp_path, folder):
    paths = dataset.demo_styles(tmp_path, num_styles=2, size=64)
    assert all(path.name.startswith("vincent-van-gogh_demo-style-") for path in paths)
    assert Image.open(paths[0]).size == (64, 64)
    assert not set(_hashes(tmp_path).values()) & set(_hashes(folder).values())


def test_the_demo_set_is_made_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "BUNDLED_PHOTOS", ())
    demo = dataset.DemoSet(tmp_path / "demo", num_paintings=1)
    assert not (tmp_path / "demo").exists()
    folder = demo.paintings()
    assert folder == tmp_path / "demo" and len(list((folder / "Post_Impressionism").iterdir())) == 1
    assert {name: "vincent van gogh" not in shown for name, shown in demo.artist_names.items()} == {
        painters.ARTISTS["flow"]: True
    }
