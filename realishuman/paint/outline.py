"""Lays the outline of the palm onto that of the hand that is seen.

The template's palm is not this hand's. Where the mesh's outline lies near the mask's, it is pulled
onto it, and the skin around follows; at the wrist, where the arm goes on, there is no outline.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.paint.fields import Mask, blur, grow, ramp
from realishuman.paint.scene import PALM, Scene
from realishuman.paint.surface import Surface

Floats = NDArray[np.float64]

FARTHEST = 0.1  # of L that the outline may move
EDGE = 0.012  # of L: vertices that lie nearer to the mesh's outline are on it
WRIST = 0.05  # of L from where the arm goes on
TAKEN_ALONG = 0.04  # of L around a vertex that moves
RESTING = 0.3  # the weight of staying in place, against 1 of a vertex that moves
LEAST = 8  # vertices on the outline; fewer say nothing
ROOTS = 0.4, 1.0  # along a finger, over which its root follows less and less


def lay_palm_on(
    scene: Scene, surface: Surface, hand: Mask, along: Floats, silent: NDArray[np.bool_]
) -> Floats:
    """(V, 2) how far the vertices of the palm and the fingers' roots move, in pixels.

    surface  of the scene, the good or the seen one.
    hand     (h, w) bool, the hand as the picture shows it.
    along    (V,) how far along its finger each vertex lies, 0 at the knuckle.
    silent   (6,) fingers that are malformed or belong elsewhere: their outlines say nothing.
    """
    points = surface.vertices[:, :2].astype(np.float64)
    if not all(each.any() and not each.all() for each in (hand, surface.coverage)):
        return np.zeros_like(points)
    share = np.where(scene.finger > PALM, 1 - ramp(along, *ROOTS), 1.0)
    height, width = hand.shape
    columns, rows = np.clip(np.floor(points.T).astype(np.intp), 0, [[width - 1], [height - 1]])
    field = np.asarray(blur(_signed(hand), 1.0), np.float32)
    down, across = (np.gradient(field, axis=axis) for axis in (0, 1))
    slope = np.column_stack([across[rows, columns], down[rows, columns]])
    slope /= np.linalg.norm(slope, axis=1, keepdims=True) + 1e-6
    off = field[rows, columns]
    length = scene.length
    mine = np.abs(_signed(surface.coverage)[rows, columns]) < max(EDGE * length, 2)
    arm = grow(scene.beyond, WRIST * length)[rows, columns]
    telling = (share > 0.5) & ~silent[scene.finger]
    pulled = mine & telling & (np.abs(off) < FARTHEST * length) & ~arm
    if pulled.sum() < LEAST:
        return np.zeros_like(points)
    apart = np.linalg.norm(points[:, None] - points[pulled], axis=2)
    weights = np.exp(-0.5 * (apart / (TAKEN_ALONG * length)) ** 2)
    moves = weights @ (-off[:, None] * slope)[pulled]
    return np.asarray(share[:, None] * moves / (weights.sum(1, keepdims=True) + RESTING))


def _signed(mask: Mask) -> NDArray[np.float32]:
    """Pixels from a mask's outline, negative inside."""
    outside, inside = (
        cv2.distanceTransform(each.astype(np.uint8), cv2.DIST_L2, 5) for each in (~mask, mask)
    )
    return np.asarray(outside - inside + (mask - np.float32(0.5)), np.float32)
