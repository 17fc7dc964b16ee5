"""Nails and creases, for skin that had to be invented.

They are told from where a point lies on the template at rest, so they are as fine as the picture.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.mesh.hand_template import BEND, hand_template
from realishuman.mesh.normals import vertex_normals

Floats = NDArray[np.float32]

LAST = 2  # the joint before the tip
HALF_NAIL = (0.0068, 0.0055, 0.0055, 0.0055, 0.0048)  # metres, by finger
NAIL_MIDDLE, NAIL_HALF = 0.80, 0.33  # along the last bone, in its lengths
SHARP = 14.0  # how fast a nail ends
ON_THE_BACK = 0.1  # cosine from which on a normal is the finger's back
# Logs of linear RGB. Nails are pinker than light skin and lighter than dark skin.
BED_ON_LIGHT, BED_ON_DARK = (0.08, -0.04, 0.0), (0.40, 0.42, 0.48)
EDGE, RIM, CREASE = (0.18, 0.24, 0.28), (-0.20, -0.33, -0.33), (-0.10, -0.16, -0.17)
DARK, LIGHT = 35.0, 70.0  # CIELAB's lightness of skin
FREE = 1.03  # along the last bone: here the nail's pale free edge begins
FOLD, FOLD_REACH = 0.0011, 0.0105  # metres: half a crease's width, and its reach across
SECOND_FOLD = 0.0035  # metres: middle joints have two


def draw_marks(points: Floats, normals: Floats, lightness: float) -> Floats:
    """(N, 3) factors on the linear colour of plain skin.

    points, normals  (N, 3) metres and unit vectors on the template at rest.
    lightness        CIELAB's L of the skin.
    """
    share = float(np.clip((lightness - DARK) / (LIGHT - DARK), 0, 1))
    bed = share * np.array(BED_ON_LIGHT) + (1 - share) * np.array(BED_ON_DARK)
    logs = np.zeros(points.shape, np.float64)
    joints, along, lateral, back = _bones()
    for finger in range(5):
        for joint in (1, LAST):
            off = points - joints[finger, joint]
            logs += _crease(off, along[finger, joint], joint)[:, None] * CREASE
        off = points - joints[finger, LAST]
        length = np.linalg.norm(joints[finger, LAST + 1] - joints[finger, LAST])
        up = off @ along[finger, LAST] / length
        across = off @ lateral[finger, LAST] / HALF_NAIL[finger]
        inside = 1 - np.abs((up - NAIL_MIDDLE) / NAIL_HALF) ** 2.6 - np.abs(across) ** 3
        there = (normals @ back[finger, LAST] > ON_THE_BACK) & (np.abs(up) < 2)
        nail = there / (1 + np.exp(-SHARP * np.clip(inside, -4, 4)))
        edge = 1 / (1 + np.exp(-np.clip((up - FREE) / 0.02, -30, 30)))
        rim = there * np.exp(-((np.clip(inside, -4, 4) / 0.22) ** 2))
        logs += nail[:, None] * (bed + edge[:, None] * EDGE) + rim[:, None] * RIM
    return np.exp(logs).astype(np.float32)


def _crease(off: Floats, along: Floats, joint: int) -> NDArray[np.float64]:
    """(N,) 0 to about 1 across a finger at one of its joints, on all sides of it."""
    reach = np.exp(-np.square(off).sum(axis=1) / FOLD_REACH**2)
    place = off @ along
    folds = np.exp(-((place / FOLD) ** 2))
    if joint == 1:
        folds = folds + 0.6 * np.exp(-(((place - SECOND_FOLD) / FOLD) ** 2))
    return np.asarray(reach * folds, np.float64)


@lru_cache(maxsize=1)
def resting_normals() -> Floats:
    """(V, 3) unit normals of the template at rest; shared, do not write to them."""
    template = hand_template()
    vertices = torch.from_numpy(template.vertices.astype(np.float32))
    return vertex_normals(vertices, torch.from_numpy(template.faces.astype(np.int64))).numpy()


@lru_cache(maxsize=1)
def _bones() -> tuple[Floats, Floats, Floats, Floats]:
    """Joints (5, 4, 3) at rest, and unit vectors there: along, across, and out of the back."""
    template = hand_template()
    joints = template.landmarks[1:].reshape(5, 4, 3)
    along = np.diff(joints, axis=1)
    along = np.concatenate([along, along[:, -1:]], axis=1)
    along /= np.linalg.norm(along, axis=2, keepdims=True)
    bend = template.axes[:, :, BEND]
    bend = np.concatenate([bend[:, 1:], bend[:, -1:]], axis=1)
    lateral = bend - (bend * along).sum(axis=2, keepdims=True) * along
    lateral /= np.linalg.norm(lateral, axis=2, keepdims=True)
    return tuple(
        each.astype(np.float32) for each in (joints, along, lateral, -np.cross(lateral, along))
    )  # type: ignore[return-value]
