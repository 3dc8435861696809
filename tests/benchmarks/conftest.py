"""What the benchmarks of the losses and of the search in two directions stand on."""

import pandas as pd
import pytest
from stand_ins import CPU, RULE, noise, textured

from vg_helpers.benchmarks import front, losses
from vg_helpers.classify.forewarned import learn_paintings, measure_textures
from vg_helpers.files import write_csv, write_json
from vg_helpers.images import save_image
from vg_helpers.models.classifier import build_classifier, save_classifier
from vg_helpers.models.texture import TextureClassifier, build_texture_extractor, save_texture_classifier


@pytest.fixture
def profile(tmp_path, tiny_zoo, monkeypatch):
    """A profile of which 01 and 02 have run: twelve paintings with steep stripes (Van Gogh's) and twelve others."""
    for benchmark in (losses, front):
        monkeypatch.setattr(benchmark, "BUILD", tmp_path / "build")
    build, images = tmp_path / "build" / "p", [*textured(1, 12, size=240), *textured(0, 12, size=240)]
    for number, image in enumerate(images):
        save_image(tmp_path / "data" / f"{number}.png", image[None])
    index = pd.DataFrame({"path": [f"{n}.png" for n in range(24)], "label": [1] * 12 + [0] * 12, "group": range(24)})
    hashes = [f"{number * 0x0123456789ABCDEF % 2**64:016x}" for number in range(24)]
    index = index.assign(artist=["vg"] * 12 + ["monet"] * 6 + ["degas"] * 6, phash=hashes)
    write_csv(build / "01_data" / "index.csv", index)
    write_json(
        build / "01_data" / "sources.json", {"data_dir": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache")}
    )
    for network in ("vgg19", "alexnet"):
        model, extractor = (
            build_classifier(network, "none"),
            build_texture_extractor(network, "none"),
        )
        moments = measure_textures(extractor, [image[None] for image in images], CPU)
        judge, _ = learn_paintings(moments, index.label.to_numpy(), index.group.to_numpy(), index.path.tolist(), 0.4)
        save_classifier(build / "02_classify" / f"{network}.pt", model)
        joint = TextureClassifier(model, extractor, judge)
        save_texture_classifier(build / "02_classify" / f"{network}_texture.pt", joint, RULE)
    for table, names in (("contents.csv", ("c", "d", "e")), ("styles.csv", ("s", "t"))):
        for name in names:
            save_image(tmp_path / f"{name}.png", noise(ord(name), height=64, width=72))
        paths = [str(tmp_path / f"{name}.png") for name in names]
        write_csv(build / "01_data" / table, pd.DataFrame({"name": names, "path": paths}))
    return "p"
