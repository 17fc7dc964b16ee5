"""What the viewer on the page asks for, as JSON: {"keep": [1, 3]}, {"pick": [1, 0]} and so on."""

from __future__ import annotations

import json
from dataclasses import dataclass

from realishuman.errors import SettingsError


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
class Move:
    """Take one step back, or forth again."""

    forth: bool


def parse_order(text: str) -> Keep | Pick | Move:
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
        case {"undo": True}:
            return Move(forth=False)
        case {"redo": True}:
            return Move(forth=True)
    raise SettingsError(
        f"the page asks for {text[:60]!r}, which this version does not know; reload the page."
    )
