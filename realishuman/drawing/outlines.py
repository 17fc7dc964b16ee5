"""Masks as lines in the picture, to be drawn there or by a page at any size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.crop import Crop


def trace(mask: NDArray[np.bool_], crop: Crop, *, holes: bool = False) -> list[NDArray[np.float64]]:
    """The outlines of a crop's mask.

    mask     (size, size) bool.
    holes    also those of holes in it.
    Returns  closed lines, (N, 2) x, y each, in picture pixels.
    """
    way = cv2.RETR_LIST if holes else cv2.RETR_EXTERNAL
    found = cv2.findContours(mask.astype(np.uint8), way, cv2.CHAIN_APPROX_SIMPLE)
    return [crop.to_picture(line[:, 0].astype(np.float32) + 0.5) for line in found[0]]
