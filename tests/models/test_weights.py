"""models: layers are what their names say, normalisation is inside, and the weights' origin is known."""

import copy
import hashlib
import urllib.error

import pytest
import torch
import torchvision
from torch import nn

from vg_helpers.models import weights as models_weights
from vg_helpers.models.classifier import Classifier, build_classifier, load_classifier, save_classifier
from vg_helpers.models.extractor import build_extractor
from vg_helpers.models.layers import CONTENT_LAYER, LAYERS, STYLE_LAYERS

NETWORKS = ("vgg19", "alexnet")


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 80, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty folder of weights files, and no network."""

    def no_network(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    models_weights.find_imagenet_weights.cache_clear()
    models_weights._provenance.cache_clear()
    yield tmp_path / "checkpoints"
    models_weights.find_imagenet_weights.cache_clear()
    models_weights._provenance.cache_clear()


@pytest.fixture
def hub(offline, tiny_zoo, monkeypatch):
    """The same for networks too small for the embedded weights, which are away."""
    monkeypatch.setattr(models_weights, "EMBEDDED", offline)
    return offline


def put_weights(folder, network="alexnet", **options):
    """Write weights under the name that torchvision gives them; return path and state."""
    net = getattr(torchvision.models, network)().to_empty(device="cpu")
    state = {key: torch.rand_like(value) for key, value in net.state_dict().items()}
    path = folder / models_weights.ENUMS[network].url.rsplit("/", 1)[1]
    folder.mkdir(exist_ok=True)
    torch.save(state, path, **options)
    return path, state


@pytest.mark.parametrize(
    ("network", "layer", "index"),
    [
        *(("vgg19", *pair) for pair in [("conv1_1", 0), ("relu1_2", 3), ("pool1", 4), ("conv2_1", 5), ("conv3_1", 10)]),
        *(("vgg19", *pair) for pair in [("conv4_1", 19), ("conv4_2", 21), ("conv5_1", 28), ("conv5_4", 34)]),
        *(("vgg19", *pair) for pair in [("relu5_4", 35), ("pool5", 36)]),
        *(("alexnet", *pair) for pair in [("conv1", 0), ("conv2", 3), ("conv3", 6), ("conv4", 8), ("conv5", 10)]),
        *(("alexnet", *pair) for pair in [("pool1", 2), ("relu5", 11), ("pool5", 12)]),
    ],
)
def test_layer_names_stand_for_torchvisions_modules(network, layer, index):
    with torch.device("meta"):
        net = getattr(torchvision.models, network)()
    model = Classifier(network, net, None)
    assert LAYERS[network][layer] == index and model.module_of(layer) is net.features[index]
    kind = {"conv": nn.Conv2d, "relu": nn.ReLU, "pool": nn.MaxPool2d}[layer[:4]]
    assert isinstance(net.features[index], kind)
    assert [model.module_of(name) for name in ("fc6", "fc7", "fc8")] == [
        m for m in net.classifier if hasattr(m, "weight")
    ]


def test_every_layer_has_a_name():
    assert [len(LAYERS[network]) for network in NETWORKS] == [37, 13]
    assert all(list(names.values()) == list(range(len(names))) for names in LAYERS.values())


@pytest.mark.parametrize("network", NETWORKS)
def test_taps_are_what_their_names_say(tiny_zoo, images, network):
    extractor = build_extractor(network, tuple(LAYERS[network]), "none")
    found = extractor(images)
    x = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    for name, index in LAYERS[network].items():
        layer = copy.deepcopy(extractor.body[index])
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
        x = layer(x)
        torch.testing.assert_close(found[name], x, rtol=0, atol=0)
        assert (x < 0).any() if name.startswith("conv") else (x >= 0).all(), name


@pytest.mark.parametrize("network", NETWORKS)
def test_an_extractor_stops_at_its_deepest_layer_and_stays_frozen(tiny_zoo, images, network):
    extractor = build_extractor(
        network, ("conv3_1" if network == "vgg19" else "conv3", next(iter(LAYERS[network]))), "none"
    )
    assert len(extractor.body) == max(LAYERS[network][name] for name in extractor.layers) + 1
    assert not extractor.train().training and not any(module.training for module in extractor.modules())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
    image = images.requires_grad_()
    sum(value.sum() for value in extractor(image).values()).backward()
    assert image.grad.abs().sum() > 0
    default = build_extractor(network, weights="none")
    assert set(default(images)) == {*STYLE_LAYERS[network], CONTENT_LAYER[network]}


def test_average_pooling_replaces_every_maximum(tiny_zoo, images):
    layers = ("relu1_2", "pool1", "pool2")
    most, mean = (build_extractor("vgg19", layers, "none", pooling)(images) for pooling in ("max", "average"))
    torch.testing.assert_close(mean["pool1"], nn.functional.avg_pool2d(mean["relu1_2"], 2))
    torch.testing.assert_close(most["pool1"], nn.functional.max_pool2d(most["relu1_2"], 2))
    assert mean["pool2"].shape == most["pool2"].shape and mean["pool2"].mean() < most["pool2"].mean()


def test_unknown_names_are_one_sentence(tiny_zoo):
    with pytest.raises(ValueError, match=r"^VGG-19 has no layer 'conv6_1'; it has conv1_1, relu1_1, "):
        build_extractor("vgg19", ("conv1_1", "conv6_1"), "none")
    with pytest.raises(ValueError, match=r"^AlexNet has no layer 'conv1_1'; it has conv1, .*, fc6, fc7, fc8$"):
        build_classifier("alexnet", "none").module_of("conv1_1")
    with pytest.raises(ValueError, match=r"^network 'resnet', weights 'auto': choose vgg19 or alexnet"):
        models_weights.load_backbone("resnet")
    with pytest.raises(ValueError, match=r"choose vgg19 or alexnet; auto, imagenet, embedded, none$"):
        models_weights.load_backbone("vgg19", "nothing")
    with pytest.raises(ValueError, match="pooling 'mean': choose vgg19 or alexnet, and max or average"):
        build_extractor("vgg19", pooling="mean")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_parts_of_a_split_make_the_whole(tiny_zoo, images, network):
    model = build_classifier(network, "none").eval()
    whole = model(images)
    assert whole.shape == (2, 2)
    for layer in (*LAYERS[network], "fc6", "fc7", "fc8"):
        lower, upper = model.split(layer)
        torch.testing.assert_close(upper(lower(images)), whole)
        assert upper[0] is model.module_of(layer)


def test_a_classifier_normalises_and_never_works_in_place(tiny_zoo, images):
    model = build_classifier("vgg19", "none").eval()
    normalised = torchvision.transforms.functional.normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(model(images), model.net(normalised))
    assert not any(
        module.inplace
        for module in model.modules()
        if isinstance(module, nn.ReLU | nn.Dropout) and isinstance(module, nn.ReLU)
    )
    assert "mean" not in str(list(model.state_dict())) and model.module_of("fc8").out_features == 2


def test_the_new_layer_depends_on_the_seed_alone(tiny_zoo):
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    first, again, other = (build_classifier("alexnet", "none", seed).module_of("fc8").weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("network", NETWORKS)
def test_without_weights_every_layer_gives_zero_mean_and_unit_variance(tiny_zoo, monkeypatch, network):
    noise, original = [], models_weights._pink_noise
    monkeypatch.setattr(models_weights, "_pink_noise", lambda *a: noise.append(original(*a)) or noise[0])
    net, weights = models_weights.load_backbone(network, "none")
    assert weights.source == "none" and weights.sha256 is None
    assert weights.note.endswith(": random filters of unit variance in place of ImageNet's.")
    seen = []
    for layer in (*net.features, *net.classifier):
        if hasattr(layer, "weight"):
            layer.register_forward_hook(lambda _, __, output: seen.append(output.transpose(0, 1).flatten(1)))
    with torch.no_grad():
        net(noise[0])
    assert len(seen) == {"vgg19": 19, "alexnet": 8}[network]
    for output in seen:
        alive = output.std(1) > 0.5  # a unit that the few noise images do not move cannot be scaled
        assert alive.float().mean() > 0.5
        torch.testing.assert_close(output.std(1)[alive], torch.ones(int(alive.sum())), rtol=0, atol=0.02)
        torch.testing.assert_close(output.mean(1)[alive], torch.zeros(int(alive.sum())), rtol=0, atol=0.02)


def test_pink_noise_falls_as_one_over_frequency():
    noise = models_weights._pink_noise(4, 64, torch.Generator().manual_seed(0))
    torch.testing.assert_close(noise.std((2, 3)), torch.ones(4, 3))
    power = torch.fft.rfft2(noise).abs().square().mean((0, 1))
    assert 2 < (power[0, 2:4].mean() / power[0, 8:16].mean()).sqrt() < 8  # frequencies 2.5 and 11.5


def test_a_saved_classifier_comes_back(tiny_zoo, tmp_path, images):
    model = build_classifier("vgg19", "none", seed=3).eval()
    save_classifier(tmp_path / "a.pt", model)
    loaded = load_classifier(tmp_path / "a.pt")
    torch.testing.assert_close(loaded(images), model(images), rtol=0, atol=0)
    assert loaded.weights == model.weights and loaded.network == "vgg19" and not loaded.training
    assert not any(module.inplace for module in loaded.modules() if isinstance(module, nn.ReLU))
    loaded.train()(images).sum().backward()
    assert loaded.module_of("conv1_1").weight.grad is not None


@pytest.mark.parametrize("zip_format", [True, False])  # torchvision's VGG-19 file is of the older format
def test_a_file_that_is_not_what_its_name_promises_is_a_stand_in(hub, zip_format):
    path, state = put_weights(hub, _use_new_zipfile_serialization=zip_format)
    net, weights = models_weights.load_backbone("alexnet")
    assert weights == models_weights.load_backbone("alexnet", "imagenet")[1]
    assert (weights.source, weights.file) == ("stand-in", "alexnet-owt-7be5be79.pth")
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.note == f"AlexNet: {path.name} is a stand-in, its SHA-256 is not the one that its name promises."
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)
    assert not any(module.inplace for module in net.modules() if isinstance(module, nn.ReLU)) and not net.training
    with torch.no_grad():
        net.features[0].weight.zero_()  # not the file's own memory
    assert models_weights.load_backbone("alexnet")[0].features[0].weight.any()


def test_a_file_whose_hash_its_name_promises_is_imagenets(hub, monkeypatch):
    path, _ = put_weights(hub)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    right = path.rename(path.with_name(f"alexnet-owt-{digest[:8]}.pth"))

    class Enum:
        url = f"https://example.org/{right.name}"

    monkeypatch.setitem(models_weights.ENUMS, "alexnet", Enum)
    _, weights = models_weights.load_backbone("alexnet")
    assert weights == models_weights.Weights(
        "alexnet", "imagenet", right.name, digest, "AlexNet: torchvision's ImageNet weights."
    )


def test_a_download_is_asked_for_with_its_hash_and_then_used(hub, monkeypatch):
    asked = []

    def download(url, **options):
        asked.append((url, options["check_hash"]))
        put_weights(hub)

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    for _ in range(2):
        assert models_weights.load_backbone("alexnet")[1].file == "alexnet-owt-7be5be79.pth"
    assert asked == [(models_weights.ENUMS["alexnet"].url, True)]


@pytest.mark.parametrize("network", NETWORKS)
def test_without_file_and_network_the_embedded_weights_serve_and_it_is_said(offline, network):
    features, weights = models_weights.load_backbone(network, "auto", features_only=True)
    assert (weights.source, weights.choice, weights.file) == ("embedded", "embedded", f"{network}.npz")
    assert "could not be downloaded" in weights.note and "embedded weights instead" in weights.note
    assert weights.sha256 == hashlib.sha256((models_weights.EMBEDDED / f"{network}.npz").read_bytes()).hexdigest()
    asked, same = models_weights.load_backbone(network, "embedded", features_only=True)
    assert same.sha256 == weights.sha256 and "no ImageNet weights" not in same.note
    assert "embedded weights in place of ImageNet's, taught on" in same.note
    for mine, theirs in zip(features.features.parameters(), asked.features.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(("source", "start"), [("imagenet", "content"), ("embedded", "patches"), ("none", "content")])
def test_a_transfer_starts_from_the_paintings_patches_with_embedded_weights_alone(source, start):
    assert models_weights.Weights("vgg19", source, None, None, "").style_params.get("start", "content") == start


def test_above_the_embedded_layers_features_are_handed_on_and_places_count_alike():
    net, _ = models_weights.load_backbone("alexnet", "embedded")
    weight = net.classifier[1].weight.view(4096, 256, 36)
    torch.testing.assert_close(weight, weight[..., :1].expand_as(weight), rtol=0, atol=0)
    vgg, _ = models_weights.load_backbone("vgg19", "embedded", features_only=True)
    x = torch.rand(1, 512, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(vgg.features[30:36](x), x, rtol=0, atol=0)


def test_damaged_embedded_weights_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(models_weights, "EMBEDDED", tmp_path)
    for content in (b"", b"PK\x03\x04 cut short"):
        (tmp_path / "alexnet.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"alexnet.npz is no readable weights file .* use weights 'none'$"):
            models_weights.load_backbone("alexnet", "embedded")


def test_without_any_file_the_weights_are_none_and_it_is_said(hub):
    net, weights = models_weights.load_backbone("alexnet", "auto")
    assert (weights.source, weights.file, weights.sha256) == ("none", None, None)
    assert weights.note.startswith("AlexNet: no ImageNet weights (https://download.pytorch.org/models/alexnet")
    assert "could not be downloaded (<urlopen error no route to host>)" in weights.note
    assert all(parameter.isfinite().all() for parameter in net.parameters())
    with pytest.raises(
        ValueError, match=r"could not be downloaded .*; put the file into .*checkpoints or use weights 'auto'$"
    ):
        models_weights.load_backbone("alexnet", "imagenet")


def test_a_file_cut_short_is_one_sentence_with_its_name(hub):
    path, _ = put_weights(hub)
    whole = path.read_bytes()
    for rest in (whole[: len(whole) // 2], b"", b"<html>not found</html>"):
        path.write_bytes(rest)
        with pytest.raises(ValueError, match=r"is no readable weights file \(.*\); delete it") as caught:
            models_weights.load_backbone("alexnet")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize("network", NETWORKS)
def test_real_weights_load_and_their_origin_is_known(network):
    model = build_classifier(network, "imagenet").eval()
    assert model.weights.source in ("imagenet", "stand-in") and len(model.weights.sha256) == 64
    assert torch.isfinite(model(torch.rand(1, 3, 64, 64))).all()


def test_checkpointing_keeps_the_features_and_their_gradient(tiny_zoo, images):
    found = []
    for again in (False, True):
        extractor = build_extractor("vgg19", weights="none")
        extractor.checkpointing = again
        pixels = images.clone().requires_grad_()
        features, calls = extractor(pixels), []
        extractor.body[2].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        sum(value.square().mean() for value in features.values()).backward()
        assert len(calls) == again  # computed anew for the backward pass, or not
        found.append((features, pixels.grad))
    for name in found[0][0]:
        torch.testing.assert_close(found[0][0][name], found[1][0][name], rtol=0, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-7)
