"""Makes a good part look malformed: rippled, blurred or smeared; for pictures without a twin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.train.crops import Mask, Pixels

Floats = NDArray[np.float32]
KINDS = ("none", "rippled", "blurred", "smeared")
SHARES = (0.25, 0.3, 0.15, 0.3)
COARSE = 48  # side of the field of ripples, before it is stretched over the crop


def spoil(clean: Pixels, m: Mask, joints: Floats, rng: np.random.Generator) -> tuple[Pixels, str]:
    """Return a spoilt copy and which of KINDS was done; the same for the same generator.

    clean    (R, R, 3) uint8 RGB.
    m        (R, R) bool, the part; outside it, a little dilated, nothing changes.
    joints   (K, 2+) in pixels of the crop; smears begin at one of them.
    """
    kind = str(rng.choice(KINDS, p=SHARES))
    if kind == "none" or not m.any():
        return clean.copy(), "none"
    rows, columns = np.nonzero(m)
    size = float(max(np.ptp(rows), np.ptp(columns)) + 1)
    if kind == "blurred":
        changed = cv2.GaussianBlur(clean, (0, 0), size * rng.uniform(0.015, 0.04))
    elif kind == "rippled":
        changed = _move(clean, _ripples(len(clean), size, rng))
    else:
        changed = _smear(clean, m, joints, size, rng)
    share = _soft(m, size)[..., None]
    mixed = clean * (1 - share) + changed * share
    return np.clip(mixed.round(), 0, 255).astype(np.uint8), kind


def _soft(m: Mask, size: float) -> Floats:
    """1 on the part, falling to 0 a little outside it."""
    reach = max(round(size * 0.03), 1)
    wide = cv2.dilate(m.astype(np.float32), np.ones((2 * reach + 1, 2 * reach + 1)))
    soft = cv2.blur(wide, (2 * reach + 1, 2 * reach + 1))
    return np.where(m, 1.0, soft).astype(np.float32)


def _ripples(side: int, size: float, rng: np.random.Generator) -> Floats:
    """A smooth random field of moves, (side, side, 2) in pixels."""
    waves = rng.uniform(0.05, 0.1) * size / side * COARSE
    field = cv2.GaussianBlur(rng.normal(0, 1, (COARSE, COARSE, 2)), (0, 0), max(waves, 0.6))
    field *= rng.uniform(0.02, 0.045) * size / field.std()
    smooth = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _smear(clean: Pixels, m: Mask, joints: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Pixels around one to three joints dragged along, as a wet finger drags paint."""
    picture = clean.astype(np.float32)
    inside = [j[:2] for j in joints if m[_at(j[1], len(m)), _at(j[0], len(m))]]
    rows, columns = np.indices(m.shape, dtype=np.float32) + 0.5
    for _ in range(int(rng.integers(1, 4))):
        x, y = inside[rng.integers(len(inside))] if inside else np.argwhere(m).mean(axis=0)[::-1]
        radius, angle = rng.uniform(0.07, 0.14) * size, rng.uniform(0, 2 * np.pi)
        pull = rng.uniform(0.1, 0.25) * size * np.array([np.cos(angle), np.sin(angle)])
        near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
        field = (near[..., None] * pull).astype(np.float32)
        steps = [_move(picture, field * share) for share in (0.4, 0.6, 0.8, 1.0)]
        picture = np.mean(steps, axis=0, dtype=np.float32)
    return picture


def _at(place: float, side: int) -> int:
    return int(np.clip(place, 0, side - 1))


def _move(picture: NDArray[np.uint8] | Floats, field: Floats) -> Floats:
    """Each pixel taken from where the field, (R, R, 2) of x and y, points."""
    rows, columns = np.indices(picture.shape[:2], dtype=np.float32)
    moved = cv2.remap(
        picture,
        columns + field[..., 0],
        rows + field[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(moved, np.float32)
