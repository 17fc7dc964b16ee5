"""Pictures without free colours: grey, sepia, duotone, drawings of two colours.

In such a picture lightness tells the colour, and a part painted by networks that know photographs
must not be the only coloured thing. Whether a picture is one is measured on averages over small
squares, in which the colour noise of JPEG cancels out and the tint of pale skin does not. Measured
on the published sample pictures: grey ones have no average off their line by more than 3 levels,
colours faded to a tenth of their strength 7 % of them; sepia and duotone at JPEG quality 75 have
less than 10 % off by more than 4, the pictures themselves 62 % and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import Box
from realishuman.imaging.modes import eight_bit

Depth = TypeVar("Depth", np.uint8, np.uint16)
Floats = NDArray[np.float32]

SQUARE, LEAST_SQUARES = 8, 32  # side in pixels that is averaged; at least so many across
GREY, GREY_OFF, GREY_SHARE = 8.0, 3.0, 0.01  # strength below which a line is grey; what it allows
TINT_OFF, TINT_SHARE = 4.0, 0.10
FEW = 4  # colours of a drawing
LEAST_RANGE = 16.0  # levels of lightness; what has fewer shows no hand, and tells no colours
OUTLIER = 24.0
WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Tones:
    """All colours of a picture.

    tint     (256, 3) float32 in levels of 8 bits: what is added to a lightness of 0..255.
    reach    the least and the greatest lightness that there is, 0..255: the inks are no darker.
    colours  (N, 3), of the picture's type, where there are only a few; else None.
    """

    tint: Floats
    reach: tuple[float, float] = (0.0, 255.0)
    colours: NDArray[Any] | None = None


def tones_of(picture: NDArray[Depth], box: Box) -> Tones | None:
    """Return a picture's tones, or None if lightness does not tell its colours.

    picture  (H, W, 3) uint8 or uint16 RGB.
    box      where they will be used: they must hold there too, as a small coloured part of a grey
             picture has a colour of its own.
    """
    colours = _few_colours(picture)
    if colours is not None:
        return Tones(np.zeros((256, 3), np.float32), colours=colours)
    small = _averages(eight_bit(picture))
    everywhere = small.reshape(-1, 3)
    if np.ptp(everywhere @ WEIGHTS) < LEAST_RANGE:
        return None
    line = _line(everywhere)
    grey = _strength(everywhere, line) < GREY
    there = _inside(small, picture.shape, box)
    if not (_is_on(everywhere, line, grey) and _is_on(there, line, grey)):
        return None
    if np.abs(line).max() < 1:
        return Tones(np.zeros_like(line))  # exactly grey
    flat = _flat(picture)
    light = flat @ WEIGHTS
    return Tones(_line(flat), (float(light.min()), float(light.max())))


def in_tones(colours: NDArray[Depth], tones: Tones) -> NDArray[Depth]:
    """Return colours (N, 3) as a picture of these tones has them: of the same lightness."""
    if tones.colours is not None:
        gaps = colours[:, None].astype(np.float32) - tones.colours[None].astype(np.float32)
        nearest: NDArray[Depth] = tones.colours[(gaps**2).sum(axis=2).argmin(axis=1)]
        return nearest
    white = np.iinfo(colours.dtype).max
    scale = white / 255
    low, high = (end * scale for end in tones.reach)
    level = np.rint(colours.astype(np.float32) @ WEIGHTS).clip(low, high)
    steps = np.arange(256) * scale
    tinted = [level + np.interp(level, steps, tones.tint[:, c] * scale) for c in range(3)]
    made: NDArray[Depth] = np.rint(np.stack(tinted, axis=1)).clip(0, white).astype(colours.dtype)
    return made


def _few_colours(picture: NDArray[Depth]) -> NDArray[Depth] | None:
    """The colours (N, 3) of a drawing that has 2 to FEW of them, else None."""
    flat = picture.reshape(-1, 3)
    for some in (flat[:: max(1, len(flat) // 4096)], flat):
        packed = some.astype(np.uint64) @ np.array([1 << 32, 1 << 16, 1], np.uint64)
        found, first = np.unique(packed, return_index=True)
        if len(found) > FEW:
            return None
    return flat[first] if len(found) > 1 else None


def _averages(picture: NDArray[np.uint8]) -> Floats:
    """The picture at about an eighth of its size, (h, w, 3) float32."""
    height, width = picture.shape[:2]
    side = min(SQUARE, max(1, min(height, width) // LEAST_SQUARES))
    size = max(1, width // side), max(1, height // side)
    return np.asarray(
        cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
    )


def _inside(small: Floats, shape: Sequence[int], box: Box) -> Floats:
    """The averages (N, 3) that a box in a picture of this shape touches; all if it touches none."""
    across, down = small.shape[1] / shape[1], small.shape[0] / shape[0]
    rows = slice(max(0, int(box.y0 * down)), max(0, int(box.y1 * down) + 1))
    columns = slice(max(0, int(box.x0 * across)), max(0, int(box.x1 * across) + 1))
    there = small[rows, columns].reshape(-1, 3)
    return there if len(there) else small.reshape(-1, 3)


def _flat(picture: NDArray[Depth]) -> Floats:
    """At most a million of a picture's pixels, (N, 3) float32 in levels of 8 bits."""
    flat = eight_bit(picture).reshape(-1, 3)
    return flat[:: max(1, len(flat) // 10**6)].astype(np.float32)


def _line(colours: Floats) -> Floats:
    """The mean tint (256, 3) of each lightness; between those that are there, interpolated."""
    rough = _mean_tint(colours)
    near = _off(colours, rough) <= OUTLIER
    return _mean_tint(colours[near]) if near.any() else rough


def _mean_tint(colours: Floats) -> Floats:
    level = np.rint(colours @ WEIGHTS).astype(np.int64)
    count = np.bincount(level, minlength=256)
    tint = colours - (colours @ WEIGHTS)[:, None]
    there = np.flatnonzero(count)
    line = np.empty((256, 3), np.float32)
    for channel in range(3):
        mean = np.bincount(level, tint[:, channel], 256)[there] / count[there]
        line[:, channel] = np.interp(np.arange(256), there, mean)
    return line


def _off(colours: Floats, line: Floats) -> Floats:
    """How far each colour is off the line, in the channel that is farthest; (N,) levels."""
    light = colours @ WEIGHTS
    level = np.rint(light).astype(np.int64)
    off: Floats = np.abs(colours - light[:, None] - line[level]).max(axis=1)
    return off


def _strength(colours: Floats, line: Floats) -> float:
    """How strong the tint is in most of the colours."""
    level = np.rint(colours @ WEIGHTS).astype(np.int64)
    return float(np.quantile(np.abs(line[level]).max(axis=1), 0.9))


def _is_on(colours: Floats, line: Floats, grey: bool) -> bool:
    """Whether the colours lie on the line but for a few."""
    limit, share = (GREY_OFF, GREY_SHARE) if grey else (TINT_OFF, TINT_SHARE)
    return float((_off(colours, line) > limit).mean()) <= share
