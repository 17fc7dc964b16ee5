"""A synthetic hand: draw one, paint it, paint it malformed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.mesh.base import Mesh
from realishuman.mesh.embedded_hand import MIRROR
from realishuman.mesh.hand_template import Floats, hand_template
from realishuman.synthetic import malform
from realishuman.synthetic.body import arm
from realishuman.synthetic.cloth import woven
from realishuman.synthetic.paint import Painting, paint
from realishuman.synthetic.pair import Subject
from realishuman.synthetic.pose import (
    FAMILIES,
    draw_angles,
    draw_lengths,
    draw_rotation,
)
from realishuman.synthetic.posed import (
    Anatomy,
    Surface,
    bodies,
    mirror,
    template_surface,
)
from realishuman.synthetic.scene import Camera, Scene, draw_camera, draw_scene
from realishuman.synthetic.skin import Look, skin_look

HAND_END = 0.066  # y of the resting hand, metres, where the forearm begins
WRIST_FREE = 0.02  # metres around the wrist that ripples leave alone


@dataclass(frozen=True)
class Hand:
    """A clean hand before its camera."""

    anatomy: Anatomy
    rotation: Floats
    scene: Scene
    camera: Camera
    family: str
    mesh: Mesh

    @property
    def side(self) -> str:
        """ "left" or "right"."""
        return "left" if self.scene.left else "right"

    def posed(self, anatomy: Anatomy, rotation: Floats, scene: Scene, camera: Camera) -> Hand:
        """The same hand in another pose, before another camera."""
        return _build(anatomy, rotation, scene, camera, self.family)

    def mask_of(self, painting: Painting) -> NDArray[np.bool_]:
        """The pixels that show the hand without the forearm."""
        near = np.nan_to_num(painting.rest[..., 1], nan=1.0) < HAND_END
        return np.asarray((painting.number >= 0) & near, bool)

    def surfaces(self, anatomy: Anatomy) -> list[Surface]:
        """Pose an anatomy as this hand is posed."""
        cloth = self.scene.cloth.body if self.scene.cloth else None
        posed = bodies(hand_template(), anatomy, self.rotation, arm(), cloth)
        return [mirror(item) for item in posed] if self.scene.left else posed

    def paint(self, surfaces: list[Surface]) -> Painting:
        """Paint surfaces where this hand is."""
        return paint(surfaces, self.camera, self.scene, self._look)

    def _look(self, rest: Tensor, normals: Tensor, thumb: Tensor, number: Tensor) -> Look:
        """Look up skin and cloth at all seen points."""
        scene = self.scene
        look = skin_look(scene.skin, scene.lattice, rest, normals, thumb)
        cloth = number < 0
        if scene.cloth is None or not bool(cloth.any()):
            return look
        sleeve = woven(scene.cloth.fabric, scene.lattice, rest[cloth])
        for whole, part in zip(vars(look).values(), vars(sleeve).values(), strict=True):
            whole[cloth] = part
        return look


def draw_hand(rng: np.random.Generator, side: int, kind: str) -> Subject:
    """Draw a hand in a pose in which a defect of this kind, one of malform.KINDS, shows."""
    hand = draw_hand_for(rng, side, kind)
    good = hand.paint(hand.surfaces(hand.anatomy))
    return Subject(
        good.picture,
        hand.mask_of(good),
        hand.mesh,
        hand.side,
        hand.scene.skin.tone,
        hand.family,
        lambda again: _twin(again, hand, good, kind),
    )


def draw_hand_for(rng: np.random.Generator, side: int, kind: str) -> Hand:
    """Draw a hand in a pose in which a defect of this kind shows, and all around it."""
    family = str(rng.choice(malform.FAMILIES_OF.get(kind, FAMILIES)))
    angles = draw_angles(rng, hand_template(), family)
    wrist = np.clip(rng.normal(0, (0.25, 0.12)), -0.6, 0.6)
    anatomy = Anatomy(angles, draw_lengths(rng), wrist)
    rotation = draw_rotation(rng)
    scene = draw_scene(rng, side)
    vertices, _ = _stand(anatomy, rotation, scene)
    return _build(anatomy, rotation, scene, draw_camera(rng, vertices, side), family)


def _build(anatomy: Anatomy, rotation: Floats, scene: Scene, camera: Camera, family: str) -> Hand:
    vertices, joints = _stand(anatomy, rotation, scene)
    faces = hand_template().faces
    mesh = Mesh(
        camera.project(vertices).astype(np.float32),
        np.ascontiguousarray(faces[:, ::-1] if scene.left else faces, np.int32),
        camera.project(joints).astype(np.float32),
    )
    return Hand(anatomy, rotation, scene, camera, family, mesh)


def _stand(anatomy: Anatomy, rotation: Floats, scene: Scene) -> tuple[Floats, Floats]:
    """Vertices and landmarks of the bare hand, in metres."""
    flip = MIRROR if scene.left else np.ones(3)
    vertices, joints = template_surface(hand_template(), anatomy, rotation)
    return vertices * flip, joints * flip


def _twin(
    rng: np.random.Generator, hand: Hand, good: Painting, kind: str
) -> tuple[NDArray[np.uint8], int]:
    """Paint a malformed twin; also return its number of fingers."""
    if kind == "melted":
        return malform.melt(rng, good.picture, hand.mesh.joints.astype(np.float64)), 5
    if kind == "rippled":
        surfaces = malform.ripple(rng, hand.surfaces(hand.anatomy), 0.008, 0.014, free_of_the_wrist)
        return hand.paint(surfaces).picture, 5
    defect = malform.BONES[kind](rng, hand_template(), hand.anatomy)
    return hand.paint(hand.surfaces(defect.anatomy)).picture, defect.fingers


def free_of_the_wrist(item: Surface) -> Floats | None:
    """Ripples are strongest at the fingers and leave cloth alone."""
    if item.number < 0:
        return None
    ahead = 0.048 - item.rest[:, 1]  # metres before the wrist, at rest
    return np.asarray(np.clip((ahead - WRIST_FREE) / 0.05, 0, 1))
