"""Adds to the keypoints of the pose network what it does not give: depth, and a face's surface.

The built-in landmark networks read the same places. Where one does not see the part, or sees
another side, the pose network's keypoints stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realishuman.detect.base import Part, Picture
from realishuman.detect.landmarks import Reading
from realishuman.detect.people import Sighting
from realishuman.detect.regions import Region, heading
from realishuman.detect.search import Search
from realishuman.imaging.boxes import around, iou

PRESENT = 0.05  # presence from which a landmark network is believed where another saw the part
SAME_PLACE = 0.4  # IoU of both networks' boxes, at least
EYES = slice(36, 42), slice(42, 48)  # of the 68 points of a face: image left, image right
FACE_REGION = 1.75  # side in longer sides of the 68 points' box, which ends at the eyebrows
ABOVE = 0.12  # how much higher its centre is, in the same unit


def complete(search: Search, picture: Picture, found: Sequence[Sighting]) -> list[Part]:
    """Return the parts with depth, hands also in metres, faces with 468 keypoints.

    search   the built-in networks of this kind of part.
    picture  (H, W, 3) uint8 RGB.
    """
    regions = [_region(search, one) for one in found]
    pairs = search.readings(picture, regions, PRESENT)
    return [
        one.part if pair is None else _with_depth(one, pair[1])
        for one, pair in zip(found, pairs, strict=True)
    ]


def _region(search: Search, one: Sighting) -> Region:
    """Where the landmark network looks."""
    keypoints = one.part.keypoints
    if one.part.kind != "face":
        return search.family.from_landmarks(keypoints)
    first, second = (keypoints[eye, :2].mean(axis=0) for eye in EYES)
    angle = heading(first, second, 0.0)
    up = Region(0, 0, 1, angle).turn(np.array([0.0, -ABOVE * one.part.box.longer_side]))
    (x, y), side = one.part.box.centre, one.part.box.longer_side * FACE_REGION
    return Region(x + float(up[0]), y + float(up[1]), side, angle)


def _with_depth(one: Sighting, reading: Reading) -> Part:
    part, box = one.part, around(reading.landmarks)
    if reading.presence < PRESENT or iou(box, part.box) < SAME_PLACE:
        return part
    if reading.right is None:
        return replace(part, box=box, keypoints=reading.landmarks)
    if (reading.right >= 0.5) != (part.side == "right"):
        return part  # taken for the other hand, its depth is that of a mirrored one
    keypoints = reading.landmarks.copy()
    keypoints[one.sure, :2] = part.keypoints[one.sure, :2]
    return replace(part, keypoints=keypoints, world=reading.world)
