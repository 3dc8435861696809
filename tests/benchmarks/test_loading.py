"""Loading: the cache holds the same pictures, and the command says what it measured."""

import numpy as np
from PIL import Image

from vg_helpers.benchmarks import loading
from vg_helpers.data.views import load_pixels
from vg_helpers.images import read_pixels


def test_originals_are_as_large_as_asked_for_and_all_different(tmp_path):
    paths = loading.make_originals(tmp_path, 2, side=700)
    assert [Image.open(path).size for path in paths] == [(700, 553)] * 2
    assert paths[0].read_bytes() != paths[1].read_bytes()


def test_the_cache_holds_what_decoding_gives(tmp_path):
    (path,) = loading.make_originals(tmp_path, 1, side=700)
    for _ in range(2):  # when it is filled, and from it
        np.testing.assert_array_equal(load_pixels(path, tmp_path / "cache"), read_pixels(path))
    rates = loading.read_rates([path], tmp_path / "cache")
    assert set(rates) == {"decoded", "cached"} and min(rates.values()) > 0


def test_the_loader_counts_what_comes_after_the_first_batch(tmp_path, monkeypatch):
    paths = loading.make_originals(tmp_path, 2, side=300)
    monkeypatch.setattr(loading, "perf_counter", iter([10.0, 12.0]).__next__)
    assert loading.loader_rate(paths, tmp_path / "cache", workers=0, batch_size=4) == (16 * 4 - 4) / 2


def test_the_command_says_what_it_measured(monkeypatch, capsys):
    monkeypatch.setattr(loading, "LONG_SIDE", 400)
    monkeypatch.setattr(loading, "training_rate", lambda network, device: {"vgg19": 1e-9, "alexnet": 1e9}[network])
    assert loading.main(["--count", "2", "--workers", "0", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and "400-pixel" in lines[0] and "times as many" in lines[1]
    assert lines[3].endswith("keeps up)") and lines[4].endswith("falls behind)")
