"""Forward kinematics of the hand: from joint angles and bone lengths to landmarks, and back.

`move` places the landmarks of a HandPose, `derivative` says how they change with each number of
the pose, `step` adds a change to a pose. Frame: that of the target points, right-handed; angles
in radians relative to the rest pose of the template.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realishuman.mesh.hand_template import Floats, HandTemplate

ROOT = 7  # numbers of a pose before its angles: rotation, wrist, size
SIZE = ROOT - 1
ANGLES = slice(ROOT, ROOT + 60)
LENGTHS = slice(ROOT + 60, ROOT + 80)
NUMBERS = ROOT + 80


@dataclass(frozen=True)
class HandPose:
    """One hand.

    rotation  (3, 3) from the rest frame of the template to the target's frame.
    wrist     (3,) position of the wrist landmark.
    size      log of target units per template metre.
    angles    (5, 4, 3) turns of each joint, relative to rest.
    lengths   (5, 4) log of each bone's length over the template's, beyond `size`.
    """

    rotation: Floats
    wrist: Floats
    size: float
    angles: Floats
    lengths: Floats


@dataclass(frozen=True)
class Placed:
    """A hand that was moved.

    ends       (5, 4, 3) landmarks at the ends of the bones.
    pivots     (5, 4, 3) points the bones turn about.
    rotations  (5, 4, 3, 3) from rest to the placed bone.
    axes       (5, 4, 3, 3) axis of turn d of joint k of finger f, where the placed joint has it.
    """

    ends: Floats
    pivots: Floats
    rotations: Floats
    axes: Floats


def turns(axes: Floats, angles: Floats) -> Floats:
    """Rotation matrices (..., 3, 3) about unit axes (..., 3) by angles (...).

    Source: Rodrigues' formula, I + sin K + (1 - cos) K^2.
    """
    cross = np.zeros((*axes.shape, 3))
    cross[..., 0, 1], cross[..., 0, 2], cross[..., 1, 2] = (
        -axes[..., 2],
        axes[..., 1],
        -axes[..., 0],
    )
    cross -= np.swapaxes(cross, -1, -2)
    sine, cosine = np.sin(angles)[..., None, None], np.cos(angles)[..., None, None]
    return np.asarray(np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross), np.float64)


def move(template: HandTemplate, pose: HandPose) -> Placed:
    """Place every bone of the hand."""
    single = turns(template.axes, pose.angles)  # (5, 4, 3 turns, 3, 3)
    first_two = single[:, :, 0] @ single[:, :, 1]
    local = first_two @ single[:, :, 2]
    reach = np.exp(pose.size + pose.lengths)[..., None] * template.offsets

    rotations, pivots, ends, axes = [], [], [], []
    before = np.broadcast_to(pose.rotation, (5, 3, 3))
    pivot = np.broadcast_to(pose.wrist, (5, 3))
    for joint in range(4):
        aside, bend, twist = np.moveaxis(template.axes[:, joint], 1, 0)[..., None]
        world = [
            before @ aside,
            before @ single[:, joint, 0] @ bend,
            before @ first_two[:, joint] @ twist,
        ]
        axes.append(np.stack(world, axis=1)[..., 0])
        before = before @ local[:, joint]
        pivots.append(pivot)
        pivot = pivot + (before @ reach[:, joint, :, None])[..., 0]
        rotations.append(before)
        ends.append(pivot)
    return Placed(*(np.stack(parts, axis=1) for parts in (ends, pivots, rotations, axes)))


def landmarks(pose: HandPose, placed: Placed) -> Floats:
    """Return the 21 landmarks (21, 3) of a placed hand, wrist first."""
    return np.concatenate([pose.wrist[None], placed.ends.reshape(20, 3)])


def derivative(pose: HandPose, placed: Placed) -> Floats:
    """Return d landmarks / d pose, (21, 3, NUMBERS), in the order `step` takes a change.

    A turn moves a point along axis x (point - pivot); a bone's log length moves all that hangs
    on it along the bone.
    """
    result = np.zeros((21, 3, NUMBERS))
    arms = landmarks(pose, placed) - pose.wrist
    for axis in range(3):
        result[:, :, axis] = np.cross(np.eye(3)[axis], arms)
    result[:, :, 3:6] = np.eye(3)
    result[:, :, SIZE] = arms

    hangs_on = np.triu(np.ones((4, 4), bool))[:, :, None]  # joint, end, 1
    arms = placed.ends[:, None] - placed.pivots[:, :, None]  # finger, joint, end, 3
    turned = np.cross(placed.axes[:, :, :, None], arms[:, :, None])  # finger, joint, turn, end, 3
    turned *= hangs_on[:, None]
    grown = np.where(hangs_on, (placed.ends - placed.pivots)[:, :, None], 0.0)
    for finger in range(5):
        rows = slice(1 + 4 * finger, 5 + 4 * finger)
        angles = slice(ANGLES.start + 12 * finger, ANGLES.start + 12 * (finger + 1))
        lengths = slice(LENGTHS.start + 4 * finger, LENGTHS.start + 4 * (finger + 1))
        result[rows, :, angles] = turned[finger].transpose(2, 3, 0, 1).reshape(4, 3, 12)
        result[rows, :, lengths] = grown[finger].transpose(1, 2, 0)
    return result


def step(pose: HandPose, change: Floats) -> HandPose:
    """Return the pose changed by (NUMBERS,): rotation vector, wrist, size, angles, lengths."""
    angle = float(np.linalg.norm(change[:3]))
    axis = change[:3] / angle if angle > 0 else np.array([1.0, 0.0, 0.0])
    return HandPose(
        rotation=turns(axis, np.array(angle)) @ pose.rotation,
        wrist=pose.wrist + change[3:6],
        size=pose.size + float(change[SIZE]),
        angles=pose.angles + change[ANGLES].reshape(5, 4, 3),
        lengths=pose.lengths + change[LENGTHS].reshape(5, 4),
    )
