"""Adds to the keypoints of the pose network what it does not give: depth, and a face's surface.

The built-in landmark networks read the same places. Where one does not see the part, or sees
another side, the pose network's keypoints stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from realishuman.detect.base import Part, Picture
from realishuman.detect.landmarks import Reading
from realishuman.detect.people import Sighting
from realishuman.detect.regions import Region
from realishuman.detect.search import Search
from realishuman.imaging.boxes import around, iou

PRESENT = 0.05  # presence from which a landmark network is believed where another saw the part
SAME_PLACE = 0.4  # IoU of both networks' boxes, at least


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
    if search.family.from_people is not None:
        return search.family.from_people(one.part.keypoints, one.part.box)
    return search.family.from_landmarks(one.part.keypoints)


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
