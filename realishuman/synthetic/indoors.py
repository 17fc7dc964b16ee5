"""Rooms and tables, to be thrown out of focus."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from realishuman.synthetic.canvas import NEAR, Canvas, hue, lamps, objects, wall_colour


def room(canvas: Canvas) -> None:
    """Walls, floor, ceiling, window, pictures, shelves, furniture."""
    rng = canvas.rng
    depth, left, right = rng.uniform(3, 6), -rng.uniform(1.2, 3), rng.uniform(1.2, 3)
    top, floor = -rng.uniform(1.0, 1.5), rng.uniform(1.0, 1.5)
    wall = wall_colour(rng)
    canvas.image[:] = wall
    canvas.panel((left, right), (top, floor), depth, wall)
    wood = hue(rng, rng.uniform(0.06, 0.3), 0.08, 0.35)
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
        lamps(canvas, (left, right), top, depth, 0.12)


def desk(canvas: Canvas) -> None:
    """A wall behind a table with things on it."""
    rng = canvas.rng
    wall = wall_colour(rng)
    canvas.image[:] = (
        wall * np.linspace(1.15, 0.8, len(canvas.image), dtype=np.float32)[:, None, None]
    )
    if rng.random() < 0.6:
        things = [_window, _shelf, _pictures]
        things[rng.integers(3)](canvas, rng.uniform(-1.2, 0.2), 2.4, -1.3, 1.2)
    table = rng.uniform(0.25, 0.5)
    wood = hue(rng, float(np.exp(rng.uniform(-2.6, -0.5))), 0.08, 0.25)
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
        objects(canvas, (-0.45 * z, 0.45 * z), table, z)


def _window(canvas: Canvas, x: float, z: float, top: float, floor: float) -> None:
    rng = canvas.rng
    width, high = rng.uniform(0.7, 1.3), top + rng.uniform(0.2, 0.4)
    low = rng.uniform(0.1, 0.5)
    light = hue(rng, rng.uniform(0.8, 1.9), 0.04, -0.12)
    canvas.panel((x - 0.06, x + width + 0.06), (high - 0.06, low + 0.06), z, hue(rng, 0.5, 0.03))
    canvas.panel((x, x + width), (high, low), z, light)
    canvas.panel((x, x + width), (low - 0.45 * (low - high), low), z, light * hue(rng, 0.45, 0.2))
    for bar in (0.5,):
        canvas.panel(
            (x + bar * width - 0.03, x + bar * width + 0.03), (high, low), z, hue(rng, 0.45, 0.03)
        )
    if rng.random() < 0.5:
        cloth = hue(rng, rng.uniform(0.15, 0.6), 0.2, 0.1)
        for begin in (x - 0.25, x + width - 0.1):
            for fold in range(5):
                canvas.panel(
                    (begin + 0.07 * fold, begin + 0.07 * fold + 0.07),
                    (high - 0.1, floor - 0.1),
                    z,
                    cloth * (0.75 + 0.25 * (fold % 2)),
                )


def _shelf(canvas: Canvas, x: float, z: float, top: float, floor: float) -> None:
    rng = canvas.rng
    width, high = rng.uniform(0.6, 1.2), top + rng.uniform(0.1, 0.6)
    frame = hue(rng, rng.uniform(0.06, 0.5), 0.08, 0.25)
    canvas.panel((x, x + width), (high, floor), z, frame)
    levels = np.arange(high + 0.05, floor - 0.2, rng.uniform(0.3, 0.4))
    for upper, lower in pairwise(levels):
        canvas.panel((x + 0.04, x + width - 0.04), (upper, lower - 0.04), z, 0.35 * frame)
        at = x + 0.05
        while at < x + width - 0.1:
            thick = rng.uniform(0.02, 0.07)
            if rng.random() < 0.85:
                size = (lower - upper) * rng.uniform(0.5, 0.85)
                colour = hue(rng, float(np.exp(rng.uniform(-3.2, -0.6))), 0.45)
                canvas.panel((at, at + thick), (lower - 0.04 - size, lower - 0.04), z, colour)
            at += thick


def _pictures(canvas: Canvas, x: float, z: float, top: float, floor: float) -> None:
    rng = canvas.rng
    for _ in range(rng.integers(1, 4)):
        width, height = rng.uniform(0.25, 0.7, 2)
        high = rng.uniform(top + 0.2, 0.1)
        canvas.panel(
            (x, x + width), (high, high + height), z, hue(rng, rng.uniform(0.03, 0.6), 0.1)
        )
        canvas.panel(
            (x + 0.04, x + width - 0.04),
            (high + 0.04, high + height - 0.04),
            z,
            hue(rng, rng.uniform(0.1, 0.7), 0.25),
        )
        canvas.panel(
            (x + 0.1, x + width - 0.1),
            (high + height / 2, high + height - 0.08),
            z,
            hue(rng, rng.uniform(0.05, 0.5), 0.35),
        )
        x += width + 0.1


def _door(canvas: Canvas, x: float, z: float, top: float, floor: float) -> None:
    colour = hue(canvas.rng, canvas.rng.uniform(0.05, 0.7), 0.08, 0.15)
    canvas.panel((x - 0.06, x + 0.9), (top + 0.4, floor), z, 0.7 * colour)
    canvas.panel((x, x + 0.84), (top + 0.46, floor), z, colour)
    for begin, end in ((top + 0.6, -0.1), (0.1, floor - 0.2)):
        canvas.panel((x + 0.12, x + 0.72), (begin, end), z, 0.85 * colour)


def _furniture(canvas: Canvas, x: float, z: float, floor: float) -> None:
    """A sofa, a table or a box on the floor."""
    rng = canvas.rng
    width, height, deep = rng.uniform(0.5, 1.6), rng.uniform(0.35, 0.95), rng.uniform(0.4, 0.8)
    colour = hue(rng, float(np.exp(rng.uniform(-3, -0.7))), 0.25, 0.1)
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
                hue(rng, 0.3, 0.4),
            )
    elif kind == 1:
        for leg in (x, x + width - 0.05):
            canvas.box(
                np.array([leg, floor - height, z], np.float32),
                np.array([leg + 0.05, floor, z + 0.05], np.float32),
                0.6 * colour,
            )
        canvas.box(low, high - np.array([0, height - 0.06, 0], np.float32), colour)
        objects(canvas, (x, x + width), floor - height, z + 0.2)
    else:
        canvas.box(low, high, colour)
        objects(canvas, (x, x + width), floor - height, z + 0.2)
