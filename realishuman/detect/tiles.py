"""Which square windows of a picture a detector looks at, so that small parts are found as well.

The whole picture comes first, then levels of overlapping windows, each up to `step` times smaller
than the one before. The smaller the picture, the smaller its finest windows, so that a part which
is found in a large picture is found at the same size in a small one as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from realishuman.detect.regions import Region

OVERLAP = 0.17  # a part up to this share of the window lies whole in some window
SMALLEST = 0.47  # of `finest`: windows of no picture are smaller
MAX_WINDOWS = 200  # of all levels: bounds the time on huge pictures
COARSER = 1.1  # by how much the finest windows grow until there are few enough


@dataclass(frozen=True)
class Window:
    """A square to look at; `inner` tells where the picture goes on: left, top, right, bottom."""

    region: Region
    inner: tuple[bool, bool, bool, bool]


@dataclass(frozen=True)
class Levels:
    """How finely a detector divides pictures.

    step    side of a level's windows over the next one's, at most. A part too small for one level
            must fit into the overlap of the next.
    finest  side in pixels of the finest windows in a large picture.
    closer  share of a finest window below which even a most unsure detection is looked at more
            closely; 0 looks at none again.
    """

    step: float
    finest: float
    closer: float = 0.0


def plan(width: int, height: int, levels: Levels) -> list[Window]:
    """Return the windows for a picture of this size, largest first."""
    longest = float(max(width, height))
    windows = [whole(width, height)]
    finest = min(max(longest / levels.step, levels.finest * SMALLEST), levels.finest)
    if longest <= finest:
        return windows
    while True:
        count = math.ceil(math.log(longest / finest, levels.step) - 1e-9)
        sides = [longest * (finest / longest) ** (k / count) for k in range(1, count + 1)]
        finer = [window for side in sides for window in _level(width, height, side)]
        if len(finer) < MAX_WINDOWS:
            return windows + finer
        finest *= COARSER


def whole(width: int, height: int, turn: float = 0.0) -> Window:
    """Return the window that shows the whole picture, turned by `turn` radians, clockwise."""
    return Window(Region(width / 2, height / 2, float(max(width, height)), turn), (False,) * 4)


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
    steps = math.ceil((length - side) / (side * (1 - OVERLAP)) - 1e-9)
    return [(length - side) * i / steps for i in range(steps + 1)]
