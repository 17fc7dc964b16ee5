from __future__ import annotations

import math

import numpy as np
import pytest

from realishuman.paint.fields import (
    LARGE,
    NARROW,
    blur,
    disc,
    distance_from,
    grow,
    nearest_in,
    ramp,
    resize,
    resize_mask,
    shrink,
    touching,
    without_specks,
)


def circle(radius, side=121):
    rows, columns = np.indices((side, side)) - side // 2
    return rows**2 + columns**2 <= radius**2


def reach(mask):
    """How far a mask in the middle of the picture extends to each side."""
    rows, columns = np.nonzero(mask)
    middle = mask.shape[0] // 2
    return tuple(int(v - middle) for v in (rows.min(), rows.max(), columns.min(), columns.max()))


def test_a_ramp_is_smooth_between_its_ends():
    values = ramp(np.array([1.0, 2.0, 2.5, 3.0, 4.0, 9.0]), 2.0, 4.0)

    np.testing.assert_allclose(values, [0, 0, 0.15625, 0.5, 1, 1])
    assert values.dtype == np.float32


@pytest.mark.parametrize("radius", [1, 5, LARGE, LARGE + 1, 20])
def test_masks_grow_and_shrink_by_discs_whatever_the_radius(radius):
    grown, shrunk = grow(circle(25), radius), shrink(circle(25), radius)

    edge = 25 + radius
    assert reach(grown) == (-edge, edge, -edge, edge)
    assert grown.sum() == pytest.approx(math.pi * edge**2, rel=0.04)
    edge = 25 - radius
    assert reach(shrunk) == pytest.approx((-edge, edge, -edge, edge), abs=1)
    assert shrunk.sum() == pytest.approx(math.pi * edge**2, rel=0.3 if edge < 8 else 0.12)


@pytest.mark.parametrize("radius", [0.2, 1.0, 1.4])
def test_the_least_radius_is_a_pixel(radius):
    assert reach(grow(circle(0), radius)) == (-1, 1, -1, 1)
    assert disc(radius).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]


@pytest.mark.parametrize("radius", [3, LARGE + 3])
def test_nothing_grows_from_an_empty_mask_and_the_border_does_not_shrink_a_full_one(radius):
    empty = np.zeros((40, 50), bool)

    assert not grow(empty, radius).any()
    assert shrink(~empty, radius).all()


@pytest.mark.parametrize("radius", [4, LARGE + 4])
def test_specks_go_and_what_holds_a_disc_stays(radius):
    mask, speck = circle(radius + 10), np.zeros((121, 121), bool)
    speck[2:8, 2:8] = True

    cleaned = without_specks(mask | speck, radius)

    assert not cleaned[speck].any()
    assert (cleaned != mask).sum() < 0.03 * mask.sum()
    assert not (cleaned & ~mask & ~speck).any()


@pytest.mark.parametrize("sigma", [3.0, 2 * NARROW - 0.1, 2 * NARROW, 40.0])
def test_a_blurred_edge_is_the_normal_distribution_also_where_it_is_made_small(sigma):
    step = np.zeros((300, 300), bool)
    step[:, 150:] = True

    blurred = blur(step, sigma)

    x = np.arange(300) + 0.5 - 150
    expected = [0.5 + 0.5 * math.erf(v / sigma / math.sqrt(2)) for v in x]
    inner = slice(100, 200)  # the border repeats nothing there
    np.testing.assert_allclose(blurred[150, inner], np.array(expected)[inner], atol=0.02)
    assert blurred.dtype == np.float32
    assert blurred.shape == step.shape


def test_channels_are_blurred_apart_and_an_even_field_stays_so():
    field = np.full((64, 96, 3), (0.0, 0.5, 1.0), np.float32)

    for sigma in (2.0, 30.0):
        np.testing.assert_allclose(blur(field, sigma), field, atol=1e-5)


def test_a_field_is_resized_by_areas_and_a_mask_by_its_nearest_pixels():
    field = np.arange(16, dtype=np.float32).reshape(2, 8)
    mask = np.array([[True, False], [False, True], [True, True]])

    np.testing.assert_allclose(resize(field, (1, 4)), [[4.5, 6.5, 8.5, 10.5]])
    np.testing.assert_array_equal(resize_mask(mask, (6, 4)), mask.repeat(2, 0).repeat(2, 1))


def test_distances_are_from_the_mask_and_0_inside_it():
    mask = np.zeros((20, 20), bool)
    mask[4:6, 4:6] = True

    distance = distance_from(mask)

    assert (distance[mask] == 0).all()
    assert distance[5, 15] == pytest.approx(10, abs=0.05)
    assert distance[9, 8] == pytest.approx(5, abs=0.1)  # 4 down, 3 to the right


def test_the_nearest_pixel_of_a_mask_is_found_by_its_flat_index():
    mask = np.zeros((10, 12), bool)
    mask[2, 3] = mask[7, 9] = True

    nearest = nearest_in(mask)

    assert nearest[0, 0] == nearest[2, 3] == 2 * 12 + 3
    assert nearest[9, 11] == nearest[7, 9] == 7 * 12 + 9


def test_pieces_that_the_seed_touches_stay_whole_and_the_rest_goes():
    mask, seed = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    mask[1:4, 1:4] = mask[6:8, 6:8] = True
    seed[3, 3] = seed[0, 8] = True  # the second lies outside of the mask

    kept = touching(mask, seed)

    assert kept[1:4, 1:4].all()
    assert kept.sum() == 9
    assert not touching(mask, seed & ~mask).any()
