"""What generated hands get wrong, made on purpose: malformed twins of a good anatomy.

Defects of bones change the Anatomy and are painted like any hand; ripples move the posed surface;
melting smears the finished picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.mesh.hand_template import ASIDE, BEND, Floats, HandTemplate
from realishuman.synthetic.noise import draw_lattice, solid
from realishuman.synthetic.pose import OPEN_FAMILIES, WHOLE_FAMILIES, find_extended
from realishuman.synthetic.posed import Anatomy, Graft, Surface

GONE = -3.2  # log length of a bone that is not there
WIDTH = 0.021  # metres from one finger's root to the next


@dataclass(frozen=True)
class Defect:
    """A malformed anatomy; `fingers` is how many it has, thumb included."""

    anatomy: Anatomy
    fingers: int


def add_finger(rng: np.random.Generator, template: HandTemplate, good: Anatomy) -> Defect:
    """Grow a finger between two others, or beyond the little one; its neighbours make room."""
    finger = int(rng.choice(_straight(template, good)))
    across = _across(template)
    angles, copy = good.angles.copy(), good.angles.copy()
    fingers = np.arange(1, 5)
    after = fingers > finger
    outside = finger == 4
    gap = np.radians(rng.uniform(7, 11))
    angles[1:, 1, ASIDE] += np.where(after, -gap, 0.35 * gap) * (not outside)
    angles[1:, 0, ASIDE] += np.where(after, -0.35 * gap, 0.25 * gap) * (not outside)
    copy[finger, 1, ASIDE] = angles[finger, 1, ASIDE] - gap * (1.9 if outside else 0.9)
    copy[finger, 1:, BEND] += rng.normal(0, np.radians(4), 3)
    shift = across * WIDTH * (0.3 if outside else 0.55)
    if outside:
        shift = shift + 0.45 * WIDTH * _back(template)
    graft = Graft(finger, 1, copy, good.lengths, shift)
    return Defect(replace(good, angles=angles, grafts=(graft,)), 6)


def remove_finger(rng: np.random.Generator, template: HandTemplate, good: Anatomy) -> Defect:
    """Leave out a finger; the others close the gap."""
    finger = int(rng.choice(_straight(template, good)))
    angles, lengths, girth = good.angles.copy(), good.lengths.copy(), good.girth.copy()
    lengths[finger, 1:] = GONE
    girth[finger, 1:] = 0.55, 0.2, 0.2
    fingers = np.arange(1, 5)
    close = np.radians(rng.uniform(4, 9))
    angles[1:, 1, ASIDE] += np.sign(fingers - finger) * close
    return Defect(Anatomy(angles, lengths, good.wrist, girth), 4)


def fuse_fingers(rng: np.random.Generator, template: HandTemplate, good: Anatomy) -> Defect:
    """Let two neighbours grow together into one broad finger."""
    straight = _straight(template, good)
    pairs = [finger for finger in straight if finger + 1 in straight] or [2]
    first = int(rng.choice(pairs))
    second = first + 1
    angles, girth, lengths = good.angles.copy(), good.girth.copy(), good.lengths.copy()
    mean = 0.5 * (angles[first] + angles[second])
    lean = np.radians(rng.uniform(10, 15))
    for finger, sign in ((first, -1), (second, 1)):
        angles[finger, :, BEND] = mean[:, BEND]
        angles[finger, 1, ASIDE] = mean[1, ASIDE] + sign * (lean + np.radians(2))
        angles[finger, 2, ASIDE] = -sign * 0.8 * lean
        girth[finger, 1:] = rng.uniform(1.15, 1.3)
    return Defect(Anatomy(angles, lengths, good.wrist, girth), 4)


def bend_finger(rng: np.random.Generator, template: HandTemplate, good: Anatomy) -> Defect:
    """Bend a finger or two sideways or backwards where no joint does."""
    straight = _straight(template, good)
    angles = good.angles.copy()
    for finger in rng.permutation(straight)[: rng.integers(1, 3)]:
        aside = rng.choice([-1, 1]) * np.radians(rng.uniform(38, 65))
        joint = int(rng.choice([2, 3], p=[0.75, 0.25]))
        angles[finger, joint, ASIDE] += aside
        if rng.random() < 0.5:
            angles[finger, joint, BEND] -= np.radians(rng.uniform(25, 50))
        if joint == 2:
            angles[finger, 3, ASIDE] -= rng.uniform(-0.3, 0.8) * aside
    return Defect(replace(good, angles=angles), 5)


def stretch_finger(rng: np.random.Generator, template: HandTemplate, good: Anatomy) -> Defect:
    """Draw one or two fingers out to nearly twice their length, thin or swollen."""
    straight = _straight(template, good)
    lengths, girth = good.lengths.copy(), good.girth.copy()
    for finger in rng.permutation(straight)[: rng.integers(1, 3)]:
        lengths[finger, 1:] += rng.uniform(0.32, 0.6) + rng.normal(0, 0.08, 3)
        girth[finger, 1:] *= rng.uniform(0.72, 1.3)
    return Defect(replace(good, lengths=lengths, girth=girth), 5)


def change_phalanges(rng: np.random.Generator, template: HandTemplate, good: Anatomy) -> Defect:
    """Give one or two fingers a fourth phalanx, or leave them two or one."""
    angles, lengths, girth = good.angles.copy(), good.lengths.copy(), good.girth.copy()
    grafts: list[Graft] = []
    for finger in rng.permutation(_straight(template, good))[: rng.integers(1, 3)].tolist():
        choice = rng.choice(("one", "two", "four"), p=[0.2, 0.3, 0.5])
        if choice == "one":
            lengths[finger, 1:] = np.log(0.7), GONE, np.log(0.3)
            girth[finger, 2:] = 0.95
        elif choice == "two":
            lengths[finger, 2:] = np.log(0.35), np.log(0.9)
            girth[finger, 3] = 0.95
        else:
            copy = angles.copy()
            copy[finger, 2, BEND] += angles[finger, 3, BEND] + np.radians(rng.uniform(5, 30))
            copy[finger, 2, ASIDE] += np.radians(rng.normal(0, 12))
            copy[finger, 3, BEND] = np.radians(rng.uniform(5, 30))
            # The copy's middle phalanx takes the place of the last one.
            grafts.append(Graft(finger, 2, copy, good.lengths, np.zeros(3), onto=3, girth=0.9))
            girth[finger, 3], lengths[finger, 3] = 0.86, np.log(0.75)
    return Defect(Anatomy(angles, lengths, good.wrist, girth, tuple(grafts)), 5)


BONES: dict[str, Callable[[np.random.Generator, HandTemplate, Anatomy], Defect]] = {
    "extra finger": add_finger,
    "missing finger": remove_finger,
    "fused fingers": fuse_fingers,
    "bent finger": bend_finger,
    "stretched finger": stretch_finger,
    "wrong phalanges": change_phalanges,
}
FAMILIES_OF = {  # poses in which a defect shows; any pose will do for ripples
    "extra finger": WHOLE_FAMILIES,
    "missing finger": WHOLE_FAMILIES,
    "fused fingers": WHOLE_FAMILIES,
    "bent finger": OPEN_FAMILIES,
    "stretched finger": OPEN_FAMILIES,
    "wrong phalanges": OPEN_FAMILIES,
    "melted": (*OPEN_FAMILIES, "half", "grasp", "point"),
}
KINDS = (*BONES, "rippled", "melted")


def ripple(
    rng: np.random.Generator,
    surfaces: list[Surface],
    least: float,
    most: float,
    loose: Callable[[Surface], Floats | None],
) -> list[Surface]:
    """Push surfaces about in waves.

    surfaces     posed, metres.
    least, most  metres of the push.
    loose        how freely each vertex moves, (V,) 0..1; None for a surface that stays.
    """
    lattice = draw_lattice(rng)
    strength, wave = rng.uniform(least, most), rng.uniform(0.030, 0.045)
    result = []
    for item in surfaces:
        share = loose(item)
        if share is None:
            result.append(item)
            continue
        points = torch.tensor(item.vertices, dtype=torch.float32)
        push = torch.stack([solid(lattice, points, wave, 7.7 * axis) for axis in range(3)], 1)
        moved = item.vertices + strength * share[:, None] * push.numpy()
        result.append(replace(item, vertices=moved))
    return result


def melt(rng: np.random.Generator, picture: NDArray[np.uint8], joints: Floats) -> NDArray[np.uint8]:
    """Smear fingers into each other; joints (21, 3) of the hand, picture pixels."""
    span = float(np.ptp(joints[:, :2], axis=0).max())
    tips = rng.choice([6, 7, 10, 11, 14, 15, 18, 19], 4, replace=False)
    return smear(rng, picture, joints[tips, :2], span)


def smear(
    rng: np.random.Generator, picture: NDArray[np.uint8], places: Floats, span: float
) -> NDArray[np.uint8]:
    """Stir and blur a picture (H, W, 3) uint8 around places, as an unfinished diffusion does.

    places  (N, 2) picture pixels.
    span    size of the part in pixels; a seventh of it, about, is stirred around each place.
    """
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    shift = np.zeros((2, height, width), np.float32)
    soft = np.zeros((height, width), np.float32)
    for place in places:
        centre = place + rng.normal(0, 0.02 * span, 2)
        off = np.stack([x - centre[0], y - centre[1]])
        radius = span * rng.uniform(0.11, 0.19)
        share = np.exp(-((np.hypot(*off) / radius) ** 2) * 1.2)
        turn = rng.choice([-1, 1]) * rng.uniform(0.8, 1.7) * share
        shift[0] += np.cos(turn) * off[0] - np.sin(turn) * off[1] - off[0]
        shift[1] += np.sin(turn) * off[0] + np.cos(turn) * off[1] - off[1]
        soft = np.maximum(soft, share)
    moved = cv2.remap(
        picture,
        x + shift[0] - 0.5,
        y + shift[1] - 0.5,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    blurred = cv2.GaussianBlur(moved, (0, 0), span * rng.uniform(0.014, 0.03))
    weight = np.clip(1.5 * soft - 0.3, 0, 1)[..., None]
    inside = np.clip(6 * soft - 0.6, 0, 1)[..., None]
    mixed = weight * blurred + (1 - weight) * moved
    return np.asarray(np.round(inside * mixed + (1 - inside) * picture), np.uint8)


def _straight(template: HandTemplate, good: Anatomy) -> list[int]:
    """Return the extended fingers, or all four when none is."""
    return find_extended(template, good.angles) or [1, 2, 3, 4]


def _across(template: HandTemplate) -> Floats:
    """Return the direction from the index finger's root to the little one's, at rest."""
    step = template.landmarks[17] - template.landmarks[5]
    return np.asarray(step / np.linalg.norm(step), np.float64)


def _back(template: HandTemplate) -> Floats:
    """Return the direction from the fingers' roots to the wrist, at rest."""
    step = template.landmarks[0] - template.landmarks[9]
    return np.asarray(step / np.linalg.norm(step), np.float64)
