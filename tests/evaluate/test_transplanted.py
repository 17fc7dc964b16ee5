"""The transplant's rows in a report: it repairs what is found, and says so where nothing is."""

from __future__ import annotations

import numpy as np

from realishuman.evaluate.pairs import PipelineRepair
from realishuman.evaluate.transplanted import NOTHING, TransplantRepair
from realishuman.settings import Settings

HANDS = Settings(parts=("hand",))


def test_the_true_mesh_is_followed_and_nothing_else_changes(pair, models_of):
    repair = TransplantRepair(PipelineRepair(models_of([]), HANDS, "true"))([pair])[0]

    touched = (repair.image != pair.malformed).any(axis=2)
    assert repair.refined
    assert touched.any()
    assert not touched[~repair.allowed].any()
    assert repair.followed[1].vertices.shape == pair.mesh.vertices.shape


def test_where_no_hand_is_found_the_picture_stays(pair, models_of):
    repair = TransplantRepair(PipelineRepair(models_of([]), HANDS, "estimated"))([pair])[0]

    np.testing.assert_array_equal(repair.image, pair.malformed)
    assert (repair.refined, repair.reason, repair.followed) == (False, NOTHING, None)
