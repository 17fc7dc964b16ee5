"""Parts of single frames as tracks: which hand of a frame is which of the frame before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from realishuman.video.sights import Seen, Sight

Floats = NDArray[np.float32]

POINTS = 21  # of a part, at most, that it is told apart by
FAR = 0.5  # of a part's size by which its points may be off from where they were expected
GAP = 0.4  # seconds for which a part may be lost
CUT = 20.0  # levels of 255 by which a frame differs from the last one where the scene changes
ABRUPT = 3.0  # and times as much as the frames around it
AROUND = 6  # frames on each side that these are


@dataclass
class Brief:
    """What is remembered of a sight in all frames of a clip; about 500 bytes.

    place      which of its frame's sights it is.
    points     (K, 2) float32, some of its keypoints.
    malformed  NaN where nothing is to be asked.
    """

    frame: int
    place: int
    kind: str
    side: str | None
    score: float
    points: Floats
    reason: str
    malformed: float
    hindrance: str
    wrong: Floats | None

    @property
    def size(self) -> float:
        """The longer side of its points' box, in pixels."""
        return max(float(np.ptp(self.points, axis=0).max()), 1.0)


@dataclass
class Track:
    """One part through the frames of a scene.

    number  from 1, in the order in which tracks begin.
    """

    number: int
    kind: str
    briefs: list[Brief] = field(default_factory=list)

    @property
    def side(self) -> str | None:
        """The one that most of its sights speak for, by their scores."""
        votes: Counter[str | None] = Counter()
        for one in self.briefs:
            votes[one.side] += round(1000 * one.score)
        return votes.most_common(1)[0][0]

    def expect(self, frame: int) -> Floats:
        """(K, 2) where its points should be in a later frame, if it moves on as it did."""
        last = self.briefs[-1]
        if len(self.briefs) < 2:
            return last.points
        before = self.briefs[-2]
        speed = (last.points - before.points).mean(axis=0) / (last.frame - before.frame)
        return np.asarray(last.points + speed * (frame - last.frame), np.float32)


def brief(frame: int, place: int, sight: Sight) -> Brief:
    """What is remembered of a sight."""
    part = sight.found.part
    every = -(-len(part.keypoints) // POINTS)
    return Brief(
        frame,
        place,
        part.kind,
        part.side,
        part.score,
        np.array(part.keypoints[::every, :2], np.float32),
        sight.found.reason,
        np.nan if sight.malformed is None else sight.malformed,
        sight.hindrance,
        sight.found.mesh.wrong,
    )


def follow(frames: Iterable[Seen], rate: float) -> tuple[list[Track], list[int]]:
    """Join what all frames show to tracks; none goes on beyond a scene cut.

    rate     frames per second.
    Returns  the tracks, and the frames, from 0, with which another scene begins.
    """
    briefs: list[list[Brief]] = []
    changes, last = [], None
    for number, seen in enumerate(frames):
        briefs.append([brief(number, place, one) for place, one in enumerate(seen.sights)])
        thumb = seen.thumb.astype(np.float32)
        changes.append(0.0 if last is None else float(np.abs(thumb - last).mean()))
        last = thumb
    cuts = find_cuts(changes)
    tracks: list[Track] = []
    open_tracks: list[Track] = []
    longest = max(round(GAP * rate), 1) + 1
    for number, some in enumerate(briefs):
        if number in cuts:
            open_tracks = []
        open_tracks = [one for one in open_tracks if number - one.briefs[-1].frame <= longest]
        for one in _extend(open_tracks, some, number):
            tracks.append(Track(len(tracks) + 1, one.kind, [one]))
            open_tracks.append(tracks[-1])
    return tracks, sorted(cuts)


def find_cuts(changes: Sequence[float]) -> set[int]:
    """The frames that differ abruptly from the one before.

    changes  mean difference of each frame from the one before, in levels of 255.
    """
    found = set()
    for number, change in enumerate(changes):
        around = [*changes[max(number - AROUND, 1) : number], *changes[number + 1 :][:AROUND]]
        usual = float(np.median(around)) if around else 0.0
        if change > CUT and change > ABRUPT * usual:
            found.add(number)
    return found


def _extend(tracks: Sequence[Track], briefs: Sequence[Brief], frame: int) -> list[Brief]:
    """Give each track its part of a frame; returns those that belong to none."""
    expected = [one.expect(frame) for one in tracks]
    pairs = sorted(
        (_distance(points, found), at, place)
        for at, points in enumerate(expected)
        for place, found in enumerate(briefs)
        if tracks[at].kind == found.kind
    )
    used: set[int] = set()
    taken: set[int] = set()
    for distance, at, place in pairs:
        if distance <= FAR and at not in used and place not in taken:
            used.add(at)
            taken.add(place)
            tracks[at].briefs.append(briefs[place])
    return [one for place, one in enumerate(briefs) if place not in taken]


def _distance(points: Floats, found: Brief) -> float:
    """Mean distance of a part's points from those expected, in its size."""
    if points.shape != found.points.shape:
        return np.inf
    return float(np.linalg.norm(points - found.points, axis=1).mean()) / found.size
