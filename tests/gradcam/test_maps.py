"""gradcam against hand computation and captum; hooks, modes and gradients left as they were."""

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from vg_helpers.gradcam import checks
from vg_helpers.gradcam import maps as gradcam_maps
from vg_helpers.gradcam.checks import deletion_curves, randomised_maps, share_inside
from vg_helpers.models.classifier import Classifier
from vg_helpers.models.weights import Weights


class Net(nn.Module):
    """Two convolutions, batch norm and dropout, with layers by name."""

    def __init__(self, inplace=False):
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                "conv1": nn.Conv2d(3, 6, 3, padding=1),
                "bn": nn.BatchNorm2d(6),
                "relu1": nn.ReLU(inplace=inplace),
                "pool": nn.MaxPool2d(2),
                "conv2": nn.Conv2d(6, 8, 3, padding=1),
                "relu2": nn.ReLU(inplace=inplace),
                "flat": nn.Flatten(),
                "drop": nn.Dropout(),
                "fc": nn.Linear(8 * 8 * 6, 3),
            }
        )

    def module_of(self, name):
        return self.layers[name]

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return x


class OneConvolution(nn.Module):
    """A 1×1 convolution with two channels, and two classes that read fixed places of them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).view(2, 3, 1, 1)
        self.readout = torch.tensor([[[4.0, 0], [0, 0]], [[0, 0], [0, -8.0]]])  # (channel, row, column)

    def forward(self, x):
        evidence = (self.conv(x) * self.readout).sum((1, 2, 3))
        return torch.stack([-evidence, evidence], dim=1)


@pytest.fixture
def net():
    torch.manual_seed(4)  # a net in which every layer speaks for every class
    return Net()


@pytest.fixture
def images():
    return torch.rand(5, 3, 16, 12, generator=torch.Generator().manual_seed(0))


def test_hand_computed_map_of_one_convolution():
    model = OneConvolution()
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0] = torch.tensor([[0.2, 0.8], [0.4, 1.0]])  # first channel: gradient mean 4 / 4 = 1
    image[0, 1] = torch.tensor([[0.0, 0.1], [0.3, 0.5]])  # second channel: gradient mean −8 / 4 = −2
    # Σ weights · activations = [[0.2, 0.6], [−0.2, 0]] for class 1, its negative for class 0; then ReLU, then maximum 1
    torch.testing.assert_close(gradcam_maps.grad_cam(model, image, model.conv), torch.tensor([[[[1 / 3, 1], [0, 0]]]]))
    torch.testing.assert_close(gradcam_maps.grad_cam(model, image, model.conv, 0), torch.tensor([[[[0.0, 0], [1, 0]]]]))


@pytest.mark.parametrize("layer", ["conv1", "relu1", "conv2", "relu2"])
def test_equals_captum(net, images, layer):
    attr = pytest.importorskip("captum.attr")
    net.eval()
    for class_idx in range(3):
        raw = attr.LayerGradCam(net, net.module_of(layer)).attribute(images, class_idx, relu_attributions=True)
        expected = F.interpolate(raw.detach(), images.shape[-2:], mode="bilinear")
        expected = expected / expected.amax((1, 2, 3), keepdim=True).clamp_min(1e-30)
        torch.testing.assert_close(gradcam_maps.grad_cam(net, images, layer, class_idx), expected)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "layer"), [("vgg19", "relu5_4"), ("alexnet", "relu5")])
def test_equals_captum_on_the_projects_networks(network, layer):
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    net = getattr(torchvision.models, network)(num_classes=2)
    model = Classifier(network, net, Weights(network, "none", None, None, "random")).eval()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    for class_idx in (0, 1):
        raw = attr.LayerGradCam(model, model.module_of(layer)).attribute(images, class_idx, relu_attributions=True)
        expected = gradcam_maps.scale(F.interpolate(raw.detach(), images.shape[-2:], mode="bilinear"))
        maps = gradcam_maps.grad_cam(model, images, layer, class_idx)
        assert maps.amax() == 1
        torch.testing.assert_close(maps, expected)


def test_maps_have_the_promised_range_shape_and_type(net, images):
    maps = gradcam_maps.grad_cam(net, images, "relu2")
    assert maps.shape == (5, 1, 16, 12) and maps.dtype == torch.float32 and not maps.requires_grad
    assert maps.min() >= 0
    assert set(maps.amax((1, 2, 3)).tolist()) <= {0.0, 1.0}


def test_images_of_a_batch_do_not_touch_each_other(net, images):
    classes = torch.tensor([0, 1, 2, 1, 0])
    together = gradcam_maps.grad_cam(net, images, "relu2", classes, batch_size=2)
    for i in range(5):
        alone = gradcam_maps.grad_cam(net, images[i : i + 1], "relu2", int(classes[i]))
        torch.testing.assert_close(together[i : i + 1], alone)
    assert not torch.equal(together, gradcam_maps.grad_cam(net, images, "relu2", 1))


@pytest.mark.parametrize("layer", ["conv2", "relu1", "bn"])
def test_an_in_place_relu_after_the_layer_changes_nothing(net, images, layer):
    careless = Net(inplace=True)
    careless.load_state_dict(net.state_dict())
    assert gradcam_maps.grad_cam(net, images, layer).max() == 1
    assert torch.equal(gradcam_maps.grad_cam(careless, images, layer), gradcam_maps.grad_cam(net, images, layer))


def state_of(model):
    """Everything a reader of maps must leave alone."""
    return {
        "modes": [module.training for module in model.modules()],
        "flags": [parameter.requires_grad for parameter in model.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "hooks": [len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules()],
        "values": {key: value.clone() for key, value in model.state_dict().items()},
    }


def prepared(net):
    """A net in training mode, with one part in evaluation mode, one frozen parameter and some gradients."""
    net.train()
    net.layers["bn"].eval()
    net.layers["conv1"].weight.requires_grad_(False)
    net.layers["fc"].weight.grad = torch.ones_like(net.layers["fc"].weight)
    return net


def test_the_model_is_left_as_it_was(net, images):
    before = state_of(prepared(net))
    images.requires_grad_()
    gradcam_maps.grad_cam(net, images, "relu2")
    deletion_curves(net, images, checks.random_maps(images), 2)
    randomised_maps(net, images, ["fc", "conv2"], "relu2")
    torch.testing.assert_close(state_of(net), before, rtol=0, atol=0)
    assert images.grad is None


def test_an_exception_leaves_neither_hooks_nor_modes(net):
    before = state_of(prepared(net))
    with pytest.raises(RuntimeError):
        gradcam_maps.grad_cam(net, torch.rand(1, 3, 5, 5), "relu2")  # fc does not fit
    torch.testing.assert_close(state_of(net), before, rtol=0, atol=0)


def test_maps_do_not_depend_on_mode_frozen_weights_or_no_grad(net, images):
    expected = gradcam_maps.grad_cam(net.eval(), images, "relu2")
    with torch.no_grad():
        assert torch.equal(gradcam_maps.grad_cam(net.train().requires_grad_(False), images, "relu2"), expected)


def test_works_under_autocast(net, images):
    expected = gradcam_maps.grad_cam(net, images, "relu2")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = gradcam_maps.grad_cam(net, images, "relu2")
    assert maps.dtype == torch.float32 and maps.max() == 1
    assert (maps - expected).abs().mean() < 0.05


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu(net, images):
    expected = gradcam_maps.grad_cam(net, images, "relu2")
    maps = gradcam_maps.grad_cam(net.cuda(), images.cuda(), "relu2")
    torch.testing.assert_close(maps.cpu(), expected, atol=2e-2, rtol=0)
    assert checks.deletion_curves(net, images.cuda(), maps, 3).shape == (5, 4)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert (gradcam_maps.grad_cam(net, images.cuda(), "relu2").cpu() - expected).abs().mean() < 0.05


def test_an_all_zero_map_stays_zero_everywhere(net, images):
    with torch.no_grad():
        net.layers["fc"].weight[1] = -net.layers["fc"].weight[1].abs()  # nothing speaks for class 1
    maps = gradcam_maps.grad_cam(net, images, "relu2")
    assert torch.equal(maps, torch.zeros_like(maps))
    share, chance = share_inside(maps, checks.texture_mask(images))
    assert share.isnan().all() and (chance - 0.25).abs().max() < 1e-6
    assert np.isnan(checks.rank_correlation(maps, checks.edge_maps(images))).all()
    assert torch.isfinite(checks.deletion_curves(net, images, maps, 3)).all()
    assert torch.isfinite(checks.overlap(maps, maps)).all()


@pytest.mark.parametrize(
    ("layer", "class_idx", "reason"), [("fc", 1, "features"), ("relu2", 3, "class_idx 3"), ("unused", 1, "runs")]
)
def test_bad_input_is_named(net, images, layer, class_idx, reason):
    target = nn.ReLU() if layer == "unused" else layer
    with pytest.raises(ValueError, match=reason):
        gradcam_maps.grad_cam(net, images, target, class_idx)


class BrightCorner(nn.Module):
    """P(class 1) depends on the fine pattern of the upper left quarter alone."""

    def forward(self, x):
        quarter = x[..., : x.shape[-2] // 2, : x.shape[-1] // 2]
        evidence = 40 * quarter.diff(dim=-1).abs().mean((1, 2, 3)) - 4
        return torch.stack([torch.zeros_like(evidence), evidence], dim=1)


def test_deletion_and_insertion_prefer_the_map_that_points_at_the_evidence():
    images = torch.rand(4, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    right, wrong = torch.zeros(4, 1, 56, 56), torch.ones(4, 1, 56, 56)
    right[..., :28, :28], wrong[..., :28, :28] = 1, 0
    model, chance = BrightCorner(), checks.random_maps(images)
    methods = {"right": right, "chance": chance, "wrong": wrong}
    areas = checks.areas(pd.concat([checks.faithfulness(model, images, maps, name) for name, maps in methods.items()]))
    assert len(areas) == 4
    deletion, insertion = areas["deletion"], areas["insertion"]
    assert (deletion["right"] < deletion["chance"]).all() and (deletion["chance"] < deletion["wrong"]).all()
    assert (insertion["right"] > insertion["chance"]).all() and (insertion["chance"] > insertion["wrong"]).all()


def test_curves_start_and_end_at_the_whole_and_the_blurred_image(net, images):
    net.eval()
    whole = net(images).softmax(1)[:, 1].detach()
    blurred = net(gradcam_maps._coarse(images)).softmax(1)[:, 1].detach()
    deletion = checks.deletion_curves(net, images, checks.edge_maps(images), 4)
    insertion = checks.insertion_curves(net, images, checks.edge_maps(images), 4)
    torch.testing.assert_close(torch.stack([deletion[:, 0], deletion[:, -1]]), torch.stack([whole, blurred]))
    torch.testing.assert_close(torch.stack([insertion[:, 0], insertion[:, -1]]), torch.stack([blurred, whole]))


def test_areas_closed_form():
    rows = {"image": [0, 0, 0, 1, 1, 1], "fraction": [1, 0, 0.5, 0, 0.5, 1], "p": [0, 1, 0.5, 1, 1, 1]}
    areas = checks.areas(pd.DataFrame({**rows, "curve": "deletion", "method": "map"}))
    assert areas["deletion", "map"].to_dict() == {0: 0.5, 1: 1.0}


def test_faithfulness_rows_are_the_curves(net, images):
    maps = checks.edge_maps(images)
    frame = checks.faithfulness(net, images, maps, "edges", num_steps=4)
    for curve, follow in (("deletion", checks.deletion_curves), ("insertion", checks.insertion_curves)):
        rows = frame[frame["curve"] == curve].pivot(index="image", columns="fraction", values="p")
        assert rows.columns.tolist() == [0, 0.25, 0.5, 0.75, 1]
        np.testing.assert_array_equal(rows, follow(net, images, maps, 4).numpy())


def test_ranks_are_a_permutation_that_follows_the_map():
    maps = torch.zeros(2, 1, 20, 30)
    maps[:, :, :5] = 1
    ranks = checks._ranks(maps)
    torch.testing.assert_close(ranks.flatten(1).sort(1).values, (torch.arange(600) / 600).expand(2, -1))
    assert ranks[:, :, :5].max() < 0.25 <= ranks[:, :, 5:].min()
    assert not torch.equal(ranks[0], ranks[1])  # ties fall by chance, not from top to bottom


def test_texture_is_where_the_stripes_are():
    images = torch.full((1, 3, 56, 56), 0.5)
    images[..., :28, 28:] += 0.4 * torch.tensor([1.0, 1, -1, -1]).repeat(7)
    mask = checks.texture_mask(images)
    assert mask.float().mean() == 0.25
    assert mask[..., :28, 28:].float().mean() > 0.8
    share, chance = checks.share_inside(mask.float(), mask)
    assert share == 1 and chance == 0.25


def test_share_inside_by_hand():
    maps = torch.tensor([[1.0, 0.5], [0.5, 0]]).view(1, 1, 2, 2)
    share, chance = checks.share_inside(maps, torch.tensor([[True, False], [False, True]]).view(1, 1, 2, 2))
    assert share == 0.5 and chance == 0.5


def test_agreement_of_maps():
    maps = checks.random_maps(torch.zeros(6, 3, 56, 56))
    np.testing.assert_allclose(checks.rank_correlation(maps, maps**2), 1)
    np.testing.assert_allclose(checks.rank_correlation(maps, 1 - maps), -1)
    torch.testing.assert_close(checks.overlap(maps, maps), torch.ones(6))
    torch.testing.assert_close(checks.overlap(maps, 1 - maps), torch.zeros(6))
    other = checks.random_maps(torch.zeros(6, 3, 56, 56), seed=1)
    assert abs(checks.rank_correlation(maps, other).mean()) < 0.15
    assert abs(checks.overlap(maps, other).mean() - 0.2 / 1.8) < 0.05


def test_randomising_goes_down_from_the_output_layer_by_layer(net, images, monkeypatch):
    seen = {}
    original, grad_cam = gradcam_maps.grad_cam(net, images, "relu2"), gradcam_maps.grad_cam

    def remember(model, *args):
        seen[len(seen)] = {name: value.clone() for name, value in model.state_dict().items()}
        return grad_cam(model, *args)

    monkeypatch.setattr(checks, "grad_cam", remember)
    maps = checks.randomised_maps(net, images, ["fc", "conv2"], "relu2")
    before = net.state_dict()
    changed = [{name for name in before if not torch.equal(before[name], state[name])} for state in seen.values()]
    fc, conv = {"layers.fc.weight", "layers.fc.bias"}, {"layers.conv2.weight", "layers.conv2.bias"}
    assert changed == [fc, fc | conv]
    old, new = before["layers.fc.weight"], seen[1]["layers.fc.weight"]
    assert abs(new.std() / old.square().mean().sqrt() - 1) < 0.1 and abs(new.mean()) < 0.1 * new.std()
    assert list(maps) == ["fc", "conv2"]
    assert not torch.equal(maps["fc"], original) and not torch.equal(maps["conv2"], maps["fc"])
    again = checks.randomised_maps(net, images, ["fc", "conv2"], "relu2")
    assert all(torch.equal(maps[layer], again[layer]) for layer in maps)


def test_content_mask_points_at_the_object_of_the_first_choice():
    features = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
    features[0].weight.data = torch.eye(3).view(3, 3, 1, 1)
    model = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # class = the dominant colour
    photo = torch.zeros(2, 3, 60, 90)
    photo[0, 1, 30:, 45:] = 1.0  # green below right
    photo[0, 0, :10, :10] = 1.0  # a little red above left
    photo[1, 2, :, :45] = 1.0  # blue left
    mask = gradcam_maps.content_mask(model, photo, features, size=20)
    assert mask.shape == (2, 1, 60, 90) and mask.amax((1, 2, 3)).tolist() == [1, 1]
    assert mask[0, 0, 35:, 50:].min() > 0.8 and mask[0, 0, :10, :10].max() < 0.1
    assert mask[1, 0, :, :40].min() > 0.8 and mask[1, 0, :, 50:].max() < 0.2
