"""Find the plausible right hand nearest to 21 landmarks.

The landmarks of a malformed hand are malformed too. They are therefore not copied but fitted, by
Levenberg-Marquardt over a pose whose joints turn only the ways and as far as joints do, whose
bones keep their proportions, and whose residuals grow only linearly where they are large, so that
one stretched finger does not drag the hand along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realishuman.mesh.align import align
from realishuman.mesh.hand_contact import contacts
from realishuman.mesh.hand_joints import (
    ANGLES,
    LENGTHS,
    NUMBERS,
    SIZE,
    HandPose,
    derivative,
    landmarks,
    move,
    step,
    turns,
)
from realishuman.mesh.hand_template import BEND, Floats, HandTemplate, signed_angle

PALM = np.array([0, 1, 5, 9, 13, 17])  # landmarks that move little against each other


@dataclass(frozen=True)
class Trust:
    """How far landmarks and hands are believed; standard deviations.

    image    of x and y, as a share of the hand's length.
    depth    of z, same unit: a single picture says little about it.
    length   of the log length of a bone against the template's proportions.
    stretch  hardest limit of that log length.
    coupled  of a last joint's bend against its habit of following the middle joint, radians.
    contact  of how deep the thumb is inside a finger, as a share of the hand's length.
    size     of the log size against the size in depth and width of the landmarks' palm.
    """

    image: float = 0.012
    depth: float = 0.07
    length: float = 0.06
    stretch: float = 0.14
    coupled: float = 0.35
    size: float = 0.12
    contact: float = 0.02


HAND_LENGTH = 0.18  # metres, what Trust's shares are of
SIZES = (0.3, 3.0)  # over the template's; wide, it only keeps senseless landmarks from a size of 0
FOLLOWS = 0.6  # bend of the last joint per bend of the middle one
STEPS = 25
SETTLED = 1e-4  # of the cost, per step: nothing visible changes any more


def fit(template: HandTemplate, target: Floats, trust: Trust | None = None) -> HandPose:
    """Fit the template to landmarks.

    target   (21, 3) in units near metres (the fit finds the size itself), z away from the viewer.
    Returns  a pose within the template's limits.
    """
    trust = trust or Trust()
    low, high = _bounds(template, trust)
    pose = _start(template, target)
    prior, wanted = _prior(template, trust, pose.size)
    damping = 1e-3
    cost, hessian, gradient = _linearise(template, pose, target, trust, prior, wanted)
    for _ in range(STEPS):
        values = _values(pose)
        # A number that stands at its limit and wants to leave stays there for this step.
        held = ((values <= low) & (gradient > 0)) | ((values >= high) & (gradient < 0))
        free = np.flatnonzero(~held & (low < high))
        inner = hessian[np.ix_(free, free)]
        change = np.zeros(NUMBERS)
        change[free] = -np.linalg.solve(inner + damping * np.diag(inner.diagonal()), gradient[free])
        change = np.clip(values + change, low, high) - values
        trial = step(pose, change)
        result = _linearise(template, trial, target, trust, prior, wanted)
        if result[0] < cost:
            gain = 1 - result[0] / cost
            pose, (cost, hessian, gradient), damping = trial, result, damping * 0.3
            if gain < SETTLED:
                break
        else:
            damping *= 8
    return pose


def _bounds(template: HandTemplate, trust: Trust) -> tuple[Floats, Floats]:
    """Lowest and highest value of each number of a pose."""
    low, high = np.full(NUMBERS, -np.inf), np.full(NUMBERS, np.inf)
    low[SIZE], high[SIZE] = np.log(SIZES)
    low[ANGLES], high[ANGLES] = template.limits.low.ravel(), template.limits.high.ravel()
    low[LENGTHS], high[LENGTHS] = -trust.stretch, trust.stretch
    return low, high


def _prior(template: HandTemplate, trust: Trust, size: float) -> tuple[Floats, Floats]:
    """Rows and right-hand sides of what is expected of a pose before any landmark is seen."""
    limits = template.limits
    habit, spread = limits.habit.ravel(), limits.spread.ravel()
    rows, sides = [], []
    for place in np.flatnonzero(spread > 0):
        row = np.zeros(NUMBERS)
        row[ANGLES.start + place] = 1 / spread[place]
        rows.append(row)
        sides.append(habit[place] / spread[place])
    for finger in range(1, 5):
        row = np.zeros(NUMBERS)
        middle = ANGLES.start + 12 * finger + 3 * 2 + BEND
        row[middle + 3], row[middle] = 1 / trust.coupled, -FOLLOWS / trust.coupled
        rows.append(row)
        sides.append(0.0)
    row = np.zeros(NUMBERS)
    row[SIZE] = 1 / trust.size
    rows.append(row)
    sides.append(size / trust.size)
    lengths = np.zeros((20, NUMBERS))
    lengths[:, LENGTHS] = np.eye(20) / trust.length
    return np.concatenate([np.array(rows), lengths]), np.array(sides + [0.0] * 20)


def _values(pose: HandPose) -> Floats:
    """Return the pose as numbers; rotation and wrist count from where they are."""
    return np.concatenate([np.zeros(SIZE), [pose.size], pose.angles.ravel(), pose.lengths.ravel()])


def _linearise(
    template: HandTemplate,
    pose: HandPose,
    target: Floats,
    trust: Trust,
    prior: Floats,
    wanted: Floats,
) -> tuple[float, Floats, Floats]:
    """Cost of a pose, its Gauss-Newton matrix and its gradient."""
    placed = move(template, pose)
    sigma = HAND_LENGTH * np.array([trust.image, trust.image, trust.depth])
    points, slope = landmarks(pose, placed), derivative(pose, placed)
    error = (points - target) / sigma
    # Soft L1, 2 (sqrt(1 + r^2) - 1), of the distance in the picture and of that in depth.
    squares = np.stack([(error[:, :2] ** 2).sum(1), error[:, 2] ** 2], axis=1)
    root = np.sqrt(1 + squares)
    weight = (1 / root)[:, [0, 0, 1]].ravel()
    inside, deeper = contacts(pose, points, slope)
    slope = (slope / sigma[:, None]).reshape(63, NUMBERS)
    off = prior @ _values(pose) - wanted
    firm = (HAND_LENGTH * trust.contact) ** -2
    cost = float((2 * (root - 1)).sum() + (off**2).sum() + firm * (inside**2).sum())
    hessian = slope.T @ (weight[:, None] * slope) + prior.T @ prior + firm * deeper.T @ deeper
    gradient = slope.T @ (weight * error.ravel()) + prior.T @ off + firm * deeper.T @ inside
    return cost, hessian, gradient


def _start(template: HandTemplate, target: Floats) -> HandPose:
    """Lay the palm on the palm, then bend each joint towards the next landmark."""
    rotation, size = align(template.landmarks[PALM], target[PALM])
    limits = template.limits
    angles = np.zeros((5, 4, 3))
    before = np.broadcast_to(rotation, (5, 3, 3))
    fingers = target[1:].reshape(5, 4, 3)
    for joint in range(1, 4):
        # In the frame of the bone before, at rest, the next bone should point this way.
        towards = fingers[:, joint] - fingers[:, joint - 1]
        local = (np.swapaxes(before, 1, 2) @ towards[:, :, None])[..., 0]
        bend = signed_angle(template.offsets[:, joint], local, template.axes[:, joint, BEND])
        angles[:, joint, BEND] = np.clip(
            bend, limits.low[:, joint, BEND], limits.high[:, joint, BEND]
        )
        before = before @ turns(template.axes[:, joint, BEND], angles[:, joint, BEND])
    log_size = float(np.log(np.clip(size, *SIZES)))
    return HandPose(rotation, target[0], log_size, angles, np.zeros((5, 4)))
