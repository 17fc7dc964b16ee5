"""What generated faces get wrong, made on purpose.

Defects of shape change the Face and are painted like any; smears work on the finished picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.face import points
from realishuman.synthetic.face.anatomy import FaceAnatomy, Move
from realishuman.synthetic.face.organs import CLOTH, HAIR
from realishuman.synthetic.malform import smear
from realishuman.synthetic.posed import Surface

Picture = NDArray[np.uint8]
RIPPLE = (0.006, 0.010)  # metres
FACE_MIDDLE, FACE_REACH = np.array([0.0, 0.005, -0.03]), 0.095  # metres, where ripples are


def displace_eye(rng: np.random.Generator, good: FaceAnatomy) -> FaceAnatomy:
    """Move an eye, often with its brow, up or down or towards an edge of the face."""
    side = int(rng.integers(2))
    turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.010, 0.019)
    shift = far * np.array([0.6 * np.cos(turn), np.sin(turn), 0.0])
    move = Move(points.EYES[side] + points.ORBITS[side], shift)
    moves = [move]
    if rng.random() < 0.6:
        moves.append(Move(points.BROWS[side][0], shift))
    return replace(good, moves=(*good.moves, *moves))


def unequal_eyes(rng: np.random.Generator, good: FaceAnatomy) -> FaceAnatomy:
    """Make one eye much larger or smaller, and often let it look elsewhere or be another's."""
    side = int(rng.integers(2))
    grow = float(rng.choice([rng.uniform(1.5, 1.9), rng.uniform(0.42, 0.6)]))
    sizes, gaze, iris = good.eye_sizes.copy(), good.gaze.copy(), good.iris.copy()
    sizes[side] *= 1 + 0.8 * (grow - 1)
    if rng.random() < 0.7:
        gaze[side] += rng.choice([-1, 1]) * rng.uniform(0.3, 0.6) * np.array([1.0, 0.3])
    if rng.random() < 0.4:
        iris[side] = rng.uniform(0.02, 0.25, 3)
    swell = Move(points.EYES[side] + points.ORBITS[side], np.zeros(3), grow)
    return replace(good, moves=(*good.moves, swell), eye_sizes=sizes, gaze=gaze, iris=iris)


def missing_eye(rng: np.random.Generator, good: FaceAnatomy) -> FaceAnatomy:
    """Close an eye and let skin grow over it, sometimes over its brow as well."""
    side = int(rng.integers(2))
    lids = good.lids.copy()
    lids[side] = 0.0
    bulge = np.array([0, 0, -rng.uniform(-0.002, 0.005)])
    move = Move(points.EYES[side], bulge, 0.75)
    blank = np.array([[(-1, 1)[side] * 0.0315, -0.0265, -0.037]])
    if rng.random() < 0.5:
        brow = blank + np.array([(-1, 1)[side] * 0.004, -0.017, 0])
        blank = np.concatenate([blank, brow])
    return replace(good, moves=(*good.moves, move), lids=lids, blank=blank)


def displace_mouth(rng: np.random.Generator, good: FaceAnatomy) -> FaceAnatomy:
    """Move the mouth aside, up under the nose or down to the chin, and tilt it."""
    turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.012, 0.022)
    shift = far * np.array([np.cos(turn), 0.75 * np.sin(turn), 0.0])
    shift[2] = 0.25 * abs(shift[0])
    tilt = float(rng.normal(0, 0.3))
    lips = points.OUTER_LIPS + points.INNER_LIPS
    return replace(good, moves=(*good.moves, Move(lips, shift, rng.uniform(0.75, 1.3), tilt)))


SHAPES: dict[str, Callable[[np.random.Generator, FaceAnatomy], FaceAnatomy]] = {
    "displaced eye": displace_eye,
    "unequal eyes": unequal_eyes,
    "missing eye": missing_eye,
    "displaced mouth": displace_mouth,
}


def smear_eye(rng: np.random.Generator, picture: Picture, joints: Floats) -> Picture:
    """Stir one eye; joints (468, 3) picture pixels."""
    eye = points.EYES[_nearer(rng, joints)]
    places = joints[[eye[4], eye[int(rng.choice([2, 6, 10, 14]))]], :2]
    return smear(rng, picture, places, _span(joints))


def smear_mouth(rng: np.random.Generator, picture: Picture, joints: Floats) -> Picture:
    """Stir the mouth."""
    places = joints[rng.choice(points.OUTER_LIPS, 2, replace=False), :2]
    return smear(rng, picture, np.concatenate([places, joints[[13], :2]]), _span(joints))


def melt(rng: np.random.Generator, picture: Picture, joints: Floats) -> Picture:
    """Stir eyes, nose and mouth."""
    some = [33, 133, 159, 263, 362, 386, 1, 98, 327, 61, 291, 13, 205, 425]
    return smear(rng, picture, joints[rng.choice(some, 5, replace=False), :2], _span(joints))


def double_mouth(rng: np.random.Generator, picture: Picture, joints: Floats) -> Picture:
    """Copy the mouth to a second place below, above or beside it."""
    lips, span = joints[list(points.OUTER_LIPS), :2], _span(joints)
    high, wide = float(np.ptp(lips[:, 1])) + 0.03 * span, float(np.ptp(lips[:, 0]))
    where = rng.choice(["below", "above", "beside"], p=[0.5, 0.2, 0.3])
    across, down = rng.normal(0, 0.15) * wide, rng.uniform(0.8, 1.15) * high
    if where == "above":
        down = -down
    elif where == "beside":
        across = rng.choice([-1, 1]) * wide * rng.uniform(0.5, 0.8)
        down = rng.normal(0, 0.2) * high
    return _copy(picture, 1.25 * (lips - lips.mean(0)) + lips.mean(0), (across, down), span)


def _copy(picture: Picture, outline: Floats, shift: tuple[float, float], span: float) -> Picture:
    """Paste what lies in an outline (N, 2) elsewhere, with a soft edge, in the light there."""
    side = len(picture)
    hull = cv2.convexHull((outline + shift).astype(np.float32))
    alpha = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(alpha, np.round(hull).astype(np.int32), 255)
    alpha = cv2.erode(alpha, np.ones((3, 3)))
    soft = cv2.GaussianBlur(alpha, (0, 0), max(0.012 * span, 0.6))[..., None] / 255.0
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    copy = cv2.warpAffine(picture, move, (side, side), borderMode=cv2.BORDER_REFLECT).astype(float)
    ring = ((soft > 0.1) & (soft < 0.6))[..., 0]
    if ring.any():
        copy *= (picture[ring].mean(0) + 8) / (copy[ring].mean(0) + 8)
    mixed = soft * copy + (1 - soft) * picture
    return np.asarray(np.clip(np.round(mixed), 0, 255), np.uint8)


SMEARS: dict[str, Callable[[np.random.Generator, Picture, Floats], Picture]] = {
    "smeared eye": smear_eye,
    "smeared mouth": smear_mouth,
    "doubled mouth": double_mouth,
    "melted": melt,
}
KINDS = (*SHAPES, *SMEARS, "rippled")


def loose(item: Surface) -> Floats | None:
    """How freely a surface's vertices ripple: the face and what is in it."""
    if item.number in (CLOTH, HAIR):
        return None
    place = item.rest if item.number >= 0 else item.vertices
    if item.number < 0:
        return np.ones(len(place))
    apart = np.linalg.norm(place - FACE_MIDDLE, axis=1) / FACE_REACH
    return np.asarray(np.exp(-(apart**6)))


def _nearer(rng: np.random.Generator, joints: Floats) -> int:
    """Draw an eye, the nearer one when the face is turned: the other may be hidden."""
    away = joints[454, 2] - joints[234, 2]
    turned = away / max(abs(joints[454, 0] - joints[234, 0]), 1e-6)
    if abs(turned) > 0.3:
        return int(turned < 0)
    return int(rng.integers(2))


def _span(joints: Floats) -> float:
    return float(np.ptp(joints[:, :2], axis=0).max())
