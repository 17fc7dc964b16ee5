"""Masks as lines in the picture, to be drawn there or by a page at any size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.crop import Crop


def trace(mask: NDArray[np.bool_], crop: Crop) -> list[NDArray[np.float64]]:
    """The outer outlines of a crop's mask.

    mask     (size, size) bool.
    Returns  closed lines, (N, 2) x, y each, in picture pixels.
    """
    found = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [crop.to_picture(line[:, 0].astype(np.float32) + 0.5) for line in found[0]]
