"""What the viewer on the page asks for, as JSON: {"keep": [1, 3]}, {"pick": [1, 0]} and so on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from realishuman.errors import SettingsError
from realishuman.parts.strokes import Stroke

MOST_NUMBERS = 20_000  # in a stroke
FAR = 1e6  # pixels


@dataclass(frozen=True)
class Keep:
    """Keep these of the refined parts and discard the others."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Pick:
    """Take another try at a part: the one at this place of its tries."""

    number: int
    at: int


@dataclass(frozen=True)
class Brush:
    """Add a stroke to those on a part; without one, take all of them off."""

    number: int
    stroke: Stroke | None


@dataclass(frozen=True)
class Move:
    """Take one step back, or forth again."""

    forth: bool


def _are_sizes(values: Sequence[object]) -> bool:
    """Whether these are numbers that a picture's pixels can have, and not too many."""
    return len(values) <= MOST_NUMBERS and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and abs(one) < FAR
        for one in values
    )


def parse_order(text: str) -> Keep | Pick | Brush | Move:
    """Read one order. Raises SettingsError if it is none."""
    try:
        order = json.loads(text)
    except ValueError:
        order = None
    match order:
        case {"keep": [*numbers]} if all(type(one) is int for one in numbers):
            return Keep(tuple(numbers))
        case {"pick": [int(number), int(at)]} if bool not in (type(number), type(at)):
            return Pick(number, at)
        case {"brush": [int(number)]}:
            return Brush(number, None)
        case {"brush": [int(number), bool(adds), radius, [*flat]]}:
            if _are_sizes([radius, *flat]) and radius > 0 and len(flat) >= 2 and not len(flat) % 2:
                points = zip(flat[::2], flat[1::2], strict=True)
                return Brush(number, Stroke(adds, radius, tuple(points)))
        case {"undo": True}:
            return Move(forth=False)
        case {"redo": True}:
            return Move(forth=True)
    raise SettingsError(
        f"the page asks for {text[:60]!r}, which this version does not know; reload the page."
    )
