"""Finds all parts of one kind: detected on windows, confirmed by two landmark passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from realishuman.detect.anchors import Candidates
from realishuman.detect.base import Part, Picture
from realishuman.detect.families import Family
from realishuman.detect.feet import doubt
from realishuman.detect.find import LOWEST_SCORE, keep_best, scan
from realishuman.detect.landmarks import Reading, read_twice
from realishuman.detect.recolour import as_skin
from realishuman.detect.regions import Region, upright
from realishuman.detect.suppress import drop_covered, overlaps
from realishuman.detect.tiles import Window, plan, whole
from realishuman.imaging.boxes import Box, around
from realishuman.onnx_files.session import OnnxSession

GATE = 0.5  # lowest presence: what both landmark passes must say to a detection
SECOND_TRY = 0.3  # malformed parts score low: asked again this low when nothing was found
SECOND_GATE = 0.9  # the landmark network must then be surer
LOOSEST = 0.5  # who asks for more confidence than this gets no second try
MOST_CANDIDATES = 300  # of one kind in one picture: bounds the time
CLOSE = 5.0  # side of a window for a closer look, in longer sides of the detection
MOST_CLOSE = 16  # such windows in one picture: bounds the time
SAME_VIEW = 0.25  # of a window: a detection this near its middle is seen by it as well
ALREADY = 0.1  # IoU from which an unsure detection belongs to a sure one


class Scans(NamedTuple):
    """What the detector answered in each of these windows, however unsure."""

    found: list[Candidates]
    windows: list[Window]

    def keep_best(self, threshold: float) -> Candidates:
        """Return what scores at least `threshold`, once each, in picture pixels."""
        return keep_best(self.found, self.windows, threshold)


@dataclass(frozen=True)
class Search:
    """The open networks of one kind of part, and how to use them."""

    kind: str
    family: Family
    finder: OnnxSession
    reader: OnnxSession

    def find_everywhere(self, picture: Picture, confidence: float) -> list[Part]:
        """Return all parts in the picture, best first; one that is doubted is no find alone."""
        scans = self.scan(picture, confidence)
        tries = [(max(confidence, LOWEST_SCORE), GATE)]
        if SECOND_TRY < confidence <= LOOSEST:
            tries.append((SECOND_TRY, SECOND_GATE))
        doubted: list[Part] = []
        for threshold, gate in tries:
            parts = drop_covered(self.confirm(picture, scans.keep_best(threshold), gate))
            if not all(part.doubt for part in parts):
                return parts
            doubted = doubted or parts
        more = self.find_recoloured(picture, confidence) if self.family.skin else []
        return drop_covered([*doubted, *more])

    def find_recoloured(self, picture: Picture, confidence: float) -> list[Part]:
        """Return what is surely a part once the picture has the colours of skin, best first.

        Half of the windows are looked at, the largest, so that this costs half a search at most.
        """
        windows = plan(picture.shape[1], picture.shape[0], self.family.levels)
        windows = windows[: (len(windows) + 1) // 2]
        toned = as_skin(picture)
        scans = Scans(scan(self.finder, self.family.finder, toned, windows), windows)
        found = scans.keep_best(max(confidence, LOOSEST))
        return drop_covered(self.confirm(toned, found, SECOND_GATE))

    def scan(self, picture: Picture, confidence: float) -> Scans:
        """Look at all windows of a picture, and closer where something small is unsure."""
        height, width = picture.shape[:2]
        windows = plan(width, height, self.family.levels)
        windows += [whole(width, height, turn) for turn in self.family.rolls]
        scans = Scans(scan(self.finder, self.family.finder, picture, windows), windows)
        if closer := list(_closer(scans, confidence, self.family.levels.closer)):
            scans.found.extend(scan(self.finder, self.family.finder, picture, closer))
            scans.windows.extend(closer)
        return scans

    def candidates(self, picture: Picture, windows: Sequence[Window]) -> Candidates:
        """Return everything the detector takes for a part in these windows, however unsure."""
        return keep_best(scan(self.finder, self.family.finder, picture, windows), windows, 0.0)

    def confirm(self, picture: Picture, candidates: Candidates, gate: float) -> list[Part]:
        """Return the candidates in which both landmark passes see a part, duplicates as well."""
        count = min(len(candidates.scores), MOST_CANDIDATES)
        regions = [
            self.family.from_detection(Box(*candidates.boxes[i].tolist()), candidates.points[i])
            for i in range(count)
        ]
        pairs = self.readings(picture, regions, gate)
        scores = candidates.scores[:count].tolist()
        return [
            self.make_part(pair[1], score)
            for score, pair in zip(scores, pairs, strict=True)
            if pair is not None and pair[1].presence >= gate
        ]

    def readings(
        self, picture: Picture, regions: Sequence[Region], gate: float
    ) -> list[tuple[Reading, Reading] | None]:
        """Return both landmark passes per region, None where the first stays under the gate."""
        return read_twice(self.reader, self.family, picture, regions, gate)

    def make_part(self, reading: Reading, score: float) -> Part:
        """Return a reading as a part."""
        side = None
        if reading.right is not None:
            side = "right" if reading.right >= 0.5 else "left"
        box = around(reading.landmarks)
        keypoints, world = reading.landmarks, reading.world
        return Part(
            *(self.kind, side, box, score, keypoints, world),
            right=reading.right,
            doubt=doubt(reading.foot),
        )


def _closer(scans: Scans, confidence: float, share: float) -> Iterator[Window]:
    """Windows around detections that are less sure than asked, each place once.

    share  of the finest window below which a detection counts as small.
    """
    if not share:
        return
    small = share * min(window.region.side for window in scans.windows)
    found = scans.keep_best(LOWEST_SCORE)
    sure = found.boxes[found.scores >= confidence]
    chosen: list[Region] = []
    for values, score in zip(found.boxes, found.scores, strict=True):
        box = Box(*values.tolist())
        if score >= confidence or box.longer_side <= 1 or len(chosen) == MOST_CLOSE:
            continue
        if score < SECOND_TRY and box.longer_side > small:
            continue
        if len(sure) and overlaps(values, sure).max() > ALREADY:
            continue
        view = upright(box, CLOSE)
        if not any(_sees(other, view) for other in chosen):
            chosen.append(view)
            yield Window(view, (True,) * 4)


def _sees(one: Region, other: Region) -> bool:
    """Whether a window shows the middle of another of about its size near its own middle."""
    apart = max(abs(one.x - other.x), abs(one.y - other.y))
    return apart < SAME_VIEW * one.side and 0.6 < one.side / other.side < 1.6
