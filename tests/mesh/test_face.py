from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from realishuman.detect.base import Part
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import ModelError
from realishuman.imaging.boxes import around
from realishuman.mesh.align import align
from realishuman.mesh.embedded_face import LANDMARKS, EmbeddedFace, face_template
from realishuman.mesh.hand_joints import turns
from realishuman.render.raster import rasterise

TEMPLATE = face_template()
FRONTAL = (TEMPLATE.vertices * 12 + [200, 220, 0]).astype(np.float32)  # about 190 x 210 pixels
CHIN, TOP, LEFT_SIDE = 152, 10, 454


def part_of(points):
    return Part("face", None, around(points), 1.0, points)


def mesh_of(part):
    return EmbeddedFace().regress(np.zeros((1, 1, 3), np.uint8), [part])[0]


def edges_of(faces):
    return [tuple(e) for pair in ([0, 1], [1, 2], [2, 0]) for e in faces[:, pair].tolist()]


def test_the_surface_is_open_at_its_last_ring_only():
    edges = edges_of(TEMPLATE.faces)
    open_edges = {(a, b) for a, b in edges if (b, a) not in set(edges)}

    assert len(set(edges)) == len(edges)
    assert len(open_edges) == 36
    assert min(min(edge) for edge in open_edges) == LANDMARKS + 36


def test_eyes_and_mouth_are_closed():
    """A disc without holes: vertices - edges + faces = 1."""
    edges = {tuple(sorted(edge)) for edge in edges_of(TEMPLATE.faces)}

    assert LANDMARKS + 72 - len(edges) + len(TEMPLATE.faces) == 1


def test_the_landmarks_are_the_surface():
    mesh = mesh_of(part_of(FRONTAL))

    np.testing.assert_array_equal(mesh.vertices[:LANDMARKS], FRONTAL)
    np.testing.assert_array_equal(mesh.joints, FRONTAL)


def test_the_faces_of_a_frontal_face_are_turned_to_the_viewer():
    mesh = mesh_of(part_of(FRONTAL))
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)

    assert (normals[:, 2] < 0).mean() > 0.97  # the wings of the nose and the lips overhang
    assert (normals[898:, 2] < 0).all()


def test_the_rings_reach_above_the_forehead_and_hardly_below_the_chin():
    mesh = mesh_of(part_of(FRONTAL))
    last = mesh.vertices[-36:].astype(float)
    height = float(np.ptp(FRONTAL[:, 1]))

    assert (FRONTAL[TOP, 1] - last[:, 1].min()) / height == pytest.approx(0.06, abs=0.002)
    assert (last[:, 1].max() - FRONTAL[CHIN, 1]) / height == pytest.approx(0.01, abs=0.002)
    assert last[:, 0].max() > FRONTAL[LEFT_SIDE, 0] + 0.015 * height


def test_a_turned_and_larger_face_gets_the_same_rings():
    turn = turns(np.array([0.0, 1.0, 0.0]), np.array(0.5)) @ turns(np.eye(3)[2], np.array(0.3))
    turned = (1.7 * FRONTAL.astype(np.float64) @ turn.T + [30, 10, 5]).astype(np.float32)

    straight, other = mesh_of(part_of(FRONTAL)), mesh_of(part_of(turned))

    expected = 1.7 * straight.vertices.astype(np.float64) @ turn.T + [30, 10, 5]
    np.testing.assert_allclose(other.vertices, expected, atol=0.01)


def test_align_finds_the_turn_and_the_size():
    turn = turns(np.array([0.6, 0.0, 0.8]), np.array(1.1))

    rotation, size = align(TEMPLATE.vertices, 2.5 * TEMPLATE.vertices @ turn.T + [1, 2, 3])

    np.testing.assert_allclose(rotation, turn, atol=1e-12)
    assert size == pytest.approx(2.5)


def test_align_never_mirrors():
    rotation, _ = align(TEMPLATE.vertices, TEMPLATE.vertices * [1, 1, -1])

    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (np.full((468, 3), 5, np.float32), "one point"),
        (np.full((468, 3), np.nan, np.float32), "not finite"),
        (np.ones((21, 3), np.float32), r"keypoints of shape \(21, 3\)"),
    ],
)
def test_landmarks_that_are_no_face_are_refused_by_name(points, says):
    part = replace(part_of(FRONTAL), keypoints=points)

    with pytest.raises(ModelError, match=says):
        mesh_of(part)


def test_faces_of_the_samples_look_like_the_published_renders(samples):
    """Mean silhouette IoU 0.93 at least."""
    overlaps = []
    detector = EmbeddedDetector()
    for file in sorted((samples / "image").iterdir()):
        picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        theirs = cv2.imread(str(samples / "3ddfa" / file.name)).max(2) > 0
        parts = detector.detect(picture, ("face",), confidence=0.5)
        for mesh in EmbeddedFace().regress(picture, parts):
            vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
            ours = rasterise(vertices, faces, *picture.shape[:2]).coverage.numpy()
            overlaps.append((ours & theirs).sum() / (ours | theirs).sum())

    assert len(overlaps) == 4
    assert np.mean(overlaps) > 0.93
