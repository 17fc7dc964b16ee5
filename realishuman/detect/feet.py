"""Tells feet from hands by what the hand landmark network sees on its way to the landmarks.

The network was trained on hands alone and places five fingers on toes as well, sure of itself. But
halfway through it toes and fingers still differ: a linear rule reads them from there, for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WEIGHTS = Path(__file__).parents[1] / "assets" / "feet" / "rule.npz"
CELLS = ((0, 3), (2, 5), (4, 7))  # thirds of the network's 7 x 7 grid
DOUBT = 0.8  # from this likeness a part is left alone; hands have -1, feet 1 on average


@dataclass(frozen=True)
class _Rule:
    """Likeness = weights . summary + bias."""

    weights: NDArray[np.float32]
    bias: float


def likeness(features: NDArray[np.float32]) -> float:
    """How much features (C, 7, 7) of the network's inside are those of a foot: 1, of a hand: -1."""
    rule = _rule()
    return float(rule.weights @ summary(features) + rule.bias)


def summary(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over nine cells, the largest value and the spread of each channel: (11 C,)."""
    cells = [features[:, a:b, c:d].mean(axis=(1, 2)) for a, b in CELLS for c, d in CELLS]
    by_channel = np.stack(cells, axis=1).ravel()
    largest, spread = features.max(axis=(1, 2)), features.std(axis=(1, 2))
    return np.concatenate([by_channel, largest, spread]).astype(np.float32)


def doubt(foot: float | None) -> str:
    """A sentence on why a part of this likeness is left alone, "" if it is not."""
    if foot is None or foot < DOUBT:
        return ""
    return (
        f"This looks like a foot ({foot:.2f}; the limit is {DOUBT:g}). If it is a hand, draw a "
        "box around it, tick it, or name it with --only."
    )


@cache
def _rule() -> _Rule:
    with np.load(WEIGHTS) as stored:
        return _Rule(stored["weights"], float(stored["bias"]))
