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
from realishuman.mesh.embedded_hand import EmbeddedHand, metric, surface
from realishuman.mesh.hand_contact import contacts
from realishuman.mesh.hand_fit import Trust, fit
from realishuman.mesh.hand_joints import NUMBERS, HandPose, derivative, landmarks, move, step, turns
from realishuman.mesh.hand_template import BEND, hand_template
from realishuman.render.raster import rasterise

TEMPLATE = hand_template()
REST = HandPose(np.eye(3), TEMPLATE.landmarks[0], 0.0, np.zeros((5, 4, 3)), np.zeros((5, 4)))
# Fingers up, back of the hand to the viewer: rest x (out of the back) to -z, rest y to +y.
UPRIGHT = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
PIXELS = 1500.0  # per metre


def pose_of(seed, share=0.6):
    """A hand somewhere within `share` of what its joints can do, seen from somewhere in front."""
    rng = np.random.default_rng(seed)
    low, high = TEMPLATE.limits.low, TEMPLATE.limits.high
    middle, half = (low + high) / 2, (high - low) / 2
    tilt = turns(np.array([0.6, 0.8, 0.0]), np.array(rng.uniform(-0.7, 0.7)))
    return HandPose(
        rotation=tilt @ UPRIGHT,
        wrist=np.array([0.3, 0.4, 0.05]),
        size=float(rng.uniform(-0.1, 0.1)),
        angles=middle + share * half * rng.uniform(-1, 1, half.shape),
        lengths=rng.uniform(-0.03, 0.03, (5, 4)),
    )


def points_of(pose):
    return landmarks(pose, move(TEMPLATE, pose))


def part_of(points, side="right"):
    """A part whose landmarks (21, 3) are given in metres."""
    keypoints = (points * PIXELS).astype(np.float32)
    world = (points - points.mean(0)).astype(np.float32)
    return Part("hand", side, around(keypoints), 1.0, keypoints, world)


def mesh_of(part):
    return EmbeddedHand().regress(np.zeros((1, 1, 3), np.uint8), [part])[0]


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def bone_lengths(points):
    fingers = points[1:].reshape(5, 4, 3)
    starts = np.concatenate([np.tile(points[:1], (5, 1, 1)), fingers[:, :-1]], axis=1)
    return np.linalg.norm(fingers - starts, axis=-1)


def proportions(points):
    """Bone lengths over the template's, over their median."""
    ratio = bone_lengths(points) / bone_lengths(TEMPLATE.landmarks)
    return ratio / np.median(ratio)


def hand_length(points):
    return np.ptp(points[:, :2], axis=0).max()


def test_the_template_is_closed_and_its_faces_point_outwards():
    faces = TEMPLATE.faces
    edges = {tuple(e) for pair in ([0, 1], [1, 2], [2, 0]) for e in faces[:, pair].tolist()}

    assert len(edges) == 3 * len(faces)
    assert {(b, a) for a, b in edges} == edges
    assert volume(TEMPLATE.vertices, faces) > 1e-4  # a hand has 0.1 litres at the least


def test_every_vertex_hangs_on_its_bones_entirely():
    np.testing.assert_allclose(TEMPLATE.weights.sum(1), 1, atol=1e-12)
    assert TEMPLATE.weights.min() >= 0


def test_the_rest_pose_leaves_the_surface_and_the_landmarks_at_rest():
    vertices, points = surface(TEMPLATE, REST, thickness=1.0)

    np.testing.assert_allclose(vertices, TEMPLATE.vertices, atol=1e-12)
    np.testing.assert_allclose(points, TEMPLATE.landmarks, atol=1e-12)


def test_bending_a_finger_brings_its_tip_to_the_palm():
    """The palm is at -x of the rest frame; every finger curls that way, the thumb forward."""
    for finger in range(1, 5):
        angles = np.zeros((5, 4, 3))
        angles[finger, 1:, BEND] = np.radians([60, 60, 40])

        moved = points_of(replace(REST, angles=angles))

        assert moved[4 + 4 * finger, 0] < TEMPLATE.landmarks[4 + 4 * finger, 0] - 0.03


def test_the_derivative_is_that_of_the_landmarks():
    pose = pose_of(3)
    slope = derivative(pose, move(TEMPLATE, pose))
    tiny = 1e-6

    for number in range(NUMBERS):
        change = np.zeros(NUMBERS)
        change[number] = tiny
        difference = (points_of(step(pose, change)) - points_of(step(pose, -change))) / (2 * tiny)
        np.testing.assert_allclose(slope[:, :, number], difference, atol=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_a_known_pose_is_found_again(seed):
    """The prior pulls a little: 1 % of the hand on average in the picture, 10 degrees of bend."""
    pose = pose_of(seed)
    target = points_of(pose)

    found = fit(TEMPLATE, target)

    off = np.linalg.norm((points_of(found) - target)[:, :2], axis=1)
    assert off.mean() < 0.01 * hand_length(target)
    bends = np.degrees(np.abs(found.angles - pose.angles))[:, 1:, BEND]
    assert bends.mean() < 10


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_landmarks_joints_stay_within_their_limits(seed):
    noise = np.random.default_rng(seed).normal(0, 0.05, (21, 3))

    found = fit(TEMPLATE, noise)

    assert (found.angles >= TEMPLATE.limits.low - 1e-9).all()
    assert (found.angles <= TEMPLATE.limits.high + 1e-9).all()
    assert np.abs(found.lengths).max() <= 0.14 + 1e-9
    assert np.isfinite(points_of(found)).all()


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    points = points_of(pose_of(1))
    right, left = mesh_of(part_of(points)), mesh_of(part_of(points * [-1, 1, 1], "left"))

    np.testing.assert_allclose(left.vertices, right.vertices * [-1, 1, 1], atol=1e-2)
    np.testing.assert_allclose(left.joints, right.joints * [-1, 1, 1], atol=1e-2)
    assert volume(left.vertices, left.faces) > 0
    assert volume(right.vertices, right.faces) > 0


def test_a_larger_shifted_picture_gives_the_same_hand_larger_and_shifted():
    part = part_of(points_of(pose_of(2)))
    moved = replace(part, keypoints=part.keypoints * np.float32(3) + np.float32([50, -20, 0]))

    small, large = mesh_of(part), mesh_of(moved)

    shape = small.vertices - small.vertices[0]
    np.testing.assert_allclose(large.vertices - large.vertices[0], 3 * shape, atol=0.05)
    shift = large.joints[:, :2] - 3 * small.joints[:, :2]
    np.testing.assert_allclose(shift, np.tile([50, -20], (21, 1)), atol=0.05)


@pytest.mark.parametrize("finger", [1, 2, 3, 4])
def test_a_stretched_finger_gets_a_plausible_length_and_leaves_the_others_alone(finger):
    good = points_of(pose_of(5, share=0.3))
    bad, base = good.copy(), 1 + 4 * finger
    bad[base + 1 : base + 4] = good[base] + 1.5 * (good[base + 1 : base + 4] - good[base])
    others = np.delete(np.arange(21), np.arange(base, base + 4))

    fitted, honest = mesh_of(part_of(bad)).joints / PIXELS, mesh_of(part_of(good)).joints / PIXELS

    assert proportions(bad)[finger, 1:].max() > 1.45
    assert np.abs(proportions(fitted) - 1).max() < 0.2
    off = np.linalg.norm((fitted - honest)[others, :2], axis=1)
    assert off.mean() < 0.02 * hand_length(good)


@pytest.mark.parametrize("degrees", [40, -40])
def test_a_finger_bent_sideways_at_its_middle_joint_is_straightened(degrees):
    good = points_of(replace(REST, rotation=UPRIGHT))
    target = good.copy()
    turn = turns(np.array([0.0, 0.0, 1.0]), np.radians(degrees))
    target[11:13] = good[10] + (good[11:13] - good[10]) @ turn.T

    def sideways(points):
        """Angle in the plane of the palm between the first two bones of the middle finger."""
        first, second = np.diff(points[[9, 10, 11], :2], axis=0)
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        return np.degrees(np.arccos(np.clip(cosine, -1, 1)))

    fitted = points_of(fit(TEMPLATE, target))

    assert sideways(target) > 35
    assert sideways(fitted) < 15  # a finger of the template has 2 of its own
    assert np.abs(proportions(fitted) - 1).max() < 0.2


def test_one_landmark_far_away_does_not_drag_the_hand():
    good = points_of(pose_of(4, share=0.3))
    bad = good.copy()
    bad[8, :2] += [0.2, -0.1]  # the index fingertip, by more than the hand's length
    others = np.delete(np.arange(21), [5, 6, 7, 8])

    fitted, honest = points_of(fit(TEMPLATE, bad)), points_of(fit(TEMPLATE, good))

    off = np.linalg.norm((fitted - honest)[others, :2], axis=1)
    assert off.mean() < 0.02 * hand_length(good)


def crossed():
    """Landmarks whose thumb lies inside the index finger, towards its back."""
    points = points_of(replace(REST, rotation=UPRIGHT))
    points[3:5] = points[6] + [[-0.012, 0.02, -0.012], [0.0, 0.0, -0.012]]
    return points


def test_a_thumb_inside_a_finger_is_moved_to_the_palms_side():
    found = fit(TEMPLATE, crossed())
    points = points_of(found)

    ahead = (points[4] - points[6]) @ (found.rotation @ [-1.0, 0.0, 0.0])
    off = np.linalg.norm((points - crossed())[:, :2], axis=1)

    assert ahead > 0.013  # half a thumb and half a finger; 0.008 without the contact term
    assert off.mean() < 0.02 * hand_length(points)


def test_the_depth_of_a_contact_shrinks_as_its_derivative_says():
    pose = fit(TEMPLATE, crossed(), Trust(contact=100.0))  # contacts all but ignored

    def touching(pose):
        placed = move(TEMPLATE, pose)
        return contacts(pose, landmarks(pose, placed), derivative(pose, placed))

    depth, slope = touching(pose)
    change = -1e-5 * slope[depth.argmax()]
    change[:7] = 0  # the hand itself stays: the normal turns with it
    after, _ = touching(step(pose, change))

    assert depth.max() > 0.005
    assert after.max() < depth.max()


def test_without_metric_landmarks_the_depth_of_the_picture_serves():
    part = part_of(points_of(pose_of(1, share=0.3)))

    mesh = mesh_of(replace(part, world=None))

    off = np.linalg.norm((mesh.joints - part.keypoints)[:, :2], axis=1)
    assert off.mean() < 0.02 * part.box.longer_side
    assert np.isfinite(mesh.vertices).all()


def test_a_stretched_finger_does_not_change_the_scale():
    part = part_of(points_of(pose_of(1, share=0.3)))
    keypoints = part.keypoints.copy()
    keypoints[8, :2] += 200

    _, scale = metric(0, replace(part, keypoints=keypoints))

    assert scale == pytest.approx(PIXELS, rel=0.03)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: replace(p, keypoints=np.full((21, 3), 7, np.float32)), "one point"),
        (lambda p: replace(p, world=np.zeros((21, 3), np.float32)), "one point"),
        (lambda p: replace(p, keypoints=p.keypoints * np.float32(np.nan)), "not finite"),
        (lambda p: replace(p, world=p.world * np.float32(np.inf)), "not finite"),
        (lambda p: replace(p, kind="face", keypoints=np.ones((468, 3), np.float32)), "a face"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # inf * 0 while making the case
def test_landmarks_that_are_no_hand_are_refused_by_name(change, says):
    part = part_of(points_of(pose_of(0)))

    with pytest.raises(ModelError, match=says):
        mesh_of(change(part))


def test_no_parts_give_no_meshes():
    assert EmbeddedHand().regress(np.zeros((4, 4, 3), np.uint8), []) == []


def _reference(render, box):
    """The rendered hand that the box lies on."""
    _, labels = cv2.connectedComponents((render.max(2) > 0).astype(np.uint8))
    x0, y0, x1, y1 = (max(round(v), 0) for v in (box.x0, box.y0, box.x1, box.y1))
    counts = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=2)
    counts[0] = 0
    return labels == counts.argmax()


def test_hands_of_the_samples_look_like_the_published_renders(samples):
    """Mean silhouette IoU 0.83 at least, and landmarks stay where they are."""
    overlaps, moved = [], []
    detector = EmbeddedDetector()
    for file in sorted((samples / "image").iterdir()):
        picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        render = cv2.imread(str(samples / "hamer" / file.name))
        parts = detector.detect(picture, ("hand",), confidence=0.5)
        for part, mesh in zip(parts, EmbeddedHand().regress(picture, parts), strict=True):
            vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
            ours = rasterise(vertices, faces, *picture.shape[:2]).coverage.numpy()
            theirs = _reference(render, part.box)
            overlaps.append((ours & theirs).sum() / (ours | theirs).sum())
            off = np.linalg.norm((mesh.joints - part.keypoints)[:, :2], axis=1)
            moved.append(off.mean() / part.box.longer_side)

    assert len(overlaps) == 6
    assert np.mean(overlaps) > 0.83
    assert np.mean(moved) < 0.02
