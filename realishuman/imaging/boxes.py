"""Boxes in pixels of the whole picture.

A box is x0, y0, x1, y1 with the end exclusive, in continuous pixel coordinates: pixel (i, j)
covers [j, j+1) x [i, i+1), so its centre is at (j + 0.5, i + 0.5). A box may leave the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle, in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an inverted box."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def longer_side(self) -> float:
        """The longer of width and height, in pixels."""
        return max(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


def around(points: NDArray[np.floating]) -> Box:
    """Return the smallest box around points (N, 2+); only the first two columns are read."""
    x0, y0 = points[:, :2].min(axis=0)
    x1, y1 = points[:, :2].max(axis=0)
    return Box(float(x0), float(y0), float(x1), float(y1))


def square(box: Box, scale: float) -> Box:
    """Return the square with the centre of `box` and `scale` times its longer side."""
    (cx, cy), half = box.centre, box.longer_side * scale / 2
    return Box(cx - half, cy - half, cx + half, cy + half)


def hull(a: Box, b: Box) -> Box:
    """The smallest box around both."""
    return Box(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))


def intersection(a: Box, b: Box) -> float:
    """Area that two boxes share, in square pixels."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0..1; 0 when both are empty."""
    shared = intersection(a, b)
    union = a.area + b.area - shared
    return shared / union if union > 0 else 0.0


def containment(a: Box, b: Box) -> float:
    """Intersection over the smaller area, 0..1; 1 when one box lies inside the other."""
    smaller = min(a.area, b.area)
    return intersection(a, b) / smaller if smaller > 0 else 0.0
