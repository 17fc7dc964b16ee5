"""The released circles in which a crop fades into its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.imaging.crop import RELEASED_SIZE, Crop, restore

Mask = NDArray[np.bool_]
Weight = NDArray[np.float32]

FADE_GAP, FADE_BLUR, FADE_MARGIN = 50, 21, 70  # in pixels of the 512 crop


@dataclass(frozen=True)
class Fade:
    """Where a radial fade begins.

    x, y   its centre, in picture pixels.
    reach  half the longer side of the keypoints' box around it, in picture pixels.
    """

    x: float
    y: float
    reach: float


def radial_fade(start: float, centre: tuple[float, float] | None = None) -> Weight:
    """Return the released fade around a point of the 512 crop.

    start    distance in pixels up to which the weight is 1.
    centre   (x, y) in pixels; the crop's centre if not given.
    Returns  (512, 512) float32 in [0, 1]: falls linearly from `start` to the distance of the
             corner (50, 50), 0 in the outer 50 pixels, blurred. When `start` passes that corner
             the whole inside is 1, as released.
    """
    cx, cy = centre or (RELEASED_SIZE / 2, RELEASED_SIZE / 2)
    rows, columns = np.ogrid[:RELEASED_SIZE, :RELEASED_SIZE]
    distance = np.sqrt((columns - cx) ** 2 + (rows - cy) ** 2)
    reach = float(np.hypot(cx - FADE_GAP, cy - FADE_GAP))
    with np.errstate(divide="ignore", invalid="ignore"):
        ramp = 1 - np.clip((distance - start) / (reach - start), 0, 1)
    fade = np.where(distance < start, 1.0, np.where(distance < reach + start, ramp, 0.0))
    inner = np.zeros_like(fade)
    window = slice(FADE_GAP, RELEASED_SIZE - FADE_GAP)
    inner[window, window] = np.nan_to_num(fade[window, window])
    blurred: Weight = cv2.GaussianBlur(inner.astype(np.float32), (FADE_BLUR, FADE_BLUR), 0)
    return blurred


def fade_around(m: Mask, crop: Crop) -> Weight:
    """The fade around the crop's centre at the picture's resolution.

    m  (size, size) bool; its box stands for the keypoints' box.
    """
    rows, columns = (np.flatnonzero(m.any(axis=axis)) for axis in (1, 0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1 if m.any() else 0
    return _resize_fade(radial_fade(longest / 2 * RELEASED_SIZE / crop.size + FADE_MARGIN), crop)


def merge_fades(fades: Sequence[Fade], crop: Crop) -> Weight:
    """The fades around the parts of a crop, at the picture's resolution; the larger one holds."""
    scale, box = RELEASED_SIZE / crop.box.width, crop.box
    each = [
        radial_fade(
            one.reach * scale + FADE_MARGIN, ((one.x - box.x0) * scale, (one.y - box.y0) * scale)
        )
        for one in fades
    ]
    return _resize_fade(np.maximum.reduce(each), crop)


def _resize_fade(fade: Weight, crop: Crop) -> Weight:
    """A fade of the 512 crop at the picture's resolution."""
    image = restore(torch.from_numpy(fade)[None], Crop(crop.box, RELEASED_SIZE))[0]
    weight: Weight = image.clamp(0, 1).numpy()
    return weight
