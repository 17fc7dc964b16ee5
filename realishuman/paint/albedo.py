"""The skin's own colour on every vertex: as seen, and spread over the mesh where it is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 80  # of conjugate gradients
ANCHOR = 1e-4  # pull to the mean, so that there is one answer


def spread_over(
    faces: NDArray[np.integer],
    values: NDArray[np.floating],
    weights: NDArray[np.floating],
    stiffness: float,
) -> Floats:
    """Values (V, C) that are near the given ones where weights (V,) are high, and smooth elsewhere.

    Minimises sum w (x - value)^2 + stiffness * sum over edges (x_i - x_j)^2 by conjugate gradients
    with a diagonal preconditioner. Without any weight it is the plain mean.
    """
    first, second = _edges(faces)
    count = len(values)
    degree = np.bincount(first, minlength=count)
    own = np.asarray(weights, np.float64)[:, None] + ANCHOR
    total = float(weights.sum())
    mean = (weights[:, None] * values).sum(axis=0) / total if total else values.mean(axis=0)

    def apply(x: Floats) -> Floats:
        """The matrix of the normal equations times x."""
        around = [np.bincount(first, one[second], minlength=count) for one in x.T]
        return own * x + stiffness * (degree[:, None] * x - np.stack(around, axis=1))

    wanted = weights[:, None] * (values - mean)
    x = np.where(weights[:, None] > 0.05, values - mean, 0.0)
    scale = 1 / (own + stiffness * degree[:, None])
    residue = wanted - apply(x)
    step = scaled = scale * residue
    power = (residue * scaled).sum(axis=0)
    for _ in range(ROUNDS):
        moved = apply(step)
        size = power / np.maximum((step * moved).sum(axis=0), 1e-20)
        x = x + size * step
        residue = residue - size * moved
        scaled = scale * residue
        before, power = power, (residue * scaled).sum(axis=0)
        step = scaled + power / np.maximum(before, 1e-20) * step
    return np.asarray(x + mean, np.float64)


def _edges(faces: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Each edge of a closed mesh once in each direction."""
    return faces.ravel(), np.roll(faces, -1, axis=1).ravel()
