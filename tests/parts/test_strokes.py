from __future__ import annotations

import numpy as np
import pytest

from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import Crop
from realishuman.imaging.masks import Masks
from realishuman.parts.strokes import Stroke, touch_up

CROP = Crop(Box(100, 50, 150, 100), 100)  # two crop pixels for one of the picture


@pytest.fixture
def masks():
    """m_d is 60 pixels wide in the middle, m_e 20."""
    m_d, m_e = (np.zeros((100, 100), bool) for _ in range(2))
    m_d[20:80, 20:80] = True
    m_e[40:60, 40:60] = True
    return Masks(m=m_e.copy(), m_d=m_d, m_e=m_e, m_f=m_d & ~m_e)


def test_a_stroke_adds_around_its_way_and_nowhere_else(masks):
    drawn = touch_up(masks, CROP, [Stroke(True, 2.0, ((105.0, 55.0), (145.0, 55.0)))])

    new = drawn.m_d & ~masks.m_d
    rows, columns = np.nonzero(new)
    assert abs(rows.min() - 6) <= 1
    assert abs(rows.max() - 14) <= 1  # 2 pixels of the picture on each side of y = 55
    assert columns.min() <= 10
    assert columns.max() >= 89
    assert (drawn.m_d | ~masks.m_d).all()
    np.testing.assert_array_equal(drawn.m_e, masks.m_e)
    np.testing.assert_array_equal(drawn.m_f, drawn.m_d & ~drawn.m_e)


def test_a_click_that_takes_away_leaves_a_hole_also_in_m_e(masks):
    drawn = touch_up(masks, CROP, [Stroke(False, 3.0, ((125.0, 75.0),))])

    assert not drawn.m_d[50, 50]
    assert not drawn.m_e[50, 50]
    hole = masks.m_d & ~drawn.m_d
    assert hole.sum() == pytest.approx(np.pi * 6**2, rel=0.2)
    np.testing.assert_array_equal(drawn.m, masks.m)


def test_later_strokes_win_and_none_changes_nothing(masks):
    take, add = (Stroke(adds, 3.0, ((125.0, 75.0),)) for adds in (False, True))

    both = touch_up(masks, CROP, [take, add])

    assert both.m_d[50, 50]
    assert touch_up(masks, CROP, []) is masks


def test_a_stroke_far_outside_of_the_crop_is_not_seen(masks):
    far = Stroke(True, 5.0, ((9e5, 9e5), (-9e5, 9e5)))

    np.testing.assert_array_equal(touch_up(masks, CROP, [far]).m_d, masks.m_d)
