"""What was changed in a frame: kept as small records until the clip is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import Box
from realishuman.video.clip import Frame

Pixels = NDArray[np.uint8]
APART = 9  # pixels: changes nearer to each other are kept as one


@dataclass(frozen=True)
class Change:
    """A changed place of a frame: the pixels (h, w, 3) uint8 RGB that its box now holds."""

    left: int
    top: int
    pixels: Pixels


def find_changes(before: Pixels, after: Pixels) -> list[Change]:
    """The changed places of a picture (H, W, 3); in each all else is as before."""
    changed = (before != after).any(axis=2)
    if not changed.any():
        return []
    joined = cv2.dilate(changed.view(np.uint8), np.ones((APART, APART), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(joined)
    made = []
    for number in range(1, count):
        x, y, width, height, _ = stats[number].tolist()
        window = slice(y, y + height), slice(x, x + width)
        own = (pieces[window] == number)[..., None]
        made.append(Change(x, y, np.where(own, after[window], before[window])))
    return made


def apply_changes(frame: Frame, changes: list[Change]) -> Frame:
    """The frame with its changes."""
    if not changes:
        return frame
    planes = frame.planes
    before = planes.rgb()
    for one in changes:
        height, width = one.pixels.shape[:2]
        place = Box(one.left, one.top, one.left + width, one.top + height)
        old = before[one.top : one.top + height, one.left : one.left + width]
        planes = planes.with_change(place, old, one.pixels)
    return replace(frame, planes=planes)


def pack_changes(changes: list[Change], fault: str = "") -> bytes:
    """Changes as a record, or why there are none."""
    arrays: dict[str, NDArray[Any]] = {"fault": np.array(fault)}
    for number, one in enumerate(changes):
        arrays[f"place{number}"] = np.array([one.left, one.top], np.int32)
        arrays[f"png{number}"] = cv2.imencode(".png", one.pixels)[1]
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack_changes(record: bytes) -> list[Change]:
    """The changes of a record."""
    with np.load(BytesIO(record), allow_pickle=False) as arrays:
        count = len(arrays.files) // 2
        places = [arrays[f"place{number}"].tolist() for number in range(count)]
        files = [arrays[f"png{number}"] for number in range(count)]
    return [
        Change(left, top, np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8))
        for (left, top), file in zip(places, files, strict=True)
    ]


def read_fault(record: bytes) -> str:
    """Why a record holds no changes; empty if there were none to make."""
    with np.load(BytesIO(record), allow_pickle=False) as arrays:
        return str(arrays["fault"])
