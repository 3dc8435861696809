"""Grad-CAM against hand computation and captum; hooks, modes and gradients left as they were."""

import pytest
import torch
import torchvision
from stand_ins import Layered, noise
from torch import nn
from torch.nn import functional as F

from vg_helpers.gradcam import checks
from vg_helpers.gradcam.maps import content_mask, grad_cam, maps_of_groups, scale
from vg_helpers.models.classifier import Classifier
from vg_helpers.models.weights import Weights


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
    return Layered()


@pytest.fixture
def images():
    return noise(0, n=5)


def test_hand_computed_map_of_one_convolution():
    model = OneConvolution()
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0] = torch.tensor([[0.2, 0.8], [0.4, 1.0]])  # first channel: gradient mean 4 / 4 = 1
    image[0, 1] = torch.tensor([[0.0, 0.1], [0.3, 0.5]])  # second channel: gradient mean −8 / 4 = −2
    # Σ weights · activations = [[0.2, 0.6], [−0.2, 0]] for class 1, its negative for class 0; then ReLU, then maximum 1
    torch.testing.assert_close(grad_cam(model, image, model.conv), torch.tensor([[[[1 / 3, 1], [0, 0]]]]))
    torch.testing.assert_close(grad_cam(model, image, model.conv, 0), torch.tensor([[[[0.0, 0], [1, 0]]]]))


@pytest.mark.parametrize("layer", ["conv1", "relu1", "conv2", "relu2"])
def test_equals_captum(net, images, layer):
    attr = pytest.importorskip("captum.attr")
    net.eval()
    for class_idx in range(3):
        raw = attr.LayerGradCam(net, net.module_of(layer)).attribute(images, class_idx, relu_attributions=True)
        expected = F.interpolate(raw.detach(), images.shape[-2:], mode="bilinear")
        expected = expected / expected.amax((1, 2, 3), keepdim=True).clamp_min(1e-30)
        torch.testing.assert_close(grad_cam(net, images, layer, class_idx), expected)


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
        expected = scale(F.interpolate(raw.detach(), images.shape[-2:], mode="bilinear"))
        maps = grad_cam(model, images, layer, class_idx)
        assert maps.amax() == 1
        torch.testing.assert_close(maps, expected)


def test_maps_have_the_promised_range_shape_and_type(net, images):
    maps = grad_cam(net, images, "relu2")
    assert maps.shape == (5, 1, 16, 12) and maps.dtype == torch.float32 and not maps.requires_grad
    assert maps.min() >= 0
    assert set(maps.amax((1, 2, 3)).tolist()) <= {0.0, 1.0}


def test_images_of_a_batch_do_not_touch_each_other(net, images):
    classes = torch.tensor([0, 1, 2, 1, 0])
    together = grad_cam(net, images, "relu2", classes, batch_size=2)
    for i in range(5):
        alone = grad_cam(net, images[i : i + 1], "relu2", int(classes[i]))
        torch.testing.assert_close(together[i : i + 1], alone)
    assert not torch.equal(together, grad_cam(net, images, "relu2", 1))


@pytest.mark.parametrize("layer", ["conv2", "relu1", "bn"])
def test_an_in_place_relu_after_the_layer_changes_nothing(net, images, layer):
    careless = Layered(inplace=True)
    careless.load_state_dict(net.state_dict())
    assert grad_cam(net, images, layer).max() == 1
    assert torch.equal(grad_cam(careless, images, layer), grad_cam(net, images, layer))


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
    grad_cam(net, images, "relu2")
    checks.faithfulness(net, images.detach(), {"random": checks.random_maps(images.detach())}, 2)
    checks.randomised_maps(net, images, ["fc", "conv2"], "relu2")
    torch.testing.assert_close(state_of(net), before, rtol=0, atol=0)
    assert images.grad is None


def test_an_exception_leaves_neither_hooks_nor_modes(net):
    before = state_of(prepared(net))
    with pytest.raises(RuntimeError):
        grad_cam(net, torch.rand(1, 3, 5, 5), "relu2")  # fc does not fit
    torch.testing.assert_close(state_of(net), before, rtol=0, atol=0)


def test_maps_do_not_depend_on_mode_frozen_weights_or_no_grad(net, images):
    expected = grad_cam(net.eval(), images, "relu2")
    with torch.no_grad():
        assert torch.equal(grad_cam(net.train().requires_grad_(False), images, "relu2"), expected)


def test_works_under_autocast(net, images):
    expected = grad_cam(net, images, "relu2")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = grad_cam(net, images, "relu2")
    assert maps.dtype == torch.float32 and maps.max() == 1
    assert (maps - expected).abs().mean() < 0.05


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(net, images):
    expected = grad_cam(net, images, "relu2")
    maps = grad_cam(net.cuda(), images, "relu2")
    assert maps.device == images.device  # as the images came
    torch.testing.assert_close(maps, expected, atol=2e-2, rtol=0)
    assert grad_cam(net, images.cuda(), "relu2").is_cuda
    assert set(checks.faithfulness(net, images, {"map": maps}, 3)["curve"]) == {"deletion", "insertion"}
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert (grad_cam(net, images, "relu2") - expected).abs().mean() < 0.05


def test_an_all_zero_map_stays_zero_everywhere(net, images):
    with torch.no_grad():
        net.layers["fc"].weight[1] = -net.layers["fc"].weight[1].abs()  # nothing speaks for class 1
    maps = grad_cam(net, images, "relu2")
    assert torch.equal(maps, torch.zeros_like(maps))


@pytest.mark.parametrize(("layer", "reason"), [("fc", "features"), ("unused", "must be run")])
def test_a_layer_without_maps_is_an_error(net, images, layer, reason):
    with pytest.raises(ValueError, match=reason):
        grad_cam(net, images, nn.ReLU() if layer == "unused" else layer)


@pytest.mark.parametrize("class_idx", [3, -1])
def test_a_class_that_does_not_exist_is_an_error(net, images, class_idx):
    for classes in (class_idx, torch.tensor([0, 1, class_idx, 1, 1])):
        with pytest.raises(ValueError, match=f"class_idx {class_idx} does not exist; the model has the classes 0 to 2"):
            grad_cam(net, images, "relu2", classes)


def test_each_group_of_images_gets_its_own_maps(net, images):
    groups = maps_of_groups(net, {"few": images[:2], "others": images[2:]}, "relu2")
    assert list(groups) == ["few", "others"]
    torch.testing.assert_close(torch.cat(list(groups.values())), grad_cam(net, images, "relu2"))


def test_content_mask_points_at_the_predicted_object():
    features = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
    features[0].weight.data = torch.eye(3).view(3, 3, 1, 1)
    model = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # class = the dominant colour
    photo = torch.zeros(2, 3, 60, 90)
    photo[0, 1, 30:, 45:] = 1.0  # green below right
    photo[0, 0, :10, :10] = 1.0  # a little red above left
    photo[1, 2, :, :45] = 1.0  # blue left
    mask = content_mask(model, photo, features, size=20)
    assert mask.shape == (2, 1, 60, 90) and mask.amax((1, 2, 3)).tolist() == [1, 1]
    assert mask[0, 0, 35:, 50:].min() > 0.8 and mask[0, 0, :10, :10].max() < 0.1
    assert mask[1, 0, :, :40].min() > 0.8 and mask[1, 0, :, 50:].max() < 0.2
