"""Rooms, streets and gardens as they look behind a photographed hand: out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from realishuman.synthetic.canvas import Canvas, Image, wall_colour
from realishuman.synthetic.indoors import desk, room
from realishuman.synthetic.outdoors import garden, street

SIZE = 288  # drawn at this size whatever the picture's: nothing in it is sharp


def draw_background(rng: np.random.Generator, side: int) -> Image:
    """Return a background (side, side, 3)."""
    focal = SIZE * rng.uniform(0.8, 1.5)
    horizon = (SIZE * rng.uniform(0.25, 0.75), SIZE * rng.uniform(0.3, 0.65))
    canvas = Canvas(np.zeros((SIZE, SIZE, 3), np.float32), rng, focal, horizon)
    kinds = (room, street, garden, desk, _studio)
    kinds[rng.choice(len(kinds), p=[0.36, 0.24, 0.14, 0.16, 0.10])](canvas)
    image = _uneven(rng, canvas.image)
    radius = SIZE * rng.uniform(0.010, 0.034)
    image = _lens(image, radius)
    image *= np.float32(rng.uniform(0.6, 1.15))
    margin = int(SIZE * 0.06)  # the blur darkens nothing but shows its mirror at the rim
    image = image[margin:-margin, margin:-margin]
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.maximum(image, 0), np.float32)


def _studio(canvas: Canvas) -> None:
    """A paper wall with a pool of light."""
    rng = canvas.rng
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    px, py = rng.uniform(0.1, 0.9, 2)
    glow = np.exp(-((x - px) ** 2 + (y - py) ** 2) / rng.uniform(0.15, 0.6))
    canvas.image[:] = wall_colour(rng) * (0.45 + 0.7 * glow[..., None])


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
