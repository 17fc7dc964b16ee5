"""HaMeR's hands in the picture: recorded crops and camera, mirrored left hands, closed meshes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from realishuman.detect.base import Part
from realishuman.errors import ModelError
from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import Crop
from realishuman.mesh.hamer import AT_ONCE, HamerHand
from realishuman.mesh.hamer_frame import hand_crop, hand_frame, in_picture
from realishuman.parts.draw import pose_and_mask

GOLDEN = Path(__file__).parents[1] / "golden/official/hamer.npz"
HEIGHT, WIDTH = 640, 800


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as data:
        return dict(data)


@pytest.fixture(scope="module")
def picture():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    channels = [x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), ((x + 37) ^ y) & 255]
    return np.stack(channels, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def hamer(hamer_onnx):
    return HamerHand(hamer_onnx.path, provider="cpu")


def hand(x0, y0, x1, y1, side="right"):
    box = Box(float(x0), float(y0), float(x1), float(y1))
    return Part("hand", side, box, 1.0, np.zeros((21, 3), np.float32))


@pytest.mark.parametrize("case", range(7))
def test_crops_are_those_of_the_public_definition(golden, picture, case):
    frame = hand_frame(Box(*map(float, golden["boxes"][case])), golden["right"][case] == 0)

    crop = hand_crop(picture, frame)

    assert crop.dtype == np.float32
    assert (frame.x, frame.y, frame.side) == tuple(golden["squares"][case][:3])
    # One grey level is 0.017; other versions of OpenCV round their interpolation otherwise.
    np.testing.assert_allclose(crop[:, ::16, ::16], golden["crops_stride16"][case], atol=0.04)
    np.testing.assert_allclose(crop.mean((1, 2)), golden["crop_means"][case], atol=5e-3)


@pytest.mark.parametrize("case", range(7))
def test_the_camera_is_that_of_the_public_definition(golden, case):
    """Its translation in float32; the rest of the projection is the renderer's pinhole."""
    right, move = golden["right"][case], golden["translations"][case].astype(np.float64)
    frame = hand_frame(Box(*map(float, golden["boxes"][case])), right == 0)
    points = np.linspace(-0.1, 0.1, 60, dtype=np.float32).reshape(20, 3) ** 2

    found, depth = in_picture(points, golden["cameras"][case], frame, (HEIGHT, WIDTH))

    placed = points * (1 if right else -1, 1, 1) + move
    flat = golden["squares"][case][3] * placed[:, :2] / placed[:, 2:] + (WIDTH / 2, HEIGHT / 2)
    np.testing.assert_allclose(found[:, :2], flat, atol=1e-3)
    assert depth == pytest.approx(move[2], rel=1e-6)


def test_a_crop_beside_the_picture_is_black(picture):
    black = -np.array([123.675 / 58.395, 116.28 / 57.12, 103.53 / 57.375])

    for side in (30, 900):
        crop = hand_crop(picture, hand_frame(Box(5000, 0, 5000 + side, side), False))
        assert np.allclose(crop, black[:, None, None])


def test_each_hand_lies_over_its_box(hamer, picture):
    """The fake's camera puts a hand into the middle of its crop, over half of it."""
    meshes = hamer.regress(picture, [hand(100, 100, 200, 240), hand(500, 300, 560, 420, "left")])

    for mesh, middle, side in zip(meshes, [(150, 170), (530, 360)], (280, 240), strict=True):
        assert mesh.vertices.dtype == mesh.joints.dtype == mesh.normals.dtype == np.float32
        assert mesh.faces.dtype == np.int32
        assert mesh.faces.shape == (1552, 3)
        assert mesh.joints.shape == (21, 3)
        assert np.abs(mesh.vertices[:, :2].mean(0) - middle).max() < side / 4
        assert side / 4 < np.ptp(mesh.vertices, axis=0).max() < side


def test_meshes_are_closed_and_face_outwards(hamer, picture):
    for side in ("left", "right"):
        (mesh,) = hamer.regress(picture, [hand(300, 200, 420, 380, side)])

        edges = [tuple(face[[i, (i + 1) % 3]]) for face in mesh.faces for i in range(3)]
        assert max(Counter(edges).values()) == 1
        assert {edge[::-1] for edge in edges} == set(edges)
        a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(float) for i in range(3))
        a, b, c = (corner - mesh.vertices.mean(0) for corner in (a, b, c))
        assert (np.cross(a, b) * c).sum() > 0


def test_a_left_hand_is_a_right_one_in_the_mirror(hamer, picture):
    """But for one pixel, by which the original mirrors pictures and boxes differently."""
    (right,) = hamer.regress(picture, [hand(300, 200, 420, 380)])
    box = (WIDTH - 1 - 420, 200, WIDTH - 1 - 300, 380)
    (left,) = hamer.regress(np.ascontiguousarray(picture[:, ::-1]), [hand(*box, "left")])

    mirrored = left.vertices * (-1, 1, 1) + (WIDTH - 1, 0, 0)
    np.testing.assert_allclose(mirrored, right.vertices, atol=0.05)
    assert np.array_equal(left.faces, right.faces[:, ::-1])


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_at_the_border_is_shaded_as_before_the_camera(hamer, picture, side):
    """The released renders take normals in metres; the picture's perspective tilts the surface."""
    part = hand(5, 5, 200, 260, side)
    (mesh,) = hamer.regress(picture, [part])
    crop = hand_crop(picture, hand_frame(part.box, side == "left"))

    own = hamer._session.run(crop=crop[None])["vertices"][0] * (-1 if side == "left" else 1, 1, 1)

    a, b, c = (own[mesh.faces[:, corner]] for corner in range(3))
    for vertex in (0, 400, 777):
        total = np.zeros(3)
        for place, corners in enumerate(((a, b, c), (b, c, a), (c, a, b))):
            mine = mesh.faces[:, place] == vertex
            one, two = (corners[k][mine] - corners[0][mine] for k in (1, 2))
            cross = np.cross(one, two)
            length = np.linalg.norm(cross, axis=1)
            angle = np.arctan2(length, (one * two).sum(1))
            total += (angle / length * cross.T).sum(1)
        np.testing.assert_allclose(mesh.normals[vertex], total / np.linalg.norm(total), atol=1e-4)


def test_many_hands_are_the_same_as_one_at_a_time(hamer, picture):
    parts = [hand(50 * i, 20 * i, 50 * i + 90, 20 * i + 120) for i in range(AT_ONCE + 2)]

    together = hamer.regress(picture, parts)

    assert hamer.regress(picture, []) == []
    for mesh, part in zip(together, parts, strict=True):
        (alone,) = hamer.regress(picture, [part])
        np.testing.assert_allclose(mesh.vertices, alone.vertices, atol=0.01)


@pytest.mark.parametrize(("side", "main"), [("right", 0), ("left", 1)])
def test_the_pose_image_has_the_released_colours(hamer, picture, side, main):
    part = hand(300, 200, 420, 380, side)
    (mesh,) = hamer.regress(picture, [part])
    low, high = mesh.vertices[:, :2].min(0), mesh.vertices[:, :2].max(0)
    middle, half = (low + high) / 2, float((high - low).max())
    box = Box(*(middle - half), *(middle + half))

    pose, m = pose_and_mask(mesh, part, Crop(box, 128), "released", "shaded")

    pixels = (pose * 255).round().permute(1, 2, 0).numpy()
    others = [channel for channel in range(3) if channel != main]
    assert m.sum() > 300
    assert (pixels[~m] == 0).all()
    assert pixels[m][:, main].min() >= 148
    assert pixels[m][:, others].min() >= 108
    assert pixels[m][:, others].max() <= 197
    assert torch.isfinite(pose).all()


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (replace(hand(0, 0, 5, 5), kind="face", side=None), "part 0 is a face"),
        (hand(5, 5, 5, 9), "no area"),
        (hand(5, 5, np.nan, 9), "no area"),
    ],
)
def test_what_is_no_hand_is_named(hamer, picture, part, why):
    with pytest.raises(ModelError, match=why):
        hamer.regress(picture, [part])


def test_a_hand_behind_the_camera_is_named(hamer, picture, monkeypatch):
    class Behind:
        def run(self, **inputs):
            hands = hamer._session.run(**inputs)
            return {**hands, "camera": -hands["camera"]}

    broken = HamerHand.__new__(HamerHand)
    broken._session = Behind()

    with pytest.raises(ModelError, match="hand 0 behind the camera"):
        broken.regress(picture, [hand(300, 200, 420, 380)])


def test_a_missing_network_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"hamer.onnx is missing"):
        HamerHand(tmp_path / "hamer.onnx")


def test_a_network_without_its_weights_is_named(hamer_onnx, tmp_path):
    (tmp_path / "hamer.onnx").write_bytes(hamer_onnx.path.read_bytes())

    with pytest.raises(ModelError, match=r"hamer.onnx"):
        HamerHand(tmp_path / "hamer.onnx")
