"""Pairs from photographs: a good hand, and the same photograph with that hand made malformed.

The good hand's mesh is bent as no hand bends, and the transplant paints it with the photograph's
own skin. So the picture is real and its truth is known: the photograph itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.base import Mesh
from realishuman.mesh.hand_template import ASIDE, BEND, Floats, hand_template
from realishuman.paint.fields import grow
from realishuman.paint.scene import FINGERS, PALM, finger_of_vertices
from realishuman.paint.transplant import EVERY_FINGER, transplant
from realishuman.synthetic import malform
from realishuman.synthetic.good_hand import AROUND, GoodHand, draw_hull
from realishuman.synthetic.hand import free_of_the_wrist
from realishuman.synthetic.pair import SyntheticSample, difference
from realishuman.synthetic.pose import find_extended
from realishuman.synthetic.posed import Surface

Pixels = NDArray[np.uint8]

KINDS = (*malform.KINDS, "swollen finger", "twisted finger", "double contour")
KINDS_OF_ANY = (
    *("bent finger", "stretched finger", "wrong phalanges", "missing finger"),
    *("rippled", "melted", "swollen finger", "double contour"),
)
KINDS_OF_A_FIST = ("rippled", "melted")
SEEN_MOVE = 0.012  # of L: a finger that moved less is not repainted
REPAINTED = 0.6  # chance of each finger
LEAST_CHANGED = 0.04  # of the hand's pixels
# Of a finger that is moved as fingers move, degrees: how far it bends, and aside.
BENT, ASIDE_BY = (8, 32), 8


def list_kinds(hand: GoodHand) -> tuple[str, ...]:
    """Those of KINDS that show on this hand: bones only where fingers are extended."""
    straight = find_extended(hand_template(), hand.pose.angles)
    if len(straight) >= 2:
        return KINDS
    return KINDS_OF_ANY if straight else KINDS_OF_A_FIST


def make_malformed(rng: np.random.Generator, hand: GoodHand, kind: str) -> SyntheticSample | None:
    """The pair with this defect, one of KINDS; None if it does not show."""
    picture, fingers = _MAKE[kind](rng, hand)
    picture, changed = difference(hand.picture, picture)
    if changed.sum() < LEAST_CHANGED * hand.mask.sum():
        return None
    return SyntheticSample(
        hand.picture,
        picture,
        kind,
        hand.mesh,
        hand.part.side,
        hand.mesh.joints,
        hand.mask,
        changed,
        fingers,
        _measure_tone(hand),
        "photograph",
    )


def repaint(rng: np.random.Generator, hand: GoodHand) -> Pixels:
    """The good hand with some of its fingers painted anew where they are.

    Who learns to tell malformed hands from good ones must not learn to tell painted from
    photographed ones.
    """
    fingers = (rng.random(FINGERS) < REPAINTED) & EVERY_FINGER
    return _transplant(hand, hand.mesh, fingers) if fingers.any() else hand.picture


def repose(rng: np.random.Generator, hand: GoodHand) -> tuple[Pixels, Floats] | None:
    """The good hand with one to three fingers moved as fingers move; None if it does not show.

    Like `repaint`, for those that learn where fingers belong.

    Returns  the picture, and (21, 3) how far each landmark moved, in pixels.
    """
    limits, now = hand_template().limits, hand.pose.angles
    angles = now.copy()
    for finger in rng.permutation(5)[: rng.integers(1, 4)]:
        bend = np.radians(rng.choice([-1, 1]) * rng.uniform(*BENT))
        shares = rng.uniform(0.3, 1.2), rng.uniform(0.5, 1.2), 0.6
        angles[finger, 1:, BEND] += bend * np.array(shares)
        angles[finger, 1, ASIDE] += np.radians(rng.uniform(-ASIDE_BY, ASIDE_BY))
    angles = np.clip(angles, np.minimum(limits.low, now), np.maximum(limits.high, now))
    painted = _paint(hand, hand.build_surfaces(replace(hand.anatomy, angles=angles)))
    picture, changed = difference(hand.picture, painted)
    if changed.sum() < LEAST_CHANGED / 2 * hand.mask.sum():
        return None
    return picture, hand.move_joints(angles)


Made = tuple[Pixels, int]  # the picture, and how many fingers it shows


def _make_bones_wrong(kind: str) -> Callable[[np.random.Generator, GoodHand], Made]:
    def make(rng: np.random.Generator, hand: GoodHand) -> Made:
        defect = malform.BONES[kind](rng, hand_template(), hand.anatomy)
        return _paint(hand, hand.build_surfaces(defect.anatomy)), defect.fingers

    return make


def _ripple(rng: np.random.Generator, hand: GoodHand) -> Made:
    scale = float(np.exp(hand.pose.size)) * hand.unit
    metres = [
        replace(one, vertices=one.vertices / scale) for one in hand.build_surfaces(hand.anatomy)
    ]
    moved = malform.ripple(rng, metres, 0.006, 0.011, free_of_the_wrist)
    return _paint(hand, [replace(one, vertices=one.vertices * scale) for one in moved]), 5


def _swell(rng: np.random.Generator, hand: GoodHand) -> Made:
    good = hand.anatomy
    girth = good.girth.copy()
    for finger in rng.permutation(5)[: rng.integers(1, 4)]:
        girth[finger, 1:] *= rng.uniform(1.3, 1.75) if rng.random() < 0.7 else rng.uniform(0.5, 0.7)
    return _paint(hand, hand.build_surfaces(replace(good, girth=girth))), 5


def _twist(rng: np.random.Generator, hand: GoodHand) -> Made:
    good = hand.anatomy
    angles = good.angles.copy()
    for finger in rng.permutation(np.arange(1, 5))[: rng.integers(1, 3)]:
        angles[finger, 1, ASIDE] += rng.choice([-1, 1]) * np.radians(rng.uniform(16, 30))
        angles[finger, 1:, BEND] += np.radians(rng.uniform(-35, 35, 3))
    return _paint(hand, hand.build_surfaces(replace(good, angles=angles))), 5


def _melt(rng: np.random.Generator, hand: GoodHand) -> Made:
    return malform.melt(rng, hand.picture, np.asarray(hand.mesh.joints, np.float64)), 5


def _double_contour(rng: np.random.Generator, hand: GoodHand) -> Made:
    """A finger's end drawn a second time beside itself, half seen through."""
    joints = hand.mesh.joints[:, :2]
    length = hand.length
    finger = int(rng.integers(1, 5))
    points = joints[2 + 4 * finger : 5 + 4 * finger]
    along = points[-1] - points[0]
    aside = np.array([-along[1], along[0]]) / (np.linalg.norm(along) + 1e-6)
    shift = aside * rng.choice([-1, 1]) * rng.uniform(0.04, 0.08) * length
    area = np.zeros(hand.mask.shape, np.uint8)
    for first, second in itertools.pairwise(points):
        ends = [tuple(int(v) for v in np.round(p)) for p in (first, second)]
        cv2.line(area, ends[0], ends[1], 1, max(int(0.12 * length), 2))
    soft = cv2.GaussianBlur((area.astype(bool) & hand.mask).astype(np.float32), (0, 0), 1.0)
    step = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = hand.mask.shape[::-1]
    again = cv2.warpAffine(hand.picture, step, size, borderMode=cv2.BORDER_REFLECT_101)
    share = cv2.warpAffine(soft, step, size)[..., None] * rng.uniform(0.5, 0.9)
    mixed = share * again + (1 - share) * hand.picture
    return np.asarray(np.round(mixed), np.uint8), 5


_MAKE: dict[str, Callable[[np.random.Generator, GoodHand], Made]] = {
    **{kind: _make_bones_wrong(kind) for kind in malform.BONES},
    "rippled": _ripple,
    "melted": _melt,
    "swollen finger": _swell,
    "twisted finger": _twist,
    "double contour": _double_contour,
}


def _paint(hand: GoodHand, surfaces: Sequence[Surface]) -> Pixels:
    """The photograph with the hand as these surfaces are, painted with its own skin."""
    everything = np.arange(len(hand.mesh.vertices))
    origins = np.concatenate(
        [everything if one.origins is None else one.origins for one in surfaces]
    )
    starts = np.cumsum([0, *(len(one.vertices) for one in surfaces)])
    faces = np.concatenate(
        [one.faces + start for one, start in zip(surfaces, starts, strict=False)]
    )
    if hand.part.side == "left":
        faces = faces[:, ::-1]
    vertices = np.concatenate([one.vertices for one in surfaces]).astype(np.float32)
    seen = hand.mesh.vertices[origins]
    mesh = Mesh(vertices, np.ascontiguousarray(faces, np.int32), hand.mesh.joints, seen=seen)
    moved = np.linalg.norm((vertices - seen)[:, :2], axis=1) > SEEN_MOVE * hand.length
    finger = finger_of_vertices()[origins]
    wrong = np.array([f > PALM and moved[finger == f].mean() > 0.2 for f in range(FINGERS)])
    return _transplant(hand, mesh, wrong, origins)


def _transplant(
    hand: GoodHand,
    mesh: Mesh,
    wrong: NDArray[np.bool_],
    origins: NDArray[np.integer] | None = None,
) -> Pixels:
    """The photograph with these fingers (6,) of a mesh painted with the hand's own skin."""
    allowed = grow(draw_hull(mesh, hand.picture) | hand.mask, AROUND * hand.length)
    done = transplant(hand.picture, mesh, allowed, wrong=wrong, origins=origins)
    return hand.picture if done is None else done.onto(hand.picture)


def _measure_tone(hand: GoodHand) -> float:
    """Individual typology angle of the hand's median colour, degrees."""
    lab = cv2.cvtColor(hand.picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[hand.mask]
    lightness, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))
