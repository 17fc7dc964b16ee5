"""Which hands the transplant should not be trusted with, and that the gate says so."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from realishuman.judge import gate, trust
from realishuman.judge.trust import BEFORE_SKIN, distrust
from realishuman.mesh.base import Mesh
from realishuman.paint.fields import grow
from realishuman.synthetic.sample import sample
from tests.pictures.unusual import UNUSUAL

SEED = 11


@pytest.fixture(scope="module")
def pair():
    return sample(1_000_000_019, 256, "bent finger")


@pytest.fixture(scope="module")
def on_a_face():
    return UNUSUAL["on a face"](SEED, "")


class Malformed:
    def malformed(self, picture, part, mesh):
        return 0.99


def test_a_hand_before_a_face_is_left_alone(on_a_face):
    assert distrust(*on_a_face) == BEFORE_SKIN


def test_hands_before_other_things_are_not(pair):
    assert distrust(pair.clean, pair.mesh) == ""
    assert distrust(pair.malformed, pair.mesh) == ""


@pytest.mark.parametrize(("share", "left_alone"), [(0.8, False), (1.6, True)])
def test_only_much_skin_beside_the_hand_is_a_reason(pair, monkeypatch, share, left_alone):
    """A disc of skin, as large as this share of what is allowed."""
    look = trust.read

    def see_more(scene):
        scene, reading = look(scene)
        near = grow(scene.good.coverage | scene.seen.coverage, trust.BESIDE * scene.length)
        away = ~(near | scene.beyond)
        away[[0, -1]] = away[:, [0, -1]] = False
        free = cv2.distanceTransform(away.astype(np.uint8), cv2.DIST_L2, 5)
        row, column = np.unravel_index(free.argmax(), free.shape)
        radius = np.sqrt(share * trust.OTHER_SKIN / np.pi) * scene.length
        assert free.max() > radius
        rows, columns = np.indices(free.shape)
        disc = np.hypot(rows - row, columns - column) < radius
        return scene, replace(reading, hand=scene.seen.coverage | disc)

    monkeypatch.setattr(trust, "read", see_more)

    assert distrust(pair.clean, pair.mesh) == (BEFORE_SKIN if left_alone else "")


def test_extra_fingers_are_no_other_skin():
    extra = sample(1_000_000_007, 256, "extra finger")

    assert distrust(extra.malformed, extra.mesh) == ""


def test_a_mesh_that_does_not_lie_on_the_hand_is_not_trusted(pair):
    middle = pair.joints[[0, 5, 17]].mean(axis=0)
    turn = np.float32([[0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a quarter, about the palm
    vertices, joints = ((p - middle) @ turn.T + middle for p in (pair.mesh.vertices, pair.joints))
    mesh = replace(pair.mesh, vertices=vertices, joints=joints)

    assert distrust(pair.clean, mesh)


def test_how_far_the_mesh_must_lie_on_the_hand_is_said(pair, monkeypatch):
    monkeypatch.setattr(trust, "ALIKE", 0.99)

    said = distrust(pair.clean, pair.mesh)

    assert "does not lie on the hand" in said
    assert "at least 99% is needed" in said


def test_a_mesh_outside_the_picture_or_of_another_kind_is_no_matter_of_trust(pair):
    far = replace(pair.mesh, vertices=pair.mesh.vertices + np.float32([9000, 0, 0]))
    corners = np.zeros((3, 3), np.float32)
    other = Mesh(corners, np.array([[0, 1, 2]], np.int32), pair.joints)

    assert distrust(pair.clean, far) == distrust(pair.clean, other) == ""


def test_large_hands_are_looked_at_smaller(on_a_face, monkeypatch):
    sizes = []
    look = trust.set_scene

    def seen(picture, mesh, allowed):
        sizes.append(float(np.ptp(mesh.joints[:, :2], axis=0).max()))
        return look(picture, mesh, allowed)

    monkeypatch.setattr(trust, "set_scene", seen)
    distrust(*on_a_face)

    assert sizes == [pytest.approx(trust.WORKING, rel=0.01)]


def test_the_gate_asks_only_for_the_transplant(on_a_face):
    picture, mesh = on_a_face

    assert gate.doubt(picture, None, mesh, Malformed(), own_skin=True) == BEFORE_SKIN
    assert gate.doubt(picture, None, mesh, Malformed()) == ""


def test_the_gate_says_of_a_drawing_that_it_is_one_whatever_the_judge_thinks():
    picture, mesh = UNUSUAL["line art"](SEED, "")

    class Good:
        def malformed(self, picture, part, mesh):
            return 0.01

    assert gate.doubt(picture, None, mesh, Good(), own_skin=True) == gate.DRAWN
    assert "looks right" in gate.doubt(picture, None, mesh, Good())
