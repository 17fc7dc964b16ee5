"""Draw plausible poses of one hand: eight families, every joint within its anatomical range.

A bend is given as its share of the joint's range: 0 stretched back as far as it goes, 1 curled as
far as it goes.
"""

from __future__ import annotations

import numpy as np

from realishuman.mesh.hand_template import ASIDE, BEND, Floats, HandTemplate

STRAIGHT = np.array([0.0, 0.24, 0.09, 0.12])  # of a finger's joints, as shares
CURLED = np.array([0.0, 0.92, 0.90, 0.72])
FAN = np.array([0.9, 0.1, -0.45, -1.0])  # of a spread hand's fingers, index to little
OPEN_FAMILIES = ("open", "spread", "relaxed", "victory", "count")
WHOLE_FAMILIES = ("open", "spread", "relaxed")  # all fingers out: a wrong number shows
FAMILIES = (*OPEN_FAMILIES, "half", "grasp", "point", "fist")

# Curl of index to little finger (0 straight, 1 curled), of the thumb, and how far the fingers
# are fanned out.
_CURLS: dict[str, tuple[tuple[float, float, float, float], float, float]] = {
    "open": ((0.03, 0.0, 0.02, 0.05), 0.15, 0.25),
    "spread": ((0.0, 0.0, 0.0, 0.0), 0.0, 0.95),
    "relaxed": ((0.16, 0.22, 0.26, 0.28), 0.25, 0.1),
    "victory": ((0.0, 0.0, 0.85, 0.85), 0.8, 0.6),
    "count": ((0.0, 0.0, 0.0, 0.9), 0.7, 0.4),
    "half": ((0.42, 0.48, 0.5, 0.5), 0.4, 0.1),
    "grasp": ((0.5, 0.52, 0.52, 0.5), 0.1, 0.2),
    "point": ((0.0, 0.8, 0.85, 0.85), 0.65, 0.0),
    "fist": ((0.85, 0.88, 0.9, 0.9), 0.75, 0.0),
}


def draw_angles(rng: np.random.Generator, template: HandTemplate, family: str) -> Floats:
    """Return joint angles (5, 4, 3) in radians, relative to rest, for one hand of this family.

    family  one of FAMILIES.
    """
    low, high = template.limits.low, template.limits.high
    curls, thumb, fan = _CURLS[family]
    angles = template.limits.spread * rng.normal(0, 0.2, (5, 4, 3))
    curl = np.clip(np.array(curls) + rng.normal(0, 0.05) + rng.normal(0, 0.04, 4), 0, 1)
    share = STRAIGHT + curl[:, None] * (CURLED - STRAIGHT) + rng.normal(0, 0.02, (4, 4))
    bends = low[1:, :, BEND] + share * (high - low)[1:, :, BEND]
    angles[1:, 1:, BEND] = bends[:, 1:]
    angles[1:, 1, ASIDE] = (fan + rng.normal(0, 0.12)) * FAN * np.radians(17) * (1 - 0.7 * curl)
    angles[1:, 1, ASIDE] += rng.normal(0, np.radians(1.2), 4)
    angles[0] += _thumb(low[0], high[0], thumb, fan)
    return np.clip(angles, low, high)


def _thumb(low: Floats, high: Floats, curl: float, fan: float) -> Floats:
    """(4, 3) radians: the thumb from spread away (curl 0) to laid across the palm (curl 1)."""
    angles = np.zeros((4, 3))
    angles[1, ASIDE] = np.radians(8 * fan + 46 * curl**1.5)
    angles[1, BEND] = np.radians(-8 + 40 * curl)
    for joint, straight, curled in ((2, 0.25, 0.6), (3, 0.26, 0.62)):
        share = straight + curl * (curled - straight)
        angles[joint, BEND] = low[joint, BEND] + share * (high - low)[joint, BEND]
    return angles


def draw_lengths(rng: np.random.Generator) -> Floats:
    """Return (5, 4) log bone lengths over the template's: one build per hand, little per bone."""
    lengths = rng.normal(0, 0.05) + rng.normal(0, 0.02, (5, 1)) + rng.normal(0, 0.015, (5, 4))
    lengths[:, 0] = rng.normal(0, 0.02)
    return np.asarray(lengths, np.float64)


def find_extended(template: HandTemplate, angles: Floats) -> list[int]:
    """Return the fingers (1 index .. 4 little) that are straight enough for a defect to show."""
    low, high = template.limits.low[1:, 1:, BEND], template.limits.high[1:, 1:, BEND]
    share = (angles[1:, 1:, BEND] - low) / (high - low)
    return (1 + np.flatnonzero(share[:, :2].max(axis=1) < 0.5)).tolist()


def draw_rotation(rng: np.random.Generator) -> Floats:
    """Return the turn (3, 3) from the rest frame to the camera's: x right, y down, z away.

    The rest frame has the fingers up and the back to the right; both sides of the hand are seen
    about equally often, its edge less, the fingers mostly up.
    """
    side = rng.choice([-90.0, 90.0])
    spin = np.radians(side + rng.choice([rng.normal(0, 22), rng.uniform(-65, 65)], p=[0.7, 0.3]))
    tilt = np.radians(np.clip(rng.normal(0, 17), -38, 38))
    roll = np.radians(rng.choice([rng.normal(0, 28), rng.uniform(-180, 180)], p=[0.65, 0.35]))
    return about(2, float(roll)) @ about(0, float(tilt)) @ about(1, float(spin))


def about(axis: int, angle: float) -> Floats:
    """Rotation (3, 3) about a coordinate axis."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[second, first] = np.sin(angle)
    turn[first, second] = -turn[second, first]
    return turn
