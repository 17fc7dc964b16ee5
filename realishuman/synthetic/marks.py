"""Marks on the skin: folds at the joints, lines of the palm, veins, tendons, and where nails are.

Points are metres in the template's rest frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from realishuman.mesh.hand_template import BEND, hand_template
from realishuman.synthetic.noise import solid

PALM_LINES = (  # y, z in metres: heart, head and life line
    ((-0.004, 0.054), (-0.016, 0.036), (-0.022, 0.014), (-0.033, 0.001)),
    ((-0.012, -0.028), (-0.006, -0.006), (0.003, 0.016), (0.016, 0.037)),
    ((-0.013, -0.028), (-0.006, -0.010), (0.012, -0.001), (0.036, 0.001)),
)


@dataclass(frozen=True)
class Bones:
    """Axes of the fingers' joints at rest, as tensors.

    joint    (5, 4, 3) knuckle, two joints and tip of each finger (thumb: the same four landmarks).
    along    (5, 4, 3) unit, from the joint towards the tip; at the tip as before it.
    lateral  (5, 4, 3) unit, across the finger.
    back     (5, 4, 3) unit, out of the finger's back.
    """

    joint: Tensor
    along: Tensor
    lateral: Tensor
    back: Tensor


@lru_cache(maxsize=1)
def resting_bones() -> Bones:
    """Return the template's bones at rest; shared, do not write to them."""
    template = hand_template()
    joint = torch.tensor(template.landmarks[1:].reshape(5, 4, 3), dtype=torch.float32)
    along = F.normalize(joint.diff(dim=1), dim=2)
    along = torch.cat([along, along[:, -1:]], 1)
    bend = torch.tensor(template.axes[:, :, BEND], dtype=torch.float32)
    bend = torch.cat([bend[:, 1:], bend[:, -1:]], 1)
    lateral = F.normalize(bend - (bend * along).sum(2, keepdim=True) * along, dim=2)
    return Bones(joint, along, lateral, -torch.linalg.cross(lateral, along))


def joint_marks(
    bones: Bones, lattice: Tensor, points: Tensor, palm: Tensor, back: Tensor
) -> tuple[Tensor, Tensor]:
    """Return creases and redness (N,), 0..1, around the fingers' joints.

    palm, back  (N,) 0..1, how much a point belongs to either side of the hand.
    """
    wobble = 0.0011 * solid(lattice, points, 0.006, 5.0)
    crease, red = torch.zeros(len(points)), torch.zeros(len(points))
    for finger in range(5):
        for joint in range(4):
            distance = (points - bones.joint[finger, joint]).square().sum(1)
            where = torch.nonzero(distance < 0.035**2).flatten()
            near = torch.exp(-distance[where] / 0.0145**2)
            red.index_add_(0, where, near * (0.75 * back[where] if joint < 3 else 0.8))
            if joint == 3:
                continue
            off = points[where] - bones.joint[finger, joint]
            along = off @ bones.along[finger, joint] + wobble[where]
            bands = 0.5 + 0.5 * torch.cos(along / 0.00036 + 40 * along.abs().sqrt())
            folds = torch.exp(-((along / 0.0042) ** 2)) * bands
            marks = near * back[where] * folds * (0.2 if joint == 0 else 0.5)
            root = 0.021 if joint == 0 and finger else 0.0  # the fold at a finger's root
            if root:
                off = off - root * bones.along[finger, 0]
                near = torch.exp(-off.square().sum(1) / 0.011**2)
            line = torch.exp(-(((along - root) / 0.0010) ** 2))
            if joint == 1:  # two folds under the middle joint
                line = line + 0.6 * torch.exp(-(((along - 0.0035) / 0.0009) ** 2))
            crease.index_add_(0, where, marks + near * palm[where] * line)
    return crease.clamp(max=1), red.clamp(max=1)


def palm_lines(lattice: Tensor, points: Tensor) -> Tensor:
    """Return the three lines of the palm, 0..1."""
    flat = points[:, 1:] + 0.0016 * torch.stack(
        [solid(lattice, points, 0.011, 2.0), solid(lattice, points, 0.011, 9.0)], 1
    )
    total = torch.zeros(len(points))
    for line in PALM_LINES:
        corners = torch.tensor(line)
        # A cubic curve near the four points, as 16 short pieces.
        t = torch.linspace(0, 1, 17)[:, None]
        weights = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3], 1)
        curve = weights @ corners
        nearest = torch.full((len(points),), torch.inf)
        for start, step in zip(curve[:-1], curve.diff(dim=0), strict=True):
            off = flat - start
            share = (off @ (step / (step @ step))).clamp(0, 1)
            nearest = torch.minimum(nearest, (off - share[:, None] * step).square().sum(1))
        total += torch.exp(-nearest / 0.0011**2)
    return total.clamp(max=1)


def veins(lattice: Tensor, points: Tensor) -> Tensor:
    """Return ridges along hand and forearm, 0..1."""
    long = points * torch.tensor([1.0, 0.33, 1.0])
    return torch.exp(-((solid(lattice, long, 0.013, 17.0) / 0.16) ** 2))


def tendons(points: Tensor) -> Tensor:
    """Return the tendons on the back of the hand, from the wrist to the four knuckles, 0..1."""
    template = hand_template()
    start = torch.tensor(template.landmarks[0][1:], dtype=torch.float32)
    total = torch.zeros(len(points))
    for knuckle in template.landmarks[5::4, 1:]:
        end = torch.tensor(knuckle, dtype=torch.float32)
        step = end - start
        share = ((points[:, 1:] - start) @ step / (step @ step)).clamp(0.25, 1)
        distance = (points[:, 1:] - start - share[:, None] * step).norm(dim=1)
        total += torch.exp(-((distance / 0.0028) ** 2)) * (share - 0.25)
    return total
