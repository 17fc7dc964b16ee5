"""The first pass over a clip: what is seen in each frame, kept as records until it is painted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import GivenBox, Part
from realishuman.imaging.boxes import around
from realishuman.judge.drawing import looks_drawn
from realishuman.judge.gate import DRAWN
from realishuman.judge.opinion import GOOD, mix_opinions
from realishuman.judge.trust import distrust
from realishuman.mesh.base import Mesh
from realishuman.parts.found import FoundPart
from realishuman.pipeline.look import look
from realishuman.pipeline.models import Models
from realishuman.settings import TRANSPLANT, Settings

Pixels = NDArray[np.uint8]

THUMB = (16, 12)  # width and height of what scene cuts are found by
NEAR = 0.2  # below GOOD, down to where it is also asked whether the mesh can be trusted
MESH = ("vertices", "faces", "joints", "normals", "seen", "wrong")


@dataclass(frozen=True)
class Sight:
    """A part as one frame shows it.

    found      without what the gate says; its number is its place in the frame.
    malformed  how likely it is malformed, 0 to 1; None where nothing is to be asked.
    hindrance  why it could not be repaired if it were, as a sentence, or "".
    """

    found: FoundPart
    malformed: float | None
    hindrance: str


@dataclass(frozen=True)
class Seen:
    """What a frame shows: its parts, and (12, 16, 3) uint8, the frame very small."""

    sights: tuple[Sight, ...]
    thumb: Pixels


def see(rgb: Pixels, models: Models, settings: Settings, boxes: Sequence[GivenBox]) -> Seen:
    """Look at a frame (H, W, 3) uint8."""
    found = look(rgb, models, replace(settings, gate=False, max_parts=0), boxes)
    sights = tuple(_gauge(rgb, one, models, settings) for one in found.parts)
    thumb = cv2.resize(rgb, THUMB, interpolation=cv2.INTER_AREA)
    return Seen(sights, np.asarray(thumb, np.uint8))


def _gauge(rgb: Pixels, one: FoundPart, models: Models, settings: Settings) -> Sight:
    """What the gate asks of a part, as judge.gate.doubt asks it."""
    kind = one.part.kind
    network = models.gate(kind, settings.engine) if settings.ways.gate else None
    if network is None or one.reason:
        return Sight(one, None, "")
    judged = network.malformed(rgb, one.part, one.mesh)
    malformed = mix_opinions(judged, one.mesh.wrong).malformed
    if models.engine_for(kind, settings) != TRANSPLANT or malformed < GOOD - NEAR:
        return Sight(one, malformed, "")
    drawn = looks_drawn(rgb, one.mesh)
    return Sight(one, malformed, DRAWN if drawn else distrust(rgb, one.mesh))


def pack_seen(seen: Seen) -> bytes:
    """What a frame shows as a record."""
    told: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {"thumb": seen.thumb}
    for number, sight in enumerate(seen.sights):
        part, mesh = sight.found.part, sight.found.mesh
        told.append(
            {
                "kind": part.kind,
                "side": part.side,
                "score": part.score,
                "note": part.note,
                "right": part.right,
                "doubt": part.doubt,
                "reason": sight.found.reason,
                "malformed": sight.malformed,
                "hindrance": sight.hindrance,
            }
        )
        values: dict[str, Any] = {"keypoints": part.keypoints, "world": part.world}
        values |= {name: getattr(mesh, name) for name in MESH}
        arrays |= {f"{n}{number}": v for n, v in values.items() if v is not None}
    file = BytesIO()
    np.savez_compressed(file, allow_pickle=False, told=np.array(json.dumps(told)), **arrays)
    return file.getvalue()


def unpack_seen(record: bytes) -> Seen:
    """What a frame shows, from its record."""
    with np.load(BytesIO(record), allow_pickle=False) as arrays:
        told = json.loads(str(arrays["told"]))
        sights = tuple(_unpack(number, one, arrays) for number, one in enumerate(told))
        return Seen(sights, arrays["thumb"])


def _unpack(number: int, told: dict[str, Any], arrays: Mapping[str, Any]) -> Sight:
    values: dict[str, Any] = {
        name: arrays[key] if (key := f"{name}{number}") in arrays else None
        for name in ("keypoints", "world", *MESH)
    }
    keypoints = values.pop("keypoints")
    world = values.pop("world")
    part = Part(
        *(told["kind"], told["side"], around(keypoints), told["score"], keypoints, world),
        note=told["note"],
        right=told["right"],
        doubt=told["doubt"],
    )
    found = FoundPart(number + 1, part, Mesh(**values), told["reason"])
    return Sight(found, told["malformed"], told["hindrance"])
