"""classifier: parts make the whole, and a file brings it back."""

import pytest
import torch
import torchvision
from stand_ins import RULE, noise, tiny_judge
from torch import nn

from vg_helpers.models.classifier import build_classifier, load_classifier, save_classifier
from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.layers import LAYERS
from vg_helpers.models.texture import TextureClassifier, load_texture_classifier, save_texture_classifier

NETWORKS = ("vgg19", "alexnet")


@pytest.fixture
def images():
    return noise(0, 2, 64, 80)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_parts_of_a_split_make_the_whole(tiny_zoo, images, network):
    model = build_classifier(network, "none").eval()
    whole = model(images)
    assert whole.shape == (2, 2)
    for layer in (*LAYERS[network], "fc6", "fc7", "fc8"):
        lower, upper = model.split(layer)
        torch.testing.assert_close(upper(lower(images)), whole)
        assert upper[0] is model.module_of(layer)


def test_an_unknown_layer_is_one_sentence(tiny_zoo):
    with pytest.raises(ValueError, match=r"^AlexNet has no layer 'conv1_1'; it has conv1, .*, fc6, fc7, fc8$"):
        build_classifier("alexnet", "none").module_of("conv1_1")


def test_a_classifier_normalises_and_never_works_in_place(tiny_zoo, images):
    model = build_classifier("vgg19", "none").eval()
    normalised = torchvision.transforms.functional.normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(model(images), model.net(normalised))
    assert not any(module.inplace for module in model.modules() if isinstance(module, nn.ReLU))
    assert "mean" not in str(list(model.state_dict())) and model.module_of("fc8").out_features == 2


def test_the_new_layer_depends_on_the_seed_alone(tiny_zoo):
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    first, again, other = (build_classifier("alexnet", "none", seed).module_of("fc8").weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_saved_classifier_comes_back(tiny_zoo, tmp_path, images):
    model = build_classifier("vgg19", "none", seed=3).eval()
    save_classifier(tmp_path / "a.pt", model)
    loaded = load_classifier(tmp_path / "a.pt")
    torch.testing.assert_close(loaded(images), model(images), rtol=0, atol=0)
    assert loaded.weights == model.weights and loaded.network == "vgg19" and not loaded.training
    assert not any(module.inplace for module in loaded.modules() if isinstance(module, nn.ReLU))
    loaded.train()(images).sum().backward()
    assert loaded.module_of("conv1_1").weight.grad is not None


@pytest.mark.parametrize("content", ["nothing", "a pointer", "half", "a dict", "a list"])
def test_a_damaged_classifier_or_head_is_one_sentence_with_its_name(tiny_zoo, tmp_path, content):
    model, path = build_classifier("alexnet", "none"), tmp_path / "a.pt"
    joint = TextureClassifier(model, build_extractor("alexnet", ("relu2",), "none"), tiny_judge())
    for save, load in (
        (lambda: save_classifier(path, model), lambda: load_classifier(path)),
        (lambda: save_texture_classifier(path, joint, RULE), lambda: load_texture_classifier(path, model)),
    ):
        save()
        whole = path.read_bytes()
        if content in ("a dict", "a list"):
            torch.save({"epoch": 3} if content == "a dict" else [torch.rand(2), "x"], path)
        else:
            pointer = b"version https://git-lfs.github.com/spec/v1"
            path.write_bytes({"nothing": b"", "a pointer": pointer, "half": whole[: len(whole) // 2]}[content])
        with pytest.raises(ValueError, match=r"a\.pt (is damaged|holds no) .*; delete it and run the report") as caught:
            load()
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.pt"):
        load_classifier(path)
