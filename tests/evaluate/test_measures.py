from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.evaluate.measures import measure, third
from realishuman.evaluate.metrics import PSNR_CAP, psnr
from realishuman.evaluate.pairs import BASELINES, Method, Repair, do_nothing, perfect, true_part
from realishuman.evaluate.scorer import Score

NOTHING, PERFECT = BASELINES


def spill(pairs):
    """Paints hands black and claims to have changed nothing."""
    return [
        Repair(np.where(p.mask[..., None], 0, p.malformed), None, np.zeros_like(p.mask), True)
        for p in pairs
    ]


def test_a_perfect_repair_has_every_perfect_number(pair, detector):
    found, _ = measure(pair, 3, PERFECT, perfect([pair])[0], detector)

    assert (found.psnr_changed, found.psnr_hand) == (PSNR_CAP, PSNR_CAP)
    assert (found.delta_e, found.seam, found.outside, found.keypoints) == (0, 1, 0, 0)
    assert found.halo == 0
    assert (found.detected, found.confidence, found.seed) == (True, 0.9, 3)


def test_doing_nothing_has_the_inputs_numbers(pair, detector):
    found, _ = measure(pair, 0, NOTHING, do_nothing([pair])[0], detector)

    assert found.psnr_changed == psnr(pair.malformed, pair.clean, pair.changed)
    assert 5 < found.psnr_changed < 30
    assert (found.seam, found.halo) == (None, None)
    assert found.outside == 0


def test_a_repair_that_spills_is_counted_pixel_by_pixel(pair, detector):
    found, _ = measure(pair, 0, Method("spills", "", spill), spill([pair])[0], detector)

    assert found.outside == (pair.malformed[pair.mask] != 0).any(axis=1).sum() > 100


def test_the_scorer_is_shown_the_true_mesh_and_the_one_that_was_followed(pair, detector):
    other = replace(pair.mesh, vertices=pair.mesh.vertices + 1)
    (repair,) = do_nothing([pair])

    def score(picture, part, mesh):
        malformed = 0.9 if mesh is other else 0.1
        return Score(malformed, 5, np.array([malformed], np.float32))

    told, given = measure(pair, 0, NOTHING, repair, detector, score)
    asked, also = measure(
        pair, 0, NOTHING, replace(repair, followed=(true_part(pair), other)), detector, score
    )
    assert (told.malformed, told.as_asked) == (0.1, None)
    assert (asked.malformed, asked.as_asked) == (0.1, 0.9)
    assert given.features == also.features == np.float32(0.1)


def test_the_mesh_that_was_followed_is_held_against_the_true_joints(pair, detector):
    longer = np.ptp(pair.joints[:, :2], axis=0).max()
    beside = replace(pair.mesh, joints=pair.joints + np.array([0.1 * longer, 0, 7], np.float32))
    (nothing,) = do_nothing([pair])

    def error(repair):
        return measure(pair, 0, NOTHING, repair, detector)[0].mesh_error

    assert error(nothing) is None
    assert error(replace(nothing, followed=(true_part(pair), beside))) == pytest.approx(10)
    exact = replace(pair.mesh, joints=pair.joints)
    assert error(replace(nothing, followed=(true_part(pair), exact))) == 0


def test_a_hand_seen_elsewhere_or_too_unsurely_is_not_detected(pair, shown_hand):
    elsewhere = shown_hand(pair.joints * 0.1)
    unsure = shown_hand(pair.joints, score=0.4)

    for detector in (elsewhere, unsure):
        found, _ = measure(pair, 0, NOTHING, do_nothing([pair])[0], detector)
        assert (found.detected, found.keypoints) == (False, None)


def test_the_thirds_of_skin_tones_are_dark_middle_light():
    assert [third(tone) for tone in (-65, -23, -22, 20, 21, 63)] == [
        "dark", "dark", "middle", "middle", "light", "light",
    ]  # fmt: skip
