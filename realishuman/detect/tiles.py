"""Which square windows of a picture a detector looks at, so that small parts are found as well.

A detector finds a part that fills at least a twentieth of its window. The whole picture comes
first, then overlapping windows of half the side, a quarter, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

from realishuman.detect.regions import Region

UNDIVIDED = 768  # a window of this side or less suffices: a 40 pixel part fills it enough
OVERLAP = 0.4  # a part up to this share of the window lies whole in some window
MAX_WINDOWS = 200  # of all levels: bounds the time on huge pictures


@dataclass(frozen=True)
class Window:
    """A square to look at; `inner` tells where the picture goes on: left, top, right, bottom."""

    region: Region
    inner: tuple[bool, bool, bool, bool]


def plan(width: int, height: int) -> list[Window]:
    """Return the windows for a picture of this size, largest first."""
    side = float(max(width, height))
    whole = Window(Region(width / 2, height / 2, side), (False,) * 4)
    windows = [whole]
    while side > UNDIVIDED:
        side /= 2
        level = _level(width, height, side)
        if len(windows) + len(level) > MAX_WINDOWS:
            break
        windows += level
    return windows


def _level(width: int, height: int, side: float) -> list[Window]:
    return [
        Window(
            Region(x + side / 2, y + side / 2, side),
            (x > 0, y > 0, x + side < width, y + side < height),
        )
        for y in _starts(height, side)
        for x in _starts(width, side)
    ]


def _starts(length: int, side: float) -> list[float]:
    """Return evenly spread starts that cover 0..length; one centred window if it covers all."""
    if side >= length:
        return [(length - side) / 2]
    steps = int(-((length - side) // -(side * (1 - OVERLAP))))
    return [(length - side) * i / steps for i in range(steps + 1)]
