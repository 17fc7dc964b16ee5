"""Strokes of a brush, with which a user adds to the area that may change, m_d, or takes from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from realishuman.imaging.crop import Crop
from realishuman.imaging.masks import Masks

_FAR = 10_000  # pixels of the crop; OpenCV's coordinates end beyond it


@dataclass(frozen=True)
class Stroke:
    """One stroke on one part.

    adds    whether it adds to m_d; it takes from it otherwise.
    radius  of the brush, in picture pixels.
    points  x, y of its way, in picture pixels; at least one.
    """

    adds: bool
    radius: float
    points: tuple[tuple[float, float], ...]


def touch_up(masks: Masks, crop: Crop, strokes: Sequence[Stroke]) -> Masks:
    """The masks of a crop with the strokes on m_d, in their order; m_e stays inside it."""
    if not strokes:
        return masks
    drawn = masks.m_d.astype(np.uint8)
    for stroke in strokes:
        places = crop.to_crop(np.array(stroke.points, np.float64)).clip(-_FAR, _FAR) - 0.5
        line = places.round().astype(np.int32)
        wide = max(round(2 * stroke.radius * crop.scale), 1)
        cv2.polylines(drawn, [line], False, int(stroke.adds), wide)
        for x, y in (line[0], line[-1]):
            cv2.circle(drawn, (int(x), int(y)), wide // 2, int(stroke.adds), -1)
    m_d = drawn.astype(bool)
    m_e = masks.m_e & m_d
    return Masks(m=masks.m, m_d=m_d, m_e=m_e, m_f=m_d & ~m_e)
