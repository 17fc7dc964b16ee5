"""Runs a landmark network on regions of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realishuman.detect import feet
from realishuman.detect.base import Picture
from realishuman.detect.families import Family, Reader
from realishuman.detect.regions import Region, cut
from realishuman.onnx_files.session import OnnxSession

BATCH = 16


@dataclass(frozen=True)
class Reading:
    """What the network sees in one region.

    landmarks  (K, 3) float32: x, y in picture pixels, z in the same unit, away from the viewer.
    presence   0..1, how sure it is that the region shows such a part.
    right      0..1, how sure it is that it is the person's right one; None if there are no sides.
    world      (K, 3) float32 in metres, axes as landmarks; None if the network gives none.
    foot       how much it is like a foot, hands have -1, feet 1; None if that cannot be told.
    """

    landmarks: NDArray[np.float32]
    presence: float
    right: float | None
    world: NDArray[np.float32] | None
    foot: float | None = None


def read(
    session: OnnxSession, reader: Reader, picture: Picture, regions: Sequence[Region]
) -> list[Reading]:
    """Return one reading per region, in the same order."""
    readings: list[Reading] = []
    for start in range(0, len(regions), BATCH):
        group = regions[start : start + BATCH]
        pixels = [cut(picture, region, reader.size, repeat_edge=True) for region in group]
        batch = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32)
        batch /= 255
        out = session.run(image=np.ascontiguousarray(batch))
        for i, region in enumerate(group):
            one = {name: values[i] for name, values in out.items()}
            readings.append(_reading(reader, region, one))
    return readings


def read_twice(
    session: OnnxSession,
    family: Family,
    picture: Picture,
    regions: Sequence[Region],
    gate: float,
) -> list[tuple[Reading, Reading] | None]:
    """Read, and read what passes the gate again from the region its own landmarks give.

    The second region fits better than one from a detector's box, and what is no part after all
    (a knee, say) is rarely taken for one twice. Returns both readings per region, None where the
    first does not pass.
    """
    firsts = _upright(session, family, picture, regions)
    passed = [first for first in firsts if first.presence >= gate]
    closer = [family.from_landmarks(first.landmarks) for first in passed]
    seconds = iter(read(session, family.reader, picture, closer))
    return [(first, next(seconds)) if first.presence >= gate else None for first in firsts]


def _upright(
    session: OnnxSession, family: Family, picture: Picture, regions: Sequence[Region]
) -> list[Reading]:
    """One reading per region, the right way up as far as its presence tells.

    A network that knows upright parts only sees one in a part that stands on its head too, but is
    never as sure of it.
    """
    firsts = read(session, family.reader, picture, regions)
    unsure = [i for i, first in enumerate(firsts) if first.presence < family.sure]
    others = [
        replace(regions[i], angle=regions[i].angle + turn) for i in unsure for turn in family.rolls
    ]
    turned = iter(read(session, family.reader, picture, others))
    for i in unsure:
        every = [firsts[i], *(next(turned) for _ in family.rolls)]
        firsts[i] = max(every, key=lambda reading: reading.presence)
    return firsts


def _reading(reader: Reader, region: Region, out: dict[str, NDArray[np.float32]]) -> Reading:
    raw = out["landmarks"].reshape(-1, 3).astype(np.float64) / reader.size
    flat = region.to_picture(raw[:, :2])
    depth = raw[:, 2:] * (region.side / reader.depth)
    presence = float(out["presence"][0])
    if reader.presence_logit:
        presence = float(1 / (1 + np.exp(-presence)))
    right, world = None, None
    if reader.sided:
        right = float(out["handedness"][0])
        metres = out["world"].reshape(-1, 3)
        world = np.column_stack([region.turn(metres[:, :2]), metres[:, 2]]).astype(np.float32)
    foot = feet.likeness(out["features"]) if reader.features else None
    landmarks = np.column_stack([flat, depth]).astype(np.float32)
    return Reading(landmarks, presence, right, world, foot)
