"""The transplant for hands of any size: very large ones are repainted smaller, which is softer.

Its cost grows with the pixels, and at 2,000 of them it would take minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.base import Mesh
from realishuman.paint.fields import Mask, blur, resize, resize_mask
from realishuman.paint.scene import AROUND
from realishuman.paint.transplant import Pixels, Repainted, transplant

LARGEST = 500.0  # pixels of L, the longer side of the joints' box
SOFT = 1.0  # small pixels, over which what was repainted fades into what stays


def repaint_hand(
    picture: Pixels, mesh: Mesh, allowed: Mask, wrong: NDArray[np.bool_] | None = None
) -> Repainted | None:
    """As transplant; from LARGEST on it works on a smaller copy of what surrounds the hand."""
    length = float(np.ptp(mesh.joints[:, :2], axis=0).max())
    if length <= LARGEST or not allowed.any():
        return transplant(picture, mesh, allowed, wrong=wrong)
    small = shrink_hand(picture, mesh, allowed, LARGEST)
    window, inside = picture[small.place], allowed[small.place]
    done = transplant(small.picture, small.mesh, small.allowed, wrong=wrong)
    if done is None:
        return None
    may = inside | resize_mask(done.allowed_in(small.allowed.shape), inside.shape)
    after = done.onto(small.picture)
    changed = (after != small.picture).any(axis=2)
    weight = resize(blur(changed, SOFT), inside.shape)[..., None] * may[..., None]
    size = inside.shape[::-1]
    grown = cv2.resize(after, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    pixels = np.rint(window + weight * (grown - window)).astype(np.uint8)
    rows, columns = small.place
    return Repainted(columns.start, rows.start, pixels, may, weight[..., 0] > 0, done.torn)


@dataclass(frozen=True)
class SmallHand:
    """What surrounds a hand, made smaller.

    place    rows and columns of the picture that it shows.
    picture  (h, w, 3) uint8 RGB; mesh: in its pixels; allowed: (h, w) bool.
    """

    place: tuple[slice, slice]
    picture: Pixels
    mesh: Mesh
    allowed: Mask


def shrink_hand(picture: Pixels, mesh: Mesh, allowed: Mask, longest: float) -> SmallHand:
    """Cut out what surrounds a hand and make it smaller, so that L is `longest` pixels at most.

    allowed  (H, W) bool, what may change; must hold a pixel.
    """
    length = float(np.ptp(mesh.joints[:, :2], axis=0).max())
    scale = min(1.0, longest / length)
    rows, columns = (np.flatnonzero(allowed.any(axis=axis)) for axis in (1, 0))
    margin = int(AROUND * length) + 4
    top, left = max(int(rows[0]) - margin, 0), max(int(columns[0]) - margin, 0)
    place = slice(top, int(rows[-1]) + margin), slice(left, int(columns[-1]) + margin)
    window, inside = picture[place], allowed[place]
    height, width = (max(round(side * scale), 8) for side in inside.shape)
    small = cv2.resize(window, (width, height), interpolation=cv2.INTER_AREA)
    scales = np.array([width / inside.shape[1], height / inside.shape[0], scale])
    return SmallHand(
        place,
        np.ascontiguousarray(small, np.uint8),
        _scale_mesh(mesh, np.array([left, top, 0.0]), scales),
        resize_mask(inside, (height, width)),
    )


def _scale_mesh(mesh: Mesh, corner: NDArray[np.float64], scale: NDArray[np.float64]) -> Mesh:
    """The mesh in the pixels of a smaller window."""
    vertices, joints = (
        ((points - corner) * scale).astype(np.float32) for points in (mesh.vertices, mesh.joints)
    )
    seen = None if mesh.seen is None else ((mesh.seen - corner) * scale).astype(np.float32)
    return replace(mesh, vertices=vertices, joints=joints, seen=seen)
