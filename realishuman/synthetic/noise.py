"""Smooth random numbers in space: the stuff skin, cloth and ripples are made of."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LATTICE = 32


def draw_lattice(rng: np.random.Generator) -> Tensor:
    """Return (1, 1, 32, 32, 32) float32 of normal numbers: one texture."""
    values = rng.normal(size=(1, 1, LATTICE, LATTICE, LATTICE)).astype(np.float32)
    return torch.from_numpy(values)


def solid(lattice: Tensor, points: Tensor, wavelength: float, offset: float = 0.0) -> Tensor:
    """Look up smooth noise at points in space; about -1..1, mean 0.

    lattice     from draw_lattice; it repeats, mirrored, beyond its end.
    points      (N, 3) float32.
    wavelength  distance between lattice points, in the unit of points.
    offset      moves the lookup, in lattice points: another offset is another noise.
    Returns     (N,) float32.
    """
    place = (points / wavelength + offset) * (2 / (LATTICE - 1))
    values = F.grid_sample(
        lattice, place.view(1, 1, 1, -1, 3), padding_mode="reflection", align_corners=True
    )
    return values.flatten()


def octaves(lattice: Tensor, points: Tensor, wavelength: float, count: int) -> Tensor:
    """Sum `count` octaves of `solid`, each half as long and 0.55 times as strong."""
    total = torch.zeros(len(points))
    for octave in range(count):
        # Each octave on turned axes, so that the lattice does not show.
        turned = points if octave % 2 == 0 else points[:, [1, 2, 0]] + 0.3 * points
        total += 0.55**octave * solid(lattice, turned, wavelength / 2**octave, 7.3 * octave)
    return total
