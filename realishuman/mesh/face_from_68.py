"""Places the canonical face's 468 landmarks by the 68 keypoints that a pose network gives.

Used where the landmark network does not see a face: the result has that face's place, size, turn
and tilt, but the canonical face's shape and a neutral expression.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# MediaPipe's landmark for each of iBUG's points 17 to 67: brows, nose, eyes, mouth. The jaw's are
# left out: the outline that a picture shows is another one with every turn of the head.
FIRST = 17
LANDMARKS_OF = (
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip


def place(canonical: Floats, keypoints: NDArray[np.floating]) -> Floats:
    """Return the landmarks (468, 3) in the frame and unit of the keypoints.

    canonical  (468, 3): x right, y down, z inwards.
    keypoints  (68, 2+); only x and y are read.
    The view is taken for a parallel one, and the face is never mirrored.
    """
    source, target = canonical[list(LANDMARKS_OF)], np.asarray(keypoints[FIRST:, :2], np.float64)
    middle, centre = source.mean(axis=0), target.mean(axis=0)
    linear = np.linalg.lstsq(source - middle, target - centre, rcond=None)[0].T  # (2, 3)
    left, sizes, right = np.linalg.svd(linear, full_matrices=False)
    rows = left @ right  # the nearest two rows of a rotation
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    placed = sizes.mean() * (canonical - middle) @ rotation.T
    placed[:, :2] += centre
    return np.asarray(placed, np.float64)
