"""Recognises the part in a box that the user means exactly, whatever lies beside it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from realishuman.detect.base import Detector, GivenBox, Part, Picture
from realishuman.detect.sides import put_on_side
from realishuman.imaging.boxes import Box, around, intersection

INSIDE = 0.6  # share of what was recognised that lies in the box, or it is something else
FILLED = 0.4  # its longer side, in longer sides of the box
ROOM = 0.15  # kept around the box, in longer sides, when it is cut out


def recognise(
    detector: Detector, picture: Picture, given: GivenBox, confidence: float
) -> Part | None:
    """Return the part with the user's box and side, or None if nothing in it fills the box.

    picture     (H, W, 3) uint8 RGB.
    confidence  as Detector.detect takes it.

    The detector sees the whole picture first. Its answer may be a neighbour that reaches into the
    box; then it sees only what lies in the box.
    """
    for view, x, y in ((picture, 0, 0), _cut_out(picture, given.box)):
        if not view.size:
            continue
        shifted = replace(given, box=_shift(given.box, -x, -y))
        found = detector.detect(view, [given.kind], confidence=confidence, given=[shifted])
        if found and _fills(found[0], shifted.box):
            part = found[0]
            keypoints = (part.keypoints + np.array([x, y, 0])).astype(np.float32)
            placed = replace(part, box=given.box, keypoints=keypoints)
            return put_on_side(placed, given.side)
    return None


def _cut_out(picture: Picture, box: Box) -> tuple[Picture, int, int]:
    """The part of the picture in and just around the box, and where it begins; maybe empty."""
    room = ROOM * box.longer_side
    height, width = picture.shape[:2]
    x0, x1 = (min(max(x, 0), width) for x in (box.x0 - room, box.x1 + room))
    y0, y1 = (min(max(y, 0), height) for y in (box.y0 - room, box.y1 + room))
    left, top = math.floor(x0), math.floor(y0)
    return picture[top : math.ceil(y1), left : math.ceil(x1)], left, top


def _shift(box: Box, x: float, y: float) -> Box:
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)


def _fills(part: Part, box: Box) -> bool:
    seen = around(part.keypoints)
    inside = intersection(seen, box) >= INSIDE * seen.area
    return inside and seen.longer_side >= FILLED * box.longer_side
