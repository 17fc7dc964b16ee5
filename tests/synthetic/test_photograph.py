"""Pairs from photographs; a rendered good hand stands in for the photograph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.mesh.hand_template import BEND, hand_template
from realishuman.synthetic.good_hand import LARGEST, fit_good_hand
from realishuman.synthetic.photograph import (
    KINDS,
    KINDS_OF_A_FIST,
    list_kinds,
    make_malformed,
    repaint,
    repose,
)
from realishuman.synthetic.sample import sample

SEED = 1_000_000_019  # an open hand


@pytest.fixture(scope="module")
def photograph():
    return sample(SEED, 256, "bent finger")


@pytest.fixture(scope="module")
def part(photograph):
    joints = photograph.joints
    return Part("hand", photograph.part, around(joints), 1.0, joints, None)


@pytest.fixture(scope="module")
def hand(photograph, part):
    found = fit_good_hand(photograph.clean, part, [])
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_defect_changes_the_hand_and_nothing_far_from_it(hand, kind):
    pairs = [make_malformed(np.random.default_rng(seed), hand, kind) for seed in range(3)]
    pair = next(one for one in pairs if one is not None)

    assert pair.kind == kind
    assert np.array_equal(pair.clean, hand.picture)
    assert np.array_equal(pair.malformed[~pair.changed], pair.clean[~pair.changed])
    rows, columns = np.nonzero(pair.changed)
    x, y = pair.joints[:, 0], pair.joints[:, 1]
    reach = hand.length
    assert rows.min() > y.min() - reach
    assert rows.max() < y.max() + reach
    assert columns.min() > x.min() - reach
    assert columns.max() < x.max() + reach


def test_a_pair_is_always_the_same(hand):
    first, second = (
        make_malformed(np.random.default_rng(1), hand, "bent finger") for _ in range(2)
    )

    assert np.array_equal(first.malformed, second.malformed)


def test_an_extra_finger_is_painted_in_the_colour_of_the_hand(hand):
    pair = make_malformed(np.random.default_rng(0), hand, "extra finger")

    grown = pair.changed & ~hand.mask
    skin = np.median(hand.picture[hand.mask], axis=0)
    nearer = np.linalg.norm(pair.malformed[grown] - skin, axis=1)
    before = np.linalg.norm(pair.clean[grown].astype(float) - skin, axis=1)
    assert pair.fingers == 6
    assert np.median(nearer) < 0.6 * np.median(before)


def test_a_hand_beside_another_or_of_a_low_score_or_off_its_mesh_is_not_used(photograph, part):
    aside = replace(part, keypoints=part.keypoints + np.float32([60, 0, 0]))
    off = np.roll(photograph.clean, 90, axis=1)

    assert fit_good_hand(photograph.clean, part, [aside]) is None
    assert fit_good_hand(photograph.clean, replace(part, score=0.5), []) is None
    assert fit_good_hand(off, part, []) is None


def test_a_large_photograph_is_cut_and_made_smaller(photograph, part):
    large = np.repeat(np.repeat(photograph.clean, 4, axis=0), 4, axis=1)
    keypoints = part.keypoints * np.float32(4)
    again = replace(part, keypoints=keypoints, box=around(keypoints))

    hand = fit_good_hand(large, again, [])

    assert max(hand.picture.shape[:2]) <= LARGEST
    joints = hand.mesh.joints[:, :2]
    inside = hand.mask[joints[:, 1].astype(int), joints[:, 0].astype(int)]
    assert inside.mean() > 0.8


def test_a_hand_of_another_size_of_picture_need_not_be_square(photograph, part):
    top = int(part.keypoints[:, 1].min()) - 4

    hand = fit_good_hand(
        np.ascontiguousarray(photograph.clean[max(top, 0) :]),
        replace(part, keypoints=part.keypoints - np.float32([0, max(top, 0), 0])),
        [],
    )

    assert hand is not None
    assert make_malformed(np.random.default_rng(2), hand, "melted") is not None


def test_a_repainted_hand_stays_the_hand(hand):
    picture = repaint(np.random.default_rng(0), hand)

    off = np.abs(picture.astype(int) - hand.picture)[hand.mask].mean()
    assert 0 < off < 12


def test_a_finger_moved_as_fingers_move_lies_where_its_joints_are_said_to_be(hand):
    picture, moves = next(filter(None, (repose(np.random.default_rng(n), hand) for n in range(5))))

    changed = np.abs(picture.astype(int) - hand.picture).max(2) > 40
    joints = hand.mesh.joints + moves
    moved = np.linalg.norm(moves[:, :2], axis=1) > 0.05 * hand.length
    assert moved.any()
    assert not moved[[0, 1, 5, 9, 13, 17]].any()  # wrist and knuckles stay
    rows, columns = np.nonzero(changed)
    for joint in joints[moved, :2]:
        assert np.hypot(columns - joint[0], rows - joint[1]).min() < 0.12 * hand.length


def test_a_fist_shows_no_wrong_bones(hand):
    angles = hand.pose.angles.copy()
    angles[1:, 1:, BEND] = hand_template().limits.high[1:, 1:, BEND]

    fist = replace(hand, pose=replace(hand.pose, angles=angles))
    assert list_kinds(hand) == KINDS
    assert list_kinds(fist) == KINDS_OF_A_FIST
