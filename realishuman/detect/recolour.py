"""A picture in the colours of skin, for networks that have hardly seen hands of other colours."""

from __future__ import annotations

import cv2
import numpy as np

from realishuman.detect.base import Picture

ENDS = 1, 99  # percentiles of brightness that become the darkest and the lightest skin
DARKEST = np.array([0.12, 0.05, 0.03])  # RGB
LIGHTEST = np.array([1.0, 0.84, 0.74])
GAMMA = 1.5


def as_skin(picture: Picture) -> Picture:
    """Return the picture (H, W, 3) uint8 RGB with its brightness stretched, as tones of skin."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    counts = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    low, high = (int(np.searchsorted(counts, counts[-1] * end / 100)) for end in ENDS)
    share = np.clip((np.arange(256) - low) / max(high - low, 1), 0, 1) ** GAMMA
    tones = np.rint(255 * (DARKEST + (LIGHTEST - DARKEST) * share[:, None])).astype(np.uint8)
    toned: Picture = tones[grey]
    return toned
