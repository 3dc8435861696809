"""artifacts: whole files or none, pictures as they are meant, and a manifest that says what a stage did."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from vg_helpers.files import atomic, file_sha256, fingerprint, read_json, save_torch, write_csv, write_json, write_text
from vg_helpers.images import load_image, read_metadata, save_image
from vg_helpers.stage import MissingArtifact, open_stage


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), atomic(path) as part:
        part.write_text("half", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [path]


def test_a_finished_block_replaces_the_file_in_a_folder_made_for_it(tmp_path):
    path = tmp_path / "new" / "a.npy"
    for number in (1, 2):
        with atomic(path) as part:
            np.save(part, number)  # NumPy would append .npy to a name without it
        assert np.load(path) == number
    assert list(path.parent.iterdir()) == [path]


def test_json_keeps_numbers_lists_and_letters(tmp_path):
    content = {"é": np.float32(0.5), "n": np.int64(3), "row": np.arange(3), "one": np.ones(1), "where": tmp_path}
    write_json(tmp_path / "a.json", content)
    expected = {"é": 0.5, "n": 3, "row": [0, 1, 2], "one": [1.0], "where": str(tmp_path)}
    assert read_json(tmp_path / "a.json") == expected
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_tables_and_texts_have_the_same_bytes_on_every_system(tmp_path):
    write_csv(tmp_path / "a.csv", pd.DataFrame({"title": ["Nuit étoilée"], "n": [1]}))
    assert (tmp_path / "a.csv").read_bytes() == "title,n\nNuit étoilée,1\n".encode()


def test_saved_tensors_load_without_pickle(tmp_path):
    save_torch(tmp_path / "a.pt", {"w": torch.ones(2), "lr": 0.1})
    assert torch.load(tmp_path / "a.pt", weights_only=True)["lr"] == 0.1


def test_hashes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert fingerprint("a", {"b": 1, "c": np.int64(2)}) == fingerprint("a", {"c": 2, "b": 1})
    assert len({fingerprint(*parts) for parts in [("a",), ("b",), ("a", 1), ("a", 1.5), (["a"],)]}) == 5
    assert fingerprint("a", 1) == hashlib.sha256(b'["a", 1]').hexdigest()[:16]  # names folders of kept work


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def test_pictures_are_upright(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right-hand side
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    expected = torch.from_numpy(np.rot90(pixels, -1).copy()).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(load_image(tmp_path / "a.png"), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("P", "png"), ("RGBA", "png"), ("1", "png"), ("CMYK", "jpg")]
)
def test_pictures_are_rgb(tmp_path, pixels, mode, suffix):
    Image.fromarray(pixels).convert(mode).save(tmp_path / f"a.{suffix}")
    image = load_image(tmp_path / f"a.{suffix}")
    assert image.shape == (1, 3, 4, 6) and image.min() >= 0 and image.max() <= 1


def test_the_longer_side_is_scaled_down_never_up(tmp_path):
    Image.new("RGB", (60, 30), "red").save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", size=20).shape == (1, 3, 10, 20)
    assert load_image(tmp_path / "a.png", size=100).shape == (1, 3, 30, 60)


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, 5, 7)])
def test_a_picture_survives_the_file_to_half_a_level(tmp_path, shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    save_image(tmp_path / "a.png", image, {"title": "Nuit étoilée, α = 0.1"})
    assert (load_image(tmp_path / "a.png") - image.reshape(1, 3, 5, 7)).abs().max() <= 0.5 / 255 + 1e-6
    assert read_metadata(tmp_path / "a.png") == {"title": "Nuit étoilée, α = 0.1"}


def test_values_beyond_the_range_are_clipped_not_wrapped(tmp_path):
    save_image(tmp_path / "a.png", torch.tensor([-0.5, 1.5]).expand(3, 1, 2))
    assert load_image(tmp_path / "a.png")[0, 0, 0].tolist() == [0, 1]


def broken_files(folder):
    """Write files that Pillow cannot read, each for another reason; return their paths."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "chunk.png")  # so big that its data come in two chunks
    whole = (folder / "chunk.png").read_bytes()
    second = whole.index(b"IDAT", whole.index(b"IDAT") + 4)
    (folder / "chunk.png").write_bytes(whole[:second] + b"\x00\x01\x02\x03" + whole[second + 4 :])
    (folder / "cut.png").write_bytes(whole[:3000])
    (folder / "text.jpg").write_text("no picture", encoding="utf-8")
    (folder / "empty.jpg").write_bytes(b"")
    return [folder / name for name in ("chunk.png", "cut.png", "text.jpg", "empty.jpg", "missing.jpg")]


def test_a_bad_file_is_one_sentence_with_its_name(tmp_path):
    for path in broken_files(tmp_path):
        with pytest.raises(ValueError, match=r"give a JPEG or PNG file$") as caught:
            load_image(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        assert read_metadata(path) == {}


def test_a_missing_file_names_the_notebook_to_run(tmp_path):
    stage = open_stage(tmp_path, "02_classify")
    with pytest.raises(MissingArtifact, match=r"^index.csv is missing: run notebooks/01_data.ipynb first$"):
        stage.read("01_data", "index.csv")
    with pytest.raises(ValueError, match="stage '07_more' is none of 01_data, 02_classify"):
        open_stage(tmp_path, "07_more")


def test_the_manifest_says_what_was_done(tmp_path, capsys):
    first, stage = (open_stage(tmp_path, name) for name in ("01_data", "02_classify"))
    write_text(first.path("sub", "index.csv"), "x")
    assert stage.read("01_data", "sub", "index.csv") == first.path("sub", "index.csv")
    for names in [("b.csv",), ("figures", "a.png"), ("state", "half.pt"), ("wandb", "log"), ("figures", ".rest.png")]:
        write_text(stage.path(*names), "x")
    write_text(stage.state / "more.pt", "x")
    write_text(stage.path("statement.csv"), "x")
    imagenet = SimpleNamespace(network="vgg19", source="imagenet", file="v.pth", sha256="1", note="Fine.")
    none = SimpleNamespace(network="alexnet", source="none", file=None, sha256=None, note="No weights.")
    for weights in (imagenet, none, none):
        stage.uses(weights)
    stage.fallback("No GPU.")
    parameters = {"build_dir": "x", "seed": 7, "lr": np.float64(0.1)}
    path = stage.finish(parameters, device="cuda", auc=0.9)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path.resolve() / "02_classify" / "manifest.json"
    assert manifest["stage"] == "02_classify" and manifest["parameters"] == {"seed": 7, "lr": 0.1}
    assert manifest["facts"] == {"device": "cuda", "auc": 0.9} and manifest["device"] == "cuda"
    assert manifest["inputs"] == {"01_data/sub/index.csv": hashlib.sha256(b"x").hexdigest()}
    assert manifest["outputs"] == ["b.csv", "figures/a.png", "statement.csv"]
    assert manifest["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert manifest["weights"] == [vars(imagenet), vars(none)] and manifest["seed"] == 7
    assert manifest["fallbacks"] == ["No weights.", "No GPU."]
    assert capsys.readouterr().out == "Fallback: No weights.\nFallback: No GPU.\n"
    assert manifest["seconds"] >= 0 and manifest["started"].endswith("+00:00")
    assert {"python", "platform"} <= set(manifest)
    assert stage.finish(parameters) and json.loads(path.read_text(encoding="utf-8"))["outputs"] == manifest["outputs"]
