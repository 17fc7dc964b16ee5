"""Pairs from photographs: a good hand, and the same photograph with that hand made malformed.

A mesh is fitted to the good hand and bent as no hand bends; the transplant paints it with the
photograph's own skin. So the picture is real and its truth is known: the photograph itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.imaging.boxes import around
from realishuman.mesh.base import Mesh
from realishuman.mesh.embedded_hand import MIRROR, metric
from realishuman.mesh.hand_fit import Trust, fit
from realishuman.mesh.hand_joints import HandPose
from realishuman.mesh.hand_template import ASIDE, BEND, Floats, hand_template
from realishuman.paint.fields import grow
from realishuman.paint.hand_mask import segment
from realishuman.paint.scene import FINGERS, PALM, finger_of_vertices, set_scene
from realishuman.paint.transplant import EVERY_FINGER, transplant
from realishuman.synthetic import malform
from realishuman.synthetic.body import Body, distance_behind
from realishuman.synthetic.hand import free_of_the_wrist
from realishuman.synthetic.pair import SyntheticSample, difference
from realishuman.synthetic.pose import extended
from realishuman.synthetic.posed import Anatomy, Surface, bodies

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

KINDS = (*malform.KINDS, "swollen finger", "twisted finger", "double contour")
KINDS_OF_ANY = (
    *("bent finger", "stretched finger", "wrong phalanges", "missing finger"),
    *("rippled", "melted", "swollen finger", "double contour"),
)
KINDS_OF_A_FIST = ("rippled", "melted")
SURE = 0.8  # score of a detection that is taken for a good hand
APART = 0.6  # of the box's longer side: what may not reach nearer to its centre
SIDE = 2.6  # of the square around a hand, in longer sides of the joints' box
LARGEST = 384  # pixels of the square's side; larger photographs are made smaller
SMALLEST = 56  # pixels of the joints' box in it
ALIKE = 0.78  # IoU of the mesh's outline with the hand that is seen, for the mesh to be trusted
FIRM = Trust(image=0.008, length=0.12, stretch=0.3)  # a photographed hand has its own proportions
AROUND = 0.12  # of L: what may change around the hands
SEEN_MOVE = 0.012  # of L: a finger that moved less is not repainted
REPAINTED = 0.6  # chance of each finger
LEAST_CHANGED = 0.04  # of the hand's pixels


@dataclass(frozen=True)
class GoodHand:
    """A good hand in a photograph.

    picture  (h, w, 3) uint8 RGB, what the photograph shows of the square around it.
    part     as it was detected, in `picture`.
    pose     fitted, of a right hand; flip and unit take it to the picture's pixels.
    mask     (h, w) bool, the hand's pixels.
    mesh     of the pose, in the pixels of `picture`.
    """

    picture: Pixels
    part: Part
    pose: HandPose
    flip: Floats
    unit: float
    mask: Mask
    mesh: Mesh

    @property
    def length(self) -> float:
        """L, the longer side of the joints' box."""
        return float(np.ptp(self.mesh.joints[:, :2], axis=0).max())

    def posed(self, anatomy: Anatomy) -> list[Surface]:
        """The surfaces of an anatomy that stands as this hand stands, in pixels of `picture`."""
        made = bodies(hand_template(), anatomy, self.pose.rotation, _body(), None)
        return [replace(one, vertices=self._placed(one.vertices)) for one in made]

    def _placed(self, vertices: Floats) -> Floats:
        wrist, size = self.pose.wrist, np.exp(self.pose.size)
        return np.asarray((vertices * size + wrist) * self.flip * self.unit, np.float64)


def good_hand(
    photograph: Picture, part: Part, others: Sequence[Part], largest: int = LARGEST
) -> GoodHand | None:
    """A hand found in a photograph; None where its mesh cannot be trusted.

    photograph  (H, W, 3) uint8 RGB; its hands count as well-formed.
    others      the other hands in it.
    largest     pixels of the side of `picture`: hands that are larger are made smaller.
    """
    if part.score < SURE or part.doubt or not all(_apart(part, other) for other in others):
        return None
    return _good_hand(*_cut(photograph, part, largest))


def showing(hand: GoodHand) -> tuple[str, ...]:
    """Those of KINDS that show on this hand: bones only where fingers are extended."""
    straight = extended(hand_template(), hand.pose.angles)
    if len(straight) >= 2:
        return KINDS
    return KINDS_OF_ANY if straight else KINDS_OF_A_FIST


def malformed(rng: np.random.Generator, hand: GoodHand, kind: str) -> SyntheticSample | None:
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
        _tone(hand),
        "photograph",
    )


def repainted(rng: np.random.Generator, hand: GoodHand) -> Pixels:
    """The good hand with some of its fingers painted anew where they are.

    Who learns to tell malformed hands from good ones must not learn to tell painted from
    photographed ones.
    """
    fingers = (rng.random(FINGERS) < REPAINTED) & EVERY_FINGER
    return _transplanted(hand, hand.mesh, fingers) if fingers.any() else hand.picture


def _apart(part: Part, other: Part) -> bool:
    """Whether another hand is out of a hand's square: skin on skin cannot be told apart."""
    box, its = around(part.keypoints), around(other.keypoints)
    far = np.abs(np.subtract(its.centre, box.centre)).max()
    return bool(far > APART * box.longer_side + its.longer_side / 2)


def _cut(photograph: Picture, part: Part, largest: int) -> tuple[Pixels, Part]:
    """What the photograph shows of the square around a hand, and the hand in it."""
    box = around(part.keypoints)
    side = SIDE * box.longer_side
    height, width = photograph.shape[:2]
    left, top = (max(round(c - side / 2), 0) for c in box.centre)
    right, bottom = (
        min(round(c + side / 2), most) for c, most in zip(box.centre, (width, height), strict=True)
    )
    square = photograph[top:bottom, left:right]
    scale = min(1.0, largest / side)
    size = tuple(max(round(s * scale), 1) for s in (right - left, bottom - top))
    small = cv2.resize(square, size, interpolation=cv2.INTER_AREA)
    scales = np.divide(size, (right - left, bottom - top))
    points = np.array(part.keypoints, np.float32)
    points[:, :2] = (points[:, :2] - (left, top)) * scales
    points[:, 2] *= scales.mean()
    placed = replace(part, keypoints=points, box=around(points))
    return np.ascontiguousarray(small), placed


def _good_hand(picture: Pixels, part: Part) -> GoodHand | None:
    if around(part.keypoints).longer_side < SMALLEST:
        return None
    target, unit = metric(0, part)
    flip = MIRROR if part.side == "left" else np.ones(3)
    pose = fit(hand_template(), target * flip, FIRM)
    empty = np.zeros(picture.shape[:2], bool)
    bare = Mesh(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32)
    )
    hand = GoodHand(picture, part, pose, flip, unit, empty, bare)
    (own,) = hand.posed(Anatomy(pose.angles, pose.lengths, np.zeros(2)))
    faces = own.faces[:, ::-1] if part.side == "left" else own.faces
    mesh = Mesh(
        own.vertices.astype(np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.asarray(part.keypoints, np.float32),
    )
    length = around(part.keypoints).longer_side
    scene = set_scene(picture, mesh, grow(_covered(mesh, picture), AROUND * length))
    mask = empty.copy()
    rows, columns = scene.allowed.shape
    window = (slice(scene.top, scene.top + rows), slice(scene.left, scene.left + columns))
    ours, seen = scene.good.coverage & ~scene.beyond, segment(scene) & ~scene.beyond
    if (ours & seen).sum() < ALIKE * (ours | seen).sum():
        return None
    mask[window] = seen
    return replace(hand, mask=mask, mesh=mesh)


def _covered(mesh: Mesh, picture: Pixels) -> Mask:
    """Where a mesh lies, roughly: the hull of its faces."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    triangles = mesh.vertices[mesh.faces][..., :2]
    cv2.fillPoly(mask, list(np.round(triangles).astype(np.int32)), 1)
    return mask.astype(bool)


def _body() -> Body:
    template = hand_template()
    return Body(
        template.vertices,
        template.faces,
        template.weights,
        distance_behind(template, template.vertices),
    )


def _anatomy(hand: GoodHand) -> Anatomy:
    return Anatomy(hand.pose.angles, hand.pose.lengths, np.zeros(2))


Made = tuple[Pixels, int]  # the picture, and how many fingers it shows


def _with_bones(kind: str) -> Callable[[np.random.Generator, GoodHand], Made]:
    def make(rng: np.random.Generator, hand: GoodHand) -> Made:
        defect = malform.BONES[kind](rng, hand_template(), _anatomy(hand))
        return _painted(hand, hand.posed(defect.anatomy)), defect.fingers

    return make


def _rippled(rng: np.random.Generator, hand: GoodHand) -> Made:
    scale = float(np.exp(hand.pose.size)) * hand.unit
    metres = [replace(one, vertices=one.vertices / scale) for one in hand.posed(_anatomy(hand))]
    moved = malform.rippled(rng, metres, 0.006, 0.011, free_of_the_wrist)
    return _painted(hand, [replace(one, vertices=one.vertices * scale) for one in moved]), 5


def _swollen(rng: np.random.Generator, hand: GoodHand) -> Made:
    good = _anatomy(hand)
    girth = good.girth.copy()
    for finger in rng.permutation(5)[: rng.integers(1, 4)]:
        girth[finger, 1:] *= rng.uniform(1.3, 1.75) if rng.random() < 0.7 else rng.uniform(0.5, 0.7)
    return _painted(hand, hand.posed(replace(good, girth=girth))), 5


def _twisted(rng: np.random.Generator, hand: GoodHand) -> Made:
    good = _anatomy(hand)
    angles = good.angles.copy()
    for finger in rng.permutation(np.arange(1, 5))[: rng.integers(1, 3)]:
        angles[finger, 1, ASIDE] += rng.choice([-1, 1]) * np.radians(rng.uniform(16, 30))
        angles[finger, 1:, BEND] += np.radians(rng.uniform(-35, 35, 3))
    return _painted(hand, hand.posed(replace(good, angles=angles))), 5


def _melted(rng: np.random.Generator, hand: GoodHand) -> Made:
    return malform.melted(rng, hand.picture, np.asarray(hand.mesh.joints, np.float64)), 5


def _doubled(rng: np.random.Generator, hand: GoodHand) -> Made:
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
    **{kind: _with_bones(kind) for kind in malform.BONES},
    "rippled": _rippled,
    "melted": _melted,
    "swollen finger": _swollen,
    "twisted finger": _twisted,
    "double contour": _doubled,
}


def _painted(hand: GoodHand, surfaces: Sequence[Surface]) -> Pixels:
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
    return _transplanted(hand, mesh, wrong, origins)


def _transplanted(
    hand: GoodHand,
    mesh: Mesh,
    wrong: NDArray[np.bool_],
    origins: NDArray[np.integer] | None = None,
) -> Pixels:
    """The photograph with these fingers (6,) of a mesh painted with the hand's own skin."""
    allowed = grow(_covered(mesh, hand.picture) | hand.mask, AROUND * hand.length)
    done = transplant(hand.picture, mesh, allowed, wrong=wrong, origins=origins)
    return hand.picture if done is None else done.onto(hand.picture)


def _tone(hand: GoodHand) -> float:
    """Individual typology angle of the hand's median colour, degrees."""
    lab = cv2.cvtColor(hand.picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[hand.mask]
    lightness, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))
