"""A sentence with rounded figures reads true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.detect.parts import select
from realishuman.figures import tell_apart
from realishuman.imaging.boxes import Box
from realishuman.settings import Settings


@pytest.mark.parametrize(
    ("numbers", "percent", "told"),
    [
        ((31.2, 25.0), False, ("31", "25")),
        ((25.3, 25.0), False, ("25.3", "25.0")),
        ((25.004, 25.0), False, ("25.004", "25.000")),
        ((0.502, 0.5), True, ("50.2%", "50.0%")),
        ((0.5, 0.5), True, ("50%", "50%")),
        ((25 + 1e-12, 25), False, ("25.00000", "25.00000")),  # no reader could tell these
    ],
)
def test_figures_have_the_digits_that_tell_them_apart(numbers, percent, told):
    assert tell_apart(*numbers, percent=percent) == told


def hand(size):
    keypoints = np.zeros((21, 3), np.float32)
    return Part("hand", "right", Box(0, 0, size, size), 0.9, keypoints)


@pytest.mark.parametrize(
    ("side", "settings", "sentence"),
    [
        (19.7, Settings(min_size=20), "is only 19.7 px long; lower min_size (20.0)"),
        (99.9, Settings(min_area=0.01), "covers 0.998% of the picture; min_area is 1.000%"),
        (501, Settings(max_area=0.25), "covers 25.1% of the picture; max_area is 25.0%"),
    ],
)
def test_why_a_part_is_left_alone_reads_true(side, settings, sentence):
    [(_, reason)] = select([hand(side)], settings, (1000, 1000))

    assert sentence in reason
    assert select([hand(600)], replace(settings, max_area=1.0), (1000, 1000))[0][1] == ""
