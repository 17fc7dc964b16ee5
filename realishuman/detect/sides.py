"""Which hand a part is: what the user says counts, whatever the network took it for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realishuman.detect.base import GivenBox, Part
from realishuman.imaging.boxes import iou

MIRRORED = np.array([1, 1, -1], np.float32)


def on_side(part: Part, side: str | None) -> Part:
    """Return the part as that of this side; the same part if it is, or if no side is said.

    The palm of one hand has the outline of the back of the other, so a hand that was taken for the
    wrong one has its depth the wrong way round.
    """
    if side is None or part.side in (side, None):
        return part
    world = None if part.world is None else part.world * MIRRORED
    return replace(part, side=side, keypoints=part.keypoints * MIRRORED, world=world)


def sided(parts: Sequence[Part], boxes: Sequence[GivenBox]) -> list[Part]:
    """Return the parts, those in the user's boxes with the side that the user said.

    Each box names at most one part, the one of its kind that fits it best.
    """
    result = list(parts)
    for box in boxes:
        places = [at for at, part in enumerate(result) if part.kind == box.kind]
        best = max(places, key=lambda at: iou(result[at].box, box.box), default=None)
        if best is not None and iou(result[best].box, box.box) > 0:
            result[best] = on_side(result[best], box.side)
    return result
