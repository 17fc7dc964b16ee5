"""A good hand of a photograph: cut out, its mesh fitted, its pixels told from the others.

Only hands that are found surely, that stand apart from others and on which the mesh lies count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.imaging.boxes import around
from realishuman.mesh.base import Mesh
from realishuman.mesh.embedded_hand import MIRROR, metric
from realishuman.mesh.hand_fit import Trust, fit
from realishuman.mesh.hand_joints import HandPose, landmarks, move
from realishuman.mesh.hand_template import Floats, hand_template
from realishuman.paint.fields import grow
from realishuman.paint.hand_mask import segment
from realishuman.paint.scene import set_scene
from realishuman.synthetic.body import Body, distance_behind
from realishuman.synthetic.posed import Anatomy, Surface, bodies

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SURE = 0.8  # score of a detection that is taken for a good hand
APART = 0.6  # of the box's longer side: what may not reach nearer to its centre
SIDE = 2.6  # of the square around a hand, in longer sides of the joints' box
LARGEST = 384  # pixels of the square's side; larger photographs are made smaller
SMALLEST = 56  # pixels of the joints' box in it
ALIKE = 0.78  # IoU of the mesh's outline with the hand that is seen, for the mesh to be trusted
FIRM = Trust(image=0.008, length=0.12, stretch=0.3)  # a photographed hand has its own proportions
AROUND = 0.12  # of L: what may change around the hands


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

    @property
    def anatomy(self) -> Anatomy:
        """As the pose has it."""
        return Anatomy(self.pose.angles, self.pose.lengths, np.zeros(2))

    def build_surfaces(self, anatomy: Anatomy) -> list[Surface]:
        """The surfaces of an anatomy that stands as this hand stands, in pixels of `picture`."""
        made = bodies(hand_template(), anatomy, self.pose.rotation, _build_body(), None)
        return [replace(one, vertices=self._place(one.vertices)) for one in made]

    def move_joints(self, angles: Floats) -> Floats:
        """(21, 3) how far the landmarks move, in pixels, with the joints at these angles."""
        template = hand_template()
        bent = replace(self.pose, angles=angles)
        after, before = (landmarks(one, move(template, one)) for one in (bent, self.pose))
        return np.asarray((after - before) * self.flip * self.unit, np.float64)

    def _place(self, vertices: Floats) -> Floats:
        wrist, size = self.pose.wrist, np.exp(self.pose.size)
        return np.asarray((vertices * size + wrist) * self.flip * self.unit, np.float64)


def fit_good_hand(
    photograph: Picture, part: Part, others: Sequence[Part], largest: int = LARGEST
) -> GoodHand | None:
    """A hand found in a photograph; None where its mesh cannot be trusted.

    photograph  (H, W, 3) uint8 RGB; its hands count as well-formed.
    others      the other hands in it.
    largest     pixels of the side of `picture`: hands that are larger are made smaller.
    """
    if part.score < SURE or part.doubt or not all(_apart(part, other) for other in others):
        return None
    return _fit(*_cut(photograph, part, largest))


def draw_hull(mesh: Mesh, picture: Pixels) -> Mask:
    """Where a mesh lies, roughly: the hull of its faces."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    triangles = mesh.vertices[mesh.faces][..., :2]
    cv2.fillPoly(mask, list(np.round(triangles).astype(np.int32)), 1)
    return mask.astype(bool)


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


def _fit(picture: Pixels, part: Part) -> GoodHand | None:
    """The hand in the square around it, if its mesh lies on what is seen of it."""
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
    (own,) = hand.build_surfaces(hand.anatomy)
    faces = own.faces[:, ::-1] if part.side == "left" else own.faces
    mesh = Mesh(
        own.vertices.astype(np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.asarray(part.keypoints, np.float32),
    )
    length = around(part.keypoints).longer_side
    scene = set_scene(picture, mesh, grow(draw_hull(mesh, picture), AROUND * length))
    mask = empty.copy()
    rows, columns = scene.allowed.shape
    window = (slice(scene.top, scene.top + rows), slice(scene.left, scene.left + columns))
    ours, seen = scene.good.coverage & ~scene.beyond, segment(scene) & ~scene.beyond
    if (ours & seen).sum() < ALIKE * (ours | seen).sum():
        return None
    mask[window] = seen
    return replace(hand, mask=mask, mesh=mesh)


def _build_body() -> Body:
    template = hand_template()
    return Body(
        template.vertices,
        template.faces,
        template.weights,
        distance_behind(template, template.vertices),
    )
