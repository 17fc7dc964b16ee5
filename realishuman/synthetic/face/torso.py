"""Neck, shoulders and clothes, upright below a head that looks ahead. Metres, frame of head.py."""

from __future__ import annotations

import numpy as np

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.body import grid, outward
from realishuman.synthetic.face.organs import CLOTH, NECK, surface
from realishuman.synthetic.posed import Surface

AROUND = 56
LOWEST = 60.0  # cm below the head's origin
# cm below the origin, half width, half depth, depth of the middle.
_PROFILE = np.array(
    [
        (3.0, 4.6, 4.6, 5.8),
        (9.0, 5.0, 5.0, 6.2),
        (11.5, 5.1, 5.1, 6.6),
        (13.5, 5.7, 5.4, 7.0),
        (15.2, 7.6, 6.1, 7.3),
        (17.0, 11.2, 7.2, 7.5),
        (19.5, 16.0, 8.6, 7.6),
        (23.0, 18.8, 9.6, 7.5),
        (28.0, 20.8, 10.8, 7.0),
        (LOWEST, 20.5, 11.5, 6.5),
    ]
)


def torso(girth: float, broad: float) -> Surface:
    """Return the skin of neck and shoulders, `girth` and `broad` times the usual."""
    rows = np.linspace(_PROFILE[0, 0], LOWEST, 40)[:, None] + np.zeros(AROUND)
    return _shell(rows, np.zeros_like(rows), girth, broad, NECK)


def clothes(rng: np.random.Generator, girth: float, broad: float) -> Surface:
    """Return a jumper, a shirt with a V, or a collar that stands up."""
    turn = _turns()
    front = np.clip(-np.cos(turn), 0, 1)  # 1 at the breast bone
    kind = rng.choice(3, p=[0.5, 0.3, 0.2])
    if kind == 0:
        start = 15.4 + rng.uniform(0.0, 1.6) + rng.uniform(0.8, 2.5) * front**2
    elif kind == 1:
        start = 15.6 + rng.uniform(5, 10) * front**5 + 0.8 * front
    else:
        start = 11.8 + rng.uniform(0, 1.5) + 0.8 * front
    along = np.linspace(0, 1, 30)[:, None] ** 1.3
    rows = start + (LOWEST - start) * along
    fold = np.zeros_like(rows)
    for _ in range(8):
        waves, slope = rng.integers(1, 6), rng.uniform(-0.5, 0.5)
        fold += np.sin(waves * turn + slope * rows + rng.uniform(0, 7)) / 8
    loose = np.clip((rows - start) / 6, 0, 1)
    ease = rng.uniform(0.35, 0.8)
    off = ease * (1 + 0.6 * loose + 1.2 * loose * fold)
    # The hem turns inwards, so that the cloth has a thickness where it ends.
    rows = np.concatenate([rows[:1] + 0.5, rows[:1] - 0.05, rows])
    off = np.concatenate([0 * off[:1] - 0.3, off[:1] - 0.25, off])
    return _shell(rows, off, girth, broad, CLOTH)


def _turns() -> Floats:
    return np.linspace(0, 2 * np.pi, AROUND, endpoint=False)


def _shell(rows: Floats, off: Floats, girth: float, broad: float, number: int) -> Surface:
    """Return the surface at heights (R, AROUND), `off` cm from the skin."""
    down, (wide, deep, middle) = _PROFILE[:, 0], (_PROFILE[:, k] for k in (1, 2, 3))
    grown = np.interp(down, (14, 19), (girth, broad))
    wide, deep = (np.interp(rows, down, grown * half) + off for half in (wide, deep))
    turn = _turns()
    square = (np.abs(np.sin(turn)) ** 2.4 + np.abs(np.cos(turn)) ** 2.4) ** (-1 / 2.4)
    square = 1 + (square - 1) * np.clip((rows - 17) / 4, 0, 1)
    points = np.stack(
        [
            wide * square * np.sin(turn),
            rows,
            np.interp(rows, down, middle) + deep * square * np.cos(turn),
        ],
        -1,
    )
    vertices = 0.01 * points.reshape(-1, 3)
    faces = outward(vertices, grid(len(rows), AROUND), np.array([0.0, 0.3, 0.07]))
    return surface(vertices, faces, vertices, number)
