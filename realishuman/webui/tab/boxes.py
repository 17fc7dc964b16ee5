"""Boxes as text: one line per part, which a person can edit.

    1: right hand 120,80,260,240
    face 300,40,380,150

Number and side may be left out. Coordinates are pixels of the picture, end exclusive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from realishuman.detect.base import GivenBox, Part
from realishuman.errors import SettingsError
from realishuman.imaging.boxes import Box
from realishuman.settings import PART_KINDS

MOST_BOXES = 100
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?")
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Line:
    """One line: where a part is, and of what kind.

    side    None when it was not said.
    number  that it begins with, the one the part had when the line was written; None without any.
    """

    kind: str
    side: str | None
    box: Box
    number: int | None = None

    def to_exact_box(self) -> GivenBox:
        """The same as a box that the user means exactly."""
        return GivenBox(self.kind, self.box, self.side, exact=True)


def as_text(parts: Iterable[Part]) -> str:
    """One line per part, in whole pixels."""
    return "\n".join(line_of(number, part) for number, part in enumerate(parts, start=1))


def line_of(number: int, part: Part) -> str:
    """The line of one part."""
    name = f"{part.side} {part.kind}" if part.side else part.kind
    box = part.box
    return f"{number}: {name} " + ",".join(str(round(v)) for v in (box.x0, box.y0, box.x1, box.y1))


def parse_lines(text: str) -> list[Line]:
    """Read lines; empty ones are skipped.

    Raises SettingsError that names the first line that cannot be used and shows a right one.
    """
    lines = []
    for number, raw in enumerate(text.splitlines(), start=1):
        if raw.strip():
            lines.append(_line(raw, number))
    if len(lines) > MOST_BOXES:
        raise SettingsError(f"{len(lines)} boxes are too many; the limit is {MOST_BOXES}.")
    return lines


def _line(raw: str, number: int) -> Line:
    before = re.match(r"\s*(\d{1,9})\s*:", raw)
    words = raw[before.end() :].lower() if before else raw.lower()
    kinds = [kind for kind in PART_KINDS if kind in words]
    sides = [side for side in _SIDES if side in words]
    values = [float(v) for v in _NUMBER.findall(words)]
    if len(kinds) != 1 or len(sides) > 1 or len(values) != 4:
        raise SettingsError(
            f'line {number} of the boxes, "{raw.strip():.80}", is not a kind and four numbers; '
            "write for example: right hand 120,80,260,240"
        )
    box = check_box(values, f"line {number}")
    return Line(kinds[0], sides[0] if sides else None, box, int(before[1]) if before else None)


def check_box(values: Iterable[float], where: str) -> Box:
    """A box with an area and usable numbers; SettingsError that begins with `where` otherwise."""
    x0, y0, x1, y1 = map(_as_float, values)
    if not (x1 - x0 >= 1 and y1 - y0 >= 1 and max(map(abs, (x0, y0, x1, y1))) < 1e6):
        raise SettingsError(
            f"{where}: the box {x0:g},{y0:g},{x1:g},{y1:g} has no area; the order is left, top, "
            "right, bottom, in pixels of the picture."
        )
    return Box(x0, y0, x1, y1)


def _as_float(value: float) -> float:
    """A number as a float; JSON may hold whole numbers that are too large for one."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")
