"""What a face does: lids, gaze, brows, mouth, as moves of the head's handles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.face import points

FAMILIES = ("neutral", "smile", "laugh", "open mouth", "surprised", "frown", "eyes closed")
_SHARES = (0.32, 0.24, 0.12, 0.12, 0.08, 0.08, 0.04)
ROOM = 0.0004  # metres that closed lips overlap
Moves = dict[int, Floats]


@dataclass(frozen=True)
class Expression:
    """One moment of a face.

    family  one of FAMILIES.
    lids    (2,) how far right and left eye are open, 1 as the template's, 0 shut.
    gaze    (2,) radians to the right of the picture, and down.
    brows   (2, 2) metres up, of the right's outer and inner end, of the left's.
    open_   metres by which the lower jaw is down.
    smile   -1 (corners down) to 1.
    uneven  -1 to 1, which corner of the mouth is higher.
    """

    family: str
    lids: Floats
    gaze: Floats
    brows: Floats
    open_: float
    smile: float
    uneven: float


def draw_expression(rng: np.random.Generator) -> Expression:
    """Draw a moment."""
    family = str(rng.choice(FAMILIES, p=_SHARES))
    wide = np.clip(rng.normal(1.32, 0.13), 1.0, 1.65)
    lids = wide + rng.normal(0, 0.03, 2)
    brows = rng.normal(0, 0.0012) + rng.normal(0, 0.0006, (2, 2))
    open_, smile = 0.0, float(rng.normal(0.05, 0.12))
    if family == "smile":
        smile = float(rng.uniform(0.35, 0.9))
        open_ = float(rng.choice([0.0, rng.uniform(0.003, 0.007)]))
        lids *= 0.92
    elif family == "laugh":
        smile, open_ = float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.008, 0.018))
        lids *= 0.82
    elif family == "open mouth":
        open_ = float(rng.uniform(0.004, 0.02))
    elif family == "surprised":
        open_, brows = float(rng.uniform(0.008, 0.022)), brows + rng.uniform(0.003, 0.007)
        lids *= 1.12
    elif family == "frown":
        smile, brows = float(rng.uniform(-0.7, -0.2)), brows - rng.uniform(0.001, 0.003)
        brows[:, 1] -= rng.uniform(0.001, 0.003)
    elif family == "eyes closed":
        lids = np.full(2, 0.02)
    gaze = np.clip(rng.normal(0, (0.14, 0.07)), -0.4, 0.4)
    return Expression(family, lids, gaze, brows, open_, smile, float(rng.normal(0, 0.3)))


def moves(face: Floats, expression: Expression) -> Moves:
    """Return the moves of handles that put a resting face (V, 3), metres, into an expression."""
    result = {**_jaw(expression), **_mouth(face, expression)}
    for contour, share in zip(points.EYES, expression.lids, strict=True):
        result |= _lids(face, contour, float(share))
        cheek = 0.35 * max(expression.smile, 0) * 0.01
        for place in contour[points.LOWER]:
            result[place] = result[place] + [0, -0.15 * cheek, 0]
    for (lower, _), (outer, inner) in zip(points.BROWS, expression.brows.tolist(), strict=True):
        for number, height in zip(lower, np.linspace(outer, inner, 5), strict=True):
            result[number] = np.array([0, -height, 0])
    for side, cheeks in zip((-1, 1), points.CHEEKS, strict=True):
        lift = 0.01 * max(expression.smile, 0)
        for number, much in zip(cheeks, (0.25, 0.35, 0.15), strict=True):
            result[number] = much * lift * np.array([0.5 * side, -1, -0.7])
    return result


def _lids(face: Floats, contour: Sequence[int], share: float) -> Moves:
    """Open or shut an eye: the upper lid does most of it."""
    upper, lower = contour[points.UPPER], contour[points.LOWER]
    result: Moves = {contour[corner]: np.zeros(3) for corner in points.CORNERS}
    for high, low in zip(upper, lower, strict=True):
        gap = face[low] - face[high]
        bulge = np.array([0, 0, -0.0015 * (1 - min(share, 1))])
        result[high] = 0.8 * (1 - share) * gap + bulge
        result[low] = -0.2 * (1 - share) * gap + bulge
    return result


def _jaw(expression: Expression) -> Moves:
    """Let chin and jaw follow the lower jaw."""
    down = np.array([0, 1.0, 0.25]) * (expression.open_ - 0.002)
    result = dict.fromkeys(points.CHIN, down)
    for side in points.JAW:
        for number, share in zip(side, (0.45, 0.62, 0.85), strict=True):
            result[number] = share * down
    return result


def _mouth(face: Floats, expression: Expression) -> Moves:
    """Close the template's parted lips, then open and draw them."""
    result: Moves = {}
    inner = face[list(points.INNER_LIPS)]
    middle, half = inner.mean(0), float(np.ptp(face[list(points.OUTER_LIPS), 0])) / 2
    for contour, follow in ((points.INNER_LIPS, (1.0, 1.0)), (points.OUTER_LIPS, (0.75, 0.85))):
        for place, number in enumerate(contour):
            across = float(np.clip((face[number, 0] - middle[0]) / half, -1, 1))
            move = _draw_lips(across, expression)
            if place % 10 == 0:  # a corner
                move = move + np.array([0, 0.35 * expression.open_, 0])
            else:
                lower = int(place > 10)
                gap = inner[20 - place] - inner[place] + np.array([0, (ROOM, -ROOM)[lower], 0])
                move = move + (0.4, 0.6)[lower] * follow[lower] * gap * np.array([1, 1, 0.5])
                move = move + expression.open_ * _hang(across)[lower]
            result[number] = move
    return result


def _hang(across: float) -> Floats:
    """Return how upper and lower lip (2, 3) follow a jaw that goes down by 1."""
    return np.array(
        [
            [0, -0.12 * (1 - across**2), 0],
            np.array([0, 1.0, 0.25]) * (1 - 0.65 * abs(across) ** 2.5),
        ]
    )


def _draw_lips(across: float, expression: Expression) -> Floats:
    """Return how a smile moves the lips at `across` -1 (right corner) to 1."""
    out = 0.0055 * expression.smile - 0.16 * expression.open_
    up = 0.0045 * expression.smile + 0.0012 * expression.uneven * across
    corner = abs(across) ** 1.6
    thin = 0.0006 * max(expression.smile, 0)
    return np.array([out * across, -up * corner - thin, 0.004 * max(expression.smile, 0) * corner])
