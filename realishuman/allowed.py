"""What a value may be: the one check of settings, packs' headers and training's configuration.

Whatever is refused, and wherever, the sentence is the same: what must be, and what was found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from realishuman.errors import SettingsError

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
LARGEST = 2**1023  # numbers from it on may be too large for a float


@dataclass(frozen=True)
class Allowed:
    """What one value may be.

    kind       its type: bool, int, float or str. A whole number does for a float; NaN and infinity
               are no numbers.
    low, high  of a number, both included; `above` leaves low itself out, `below` high.
    choices    of a text; any text does if there are none.
    several    a tuple of choices instead of one: at least one, each once.
    """

    kind: type
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    choices: tuple[str, ...] = ()
    several: bool = False

    def holds(self, value: Any) -> bool:
        """Whether this is such a value."""
        if self.several:
            named = isinstance(value, tuple) and all(one in self.choices for one in value)
            return named and 0 < len(value) == len(set(value))
        if self.kind in (bool, str):
            return isinstance(value, self.kind) and (not self.choices or value in self.choices)
        numbers = (int, float) if self.kind is float else int
        if isinstance(value, bool) or not isinstance(value, numbers) or not abs(value) < LARGEST:
            return False
        enough = value > self.low if self.above else value >= self.low
        return enough and (value < self.high if self.below else value <= self.high)

    def check(self, name: str, value: Any) -> None:
        """Raise SettingsError, which begins with the name, if it is not."""
        if not self.holds(value):
            verb = "name" if self.several else "be"
            raise SettingsError(f"{name} must {verb} {self}, not {value!r}")

    def __str__(self) -> str:
        """In words, as they follow "must be"."""
        if self.several:
            return f"at least one of {', '.join(self.choices)}, each once"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        ends = self.low > -math.inf, self.high < math.inf
        if all(ends) and not (self.above or self.below):
            return f"{WORDS[self.kind]} from {self.low} to {self.high}"
        low = f"{'above' if self.above else 'at least'} {self.low}"
        high = f"{'below' if self.below else 'at most'} {self.high}"
        limits = [words for there, words in zip(ends, (low, high), strict=True) if there]
        return " and ".join(limits) or WORDS[self.kind]
