"""Which fingers of a malformed hand are wrong, told from what differs from the good one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FINGERS = 5
# Widths of a finger in shares of the hand's longer side, and the share of it that must differ: the
# middle of a finger that moved, or the outline of one that only swelled.
ENOUGH = ((0.07, 0.3), (0.13, 0.22))


def mark_wrong_fingers(
    changed: NDArray[np.bool_], good: NDArray[np.floating], seen: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(5,) the fingers that are malformed, thumb first.

    changed     (H, W) where the malformed picture differs from the good one.
    good, seen  (21, 2 or more) landmarks in pixels of the good hand, and as found in the malformed
                picture: a finger is wrong where it should be or where it is.
    """
    length = float(np.ptp(good[:, :2], axis=0).max())
    shares = [
        [_differing(changed, points, finger, width * length) for finger in range(FINGERS)]
        for width, _ in ENOUGH
        for points in (good, seen)
    ]
    least = np.repeat([share for _, share in ENOUGH], 2)
    return np.asarray((np.array(shares) > least[:, None]).any(axis=0))


def _differing(
    changed: NDArray[np.bool_], points: NDArray[np.floating], finger: int, width: float
) -> float:
    """The share of a finger's pixels that differ."""
    line = np.round(points[1 + 4 * finger : 5 + 4 * finger, :2]).astype(np.int32)
    area = np.zeros(changed.shape, np.uint8)
    cv2.polylines(area, [line.reshape(-1, 1, 2)], False, 1, max(round(width), 1))
    covered = area.astype(bool)
    return float(changed[covered].mean()) if covered.any() else 0.0
