"""judge_files: many files in batches, each as if it came alone."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import CPU

from vg_helpers.classify import judge
from vg_helpers.data.views import native_patches
from vg_helpers.images import ImageError, read_pixels
from vg_helpers.models.inference import convert_weights


@pytest.fixture
def files(tmp_path, make_paintings):
    """Eleven files, of which the first, the fourth and the last are no pictures."""
    paths = make_paintings(tmp_path / "p", 4, 4, (300, 280))
    for place, name in ((0, "a.jpg"), (3, "b.png"), (10, "missing.jpg")):
        paths.insert(place, tmp_path / name)
    (tmp_path / "a.jpg").write_text("no picture", encoding="utf-8")
    (tmp_path / "b.png").write_bytes(b"")
    return paths


def means(images):
    """Return the mean of each picture's first view, and how many pictures came together."""
    return [(float(picture[0].mean()), len(images)) for picture in images]


@pytest.mark.parametrize("views", [1, 2, 6])
def test_files_come_in_order_and_a_bad_one_costs_only_its_own_answer(files, views):
    results = list(judge.judge_files(means, files, CPU, views))
    assert [place for place, result in enumerate(results) if isinstance(result, ImageError)] == [0, 3, 10]
    assert [result.path for result in results if isinstance(result, ImageError)] == [files[0], files[3], files[10]]
    for path, result in zip(files, results, strict=True):
        if not isinstance(result, ImageError):
            assert result[0] == float(judge.views_of(read_pixels(path), 1).mean())


@pytest.mark.parametrize("views", [1, 2, 6])
def test_every_batch_has_the_same_size_whatever_the_number_of_files(files, views):
    good = [path for path in files if path.parent.name == "p"]
    sizes = {size for count in (1, 3, 8) for _, size in judge.judge_files(means, good[:count], CPU, views)}
    assert sizes == {max(1, judge.BATCH // views)}


def test_an_answer_does_not_depend_on_the_files_around_it(files, tiny_zoo):
    from vg_helpers.models.classifier import build_classifier

    model = build_classifier("alexnet", "none")
    convert_weights(model, CPU)

    @torch.inference_mode()
    def logits(images):
        with judge.autocast(CPU):
            return list(model(images.flatten(0, 1)).float().unflatten(0, images.shape[:2]).mean(1))

    good = [path for path in files if path.parent.name == "p"]
    together = torch.stack(list(judge.judge_files(logits, good, CPU)))
    alone = torch.stack([next(judge.judge_files(logits, [path], CPU)) for path in good])
    assert torch.equal(together, alone)
    one_by_one = torch.tensor(judge.judge(model, good, CPU))  # in batches of two views: other kernels may round
    torch.testing.assert_close(together.softmax(1)[:, 1].double(), one_by_one, atol=0.02, rtol=0)


def test_bad_files_alone_are_answered_and_nothing_is_judged(files):
    results = list(judge.judge_files(lambda images: pytest.fail("nothing to judge"), [files[0], files[3]], CPU))
    assert [type(result) for result in results] == [ImageError, ImageError]


def test_no_more_files_are_read_ahead_than_asked_for():
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield number

    stream = judge.read_ahead(endless(), ahead=5, read=lambda number: 2 * number)
    assert [next(stream) for _ in range(20)] == list(range(0, 40, 2))
    assert len(taken) == 25
    stream.close()


def test_an_end_before_time_leaves_no_thread_and_reads_nothing_more(files):
    before, read = threading.active_count(), []
    stream = judge.read_ahead(range(100), ahead=50, read=lambda number: read.append(number) or number)
    next(stream)
    stream.close()
    done = len(read)
    assert threading.active_count() == before and done <= 51 and len(read) == done


def test_what_interrupts_a_reader_interrupts_the_stream():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(judge.read_ahead([1], ahead=0, read=interrupted))


def test_pixels_are_those_of_the_one_loader(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (1100, 1382, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    ((picture,),) = [judge.judge_files(list, [tmp_path / "a.jpg"], CPU, 2)]
    assert torch.equal(picture, judge.views_of(read_pixels(tmp_path / "a.jpg"), 2))


def test_patches_follow_the_views_and_the_centre_stands_in_for_those_of_a_small_file(tmp_path, files):
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)).save(large)
    seen, of_small = judge.judge_files(list, [large, files[1]], CPU, 2, 3)
    assert seen.shape == of_small.shape == (5, 3, 224, 224)
    assert torch.equal(seen[2:], native_patches(large, 3))
    assert torch.equal(of_small[2:], of_small[:1].expand(3, -1, -1, -1))
