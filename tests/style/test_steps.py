"""steps: pairs and jobs in their order, pictures compared with their own photo, and the numbers of summary.json."""

import pandas as pd
import pytest
import torch
from stand_ins import Tiny, noise

from vg_helpers.files import read_csv, write_csv
from vg_helpers.images import load_image, save_image
from vg_helpers.models.classifier import build_classifier, save_classifier
from vg_helpers.models.weights import Weights
from vg_helpers.style import steps
from vg_helpers.style.engine import StyleParams

NAMES = ["001", "NA", "null"]
PROBS = {
    "p_vgg19": [0.9, 0.6, 0.2, 0.7, 0.1, 0.3, 0.5, 0.1, 0.1],
    "p_alexnet": [0.8, 0.4, 0.1, 0.6, 0.2, 0.9, 0.3, 0.2, 0.1],
}


@pytest.fixture
def pairs(tmp_path):
    """Three photos with awkward names and two paintings, read back from files as 01 writes them."""
    frames = []
    for kind, names in (("photo", NAMES), ("painting", ["a", "b"])):
        paths = [tmp_path / kind / f"{name}.png" for name in names]
        for number, path in enumerate(paths):
            save_image(path, noise(len(names) + number))
        write_csv(tmp_path / f"{kind}.csv", pd.DataFrame({"name": names, "path": paths}))
        frames.append(read_csv(tmp_path / f"{kind}.csv"))
    return steps.pair_up(*frames)


@pytest.fixture
def jobs(pairs, tmp_path):
    return steps.list_jobs(pairs, tmp_path / "images")


@pytest.fixture
def scores():
    extractors = ["vgg19"] * 3 + ["alexnet"] * 3 + ["photo"] * 3
    similarity = [0.5, 0.4, 0.3, 0.6, 0.7, 0.8, 1, 1, 1]
    styles = ["a", "b", "a"] * 2 + [""] * 3
    return pd.DataFrame({"content": NAMES * 3, "style": styles, "extractor": extractors, **PROBS, "ssim": similarity})


def paint(jobs, tmp_path):
    networks = steps.Networks(torch.device("cpu"), {}, {"vgg19": Tiny(), "alexnet": Tiny()})
    steps.paint(jobs, networks, StyleParams(num_steps=2, precision="float32"), 16, tmp_path / "state")


def test_paintings_take_turns_and_names_stay_text(pairs):
    assert pairs.content.tolist() == NAMES and pairs["style"].tolist() == ["a", "b", "a"]
    assert [path.rsplit("/")[-1] for path in pairs.photo.str.replace("\\", "/")] == ["001.png", "NA.png", "null.png"]


def test_each_network_paints_each_pair_into_a_file_of_its_own(jobs):
    assert jobs.extractor.tolist() == ["vgg19"] * 3 + ["alexnet"] * 3
    assert jobs.content.tolist() == NAMES * 2
    assert [file.name for file in jobs.file[:2]] == ["result_a_001_vgg19.png", "result_b_NA_vgg19.png"]
    assert jobs.file.nunique() == 6


def test_pictures_are_compared_with_their_own_photo(pairs, jobs, tmp_path):
    paint(jobs, tmp_path)
    photos = steps.load_all(pairs.photo)
    probs = {"vgg19": range(9), "alexnet": range(9)}
    scores = steps.score_frame(jobs, pairs, [*photos, *steps.load_all(jobs.file[3:]), *photos], probs)
    assert list(scores) == ["content", "style", "extractor", "p_vgg19", "p_alexnet", "ssim", "seconds"]
    assert scores.content.tolist() == NAMES * 3 and scores.extractor[6:].tolist() == ["photo"] * 3
    assert scores.ssim[[0, 1, 2, 6, 7, 8]].tolist() == [1] * 6  # photos in the place of VGG-19's results
    assert (scores.ssim[3:6] < 1).all() and (scores.seconds[6:] == 0).all()


def test_without_a_step_the_starting_images_are_the_photos(pairs, tmp_path):
    starts = steps.starting_images(pairs, Tiny(), StyleParams(num_steps=9), 16, tmp_path / "starts")
    assert all(torch.equal(start, load_image(path)) for start, path in zip(starts, pairs.photo, strict=True))


def test_agreement_counts_votes_from_one_half_on(scores):
    counts = steps.agreement(scores)
    assert counts.loc["vgg19"].tolist() == [1, 1, 1] and counts.loc["alexnet"].tolist() == [1, 1, 1]
    assert counts.loc["photo"].tolist() == [0, 1, 2]
    unanimous = steps.agreement(scores.assign(p_vgg19=1.0, p_alexnet=1.0))
    assert unanimous["both"].tolist() == [3, 3, 3] and unanimous["neither"].tolist() == [0, 0, 0]


def test_the_table_gives_both_probabilities_of_each_photo(scores):
    table = steps.probability_table(scores)
    assert table.iloc[1].tolist() == ["NA", "b", "0.10 / 0.20", "0.60 / 0.40", "0.10 / 0.20"]
    assert list(table) == ["photo", "style", "untouched", "VGG-19 features", "AlexNet features"]


def test_the_outcome_is_that_of_one_network(scores):
    counts, share, lift, similarity = steps.outcome(scores, "alexnet")
    assert counts == {"both": 1, "only one": 1, "neither": 1} and share.value == pytest.approx(1 / 3)
    assert lift.value == pytest.approx((0.7 + 0.1 + 0.3 - 0.5 - 0.1 - 0.1) / 3)
    assert similarity.value == pytest.approx(0.7)


def test_the_summary_has_the_keys_that_the_report_reads(scores):
    summary = steps.summarise(scores)
    assert list(summary) == ["vgg19", "alexnet", "photo"]
    assert summary["vgg19"]["both"] == 1 and summary["vgg19"]["mean_p_vgg19"] == pytest.approx(1.7 / 3)
    assert summary["vgg19"]["ssim"] == pytest.approx(0.4)
    assert set(summary["vgg19"]["share_both"]) == {"value", "low", "high"}
    assert (summary["photo"]["van_gogh_to_vgg19"], summary["photo"]["van_gogh_to_alexnet"]) == (1, 0)
    assert summary["photo"]["share_both"]["value"] == 0


def test_networks_paint_with_the_weights_that_their_classifier_had(tiny_zoo, tmp_path):
    save_classifier(tmp_path / "alexnet.pt", build_classifier("alexnet", "none"))
    networks = steps.open_networks({"alexnet": tmp_path / "alexnet.pt"}, "cpu", 0)
    assert networks.device == torch.device("cpu")
    assert networks.extractors["alexnet"].weights.source == networks.classifiers["alexnet"].weights.source == "none"
    assert steps.layers_table(networks.extractors).iloc[0].tolist()[:2] == ["AlexNet", "conv4"]


def test_all_photos_take_the_weights_found_and_what_suits_the_network():
    extractor = Tiny()
    extractor.weights = Weights("vgg19", "embedded", None, None, "")
    networks = steps.Networks(torch.device("cpu"), {}, {"vgg19": extractor})
    params = steps.final_params(networks, 2.0, 30.0, 5, 42)
    assert (params.content_weight, params.style_weight, params.num_steps, params.seed) == (2, 30, 5, 42)
    assert params.start == "patches"
    settings = dict(steps.settings_table(extractor, params, 64).to_numpy())
    assert settings["content layer"] == "content" and settings["style layers"] == "fine, coarse"
    assert settings["optimiser"] == "Adam, learning rate 0.01, 5 steps" and settings["longer side"] == "64 pixels"
