import pytest
import torch
from stand_ins import Tiny

from vg_helpers.style import start as style_start
from vg_helpers.style.engine import StyleParams, stylize
from vg_helpers.style.pixels import match_colors
from vg_helpers.style.start import PATCH, start_image

GENERATOR = torch.Generator().manual_seed(3)
SMOOTH = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 5, generator=GENERATOR), (48, 60), mode="bicubic").clamp(
    0, 1
)
PHOTO = SMOOTH[:1]
STRIPES = ((torch.arange(64) // 4 % 2).float() * 0.8 + 0.1).expand(1, 3, 56, 64).contiguous()  # vertical, period 8


def rebuilt(content=PHOTO, styles=(STRIPES,), blend=(1.0,), **options):
    return start_image("patches", content, list(styles), list(blend), **options)


def contrast(image):
    """Return mean absolute differences between neighbours across and down."""
    return image.diff(dim=3).abs().mean().item(), image.diff(dim=2).abs().mean().item()


def test_patches_bring_strokes_that_colours_do_not():
    across, down = contrast(rebuilt())
    assert across > 4 * down and across > 0.5 * contrast(STRIPES)[0]
    only_colored = contrast(start_image("style", PHOTO, [STRIPES], [1.0]))
    assert only_colored[0] < 2 * only_colored[1]


def test_a_painting_is_made_of_its_own_patches_again():
    inner = (..., slice(PATCH, -PATCH), slice(PATCH, -PATCH))  # beyond a border there is its mirror image
    torch.testing.assert_close(rebuilt(STRIPES)[inner], STRIPES[inner], rtol=0, atol=1e-3)


def test_the_nearest_key_is_that_of_the_formula(monkeypatch):
    queries, keys = torch.rand(37, 12, generator=GENERATOR), torch.rand(20, 12, generator=GENERATOR)
    squared = torch.cdist(queries.double(), keys.double()).square() / 12
    wanted = (squared / (style_start.COMPLETE + squared.min(0).values)).argmin(1)
    assert len(set(wanted.tolist())) > len(set(squared.argmin(1).tolist()))  # more of the painting is used
    assert (style_start._nearest(queries, keys) == wanted).all()
    monkeypatch.setattr(style_start, "CHUNK", 60)
    assert (style_start._nearest(queries, keys) == wanted).all()


@pytest.mark.parametrize("kind", ["style", "patches"])
def test_what_does_not_count_stays_the_photo(kind):
    area = torch.zeros(1, 1, 48, 60)
    area[..., 30:] = 1
    start = start_image(kind, PHOTO, [STRIPES], [1.0], amount=area)
    torch.testing.assert_close(start[..., :30], PHOTO[..., :30], rtol=0, atol=0)
    assert (start[..., 30:] - PHOTO[..., 30:]).abs().mean() > 0.05
    torch.testing.assert_close(start_image(kind, PHOTO, [STRIPES], [1.0], amount=0.0), PHOTO, rtol=0, atol=0)


def test_pairs_do_not_depend_on_neighbours_and_seeds_repeat(monkeypatch):
    monkeypatch.setattr(style_start, "MOST_KEYS", 200)  # so that patches are drawn at random
    styles = torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(1))
    together = rebuilt(SMOOTH, [styles], seed=5)
    alone = torch.cat([rebuilt(SMOOTH[n : n + 1], [styles[n : n + 1]], seed=5) for n in range(2)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
    assert not torch.equal(rebuilt(SMOOTH, [styles], seed=6), together)


def test_patches_come_from_every_painting_that_is_blended_in():
    lying = STRIPES.transpose(2, 3)
    across, down = contrast(rebuilt(styles=(STRIPES, lying), blend=(1.0, 1.0)))
    assert 0.4 < across / down < 2.5
    across, down = contrast(rebuilt(styles=(STRIPES, lying), blend=(1.0, 0.0)))
    assert across > 4 * down


def test_a_photo_smaller_than_two_patches_gets_the_colours_alone():
    small = PHOTO[..., : 2 * PATCH - 1]
    torch.testing.assert_close(rebuilt(small), match_colors(small, STRIPES))


def test_a_large_photo_is_rebuilt_at_a_bounded_size(monkeypatch):
    monkeypatch.setattr(style_start, "LARGEST", 30)
    sizes, replace = [], style_start._replace
    monkeypatch.setattr(
        style_start, "_replace", lambda image, keys: sizes.append(image.shape[3]) or replace(image, keys)
    )
    assert rebuilt().shape == PHOTO.shape and max(sizes) == 30


def test_a_transfer_of_little_strength_starts_near_the_photo():
    def first(strength):
        params = StyleParams(start="patches", strength=strength, num_steps=0)
        return stylize(PHOTO, STRIPES, Tiny(), params).image

    whole, half, none = (first(strength) - PHOTO for strength in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half, whole / 2, rtol=0, atol=1e-6)
    assert whole.abs().mean() > 0.1 and none.abs().max() < 1e-6
