"""Colours as light adds up (linear RGB), as files hold them (sRGB) and as eyes see them (Lab)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Lightness changes with shading, hue much less: differences of Lab count by these weights.
WEIGHTS = np.array([0.5, 1.2, 1.2], np.float32)


def to_linear(pixels: NDArray[np.uint8]) -> Floats:
    """uint8 sRGB to linear RGB in [0, 1]."""
    return _LINEAR[pixels]


def to_srgb(linear: Floats) -> Floats:
    """Linear RGB to sRGB, both in [0, 1]; what lies outside is clipped."""
    clipped = np.clip(linear, 0, 1)
    low, high = clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055
    return np.where(clipped <= 0.0031308, low, high).astype(np.float32)


def to_weighted_lab(linear: Floats) -> Floats:
    """Linear RGB (..., 3) to Lab times WEIGHTS."""
    srgb = to_srgb(linear).reshape(1, -1, 3)
    lab: Floats = cv2.cvtColor(srgb, cv2.COLOR_RGB2LAB).reshape(linear.shape) * WEIGHTS
    return lab


def _decode_table() -> Floats:
    levels = np.arange(256) / 255
    decoded = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return decoded.astype(np.float32)


_LINEAR = _decode_table()  # of each level of a byte
