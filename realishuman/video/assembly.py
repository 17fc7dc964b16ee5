"""The parts of each frame as they are to be painted: smoothed, and numbered by their tracks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from realishuman.parts.found import Found, FoundPart
from realishuman.video.decisions import Decision, Span
from realishuman.video.sights import Seen
from realishuman.video.smoothing import Shot, smooth_part

GOOD_HERE = "it looks right in this part of the clip; turn gate off to repaint it"
TOO_MANY = "This {} is not among the {} largest; raise max_parts to refine it."


@dataclass(frozen=True)
class Assembled:
    """The parts of a frame.

    filled  numbers of those that were not found in it, but in frames around it.
    """

    found: Found
    filled: frozenset[int] = frozenset()


class Assembly:
    """Makes each frame's parts from what all frames show and what was decided.

    reach      frames on each side that a place is smoothed over.
    max_parts  of each kind, at most so many are painted in a frame; 0 is no limit.
    """

    def __init__(self, decisions: Sequence[Decision], reach: int, max_parts: int) -> None:
        self._reach, self._most = reach, max_parts
        self._decisions = {one.track.number: one for one in decisions}
        self._sides = {one.track.number: one.track.side for one in decisions}
        self._sizes = {
            one.track.number: float(np.mean([brief.size for brief in one.track.briefs]))
            for one in decisions
        }
        self._tracks: dict[int, dict[int, int]] = {}  # frame -> place in it -> track
        for one in decisions:
            for brief in one.track.briefs:
                self._tracks.setdefault(brief.frame, {})[brief.place] = one.track.number

    def frames(self, seen: Iterable[Seen]) -> Iterator[Assembled]:
        """The parts of every frame in order; few frames are in memory at once."""
        half = 2 * self._reach
        ends: list[dict[int, FoundPart]] = [{}] * half
        known = chain((self._by_track(frame, one) for frame, one in enumerate(seen)), ends)
        window = deque([{}, *ends, *islice(known, half)], maxlen=2 * half + 1)
        for frame, later in enumerate(known):
            window.append(later)
            yield self._assemble(frame, [(at - half, one) for at, one in enumerate(window)])

    def _by_track(self, frame: int, seen: Seen) -> dict[int, FoundPart]:
        """What a frame shows of each track."""
        numbers = self._tracks.get(frame, {})
        return {
            numbers[place]: replace(sight.found, number=numbers[place])
            for place, sight in enumerate(seen.sights)
            if place in numbers
        }

    def _assemble(self, frame: int, shots: Sequence[tuple[int, dict[int, FoundPart]]]) -> Assembled:
        own = dict(shots)[0]  # of the frame itself
        parts = dict(own)
        for number, decision in self._decisions.items():
            span = next((one for one in decision.spans if one.holds(frame)), None)
            if span is not None:
                made = self._smooth(number, span, frame, shots)
                if made is not None:
                    parts[number] = made
            elif number in own:
                why = own[number].reason or decision.reason or GOOD_HERE
                parts[number] = replace(own[number], reason=why, gate="")
        chosen = [parts[number] for number in sorted(parts)]
        found = self._limit(Found(tuple(chosen)))
        return Assembled(found, frozenset(parts.keys() - own.keys()))

    def _smooth(
        self, number: int, span: Span, frame: int, shots: Sequence[tuple[int, dict[int, FoundPart]]]
    ) -> FoundPart | None:
        side = self._sides[number]
        own = [
            Shot(apart, parts[number])
            for apart, parts in shots
            if number in parts and parts[number].part.side == side
        ]
        if not own:
            return None
        wrong = None if span.wrong is None else span.wrong[frame - span.first]
        made = smooth_part(own, self._reach, wrong)
        return replace(made, number=number, reason="")

    def _limit(self, found: Found) -> Found:
        """Only the largest tracks of each kind, where the user wants so many at most."""
        reasons: dict[int, str] = {}
        for kind in found.kinds if self._most else ():
            own = [one.number for one in found.chosen if one.part.kind == kind]
            own.sort(key=lambda number: self._sizes[number], reverse=True)
            reasons |= dict.fromkeys(own[self._most :], TOO_MANY.format(kind, self._most))
        return found.give_reasons(reasons)
