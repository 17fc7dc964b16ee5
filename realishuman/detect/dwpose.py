"""The paper's detector: YOLOX finds people, DWPose their 133 keypoints, among them hands and faces.

Its two networks must be downloaded. What it finds and how fast: docs/detector.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from realishuman.advice import command
from realishuman.detect import simcc, yolox
from realishuman.detect.base import GivenBox, Part, Picture
from realishuman.detect.completed import complete
from realishuman.detect.embedded import EmbeddedDetector, check_picture
from realishuman.detect.named import FITTING
from realishuman.detect.people import places_of, released_sightings, sightings
from realishuman.detect.suppress import drop_covered
from realishuman.detect.wholebody import People
from realishuman.errors import ModelError
from realishuman.imaging.boxes import Box, intersection, iou
from realishuman.onnx_files.session import Network, OnnxSession, open_session
from realishuman.packs.store import models_dir

FILES = {"people": "dwpose/yolox_l.onnx", "pose": "dwpose/dw-ll_ucoco_384.onnx"}
NETWORKS = {"people": yolox.NETWORK, "pose": simcc.NETWORK}


class DWPoseDetector:
    """Finds the hands and faces of all people; opens its networks on first use and keeps them.

    folder    the models folder.
    provider  "auto", "cpu", "cuda" or "cuda:1".
    threads   per network; as many as there are cores if not given.
    released  do as the released code does: read the largest person only, show the pose network
              blue, green, red, though it was trained on RGB, and find the parts that it crops,
              each with its square.
    Raises    ModelError if a file is missing.
    """

    def __init__(
        self,
        folder: Path,
        provider: str = "auto",
        *,
        threads: int | None = None,
        released: bool = False,
    ) -> None:
        """Remember the choice and see that the files are there; opens nothing."""
        if missing := [name for name in FILES.values() if not (folder / name).is_file()]:
            line = command("models", "fetch", "dwpose", folder=models_dir(folder))
            raise ModelError(
                f"DWPose needs {' and '.join(missing)} in {folder}; get them with `{line}`, or "
                'choose the detector "embedded".'
            )
        self._folder, self._wanted, self._released = folder, provider, released
        self._threads = threads or os.cpu_count() or 1
        self._open: dict[str, OnnxSession] = {}
        self._built_in = EmbeddedDetector(provider, threads=threads)
        self._last: tuple[tuple[tuple[int, ...], bytes], People] | None = None

    @property
    def provider(self) -> str:
        """What really runs the networks, read back from the sessions; empty before first use."""
        return ", ".join(sorted({session.provider for session in self._open.values()}))

    @property
    def note(self) -> str:
        """A sentence when the networks run elsewhere than asked, else empty."""
        notes = {session.note for session in self._open.values()} | {self._built_in.note}
        return " ".join(sorted(notes - {""}))

    def release(self) -> None:
        """Let go of the networks' memory; they open again at the next use."""
        for session in self._open.values():
            session.release()
        self._built_in.release()

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
        confidence  0..1: more than half of a part's points must score this, and at least 0.3; the
                    released way has its own limits instead.
        given       boxes in picture pixels; a kind that has one is searched only there, whatever
                    the confidence, and each box yields at most one part. Where DWPose, which needs
                    to see the person, has none there, the built-in detector is asked.

        Raises PictureError on anything but such an array, ModelError on an unknown kind or when a
        network cannot be opened.
        """
        check_picture(picture)
        others = [kind for kind in kinds if not places_of(kind)]
        parts: list[Part] = []
        if others:
            parts = self._built_in.detect(picture, others, confidence=confidence, given=given)
        people = self.people(picture)
        for kind in [kind for kind in kinds if kind not in others]:
            boxes = [one.box for one in given if one.kind == kind]
            if self._released and not boxes:
                height, width = picture.shape[:2]
                seen = released_sightings(people, kind, width, height)
            else:
                seen = sightings(people, kind, 0.0 if boxes else confidence)
            found = complete(self._built_in.search(kind), picture, seen)
            if boxes:
                named = [self._in_box(picture, kind, box, found, confidence) for box in boxes]
                found = [part for part in named if part is not None]
            parts += drop_covered(found)
        return parts

    def people(self, picture: Picture) -> People:
        """Return the keypoints of all people, best first; those of the last picture are kept.

        Where nobody is found the whole picture counts as one person, as in DWPose's own code.
        """
        key = picture.shape, blake2b(np.ascontiguousarray(picture).data).digest()
        if self._last is None or self._last[0] != key:
            boxes = yolox.find_people(self._session("people"), picture)
            if self._released:
                boxes = yolox.pick_largest(boxes)
            if not len(boxes):
                boxes = np.array([[0, 0, picture.shape[1], picture.shape[0]]], np.float32)
            pose = self._session("pose")
            read = simcc.read_people(pose, picture, boxes, swapped=self._released)
            self._last = key, People.of(*read)
        return self._last[1]

    def _in_box(
        self, picture: Picture, kind: str, box: Box, found: Sequence[Part], confidence: float
    ) -> Part | None:
        """The part that fits a box best, by DWPose or else by the built-in detector."""
        inside = [part for part in found if intersection(part.box, box) > part.box.area / 2]
        best = max(inside, key=lambda part: part.score * iou(part.box, box), default=None)
        if best is not None and iou(best.box, box) >= FITTING:
            return best
        here = [GivenBox(kind, box)]
        others = self._built_in.detect(picture, [kind], confidence=confidence, given=here)
        return others[0] if others else best

    def _session(self, name: str) -> OnnxSession:
        if name not in self._open:
            self._open[name] = self._open_session(FILES[name], NETWORKS[name])
        return self._open[name]

    def _open_session(self, file: str, network: Network) -> OnnxSession:
        return open_session(
            self._folder / file, network, provider=self._wanted, threads=self._threads
        )
