"""Lay one set of points on another by turning and scaling it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def align(source: Floats, target: Floats) -> tuple[Floats, float]:
    """Return rotation (3, 3) and size that bring `source` nearest to `target`, least squares.

    source, target  (N, 3), matched by row; their centres are not compared.
    Returns         target - mean = size * (source - mean) @ rotation.T, as nearly as possible;
                    the rotation never mirrors.
    Source          Umeyama 1991.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    u, values, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return np.asarray((u * sign) @ vt, np.float64), float((values * sign).sum() / (a**2).sum())
