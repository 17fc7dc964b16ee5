"""Picks the hands and faces out of people's keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.detect.simcc import Floats
from realishuman.detect.wholebody import FACE, FOUND, LEFT_HAND, RIGHT_HAND, People
from realishuman.imaging.boxes import around

PLACES: Mapping[str, tuple[tuple[str | None, slice], ...]] = {
    "hand": (("left", LEFT_HAND), ("right", RIGHT_HAND)),
    "face": ((None, FACE),),
}


@dataclass(frozen=True)
class Sighting:
    """A part as the pose network alone sees it: keypoints without depth, 68 for a face.

    sure  (K,) bool, which keypoints were found; the others are guesses.
    """

    part: Part
    sure: NDArray[np.bool_]


def sightings(people: People, kind: str, confidence: float) -> list[Sighting]:
    """Return the hands or faces of all people.

    A part's score is what more than half of its points reach; a part counts from `confidence` on,
    and never below 0.3. For a hand and 0.5 that is the released rule, more than 10 of 21 points.
    The box is that of the points that were found.
    """
    return [one for one in _all(people, kind) if one.part.score >= confidence]


def _all(people: People, kind: str) -> Iterator[Sighting]:
    for person, (points, scores) in enumerate(zip(people.points, people.scores, strict=True)):
        for side, place in PLACES[kind]:
            own = scores[place]
            score = float(np.sort(own)[::-1][len(own) // 2])
            sure = own >= FOUND
            if score < FOUND or np.ptp(points[place][sure], axis=0).max() <= 0:
                continue
            box = around(points[place][sure])
            keypoints = _plausible(points[place], own, sure)
            part = Part(kind, side, box, min(score, 1.0), keypoints, person=person)
            yield Sighting(part, sure)


def _plausible(points: Floats, scores: Floats, sure: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Keypoints (K, 3); one of which the network sees nothing lies amid the others."""
    placed = np.where((scores > 0)[:, None], points, points[sure].mean(axis=0))
    return np.column_stack([placed, np.zeros(len(placed))]).astype(np.float32)
