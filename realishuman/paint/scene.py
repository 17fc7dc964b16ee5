"""What the transplant works on: a window of the picture, and the hand as it is and as it should be.

All is in the window's pixels; lengths are shares of L, the longer side of the box around the good
hand's joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.base import Mesh
from realishuman.mesh.hand_template import hand_template
from realishuman.paint.fields import Floats, Mask, ramp
from realishuman.paint.surface import Surface, draw
from realishuman.paint.tones import to_linear, to_weighted_lab

Pixels = NDArray[np.uint8]

FINE = 2  # the good hand is painted at this many times the picture's resolution
AROUND = 0.4  # of L, that the window holds around what may change
WRIST, MIDDLE = 0, 9  # joints: the wrist and the knuckle of the middle finger
BEYOND = 0.02  # of L: so near the wrist the forearm begins
FOREARM = 0.3  # of L: half of what it may be wide
STILL, MOVING = -0.02, 0.1  # of L from the wrist: nothing moves; what moves moves fully
MOVED = (0.035, 0.06)  # of L: skin that moved less is in its place, more is not
PALM, THUMB = 0, 1  # among the numbers of the fingers; 5 is the little finger
FINGERS = 6
ROUNDS = 8  # of the robust fit of the bias


@dataclass(frozen=True)
class Scene:
    """The window and both hands in it.

    left, top  of the window in the picture.
    pixels     (h, w, 3) uint8 RGB.
    linear     (h, w, 3) linear RGB; lab: its weighted Lab.
    allowed    (h, w) bool, m_d: nothing else may change.
    length     L.
    along      (h, w) distance from the wrist towards the fingers; across: from the hand's axis.
    good       the hand as it should be; fine: the same, drawn FINE times as fine.
    seen       the same surface as the picture shows it.
    shift      (V,) how far each vertex moved between the two, in L.
    finger     (V,) which finger a vertex belongs to, PALM or 1 to 5.
    origins    (V,) which of the template's vertices each is.
    """

    left: int
    top: int
    pixels: Pixels
    linear: Floats
    lab: Floats
    allowed: Mask
    length: float
    along: Floats
    across: Floats
    good: Surface
    fine: Surface
    seen: Surface
    shift: Floats
    finger: NDArray[np.intp]
    origins: NDArray[np.integer]

    @property
    def beyond(self) -> Mask:
        """What lies on the forearm's side of the wrist."""
        return self.along < BEYOND * self.length

    @property
    def forearm(self) -> Mask:
        """Where the forearm may be."""
        return self.beyond & (self.across < FOREARM * self.length)

    def fingers_of(self, surface: Surface) -> NDArray[np.intp]:
        """The finger that each pixel of a surface shows, -1 where it shows none."""
        labels = np.asarray(surface.nearest(self.finger), np.intp)
        return np.asarray(surface.fill(labels, -1), np.intp)

    def with_fingers(self, good: Floats, seen: Floats) -> Scene:
        """The scene with the vertices of both hands moved by these (V, 2) pixels."""
        faces, size = self.good.faces, self.allowed.shape
        first, second = self.good.vertices.copy(), self.seen.vertices.copy()
        first[:, :2] += good
        second[:, :2] += seen
        return replace(
            self,
            good=draw(first, faces, size),
            fine=draw(first, faces, size, FINE),
            seen=draw(second, faces, size),
            shift=np.linalg.norm((second - first)[:, :2], axis=1) / self.length,
        )

    def allow(self, more: Mask) -> Scene:
        """The scene in which this, too, may change."""
        return replace(self, allowed=self.allowed | more)


def set_scene(
    picture: Pixels, mesh: Mesh, allowed: Mask, origins: NDArray[np.integer] | None = None
) -> Scene:
    """Cut the window and draw both hands into it.

    picture  (H, W, 3) uint8 RGB.
    mesh     the good hand; mesh.seen the hand as the picture shows it, the same if None.
    allowed  (H, W) bool, what may change; must hold a pixel.
    origins  (V,) the template's vertex that each of the mesh is; None where they are the same.
    """
    length = float(np.ptp(mesh.joints[:, :2], axis=0).max())
    if origins is None:
        origins = np.arange(len(mesh.vertices))
    top, left, bottom, right = _window(allowed, int(AROUND * length) + 4)
    pixels, inside = picture[top:bottom, left:right], allowed[top:bottom, left:right]
    corner = np.array([left, top, 0], np.float32)
    good, joints = mesh.vertices - corner, mesh.joints - corner
    seen = good if mesh.seen is None else mesh.seen - corner
    towards = joints[MIDDLE, :2] - joints[WRIST, :2]
    towards = towards / (np.linalg.norm(towards) + 1e-6)
    from_wrist = (good[:, :2] - joints[WRIST, :2]) @ towards
    moved = _find_moves(seen[:, :2], good[:, :2], (from_wrist > 0) + 0.05)
    moved = moved * ramp(from_wrist, STILL * length, MOVING * length)[:, None]
    placed = np.column_stack([good[:, :2] + moved, seen[:, 2]]).astype(np.float32)
    size = inside.shape
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5
    x, y = x - joints[WRIST, 0], y - joints[WRIST, 1]
    linear = to_linear(pixels)
    return Scene(
        left=left,
        top=top,
        pixels=pixels,
        linear=linear,
        lab=to_weighted_lab(linear),
        allowed=inside,
        length=length,
        along=x * towards[0] + y * towards[1],
        across=np.abs(y * towards[0] - x * towards[1]),
        good=draw(good, mesh.faces, size),
        fine=draw(good, mesh.faces, size, FINE),
        seen=draw(placed, mesh.faces, size),
        shift=(np.linalg.norm(moved, axis=1) / length).astype(np.float32),
        finger=finger_of_vertices()[origins],
        origins=origins,
    )


def _window(allowed: Mask, around: int) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what is allowed and a margin, inside the picture."""
    rows, columns = (np.flatnonzero(allowed.any(axis=axis)) for axis in (1, 0))
    height, width = allowed.shape
    return (
        max(int(rows[0]) - around, 0),
        max(int(columns[0]) - around, 0),
        min(int(rows[-1]) + around + 1, height),
        min(int(columns[-1]) + around + 1, width),
    )


def _find_moves(seen: Floats, good: Floats, weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """From the good hand to the seen one, less what both differ by as a whole.

    Detected landmarks lie elsewhere in a hand than the template's joints. A robust affine map of
    the good hand to the seen one takes that out, or all skin would be taken from beside itself.
    """
    affine = np.column_stack([good, np.ones(len(good))]).astype(np.float64)
    apart = np.asarray(seen - good, np.float64)
    trusted = weights
    for _ in range(ROUNDS):
        normal_matrix = affine.T @ (trusted[:, None] * affine) + 1e-6 * np.eye(3)
        bias = np.linalg.solve(normal_matrix, affine.T @ (trusted[:, None] * apart))
        off = np.linalg.norm(apart - affine @ bias, axis=1)
        limit = 3 * max(1.48 * float(np.median(off)), 0.5)
        trusted = weights * np.clip(1 - (off / limit) ** 2, 0, 1) ** 2  # Tukey's
    return np.asarray(apart - affine @ bias, np.float64)


@lru_cache(maxsize=1)
def finger_of_vertices() -> NDArray[np.intp]:
    """(V,) PALM, or the finger whose middle or end bone moves a vertex most."""
    weights = hand_template().weights
    thumb = weights[:, 3:5].sum(axis=1)
    others = [weights[:, 2 + 4 * k : 5 + 4 * k].sum(axis=1) for k in range(1, 5)]
    share = np.stack([thumb, *others], axis=1)
    return np.where(share.max(axis=1) > 0.5, 1 + share.argmax(axis=1), PALM)
