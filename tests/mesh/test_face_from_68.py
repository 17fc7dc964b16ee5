"""The canonical face is laid over 68 keypoints by turning, scaling and moving it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.mesh.embedded_face import EmbeddedFace, face_template
from realishuman.mesh.face_from_68 import FIRST, LANDMARKS_OF, place

CANONICAL = face_template().vertices


def keypoints(landmarks):
    """68 keypoints (68, 3) without depth that lie on these landmarks; the jaw is anywhere."""
    points = np.full((68, 3), 1000.0)
    points[FIRST:] = landmarks[list(LANDMARKS_OF)]
    points[:, 2] = 0
    return points.astype(np.float32)


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.3, -0.2, 0.1), (-0.2, 0.6, 2.5)])
def test_a_face_that_was_turned_scaled_and_moved_is_found_again(angles):
    turned = 11 * CANONICAL @ cv2.Rodrigues(np.array(angles, np.float64))[0].T
    seen = turned + np.array([300, 200, 0])

    placed = place(CANONICAL, keypoints(seen))

    np.testing.assert_allclose(placed[:, :2], seen[:, :2], atol=1e-3)
    apart = placed[:, 2] - seen[:, 2]
    np.testing.assert_allclose(apart, apart.mean(), atol=1e-3)


def test_left_stays_left():
    points = keypoints(CANONICAL)

    assert points[36, 0] < points[45, 0]  # outer corners of the eyes
    assert points[48, 0] < points[54, 0]  # corners of the mouth
    assert points[27, 1] < points[33, 1] < points[57, 1]  # nose to lower lip, downwards


def test_a_mesh_of_68_keypoints_is_that_of_the_landmarks_they_lie_on():
    landmarks = (CANONICAL * 12 + [200, 220, 0]).astype(np.float32)
    few, many = (
        EmbeddedFace().regress(
            np.zeros((1, 1, 3), np.uint8), [Part("face", None, around(points), 1.0, points)]
        )[0]
        for points in (keypoints(landmarks), landmarks)
    )

    np.testing.assert_array_equal(few.faces, many.faces)
    np.testing.assert_allclose(few.vertices[:, :2], many.vertices[:, :2], atol=0.01)
