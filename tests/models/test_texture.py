"""texture: closed forms, the network plus its head through `judge` and `predict`, and a head that can be taught."""

import numpy as np
import pytest
import torch
from torch import nn

from vg_helpers.classify.judge import judge
from vg_helpers.models.classifier import TEXTURE_LAYER, Texture, Textured, build_classifier, load_textured, save_head

CPU = torch.device("cpu")


@pytest.fixture
def model(tiny_zoo):
    return build_classifier("alexnet", "none").eval()


def test_texture_is_mean_and_standard_deviation_whatever_the_arrangement():
    features = torch.randn(3, 5, 4, 6, dtype=torch.bfloat16)
    found = Texture()(features)
    flat = features.double().flatten(2).numpy()
    np.testing.assert_allclose(found, np.concatenate([flat.mean(2), flat.std(2)], axis=1), atol=1e-6)
    assert found.dtype == torch.float32
    shuffled = features.flatten(2)[:, :, torch.randperm(24)].unflatten(2, (4, 6))
    torch.testing.assert_close(Texture()(shuffled), found)


@pytest.mark.parametrize("network", ["vgg19", "alexnet"])
def test_the_heads_log_odds_are_added_to_the_networks(network, tiny_zoo, tmp_path):
    model = build_classifier(network, "none").eval()
    images = torch.rand(2, 3, 64, 64)
    middle = model.split(TEXTURE_LAYER[network])[0](images)
    head = nn.Linear(2 * middle.shape[1], 2)
    whole = Textured(model, head)
    with torch.no_grad():
        torch.testing.assert_close(whole(images), model(images) + head(Texture()(middle)))
    save_head(tmp_path / "head.pt", whole)
    np.testing.assert_array_equal(
        judge(load_textured(tmp_path / "head.pt", model), images[:, None], CPU),
        judge(whole, images[:, None], CPU),
    )


def test_only_the_head_is_written(model, tmp_path):
    head = nn.Linear(8, 2)
    save_head(tmp_path / "head.pt", Textured(model, head))
    assert set(torch.load(tmp_path / "head.pt", weights_only=True)) == {"weight", "bias"}
