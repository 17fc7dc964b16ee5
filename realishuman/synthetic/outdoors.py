"""Streets and gardens, to be thrown out of focus."""

from __future__ import annotations

import numpy as np

from realishuman.synthetic.canvas import NEAR, Canvas, hue, lamps, leaves


def street(canvas: Canvas) -> None:
    """Sky, road, two rows of houses, trees, cars, lights."""
    rng = canvas.rng
    sky = hue(rng, rng.uniform(0.45, 1.25), 0.03, rng.uniform(-0.25, 0.1))
    fall = np.linspace(0.75, 1.1, len(canvas.image), dtype=np.float32)[:, None, None]
    canvas.image[:] = sky * fall
    ground = rng.uniform(1.3, 1.7)
    grey = hue(rng, rng.uniform(0.08, 0.25), 0.03, 0.05)
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
        colour = hue(rng, float(np.exp(rng.uniform(-3.5, -0.5))), 0.3)
        low = np.array([x - 0.9, ground - 0.9, z], np.float32)
        canvas.box(low, low + np.array([1.8, 0.9, 4], np.float32), colour)
        canvas.panel((x - 0.7, x + 0.7), (ground - 1.4, ground - 0.9), z + 1, 0.25 * colour + 0.05)
        for light in (x - 0.75, x + 0.55):
            canvas.panel(
                (light, light + 0.2), (ground - 0.6, ground - 0.45), z, hue(rng, 2.5, 0.05, 0.3)
            )
    for _ in range(rng.integers(0, 4)):
        x, z = rng.choice([-1, 1]) * half * 0.8, rng.uniform(5, 18)
        canvas.panel(
            (x - 0.1, x + 0.1), (-1.5, ground), z, np.array([0.05, 0.04, 0.03], np.float32)
        )
        leaves(canvas, (x, -2.2), 1.8, z, 130)
    if rng.random() < 0.5:
        lamps(canvas, (-half, half), -2.5, 20, 0.6)


def _house(canvas: Canvas, x: float, z: tuple[float, float], ground: float) -> None:
    """One facade along the street, with its windows."""
    rng = canvas.rng
    near, far = max(z[0], 0.8), z[1]
    storeys = rng.integers(2, 6)
    top = ground - 3.2 * storeys
    lit = 1.0 if (x > 0) == bool(rng.random() < 0.6) else 0.55
    wall = lit * hue(rng, rng.uniform(0.12, 0.55), 0.12, 0.2)
    canvas.quad([(x, top, near), (x, ground, near), (x, ground, far), (x, top, far)], wall)
    pane = hue(rng, rng.uniform(0.03, 0.3), 0.1, -0.15)
    for storey in range(storeys):
        low = ground - 3.2 * storey - (0.2 if storey == 0 else 0.9)
        for begin in np.arange(near + 0.6, far - 1.2, 2.2):
            colour = hue(rng, 1.4, 0.05, 0.35) if rng.random() < 0.08 else pane
            canvas.quad(
                [
                    (x, low - 1.6, begin),
                    (x, low, begin),
                    (x, low, begin + 1.2),
                    (x, low - 1.6, begin + 1.2),
                ],
                colour,
            )


def garden(canvas: Canvas) -> None:
    """Lawn, hedges, trees against the sky."""
    rng = canvas.rng
    sky = hue(rng, rng.uniform(0.6, 1.5), 0.03, rng.uniform(-0.3, 0.05))
    canvas.image[:] = sky
    grass = hue(rng, rng.uniform(0.1, 0.24), 0.05) * np.array([0.95, 1.35, 0.45], np.float32)
    canvas.quad([(-60, 1.4, 60), (60, 1.4, 60), (60, 1.4, NEAR), (-60, 1.4, NEAR)], grass)
    for z in np.sort(rng.uniform(3, 16, rng.integers(5, 10)))[::-1]:
        x = rng.uniform(-0.7, 0.7) * z
        canvas.panel((x - 0.12, x + 0.12), (-1, 1.4), z, np.array([0.06, 0.045, 0.03], np.float32))
        leaves(canvas, (x, rng.uniform(-2, 0.6)), rng.uniform(0.8, 1.8), z, 150)
    for _ in range(rng.integers(0, 40)):
        z = rng.uniform(2, 8)
        x, y = rng.uniform(-1, 1) * z, rng.uniform(0.4, 1.3)
        canvas.panel((x, x + 0.12), (y, y + 0.12), z, hue(rng, 0.5, 0.5))
