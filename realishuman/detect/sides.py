"""Which hand a part is: what the user says counts, then that nobody has two right hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realishuman.detect.base import GivenBox, Part
from realishuman.imaging.boxes import Box, iou

MIRRORED = np.array([1, 1, -1], np.float32)
REACH = 6.0  # from a face to a hand of the same person at most, in longer sides of the face
LIKE_SIZE = 0.3, 1.7  # a hand's longer side in those of the face, least and most
OTHER = {"left": "right", "right": "left"}


def put_on_side(part: Part, side: str | None) -> Part:
    """Return the part as surely that of this side; the same part if no side is said.

    The palm of one hand has the outline of the back of the other, so a hand that was taken for the
    wrong one has its depth the wrong way round.
    """
    if side is None or part.side is None:
        return part
    if part.side == side:
        return replace(part, right=None)
    world = None if part.world is None else part.world * MIRRORED
    return replace(part, side=side, keypoints=part.keypoints * MIRRORED, world=world, right=None)


def assign_sides(parts: Sequence[Part], boxes: Sequence[GivenBox]) -> list[Part]:
    """Return the parts, those in the user's boxes with the side that the user said.

    Each box names at most one part, the one of its kind that fits it best.
    """
    result = list(parts)
    for box in boxes:
        places = [at for at, part in enumerate(result) if part.kind == box.kind]
        best = max(places, key=lambda at: iou(result[at].box, box.box), default=None)
        if best is not None and iou(result[best].box, box.box) > 0:
            result[best] = put_on_side(result[best], box.side)
    return result


def correct_twins(parts: Sequence[Part]) -> list[Part]:
    """Return the parts; of two hands of one side on one person the less certain changes sides.

    That they are one person's is believed where one face and these two hands are all there is, and
    the face is in reach of both. Whose side is the user's word or a body's (no `right`) keeps it.
    """
    faces = [part for part in parts if part.kind == "face"]
    hands = [at for at, part in enumerate(parts) if part.kind == "hand" and not part.doubt]
    if len(faces) != 1 or len(hands) != 2 or not _alike(*(parts[at] for at in hands)):
        return list(parts)
    if not all(_in_reach(parts[at].box, faces[0].box) for at in hands):
        return list(parts)
    result = list(parts)
    weaker = min(hands, key=lambda at: abs((parts[at].right or 0.0) - 0.5))
    hand = parts[weaker]
    side = OTHER[str(hand.side)]
    note = (
        f"It looks like a {hand.side} hand, but this person's other hand looks more like one, "
        f"so it is treated as the {side} one. If that is wrong, use --box {hand.side}-hand:..."
    )
    result[weaker] = replace(put_on_side(hand, side), note=f"{hand.note} {note}".strip())
    return result


def _alike(one: Part, other: Part) -> bool:
    """Whether a network took both for the same side."""
    return one.side == other.side and None not in (one.right, other.right)


def _in_reach(hand: Box, face: Box) -> bool:
    apart = np.hypot(*np.subtract(hand.centre, face.centre)) / face.longer_side
    return bool(
        apart <= REACH and LIKE_SIZE[0] <= hand.longer_side / face.longer_side <= LIKE_SIZE[1]
    )
