"""From the lines of the boxes, as a person edited or drew them, to the parts they name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from realishuman.detect.base import Part
from realishuman.detect.parts import select
from realishuman.imaging.boxes import Box, around, intersection, iou
from realishuman.imaging.paste import Patch, PixelPatch
from realishuman.mesh.base import Mesh
from realishuman.parts.found import number_parts
from realishuman.parts.strokes import Stroke
from realishuman.settings import PART_KINDS, Settings
from realishuman.webui.host.engine import BoundEngine
from realishuman.webui.tab.bench import Bench, keep_parts, replace_parts
from realishuman.webui.tab.boxes import Line, line_of

TWINS = 0.5  # IoU from which two parts of a kind are one


@dataclass(frozen=True)
class _Place:
    """What a line became.

    number  the part's before the edit, None if it is a new one.
    gate    what the gate says of it.
    strokes of the brush on it.
    """

    part: Part
    mesh: Mesh
    number: int | None = None
    gate: str = ""
    strokes: tuple[Stroke, ...] = ()


def apply_lines(
    bench: Bench, lines: Sequence[Line], engine: BoundEngine, settings: Settings
) -> tuple[Bench, list[str]]:
    """The bench with the parts that these lines name, in their order.

    A line that still says what a part says keeps that part. Any other box is the user's word: it
    becomes a part of exactly that place and size. Only a box that lies on a part of the same kind,
    or outside the picture, is refused; the part it belonged to then stays as it was.
    Returns also a sentence for each line that was refused.
    """
    places: dict[int, _Place] = {}  # by the place of the line
    same = [_find_unchanged(line, bench.parts) for line in lines]
    # a part's own line first: another one may have been dragged to the very same place
    for at in sorted(range(len(lines)), key=lambda at: same[at] != lines[at].number):
        number = same[at]
        if number is not None and number not in _numbers(places):
            places[at] = _keep(bench, number)
    refused: dict[int, int | None] = {}  # the line that is in the way, or None: outside the picture
    for at, line in enumerate(lines):
        if at in places:
            continue
        if _outside(line.box, bench):
            refused[at] = None
        else:
            new = _find_drawn(bench, line, engine, settings)
            twin = next(
                (n for n, other in places.items() if _twins(line, new.part, other.part)), None
            )
            if twin is None:
                places[at] = new
                continue
            refused[at] = twin
        before = line.number or 0
        if 1 <= before <= len(bench.parts) and before not in _numbers(places):
            places[at] = _keep(bench, before)
    order = sorted(places)
    sentences = [_refusal(at, twin, places, order, bench) for at, twin in refused.items()]
    return _rebuild(bench, [places[at] for at in order], engine, settings), sentences


def carry_ticks(
    before: Bench, ticked: Collection[int], after: Bench
) -> tuple[list[int], list[str]]:
    """Which parts are ticked after an edit: those that were, and new ones that are sure.

    Returns also a sentence for each new part that is not ticked.
    """
    kept = {id(before.parts[number - 1]) for number in ticked}
    known = {id(part) for part in before.parts}
    numbers, remarks = [], []
    for number, part in enumerate(after.parts, start=1):
        unsure = "" if id(part) in known else _doubt(number, part, after.settings)
        if id(part) in kept or not (id(part) in known or unsure):
            numbers.append(number)
        remarks += [unsure] if unsure else []
    return numbers, remarks


def _rebuild(
    bench: Bench, places: Sequence[_Place], engine: BoundEngine, settings: Settings
) -> Bench:
    """The bench with these parts; what was refined of those that stayed moves to their numbers."""
    parts = [place.part for place in places]
    everything = replace(settings, parts=PART_KINDS)
    chosen = select(parts, everything, bench.rgb.shape[:2])
    gates = {number: place.gate for number, place in enumerate(places, start=1) if place.gate}
    found = number_parts(chosen, [place.mesh for place in places]).with_gate(gates)
    found = found.with_strokes({number: place.strokes for number, place in enumerate(places, 1)})
    found = found.keep_largest(settings.max_parts)
    now = {place.number: number for number, place in enumerate(places, start=1) if place.number}
    patches = tuple(_renumber(one, now) for one in bench.patches if now.keys() >= set(one.numbers))
    tries = {
        now[number]: tuple(replace(one, patch=_renumber(one.patch, now)) for one in some)
        for number, some in bench.tries.items()
        if now.keys() >= {number, *(n for one in some for n in one.patch.numbers)}
    }
    moved = replace(replace_parts(bench, found, engine, settings), patches=patches, tries=tries)
    return keep_parts(moved, [now[one] for one in bench.kept if one in now])


def _renumber(patch: Patch | PixelPatch, now: Mapping[int, int]) -> Patch | PixelPatch:
    """The patch for the same parts under other numbers."""
    return replace(patch, index=now[patch.index], joined=tuple(now[one] for one in patch.joined))


def _keep(bench: Bench, number: int) -> _Place:
    one = bench.found.parts[number - 1]
    return _Place(one.part, one.mesh, number, one.gate, one.strokes)


def _numbers(places: dict[int, _Place]) -> set[int | None]:
    return {place.number for place in places.values()}


def _find_drawn(bench: Bench, line: Line, engine: BoundEngine, settings: Settings) -> _Place:
    there = engine.find(bench.rgb, replace(settings, parts=(line.kind,)), [line.to_exact_box()])
    return _Place(there.parts[0].part, there.parts[0].mesh)


def _find_unchanged(line: Line, parts: Sequence[Part]) -> int | None:
    """The number of the part that the line still describes."""
    texts = {line_of(0, part): number for number, part in enumerate(parts, start=1)}
    for side in ("left", "right", None) if line.side is None else (line.side,):
        part = Part(line.kind, side, line.box, 0.0, np.empty((0, 3), np.float32))
        if (number := texts.get(line_of(0, part))) is not None:
            return number
    return None


def _twins(line: Line, one: Part, other: Part) -> bool:
    """Whether two parts are one and the same: by their boxes, or by what was recognised in them.

    Hands that hold each other lie in the same place; whoever names the sides means both.
    """
    if one.kind != other.kind or (line.side and other.side and line.side != other.side):
        return False
    seen = iou(around(one.keypoints), around(other.keypoints))
    return iou(one.box, other.box) > TWINS or seen > TWINS


def _outside(box: Box, bench: Bench) -> bool:
    height, width = bench.rgb.shape[:2]
    return intersection(box, Box(0, 0, width, height)) <= 0


def _refusal(
    at: int, twin: int | None, places: dict[int, _Place], order: Sequence[int], bench: Bench
) -> str:
    """Why a line was refused, and what can be done."""
    if twin is None:
        height, width = bench.rgb.shape[:2]
        text = f"The box in line {at + 1} lies outside the picture of {width} x {height} pixels."
    else:
        part, number = places[twin].part, order.index(twin) + 1
        text = (
            f"The box in line {at + 1} contains part {number}, {part.name}, which is already "
            "listed: move that part's box instead"
        )
        other = {"left": "right", "right": "left"}.get(part.side or "")
        text += f", or write {other} {part.kind} if it is the other one." if other else "."
    if at in places:
        text += f" Part {order.index(at) + 1} stays as it was."
    return text


def _doubt(number: int, part: Part, settings: Settings) -> str:
    """Why the part in a new box is not ticked, as a sentence, or "" if it is."""
    least = settings.of(part.kind).confidence
    if part.score >= least:
        return ""
    why = part.note or (
        f"Its score of {part.score:.2f} is below the confidence of {least:g}, so this may be wrong."
    )
    return f"Part {number} is not ticked. {why} Tick it to see its mesh."
