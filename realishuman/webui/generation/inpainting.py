"""Which parts the mask of an inpainting touches: by default the others stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.webui.foreign import Processing

if TYPE_CHECKING:  # found needs torch and kornia, which a start of the WebUI does not
    from realishuman.mesh.base import Mesh
    from realishuman.parts.found import Found

Mask = NDArray[np.bool_]

ALL = "all"  # the value of the field `inpaint_parts` that lets a mask count for nothing
UNTOUCHED = "the inpaint mask does not touch it; set inpaint parts to all to refine it too"
SHARE = 0.25  # of the mask's highest value, from which a pixel belongs to it: blur fades to nothing


def mask_of(p: Processing, size: tuple[int, int]) -> Mask | None:
    """Where the host inpaints, (H, W) bool in the finished picture; None if it does not inpaint.

    p     the host's processing, after its `init`: the mask is inverted and blurred there, and
          fits the finished picture both for "whole picture" and for "only masked".
    size  of the finished picture, (W, H).
    """
    mask = getattr(p, "mask_for_overlay", None)
    if mask is None or getattr(p, "image_mask", None) is None:  # an earlier run's is still there
        return None
    values = np.asarray(mask.convert("L") if mask.size == size else mask.convert("L").resize(size))
    return values >= max(SHARE * float(values.max()), 1)


def mark_untouched(found: Found, mask: Mask) -> Found:
    """The same parts; those that lie outside of the mask have that as the reason to stay."""
    apart = [one.number for one in found.chosen if not (_outline(one.mesh, mask) & mask).any()]
    return found.give_reasons(dict.fromkeys(apart, UNTOUCHED))


def _outline(mesh: Mesh, mask: Mask) -> Mask:
    """Where a part lies, (H, W) bool: the convex hull of its mesh."""
    corners = np.floor(mesh.vertices[:, :2]).astype(np.int32)
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(drawn, cv2.convexHull(corners), 1)
    return drawn.astype(bool)
