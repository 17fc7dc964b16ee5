"""A canvas in perspective, and the things that stand about indoors and out.

Colours are linear RGB, float32, about 0..1, lamps brighter. Space is in metres from the camera:
x right, y down, z away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
NEAR = 0.4  # metres; what is nearer is drawn there


@dataclass(frozen=True)
class Canvas:
    """A picture being painted, from far to near, and the camera it is seen through."""

    image: Image
    rng: np.random.Generator
    focal: float
    horizon: tuple[float, float]

    def quad(self, corners: list[tuple[float, float, float]], colour: Image) -> None:
        """Fill a polygon given by corners x right, y down, z away; metres from the camera."""
        points = np.array(corners)
        depth = np.maximum(points[:, 2:], NEAR)
        flat = self.focal * points[:, :2] / depth + self.horizon
        cv2.fillConvexPoly(
            self.image, np.clip(flat, -9000, 9000).astype(np.int32), [float(c) for c in colour]
        )

    def box(self, low: Image, high: Image, colour: Image) -> None:
        """Draw front, top and the visible flank of a box from its two extreme corners."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        flank = x1 if x1 < 0 else x0
        if x1 < 0 or x0 > 0:
            self.quad(
                [(flank, y0, z0), (flank, y1, z0), (flank, y1, z1), (flank, y0, z1)], 0.6 * colour
            )
        if y0 > 0:
            self.quad([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], 1.3 * colour)
        self.quad([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)], colour)

    def panel(self, x: tuple[float, float], y: tuple[float, float], z: float, c: Image) -> None:
        """Fill a rectangle that faces the camera."""
        self.quad([(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)], c)


def hue(rng: np.random.Generator, value: float, strength: float, warm: float = 0.0) -> Image:
    """Return a colour (3,) of this brightness; strength 0 is grey, warm > 0 leans to yellow."""
    tint = rng.normal(0, strength, 3)
    tint -= tint.mean()
    lean = np.array([warm, 0.15 * warm, -warm])
    return np.asarray(value * np.exp(tint + lean), np.float32)


def wall_colour(rng: np.random.Generator) -> Image:
    """Return a colour (3,) walls have: nearly grey, dark to light."""
    return hue(
        rng, float(np.exp(rng.uniform(np.log(0.1), np.log(0.62)))), 0.10, rng.normal(0.05, 0.08)
    )


def objects(canvas: Canvas, x: tuple[float, float], y: float, z: float) -> None:
    """Cups, lamps, books and plants standing at height y."""
    rng = canvas.rng
    for _ in range(rng.integers(1, 5)):
        at, width, height = rng.uniform(*x), rng.uniform(0.06, 0.2), rng.uniform(0.08, 0.4)
        colour = hue(rng, float(np.exp(rng.uniform(-3, 0.1))), 0.4)
        canvas.panel((at, at + width), (y - height, y), z, colour)
        canvas.panel((at, at + 0.3 * width), (y - height, y), z, 1.35 * colour)
        if rng.random() < 0.25:
            leaves(canvas, (at + width / 2, y - height - 0.08), 0.13, z, 45)


def leaves(canvas: Canvas, place: tuple[float, float], spread: float, z: float, n: int) -> None:
    """A cloud of leaves around a place x, y at depth z."""
    rng = canvas.rng
    for _ in range(n):
        x, y = rng.normal(place, spread * np.array([0.7, 0.55]))
        size = spread * rng.uniform(0.1, 0.3)
        lit = np.clip((place[1] - y) / spread * 0.5 + 0.5, 0.1, 1)
        green = np.array([0.10, 0.17, 0.035]) * np.exp(rng.normal(0, 0.3, 3)) * (0.35 + 1.1 * lit)
        turn = rng.uniform(0, 3.2)
        cos, sin = size * np.cos(turn), size * np.sin(turn)
        canvas.quad(
            [
                (x - cos, y - sin, z),
                (x - sin * 0.4, y + cos * 0.4, z),
                (x + cos, y + sin, z),
                (x + sin * 0.4, y - cos * 0.4, z),
            ],
            green.astype(np.float32),
        )


def lamps(canvas: Canvas, x: tuple[float, float], y: float, z: float, size: float) -> None:
    """Small bright spots: what a lens turns into discs."""
    rng = canvas.rng
    for _ in range(rng.integers(2, 9)):
        at, high, deep = rng.uniform(*x), y * rng.uniform(0.2, 1), z * rng.uniform(0.6, 1)
        light = hue(rng, rng.uniform(2, 7), 0.12, rng.uniform(-0.1, 0.4))
        canvas.panel((at, at + size * 0.5), (high, high + size * 0.5), deep, light)
