"""The released rules that turn keypoints into square crops of hands and faces, to the integer.

The detector dwpose-released and the setting `crop` use them. Kept as released: the box covers every
keypoint, also those at -1 that were not found; the gap is 100 pixels whatever the picture's size;
hands merge when their enlarged boxes overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import Box

GAP = 100  # pixels added on every side, at the picture's full size
LEAST_AREA = 400  # square pixels of the keypoint box
LEAST_SCORE = 0.5


@dataclass(frozen=True)
class ReleasedBox:
    """A square crop by the released rules, in whole pixels, ends exclusive.

    extend_side   half the side of the square.
    area          of the keypoint box; of the union of both squares when merged.
    width, height of the keypoint box; None when merged.
    """

    left: int
    right: int
    top: int
    bottom: int
    extend_side: int
    area: int
    width: int | None
    height: int | None

    @property
    def centre(self) -> tuple[int, int]:
        """Centre (x, y) of the square."""
        return self.left + self.extend_side, self.top + self.extend_side


def hand_box(
    points: NDArray[np.float64], scores: NDArray[np.float64], width: int, height: int
) -> tuple[ReleasedBox, str]:
    """Box one hand.

    points   (21, 2), x / width and y / height of the picture; -1 where not found.
    scores   (21,) of DWPose.
    Returns  the box, and "" or the reason why the released code drops this hand.
    """
    box = _box_around(points, width, height)
    if (scores >= LEAST_SCORE).sum() <= 10:
        return box, "valid_points<=10"
    return box, "area<400" if box.area < LEAST_AREA else ""


def face_box(points: NDArray[np.float64], width: int, height: int) -> tuple[ReleasedBox, str]:
    """Box a face: points (68, 2) as in hand_box. The check counts coordinates, not points."""
    box = _box_around(points, width, height)
    if (points != -1).sum() <= 21:
        return box, "(face!=-1).sum()<=21"
    return box, "area<400" if box.area < LEAST_AREA else ""


def square_around(box: Box) -> ReleasedBox:
    """The square that the released rules make of keypoints that fill this box."""
    return _box_around(np.array([[box.x0, box.y0], [box.x1, box.y1]]), 1, 1)


def merge(one: ReleasedBox, other: ReleasedBox) -> ReleasedBox | None:
    """Return the common square of two hands, or None if their squares do not overlap."""
    if min(one.right, other.right) <= max(one.left, other.left):
        return None
    if min(one.bottom, other.bottom) <= max(one.top, other.top):
        return None
    left, right = min(one.left, other.left), max(one.right, other.right)
    top, bottom = min(one.top, other.top), max(one.bottom, other.bottom)
    area = (right - left) * (bottom - top)
    half = max(right - left, bottom - top) // 2
    return _square((left + right) // 2, (top + bottom) // 2, half, area)


def released_boxes(
    hands: NDArray[np.float64],
    scores: NDArray[np.float64],
    faces: NDArray[np.float64],
    width: int,
    height: int,
) -> dict[str, ReleasedBox]:
    """Return the crops the released code makes: "merged", or "l" and "r", and "face".

    hands   (2, 21, 2), left then right, normalised; scores (2, 21); faces (N, 68, 2).
    """
    found = {}
    for name, points, score in zip(("l", "r"), hands, scores, strict=True):
        box, reason = hand_box(points, score, width, height)
        if not reason:
            found[name] = box
    if len(found) == 2 and (both := merge(found["l"], found["r"])) is not None:
        found = {"merged": both}
    box, reason = face_box(faces[0], width, height)
    return found if reason else {**found, "face": box}


def _box_around(points: NDArray[np.float64], width: int, height: int) -> ReleasedBox:
    """Box keypoints; int() cuts towards zero, as the released code does."""
    x, y = points[:, 0] * width, points[:, 1] * height
    wide, high = int(x.max() - x.min()), int(y.max() - y.min())
    cx, cy = int((x.max() + x.min()) / 2), int((y.max() + y.min()) / 2)
    half = max(wide, high) // 2 + GAP
    return _square(cx, cy, half, wide * high, wide, high)


def _square(
    cx: int, cy: int, half: int, area: int, width: int | None = None, height: int | None = None
) -> ReleasedBox:
    return ReleasedBox(cx - half, cx + half, cy - half, cy + half, half, area, width, height)
