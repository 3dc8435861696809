"""Frames and colours around the style transfer, against closed forms."""

import torch
from stand_ins import CONTENT, STYLE, noise

from vg_helpers.style.pixels import add_frame, cut_frame, keep_luminance_only, match_colors, resize


def test_a_frame_continues_the_picture_and_can_be_cut_off():
    framed = add_frame(CONTENT, 4)
    assert framed.shape[2:] == (24, 20) and torch.equal(framed[..., 0, 4:-4], CONTENT[..., 4, :])
    assert torch.equal(cut_frame(framed, (16, 12)), CONTENT)
    assert add_frame(CONTENT[..., :2, :], 4).shape[2:] == (4, 20)


def test_luminance_changes_and_colours_stay():
    soft, image = 0.4 + 0.2 * CONTENT, 0.4 + 0.2 * resize(STYLE, (16, 12))
    difference = keep_luminance_only(image, soft) - soft
    torch.testing.assert_close(difference[:, :1].expand_as(difference), difference, atol=1e-6, rtol=0)
    red, green, blue = (image - soft)[0]
    torch.testing.assert_close(difference[0, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-4, rtol=0)


def test_match_colors_takes_mean_and_covariance_over():
    image, reference = 0.4 + 0.2 * noise(3, n=2), 0.3 + 0.3 * noise(4, n=2, height=9)
    matched = match_colors(image, reference)
    torch.testing.assert_close(matched.mean((2, 3)), reference.mean((2, 3)), atol=1e-4, rtol=0)
    for pair in range(2):
        found, wanted = (torch.cov(x[pair].flatten(1), correction=0) for x in (matched, reference))
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=0)
