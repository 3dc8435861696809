"""The loop: callbacks, interruptions, overflow, and pairs that nothing pulls."""

import errno

import pytest
import torch
from stand_ins import CONTENT, CPU, EXACT, STYLE, Tiny, change, interrupt_at, noise

from vg_helpers import files
from vg_helpers.style import optimize
from vg_helpers.style.engine import stylize
from vg_helpers.style.optimize import Callbacks, NonFiniteLoss, StyleRun
from vg_helpers.style.pixels import resize


def test_on_step_comes_at_its_interval_and_at_the_end():
    calls = []
    result = stylize(CONTENT, STYLE, Tiny(), change(num_steps=25), on_step=lambda *call: calls.append(call), every=10)
    assert [step for step, _, _ in calls] == [10, 20, 25]
    assert torch.equal(calls[-1][2], result.image)
    assert calls[-1][1]["total"].item() == pytest.approx(result.losses.total.iloc[-1])


@pytest.mark.gpu
def test_the_captured_step_does_what_single_steps_do(monkeypatch):
    captured = stylize(CONTENT.cuda(), STYLE.cuda(), Tiny(), EXACT)
    monkeypatch.setattr(optimize, "GRAPH_AFTER", 10**9)
    single = stylize(CONTENT.cuda(), STYLE.cuda(), Tiny(), EXACT)
    torch.testing.assert_close(captured.image, single.image, atol=1e-3, rtol=0)
    torch.testing.assert_close(captured.image.cpu(), stylize(CONTENT, STYLE, Tiny(), EXACT).image, atol=0.02, rtol=0)


@pytest.mark.gpu
def test_a_captured_run_that_was_stopped_goes_on(tmp_path):
    photo, style, path, calls = CONTENT.cuda(), STYLE.cuda(), tmp_path / "run.pt", []
    whole = stylize(photo, style, Tiny(), EXACT, on_step=lambda *call: calls.append(call), every=10)
    assert [step for step, _, _ in calls] == [10, 20, 30] and not torch.equal(calls[0][2], calls[1][2])
    with pytest.raises(KeyboardInterrupt):
        stylize(photo, style, Tiny(), EXACT, checkpoint=path, checkpoint_every=7, on_step=interrupt_at(25), every=5)
    resumed = stylize(photo, style, Tiny(), EXACT, checkpoint=path)
    torch.testing.assert_close(resumed.image, whole.image, atol=1e-3, rtol=0)
    torch.testing.assert_close(resumed.losses.total.to_numpy(), whole.losses.total.to_numpy(), atol=0, rtol=1e-3)


def test_a_step_that_cannot_be_captured_is_taken_singly(monkeypatch, caplog):
    def refuse():
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", refuse)
    images = []
    for build in (optimize._CapturedStep, lambda run, objective: lambda: optimize._adam_step(run, objective)):
        run = StyleRun(EXACT, 1, CPU)
        run.enter(0, CONTENT.clone, CONTENT)
        advance = build(run, lambda image: dict.fromkeys(optimize.TERMS, image.square().sum((1, 2, 3))))
        for _ in range(6):
            assert advance().shape == (4, 1)
        images.append(run.result())
    assert torch.equal(*images)
    assert caplog.text.count("cannot capture this step as a graph (operation not permitted") == 1


@pytest.mark.parametrize(
    ("fields", "pairs"), [({}, 1), ({}, 2), ({"optimizer": "lbfgs", "lr": 1.0}, 1), ({"coarse": ((0.5, 12),)}, 2)]
)
def test_a_killed_run_ends_with_the_same_image(tmp_path, fields, pairs):
    params, path, contents = change(**fields), tmp_path / "run.pt", noise(5, n=pairs)
    whole = stylize(contents, STYLE, Tiny(), params)
    with pytest.raises(KeyboardInterrupt):
        stylize(contents, STYLE, Tiny(), params, checkpoint=path, checkpoint_every=7, on_step=interrupt_at(25), every=5)
    steps = []
    resumed = stylize(
        contents, STYLE, Tiny(), params, checkpoint=path, on_step=lambda step, *_: steps.append(step), every=1
    )
    assert steps[0] == 22
    assert torch.equal(resumed.image, whole.image) and resumed.losses.equals(whole.losses)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def checkpoint(tmp_path):
    """The checkpoint of an interrupted run of CONTENT and STYLE."""
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        stylize(CONTENT, STYLE, Tiny(), EXACT, checkpoint=path, checkpoint_every=5, on_step=interrupt_at(10))
    assert path.is_file()
    return path


def test_other_images_begin_anew(checkpoint, caplog):
    other = stylize(noise(4), STYLE, Tiny(), EXACT, checkpoint=checkpoint)
    assert torch.equal(other.image, stylize(noise(4), STYLE, Tiny(), EXACT).image)
    assert "run.pt belongs to other images" in caplog.text and not checkpoint.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None, []])
def test_a_damaged_checkpoint_is_set_aside(checkpoint, content):
    if isinstance(content, list):  # whole, but of another program
        torch.save(content, checkpoint)
    else:
        checkpoint.write_bytes(checkpoint.read_bytes()[:-500] if content is None else content)
    result = stylize(CONTENT, STYLE, Tiny(), EXACT, checkpoint=checkpoint)
    assert torch.equal(result.image, stylize(CONTENT, STYLE, Tiny(), EXACT).image)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["run.pt.damaged"]


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    path, written = tmp_path / "run.pt", []

    def save(place, content):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(files.save_torch(place, content))

    monkeypatch.setattr(optimize, "save_torch", save)
    with pytest.raises(OSError, match="No space left"):
        stylize(CONTENT, STYLE, Tiny(), EXACT, checkpoint=path, checkpoint_every=10)
    monkeypatch.undo()
    steps = []
    stylize(CONTENT, STYLE, Tiny(), EXACT, checkpoint=path, on_step=lambda step, *_: steps.append(step), every=1)
    assert steps[0] == 11


class Breakable(Tiny):
    """The stand-in, with features multiplied by a factor that a test sets while it runs."""

    factor = 1.0

    def forward(self, images):
        return {name: features * Breakable.factor for name, features in super().forward(images).items()}


def test_an_overflow_stops_with_the_last_good_image(monkeypatch):
    def overflow(step, *_):
        if step == 13:
            monkeypatch.setattr(Breakable, "factor", float("inf"))

    with pytest.raises(NonFiniteLoss, match="step 14") as caught:
        stylize(CONTENT, STYLE, Breakable(), EXACT, on_step=overflow, every=1)
    assert caught.value.step == 14
    assert torch.equal(caught.value.image, stylize(CONTENT, STYLE, Tiny(), change(num_steps=10)).image)


def slope_of(*steepness):
    """Return an objective whose gradient is the same everywhere, one number for each pair."""
    steepness = torch.tensor(steepness).view(-1, 1, 1, 1)
    return lambda image: dict.fromkeys(optimize.TERMS, (steepness * image).sum((1, 2, 3)))


def test_each_pair_has_its_own_unit_of_gradient():
    run, photo = StyleRun(EXACT, 2, CPU), CONTENT.repeat(2, 1, 1, 1)
    run.enter(0, photo.clone, photo)
    optimize._gradient(run, slope_of(1.0, 1000.0))
    torch.testing.assert_close(run.image.grad, torch.ones_like(run.image))


def test_a_pair_without_gradient_begins_each_level_as_it_was():
    params, photo = change(coarse=((0.5, 3),), num_steps=3), 0.2 + 0.6 * CONTENT.repeat(2, 1, 1, 1)
    run, small = StyleRun(params, 2, CPU), resize(photo, (8, 6))
    run.enter(0, small.clone, small)
    optimize.optimize(run, slope_of(1.0, 0.0), 3, Callbacks())
    run.enter(1, photo.clone, photo)
    assert torch.equal(run.result()[1], photo[1]) and not torch.equal(run.result()[0], photo[0])
    optimize.optimize(run, slope_of(1.0, 5.0), 3, Callbacks())
    moved = (run.result()[1] - photo[1]).abs()
    assert run.result().isfinite().all() and 0 < moved.max() < 5 * params.lr


def test_protected_pixels_begin_each_level_sharp():
    params, photo = change(coarse=((0.5, 3),), frame=0), CONTENT
    run, small, reach = StyleRun(params, 1, CPU, masked=True), resize(photo, (8, 6)), torch.zeros(1, 1, 16, 12)
    reach[..., :6] = 1
    run.enter(0, small.clone, small)
    optimize.optimize(run, slope_of(1.0), 3, Callbacks())
    coarse = run.result()
    run.enter(1, photo.clone, photo, reach)
    assert torch.equal(run.result()[..., 6:], photo[..., 6:])
    assert torch.equal(run.result()[..., :6], resize(coarse, (16, 12))[..., :6])
