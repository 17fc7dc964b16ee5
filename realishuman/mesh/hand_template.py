"""The right hand at rest: its surface, its 21 landmarks, and how far each joint can turn.

The surface is the WebXR generic hand (assets/hand/README.md). Its rest frame is right-handed, in
metres, y towards the forearm, x out of the back of the hand. A finger (row 0 thumb .. 4 little)
has four bones, each ending in a landmark; bone k turns about joint k, where joint 0 is the wrist
and joint k > 0 is landmark k - 1 of the finger. Every joint has three turns, applied in the order
aside, bend, twist. Landmarks are in MediaPipe's order: wrist, then four per finger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ASIDE, BEND, TWIST = 0, 1, 2  # the turns of a joint, in the order they are applied

# Where MediaPipe marks a point that the template's joints do not have, in metres along the
# bone: its fingertip lies nearer the end of the finger, its wrist nearer the hand.
TIP_FORWARD = 0.008
WRIST_FORWARD = 0.008
# Length of the forearm's stump over the file's: as short as the stump of the meshes whose renders
# the published weights were trained on.
STUMP = 0.6


@dataclass(frozen=True)
class JointLimits:
    """Anatomical range and habit of all joints; arrays (5, 4, 3) in radians, relative to rest.

    low, high  what a hand can do. Equal where a joint does not turn that way at all: the middle
               joints have no sideways bend.
    habit      the relaxed hand.
    spread     standard deviation around the habit.
    """

    low: Floats
    high: Floats
    habit: Floats
    spread: Floats


@dataclass(frozen=True)
class HandTemplate:
    """The right hand at rest.

    vertices   (V, 3) metres.
    faces      (F, 3) int32, outward, closed.
    weights    (V, 21) share of each skinning bone: 0 the wrist, 1 + 4 f + k bone k of finger f.
    landmarks  (21, 3) metres.
    axes       (5, 4, 3, 3) unit vectors: axis of turn d of joint k of finger f at rest.
    limits     see JointLimits.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    weights: Floats
    landmarks: Floats
    axes: Floats
    limits: JointLimits

    @property
    def offsets(self) -> Floats:
        """(5, 4, 3) metres: from the joint that bone k turns about to the landmark at its end."""
        fingers = self.landmarks[1:].reshape(5, 4, 3)
        starts = np.concatenate([np.tile(self.landmarks[:1], (5, 1, 1)), fingers[:, :-1]], axis=1)
        return np.asarray(fingers - starts, np.float64)

    @property
    def pivots(self) -> Floats:
        """(21, 3) metres: the fixed point of each skinning bone, in the order of `weights`."""
        ends = self.landmarks[1:].reshape(5, 4, 3)
        return np.concatenate([self.landmarks[:1], (ends - self.offsets).reshape(20, 3)])


@lru_cache(maxsize=1)
def hand_template() -> HandTemplate:
    """Read the shipped template; the arrays are shared, do not write to them."""
    source = resources.files("realishuman") / "assets" / "hand" / "template.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
        raw = {name: data[name] for name in data.files}
    joints, frames = raw["joints"].astype(np.float64), raw["frames"].astype(np.float64)
    landmarks = _landmarks(joints)
    axes = _axes(frames)
    return HandTemplate(
        vertices=_shorten(raw["vertices"].astype(np.float64), landmarks),
        faces=raw["faces"].astype(np.int32),
        weights=_weights(raw["weight_joints"], raw["weights"]),
        landmarks=landmarks,
        axes=axes,
        limits=_limits(landmarks, axes),
    )


def _landmarks(joints: Floats) -> Floats:
    """Pick MediaPipe's 21 of the 25 WebXR joints; fingers' metacarpal bases are not among them."""
    chosen = np.concatenate([[0], np.arange(1, 5), *(np.arange(4) + 6 + 5 * f for f in range(4))])
    points = joints[chosen]
    fingers = points[1:].reshape(5, 4, 3)
    fingers[:, 3] += TIP_FORWARD * _unit(fingers[:, 3] - fingers[:, 2])
    points = np.concatenate([points[:1], fingers.reshape(20, 3)])
    points[0] += WRIST_FORWARD * _unit(points[9] - points[0])
    return points


def _shorten(vertices: Floats, landmarks: Floats) -> Floats:
    """Press what lies behind the wrist, seen from the middle knuckle, together to STUMP."""
    forward = _unit(landmarks[9] - landmarks[0])
    behind = np.minimum((vertices - landmarks[0]) @ forward, 0.0)
    return np.asarray(vertices - (1 - STUMP) * behind[:, None] * forward, np.float64)


def _weights(joints: NDArray[np.uint8], weights: NDArray[np.float32]) -> Floats:
    """Spread 4 weights per vertex over the 21 skinning bones."""
    # Joint of the file -> bone. The thumb's metacarpal is its bone 1 (bone 0 joins it to the
    # wrist), a finger's metacarpal is bone 0; the joints at the tips move nothing.
    bone = np.concatenate(
        [[0, 2, 3, 4, 4], *(1 + 4 * f + np.array([0, 1, 2, 3, 3]) for f in range(1, 5))]
    )
    dense = np.zeros((len(joints), 21))
    np.add.at(dense, (np.arange(len(joints))[:, None], bone[joints]), weights)
    return np.asarray(dense / dense.sum(axis=1, keepdims=True), np.float64)


def _axes(frames: Floats) -> Floats:
    """Take the turning axes from the rest frames: x bends, y turns aside, z twists."""
    fingers = np.stack([frames[[5, 1, 2, 3]], *(frames[5 * f : 5 * f + 4] for f in range(1, 5))])
    # A positive bend curls the finger: from forward (-z) to the palm (-y) is a turn about -x.
    return np.stack([fingers[..., 1], -fingers[..., 0], -fingers[..., 2]], axis=2)


# Degrees: low, high, habit, spread. Bends of fingers' joints 1..3 and of the thumb's 2..3 count
# from the straight finger, everything else from the rest pose.
# Source: textbook ranges of motion (Norkin and White, Measurement of Joint Motion), with a little
# room for the landmarks' own noise.
_FINGERS = slice(1, 5)
_STRAIGHT = (
    (_FINGERS, 1, (-30, 95, 20, 35)),
    (_FINGERS, 2, (-8, 110, 30, 35)),
    (_FINGERS, 3, (-10, 85, 20, 25)),
    (0, 2, (-15, 70, 15, 25)),
    (0, 3, (-25, 85, 15, 30)),
)
_FROM_REST = (
    (slice(1, 3), 0, BEND, (-6, 6, 0, 4)),
    (3, 0, BEND, (-6, 15, 0, 6)),
    (4, 0, BEND, (-6, 25, 0, 8)),
    (_FINGERS, 0, ASIDE, (-8, 8, 0, 4)),
    (_FINGERS, 1, ASIDE, (-20, 20, 0, 10)),
    (0, 0, BEND, (-15, 15, 0, 6)),
    (0, 0, ASIDE, (-15, 15, 0, 6)),
    (0, 1, BEND, (-35, 50, 0, 20)),
    (0, 1, ASIDE, (-45, 45, 0, 20)),
    (0, 1, TWIST, (-30, 30, 0, 12)),
    (0, 2, ASIDE, (-10, 10, 0, 5)),
)


def _limits(landmarks: Floats, axes: Floats) -> JointLimits:
    """Fill the tables above into arrays, relative to the rest pose."""
    table = np.zeros((5, 4, 3, 4))
    rest = np.degrees(_rest_bends(landmarks, axes))
    for finger, joint, turn, values in _FROM_REST:
        table[finger, joint, turn] = values
    for finger, joint, values in _STRAIGHT:
        table[finger, joint, BEND] = values
        table[finger, joint, BEND, :3] -= rest[finger, joint, ..., None]
    low, high, habit, spread = np.moveaxis(np.radians(table), -1, 0)
    return JointLimits(low, high, habit, spread)


def _rest_bends(landmarks: Floats, axes: Floats) -> Floats:
    """(5, 4) radians between each bone and the one before it, about the bending axis."""
    fingers = landmarks[1:].reshape(5, 4, 3)
    bones = np.diff(np.concatenate([np.tile(landmarks[:1], (5, 1, 1)), fingers], axis=1), axis=1)
    before = np.concatenate([bones[:, :1], bones[:, :-1]], axis=1)
    return signed_angle(before, bones, axes[:, :, BEND])


def signed_angle(start: Floats, end: Floats, axis: Floats) -> Floats:
    """Turn about the unit `axis` that brings `start` to `end`, seen along it; all (..., 3)."""
    across = np.cross(axis, start)
    flat = start - axis * (start * axis).sum(-1, keepdims=True)
    turn = np.arctan2((end * across).sum(-1), (end * flat).sum(-1))
    return np.asarray(turn, np.float64)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float64)
