"""What was changed in a frame: kept as small records until the clip is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import Box
from realishuman.video.clip import Frame

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
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


def change_pixels(before: Pixels, changes: list[Change]) -> Pixels:
    """A picture (H, W, 3) with its changes."""
    after = before.copy()
    for one in changes:
        height, width = one.pixels.shape[:2]
        window = slice(one.top, one.top + height), slice(one.left, one.left + width)
        own = (one.pixels != before[window]).any(axis=2)
        after[window][own] = one.pixels[own]
    return after


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


def pack_changes(
    changes: list[Change],
    *,
    fault: str = "",
    left: str = "",
    tones: Mapping[int, Floats] = MappingProxyType({}),
) -> bytes:
    """Changes as a record.

    fault  why the frame could not be refined; left: why a part was not that should have been.
    tones  of repainted tracks.
    """
    words = {"fault": np.array(fault), "left": np.array(left)}
    arrays: dict[str, NDArray[Any]] = {**words, "count": np.array(len(changes))}
    arrays |= {f"tones{number}": values.astype(np.float16) for number, values in tones.items()}
    for number, one in enumerate(changes):
        arrays[f"place{number}"] = np.array([one.left, one.top], np.int32)
        arrays[f"png{number}"] = cv2.imencode(".png", one.pixels)[1]
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack_changes(record: bytes) -> list[Change]:
    """The changes of a record."""
    with np.load(BytesIO(record), allow_pickle=False) as arrays:
        count = int(arrays["count"])
        places = [arrays[f"place{number}"].tolist() for number in range(count)]
        files = [arrays[f"png{number}"] for number in range(count)]
    return [
        Change(left, top, np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8))
        for (left, top), file in zip(places, files, strict=True)
    ]


def unpack_tones(record: bytes) -> dict[int, Floats]:
    """The tones of a record's tracks."""
    with np.load(BytesIO(record), allow_pickle=False) as arrays:
        return {
            int(name.removeprefix("tones")): arrays[name].astype(np.float32)
            for name in arrays.files
            if name.startswith("tones")
        }


def read_faults(record: bytes) -> tuple[str, str]:
    """A record's `fault` and `left`."""
    with np.load(BytesIO(record), allow_pickle=False) as arrays:
        return str(arrays["fault"]), str(arrays["left"])
