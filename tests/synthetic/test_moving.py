"""A synthetic hand that moves: smoothly, with a defect that comes and goes."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.synthetic.moving import moving_hand

SIDE = 64


@pytest.fixture(scope="module")
def clip():
    return list(moving_hand(4, 6, SIDE, "bent finger"))


def test_it_moves_smoothly(clip):
    joints = np.array([one.joints[:, :2] for one in clip])
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=2).mean(axis=1)

    assert steps.min() > 0.1
    assert steps.max() < 0.06 * SIDE
    assert len({one.part for one in clip}) == len({one.tone for one in clip}) == 1


def test_what_is_wrong_changes_from_frame_to_frame(clip):
    sizes = [int(one.changed.sum()) for one in clip]

    assert max(sizes) > 20
    assert len(set(sizes)) > 3
    for one in clip:
        assert np.array_equal(one.clean[~one.changed], one.malformed[~one.changed])


def test_a_seed_is_one_clip_for_ever(clip):
    first = next(moving_hand(4, 6, SIDE, "bent finger"))

    assert np.array_equal(first.malformed, clip[0].malformed)
