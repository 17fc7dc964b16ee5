"""Boxes: areas and overlaps with values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.imaging.boxes import Box, around, containment, hull, intersection, iou, square

A = Box(10, 20, 30, 60)  # 20 x 40


@pytest.mark.parametrize(
    ("other", "shared", "over_union", "over_smaller"),
    [
        (A, 800, 1, 1),
        (Box(20, 40, 50, 50), 100, 1 / 10, 1 / 3),  # 300 in all
        (Box(15, 30, 25, 40), 100, 1 / 8, 1),  # inside
        (Box(30, 20, 40, 60), 0, 0, 0),  # they touch
        (Box(50, 70, 60, 80), 0, 0, 0),
        (Box(40, 30, 20, 50), 0, 0, 0),  # inverted
        (Box(15, 30, 15, 40), 0, 0, 0),  # empty
    ],
)
def test_overlap(other, shared, over_union, over_smaller):
    for a, b in ((A, other), (other, A)):
        assert intersection(a, b) == shared
        assert iou(a, b) == pytest.approx(over_union)
        assert containment(a, b) == pytest.approx(over_smaller)


def test_two_empty_boxes_overlap_nowhere():
    empty = Box(5, 5, 5, 5)

    assert (iou(empty, empty), containment(empty, empty)) == (0, 0)


def test_sizes_and_places():
    assert (A.width, A.height, A.area, A.longer_side, A.centre) == (20, 40, 800, 40, (20, 40))
    assert Box(30, 20, 10, 60).area == Box(10, 60, 30, 20).area == 0
    assert hull(A, Box(0, 50, 15, 90)) == Box(0, 20, 30, 90)
    assert square(A, 1.5) == Box(-10, 10, 50, 70)
    assert around(np.array([[3, 9, 100], [7, 1, -100], [5, 5, 0]])) == Box(3, 1, 7, 9)
