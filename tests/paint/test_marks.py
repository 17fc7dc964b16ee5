"""Nails and creases on the template at rest."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.mesh.hand_template import hand_template
from realishuman.paint.marks import draw_marks, resting_normals
from realishuman.paint.scene import PALM, finger_of_vertices

POINTS = hand_template().vertices.astype(np.float32)
TIPS = hand_template().landmarks[4::4]
LIGHT, DARK = 70.0, 30.0


@pytest.fixture(scope="module")
def marks():
    return draw_marks(POINTS, resting_normals(), LIGHT)


def near(place, reach):
    return np.linalg.norm(POINTS - place, axis=1) < reach


def test_palm_and_back_of_the_hand_stay_plain(marks):
    palm = finger_of_vertices() == PALM
    knuckles = np.linalg.norm(POINTS[:, None] - hand_template().landmarks[None, 1:], axis=2).min(1)

    np.testing.assert_allclose(marks[palm & (knuckles > 0.03)], 1, atol=0.02)


@pytest.mark.parametrize("finger", range(5))
def test_each_finger_has_a_nail_on_its_back_and_none_below(finger):
    back = resting_normals()[:, 0] > 0.5  # of the four fingers, x is out of the back
    end = near(TIPS[finger], 0.012)
    dark, light = (draw_marks(POINTS, resting_normals(), tone) for tone in (DARK, LIGHT))

    # a nail on dark skin is lighter, which nothing else is
    if finger:
        assert dark[end & back].max() > 1.3
        assert dark[end & (resting_normals()[:, 0] < -0.5)].max() < 1.05
    else:  # the thumb is turned
        assert dark[end].max() > 1.3
    assert light.max() < dark.max()


@pytest.mark.parametrize("landmark", [6, 10, 14, 18])
def test_a_crease_crosses_a_finger_at_its_joint(landmark, marks):
    joint = hand_template().landmarks[landmark]
    along = hand_template().landmarks[landmark + 1] - joint
    step = along / np.linalg.norm(along) * np.linspace(-0.008, 0.008, 81)[:, None]
    points = (joint + step).astype(np.float32)
    inwards = np.tile(np.float32([-1, 0, 0]), (81, 1))

    line = draw_marks(points, inwards, LIGHT)[:, 1]

    assert line.argmin() == 40
    assert line.min() < 0.9
    assert line[[0, -1]].min() > 0.97


@pytest.mark.parametrize(("landmark", "creases"), [(6, 2), (7, 1), (18, 2), (19, 1)])
def test_middle_joints_have_a_second_crease(landmark, creases):
    joint = hand_template().landmarks[landmark]
    along = hand_template().landmarks[landmark + 1] - joint
    step = along / np.linalg.norm(along) * np.linspace(-0.001, 0.005, 61)[:, None]
    inwards = np.tile(np.float32([-1, 0, 0]), (61, 1))

    line = draw_marks((joint + step).astype(np.float32), inwards, LIGHT)[:, 1]

    dark = np.flatnonzero(line < 0.95)
    assert 1 + (np.diff(dark) > 1).sum() == creases


def test_marks_are_finite_and_within_reason_anywhere():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 10.0 ** rng.integers(-3, 3, (500, 1)), (500, 3)).astype(np.float32)
    normals = rng.normal(0, 1, (500, 3)).astype(np.float32)

    factors = draw_marks(points, normals, 50.0)

    assert np.isfinite(factors).all()
    assert (factors > 0.4).all()
    assert (factors < 2.5).all()
