"""Backgrounds that look like rooms, streets and gardens behind a photographed hand: out of focus.

Simple boxes in perspective are drawn and put through the blur of a lens. Colours are linear RGB,
float32, about 0..1, lamps brighter.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
SIZE = 288  # drawn at this size whatever the picture's: nothing in it is sharp
NEAR = 0.4


@dataclass(frozen=True)
class _Canvas:
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


def draw_background(rng: np.random.Generator, side: int) -> Image:
    """Return a background (side, side, 3)."""
    focal = SIZE * rng.uniform(0.8, 1.5)
    horizon = (SIZE * rng.uniform(0.25, 0.75), SIZE * rng.uniform(0.3, 0.65))
    canvas = _Canvas(np.zeros((SIZE, SIZE, 3), np.float32), rng, focal, horizon)
    kinds = (_room, _street, _garden, _desk, _studio)
    kinds[rng.choice(len(kinds), p=[0.36, 0.24, 0.14, 0.16, 0.10])](canvas)
    image = _uneven(rng, canvas.image)
    radius = SIZE * rng.uniform(0.010, 0.034)
    image = _lens(image, radius)
    image *= np.float32(rng.uniform(0.6, 1.15))
    margin = int(SIZE * 0.06)  # the blur darkens nothing but shows its mirror at the rim
    image = image[margin:-margin, margin:-margin]
    return np.maximum(cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC), 0)


def _hue(rng: np.random.Generator, value: float, strength: float, warm: float = 0.0) -> Image:
    """Return a colour (3,) of this brightness; strength 0 is grey, warm > 0 leans to yellow."""
    tint = rng.normal(0, strength, 3)
    tint -= tint.mean()
    lean = np.array([warm, 0.15 * warm, -warm])
    return np.asarray(value * np.exp(tint + lean), np.float32)


def _wall_colour(rng: np.random.Generator) -> Image:
    return _hue(
        rng, float(np.exp(rng.uniform(np.log(0.1), np.log(0.62)))), 0.10, rng.normal(0.05, 0.08)
    )


def _room(canvas: _Canvas) -> None:
    """Walls, floor, ceiling, window, pictures, shelves, furniture."""
    rng = canvas.rng
    depth, left, right = rng.uniform(3, 6), -rng.uniform(1.2, 3), rng.uniform(1.2, 3)
    top, floor = -rng.uniform(1.0, 1.5), rng.uniform(1.0, 1.5)
    wall = _wall_colour(rng)
    canvas.image[:] = wall
    canvas.panel((left, right), (top, floor), depth, wall)
    wood = _hue(rng, rng.uniform(0.06, 0.3), 0.08, 0.35)
    for x, shade in ((left, rng.uniform(0.6, 0.9)), (right, rng.uniform(0.7, 1.1))):
        canvas.quad(
            [(x, top, depth), (x, floor, depth), (x, floor, NEAR), (x, top, NEAR)], shade * wall
        )
    for y, c in ((top, 1.15 * wall + 0.05), (floor, wood)):
        canvas.quad(
            [(left, y, depth), (right, y, depth), (8 * right, y, NEAR), (8 * left, y, NEAR)], c
        )
    for seam in np.arange(left, right, 0.25):
        canvas.quad(
            [
                (seam, floor, depth),
                (seam + 0.03, floor, depth),
                (seam + 0.03, floor, NEAR),
                (seam, floor, NEAR),
            ],
            0.7 * wood,
        )
    canvas.panel((left, right), (floor - 0.12, floor), depth, 1.2 * wall + 0.05)
    things = [_window, _shelf, _pictures, _door]
    for place in np.linspace(left, right, rng.integers(2, 5) + 1)[:-1]:
        things[rng.integers(len(things))](canvas, place + 0.2, depth, top, floor)
    for _ in range(rng.integers(1, 4)):
        _furniture(canvas, rng.uniform(left, right), rng.uniform(1.6, depth - 0.6), floor)
    if rng.random() < 0.4:
        _lamps(canvas, (left, right), top, depth, 0.12)


def _window(canvas: _Canvas, x: float, z: float, top: float, floor: float) -> None:
    rng = canvas.rng
    width, high = rng.uniform(0.7, 1.3), top + rng.uniform(0.2, 0.4)
    low = rng.uniform(0.1, 0.5)
    light = _hue(rng, rng.uniform(0.8, 1.9), 0.04, -0.12)
    canvas.panel((x - 0.06, x + width + 0.06), (high - 0.06, low + 0.06), z, _hue(rng, 0.5, 0.03))
    canvas.panel((x, x + width), (high, low), z, light)
    canvas.panel((x, x + width), (low - 0.45 * (low - high), low), z, light * _hue(rng, 0.45, 0.2))
    for bar in (0.5,):
        canvas.panel(
            (x + bar * width - 0.03, x + bar * width + 0.03), (high, low), z, _hue(rng, 0.45, 0.03)
        )
    if rng.random() < 0.5:
        cloth = _hue(rng, rng.uniform(0.15, 0.6), 0.2, 0.1)
        for begin in (x - 0.25, x + width - 0.1):
            for fold in range(5):
                canvas.panel(
                    (begin + 0.07 * fold, begin + 0.07 * fold + 0.07),
                    (high - 0.1, floor - 0.1),
                    z,
                    cloth * (0.75 + 0.25 * (fold % 2)),
                )


def _shelf(canvas: _Canvas, x: float, z: float, top: float, floor: float) -> None:
    rng = canvas.rng
    width, high = rng.uniform(0.6, 1.2), top + rng.uniform(0.1, 0.6)
    frame = _hue(rng, rng.uniform(0.06, 0.5), 0.08, 0.25)
    canvas.panel((x, x + width), (high, floor), z, frame)
    levels = np.arange(high + 0.05, floor - 0.2, rng.uniform(0.3, 0.4))
    for upper, lower in zip(levels[:-1], levels[1:]):
        canvas.panel((x + 0.04, x + width - 0.04), (upper, lower - 0.04), z, 0.35 * frame)
        at = x + 0.05
        while at < x + width - 0.1:
            thick = rng.uniform(0.02, 0.07)
            if rng.random() < 0.85:
                size = (lower - upper) * rng.uniform(0.5, 0.85)
                colour = _hue(rng, float(np.exp(rng.uniform(-3.2, -0.6))), 0.45)
                canvas.panel((at, at + thick), (lower - 0.04 - size, lower - 0.04), z, colour)
            at += thick


def _pictures(canvas: _Canvas, x: float, z: float, top: float, floor: float) -> None:
    rng = canvas.rng
    for _ in range(rng.integers(1, 4)):
        width, height = rng.uniform(0.25, 0.7, 2)
        high = rng.uniform(top + 0.2, 0.1)
        canvas.panel(
            (x, x + width), (high, high + height), z, _hue(rng, rng.uniform(0.03, 0.6), 0.1)
        )
        canvas.panel(
            (x + 0.04, x + width - 0.04),
            (high + 0.04, high + height - 0.04),
            z,
            _hue(rng, rng.uniform(0.1, 0.7), 0.25),
        )
        canvas.panel(
            (x + 0.1, x + width - 0.1),
            (high + height / 2, high + height - 0.08),
            z,
            _hue(rng, rng.uniform(0.05, 0.5), 0.35),
        )
        x += width + 0.1


def _door(canvas: _Canvas, x: float, z: float, top: float, floor: float) -> None:
    colour = _hue(canvas.rng, canvas.rng.uniform(0.05, 0.7), 0.08, 0.15)
    canvas.panel((x - 0.06, x + 0.9), (top + 0.4, floor), z, 0.7 * colour)
    canvas.panel((x, x + 0.84), (top + 0.46, floor), z, colour)
    for begin, end in ((top + 0.6, -0.1), (0.1, floor - 0.2)):
        canvas.panel((x + 0.12, x + 0.72), (begin, end), z, 0.85 * colour)


def _furniture(canvas: _Canvas, x: float, z: float, floor: float) -> None:
    """A sofa, a table or a box on the floor."""
    rng = canvas.rng
    width, height, deep = rng.uniform(0.5, 1.6), rng.uniform(0.35, 0.95), rng.uniform(0.4, 0.8)
    colour = _hue(rng, float(np.exp(rng.uniform(-3, -0.7))), 0.25, 0.1)
    low = np.array([x, floor - height, z], np.float32)
    high = np.array([x + width, floor, z + deep], np.float32)
    kind = rng.integers(3)
    if kind == 0:
        canvas.box(low - np.array([0, 0.35, -deep * 0.7], np.float32), high, 0.8 * colour)
        canvas.box(low, high, colour)
        for k in range(2):
            at = x + width * (0.1 + 0.45 * k)
            canvas.panel(
                (at, at + 0.3),
                (floor - height - 0.25, floor - height + 0.05),
                z,
                _hue(rng, 0.3, 0.4),
            )
    elif kind == 1:
        for leg in (x, x + width - 0.05):
            canvas.box(
                np.array([leg, floor - height, z], np.float32),
                np.array([leg + 0.05, floor, z + 0.05], np.float32),
                0.6 * colour,
            )
        canvas.box(low, high - np.array([0, height - 0.06, 0], np.float32), colour)
        _objects(canvas, (x, x + width), floor - height, z + 0.2)
    else:
        canvas.box(low, high, colour)
        _objects(canvas, (x, x + width), floor - height, z + 0.2)


def _objects(canvas: _Canvas, x: tuple[float, float], y: float, z: float) -> None:
    """Cups, lamps, books and plants standing at height y."""
    rng = canvas.rng
    for _ in range(rng.integers(1, 5)):
        at, width, height = rng.uniform(*x), rng.uniform(0.06, 0.2), rng.uniform(0.08, 0.4)
        colour = _hue(rng, float(np.exp(rng.uniform(-3, 0.1))), 0.4)
        canvas.panel((at, at + width), (y - height, y), z, colour)
        canvas.panel((at, at + 0.3 * width), (y - height, y), z, 1.35 * colour)
        if rng.random() < 0.25:
            _leaves(canvas, (at, y - height), 0.2, z, 30)


def _leaves(canvas: _Canvas, place: tuple[float, float], spread: float, z: float, n: int) -> None:
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


def _lamps(canvas: _Canvas, x: tuple[float, float], y: float, z: float, size: float) -> None:
    """Small bright spots: what a lens turns into discs."""
    rng = canvas.rng
    for _ in range(rng.integers(2, 9)):
        at, high, deep = rng.uniform(*x), y * rng.uniform(0.2, 1), z * rng.uniform(0.6, 1)
        light = _hue(rng, rng.uniform(2, 7), 0.12, rng.uniform(-0.1, 0.4))
        canvas.panel((at, at + size * 0.5), (high, high + size * 0.5), deep, light)


def _street(canvas: _Canvas) -> None:
    """Sky, road, two rows of houses, trees, cars, lights."""
    rng = canvas.rng
    sky = _hue(rng, rng.uniform(0.45, 1.25), 0.03, rng.uniform(-0.25, 0.1))
    fall = np.linspace(0.75, 1.1, SIZE, dtype=np.float32)[:, None, None]
    canvas.image[:] = sky * fall
    ground = rng.uniform(1.3, 1.7)
    grey = _hue(rng, rng.uniform(0.08, 0.25), 0.03, 0.05)
    canvas.quad(
        [(-60, ground, 60), (60, ground, 60), (60, ground, NEAR), (-60, ground, NEAR)], grey
    )
    half = rng.uniform(3.5, 7)
    for side in (-1, 1):
        canvas.quad(
            [
                (side * half, ground, 60),
                (side * half * 0.62, ground, 60),
                (side * half * 0.62, ground, NEAR),
                (side * half, ground, NEAR),
            ],
            1.5 * grey,
        )
        z = 45.0
        while z > 1.5:
            length = rng.uniform(5, 11)
            _house(canvas, side * half, (z - length, z), ground)
            z -= length
    for _ in range(rng.integers(1, 5)):
        z, x = rng.uniform(6, 25), rng.choice([-1, 1]) * half * rng.uniform(0.5, 0.85)
        colour = _hue(rng, float(np.exp(rng.uniform(-3.5, -0.5))), 0.3)
        low = np.array([x - 0.9, ground - 0.9, z], np.float32)
        canvas.box(low, low + np.array([1.8, 0.9, 4], np.float32), colour)
        canvas.panel((x - 0.7, x + 0.7), (ground - 1.4, ground - 0.9), z + 1, 0.25 * colour + 0.05)
        for light in (x - 0.75, x + 0.55):
            canvas.panel(
                (light, light + 0.2), (ground - 0.6, ground - 0.45), z, _hue(rng, 2.5, 0.05, 0.3)
            )
    for _ in range(rng.integers(0, 4)):
        x, z = rng.choice([-1, 1]) * half * 0.8, rng.uniform(5, 18)
        canvas.panel(
            (x - 0.1, x + 0.1), (-1.5, ground), z, np.array([0.05, 0.04, 0.03], np.float32)
        )
        _leaves(canvas, (x, -2.2), 1.8, z, 130)
    if rng.random() < 0.5:
        _lamps(canvas, (-half, half), -2.5, 20, 0.6)


def _house(canvas: _Canvas, x: float, z: tuple[float, float], ground: float) -> None:
    """One facade along the street, with its windows."""
    rng = canvas.rng
    near, far = max(z[0], 0.8), z[1]
    storeys = rng.integers(2, 6)
    top = ground - 3.2 * storeys
    lit = 1.0 if (x > 0) == bool(rng.random() < 0.6) else 0.55
    wall = lit * _hue(rng, rng.uniform(0.12, 0.55), 0.12, 0.2)
    canvas.quad([(x, top, near), (x, ground, near), (x, ground, far), (x, top, far)], wall)
    pane = _hue(rng, rng.uniform(0.03, 0.3), 0.1, -0.15)
    for storey in range(storeys):
        low = ground - 3.2 * storey - (0.2 if storey == 0 else 0.9)
        for begin in np.arange(near + 0.6, far - 1.2, 2.2):
            colour = _hue(rng, 1.4, 0.05, 0.35) if rng.random() < 0.08 else pane
            canvas.quad(
                [
                    (x, low - 1.6, begin),
                    (x, low, begin),
                    (x, low, begin + 1.2),
                    (x, low - 1.6, begin + 1.2),
                ],
                colour,
            )


def _garden(canvas: _Canvas) -> None:
    """Lawn, hedges, trees against the sky."""
    rng = canvas.rng
    sky = _hue(rng, rng.uniform(0.6, 1.5), 0.03, rng.uniform(-0.3, 0.05))
    canvas.image[:] = sky
    grass = _hue(rng, rng.uniform(0.1, 0.24), 0.05) * np.array([0.95, 1.35, 0.45], np.float32)
    canvas.quad([(-60, 1.4, 60), (60, 1.4, 60), (60, 1.4, NEAR), (-60, 1.4, NEAR)], grass)
    for z in np.sort(rng.uniform(3, 16, rng.integers(5, 10)))[::-1]:
        x = rng.uniform(-0.7, 0.7) * z
        canvas.panel((x - 0.12, x + 0.12), (-1, 1.4), z, np.array([0.06, 0.045, 0.03], np.float32))
        _leaves(canvas, (x, rng.uniform(-2, 0.6)), rng.uniform(0.8, 1.8), z, 150)
    for _ in range(rng.integers(0, 40)):
        z = rng.uniform(2, 8)
        x, y = rng.uniform(-1, 1) * z, rng.uniform(0.4, 1.3)
        canvas.panel((x, x + 0.12), (y, y + 0.12), z, _hue(rng, 0.5, 0.5))


def _desk(canvas: _Canvas) -> None:
    """A wall behind a table with things on it."""
    rng = canvas.rng
    wall = _wall_colour(rng)
    canvas.image[:] = wall * np.linspace(1.15, 0.8, SIZE, dtype=np.float32)[:, None, None]
    if rng.random() < 0.6:
        things = [_window, _shelf, _pictures]
        things[rng.integers(3)](canvas, rng.uniform(-1.2, 0.2), 2.4, -1.3, 1.2)
    table = rng.uniform(0.25, 0.5)
    wood = _hue(rng, float(np.exp(rng.uniform(-2.6, -0.5))), 0.08, 0.25)
    canvas.quad([(-6, table, 1.6), (6, table, 1.6), (6, table, NEAR), (-6, table, NEAR)], wood)
    for begin in np.arange(-3, 3, 0.35):
        canvas.quad(
            [
                (begin, table, 1.6),
                (begin + 0.15, table, 1.6),
                (begin + 0.15, table, NEAR),
                (begin, table, NEAR),
            ],
            wood * rng.uniform(0.85, 1.1),
        )
    for z in (1.5, 1.3, 1.1):
        _objects(canvas, (-0.45 * z, 0.45 * z), table, z)


def _studio(canvas: _Canvas) -> None:
    """A paper wall with a pool of light."""
    rng = canvas.rng
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    px, py = rng.uniform(0.1, 0.9, 2)
    glow = np.exp(-((x - px) ** 2 + (y - py) ** 2) / rng.uniform(0.15, 0.6))
    canvas.image[:] = _wall_colour(rng) * (0.45 + 0.7 * glow[..., None])


def _uneven(rng: np.random.Generator, image: Image) -> Image:
    """Let light fall off across the picture, and surfaces be a little uneven."""
    coarse = rng.normal(0, 0.13, (5, 5, 1)) + rng.normal(0, 0.03, (5, 5, 3))
    fine = rng.normal(0, 0.025, (24, 24, 1))
    field = sum(
        cv2.resize(
            grid.astype(np.float32).repeat(3 // grid.shape[2], 2),
            (SIZE, SIZE),
            interpolation=cv2.INTER_CUBIC,
        )
        for grid in (coarse, fine)
    )
    return np.asarray(image * np.exp(field), np.float32)


def _lens(image: Image, radius: float) -> Image:
    """Blur with a disc, as an open lens does, and a little more softly."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    blurred = cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.GaussianBlur(blurred, (0, 0), max(0.6, 0.35 * radius)), np.float32)
