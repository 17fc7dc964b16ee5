from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realishuman.errors import PictureError
from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import (
    Crop,
    extract,
    in_picture,
    resize_released,
    restore,
    restore_mask,
)

PLACE = st.floats(-500, 500)
SIDE = st.floats(1, 2000)


def ramp(height, width):
    """A picture whose red grows by 1 per column and green by 1 per row."""
    rows, columns = np.indices((height, width))
    return np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)


@given(PLACE, PLACE, SIDE, st.integers(1, 1024))
def test_points_go_into_the_crop_and_back(x, y, side, size):
    crop = Crop(Box(x, y, x + side, y + side), size)
    points = np.array([[x, y, -3.0], [x + side / 3, y - side, 12.5]])

    np.testing.assert_allclose(crop.to_picture(crop.to_crop(points)), points, atol=1e-6)


def test_the_box_edges_become_the_crop_edges_and_depth_is_scaled():
    crop = Crop(Box(10, 20, 74, 84), 512)

    into = crop.to_crop(np.array([[10, 20, 2.0], [74, 84, -1.0]]))

    np.testing.assert_allclose(into, [[0, 0, 16], [512, 512, -8]])
    assert crop.to_crop(np.zeros((5, 2))).shape == (5, 2)


@pytest.mark.parametrize("box", [Box(0, 0, 4, 5), Box(3, 3, 3, 3), Box(9, 9, 1, 1)])
def test_a_box_that_is_no_square_is_refused(box):
    with pytest.raises(PictureError, match="square box"):
        Crop(box)


@pytest.mark.parametrize(("shift", "side"), [(0.0, 64), (0.25, 64), (0.5, 32.0), (0.3, 100.7)])
def test_a_pixels_value_says_where_it_came_from(shift, side):
    """On a linear ramp values are coordinates, so that half a pixel's slip would show anywhere.

    Antialiasing by a factor that is no whole number ripples by less than 0.1.
    """
    crop = Crop(Box(20 + shift, 30 + shift, 20 + shift + side, 30 + shift + side), 64)

    image = extract(ramp(200, 200), crop)

    centres = crop.to_picture(np.stack([np.arange(64) + 0.5] * 2, axis=1)) - 0.5
    inner = slice(2, -2)
    np.testing.assert_allclose(image[0, 30, inner] * 255, centres[inner, 0], atol=0.1)
    np.testing.assert_allclose(image[1, inner, 30] * 255, centres[inner, 1], atol=0.1)


@pytest.mark.parametrize(("shift", "side"), [(0, 64), (0.25, 20), (0.4, 150.2)])
def test_restoring_an_extracted_ramp_gives_the_picture_back(shift, side):
    picture = ramp(220, 220)
    crop = Crop(Box(20 + shift, 30 + shift, 20 + shift + side, 30 + shift + side), 64)
    x0, y0, x1, y1 = crop.pixels()

    back = restore(extract(picture, crop), crop)

    assert back.shape == (3, y1 - y0, x1 - x0)
    inner = slice(6, -6)
    wanted = picture[y0:y1, x0:x1].transpose(2, 0, 1)[:, inner, inner]
    np.testing.assert_allclose(back[:, inner, inner] * 255, wanted, atol=0.6)


def test_outside_the_picture_is_black_or_mirrored():
    picture = ramp(8, 8) + 1
    crop = Crop(Box(-4, 0, 4, 8), 8)

    zeros, mirrored = (extract(picture, crop, padding) for padding in ("zeros", "reflect"))

    assert not zeros[:, :, :4].any()
    torch.testing.assert_close(zeros[:, :, 4:], mirrored[:, :, 4:])
    np.testing.assert_allclose(mirrored[0, 0, :4] * 255, [5, 4, 3, 2], atol=1e-4)


def test_a_one_pixel_picture_can_be_cropped_far_beyond_its_border():
    picture = np.full((1, 1, 3), 200, np.uint8)

    image = extract(picture, Crop(Box(-50, -50, 51, 51), 64))

    torch.testing.assert_close(image, torch.full((3, 64, 64), 200 / 255))


def test_shrinking_does_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255

    for shift in (0, 0.5):
        image = extract(stripes, Crop(Box(64 + shift, 64 + shift, 448 + shift, 448 + shift), 96))

        assert (image - 0.5).abs().max() < 0.05


def test_a_15_pixel_part_is_enlarged_smoothly():
    image = extract(ramp(64, 64), Crop(Box(10, 10, 25, 25), 512))

    assert image.shape == (3, 512, 512)
    assert (image[0].diff(dim=1) >= -1e-6).all()


def test_a_mask_comes_back_by_the_centre_of_each_pixel():
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    crop = Crop(Box(0.5, 0, 4.5, 4), 8)  # the mask ends at x = 2.5, a pixel's centre

    back = restore_mask(mask, crop)

    assert back.shape == (4, 5)
    assert back[0].tolist() == [True, True, False, False, False]


def test_a_mask_of_the_pictures_own_pixels_comes_back_whole():
    mask = np.random.default_rng(0).random((16, 16)) < 0.5
    crop = Crop(Box(5, 3, 21, 19), 16)

    assert np.array_equal(restore_mask(mask, crop), mask)
    assert np.array_equal(in_picture(mask, crop, (30, 40))[3:19, 5:21], mask)


@pytest.mark.parametrize(
    "box", [(50, 3, 66, 19), (-16, 3, 0, 19), (5, 30, 21, 46), (5, -16, 21, 0)]
)
def test_a_mask_beside_the_picture_covers_nothing_of_it(box):
    crop = Crop(Box(*box), 16)

    assert not in_picture(np.ones((16, 16), bool), crop, (30, 40)).any()


def test_a_small_picture_is_mirrored_as_often_as_a_crop_reaches_beyond_it():
    picture = np.random.default_rng(0).integers(0, 256, (4, 3, 3), np.uint8)
    crop = Crop(Box(-10, -10, 14, 14), 24)

    expected = np.pad(picture, ((10, 10), (10, 11), (0, 0)), "reflect")
    seen = extract(picture, crop).permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(seen, expected, atol=1e-3)


def test_resizing_to_the_same_size_changes_nothing():
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(resize_released(image, 16), image)
