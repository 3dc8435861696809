"""steps: pairs and jobs in their order, pictures compared with their own photo, and the numbers of summary.json."""

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import Tiny, noise

from vg_helpers.files import read_csv, write_csv
from vg_helpers.images import load_image, save_image
from vg_helpers.intervals import Estimate
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
    optimum = steps.list_jobs(pairs, tmp_path / "optimum", ["vgg19"])
    paint(pd.concat([jobs, optimum], ignore_index=True), tmp_path)
    pictures = steps.list_pictures(jobs, optimum, pairs)
    assert pictures.painted.tolist() == ["vgg19"] * 3 + ["alexnet"] * 3 + ["optimum"] * 3 + ["photo"] * 3
    assert pictures.content.tolist() == NAMES * 4 and pictures["style"].tolist() == ["a", "b", "a"] * 3 + [""] * 3
    photos = steps.load_all(pairs.photo)
    images = [*photos, *steps.load_all(pictures.file[3:9]), *photos]  # photos in the place of VGG-19's results
    probs = {"vgg19": range(12), "alexnet": range(12)}
    scores = steps.score_frame(pictures, images, probs, lambda images, photos: (images - photos).abs().mean())
    assert scores.p_vgg19.tolist() == list(range(12)) and "file" not in scores
    same, changed = [0, 1, 2, 9, 10, 11], slice(3, 8)
    assert scores.ssim[same].tolist() == [1] * 6 and (scores.ssim[changed] < 1).all()
    assert scores.edges[same].tolist() == pytest.approx([1] * 6) and (scores.edges[changed] < 1).all()
    assert scores.perceptual[same].tolist() == [0] * 6 and (scores.perceptual[changed] > 0).all()
    assert (scores.seconds[9:] == 0).all() and (scores.seconds[:9] > 0).all()


@pytest.fixture
def everything():
    """Two photos of each kind; the knee convinces VGG-19 and the strokes, the optimum VGG-19 alone."""
    columns = {"painted": np.repeat(list(steps.KINDS), 2), "painter": ["vg", "vg", "vg", "monet", "vg", "x", "x", "x"]}
    for judge in steps.JUDGES:
        columns[f"p_{judge}"] = 0.1
    frame = pd.DataFrame(columns).assign(p_vgg19=[0.9, 0.5, 0.1, 0.1, 0.8, 0.7, 0.1, 0.9])
    frame.loc[:1, "p_strokes"] = 0.6
    measures = {"ssim": [0.6, 0.7], "edges": [0.5, 0.6], "perceptual": [0.2, 0.3]}
    for name, values in measures.items():
        frame[name] = [*values, 0, 0, values[0] - 0.1, values[1] - 0.2, 1, 1]
    return frame


def real_paintings():
    """Two paintings by Van Gogh, one of which VGG-19 and the attribution recognise."""
    tested = pd.DataFrame({"label": [1, 0, 1], "p_vgg19": [0.9, 0.9, 0.1], "p_alexnet": 0.1}, index=[7, 8, 9])
    names = [f"p_{judge}" for judge in steps.JUDGES if judge not in ("vgg19", "alexnet", "attribution")]
    answers = pd.DataFrame(0.1, tested.index, names).assign(painter=["vg", "vg", "monet"])
    rows = steps.genuine(tested, answers)
    assert rows.index.tolist() == [7, 9] and (rows.painted == "real").all()
    return rows


def test_each_judge_votes_in_its_own_way(everything):
    answers = steps.votes(everything, "vg")
    assert answers.vgg19.tolist() == [True, True, False, False, True, True, False, True]
    assert answers.attribution.tolist() == [True] * 3 + [False, True] + [False] * 3
    shares = steps.deceived(everything, "vg")
    assert shares[shares.painted == "real"].pictures.tolist() == [0] * 6  # none is among these
    shares = steps.deceived(pd.concat([everything, real_paintings()]), "vg")
    rates = steps.rates_of(shares, "attribution")
    assert [rates[kind].value for kind in steps.ASKED] == [1, 0.5, 0.5, 0, 0.5] and (shares.pictures == 2).all()
    assert rates["photo"].low == 0 < rates["photo"].high < 1
    table = steps.deceived_table(shares)
    assert table.judge.tolist() == list(steps.JUDGES.values())
    assert table.loc[0, "paintings by Van Gogh"].startswith("50% [")
    assert table.loc[0, "untouched"].startswith("50% [") and table.loc[4, "VGG-19 features"].startswith("100% [")


def test_gains_are_paired_and_a_distance_counts_negatively(everything):
    gains = steps.content_gains(everything)
    assert gains["ssim"].value == pytest.approx(0.15) and gains["perceptual"].value == pytest.approx(-0.15)
    table = steps.gains_table(gains, "LPIPS")
    assert table.measure.tolist()[2] == "LPIPS, less" and table.gain[0].startswith("+0.150 [")
    changes = steps.conviction_changes(everything, "vg")
    assert (changes["vgg19"].value, changes["strokes"].value, changes["attribution"].value) == (0, 1, 0.5)
    content = steps.content_table(everything, "LPIPS")
    assert list(content)[2:] == ["edge agreement (1 is the photo)", "LPIPS (0 is the photo)"]
    assert content.iloc[0, 1].startswith("0.650 [")


def test_judges_share_the_features_of_the_network_they_see():
    table = steps.shared_features({"strokes": Estimate(0.8, 0.7, 0.9), "attribution": Estimate(0.5, 0.4, 0.6)})
    table = table.set_index("judge")
    assert table.loc["VGG-19"].tolist() == ["in 02", "its network, fine-tuned", "nothing"]
    assert table.loc["strokes"].tolist() == ["ROC AUC 0.800 [0.700, 0.900]", "nothing", "nothing"]
    assert table.loc["attribution"].tolist()[0] == "share named rightly 0.500 [0.400, 0.600]"
    assert table.loc["forewarned by AlexNet's texture"].tolist()[1:] == ["nothing", "its network"]


def test_the_judges_summary_is_by_kind(everything):
    shares = steps.deceived(everything, "vg")
    summary = steps.summarise_judges(shares, {"strokes": Estimate(0.8, 0.7, 0.9)})
    assert summary["tests"]["strokes"] == {"value": 0.8, "low": 0.7, "high": 0.9}
    assert set(summary["shares"]) == set(steps.ASKED) and summary["shares"]["vgg19"]["strokes"]["value"] == 1


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


def test_all_photos_take_the_values_found_and_what_suits_the_network():
    extractor = Tiny()
    extractor.weights = Weights("vgg19", "embedded", None, None, "")
    networks = steps.Networks(torch.device("cpu"), {}, {"vgg19": extractor})
    found = {"content_weight": 2.0, "style_weight": 30.0, "log_odds": 1.5, "content": "cat"}
    params = steps.final_params(networks, found, 5, 42)
    assert (params.content_weight, params.style_weight, params.num_steps, params.seed) == (2, 30, 5, 42)
    assert params.start == "patches" and params.tv_weight == 50
    assert steps.final_params(networks, {**found, "tv_weight": 3.0}, 5, 42).tv_weight == 3
    settings = dict(steps.settings_table(extractor, params, 64).to_numpy())
    assert settings["content layer"] == "content" and settings["style layers"] == "fine, coarse"
    assert settings["optimiser"] == "Adam, learning rate 0.01, 5 steps" and settings["shorter side"] == "64 pixels"


@pytest.mark.parametrize(("width", "height"), [(100, 75), (75, 100), (64, 64), (107, 61), (150, 60)])
def test_a_repainted_photo_has_the_size_of_its_photo(tmp_path, width, height):
    """Whatever its shape comes to in whole pixels."""
    photo, repainted = tmp_path / "photo.png", tmp_path / "repainted.png"
    save_image(photo, noise(1, 1, height, width))
    save_image(repainted, steps.load_all([photo], 40)[0])
    frame = pd.DataFrame({"file": [repainted, photo], "painted": ["vgg19", "photo"]})
    first, second = steps.load_judged(frame, 40)
    assert first.shape == second.shape and abs(min(first.shape[2:]) - 40) <= (
        1 if max(width / height, height / width) < 2 else 16
    )
