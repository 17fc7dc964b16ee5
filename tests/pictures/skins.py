"""What the skin of unusual hands looks like: gloves, rings, tattoos, age, metal.

Each is a function of the rendered hand, its plain Look, the points at rest and their normals.
"""

from __future__ import annotations

import numpy as np
import torch

from realishuman.synthetic.cloth import Fabric, woven
from realishuman.synthetic.marks import resting_bones
from realishuman.synthetic.noise import octaves, solid
from realishuman.synthetic.skin import Look

WRIST = 0.066  # y of the resting hand, metres
GOLD, STEEL, INK = (0.75, 0.5, 0.16), (0.38, 0.4, 0.43), (0.03, 0.04, 0.09)


def _dyed(albedo, where, colour):
    return torch.lerp(albedo, torch.tensor(colour).expand_as(albedo), where[:, None])


def knitted(one, look, rest, normals):
    fabric = Fabric(np.array([0.2, 0.03, 0.04]), np.array([0.5, 0.5, 0.5]), 0.0, 0.0006)
    return woven(fabric, one.scene.lattice, rest, folds=0.0015)


def rubber(one, look, rest, normals):
    colour = torch.tensor([0.05, 0.2, 0.5]).expand(len(rest), 3)
    folds = 0.0012 * solid(one.scene.lattice, rest, 0.02, 4.0)
    return Look(colour.clone(), folds, torch.full((len(rest),), 0.7))


def ringed(one, look, rest, normals):
    """Gold on the first bones of two fingers."""
    bones = resting_bones()
    on = torch.zeros(len(rest))
    for finger in (2, 4):
        off = rest - bones.joint[finger, 0]
        along = off @ bones.along[finger, 0]
        near = (off - along[:, None] * bones.along[finger, 0]).norm(dim=1) < 0.013
        on = on + torch.exp(-(((along - 0.026) / 0.0022) ** 4)) * near
    on = on.clamp(max=1)
    return Look(
        _dyed(look.albedo, on, GOLD),
        look.relief + 0.0012 * on,
        torch.lerp(look.gloss, torch.ones(()), on),
    )


def watched(one, look, rest, normals):
    """A strap and a case around the wrist."""
    on = torch.exp(-(((rest[:, 1] - WRIST) / 0.009) ** 6))
    case = on * (normals[:, 0] > 0.5)
    albedo = _dyed(_dyed(look.albedo, on, (0.02, 0.015, 0.01)), case, STEEL)
    return Look(
        albedo,
        look.relief + 0.002 * on + 0.002 * case,
        torch.lerp(look.gloss, 0.3 + 0.7 * case, on),
    )


def tattooed(one, look, rest, normals):
    lines = solid(one.scene.lattice, rest, 0.008, 5.0)
    on = torch.exp(-((lines / 0.13) ** 2)) * (rest[:, 1] < 0.09)
    return Look(_dyed(look.albedo, 0.85 * on, INK), look.relief, look.gloss)


def aged(one, look, rest, normals):
    """Wrinkles and spots."""
    lattice = one.scene.lattice
    spots = torch.sigmoid(14 * (solid(lattice, rest, 0.0045, 21.0) - 0.95))
    fold = octaves(lattice, rest * torch.tensor([1.0, 2.2, 1.0]), 0.0035, 2)
    crease = torch.exp(-((fold / 0.12) ** 2))
    albedo = _dyed(look.albedo, 0.55 * spots, (0.16, 0.08, 0.05)) * (1 - 0.25 * crease)[:, None]
    return Look(albedo, look.relief - 0.0007 * crease, look.gloss * 0.6)


def metallic(one, look, rest, normals):
    """Grey shells with black joints between them."""
    bones = resting_bones()
    joint = torch.zeros(len(rest))
    for finger in range(5):
        for number in range(3):
            off = rest - bones.joint[finger, number]
            along = off @ bones.along[finger, number]
            near = off.norm(dim=1) < 0.018
            joint = joint + torch.exp(-((along / 0.003) ** 4)) * near
    joint = joint.clamp(max=1)
    grey = torch.tensor(STEEL).expand(len(rest), 3)
    return Look(_dyed(grey, joint, (0.02, 0.02, 0.02)), -0.001 * joint, 0.9 - 0.7 * joint)
