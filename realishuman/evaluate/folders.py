"""Protocol B: pictures or videos whose truth is unknown, before and after, around their parts.

The paper's Table 1: pictures as generated and as refined, and optionally real ones. A part is
looked for in the pictures before and measured at the same place after, so one that the refinement
made unrecognisable counts with a score of 0. Besides, each set is searched on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.batch.places import try_folder
from realishuman.detect.base import Detector, Part
from realishuman.errors import PictureError
from realishuman.evaluate import metrics
from realishuman.evaluate.clips import Clip, together
from realishuman.evaluate.distances import MARGIN, Extractor, Features, crop_part
from realishuman.evaluate.flicker import Motion
from realishuman.evaluate.halo import halo
from realishuman.evaluate.identity import FaceIdentity, cosine_distance
from realishuman.imaging.boxes import iou, square
from realishuman.imaging.crop import Crop
from realishuman.paint.fields import grow
from realishuman.progress import Progress

Pixels = NDArray[np.uint8]
Keep = Callable[[str, str, int, Pixels], None]

CONFIDENCE = 0.5  # from which a part counts, in every set
SAME_PLACE = 0.1  # IoU from which on a part after is the one before
CLOSE = 5  # pixels
FLESH = 0.06  # of a part's size, around its keypoints
FACE = "face"
BEFORE, AFTER, REAL = SETS = ("before", "after", "real")


@dataclass(frozen=True)
class PartMeasures:
    """One part at its place in both pictures.

    clip                       the picture or video it is in; frame names the frame.
    score_before, score_after  by the embedded detector, 0 where it is not found.
    changed                    share of the crop's pixels that differ, in %.
    seam                       metrics.seam_ratio around them; None if nothing changed.
    halo                       halo.halo between them and the part's outline, likewise.
    flicker_before, flicker, ring_flicker  warping error from the frame before it, in the part and a
                               little around it before and after, and on a ring around that after;
                               None of single pictures and first frames.
    identity                   cosine distance of the faces before and after; None of hands, or
                               without a network for it.
    """

    clip: str
    frame: str
    kind: str
    score_before: float
    score_after: float
    changed: float
    seam: float | None
    identity: float | None = None
    halo: float | None = None
    flicker_before: float | None = None
    flicker: float | None = None
    ring_flicker: float | None = None


@dataclass
class FolderRun:
    """What a run gathers; scores, counts and features are by kind of part and set.

    extractors  of the features that distances are measured with.
    identity    compares faces, if given.
    keep        is called with kind, set, number and picture of every crop, if given.
    shown       parts of each kind whose crops are kept for the sheet.
    scores      (clip, score) of each part that is found in a set searched on its own.
    features    by extractor's place as well.
    left        why a frame was not measured, by its clip's path and its name.
    say         hears of each such clip once.
    """

    extractors: Sequence[Extractor] = ()
    identity: FaceIdentity | None = None
    keep: Keep | None = None
    shown: int = 24
    say: Callable[[str], None] = lambda _: None
    parts: list[PartMeasures] = field(default_factory=list)
    scores: dict[tuple[str, str], list[tuple[str, float]]] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    sheet: dict[str, list[tuple[Pixels, Pixels]]] = field(default_factory=dict)
    features: dict[tuple[str, str, int], list[Features]] = field(default_factory=dict)
    left: dict[str, dict[str, str]] = field(default_factory=dict)
    _crops: dict[tuple[str, str], int] = field(default_factory=dict)

    def add_crop(self, kind: str, name: str, crop: Pixels) -> None:
        """Take a crop's features, and hand it on."""
        number = self._crops.get((kind, name), 0)
        self._crops[kind, name] = number + 1
        if self.keep is not None:
            self.keep(kind, name, number, crop)
        for place, extractor in enumerate(self.extractors):
            self.features.setdefault((kind, name, place), []).append(extractor(crop))

    def add_scores(self, name: str, clip: str, parts: Sequence[Part]) -> None:
        """Count a frame of a set and the parts that are found in it."""
        self.frames[name] = self.frames.get(name, 0) + 1
        for part in parts:
            self.scores.setdefault((part.kind, name), []).append((clip, part.score))

    def leave_out(self, clip: Clip, frame: str, error: PictureError) -> None:
        """Note a frame that cannot be measured, or a clip none of whose frames can."""
        place = str(clip.path)
        if place not in self.left:
            self.say(f"left out: {error}")
        self.left.setdefault(place, {})[frame] = str(error)


def compare(
    run: FolderRun,
    pairs: Sequence[tuple[Clip, Clip]],
    kinds: Sequence[str],
    detector: Detector,
    progress: Progress,
) -> None:
    """Measure every part of every pair and add it to `run`; what cannot be is left out.

    Raises PictureError if nothing is left.
    """
    progress.begin("pictures", len(pairs))
    for first, second in pairs:
        last: tuple[Pixels, Pixels] | None = None
        for frame, pictures in together(first, second):
            if isinstance(pictures, PictureError):
                run.leave_out(first, frame, pictures)
                last = None
                continue
            before, after = pictures
            motion = _follow(first, last, pictures)
            found, there = (_parts(detector, each, kinds) for each in (before, after))
            run.add_scores(BEFORE, first.name, found)
            run.add_scores(AFTER, first.name, there)
            for part in found:
                partner = _partner(part, there)
                measures = _measure(run, (first.name, frame), part, partner, before, after)
                if motion is not None and last is not None:
                    measures = _add_flicker(measures, motion, last, pictures, part)
                run.parts.append(measures)
                crops = [crop_part(picture, part.box) for picture in (before, after)]
                for name, crop in zip((BEFORE, AFTER), crops, strict=True):
                    run.add_crop(part.kind, name, crop)
                shown = run.sheet.setdefault(part.kind, [])
                if len(shown) < run.shown:
                    shown.append((crops[0], crops[1]))
            last = pictures
        progress.step()
    if BEFORE not in run.frames:
        raise PictureError(f"nothing could be compared: {_all_left(run, pairs[0][0], len(pairs))}")


def _follow(
    clip: Clip, last: tuple[Pixels, Pixels] | None, now: tuple[Pixels, Pixels]
) -> Motion | None:
    """How a clip moves to this frame; None where it is no clip, or frames were left out."""
    if last is None or clip.every > 1 or last[0].shape != now[0].shape:
        return None
    return Motion(last[0], now[0])


def _add_flicker(
    measures: PartMeasures,
    motion: Motion,
    last: tuple[Pixels, Pixels],
    now: tuple[Pixels, Pixels],
    part: Part,
) -> PartMeasures:
    like = np.zeros(now[0].shape[:2], bool)
    outline = _outline([part], like)
    size = part.box.longer_side
    inside, wider = grow(outline, FLESH * size), grow(outline, 3 * FLESH * size)
    return replace(
        measures,
        flicker_before=motion.error(last[0], now[0], inside),
        flicker=motion.error(last[1], now[1], inside),
        ring_flicker=motion.error(last[1], now[1], wider & ~inside),
    )


def add_real(
    run: FolderRun,
    real: Sequence[Clip],
    kinds: Sequence[str],
    detector: Detector,
    progress: Progress,
) -> None:
    """Add the parts of real pictures, what the others are compared with; see compare().

    Raises PictureError if there are some but none can be read.
    """
    progress.begin("real pictures", len(real))
    for clip in real:
        for frame, picture in clip.frames():
            if isinstance(picture, PictureError):
                run.leave_out(clip, frame, picture)
                continue
            parts = _parts(detector, picture, kinds)
            run.add_scores(REAL, clip.name, parts)
            for part in parts:
                run.add_crop(part.kind, REAL, crop_part(picture, part.box))
        progress.step()
    if real and REAL not in run.frames:
        raise PictureError(f"nothing real could be read: {_all_left(run, real[0], len(real))}")


def _all_left(run: FolderRun, first: Clip, count: int) -> str:
    reason = next(iter(run.left[str(first.path)].values()))
    return f"all {count} pictures and videos were left out, the first because: {reason}"


def crop_writer(folder: Path) -> Keep:
    """A FolderRun's `keep` that writes crops as folder/KIND-SET/NUMBER.png.

    It raises PictureError if the disk refuses, SettingsError if the folder cannot be made.
    """

    def keep(kind: str, name: str, number: int, crop: Pixels) -> None:
        place = folder / f"{kind}-{name}"
        if not number:
            try_folder(place)
        path = place / f"{number:06}.png"
        if not cv2.imwrite(str(path), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)):
            raise PictureError(f"{path} cannot be written; name another folder.")

    return keep


def _parts(detector: Detector, picture: Pixels, kinds: Sequence[str]) -> list[Part]:
    found = detector.detect(picture, kinds, confidence=CONFIDENCE)
    return [part for part in found if part.score >= CONFIDENCE and not part.doubt]


def _partner(part: Part, others: Sequence[Part]) -> Part | None:
    near = [one for one in others if one.kind == part.kind and iou(one.box, part.box) >= SAME_PLACE]
    return max(near, key=lambda one: iou(one.box, part.box), default=None)


def _measure(
    run: FolderRun,
    place: tuple[str, str],
    part: Part,
    partner: Part | None,
    before: Pixels,
    after: Pixels,
) -> PartMeasures:
    x0, y0, x1, y1 = (max(edge, 0) for edge in Crop(square(part.box, MARGIN)).pixels())
    changed = (before != after).any(axis=2)
    inside = np.zeros_like(changed)
    # single pixels that came out as they were are no edge
    inside[y0:y1, x0:x1] = cv2.morphologyEx(
        changed[y0:y1, x0:x1].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((CLOSE, CLOSE), np.uint8)
    )
    identity = None
    if run.identity is not None and part.kind == FACE:
        # a face that is no longer found is looked for where it was
        points = part.keypoints if partner is None else partner.keypoints
        identity = cosine_distance(
            run.identity.vector(before, part.keypoints), run.identity.vector(after, points)
        )
    return PartMeasures(
        *place,
        part.kind,
        part.score,
        partner.score if partner else 0.0,
        float(100 * changed[y0:y1, x0:x1].mean()),
        metrics.seam_ratio(after, before, inside) if inside.any() else None,
        identity,
        halo(after, before, inside, _outline([part, partner], inside)) if inside.any() else None,
    )


def _outline(parts: Sequence[Part | None], like: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where parts lie by their keypoints, with some flesh around them; a mask like the other."""
    drawn = np.zeros(like.shape, np.uint8)
    for part in parts:
        if part is not None:
            hull = cv2.convexHull(part.keypoints[:, :2].round().astype(np.int32))
            cv2.fillConvexPoly(drawn, hull, 1)
            flesh = max(round(FLESH * part.box.longer_side), 1)
            cv2.polylines(drawn, [hull], True, 1, 2 * flesh)
    return drawn > 0
