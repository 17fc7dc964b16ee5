"""Lays a part at rest into a box where nothing is recognised: the last resort for a drawn box.

What it looks like there is not known, so this is a hand or face as they usually are, with the
box's place and size. Its score is 0 and its note says so.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box, around
from realishuman.mesh.embedded_face import face_template
from realishuman.mesh.hand_joints import HandPose, landmarks, move
from realishuman.mesh.hand_template import Floats, hand_template

# From the template's rest frame to a picture's: the back of the hand towards the viewer, the
# fingers upwards.
BACK_VIEW = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
MIRROR = np.array([-1.0, 1.0, 1.0])


def hand_at_rest(box: Box, side: str | None, size: tuple[int, int]) -> Part:
    """Return a relaxed hand, seen from its back, whose keypoints fit into the box.

    side  an unknown one counts as right.
    size  height and width of the picture. The fingers point along the box's longer side, away
          from the middle of the picture, where the person usually is.
    """
    template, hand = hand_template(), side or "right"
    still = HandPose(BACK_VIEW, np.zeros(3), 0.0, template.limits.habit, np.zeros((5, 4)))
    metres = landmarks(still, move(template, still))
    if hand == "left":
        metres = metres * MIRROR
    metres = _turn(metres, _heading(box, size))
    metres -= metres.mean(axis=0)
    note = (
        f"No hand was recognised in this box, so a {hand} hand at rest was assumed; what belongs "
        "there may look different."
    )
    keypoints = _fit_into(metres, box)
    return Part("hand", hand, box, 0.0, keypoints, metres.astype(np.float32), note=note)


def face_at_rest(box: Box, side: str | None, size: tuple[int, int]) -> Part:
    """Return an upright face, seen from the front, that fits into the box."""
    note = (
        "No face was recognised in this box, so a plain face was assumed; what belongs there may "
        "look different."
    )
    return Part("face", None, box, 0.0, _fit_into(face_template().vertices, box), note=note)


def _heading(box: Box, size: tuple[int, int]) -> float:
    """The clockwise turn, in radians, of a hand whose fingers point upwards."""
    (x, y), (height, width) = box.centre, size
    if box.width > box.height:
        return math.pi / 2 if x >= width / 2 else -math.pi / 2
    return math.pi if y > height / 2 else 0.0


def _turn(points: Floats, angle: float) -> Floats:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.asarray(points @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]))


def _fit_into(points: Floats, box: Box) -> NDArray[np.float32]:
    """Points (K, 3) in the middle of the box, as large as it allows without stretching them."""
    around_them = around(points)
    scale = min(box.width / around_them.width, box.height / around_them.height)
    middle = np.array([*around_them.centre, points[:, 2].mean()])
    fitted: NDArray[np.floating] = (points - middle) * scale + np.array([*box.centre, 0.0])
    return fitted.astype(np.float32)
