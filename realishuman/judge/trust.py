"""Says why a hand cannot be repaired with its own skin, before it is tried.

The transplant takes what has the hand's colour and touches it for the hand. So it would erase the
face, the arm or the other hand that it lies before, and it needs a mesh that lies on the hand.
"""

from __future__ import annotations

import cv2
import numpy as np

from realishuman.detect.base import Picture
from realishuman.figures import tell_apart
from realishuman.mesh.base import Mesh
from realishuman.paint.fields import Floats, Mask, grow, without_specks
from realishuman.paint.own_skin import is_built_in
from realishuman.paint.reading import read
from realishuman.paint.scaled import shrink_hand
from realishuman.paint.scene import set_scene

WORKING = 64  # pixels of L, the longer side of the joints' box, that the picture is scaled down to
AROUND = 0.12  # of L: how far around the mesh a repair may reach, about
BESIDE = 0.03  # of L: so near the mesh all is the hand's
FINGER = 0.08  # of L: half the width of what is no finger any more
OTHER_SKIN = 0.03  # of L squared, that it may have
ALIKE = 0.6  # IoU of the mesh with the hand that is seen
BEFORE_SKIN = (
    "it touches other skin, a face, an arm or another hand, which the repair might take for its "
    "own; turn gate off to repaint it"
)


def distrust(picture: Picture, mesh: Mesh) -> str:
    """Why the transplant should leave a hand alone, as a sentence, or "" if it may try.

    picture  (H, W, 3) uint8 RGB.
    mesh     the one that it would follow.
    """
    if not is_built_in(mesh):
        return ""  # the transplant itself says what is wrong
    window = _window(mesh, picture)
    if not window.any():
        return ""
    small = shrink_hand(picture, mesh, window, WORKING)
    scene, reading = read(set_scene(small.picture, small.mesh, _near(small.mesh, small.allowed)))
    hand = reading.hand & ~scene.beyond
    meshes = (scene.seen.coverage | scene.good.coverage) & ~scene.beyond
    length = scene.length
    other = without_specks(hand & ~grow(meshes, BESIDE * length), FINGER * length)
    if other.sum() > OTHER_SKIN * length**2:
        return BEFORE_SKIN
    seen = scene.seen.coverage & ~scene.beyond
    alike = float((seen & hand).sum() / max((seen | hand).sum(), 1))
    if alike < ALIKE:
        told, limit = tell_apart(alike, ALIKE, percent=True)
        return (
            f"its mesh does not lie on the hand that is seen: they share {told}, at least {limit} "
            "is needed; turn gate off to repaint it"
        )
    return ""


def _window(mesh: Mesh, picture: Picture) -> Mask:
    """(H, W) the box around both hands, as far as the picture shows it."""
    mask = np.zeros(picture.shape[:2], bool)
    points = _both(mesh)
    left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int)
    right, bottom = np.maximum(np.ceil(points.max(axis=0)), 0).astype(int)
    mask[top:bottom, left:right] = True
    return mask


def _near(mesh: Mesh, window: Mask) -> Mask:
    """(h, w) where a repair may reach, about."""
    mask = np.zeros(window.shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(_both(mesh)).astype(np.int32)), 1)
    length = float(np.ptp(mesh.joints[:, :2], axis=0).max())
    return grow(mask.astype(bool), AROUND * length)


def _both(mesh: Mesh) -> Floats:
    """(N, 2) vertices of the good hand, and of the hand as the picture shows it."""
    seen = mesh.vertices if mesh.seen is None else mesh.seen
    both: Floats = np.concatenate([mesh.vertices, seen])[:, :2]
    return both
