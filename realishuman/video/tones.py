"""Colours of what is repainted, kept steady along a track.

Each frame's new skin is taken from that frame, so its tone comes and goes: a patch here, a shade
there. The tones of nearby frames are therefore compared where the mesh says they are the same spot
of skin, and each frame is given their mean. Texture and what was not repainted stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import around
from realishuman.mesh.base import Mesh
from realishuman.paint.fields import blur
from realishuman.paint.surface import Surface, draw, sample

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

REACH = 0.5  # seconds on each side whose tones count
COARSE = 0.025  # of the part: what is smaller is texture, not tone
LEAST = 3  # frames that must show a spot
BELIEVED = 2.5  # times the usual distance from the median beyond which a tone is not believed
BEHIND = 0.03  # of the part, by which a spot may lie behind what is drawn there and still be seen


def read_tones(before: Pixels, after: Pixels, mesh: Mesh) -> Floats:
    """(V, 3) tones of a part's vertices where it was repainted and they are seen, else NaN.

    before, after  (H, W, 3) uint8, the frame without and with the repair.
    """
    tones = np.full((len(mesh.vertices), 3), np.nan, np.float32)
    window = _window(mesh, before.shape[:2])
    if window is None:
        return tones
    changed = (before[window] != after[window]).any(axis=2)
    if not changed.any():
        return tones
    surface, size = _draw(mesh, window, changed.shape)
    shown = changed & surface.coverage
    soft = _tone(after[window], shown, COARSE * size)
    points = surface.vertices
    seen = surface.sees(points, surface.normals[:, 2], BEHIND * size)
    seen &= sample(shown.astype(np.float32), points[:, :2]) > 0.5
    tones[seen] = sample(soft, points[:, :2])[seen]
    return tones


def steady_tones(tones: Sequence[Floats], apart: NDArray[np.intp], reach: int) -> Floats:
    """(V, 3) means over time; NaN where too few frames show a spot.

    tones  of each frame, (V, 3); apart says how far from this one each is.
    """
    stacked = np.stack(tones)
    known = ~np.isnan(stacked[..., 0])
    often = known.sum(axis=0) >= LEAST
    made = np.full(stacked.shape[1:], np.nan, np.float32)
    if not often.any():
        return made
    some, there = stacked[:, often], known[:, often]
    off = np.linalg.norm(some - np.nanmedian(some, axis=0), axis=2)
    usual = np.nanmedian(off, axis=0) + 1
    weights = np.exp(-0.5 * (2 * apart / reach) ** 2)[:, None] * there
    weights = weights * (np.nan_to_num(off, nan=np.inf) <= BELIEVED * usual)
    total = weights.sum(axis=0)
    means = (np.nan_to_num(some) * weights[..., None]).sum(axis=0) / np.maximum(total, 1e-9)[
        :, None
    ]
    made[often] = np.where(total[:, None] > 0, means, np.nan)
    return made


def settle(before: Pixels, after: Pixels, mesh: Mesh, own: Floats, steady: Floats) -> Pixels:
    """The frame with the repair in steady tones; only what was repainted changes.

    own, steady  (V, 3) as read_tones and steady_tones return them.
    """
    window = _window(mesh, before.shape[:2])
    apart = steady - own
    known = ~np.isnan(apart[:, 0])
    if window is None or not known.any():
        return after
    changed = (before[window] != after[window]).any(axis=2)
    surface, size = _draw(mesh, window, changed.shape)
    values = np.column_stack([np.nan_to_num(apart), known]).astype(np.float32)
    field = np.asarray(surface.fill(surface.spread(values)), np.float32)
    field[~changed] = 0
    sigma = COARSE * size
    field = blur(field, sigma)
    # where half of what is around is known, the change fades out
    change = field[..., :3] / np.maximum(field[..., 3:], 0.5)
    settled = after.copy()
    moved = np.rint(np.clip(after[window] + change, 0, 255)).astype(np.uint8)
    settled[window] = np.where(changed[..., None], moved, after[window])
    return settled


def _window(mesh: Mesh, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Where the mesh is in a frame; None if it is outside."""
    box = around(mesh.vertices)
    top, left = max(int(box.y0) - 2, 0), max(int(box.x0) - 2, 0)
    bottom, right = min(int(box.y1) + 3, shape[0]), min(int(box.x1) + 3, shape[1])
    return None if top >= bottom or left >= right else (slice(top, bottom), slice(left, right))


def _draw(mesh: Mesh, window: tuple[slice, slice], shape: tuple[int, int]) -> tuple[Surface, float]:
    """The mesh drawn into its window, and its size in pixels."""
    corner = np.array([window[1].start, window[0].start, 0], np.float32)
    return draw(mesh.vertices - corner, mesh.faces, shape), around(mesh.joints).longer_side


def _tone(pixels: Pixels, shown: NDArray[np.bool_], sigma: float) -> Floats:
    """Colours at low frequencies, from the pixels that are shown alone."""
    mask = shown.astype(np.float32)
    weight = np.maximum(blur(mask, sigma), 1e-3)
    soft = blur(pixels * mask[..., None], sigma) / weight[..., None]
    return np.asarray(soft, np.float32)
