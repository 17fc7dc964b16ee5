"""Says when fewer hands were found than the people in the picture should have, and where to look.

A mangled hand is often not recognised as one. Nothing is repainted because of a hint: the user has
to draw a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, Part
from realishuman.imaging.boxes import Box, containment

NEEDED = {"hand", "face"}  # kinds of part that must have been looked for
BELOW = 3.0  # faces below the chin that must be in the picture for hands to be expected in it
FOREHEAD, CHIN = 10, 152  # of the 468 landmarks
MOST = 2  # places that are offered
TAKEN = 0.3  # share of a place or part that both may have in common


@runtime_checkable
class Suspecting(Protocol):
    """A detector that can also say where a part may be that it does not vouch for."""

    def suspects(self, picture: NDArray[np.uint8], kind: str) -> list[tuple[Box, float]]:
        """Return boxes and scores 0..1 of places that may be such a part, best first."""


def hints(rgb: NDArray[np.uint8], parts: Sequence[Part], detector: Detector) -> tuple[str, ...]:
    """Return some sentences if there are fewer than two hands for each person, else nothing.

    rgb    (H, W, 3) uint8.
    parts  all that was found in it.
    People count only if their hands would be in the picture if they hung down.
    """
    size = rgb.shape[:2]
    people = sum(part.kind == "face" and _reaches(part, size) for part in parts)
    hands = [part for part in parts if part.kind == "hand" and not part.doubt]
    if len(hands) >= 2 * people:
        return ()
    there = "There is 1 person" if people == 1 else f"There are {people} people"
    found = "1 hand was" if len(hands) == 1 else f"{len(hands) or 'no'} hands were"
    text = (
        f"{there} in the picture, but {'only ' if hands else ''}{found} found: a hand may be "
        "hidden, or too malformed to be recognised. To have it repaired, draw a box around it "
        "(--box hand:x0,y0,x1,y1)."
    )
    places = detector.suspects(rgb, "hand") if isinstance(detector, Suspecting) else []
    free = [one for one in places if all(containment(one[0], p.box) < TAKEN for p in parts)]
    if free:
        named = " or ".join(_describe(box, score, size) for box, score in free[:MOST])
        text += f" It may be at {named}."
    return (text,)


def _reaches(face: Part, size: tuple[int, int]) -> bool:
    """Whether the picture goes on so far below a face that its person's hands would be in it."""
    points = face.keypoints
    if len(points) > CHIN:
        chin, down = points[CHIN, :2], points[CHIN, :2] - points[FOREHEAD, :2]
    else:
        chin = np.array([face.box.centre[0], face.box.y1])
        down = np.array([0.0, face.box.height])
    x, y = chin + BELOW * down
    return bool(0 <= x < size[1] and 0 <= y < size[0])


def _describe(box: Box, score: float, size: tuple[int, int]) -> str:
    """A place as --box takes it, within the picture, and the detector's score."""
    x0, x1 = (min(max(round(x), 0), size[1]) for x in (box.x0, box.x1))
    y0, y1 = (min(max(round(y), 0), size[0]) for y in (box.y0, box.y1))
    return f"hand:{x0},{y0},{x1},{y1} (score {score:.2f})"
