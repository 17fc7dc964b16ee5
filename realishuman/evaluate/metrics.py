"""Measures on arrays: each a pure function with a known value for a perfect and a useless repair.

Pictures are (H, W, 3) uint8 RGB, masks (H, W) bool of the same height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LEVEL, DRAWS, SEED = 0.95, 1000, 0  # of bootstrap intervals
PSNR_CAP = 60.0  # dB; stands for "equal", which has no finite value
SEAM_FLOOR = 0.5  # levels of 255; keeps a flat reference from making any step infinitely visible


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its confidence interval; both ends equal it when there is one value.

    count  values it is the mean of.
    """

    mean: float
    low: float
    high: float
    count: int


def psnr(picture: Pixels, truth: Pixels, area: Mask) -> float | None:
    """Peak signal-to-noise ratio inside `area`, in dB, at most PSNR_CAP; None if it is empty.

    Source  10 log10(255^2 / mean squared difference over pixels and channels).
    """
    if not area.any():
        return None
    apart = picture[area].astype(np.float64) - truth[area]
    error = float((apart**2).mean())
    if error == 0:
        return PSNR_CAP
    return min(float(10 * np.log10(255**2 / error)), PSNR_CAP)


def mean_colour_difference(picture: Pixels, truth: Pixels, area: Mask) -> float | None:
    """Delta E (CIE76) between the mean colours inside `area`; None if it is empty.

    Means are taken in CIE L*a*b* (D65). 2.3 is a just noticeable difference; 0 says nothing about
    single pixels.
    Source  CIE 1976: the Euclidean distance in L*a*b*.
    """
    if not area.any():
        return None
    first, second = (lab(each)[area].mean(axis=0) for each in (picture, truth))
    return float(np.linalg.norm(first - second))


def lab(picture: Pixels) -> NDArray[np.float32]:
    """CIE L*a*b* of sRGB under D65, (H, W, 3) float32: L* in [0, 100], a* and b* around 0."""
    values: NDArray[np.float32] = cv2.cvtColor(
        picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB
    )
    return values


def edge_step(picture: Pixels, area: Mask) -> float | None:
    """Mean absolute difference, in levels of 255, of neighbours of which one is inside `area`.

    None if there are no such neighbours.
    """
    values = picture.astype(np.float64)
    steps: list[NDArray[np.float64]] = []
    for axis in (0, 1):
        crossing = np.diff(area.astype(np.int8), axis=axis) != 0
        steps.append(np.abs(np.diff(values, axis=axis)).mean(axis=2)[crossing])
    across = np.concatenate(steps)
    return float(across.mean()) if across.size else None


def seam_ratio(picture: Pixels, reference: Pixels, area: Mask) -> float | None:
    """Visibility of the seam around `area`: the step across its edge over the reference's.

    The reference (the truth, or the picture before) has the steps that belong there, so 1 is no
    seam and more is one; blurring has less. None if `area` has no edge.
    """
    ours, theirs = edge_step(picture, area), edge_step(reference, area)
    if ours is None or theirs is None:
        return None
    return (ours + SEAM_FLOOR) / (theirs + SEAM_FLOOR)


def keypoint_error(found: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Mean distance of keypoints to the true ones, in % of the longer side of the true ones' box.

    found, truth  (K, 2+), x and y in the same pixels; only these two columns are read.
    """
    size = float(np.ptp(truth[:, :2], axis=0).max())
    distance = np.linalg.norm(found[:, :2] - truth[:, :2], axis=1)
    return float(distance.mean()) / size * 100


def count_changed_outside(picture: Pixels, before: Pixels, allowed: Mask) -> int:
    """Count pixels that differ from the picture before where nothing was allowed to change."""
    return int(((picture != before).any(axis=2) & ~allowed).sum())


def auc(bad: Sequence[float], good: Sequence[float]) -> float:
    """Chance that one of `bad` scores higher than one of `good`; ties count half, 0.5 is guessing.

    Source  Mann and Whitney 1947; the area under the ROC curve.
    """
    order = np.sort(np.asarray(good, np.float64))
    below = np.searchsorted(order, bad, side="left") + np.searchsorted(order, bad, side="right")
    return float(below.mean() / (2 * len(order)))


def auc_interval(bad: Sequence[float], good: Sequence[float]) -> Interval | None:
    """The area under the ROC curve with its 95 % bootstrap interval; None of no values."""
    if not (len(bad) and len(good)):
        return None
    first, second = np.asarray(bad, np.float64), np.asarray(good, np.float64)
    rng = np.random.default_rng(SEED)
    drawn = [
        auc(rng.choice(first, len(first)).tolist(), rng.choice(second, len(second)).tolist())
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(auc(bad, good), float(low), float(high), len(first))


def bootstrap(values: Sequence[float]) -> Interval | None:
    """Mean with its 95 % bootstrap interval; None of no values. Same values, same interval.

    Source  Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    if not len(values):
        return None
    array = np.asarray(values, np.float64)
    rng = np.random.default_rng(SEED)
    means = array[rng.integers(0, len(array), (DRAWS, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(array.mean()), float(low), float(high), len(array))
