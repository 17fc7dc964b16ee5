"""What makes one face differ from another: smooth shape modes on the template, within limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.noise import solid

MOST = 2.0  # standard deviations

# Where (cm, frame of head.py), over how many cm, and which way (cm per standard deviation). A mode
# with x > 0 also moves the other side, mirrored. Of a `swell`, the last three are shares by which
# the place grows about its centre.
_Mode = tuple[tuple[float, float, float], float, tuple[float, float, float]]
_SHIFTS: dict[str, _Mode] = {
    "nose length": ((0, 1.1, -7.4), 1.4, (0, 0.28, 0)),
    "nose tip": ((0, 0.9, -7.4), 1.3, (0, -0.1, -0.28)),
    "nostrils": ((1.4, 1.3, -5.6), 0.9, (0.17, 0, 0)),
    "bridge": ((0, -1.6, -5.4), 1.3, (0, 0, -0.18)),
    "bridge width": ((0.9, -1.0, -5.0), 0.8, (0.10, 0, 0)),
    "jaw": ((6.0, 6.0, 0.6), 3.2, (0.45, 0.1, 0)),
    "chin length": ((0, 9.4, -4.3), 3.0, (0, 0.42, 0)),
    "chin forward": ((0, 8.6, -4.6), 2.4, (0, 0, -0.3)),
    "chin width": ((2.4, 9.0, -3.9), 1.7, (0.3, 0, 0)),
    "cheekbones": ((5.4, 0.6, -2.6), 2.2, (0.2, 0, -0.2)),
    "cheeks": ((4.4, 4.2, -2.6), 2.2, (0.2, 0, -0.25)),
    "brow ridge": ((2.6, -3.8, -5.0), 1.5, (0, 0, -0.14)),
    "eyes apart": ((3.1, -2.6, -4.0), 2.2, (0.12, 0, 0)),
    "eyes height": ((3.1, -2.6, -4.0), 2.2, (0, 0.14, 0)),
    "eyes tilt": ((4.5, -2.7, -3.2), 1.2, (0, -0.09, 0)),
    "brows height": ((3.3, -4.2, -4.6), 1.4, (0, -0.14, 0)),
    "mouth width": ((2.5, 4.3, -4.3), 1.3, (0.2, 0, 0)),
    "mouth height": ((0, 4.3, -5.3), 2.0, (0, 0.16, 0)),
    "forehead": ((0, -8.8, -3.0), 4.0, (0, -0.45, 0)),
    "crown": ((0, -12.0, 4.0), 6.0, (0, -0.5, 0)),
}
_SWELLS: dict[str, _Mode] = {
    "eyes size": ((3.15, -2.63, -4.0), 1.9, (0.07, 0.08, 0)),
    "lips": ((0, 4.25, -5.4), 1.5, (0, 0.13, 0.04)),
    "nose size": ((0, 0.5, -6.2), 1.9, (0.06, 0.05, 0.05)),
}
_WHOLE = (0.035, 0.035, 0.03)  # of the head's width, height, depth
UNEVEN = 0.0011  # metres by which left and right differ


@dataclass(frozen=True)
class Build:
    """One person's bones: a number per mode, in standard deviations.

    shifts, swells  by mode, in the order of the tables.
    whole           (3,) log size of the head along x, y, z.
    uneven          noise that no side mirrors.
    """

    shifts: Floats
    swells: Floats
    whole: Floats
    uneven: Tensor

    def shape(self, points: Floats) -> Floats:
        """Return where points (N, 3) of the template's space, metres, are on this person."""
        moved = points.copy()
        for (centre, reach, way), much in zip(_SHIFTS.values(), self.shifts, strict=True):
            for side in (1, -1)[: 1 + (centre[0] > 0)]:
                mirror = np.array([side, 1, 1])
                bell = _near(points, mirror * np.array(centre), reach)
                moved += 0.01 * much * mirror * np.array(way) * bell
        for (centre, reach, way), much in zip(_SWELLS.values(), self.swells, strict=True):
            for side in (1, -1)[: 1 + (centre[0] > 0)]:
                place = np.array(centre) * [side, 1, 1]
                off = points - 0.01 * place
                moved += much * np.array(way) * off * _near(points, place, reach)
        where = torch.tensor(points, dtype=torch.float32)
        noise = torch.stack([solid(self.uneven, where, 0.035, 5.1 * k) for k in range(3)], 1)
        moved += UNEVEN * noise.numpy().astype(np.float64)
        return np.asarray(moved * np.exp(self.whole))


def draw_build(rng: np.random.Generator, lattice: Tensor, rugged: float) -> Build:
    """Draw a person.

    lattice  noise, for what is uneven.
    rugged   -1 to 1: jaw, chin and brows.
    """
    lean = {"jaw": 0.7, "chin length": 0.5, "chin width": 0.8, "brow ridge": 0.9, "lips": -0.5}
    lean |= {"eyes size": -0.4, "nose size": 0.4, "brows height": -0.5, "nostrils": 0.3}
    shifts, swells = (
        np.clip(rng.normal([rugged * lean.get(name, 0.0) for name in table], 0.9), -MOST, MOST)
        for table in (_SHIFTS, _SWELLS)
    )
    whole = rng.normal(0, _WHOLE).clip(-0.07, 0.07) + 0.02 * rugged
    return Build(shifts, swells, whole, lattice)


def _near(points: Floats, centre: Floats, reach: float) -> Floats:
    """Return a bell (N, 1) around a place given in cm."""
    apart = np.square(points - 0.01 * centre).sum(1, keepdims=True)
    return np.asarray(np.exp(apart * (-0.5 / (0.01 * reach) ** 2)))
