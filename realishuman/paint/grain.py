"""The picture's own grain, continued into what is filled smoothly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realishuman.paint.fields import Floats, Mask, blur, mirror_into

COARSE = 1.2  # pixels: what is coarser is no grain
STRONGEST = 3.0  # robust standard deviations: what is stronger is an edge or texture
LEAST = 0.5  # of 255: no picture is smoother than its rounding


def continue_grain(picture: NDArray[np.uint8], known: Mask, where: Mask) -> Floats:
    """What to add to a smooth filling (h, w, 3), in 255ths: the grain beside it, mirrored.

    picture  (h, w, 3) uint8.
    known    (h, w) bool, where the picture shows what the filling continues.
    where    (h, w) bool, what was filled; 0 elsewhere.
    """
    added = np.zeros(picture.shape, np.float32)
    if not known.any() or not where.any():
        return added
    pixels = picture.astype(np.float32)
    there = known.astype(np.float32)
    share = np.maximum(blur(there, COARSE), 1e-3)[..., None]
    fine = (pixels - blur(pixels * there[..., None], COARSE) / share) * there[..., None]
    spread = 1.48 * np.median(np.abs(fine[known]), axis=0) + LEAST
    fine = np.clip(fine, -STRONGEST * spread, STRONGEST * spread)
    added[where] = fine[mirror_into(known, np.flatnonzero(where))]
    return added
