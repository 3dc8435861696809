"""weights: their origin is known, a fallback is announced, and a file that cannot be used is one sentence."""

import hashlib
import socket
import threading
import urllib.error

import pytest
import torch
import torchvision
from torch import nn

from vg_helpers.models import weights
from vg_helpers.models.classifier import build_classifier

NETWORKS = ("vgg19", "alexnet")


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty folder of weights files, and no network."""

    def no_network(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    forget()
    yield tmp_path / "checkpoints"
    forget()


def forget():
    weights._download.cache_clear()
    weights._provenance.cache_clear()


@pytest.fixture
def hub(offline, tiny_zoo, monkeypatch):
    """The same for networks too small for the embedded weights, which are away."""
    monkeypatch.setattr(weights, "EMBEDDED", offline)
    return offline


def put_weights(folder, network="alexnet", **options):
    """Write weights under the name that torchvision gives them; return path and state."""
    net = getattr(torchvision.models, network)().to_empty(device="cpu")
    state = {key: torch.rand_like(value) for key, value in net.state_dict().items()}
    path = folder / weights.ENUMS[network].url.rsplit("/", 1)[1]
    folder.mkdir(exist_ok=True)
    torch.save(state, path, **options)
    return path, state


def test_unknown_choices_are_one_sentence(tiny_zoo):
    with pytest.raises(ValueError, match=r"^network 'resnet', weights 'auto': choose vgg19 or alexnet"):
        weights.load_backbone("resnet")
    with pytest.raises(ValueError, match=r"choose vgg19 or alexnet; auto, imagenet, embedded, none$"):
        weights.load_backbone("vgg19", "nothing")


@pytest.mark.parametrize("network", NETWORKS)
def test_without_weights_every_layer_gives_zero_mean_and_unit_variance(tiny_zoo, monkeypatch, network):
    noise, original = [], weights._pink_noise
    monkeypatch.setattr(weights, "_pink_noise", lambda *a: noise.append(original(*a)) or noise[0])
    net, origin = weights.load_backbone(network, "none")
    assert origin.source == "none" and origin.sha256 is None
    assert origin.note.endswith(": random filters of unit variance in place of ImageNet's.")
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
    noise = weights._pink_noise(4, 64, torch.Generator().manual_seed(0))
    torch.testing.assert_close(noise.std((2, 3)), torch.ones(4, 3))
    power = torch.fft.rfft2(noise).abs().square().mean((0, 1))
    assert 2 < (power[0, 2:4].mean() / power[0, 8:16].mean()).sqrt() < 8  # frequencies 2.5 and 11.5


@pytest.mark.parametrize("zip_format", [True, False])  # torchvision's VGG-19 file is of the older format
def test_a_file_that_is_not_what_its_name_promises_is_a_stand_in(hub, zip_format):
    path, state = put_weights(hub, _use_new_zipfile_serialization=zip_format)
    net, origin = weights.load_backbone("alexnet")
    assert origin == weights.load_backbone("alexnet", "imagenet")[1]
    assert (origin.source, origin.file) == ("stand-in", "alexnet-owt-7be5be79.pth")
    assert origin.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert origin.note == f"AlexNet: {path.name} is a stand-in; its SHA-256 is not the one in its name."
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)
    assert not any(module.inplace for module in net.modules() if isinstance(module, nn.ReLU)) and not net.training
    with torch.no_grad():
        net.features[0].weight.zero_()  # not the file's own memory
    assert weights.load_backbone("alexnet")[0].features[0].weight.any()


def test_a_file_whose_hash_its_name_promises_is_imagenets(hub, monkeypatch):
    path, _ = put_weights(hub)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    right = path.rename(path.with_name(f"alexnet-owt-{digest[:8]}.pth"))

    class Enum:
        url = f"https://example.org/{right.name}"

    monkeypatch.setitem(weights.ENUMS, "alexnet", Enum)
    _, origin = weights.load_backbone("alexnet")
    assert origin == weights.Weights(
        "alexnet", "imagenet", right.name, digest, "AlexNet: torchvision's ImageNet weights."
    )


def test_a_download_is_asked_for_with_its_hash_and_then_used(hub, monkeypatch):
    asked = []

    def download(url, path, hash_prefix):
        asked.append((url, hash_prefix, socket.getdefaulttimeout()))
        assert path == str(put_weights(hub)[0])

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        assert weights.load_backbone("alexnet")[1].file == "alexnet-owt-7be5be79.pth"
    assert asked == [(weights.ENUMS["alexnet"].url, "7be5be79", weights.DOWNLOAD_TIMEOUT)]
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    "proxy", ["http://$PROXY_HOST:$PROXY_PORT", "http://:::", "http://127.0.0.1:{port}", "http://[::1"]
)
def test_a_proxy_that_is_nonsense_is_one_sentence(hub, monkeypatch, proxy):
    with socket.create_server(("127.0.0.1", 0)) as server:  # answers, but speaks no HTTP
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.format(port=server.getsockname()[1]))
        monkeypatch.setattr(torch.hub, "download_url_to_file", DOWNLOAD)
        _, origin = weights.load_backbone("alexnet", "auto")
    assert origin.source == "none" and "alexnet-owt-7be5be79.pth could not be downloaded (" in origin.note


DOWNLOAD = torch.hub.download_url_to_file


def answer(server):
    with server.accept()[0] as connection:
        connection.recv(1000)
        connection.sendall(b"220 mail.example ESMTP\r\n")


def test_a_folder_that_cannot_be_made_is_one_sentence(hub):
    hub.write_text("in the way", encoding="utf-8")
    assert "could not be downloaded (" in weights.load_backbone("alexnet", "auto")[1].note


def test_a_failed_download_is_not_tried_again(hub, monkeypatch):
    asked = []

    def download(*_, **__):
        asked.append(1)
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        with pytest.raises(weights.NoWeightsError):
            weights.find_imagenet_weights("alexnet")
    assert asked == [1]


@pytest.mark.parametrize("network", NETWORKS)
def test_without_file_and_network_the_embedded_weights_serve_and_it_is_said(offline, network):
    features, origin = weights.load_backbone(network, "auto", features_only=True)
    assert (origin.source, origin.choice, origin.file) == ("embedded", "embedded", f"{network}.npz")
    assert "could not be downloaded" in origin.note and "embedded weights instead" in origin.note
    assert origin.sha256 == hashlib.sha256((weights.EMBEDDED / f"{network}.npz").read_bytes()).hexdigest()
    asked, same = weights.load_backbone(network, "embedded", features_only=True)
    assert same.sha256 == origin.sha256 and "no ImageNet weights" not in same.note
    assert "embedded weights in place of ImageNet's, pre-trained on" in same.note
    for mine, theirs in zip(features.features.parameters(), asked.features.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_above_the_embedded_layers_features_are_handed_on_and_places_count_alike():
    net, _ = weights.load_backbone("alexnet", "embedded")
    weight = net.classifier[1].weight.view(4096, 256, 36)
    torch.testing.assert_close(weight, weight[..., :1].expand_as(weight), rtol=0, atol=0)
    vgg, _ = weights.load_backbone("vgg19", "embedded", features_only=True)
    x = torch.rand(1, 512, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(vgg.features[30:36](x), x, rtol=0, atol=0)


def test_damaged_embedded_weights_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    for content in (b"", b"PK\x03\x04 cut short"):
        (tmp_path / "alexnet.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"alexnet.npz is damaged .* use weights 'none'$"):
            weights.load_backbone("alexnet", "embedded")


def test_without_any_file_the_weights_are_none_and_it_is_said(hub):
    net, origin = weights.load_backbone("alexnet", "auto")
    assert (origin.source, origin.file, origin.sha256) == ("none", None, None)
    assert origin.note.startswith("AlexNet: no ImageNet weights (https://download.pytorch.org/models/alexnet")
    assert "could not be downloaded (no route to host)" in origin.note
    assert all(parameter.isfinite().all() for parameter in net.parameters())
    with pytest.raises(
        ValueError, match=r"could not be downloaded .*; put the file into .*checkpoints or use weights 'auto'$"
    ):
        weights.load_backbone("alexnet", "imagenet")


def test_a_file_cut_short_is_one_sentence_with_its_name(hub):
    path, _ = put_weights(hub)
    whole = path.read_bytes()
    torch.save({"features.0.weight": torch.rand(2)}, path)
    another = path.read_bytes()
    for rest in (whole[: len(whole) // 2], b"", b"<html>not found</html>", another):
        path.write_bytes(rest)
        with pytest.raises(ValueError, match=r"(is damaged|holds no weights of AlexNet).*; delete it") as caught:
            weights.load_backbone("alexnet")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize("network", NETWORKS)
def test_real_weights_load_and_their_origin_is_known(network):
    model = build_classifier(network, "imagenet").eval()
    assert model.weights.source in ("imagenet", "stand-in") and len(model.weights.sha256) == 64
    assert torch.isfinite(model(torch.rand(1, 3, 64, 64))).all()
