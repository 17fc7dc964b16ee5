"""Picks the hands and faces out of people's keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.detect.released import released_boxes
from realishuman.detect.simcc import Floats
from realishuman.detect.wholebody import FOUND, People
from realishuman.imaging.boxes import around
from realishuman.kinds import KINDS, load

ENOUGH = 10  # the released code wants more points than this, of hands and faces alike
Places = tuple[tuple[str | None, slice], ...]


@dataclass(frozen=True)
class Sighting:
    """A part as the pose network alone sees it: keypoints without depth, 68 for a face.

    sure  (K,) bool, which keypoints were found; the others are guesses.
    """

    part: Part
    sure: NDArray[np.bool_]


def places_of(kind: str) -> Places:
    """Side and place among a person's keypoints of each part of a kind; empty if it has none."""
    places: Places = load(KINDS[kind].people) if kind in KINDS and KINDS[kind].people else ()
    return places


def sightings(people: People, kind: str, confidence: float) -> list[Sighting]:
    """Return the parts of one kind of all people.

    A part's score is what more than half of its points reach; a part counts from `confidence` on,
    and never below 0.3. For a hand and 0.5 that is the released rule, more than 10 of 21 points.
    The box is that of the points that were found.
    """
    return [one for one in _all(people, kind) if one.part.score >= confidence]


def released_sightings(people: People, kind: str, width: int, height: int) -> list[Sighting]:
    """Return the hands or the face of one person that the released code crops, with its squares.

    people         of one person.
    width, height  of the picture.
    """
    stored = people.to_released(width, height)
    squares = released_boxes(stored.hands, stored.hands_score, stored.faces, width, height)
    found = []
    for side, place in places_of(kind):
        names = (side[0], "merged") if side else (kind,)
        square = next((squares[name] for name in names if name in squares), None)
        if square is not None and (one := _sighting(people, 0, kind, side, place, ENOUGH)):
            found.append(replace(one, part=replace(one.part, square=square)))
    return found


def _all(people: People, kind: str) -> Iterator[Sighting]:
    for person in range(len(people.points)):
        for side, place in places_of(kind):
            if one := _sighting(people, person, kind, side, place, (place.stop - place.start) // 2):
                yield one


def _sighting(
    people: People, person: int, kind: str, side: str | None, place: slice, more_than: int
) -> Sighting | None:
    """One part of one person; its score is what more than so many of its points reach."""
    points, own = people.points[person, place], people.scores[person, place]
    score = float(np.sort(own)[::-1][more_than])
    sure = own >= FOUND
    if score < FOUND or np.ptp(points[sure], axis=0).max() <= 0:
        return None
    keypoints = _plausible(points, own, sure)
    part = Part(kind, side, around(points[sure]), min(score, 1.0), keypoints, person=person)
    return Sighting(part, sure)


def _plausible(points: Floats, scores: Floats, sure: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Keypoints (K, 3); one of which the network sees nothing lies amid the others."""
    placed = np.where((scores > 0)[:, None], points, points[sure].mean(axis=0))
    return np.column_stack([placed, np.zeros(len(placed))]).astype(np.float32)
