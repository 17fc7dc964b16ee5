from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realishuman.evaluate.metrics import (
    PSNR_CAP,
    bootstrap,
    count_changed_outside,
    edge_step,
    keypoint_error,
    lab,
    mean_colour_difference,
    psnr,
    seam_ratio,
)

EVERYWHERE = np.ones((6, 6), bool)
NOWHERE = np.zeros((6, 6), bool)


def flat(*rgb):
    return np.full((6, 6, 3), rgb, np.uint8)


def middle():
    area = NOWHERE.copy()
    area[2:4, 2:4] = True
    return area


def test_psnr_of_a_difference_of_one_level_is_48_db():
    assert psnr(flat(10, 10, 10), flat(11, 11, 11), EVERYWHERE) == pytest.approx(48.1308, abs=1e-4)


def test_psnr_of_black_against_white_is_0_db():
    assert psnr(flat(0, 0, 0), flat(255, 255, 255), EVERYWHERE) == 0


def test_equal_pictures_have_the_cap_and_an_empty_area_has_no_psnr():
    assert psnr(flat(7, 8, 9), flat(7, 8, 9), EVERYWHERE) == PSNR_CAP
    assert psnr(flat(7, 8, 9), flat(7, 8, 9), NOWHERE) is None


def test_psnr_sees_only_its_area():
    picture = flat(50, 50, 50)
    picture[0] = 255

    assert psnr(picture, flat(50, 50, 50), middle()) == PSNR_CAP


def test_lab_of_white_red_and_black_is_as_published():
    picture = np.array([[(255, 255, 255), (255, 0, 0), (0, 0, 0)]], np.uint8)

    np.testing.assert_allclose(
        lab(picture)[0], [(100, 0, 0), (53.24, 80.09, 67.20), (0, 0, 0)], atol=0.1
    )


def test_white_and_black_are_100_apart_and_equal_colours_0():
    assert mean_colour_difference(flat(255, 255, 255), flat(0, 0, 0), EVERYWHERE) == pytest.approx(
        100, abs=0.1
    )
    assert mean_colour_difference(flat(90, 60, 50), flat(90, 60, 50), middle()) == 0
    assert mean_colour_difference(flat(1, 2, 3), flat(1, 2, 3), NOWHERE) is None


def test_colours_that_change_places_keep_their_mean():
    picture = flat(200, 150, 120)
    picture[:3] = 30

    assert mean_colour_difference(picture, picture[::-1], EVERYWHERE) == pytest.approx(0, abs=1e-4)


def test_the_step_across_an_edge_is_the_squares_contrast():
    picture = flat(100, 100, 100)
    picture[middle()] = 130

    assert edge_step(picture, middle()) == 30
    assert edge_step(flat(100, 100, 100), middle()) == 0
    assert edge_step(picture, EVERYWHERE) is None


def test_a_pasted_square_has_a_seam_and_the_reference_itself_none():
    reference, pasted = flat(100, 100, 100), flat(100, 100, 100)
    pasted[middle()] = 130

    assert seam_ratio(pasted, reference, middle()) == pytest.approx(30.5 / 0.5)
    assert seam_ratio(pasted, pasted, middle()) == 1


def test_joints_that_are_a_tenth_of_the_hand_away_have_an_error_of_10_percent():
    truth = np.array([(0, 0, 5), (50, 100, 5)], np.float32)
    found = truth + np.array([6, 8, 99], np.float32)

    assert keypoint_error(found, truth) == pytest.approx(10)
    assert keypoint_error(truth, truth) == 0


def test_pixels_changed_outside_are_counted_and_those_inside_are_not():
    before, after = flat(1, 1, 1), flat(1, 1, 1)
    after[2, 2, 0] = after[0, 0, 1] = after[5, 5] = 9

    assert count_changed_outside(after, before, middle()) == 2
    assert count_changed_outside(after, before, EVERYWHERE) == 0


def test_the_interval_of_equal_values_is_a_point_and_of_none_nothing():
    interval = bootstrap([3.0, 3.0, 3.0])

    assert (interval.mean, interval.low, interval.high, interval.count) == (3, 3, 3, 3)
    assert bootstrap([]) is None


def test_the_interval_of_normal_values_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(5, 2, 400)

    interval = bootstrap(values.tolist())

    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.12)


@settings(max_examples=25)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
def test_the_mean_lies_in_the_values_range_and_the_interval_repeats(values):
    interval = bootstrap(values)

    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval == bootstrap(values)
