"""Finds all parts of one kind: detected on windows, confirmed by two landmark passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realishuman.detect.anchors import Candidates
from realishuman.detect.base import Part, Picture
from realishuman.detect.families import Family
from realishuman.detect.find import LOWEST_SCORE, scan, settle
from realishuman.detect.landmarks import Reading, read_twice
from realishuman.detect.regions import Region
from realishuman.detect.suppress import distinct
from realishuman.detect.tiles import Window, plan
from realishuman.imaging.boxes import Box, around
from realishuman.weights.onnx_session import OnnxSession

GATE = 0.5  # lowest presence: what both landmark passes must say to a detection
SECOND_TRY = 0.3  # malformed parts score low: asked again this low when nothing was found
SECOND_GATE = 0.9  # the landmark network must then be surer
LOOSEST = 0.5  # who asks for more confidence than this gets no second try
MOST_CANDIDATES = 300  # of one kind in one picture: bounds the time


@dataclass(frozen=True)
class Search:
    """The open networks of one kind of part, and how to use them."""

    kind: str
    family: Family
    finder: OnnxSession
    reader: OnnxSession

    def everywhere(self, picture: Picture, confidence: float) -> list[Part]:
        """Return all parts in the picture, best first."""
        windows = plan(picture.shape[1], picture.shape[0])
        found = scan(self.finder, self.family.finder, picture, windows)
        tries = [(max(confidence, LOWEST_SCORE), GATE)]
        if SECOND_TRY < confidence <= LOOSEST:
            tries.append((SECOND_TRY, SECOND_GATE))
        for threshold, gate in tries:
            if parts := self.confirmed(picture, settle(found, windows, threshold), gate):
                return distinct(parts)
        return []

    def candidates(self, picture: Picture, windows: Sequence[Window]) -> Candidates:
        """Return everything the detector takes for a part in these windows, however unsure."""
        return settle(scan(self.finder, self.family.finder, picture, windows), windows, 0.0)

    def confirmed(self, picture: Picture, candidates: Candidates, gate: float) -> list[Part]:
        """Return the candidates in which both landmark passes see a part, duplicates as well."""
        count = min(len(candidates.scores), MOST_CANDIDATES)
        regions = [
            self.family.from_detection(Box(*candidates.boxes[i].tolist()), candidates.points[i])
            for i in range(count)
        ]
        pairs = self.readings(picture, regions, gate)
        scores = candidates.scores[:count].tolist()
        return [
            self.part(pair[1], score)
            for score, pair in zip(scores, pairs, strict=True)
            if pair is not None and pair[1].presence >= gate
        ]

    def readings(
        self, picture: Picture, regions: Sequence[Region], gate: float
    ) -> list[tuple[Reading, Reading] | None]:
        """Return both landmark passes per region, None where the first stays under the gate."""
        family = self.family
        return read_twice(self.reader, family.reader, picture, regions, family.from_landmarks, gate)

    def part(self, reading: Reading, score: float) -> Part:
        """Return a reading as a part."""
        side = None
        if reading.right is not None:
            side = "right" if reading.right >= 0.5 else "left"
        box = around(reading.landmarks)
        return Part(self.kind, side, box, score, reading.landmarks, reading.world)
