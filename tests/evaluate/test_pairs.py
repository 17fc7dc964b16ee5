from __future__ import annotations

import numpy as np

from realishuman.evaluate.measures import measure
from realishuman.evaluate.pairs import BASELINES, PipelineRepair, do_nothing, perfect
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=1, guidance=1.0)


def changed(repair, pair):
    return (repair.image != pair.malformed).any(axis=2)


def test_doing_nothing_changes_nothing_and_the_perfect_repair_is_the_truth(pair):
    np.testing.assert_array_equal(do_nothing([pair])[0].image, pair.malformed)
    np.testing.assert_array_equal(perfect([pair])[0].image, pair.clean)
    np.testing.assert_array_equal(changed(perfect([pair])[0], pair), pair.changed)


def test_with_the_true_pose_the_true_mesh_is_refined_and_nothing_else(pair, models_of, detector):
    repair = PipelineRepair(models_of([]), FAST, "true")([pair])[0]  # its detector finds nothing

    touched = changed(repair, pair)
    inside = pair.mesh.vertices[:, :2].astype(int).clip(0, len(touched) - 1)
    assert repair.refined
    assert touched[inside[:, 1], inside[:, 0]].mean() > 0.9
    assert not touched[~repair.allowed].any()
    assert measure(pair, 0, BASELINES[0], repair, detector)[0].outside == 0


def test_with_the_estimated_pose_a_hand_that_is_not_found_stays_and_the_reason_is_given(
    pair, models_of
):
    repair = PipelineRepair(models_of([]), FAST, "estimated")([pair])[0]

    np.testing.assert_array_equal(repair.image, pair.malformed)
    assert not repair.refined
    assert not repair.allowed.any()
    assert repair.stage_one is None
    assert "No part was found" in repair.reason


def test_with_the_estimated_pose_the_found_hand_is_refined(pair, models_of, flat_hand):
    hand = flat_hand(40, 50, 50)
    repair = PipelineRepair(models_of([hand]), FAST, "estimated")([pair])[0]

    assert repair.refined
    assert changed(repair, pair)[60, 40]
    assert not changed(repair, pair)[~repair.allowed].any()


def test_a_direct_paste_is_stage_one_inside_the_mesh_and_changes_no_ring(pair, models_of):
    models = models_of([])
    both = PipelineRepair(models, FAST, "true")([pair])[0]
    direct = PipelineRepair(models, FAST, "true", direct_paste=True)([pair])[0]

    np.testing.assert_array_equal(direct.image, both.stage_one)
    assert (direct.image != both.image).any()
    assert direct.allowed.sum() < both.allowed.sum()
    assert not changed(direct, pair)[~direct.allowed].any()


def test_an_unfit_part_is_kept_with_the_pipelines_own_reason(pair, models_of):
    settings = Settings(parts=("hand",), steps=1, min_size=4000)

    repair = PipelineRepair(models_of([]), settings, "true")([pair])[0]

    assert not repair.refined
    assert "min_size" in repair.reason


def test_the_same_pair_gives_the_same_pixels(pair, models_of, flat_hand):
    method = PipelineRepair(models_of([flat_hand(40, 50, 50)]), FAST, "estimated")

    np.testing.assert_array_equal(method([pair])[0].image, method([pair])[0].image)
