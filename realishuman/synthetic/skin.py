"""What skin looks like at each point of the resting hand: colour, relief, gloss.

Points are metres in the template's rest frame, so a texture moves with the hand. Colours are
linear RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.marks import (
    Bones,
    joint_marks,
    palm_lines,
    resting_bones,
    tendons,
    veins,
)
from realishuman.synthetic.noise import octaves, solid

TONES = (-65.0, 63.0)  # degrees of individual typology angle: very dark to very light


@dataclass(frozen=True)
class SkinTone:
    """Skin of one person.

    tone     individual typology angle in degrees, TONES.
    back     (3,) linear RGB of the back of the hand.
    palm     (3,) linear RGB of the palm.
    redness  0..1, how much joints and fingertips redden.
    age      0..1, depth of creases and veins.
    gloss    0..1, dry to moist.
    nail     (3,) linear RGB multiplied on nails: 1 when not painted.
    painted  whether the nails are.
    """

    tone: float
    back: Floats
    palm: Floats
    redness: float
    age: float
    gloss: float
    nail: Floats
    painted: bool


@dataclass(frozen=True)
class Look:
    """Points of skin, ready to be lit.

    albedo  (N, 3) linear RGB.
    relief  (N,) metres, outward.
    gloss   (N,) 0..1.
    """

    albedo: Tensor
    relief: Tensor
    gloss: Tensor


def draw_skin(rng: np.random.Generator) -> SkinTone:
    """Draw a person, every tone equally likely.

    Source: ITA = atan((L - 50) / b) of CIELAB (Chardon et al. 1991); a and b as measured on skin.
    """
    tone = float(rng.uniform(*TONES))
    light = (tone - TONES[0]) / (TONES[1] - TONES[0])
    yellow = rng.normal(10.5 + 8 * np.sin(np.pi * min(1.0, light * 1.15 + 0.1)), 1.3)
    red = rng.normal(8.0 + 4.0 * np.sin(np.pi * light), 1.2)
    lightness = np.clip(50 + yellow * np.tan(np.radians(tone)), 24, 76)
    palm_light = lightness + (1 - light) * rng.uniform(10, 20) + 1.5
    palm = from_lab(palm_light, red + 2.5 + 2 * (1 - light), yellow + 1.0)
    painted = bool(rng.random() < 0.15)
    colour = rng.uniform(0.02, 0.8, 3) if painted else np.ones(3)
    return SkinTone(
        tone,
        from_lab(lightness, red, yellow),
        palm,
        float(rng.uniform(0.3, 1.0)),
        float(rng.uniform(0.15, 1.0)),
        float(rng.uniform(0.15, 0.8)),
        colour,
        painted,
    )


def from_lab(lightness: float, red: float, yellow: float) -> Floats:
    """Return linear sRGB (3,), at least 0.01, of a CIELAB colour (D65). Source: IEC 61966-2-1."""
    y = (lightness + 16) / 116
    f = np.array([y + red / 500, y, y - yellow / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9505, 1.0, 1.089]
    to_rgb = np.array(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    return np.asarray(np.clip(to_rgb @ xyz, 0.01, 1.0), np.float64)


def skin_look(
    tone: SkinTone, lattice: Tensor, points: Tensor, normals: Tensor, thumb: Tensor
) -> Look:
    """Return how skin looks at points (N, 3) with normals (N, 3) at rest.

    thumb  (N,) share of the thumb: its back looks elsewhere than the fingers'.
    """
    bones = resting_bones()
    out = torch.lerp(torch.tensor([1.0, 0.0, 0.0]), bones.back[0, 2], thumb[:, None])
    facing = (F.normalize(out, dim=1) * normals).sum(1)
    slow = solid(lattice, points, 0.012, 3.0)
    hand = torch.sigmoid((0.045 - points[:, 1]) / 0.012)  # 1 on the hand, 0 on the forearm
    palm = torch.sigmoid(-7 * facing - 0.9 + 0.8 * slow) * (0.25 + 0.75 * hand)
    back = torch.sigmoid(6 * facing)

    crease, red = joint_marks(bones, lattice, points, palm, back)
    lined = torch.nonzero((palm * hand > 0.02) & (points[:, 1] > -0.045)).flatten()
    lines = palm[lined] * palm_lines(lattice, points[lined]) * hand[lined]
    crease = crease.index_add(0, lined, lines)
    fine = octaves(lattice, points, 0.0034, 3)
    vein = veins(lattice, points) * back * (1 - red).clamp(0, 1)

    albedo = torch.lerp(_colour(tone.back), _colour(tone.palm), palm[:, None])
    albedo = albedo * torch.exp(0.10 * slow + 0.055 * fine)[:, None]
    flush = tone.redness * (red + 0.22 * solid(lattice, points, 0.022, 11.0)) + 0.25 * palm * slow
    albedo = redden(albedo, flush)
    light = (tone.tone - TONES[0]) / (TONES[1] - TONES[0])
    albedo = albedo * torch.exp(
        tone.age * light * vein[:, None] * torch.tensor([-0.15, -0.06, -0.02])
    )
    depth = crease * (0.45 + 0.55 * tone.age)
    albedo = albedo * torch.exp(-depth[:, None] * torch.tensor([0.42, 0.62, 0.66]))
    relief = 0.00019 * fine * (1 - 0.35 * palm) + 0.0004 * tone.age * vein - 0.0007 * depth
    relief = relief + 0.0009 * (0.3 + tone.age) * tendons(points) * back
    gloss = (tone.gloss * (1 + 0.25 * slow) * (1 - 0.35 * palm) - 0.3 * depth).clamp(0.05, 1)
    look = Look(albedo, relief, gloss)
    _nails(tone, bones, points, normals, look)
    return look


def redden(albedo: Tensor, amount: Tensor) -> Tensor:
    """Let more blood show through skin (N, 3) where `amount` (N,) is positive."""
    return albedo * torch.exp(amount[:, None] * torch.tensor([-0.02, -0.30, -0.26]))


def _colour(rgb: Floats) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float32)


def _nails(tone: SkinTone, bones: Bones, points: Tensor, normals: Tensor, look: Look) -> None:
    """Lay the five nails onto the skin, in place."""
    for finger in range(5):
        off = points - bones.joint[finger, 2]
        own = (off.square().sum(1) < 0.034**2) & (normals @ bones.back[finger, 2] > 0.1)
        where = torch.nonzero(own).flatten()
        off = off[where]
        length = (bones.joint[finger, 3] - bones.joint[finger, 2]).norm()
        up = off @ bones.along[finger, 2] / length
        half = 0.0068 if finger == 0 else 0.0055 - 0.0007 * (finger == 4)
        across = off @ bones.lateral[finger, 2] / half
        inside = 1 - ((up - 0.80) / 0.33).abs() ** 2.6 - across.abs() ** 3
        nail = torch.sigmoid(14 * inside)
        rim = torch.exp(-((inside / 0.22) ** 2))
        albedo = look.albedo[where]
        albedo = torch.lerp(albedo, _nail_colour(tone, up, albedo), (0.9 * nail)[:, None])
        look.albedo[where] = albedo * (1 - 0.28 * rim[:, None] * torch.tensor([0.6, 1.0, 1.0]))
        look.relief[where] = look.relief[where] * (1 - nail) + 0.0004 * nail - 0.0003 * rim
        glossy = torch.tensor(0.95 if tone.painted else 0.8)
        look.gloss[where] = torch.lerp(look.gloss[where], glossy, nail)


def _nail_colour(tone: SkinTone, up: Tensor, albedo: Tensor) -> Tensor:
    """Colour of a nail: pink bed, paler half moon, pale free edge; or paint."""
    if tone.painted:
        return _colour(tone.nail).expand_as(albedo)
    light = (tone.tone - TONES[0]) / (TONES[1] - TONES[0])
    share = 0.2 + 0.25 * light
    bed = (1 - share) * _colour(tone.palm) + share * torch.tensor([0.56, 0.33, 0.28])
    pale = torch.sigmoid((up - 1.03) / 0.02) * 0.75 + torch.sigmoid((0.60 - up) / 0.03) * 0.25
    edge = (0.7 - 0.2 * light) * _colour(tone.palm)
    edge = edge + (0.3 + 0.2 * light) * torch.tensor([0.75, 0.68, 0.6])
    return torch.lerp(bed.expand_as(albedo), edge, pale[:, None])
