from __future__ import annotations

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box
from realishuman.mesh.base import Mesh
from realishuman.parts.found import number_parts

NONE = np.zeros((0, 3), np.float32)
MESH = Mesh(NONE, NONE.astype(np.int32), NONE)


def found_of(*parts):
    """Found parts of these sizes and kinds, each with the reason it is left alone."""
    made = [(Part(kind, None, Box(0, 0, s, s), 1.0, NONE), why) for s, kind, why in parts]
    return number_parts(made, [MESH] * len(made))


@pytest.mark.parametrize(
    ("count", "kept"), [(1, [2, 3]), (2, [2, 3, 4]), (3, [1, 2, 3, 4]), (0, [1, 2, 3, 4])]
)
def test_the_largest_parts_of_each_kind_stay_chosen(count, kept):
    sizes = (30, "hand", ""), (90, "face", ""), (80, "hand", ""), (50, "hand", "")

    found = found_of(*sizes).keep_largest(count)

    assert [one.number for one in found.chosen] == kept
    for one in found.parts:
        assert one.number in kept or f"not among the {count} largest" in one.reason


def test_what_is_left_alone_anyway_takes_nobodys_place_and_keeps_its_reason():
    found = found_of((30, "hand", ""), (80, "hand", "It is a foot.")).keep_largest(1)

    assert [one.reason for one in found.parts] == ["", "It is a foot."]
