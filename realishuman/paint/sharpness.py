"""How blurred the picture's own edges are, so that what is painted is as sharp and no sharper."""

from __future__ import annotations

import cv2
import numpy as np

from realishuman.paint.fields import Floats, Mask, blur, grow, shrink

BESIDE = 4  # pixels on either side of the outline where the two colours are read
RANGE = (0.5, 2.5)  # pixels that the answer may be
LEAST_STEP = 12.0  # weighted Lab between the two sides of an outline that tells anything
LEAST_PIXELS = 40
QUANTILE = 0.35  # of what the outline's pixels say: shadows and soft folds only look blurred


def edge_blur(lab: Floats, hand: Mask, otherwise: float) -> float:
    """Standard deviation, in pixels, of the Gaussian that an ideal outline of the hand seems to
    have been blurred by.

    A step of height h blurred by sigma is steepest with h / (sigma sqrt(2 pi)).

    lab        (h, w, 3) weighted Lab.
    hand       (h, w) bool.
    otherwise  the answer where the outline tells nothing.
    """
    outline = grow(hand, 1) & ~shrink(hand, 1)
    inside, outside = shrink(hand, BESIDE), ~grow(hand, BESIDE)
    step = np.linalg.norm(_mean(lab, inside) - _mean(lab, outside), axis=2)
    across, down = (
        cv2.Sobel(lab, cv2.CV_32F, dx, dy, ksize=3, scale=1 / 8) for dx, dy in ((1, 0), (0, 1))
    )
    steep = cv2.dilate(np.sqrt((across**2 + down**2).sum(axis=2)), np.ones((5, 5), np.uint8))
    told = outline & (step > LEAST_STEP)
    if told.sum() < LEAST_PIXELS:
        return otherwise
    sigmas = step[told] / (np.maximum(steep[told], 1e-3) * np.sqrt(2 * np.pi))
    # Sobel's own blur has a variance of about half a pixel squared
    found = float(np.sqrt(max(np.quantile(sigmas, QUANTILE) ** 2 - 0.5, 0.0)))
    return float(np.clip(found, *RANGE))


def _mean(lab: Floats, where: Mask) -> Floats:
    """The mean colour of what lies there, around each pixel."""
    share = blur(where, BESIDE)[..., None]
    return np.asarray(blur(lab * where[..., None], BESIDE) / np.maximum(share, 1e-3), np.float32)
