"""Frames as planes: colours as players show them, and changes that leave all else exact."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.imaging.boxes import Box
from realishuman.video.planes import Planes, guess_matrix, planes_of, to_differences
from tests.video.clips import picture

ORANGE = np.array([230, 120, 20])


def as_planes(rgb, bits, matrix, full, factors):
    """A picture whose every colour is constant over a chroma sample, converted by hand."""
    signals = rgb.astype(float) / 255 @ to_differences(matrix).T.astype(float)
    scale = 2.0 ** (bits - 8)
    luma, chroma = (255 * scale, 255 * scale) if full else (219 * scale, 224 * scale)
    if full:
        luma = chroma = 2**bits - 1
    values = [signals[..., 0] * luma + (0 if full else 16 * scale)]
    for k in (1, 2):
        values.append(signals[:: factors[0], :: factors[1], k] * chroma + 128 * scale)
    kind = np.uint8 if bits == 8 else np.uint16
    return Planes(tuple(np.rint(v).astype(kind) for v in values), bits, matrix, full)


CASES = [(8, 1, False, (2, 2)), (8, 6, True, (2, 2)), (10, 9, False, (2, 2)), (8, 1, False, (1, 2)),
         (12, 9, True, (1, 1))]  # fmt: skip


@pytest.mark.parametrize(("bits", "matrix", "full", "factors"), CASES)
def test_colours_come_out_as_they_went_in(bits, matrix, full, factors):
    rgb = np.broadcast_to(ORANGE.astype(np.uint8), (6, 8, 3))

    assert np.abs(as_planes(rgb, bits, matrix, full, factors).rgb().astype(int) - ORANGE).max() <= 2


def test_white_in_limited_range_is_235_by_the_standard():
    planes = planes_of(np.full((4, 4, 3), 255, np.uint8)).to_differences(halved=True)

    assert [np.unique(one).tolist() for one in planes.values] == [[235], [128], [128]]


@pytest.mark.parametrize(("bits", "matrix", "full", "factors"), CASES)
def test_a_change_arrives_and_all_else_keeps_its_values(bits, matrix, full, factors):
    before = as_planes(picture(1, (15, 21)), bits, matrix, full, factors)
    shown = before.rgb()
    wanted = shown.copy()
    wanted[4:10, 5:12] = (180, 90, 60)
    place = Box(5, 4, 12, 10)

    after = before.with_change(place, shown[4:10, 5:12], wanted[4:10, 5:12])

    inside = np.abs(after.rgb().astype(int) - wanted)[5:9, 7:10]
    assert inside.max() <= 14  # colours of half the resolution
    assert np.median(inside) <= 3
    for old, new in zip(before.values, after.values, strict=True):
        row, column = (-(-whole // part) for whole, part in zip((15, 21), old.shape, strict=True))
        outside = np.ones(old.shape, bool)
        outside[4 // row : -(-10 // row), 5 // column : -(-12 // column)] = False
        assert np.array_equal(old[outside], new[outside])


def test_a_change_of_nothing_changes_nothing():
    before = as_planes(picture(1, (15, 21)), 8, 1, False, (2, 2))
    rgb = before.rgb()

    after = before.with_change(Box(0, 0, 21, 15), rgb, rgb)

    assert all(np.array_equal(*each) for each in zip(before.values, after.values, strict=True))


def test_a_change_of_rgb_is_exact():
    rgb = picture(2)

    after = planes_of(rgb).with_change(Box(0, 0, 64, 48), rgb, picture(5))

    assert np.array_equal(after.rgb(), picture(5))


def test_who_names_no_matrix_is_taken_for_what_players_take_it_for():
    assert [guess_matrix(2, 1080), guess_matrix(2, 480), guess_matrix(9, 480)] == [1, 6, 9]


def test_a_turn_turns_all_planes():
    before = as_planes(picture(0, (16, 24)), 8, 1, False, (2, 2))

    assert np.array_equal(before.turn(1).rgb(), np.rot90(before.rgb()))
    assert before.turn(1).size == (24, 16)
