"""data: what is indexed, what is left out, splits without leaks, a cache that notices changes, views that repeat."""

import os
import pickle
import unicodedata

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from vg_helpers import images as pictures
from vg_helpers.data import views
from vg_helpers.data.paintings import ARTIST, STYLE_FOLDER, find_folder, index_paintings
from vg_helpers.data.splits import SPLITS, split_grouped, split_seed
from vg_helpers.data.twins import NEAR_DUPLICATE, clean_title, find_twins, group_paintings, medium_of, perceptual_hash
from vg_helpers.data.views import load_pixels


@pytest.fixture
def paintings(tmp_path, make_paintings):
    """A data folder of four Van Goghs and six others."""
    make_paintings(tmp_path / STYLE_FOLDER)
    return tmp_path


def index_of(folder, **options):
    return index_paintings(folder, folder / "cache", **options)


def bits_apart(first, second):
    return (int(first, 16) ^ int(second, 16)).bit_count()


def picture(seed, size=(300, 400)):
    """Blotches, as uint8 (height, width, 3)."""
    blotches = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC))


def test_an_index_says_what_is_there(paintings):
    index, quarantine = index_of(paintings)
    assert list(index) == ["path", "artist", "title", "label", "width", "height", "phash", "group"]
    assert len(index) == 10 and index.label.sum() == 4 and quarantine.empty
    assert index.path.is_monotonic_increasing and index.path[0] == "Post_Impressionism/painter-0_picture-g.jpg"
    assert (index.artist[index.label == 1] == "vincent van gogh").all() and index.title[0] == "picture-g"
    assert set(zip(index.width, index.height, strict=True)) == {(96, 80)} and index.group.nunique() == 10
    assert index.phash.str.fullmatch("[0-9a-f]{16}").all()


def test_unreadable_files_are_left_out_with_their_reason(paintings):
    folder = paintings / STYLE_FOLDER
    whole = (folder / "painter-0_picture-g.jpg").read_bytes()
    (folder / "a_cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "b_text.JPG").write_text("no picture", encoding="utf-8")
    (folder / "c_empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no matter", encoding="utf-8")
    (folder / ".hidden.jpg").write_text("no matter", encoding="utf-8")
    index, quarantine = index_of(paintings)
    assert list(quarantine) == ["path", "reason"] and len(index) == 10
    assert [path.split("/")[1] for path in quarantine.path] == ["a_cut.jpg", "b_text.JPG", "c_empty.png"]
    assert "truncated" in quarantine.reason[0] or "Truncated" in quarantine.reason[0]
    assert quarantine.reason[1:].str.startswith("UnidentifiedImageError: ").all()
    assert not quarantine.reason.str.contains("\n").any()
    assert list(index.index) == list(range(10)) and not set(index.path) & set(quarantine.path)


def test_a_broken_png_is_left_out_too(paintings):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = paintings / STYLE_FOLDER / "a_chunk.png"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    second = whole.index(b"IDAT", whole.index(b"IDAT") + 4)
    path.write_bytes(whole[:second] + b"\x00\x01\x02\x03" + whole[second + 4 :])
    assert index_of(paintings)[1].path.tolist() == ["Post_Impressionism/a_chunk.png"]


def test_bad_folders_are_one_sentence_each(tmp_path, make_paintings):
    with pytest.raises(
        ValueError, match=r"has no folder Post_Impressionism; give the folder that holds it and classes.csv$"
    ):
        index_of(tmp_path)
    (tmp_path / STYLE_FOLDER).mkdir()
    with pytest.raises(
        ValueError, match=r"Post_Impressionism holds no JPEG or PNG files; give a folder with pictures$"
    ):
        index_of(tmp_path)
    make_paintings(tmp_path / STYLE_FOLDER, van_goghs=0)
    with pytest.raises(
        ValueError, match=r"Post_Impressionism holds no painting by Vincent van Gogh; give a folder with"
    ):
        index_of(tmp_path)
    make_paintings(tmp_path / "alone" / STYLE_FOLDER, others=0)
    with pytest.raises(ValueError, match=r"holds paintings by Vincent van Gogh alone; .*and other paintings$"):
        index_of(tmp_path / "alone")


def test_a_class_of_unreadable_files_alone_is_missing(paintings):
    for path in (paintings / STYLE_FOLDER).glob("vincent*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^the readable part of .* holds no painting by Vincent van Gogh"):
        index_of(paintings)


def test_the_label_comes_from_the_list_else_from_the_name(paintings):
    folder = paintings / STYLE_FOLDER
    for name in ("Vincent-van-Gogh_a_b.jpg", "paul-gauguin_theo-van-gogh.jpg", "henri-le-fauconnier.jpg"):
        Image.fromarray(picture(len(name))).save(folder / name)
    listed = pd.DataFrame(
        {
            "filename": [
                f"{STYLE_FOLDER}/{name}"
                for name in ("painter-0_picture-g.jpg", "paul-gauguin_theo-van-gogh.jpg", "x.jpg")
            ],
            "artist": ["Vincent van Gogh ", None, "nobody"],
            "genre": ["['Post Impressionism']"] * 3,
        }
    )
    listed.to_csv(paintings / "classes.csv", index=False)
    index = index_of(paintings)[0].assign(name=lambda f: f.path.str.split("/").str[1]).set_index("name")
    assert index.loc["painter-0_picture-g.jpg", ["artist", "label"]].tolist() == ["vincent van gogh", 1]
    assert index.loc["paul-gauguin_theo-van-gogh.jpg", ["artist", "label"]].tolist() == ["paul gauguin", 0]
    assert index.loc["Vincent-van-Gogh_a_b.jpg", ["artist", "title", "label"]].tolist() == [
        "vincent van gogh",
        "a_b",
        1,
    ]
    assert index.loc["henri-le-fauconnier.jpg", ["artist", "title"]].tolist() == ["henri le fauconnier", ""]
    assert len(index) == 13


@pytest.mark.parametrize(("on_disk", "in_list"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_with_accents_match_however_they_are_composed(paintings, on_disk, in_list):
    name = "félix-vallotton_été.jpg"
    Image.fromarray(picture(1)).save(paintings / STYLE_FOLDER / unicodedata.normalize(on_disk, name))
    listed = {"filename": [unicodedata.normalize(in_list, f"{STYLE_FOLDER}/{name}")], "artist": ["somebody else"]}
    pd.DataFrame(listed).to_csv(paintings / "classes.csv", index=False, encoding="utf-8")
    index, quarantine = index_of(paintings)
    row = index[index.artist == "somebody else"].iloc[0]
    assert row.title == unicodedata.normalize("NFC", "été") and quarantine.empty
    assert (paintings / row.path).is_file()


def test_a_sample_keeps_the_proportion_and_the_seed(tmp_path, make_paintings):
    make_paintings(tmp_path / STYLE_FOLDER, van_goghs=8, others=16, size=(20, 16))
    first, again, other = (index_of(tmp_path, max_paintings=12, seed=seed)[0] for seed in (1, 1, 2))
    assert first.label.tolist().count(1) == 4 and len(first) == 12 and first.path.is_monotonic_increasing
    assert first.path.tolist() == again.path.tolist() != other.path.tolist()
    assert len(index_of(tmp_path, max_paintings=100)[0]) == 24
    for number in (1, 23):
        with pytest.raises(ValueError, match=rf"^max_paintings={number} cannot be drawn \(.*\); 0 takes all$"):
            index_of(tmp_path, max_paintings=number)


def test_progress_sees_every_painting(paintings):
    seen = []
    index_of(paintings, progress=lambda jobs, total: seen.append(total) or jobs)
    assert seen == [10]


def test_folders_are_given_else_named_by_the_environment_else_the_default(tmp_path, monkeypatch):
    given, named, default = (tmp_path / name for name in ("given", "named", "default"))
    monkeypatch.delenv("VG_TEST_DIR", raising=False)
    assert find_folder("", "VG_TEST_DIR", default) is None and find_folder("", "VG_TEST_DIR", None) is None
    for folder in (given, named, default):
        folder.mkdir()
    assert find_folder("", "VG_TEST_DIR", default) == default.resolve()
    monkeypatch.setenv("VG_TEST_DIR", str(named))
    assert find_folder("", "VG_TEST_DIR", default) == named.resolve()
    assert find_folder(str(given), "VG_TEST_DIR", default) == given.resolve()
    with pytest.raises(ValueError, match=r"nowhere \(from the parameter\) is not a folder; give one that exists"):
        find_folder(str(tmp_path / "nowhere"), "VG_TEST_DIR", default)
    monkeypatch.setenv("VG_TEST_DIR", str(tmp_path / "gone"))
    with pytest.raises(ValueError, match=r"gone \(from VG_TEST_DIR\) is not a folder"):
        find_folder("", "VG_TEST_DIR", default)


def test_the_hash_sees_through_size_and_compression_and_tells_pictures_apart(tmp_path):
    codes = []
    for seed in range(6):
        whole = picture(seed)
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


def frame_of(rows):
    return pd.DataFrame(rows, columns=["artist", "title", "phash"]).assign(
        phash=lambda f: f.phash.map("{:016x}".format)
    )


@pytest.mark.parametrize(
    ("title", "medium"),
    [
        ("sketch-of-a-woman-1882", "drawing or sketch"),
        ("study-of-a-watercolour-box", "watercolour"),
        ("Studies-for-a-cow", "study"),
        ("self-portrait-drawing", "self-portrait"),
        ("the-studio-at-pink-house", "not told"),  # neither a study nor in ink
        ("woman-sketching", "not told"),
        ("cat-stretching", "not told"),
        ("in-the-drawing-room", "not told"),
        ("", "not told"),
    ],
)
def test_titles_tell_the_medium(title, medium):
    assert medium_of(title) == medium


def test_near_duplicates_and_title_mates_of_one_artist_share_a_group():
    eight, nine = (1 << 8) - 1, (1 << 9) - 1
    high = nine << 40  # far from all of the others
    index = frame_of(
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
    index = frame_of(rows).sample(frac=1, random_state=0, ignore_index=True)
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


def test_a_picture_is_decoded_once(tmp_path, monkeypatch):
    path, cache = tmp_path / "a.jpg", tmp_path / "cache"
    Image.fromarray(picture(0, (700, 1100))).save(path)
    first = load_pixels(path, cache)
    assert first.shape == (402, 256, 3) and first.dtype == np.uint8
    assert np.abs(first.astype(float) - np.asarray(Image.fromarray(picture(0, (256, 402))), float)).mean() < 4
    monkeypatch.setattr(pictures.Image, "open", lambda _: pytest.fail("decoded again"))
    np.testing.assert_array_equal(views.load_pixels(path, cache), first)


def test_the_cache_notices_a_changed_file(tmp_path):
    path, cache = tmp_path / "a.png", tmp_path / "cache"
    for number, (colour, when) in enumerate([("red", 1), ("blue", 2), ("red", 3)]):  # all three have the same size
        Image.new("RGB", (256, 256), colour).save(path)
        os.utime(path, (when, when))
        expected = np.asarray(Image.new("RGB", (256, 256), colour))
        np.testing.assert_array_equal(views.load_pixels(path, cache), expected)
        assert len(list(cache.rglob("*.npy"))) == number + 1
    Image.fromarray(picture(0, (256, 256))).save(path)
    os.utime(path, (3, 3))  # the same time, another size
    np.testing.assert_array_equal(views.load_pixels(path, cache), picture(0, (256, 256)))


def test_cached_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(0, (256, 300))).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(views.load_pixels(tmp_path / "a.png", tmp_path), np.rot90(picture(0, (256, 300)), -1))


@pytest.fixture
def build(paintings):
    """Return a function that builds a data set of the ten paintings."""
    index, _ = index_of(paintings)

    def make(augment, size=64, seed=0):
        return views.build_dataset(index, paintings, paintings / "cache", augment, size, seed)

    return make


def test_judged_pictures_are_the_centre_and_its_mirror_image(build):
    judged = build(False, size=224)
    pixels = views.load_pixels(judged.paths[3], judged.cache_dir)
    top, left = (round((side - 224) / 2) for side in pixels.shape[:2])
    centre = torch.from_numpy(pixels[top : top + 224, left : left + 224].copy()).permute(2, 0, 1) / 255
    for view, expected in [(1, centre.flip(-1)), (0, centre)]:
        judged.view = view
        image, target = judged[3]
        assert image.shape == (3, 224, 224) and target == judged.targets[3]
        torch.testing.assert_close(image, expected)
    assert torch.equal(judged[3][0], judged[3][0]) and torch.equal(judged[3][0], build(False, 224, seed=9)[3][0])


def test_further_views_show_the_ends_of_the_longer_side_turned(tmp_path):
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    for name, pixels in (("tall", ramp[:, None]), ("wide", ramp[None])):
        shape = (512, 256, 3) if name == "tall" else (256, 512, 3)
        Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels[..., None], shape))).save(tmp_path / f"{name}.png")
    judged = views.PaintingDataset([tmp_path / "tall.png", tmp_path / "wide.png"], [0, 1], tmp_path / "cache", size=224)
    seen = []
    for judged.view in range(6):
        seen.append(torch.stack([judged[0][0], judged[1][0]]))
    for view, place in ((0, 0.5), (2, 0.25), (4, 0.75)):
        middle = seen[view][..., 100:124, 100:124].mean((1, 2, 3))
        torch.testing.assert_close(middle, torch.full((2,), place), atol=0.01, rtol=0)
        assert torch.equal(seen[view + 1], seen[view].flip(-1))


def test_the_ends_of_a_square_picture_are_the_whole_turned_both_ways(tmp_path):
    pixels = np.full((256, 256, 3), 255, dtype=np.uint8)
    pixels[128:] = 0  # a horizon in the middle
    Image.fromarray(pixels).save(tmp_path / "square.png")
    judged = views.PaintingDataset([tmp_path / "square.png"], [0], tmp_path / "cache", size=64)
    small = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
    for judged.view, angle in ((2, views.TURN), (4, -views.TURN)):
        expected = np.asarray(small.rotate(angle, Image.Resampling.BILINEAR)).transpose(2, 0, 1) / 255
        assert np.abs(judged[0][0].numpy() - expected).mean() < 0.005


def test_a_smaller_view_shows_the_same_part(build):
    large, small = build(False, 224)[0][0], build(False, 56)[0][0]
    shrunk = torch.nn.functional.interpolate(large[None], (56, 56), mode="bilinear", antialias=True)[0]
    assert (small - shrunk).abs().mean() < 0.01


def test_an_augmented_picture_depends_on_seed_view_and_position_alone(build):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = {i: build(True)[i][0] for i in (4, 2, 7)}
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    again = build(True)
    assert all(torch.equal(again[i][0], first[i]) for i in (7, 4, 2))
    assert not torch.equal(build(True, seed=1)[4][0], first[4])
    again.view = 1
    assert not torch.equal(again[4][0], first[4])
    again.paths = [again.paths[4]] * 10
    assert not torch.equal(again[4][0], again[5][0])


@pytest.mark.slow
def test_workers_give_what_the_main_process_gives(build):
    dataset = build(True, size=32)
    dataset.view = 3
    alone = list(DataLoader(dataset, batch_size=5))
    helped = list(DataLoader(dataset, batch_size=5, num_workers=1, multiprocessing_context="spawn"))
    for (images, targets), (same_images, same_targets) in zip(alone, helped, strict=True):
        assert torch.equal(images, same_images) and torch.equal(targets, same_targets)
    copied = pickle.loads(pickle.dumps(dataset))
    assert copied.view == 3 and torch.equal(copied[2][0], dataset[2][0])


def test_the_augmentation_crops_flips_colours_and_turns():
    torch.manual_seed(0)
    transform = views.train_transform(32)
    white = [transform(torch.full((3, 60, 50), 255, dtype=torch.uint8)) for _ in range(20)]
    assert all(image.shape == (3, 32, 32) and image.dtype == torch.float32 for image in white)
    assert sum(float(image[:, 0, 0].max()) == 0 for image in white) > 5  # corners that the rotation left empty
    centres = torch.stack([transform(torch.full((3, 60, 50), 128, dtype=torch.uint8))[:, 16, 16] for _ in range(20)])
    assert 0.39 < centres.min() < 0.45 and 0.55 < centres.max() < 0.61  # brightness within 20 % of a half
    ramp = torch.arange(60, dtype=torch.uint8).repeat(3, 60, 1)
    flipped = sum(bool(out[0, 16, 24] < out[0, 16, 8]) for out in (transform(ramp) for _ in range(40)))
    assert 10 < flipped < 30
