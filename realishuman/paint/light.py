"""The light on a hand, told from the skin that is seen: spherical harmonics and occlusion.

Brightness is second-order spherical harmonics of the normal times (1 - k occlusion), per colour
channel of linear RGB, fitted robustly: shadows cast by other things, nails and rings are outliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST = 6000  # pixels that are looked at
ROUNDS = 6  # of reweighting
RIDGE = (0.0, *[0.004] * 3, *[0.03] * 5)  # by harmonic
DIMMING = (0.0, 0.5, 1.0)  # what k may be
LEAST_LIGHT = 0.12  # of the mean skin: no shadow is darker
BLACK = 1e-3  # linear RGB: darker skin counts as this dark


@dataclass(frozen=True)
class Light:
    """What falls on a surface, times the skin's mean colour.

    coefficients  (9, 3), linear RGB.
    dimming       k, how much occlusion counts.
    least         (3,) darkest value.
    """

    coefficients: Floats
    dimming: float
    least: Floats

    def on(
        self, normals: NDArray[np.floating], occluded: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Light (M, 3) on surfaces with unit normals (M, 3) of which a share (M,) is occluded."""
        open_sky = (1 - self.dimming * occluded)[:, None]
        lit = (_harmonics(normals) @ self.coefficients) * open_sky
        return np.maximum(lit, self.least).astype(np.float32)


def fit_light(
    normals: NDArray[np.floating],
    occluded: NDArray[np.floating],
    colours: NDArray[np.floating],
    weights: NDArray[np.floating],
) -> Light:
    """Find the light that explains colours (M, 3), linear RGB, of skin with these normals.

    occluded  (M,) in [0, 1].
    weights   (M,), how much each pixel counts; must not all be 0.
    """
    if len(normals) > MOST:
        some = np.random.default_rng(0).choice(len(normals), MOST, replace=False)
        normals, occluded = normals[some], occluded[some]
        colours, weights = colours[some], weights[some]
    basis, hidden = _harmonics(normals), np.asarray(occluded, np.float64)
    seen, trust = np.asarray(colours, np.float64), np.asarray(weights, np.float64)
    tried = [_fit_falloff(basis, hidden, seen, trust, k) for k in DIMMING]
    _error, k, coefficients = min(tried, key=lambda one: one[0])
    return Light(coefficients, k, LEAST_LIGHT * np.maximum(seen.mean(axis=0), BLACK))


def _fit_falloff(
    basis: Floats, occluded: Floats, colours: Floats, weights: Floats, k: float
) -> tuple[float, float, Floats]:
    """Mean error, k and coefficients of the best light with this k."""
    dimmed = basis * (1 - k * occluded)[:, None]
    ridge = np.diag(RIDGE) * max(weights.sum(), 1) * np.mean((1 - k * occluded) ** 2)
    typical = max(float(np.median(colours)), 1e-3)
    trusted = weights
    for _ in range(ROUNDS):
        normal_matrix = dimmed.T @ (trusted[:, None] * dimmed) + ridge
        coefficients = np.linalg.solve(normal_matrix, dimmed.T @ (trusted[:, None] * colours))
        off = np.abs(dimmed @ coefficients - colours).mean(axis=1) / typical
        limit = 3 * max(1.48 * float(np.median(off[weights > 0])), 0.02)
        trusted = weights * np.clip(1 - (off / limit) ** 2, 0, 1) ** 2  # Tukey's
    error = float((weights * np.minimum(off, limit)).sum() / weights.sum())
    return error, k, coefficients


def _harmonics(normals: NDArray[np.floating]) -> Floats:
    """(M, 9) real spherical harmonics up to order 2, without their constant factors."""
    x, y, z = np.asarray(normals, np.float64).T * np.array([[1.0], [1.0], [-1.0]])
    flat = [np.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1]
    return np.stack(flat, axis=1)
