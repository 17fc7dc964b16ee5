"""Tells comics and line art from photographs: few colours, flat areas, and dark lines.

Drawings that are shaded softly are not recognised: they differ from photographs in no measure that
was tried, and the repair treats them as it treats photographs.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Picture
from realishuman.imaging.boxes import around
from realishuman.mesh.base import Mesh

SIDE = 512  # pixels that a longer picture is scaled down to
AROUND = 0.8  # of the hand's longer side, looked at around it as well
STEP, COMMONEST = 16, 8  # levels of 255 that count as one colour; how many colours are few
FEW = 0.93  # of the pixels, that must have one of the commonest colours
EVEN, FLAT = 0.3, 0.45  # slope of L* per pixel that is flat; of the pixels, that must be
LINE, DARKER, LINED = 5, 10.0, 0.02  # a line's width in pixels; L* by which it is darker; share


def looks_drawn(picture: Picture, mesh: Mesh) -> bool:
    """Whether a picture (H, W, 3) uint8 RGB, or what is around the hand, is a flat drawing."""
    return _is_drawing(picture) or _is_drawing(_near(picture, mesh))


def _is_drawing(picture: Picture) -> bool:
    scale = SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return (
        _share_of_commonest(picture) >= FEW
        and _share_of_lines(lightness := _lightness(picture)) >= LINED
        and _share_of_flat(lightness) >= FLAT
    )


def _near(picture: Picture, mesh: Mesh) -> Picture:
    """What the picture shows around the hand; at least a pixel of it."""
    box = around(mesh.joints)
    reach = (0.5 + AROUND) * box.longer_side
    (x, y), (height, width) = box.centre, picture.shape[:2]
    left, top = (int(np.clip(c - reach, 0, most - 1)) for c, most in ((x, width), (y, height)))
    return picture[top : max(int(y + reach), top + 1), left : max(int(x + reach), left + 1)]


def _share_of_commonest(picture: Picture) -> float:
    coarse = (picture // STEP).reshape(-1, 3).astype(np.intp)
    levels = 256 // STEP
    counts = np.bincount((coarse[:, 0] * levels + coarse[:, 1]) * levels + coarse[:, 2])
    return float(np.sort(counts)[-COMMONEST:].sum() / len(coarse))


def _lightness(picture: Picture) -> NDArray[np.float32]:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    smooth: NDArray[np.float32] = cv2.GaussianBlur(lab[..., 0], (0, 0), 0.7)
    return smooth


def _share_of_lines(lightness: NDArray[np.float32]) -> float:
    """Of the pixels, those that are darker than what is on both sides of a thin line."""
    closed = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, np.ones((LINE, LINE), np.uint8))
    return float((closed - lightness > DARKER).mean())


def _share_of_flat(lightness: NDArray[np.float32]) -> float:
    slopes = [cv2.Sobel(lightness, cv2.CV_32F, dx, dy) / 8 for dx, dy in ((1, 0), (0, 1))]
    return float((np.hypot(*slopes) < EVEN).mean())
