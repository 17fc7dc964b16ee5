"""Tones that are steady along a track; texture and all that was not repainted stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.video.tones import read_tones, settle, steady_tones
from tests.video.test_steady import hand

RNG = np.random.default_rng(7)
GRAIN = RNG.normal(0, 4, (200, 240, 3))


def frame(number, shade):
    """A hand that moves, all of it repainted in a shade with grain, before grey; and the grey."""
    mesh = hand(90 + 3 * number, 100).mesh
    before = np.full((200, 240, 3), 120, np.uint8)
    mask = np.zeros((200, 240), np.uint8)
    for face in mesh.vertices[mesh.faces][..., :2]:
        cv2.fillConvexPoly(mask, np.round(face).astype(np.int32), 1)
    skin = np.clip(np.array([190, 150, 130]) + shade + GRAIN, 0, 255)
    after = np.where(mask[..., None] > 0, np.rint(skin).astype(np.uint8), before)
    return mesh, before, after, mask > 0


def settled(shades, at):
    frames = [frame(n, shade) for n, shade in enumerate(shades)]
    tones = [read_tones(before, after, mesh) for mesh, before, after, _ in frames]
    steady = steady_tones(tones, np.arange(len(shades)) - at, 6)
    mesh, before, after, mask = frames[at]
    return settle(before, after, mesh, tones[at], steady), before, after, mask


def test_shades_that_come_and_go_become_one():
    shades = [0, 14, -12, 3, 9, -15, 12, -9, 2, 0, 11, -14, 6]
    means = []
    for at in range(3, 10):
        made, _, _, mask = settled(shades, at)
        inside = cv2.erode(mask.astype(np.uint8), np.ones((7, 7))) > 0
        means.append(made[inside].mean())

    assert np.std(shades[3:10]) > 8
    assert np.std(means) < 2.5


def test_one_frame_with_another_tone_is_not_believed_by_the_others():
    made, _, after, mask = settled([0, 0, 0, 0, 60, 0, 0, 0, 0], 3)

    assert np.abs(made[mask].astype(float) - after[mask]).mean() < 1


def test_texture_and_what_was_not_repainted_stay():
    made, before, after, mask = settled([0, 0, 0, 20, 0, 0, 0], 3)

    assert np.array_equal(made[~mask], before[~mask])
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))) > 0
    first, second = ((one[inside] - one[inside].mean(axis=0)).std() for one in (after, made))
    assert second == pytest.approx(first, rel=0.1)


def test_what_few_frames_show_stays():
    made, _, after, _ = settled([0, 30], 0)

    assert np.array_equal(made, after)


def test_a_hand_that_is_not_repainted_has_no_tones():
    mesh, before, _, _ = frame(0, 0)

    assert np.isnan(read_tones(before, before, mesh)).all()
    assert np.isnan(read_tones(before, before, hand(-900).mesh)).all()
