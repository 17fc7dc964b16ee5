"""The built-in detector: MediaPipe's hand and face networks, shipped as ONNX.

A part is found by a single-shot detector on overlapping windows, read by a landmark network that
must agree that there is one, and read again from its own landmarks. Needs onnxruntime, no download.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realishuman.detect.anchors import Candidates
from realishuman.detect.base import GivenBox, Part, Picture
from realishuman.detect.families import FAMILIES, Family
from realishuman.detect.find import LOWEST_SCORE, scan, settle
from realishuman.detect.landmarks import Reading, read_twice
from realishuman.detect.regions import Region, upright
from realishuman.detect.suppress import distinct
from realishuman.detect.tiles import Window, plan
from realishuman.errors import ModelError, PictureError
from realishuman.imaging.boxes import Box, around, intersection, iou
from realishuman.weights.onnx_session import OnnxSession, open_session

FOLDER = Path(__file__).parents[1] / "assets" / "mediapipe"
GATE = 0.5  # lowest presence: what the landmark network must say to a detection
SECOND_TRY = 0.3  # malformed hands score low: asked again this low when nothing was found
SECOND_GATE = 0.9  # the landmark network must then be surer
HOPELESS = 0.05  # presence below which even a box the user drew yields no part
MOST_CANDIDATES = 300  # of one kind in one picture: bounds the time
NAMED_SCALES = (1.25, 2.0, 3.0)  # windows around a given box: detectors need surroundings
NAMED_REGION = 1.5  # region of the landmark network, in longer sides of a given box


@dataclass(frozen=True)
class _Networks:
    finder: OnnxSession
    reader: OnnxSession


class EmbeddedDetector:
    """Finds hands and faces; opens its networks on first use and keeps them.

    provider  "auto", "cpu" or "cuda".
    threads   per network; at most 2 if not given.
    folder    where the ONNX files lie.
    """

    def __init__(
        self, provider: str = "auto", *, threads: int | None = None, folder: Path = FOLDER
    ) -> None:
        """Remember the choice; opens nothing."""
        self._wanted, self._threads, self._folder = provider, threads, folder
        self._open: dict[str, _Networks] = {}

    @property
    def provider(self) -> str:
        """What really runs the networks, read back from the sessions; empty before first use."""
        return ", ".join(sorted({s.provider for s in self._sessions()}))

    @property
    def note(self) -> str:
        """A sentence when the networks run elsewhere than asked, else empty."""
        return " ".join(sorted({s.note for s in self._sessions()} - {""}))

    def detect(
        self,
        picture: Picture,
        kinds: Sequence[str],
        *,
        confidence: float,
        given: Sequence[GivenBox] = (),
    ) -> list[Part]:
        """Return all parts of these kinds, best first within a kind; an empty list if none.

        picture     (H, W, 3) uint8 RGB, any size from 1x1.
        confidence  0..1, lowest score that counts. Up to 0.5, a kind of which nothing is found is
                    looked for once more at 0.3, so a part may score less.
        given       boxes in picture pixels; a kind that has one is searched only there, whatever
                    the confidence, and each box yields at most one part.

        Raises PictureError on anything but such an array, ModelError on an unknown kind or when a
        network cannot be opened.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise PictureError(
                f"the detector got an array {picture.shape} of {picture.dtype}; "
                "expected (height, width, 3) uint8 RGB"
            )
        if not picture.size:
            raise PictureError(f"the picture is empty: {picture.shape}")
        parts: list[Part] = []
        for kind in kinds:
            boxes = [g.box for g in given if g.kind == kind]
            if boxes:
                found = [self._named(picture, kind, box) for box in boxes]
                parts += distinct([part for part in found if part is not None])
            else:
                parts += self._search(picture, kind, confidence)
        return parts

    def _search(self, picture: Picture, kind: str, confidence: float) -> list[Part]:
        family, networks = _family(kind), self._networks(kind)
        windows = plan(picture.shape[1], picture.shape[0])
        found = scan(networks.finder, family.finder, picture, windows)
        tries = [(max(confidence, LOWEST_SCORE), GATE)]
        if SECOND_TRY < confidence <= 0.5:
            tries.append((SECOND_TRY, SECOND_GATE))
        for threshold, gate in tries:
            candidates = settle(found, windows, threshold)
            if parts := self._read(picture, kind, candidates, gate):
                return parts
        return []

    def _read(self, picture: Picture, kind: str, candidates: Candidates, gate: float) -> list[Part]:
        """Return the candidates in which the landmark network sees a part as well."""
        family = _family(kind)
        count = min(len(candidates.scores), MOST_CANDIDATES)
        regions = [
            family.from_detection(Box(*candidates.boxes[i].tolist()), candidates.points[i])
            for i in range(count)
        ]
        pairs = self._readings(picture, kind, regions, gate)
        return distinct(
            [
                _part(kind, pair[1], score)
                for score, pair in zip(candidates.scores[:count].tolist(), pairs, strict=True)
                if pair is not None and pair[1].presence >= gate
            ]
        )

    def _named(self, picture: Picture, kind: str, box: Box) -> Part | None:
        """Return the part that fits a given box best, or None if there is no hope of one."""
        height, width = picture.shape[:2]
        sides = (box.x0, box.y0, box.x1, box.y1)
        if not all(map(math.isfinite, sides)) or intersection(box, Box(0, 0, width, height)) <= 0:
            return None
        family, networks = _family(kind), self._networks(kind)
        windows = [Window(upright(box, scale), (False,) * 4) for scale in NAMED_SCALES]
        found = scan(networks.finder, family.finder, picture, windows)
        candidates = settle(found, windows, LOWEST_SCORE)
        parts = [
            part
            for part in self._read(picture, kind, candidates, GATE)
            if intersection(part.box, box) > part.box.area / 2
        ]
        if parts:
            return max(parts, key=lambda part: iou(part.box, box))
        square = upright(box, NAMED_REGION)
        regions = [Region(square.x, square.y, square.side, turn) for turn in family.turns]
        pairs = self._readings(picture, kind, regions, HOPELESS)
        readings = [reading for pair in pairs if pair is not None for reading in pair]
        if not readings:
            return None
        best = max(readings, key=lambda reading: reading.presence)
        return _part(kind, best, best.presence)

    def _readings(
        self, picture: Picture, kind: str, regions: Sequence[Region], gate: float
    ) -> list[tuple[Reading, Reading] | None]:
        family, session = _family(kind), self._networks(kind).reader
        return read_twice(session, family.reader, picture, regions, family.from_landmarks, gate)

    def _networks(self, kind: str) -> _Networks:
        if kind not in self._open:
            family = _family(kind)
            self._open[kind] = _Networks(
                *(
                    open_session(
                        self._folder / spec.file,
                        spec.network,
                        provider=self._wanted,
                        threads=self._threads,
                    )
                    for spec in (family.finder, family.reader)
                )
            )
        return self._open[kind]

    def _sessions(self) -> list[OnnxSession]:
        return [s for networks in self._open.values() for s in (networks.finder, networks.reader)]


def _family(kind: str) -> Family:
    if kind not in FAMILIES:
        raise ModelError(
            f"the embedded detector does not know parts of kind {kind!r}; "
            f"it finds {', '.join(FAMILIES)}"
        )
    return FAMILIES[kind]


def _part(kind: str, reading: Reading, score: float) -> Part:
    side = None
    if reading.right is not None:
        side = "right" if reading.right >= 0.5 else "left"
    return Part(kind, side, around(reading.landmarks), score, reading.landmarks, reading.world)
