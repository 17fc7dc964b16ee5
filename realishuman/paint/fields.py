"""Small operations on masks and fields of numbers: ramps, growing, shrinking, blurring.

Radii and widths are in pixels; masks grow and shrink by discs.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

NARROW = 8.0  # sigma up to twice of which a blur is made at full size
LARGE = 12  # from this radius on distances are faster than discs, whose cost grows with the square


def ramp(values: NDArray[np.floating], low: float, high: float) -> Floats:
    """0 up to `low`, 1 from `high` on, smooth between (3 t^2 - 2 t^3)."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def grow(mask: Mask, radius: float) -> Mask:
    """The mask and all within `radius`, at least one pixel, of it."""
    if radius > LARGE:
        return _distance_to(mask) <= radius
    grown: Mask = cv2.dilate(mask.astype(np.uint8), disc(radius)).astype(bool)
    return grown


def shrink(mask: Mask, radius: float) -> Mask:
    """What lies farther than `radius`, at least one pixel, from the mask's outside."""
    if radius > LARGE:
        return _distance_to(~mask) > radius
    shrunk: Mask = cv2.erode(mask.astype(np.uint8), disc(radius)).astype(bool)
    return shrunk


def without_specks(mask: Mask, radius: float) -> Mask:
    """The mask less all that no disc of this radius fits into."""
    if radius > LARGE:
        return grow(shrink(mask, radius), radius)
    opened: Mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(radius)).astype(
        bool
    )
    return opened


def _distance_to(mask: Mask) -> Floats:
    """Distance of each pixel to the nearest of the mask; beyond all bounds if it is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    distance: Floats = cv2.distanceTransform(
        (~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return distance


def disc(radius: float) -> NDArray[np.uint8]:
    """A filled circle as a kernel of OpenCV's, of at least one pixel's radius."""
    whole = max(round(radius), 1)
    kernel: NDArray[np.uint8] = cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (2 * whole + 1, 2 * whole + 1)
    )
    return kernel


def blur(values: NDArray[np.generic], sigma: float) -> Floats:
    """Gaussian blur of a mask or field (h, w) or (h, w, C); sigma in pixels.

    A wide one is made of the field at a smaller size, where it is narrow.
    """
    smaller = int(sigma / NARROW)
    if smaller > 1:
        height, width = values.shape[:2]
        size = max(height // smaller, 1), max(width // smaller, 1)
        return resize(blur(resize(values, size), sigma / smaller), (height, width), cv2.INTER_CUBIC)
    blurred: Floats = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma)
    return blurred


def resize(values: NDArray[np.generic], size: tuple[int, int], way: int = cv2.INTER_AREA) -> Floats:
    """A field at another size (height, width)."""
    resized: Floats = cv2.resize(values.astype(np.float32), size[::-1], interpolation=way)
    return resized


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at another size (height, width), by its nearest pixels."""
    resized: Mask = cv2.resize(
        mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST
    ).astype(bool)
    return resized


def distance_from(mask: Mask) -> Floats:
    """How far each pixel lies from the mask, 0 inside it."""
    distance: Floats = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return distance


def nearest_in(mask: Mask) -> NDArray[np.intp]:
    """For each pixel the flat index of about the nearest one in the mask, which must hold some."""
    _, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.zeros(int(labels.max()) + 1, np.intp)
    place[labels[mask]] = np.flatnonzero(mask)
    nearest: NDArray[np.intp] = place[labels]
    return nearest


def mirror_into(mask: Mask, pixels: NDArray[np.integer]) -> tuple[NDArray[np.intp], ...]:
    """Rows and columns from which these pixels (N,), flat indices, mirror what the mask holds.

    They lie as far behind the nearest pixel of the mask, which must hold some, as the pixel does
    before it: perhaps outside the mask where it is narrow.
    """
    height, width = mask.shape
    border = np.stack(np.divmod(nearest_in(mask).ravel()[pixels], width), axis=1)
    here = np.stack(np.divmod(pixels, width), axis=1)
    rows, columns = np.clip(2 * border - here, 0, [height - 1, width - 1]).T
    return rows, columns


def touching(mask: Mask, seed: Mask) -> Mask:
    """Those connected pieces of the mask that hold a pixel of the seed."""
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    wanted = np.zeros(count, bool)
    wanted[np.unique(pieces[seed])] = True
    wanted[0] = False
    touched: Mask = wanted[pieces]
    return touched
