"""The built-in detector: MediaPipe's hand and face networks, shipped as ONNX.

A kind of part that comes with a detector of its own is found by that.

Needs onnxruntime and no download. What it finds, how surely and how fast: docs/detector.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from realishuman.detect.base import Detector, GivenBox, Part, Picture
from realishuman.detect.families import Family
from realishuman.detect.named import search_box
from realishuman.detect.search import Search
from realishuman.detect.suppress import drop_covered
from realishuman.detect.tiles import whole
from realishuman.errors import ModelError, PictureError
from realishuman.imaging.boxes import Box
from realishuman.kinds import KINDS, load
from realishuman.onnx_files.session import OnnxSession, open_session

FOLDER = Path(__file__).parents[1] / "assets" / "mediapipe"
FILLED = 0.8  # side of a part, in sides of the region in which its landmarks are read


def check_picture(picture: Picture) -> None:
    """Raise PictureError unless this is an (H, W, 3) uint8 array with pixels."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise PictureError(
            f"the detector got an array {picture.shape} of {picture.dtype}; "
            "expected (height, width, 3) uint8 RGB"
        )
    if not picture.size:
        raise PictureError(f"the picture has no pixels: its shape is {picture.shape}")


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
        self._open: dict[str, Search] = {}
        self._own: dict[str, Detector] = {}

    @property
    def provider(self) -> str:
        """What really runs the networks, read back from the sessions; empty before first use."""
        return ", ".join(sorted({one.provider for one in self._networks()} - {""}))

    @property
    def note(self) -> str:
        """A sentence when the networks run elsewhere than asked, else empty."""
        return " ".join(sorted({one.note for one in self._networks()} - {""}))

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
        confidence  0..1, lowest score that counts. From 0.3 to 0.5, a kind of which nothing is
                    found is looked for once more at 0.3, so a part may score less.
        given       boxes in picture pixels; a kind that has one is searched only there, whatever
                    the confidence, and each box yields at most one part.

        Raises PictureError on anything but such an array, ModelError on an unknown kind or when a
        network cannot be opened.
        """
        check_picture(picture)
        parts: list[Part] = []
        for kind in kinds:
            if own := self._detector_of(kind):
                parts += own.detect(picture, [kind], confidence=confidence, given=given)
                continue
            search = self.search(kind)
            boxes = [named.box for named in given if named.kind == kind]
            if boxes:
                found = [search_box(search, picture, box) for box in boxes]
                named = [replace(part, doubt="") for part in found if part is not None]
                parts += drop_covered(named)
            else:
                parts += search.find_everywhere(picture, confidence)
        return parts

    def suspects(self, picture: Picture, kind: str) -> list[tuple[Box, float]]:
        """Return boxes and scores of all that looks like such a part at a glance, best first.

        picture  (H, W, 3) uint8 RGB; it is seen as a whole only, and no landmarks are read.
        """
        search = self.search(kind)
        found = search.candidates(picture, [whole(picture.shape[1], picture.shape[0])])
        regions = [
            search.family.from_detection(Box(*box.tolist()), points)
            for box, points in zip(found.boxes, found.points, strict=True)
        ]
        halves = [FILLED / 2 * region.side for region in regions]
        boxes = [
            Box(region.x - half, region.y - half, region.x + half, region.y + half)
            for region, half in zip(regions, halves, strict=True)
        ]
        return list(zip(boxes, found.scores.tolist(), strict=True))

    def release(self) -> None:
        """Let go of the networks' memory; they open again at the next use."""
        for one in self._networks():
            one.release()

    def search(self, kind: str) -> Search:
        """Return the networks of one kind of part. Raises ModelError on an unknown kind."""
        if kind not in KINDS or not KINDS[kind].networks:
            known = ", ".join(one.name for one in KINDS.values() if one.networks)
            raise ModelError(
                f"the embedded detector does not know parts of kind {kind!r}; it finds {known}"
            )
        if kind not in self._open:
            family: Family = load(KINDS[kind].networks)
            finder, reader = (
                open_session(
                    self._folder / spec.file,
                    spec.network,
                    provider=self._wanted,
                    threads=self._threads,
                )
                for spec in (family.finder, family.reader)
            )
            self._open[kind] = Search(kind, family, finder, reader)
        return self._open[kind]

    def _detector_of(self, kind: str) -> Detector | None:
        """The detector that a kind of part comes with, if it does."""
        if kind in KINDS and KINDS[kind].detector and kind not in self._own:
            self._own[kind] = load(KINDS[kind].detector)(self._wanted)
        return self._own.get(kind)

    def _networks(self) -> list[OnnxSession | Detector]:
        """All that was opened."""
        sessions = [s for search in self._open.values() for s in (search.finder, search.reader)]
        return [*sessions, *self._own.values()]
