"""Which fingers of a malformed hand are called wrong."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.synthetic.sample import sample
from realishuman.synthetic.wrong import mark_wrong_fingers

SIZE = 200


def fan(length=100.0):
    """Landmarks of a hand whose five fingers point apart, from a wrist at the bottom."""
    angles = np.radians([-60, -30, 0, 30, 60])
    ways = np.column_stack([np.sin(angles), -np.cos(angles)])
    steps = np.array([0.4, 0.6, 0.8, 1.0])[:, None] * length
    fingers = np.concatenate([way * steps for way in ways])
    return np.vstack([np.zeros(2), fingers]) + np.array([SIZE / 2, SIZE * 0.8])


def around(points, radius):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    far = [np.hypot(columns - x, rows - y) for x, y in points]
    return np.min(far, axis=0) < radius


def test_nothing_is_wrong_where_nothing_differs():
    assert not mark_wrong_fingers(np.zeros((SIZE, SIZE), bool), fan(), fan()).any()


@pytest.mark.parametrize("finger", range(5))
def test_a_finger_is_wrong_where_it_should_be_and_where_it_is(finger):
    good = fan()
    seen = good.copy()
    # found below the wrist, where nothing differs
    seen[1 + 4 * finger : 5 + 4 * finger] = good[0] + np.array([[0, 8], [0, 14], [0, 20], [0, 26]])
    there = around(good[2 + 4 * finger : 5 + 4 * finger], 8)

    expected = np.arange(5) == finger
    np.testing.assert_array_equal(mark_wrong_fingers(there, good, good), expected)
    np.testing.assert_array_equal(mark_wrong_fingers(there, good, seen), expected)
    np.testing.assert_array_equal(mark_wrong_fingers(there, seen, good), expected)


def test_a_finger_that_only_swelled_is_wrong_by_its_outline():
    good = fan()
    finger = good[10:13]
    middle = np.linspace(finger[0], finger[-1], 20)
    outline = around(middle, 9) & ~around(middle, 4)

    assert mark_wrong_fingers(outline, good, good).tolist() == [False, False, True, False, False]


def test_a_bent_finger_of_a_rendered_pair_is_found():
    counts = []
    for seed in range(1_000_000_000, 1_000_000_004):
        pair = sample(seed, 160, "bent finger")
        counts.append(mark_wrong_fingers(pair.changed, pair.joints, pair.joints).sum())

    assert all(1 <= count <= 4 for count in counts)
