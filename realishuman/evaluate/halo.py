"""How far the repainted ring stands out from both of its sides: pale patches, smears, soft bands.

A step across the edge of what was repainted (metrics.seam_ratio) sees none of these where the
repaint fades in. A ring that belongs there looks, at low frequencies, like what lies outside it
(the background goes on) or like the part inside it (the wrist does); a halo looks like neither.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.evaluate.metrics import Mask, Pixels, lab

Values = NDArray[np.float32]

WORST = 95  # percentile over the ring: a halo at the wrist alone is a small share of it
FINE = 1.5  # pixels; detail below this is texture, whose strength is compared as a colour is
TEXTURE = 8.0  # how much a level of texture counts beside one of L*
SUPPORT = 1e-3  # least share of a side near a pixel, for the two to be compared


def halo(picture: Pixels, reference: Pixels, area: Mask, part: Mask) -> float | None:
    """Delta E by which the ring stands out more than the reference's does, at its worst places.

    picture, reference  (H, W, 3) uint8 RGB; the reference has what belongs there: the truth, or
                        the picture before. Equal pictures have 0, above about 5 is a halo.
    area                (H, W) bool, what may have been repainted: m_d.
    part                (H, W) bool, the part itself; the ring is the rest of the area.
    Returns             None without a ring, or where neither side of it can be seen.
    """
    ring = area & ~part
    if not ring.any() or ring.all():
        return None
    width = 2 * float(cv2.distanceTransform(ring.astype(np.uint8), cv2.DIST_L2, 3).max())
    around = _around(area, round(2 * width))
    sides = (~area)[around], (part & area)[around]
    inside = ring[around]
    ours, theirs = (
        _standing_out(_features(each[around]), inside, sides, width)
        for each in (picture, reference)
    )
    seen = np.isfinite(ours) & inside
    if not seen.any():
        return None
    return float(np.percentile(np.maximum(ours - theirs, 0)[seen], WORST))


def _around(area: Mask, room: int) -> tuple[slice, slice]:
    """The rows and columns of an area, and some room around it."""
    spans = []
    for axis in (1, 0):
        places = np.flatnonzero(area.any(axis=axis))
        spans.append(slice(max(int(places[0]) - room, 0), int(places[-1]) + 1 + room))
    return spans[0], spans[1]


def _features(picture: Pixels) -> Values:
    """L*, a*, b* and the strength of texture, (H, W, 4) float32 in units of Delta E."""
    colours = lab(picture)
    detail = np.abs(colours[..., 0] - cv2.GaussianBlur(colours[..., 0], (0, 0), FINE))
    return np.dstack([colours, TEXTURE * detail])


def _standing_out(features: Values, ring: Mask, sides: tuple[Mask, Mask], width: float) -> Values:
    """Per pixel, how far the ring near it is from the nearer of its sides; inf where none is near.

    width  of the ring, in pixels: a third of it is what low frequencies are here.
    """
    own, _ = _mean_near(features, ring, width / 3)
    nearest = np.full(ring.shape, np.inf, np.float32)
    for side in sides:
        mean, share = _mean_near(features, side, width)
        apart = np.linalg.norm(own - mean, axis=2)
        nearest = np.where(share > SUPPORT, np.minimum(nearest, apart), nearest)
    return nearest


def _mean_near(features: Values, mask: Mask, reach: float) -> tuple[Values, Values]:
    """Mean of the features of a mask's pixels around each pixel, and the mask's share there."""
    weight = mask.astype(np.float32)
    share = cv2.GaussianBlur(weight, (0, 0), max(reach, FINE))
    total = cv2.GaussianBlur(features * weight[..., None], (0, 0), max(reach, FINE))
    return total / np.maximum(share, 1e-9)[..., None], share
