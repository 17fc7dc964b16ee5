"""What is known of a picture before anything is sampled: its parts, their meshes and crops."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import GivenBox, Part
from realishuman.detect.exact import recognise
from realishuman.detect.hints import NEEDED, hints
from realishuman.detect.parts import select
from realishuman.detect.sides import assign_sides, correct_twins
from realishuman.imaging.boxes import Box, intersection
from realishuman.judge import gate
from realishuman.kinds import KINDS, load
from realishuman.mesh.base import Mesh
from realishuman.packs.header import PackHeader
from realishuman.parts.found import Found, FoundPart, number_parts
from realishuman.parts.prepare import PreparedPart, prepare
from realishuman.pipeline.models import Models
from realishuman.pipeline.regressors import AUTO
from realishuman.progress import Clock, Progress, Silent
from realishuman.settings import CHECKPOINT, HANDREFINER, PACK, TRANSPLANT, Settings

Pixels = NDArray[np.uint8]


def look(
    rgb: Pixels,
    models: Models,
    settings: Settings,
    boxes: Sequence[GivenBox] = (),
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Found:
    """Find all parts of a picture (H, W, 3) uint8 and their meshes; nothing is painted.

    A part is left alone where the gate is against it, unless a box is drawn exactly around it.
    boxes  as for find.
    clock  takes the time of "detect", "mesh" and "gate".
    """
    clock = clock or Clock()
    with clock.timed("detect"):
        parts = find(rgb, models, settings, boxes, progress)
        some = [part for part, _ in parts]
        hints = unseen(rgb, some, models, settings, boxes)
    with clock.timed("mesh"):
        meshes = reconstruct(rgb, some, models, settings.mesh, settings.engine)
    found = number_parts(parts, meshes, hints)
    if settings.ways.gate:
        drawn = {(box.kind, box.box) for box in boxes if box.exact}
        with clock.timed("gate"):
            found = ask_gate(rgb, found, models, settings, drawn)
    return found.keep_largest(settings.max_parts)


def ask_gate(
    rgb: Pixels,
    found: Found,
    models: Models,
    settings: Settings,
    drawn: Collection[tuple[str, Box]] = (),
) -> Found:
    """Give parts that need no repair this reason to be left alone.

    Where nothing paints, or random weights do, it is not asked.

    drawn  kinds and boxes of parts that the user wants repainted.
    """
    doubts = {}
    for one in found.parts:
        part = one.part
        network = models.gate(part.kind, settings.engine)
        if network is not None and not one.reason and (part.kind, part.box) not in drawn:
            own_skin = models.engine_for(part.kind, settings) == TRANSPLANT
            doubts[one.number] = gate.doubt(rgb, part, one.mesh, network, own_skin)
    return found.with_gate(doubts)


def unseen(
    rgb: Pixels,
    parts: Sequence[Part],
    models: Models,
    settings: Settings,
    boxes: Sequence[GivenBox] = (),
) -> tuple[str, ...]:
    """Sentences on hands that may have been missed; none where not everything was looked for."""
    if boxes or not set(settings.parts) >= NEEDED:
        return ()
    return hints(rgb, parts, models.detector_for(settings.detector))


def find(
    rgb: Pixels,
    models: Models,
    settings: Settings,
    boxes: Sequence[GivenBox] = (),
    progress: Progress | None = None,
) -> list[tuple[Part, str]]:
    """All parts of a picture, each with the reason it is left alone, empty if it is not.

    rgb    (H, W, 3) uint8.
    boxes  where to search instead of the whole picture: there alone, for their kinds alone. One
           that is exact always gives a part with that very box: what is recognised in it, or else
           the kind's at_rest. A side that it names is the part's.
    """
    (progress or Silent()).begin("detect", 1)
    detector = models.detector_for(settings.detector)
    searched = [box for box in boxes if not box.exact]
    parts: list[Part] = []
    sought = {box.kind for box in searched} if boxes else settings.parts
    for confidence, kinds in _by_confidence(settings, sought).items():
        parts += detector.detect(rgb, kinds, confidence=confidence, given=searched)
    parts = correct_twins(assign_sides(parts, searched))
    for box in boxes:
        if box.exact and box.kind in settings.parts:
            part = recognise(detector, rgb, box, settings.of(box.kind).confidence)
            at_rest = load(KINDS[box.kind].at_rest)
            parts.append(part or at_rest(box.box, box.side, rgb.shape[:2]))
    (progress or Silent()).step()
    return select(parts, settings, rgb.shape[:2])


def _by_confidence(settings: Settings, sought: Collection[str]) -> dict[float, list[str]]:
    """The kinds of part to look for, by the score that counts for them."""
    kinds: dict[float, list[str]] = {}
    for kind in (kind for kind in settings.parts if kind in sought):
        kinds.setdefault(settings.of(kind).confidence, []).append(kind)
    return kinds


def describe_missed(parts: Sequence[Part], boxes: Sequence[GivenBox]) -> list[str]:
    """A sentence on each box in which no part of its kind was found."""
    lines = []
    for given in boxes:
        found = [part.box for part in parts if part.kind == given.kind]
        if not any(intersection(box, given.box) > 0 for box in found):
            box = given.box
            place = ",".join(f"{side:g}" for side in (box.x0, box.y0, box.x1, box.y1))
            lines.append(
                f"No {given.kind} was found in the box {place}: draw it around the whole "
                f"{given.kind} with a little margin, or check that its kind is right."
            )
    return lines


def reconstruct(
    rgb: Pixels, parts: Sequence[Part], models: Models, mesh: str = AUTO, engine: str = AUTO
) -> list[Mesh]:
    """One mesh per part, in the same order; `mesh` and `engine` are the settings of that name."""
    meshes: dict[int, Mesh] = {}
    for kind in dict.fromkeys(part.kind for part in parts):
        places = [i for i, part in enumerate(parts) if part.kind == kind]
        found = models.regressor(kind, mesh, engine).regress(rgb, [parts[i] for i in places])
        meshes.update(zip(places, found, strict=True))
    return [meshes[i] for i in range(len(parts))]


def prepare_parts(
    rgb: Pixels, found: Found, chosen: Sequence[FoundPart], settings: Settings, models: Models
) -> list[PreparedPart]:
    """Prepare parts as the packs of their kinds want them, in the order of their numbers.

    rgb     (H, W, 3) uint8, the picture.
    chosen  which of the found parts. Kinds that no pack repaints are prepared as the released one
            wants, and at the checkpoint's own size where that repaints them.
    """
    ready: list[PreparedPart] = []
    for kind in dict.fromkeys(one.part.kind for one in chosen):
        some = [one for one in chosen if one.part.kind == kind]
        engine = models.engine_for(kind, settings)
        header = models.packs[kind].header if engine == PACK else None
        own = engine in (CHECKPOINT, HANDREFINER)
        large = models.checkpoint.side if own and models.checkpoint else 512
        ready += _prepare_as_packed(rgb, found, some, settings, header, large)
    return sorted(ready, key=lambda one: one.number)


def _prepare_as_packed(
    rgb: Pixels,
    found: Found,
    chosen: Sequence[FoundPart],
    settings: Settings,
    header: PackHeader | None,
    side: int,
) -> list[PreparedPart]:
    """Prepare parts of one kind, whose pack has this header; None is as the released one.

    side  of the crops, where there is no header.
    """
    named = settings.preset
    if header is None:
        preset, pose, resolution = named or "released", "shaded", side
        return prepare(
            rgb, found.parts, chosen, settings, preset=preset, pose=pose, resolution=resolution
        )
    return prepare(
        rgb,
        found.parts,
        chosen,
        settings,
        preset=named or header.preset,
        pose=header.pose,
        resolution=header.resolution,
        margin=None if named else header.margin,
        erode=None if named else header.erode,
    )
