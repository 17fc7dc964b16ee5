"""Turned squares of a picture: where a network looks, and the way back to picture pixels.

A network sees a region through coordinates (u, v) in 0..1, u to the right and v down in the turned
square. Sampling follows the network's origin: bilinear, mapping corner to corner with pixel indices
taken as coordinates, so that landmarks agree with MediaPipe's to a hundredth of a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Picture
from realishuman.imaging.boxes import Box

# Plain bilinear sampling skips pixels when it shrinks. The networks are used to that at the scale
# of an ordinary picture; beyond this factor small parts would vanish, so the picture is averaged.
MAX_STRIDE = 8.0


@dataclass(frozen=True)
class Region:
    """A square of a picture: centre and side in picture pixels, angle in radians, clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_picture(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return points (..., 2), given in 0..1 of the region, in picture pixels."""
        offset = (np.asarray(points, np.float64) - 0.5) * self.side
        placed: NDArray[np.float64] = self.turn(offset) + np.array([self.x, self.y])
        return placed

    def turn(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return vectors (..., 2) of the region's axes along the picture's axes."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turned: NDArray[np.float64] = np.asarray(vectors) @ np.array([[cos, sin], [-sin, cos]])
        return turned


def upright(box: Box, scale: float) -> Region:
    """Return the square around the centre of `box`, `scale` times its longer side."""
    return Region(*box.centre, box.longer_side * scale)


def heading(start: NDArray[np.floating], end: NDArray[np.floating], target: float) -> float:
    """Return the angle that turns the way from start to end into `target`, in -pi..pi.

    target  where the way shall point in the region, counter-clockwise from the right, radians.
    """
    dx, dy = (np.asarray(end, np.float64) - np.asarray(start, np.float64)).tolist()
    angle = target - math.atan2(-dy, dx)
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def cut(picture: Picture, region: Region, size: int, *, repeat_edge: bool) -> Picture:
    """Sample the region as (size, size, 3) uint8.

    repeat_edge  what lies outside the picture: its edge repeated, or black.
    """
    corners = region.to_picture(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    height, width = picture.shape[:2]
    x0, y0 = (_clamp(v - 2, n) for v, n in zip(corners.min(axis=0), (width, height), strict=True))
    x1, y1 = (_clamp(v + 3, n) for v, n in zip(corners.max(axis=0), (width, height), strict=True))
    # Only the needed part goes to OpenCV, which refuses pictures over 32767 pixels.
    patch = picture[y0 : y1 + 1, x0 : x1 + 1]
    patch, scale_x, scale_y = shrunk(patch, region.side / size)
    axes = region.turn(np.eye(2)) * (region.side / size)  # one output pixel right, and down
    ticks = np.arange(size)
    first = corners[0] - (x0, y0)
    columns = (first[0] + 0.5 + axes[0, 0] * ticks + axes[1, 0] * ticks[:, None]) / scale_x - 0.5
    rows = (first[1] + 0.5 + axes[0, 1] * ticks + axes[1, 1] * ticks[:, None]) / scale_y - 0.5
    return sample(patch, columns, rows, repeat_edge=repeat_edge)


def shrunk(patch: Picture, stride: float) -> tuple[Picture, float, float]:
    """Average the patch to fewer pixels if samples will be more than MAX_STRIDE pixels apart.

    Returns  the patch and how many of its former pixels one has now, in x and in y.
    """
    if stride <= MAX_STRIDE:
        return patch, 1.0, 1.0
    factor = int(stride * 2 / MAX_STRIDE)
    small = (max(patch.shape[1] // factor, 1), max(patch.shape[0] // factor, 1))
    patch = patch[: small[1] * factor, : small[0] * factor]  # whole factors shrink faster
    scale_x, scale_y = patch.shape[1] / small[0], patch.shape[0] / small[1]
    return cv2.resize(patch, small, interpolation=cv2.INTER_AREA), scale_x, scale_y


def sample(
    patch: Picture, columns: NDArray[np.float64], rows: NDArray[np.float64], *, repeat_edge: bool
) -> Picture:
    """Sample `patch` at pixel indices, bilinear in steps of 1/32 pixel.

    That is what warpPerspective of OpenCV 4 does, to the bit; OpenCV 5's gives other values.
    """
    x, y = np.rint(columns * 32).astype(np.int32), np.rint(rows * 32).astype(np.int32)
    whole = np.stack([x >> 5, y >> 5], axis=-1).astype(np.int16)
    fraction = ((y & 31) * 32 + (x & 31)).astype(np.uint16)
    border = cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT
    patch = np.ascontiguousarray(patch)
    sampled: Picture = cv2.remap(patch, whole, fraction, cv2.INTER_LINEAR, borderMode=border)
    return sampled


def _clamp(value: float, size: int) -> int:
    return int(min(max(value, 0.0), size - 1.0))
