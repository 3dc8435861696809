"""pretrain: what the crops teach, codes that come back, and a training that a kill does not change."""

import json
import math

import pytest
import torch
from stand_ins import CPU
from torch import nn

from vg_helpers.demo.painters import PAINTERS
from vg_helpers.models import weights
from vg_helpers.models.embedded import pretrain
from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.layers import LAYERS, STYLE_LAYERS

CONFIG = pretrain.PretrainConfig("alexnet", num_steps=4, batch_size=4, num_paintings=16, seed=3)


@pytest.fixture(scope="module")
def pictures_and_painters(tmp_path_factory):
    return pretrain.load_pictures(tmp_path_factory.mktemp("pictures"), CONFIG)


def test_the_direction_is_the_doubled_angle_of_the_edges():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    for angle in (0.0, math.pi / 6, math.pi / 2, 2.5):
        waves = 0.5 + 0.4 * torch.sin(0.5 * (x * math.cos(angle) + y * math.sin(angle)))
        found = pretrain.orientation(waves.expand(1, 3, 64, 64), (4, 4))[0, :, 1:3, 1:3].mean((1, 2))
        expected = torch.tensor([math.cos(2 * angle), math.sin(2 * angle)])
        torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
    flat = pretrain.orientation(torch.full((1, 3, 64, 64), 0.3), (4, 4))
    torch.testing.assert_close(flat, torch.zeros_like(flat))


def test_crops_are_drawn_by_the_generator_alone_and_stay_in_range():
    pictures = torch.rand(6, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    draw = [pretrain.crops_of(pictures, torch.Generator().manual_seed(seed), 32) for seed in (1, 1, 2)]
    assert draw[0].shape == (6, 3, 32, 32) and draw[0].min() >= 0 and draw[0].max() <= 1
    assert torch.equal(draw[0], draw[1]) and not torch.equal(draw[0], draw[2])


def test_crops_show_the_picture_they_are_cut_from():
    pictures = torch.stack([torch.full((3, 96, 96), value) for value in (0.3, 0.7)])
    dark, bright = pretrain.crops_of(pictures, torch.Generator().manual_seed(1), 32)
    for crop in (dark, bright):
        assert (crop.flatten(1).std(1) < 1e-3).all()  # one colour stays one colour, whatever is done to it
    assert dark.mean() < 0.5 < bright.mean()  # and tints are weaker than the difference


def test_the_pictures_are_the_painters_and_the_bundled_photographs(pictures_and_painters):
    pictures, painters = pictures_and_painters
    assert pictures.dtype == torch.uint8 and pictures.shape[1:] == (3, 256, 256) and len(pictures) == len(painters)
    assert painters[:16].tolist().count(PAINTERS.index("flow")) == 4
    assert len(painters) > 16 and set(painters[16:].tolist()) == {pretrain.NO_PAINTER}


def test_the_painter_the_direction_and_the_colour_are_learnt(pictures_and_painters):
    torch.manual_seed(0)
    trunk = pretrain.Trunk("alexnet", len(pictures_and_painters[0])).train()
    optimizer = torch.optim.AdamW(trunk.parameters(), CONFIG.lr)
    rows = [pretrain.train_step(CONFIG, trunk, optimizer, *pictures_and_painters, step=0) for _ in range(10)]
    for question in ("painter", "direction", "colour"):
        assert rows[-1][question] < 0.9 * rows[0][question], question


def test_a_killed_training_ends_as_if_it_had_not_been(pictures_and_painters, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "KEEP_EVERY", 2)
    whole = pretrain.train(CONFIG, *pictures_and_painters, tmp_path / "whole", CPU)
    original = pretrain.train_step

    def killed(config, trunk, optimizer, pictures, painters, step):
        if step == 3:
            raise KeyboardInterrupt
        return original(config, trunk, optimizer, pictures, painters, step)

    monkeypatch.setattr(pretrain, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain.train(CONFIG, *pictures_and_painters, tmp_path / "parts", CPU)
    monkeypatch.setattr(pretrain, "train_step", original)
    parts = pretrain.train(CONFIG, *pictures_and_painters, tmp_path / "parts", CPU)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=0, atol=0, msg=name)
    log = json.loads((tmp_path / "parts" / "log.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in log["steps"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_folded_codes_give_the_trunk_back(network, tmp_path, monkeypatch):
    torch.manual_seed(0)
    trunk = pretrain.Trunk(network, 3)
    for layer in trunk.modules():
        if isinstance(layer, nn.BatchNorm2d):  # as after some training
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.2, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.1)
    pretrain.save_codes(tmp_path / f"{network}.npz", trunk.folded())
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    last = STYLE_LAYERS[network][-1]
    extractor = build_extractor(network, (last,), "embedded")
    assert extractor.weights.source == extractor.weights.choice == "embedded" and extractor.weights.sha256
    images, found = torch.rand(2, 3, 96, 96), []
    trunk.eval().body[LAYERS[network][last]].register_forward_hook(lambda *a: found.append(a[2]))
    with torch.no_grad():
        trunk(images)
        ours = extractor(images)[last]
    assert (ours - found[0]).norm() < 0.15 * found[0].norm()  # seven bits in every layer


def test_the_short_mode_runs_end_to_end(tmp_path, capsys):
    steps = ["--num-steps", "1", "--batch-size", "2", "--num-paintings", "4"]
    pretrain.main(["vgg19", "--work", str(tmp_path / "work"), "--out", str(tmp_path), *steps])
    assert "vgg19.npz" in capsys.readouterr().out and (tmp_path / "vgg19.npz").stat().st_size < 12e6
    assert len(json.loads((tmp_path / "work" / "vgg19" / "log.json").read_text(encoding="utf-8"))["steps"]) == 1


def test_senseless_numbers_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match="num-steps and num-paintings must be at least 1"):
        pretrain.main(["vgg19", "--num-steps", "0", "--work", str(tmp_path)])
