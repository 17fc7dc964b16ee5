"""Cloth: what it is dyed and knitted like, and how it looks at each of its points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.noise import octaves, solid
from realishuman.synthetic.skin import Look


@dataclass(frozen=True)
class Fabric:
    """Two colours (3,) linear RGB, and the stripes between them.

    stripes  metres per stripe; 0 for none.
    knit     metres of relief.
    """

    colour: Floats
    second: Floats
    stripes: float
    knit: float


def draw_dyes(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw two colours (3,) of cloth, linear RGB."""
    first, second = (
        np.exp(rng.uniform(-3.4, -0.4)) * np.exp(rng.normal(0, 0.35, 3)) for _ in range(2)
    )
    return np.clip(first, 0.015, 0.8), np.clip(second, 0.015, 0.8)


def draw_fabric(rng: np.random.Generator, dyes: tuple[Floats, Floats]) -> Fabric:
    """Draw a fabric of these colours."""
    return Fabric(
        *dyes,
        float(rng.uniform(0.008, 0.03)) if rng.random() < 0.25 else 0.0,
        float(rng.choice([0.0002, 0.0005, 0.001])),
    )


def woven(fabric: Fabric, lattice: Tensor, rest: Tensor, folds: float = 0.006) -> Look:
    """Knit, faded and striped along y; rest (N, 3) metres, folds metres deep."""
    first, second = (torch.tensor(c, dtype=torch.float32) for c in (fabric.colour, fabric.second))
    albedo = first.expand(len(rest), 3)
    if fabric.stripes:
        band = torch.sigmoid(8 * torch.sin(rest[:, 1] * (2 * np.pi / fabric.stripes)))
        albedo = torch.lerp(albedo, second, band[:, None])
    fine = octaves(lattice, rest, 0.0024, 2)
    albedo = albedo * torch.exp(0.10 * fine + 0.08 * solid(lattice, rest, 0.02))[:, None]
    fold = folds * solid(lattice, rest * torch.tensor([1.0, 1.6, 1.0]), 0.028, 4.0)
    return Look(albedo, fold + fabric.knit * fine, torch.full((len(rest),), 0.05))
