"""Flicker: by how much a clip changes from frame to frame beyond the motion that it shows.

The optical flow of the clip as it was takes each frame onto the next, and what then differs is the
warping error of Lai et al. 2018, "Learning Blind Video Temporal Consistency", in levels of 255.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

AGREE = 1.0  # pixels by which the way to the frame before and back may miss its start


class Motion:
    """How one frame (H, W, 3) uint8 moves to the next, by DIS optical flow."""

    def __init__(self, earlier: Pixels, later: Pixels) -> None:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        first, second = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (earlier, later))
        back = search.calc(second, first, None)
        forth = search.calc(first, second, None)
        height, width = first.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._x, self._y = x + back[..., 0], y + back[..., 1]
        again = back + cv2.remap(forth, self._x, self._y, cv2.INTER_LINEAR)
        inside = (self._x >= 0) & (self._x < width) & (self._y >= 0) & (self._y < height)
        self.known: Mask = inside & (np.linalg.norm(again, axis=2) <= AGREE)

    def error(self, earlier: Pixels, later: Pixels, where: Mask) -> float | None:
        """Mean difference of a frame from the one before, moved, where the motion is known.

        earlier, later  of this clip, or of another that moves in the same way.
        Returns         levels of 255; None if nothing is left of `where`.
        """
        measured = where & self.known
        if not measured.any():
            return None
        moved = cv2.remap(earlier, self._x, self._y, cv2.INTER_LINEAR)
        return float(np.abs(later[measured].astype(np.float32) - moved[measured]).mean())
