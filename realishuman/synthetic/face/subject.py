"""A synthetic face: draw one, paint it, paint it malformed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.mesh.base import Mesh
from realishuman.mesh.embedded_face import EmbeddedFace
from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.cloth import draw_dyes, draw_fabric
from realishuman.synthetic.face import malform
from realishuman.synthetic.face.anatomy import FaceAnatomy
from realishuman.synthetic.face.atlas import draw_atlas
from realishuman.synthetic.face.build import draw_build
from realishuman.synthetic.face.expression import draw_expression
from realishuman.synthetic.face.hair import draw_cut
from realishuman.synthetic.face.look import Materials
from realishuman.synthetic.face.organs import EYEBALLS, HEAD, MOUTH, TEETH
from realishuman.synthetic.face.person import draw_person
from realishuman.synthetic.face.torso import clothes, torso
from realishuman.synthetic.malform import ripple
from realishuman.synthetic.noise import draw_lattice
from realishuman.synthetic.paint import Painting, paint
from realishuman.synthetic.pair import Subject
from realishuman.synthetic.pose import about
from realishuman.synthetic.posed import Surface
from realishuman.synthetic.scene import Camera, Scene, draw_camera, draw_scene

DISTANCES = (0.55, 1.6)  # metres from the camera
SHARES = (0.38, 0.57)  # of the side that the landmarks take: hair and neck want room
PLACES = (0.32, 0.68)  # of the room around them
KNIT = 0.3  # of a sleeve's relief: a jumper seen from farther away
SHADOWS = 0.24  # metres around the head
YAW, PITCH, ROLL = 40.0, 22.0, 25.0  # degrees, at most


@dataclass(frozen=True)
class _Face:
    """A clean face before its camera."""

    anatomy: FaceAnatomy
    materials: Materials
    body: list[Surface]
    scene: Scene
    camera: Camera
    mesh: Mesh

    def paint(self, anatomy: FaceAnatomy, surfaces: list[Surface] | None = None) -> Painting:
        """Paint an anatomy, or surfaces made from it, where this face is."""
        person = replace(self.materials.person, iris=anatomy.iris)
        blank = torch.tensor(anatomy.blank, dtype=torch.float32)
        look = replace(self.materials, person=person, blank=blank).look
        return paint(surfaces or anatomy.surfaces(self.body), self.camera, self.scene, look)


def draw_face(rng: np.random.Generator, side: int, kind: str) -> Subject:
    """Draw a face on which a defect of this kind, one of malform.KINDS, can be made."""
    face = _draw(rng, side)
    good = face.paint(face.anatomy)
    inside = np.isin(good.number, (*EYEBALLS, MOUTH, TEETH))
    mask = inside | ((good.number == HEAD) & (good.share > 0.5))
    return Subject(
        good.picture,
        mask,
        face.mesh,
        None,
        face.scene.skin.tone,
        face.anatomy.expression.family,
        lambda again: (_twin(again, face, good, kind), 0),
    )


def _draw(rng: np.random.Generator, side: int) -> _Face:
    scene = replace(draw_scene(rng, side), reach=SHADOWS)
    person = draw_person(rng, scene.skin)
    lattice = draw_lattice(rng)
    expression, cut = draw_expression(rng), draw_cut(rng, person.rugged)
    turn, stance = _draw_turns(rng)
    anatomy = FaceAnatomy(
        draw_build(rng, lattice, person.rugged),
        expression,
        cut,
        lattice,
        turn,
        stance,
        (float(rng.normal(1.0, 0.06)), float(rng.uniform(0.2, 0.45))),
        np.stack([expression.gaze, expression.gaze]),
        expression.lids,
        person.iris,
    )
    girth = float(1 + 0.12 * person.rugged + rng.normal(0, 0.04))
    broad = float(1 + 0.08 * person.rugged + rng.normal(0, 0.04))
    body = [torso(girth, broad), clothes(rng, girth, broad)]
    fabric = draw_fabric(rng, draw_dyes(rng))
    materials = Materials(
        person,
        cut,
        replace(fabric, knit=KNIT * fabric.knit),
        draw_atlas(rng, person),
        lattice,
        torch.zeros(0, 3),
        _catch(scene, turn),
    )
    landmarks = anatomy.landmarks()
    camera = draw_camera(rng, landmarks, side, DISTANCES, SHARES, PLACES)
    return _Face(anatomy, materials, body, scene, camera, _mesh(camera.project(landmarks)))


def _draw_turns(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw how the head is turned, and the body: about half as far."""
    yaw = rng.choice([rng.normal(0, 14), rng.uniform(-YAW, YAW)], p=[0.6, 0.4])
    pitch, roll = rng.normal(0, 8), rng.normal(0, 8)
    angles = np.radians(np.clip((yaw, pitch, roll), (-YAW, -PITCH, -ROLL), (YAW, PITCH, ROLL)))
    lean = np.radians(rng.normal(0, (12, 3, 3)))
    share = np.array([rng.uniform(0.2, 0.8), 0.2, 0.35])
    return _turn(angles), _turn(share * angles + lean)


def _turn(angles: Floats) -> Floats:
    """Rotation (3, 3) by yaw, pitch and roll, radians."""
    yaw, pitch, roll = (float(angle) for angle in angles)
    return np.asarray(about(2, roll) @ about(1, yaw) @ about(0, pitch))


def _catch(scene: Scene, turn: Floats) -> Tensor:
    """Where an eyeball mirrors the main lamp; the cornea is rounder, so half-way to the middle."""
    half = turn.T @ (scene.lights[0].direction - np.array([0, 0, 1.0]))
    half = half / np.linalg.norm(half) - np.array([0, 0.12, 0.8])
    return torch.tensor(half / np.linalg.norm(half), dtype=torch.float32)


def _mesh(landmarks: Floats) -> Mesh:
    """Return the mesh as the regressor makes it from landmarks in picture pixels."""
    keypoints = landmarks.astype(np.float32)
    part = Part("face", None, around(keypoints), 1.0, keypoints)
    (mesh,) = EmbeddedFace().regress(np.zeros((1, 1, 3), np.uint8), [part])
    return mesh


def _twin(rng: np.random.Generator, face: _Face, good: Painting, kind: str) -> NDArray[np.uint8]:
    """Paint a malformed twin."""
    if kind in malform.SMEARS:
        return malform.SMEARS[kind](rng, good.picture, face.mesh.joints.astype(np.float64))
    if kind == "rippled":
        surfaces = face.anatomy.surfaces(face.body)
        moved = ripple(rng, surfaces, *malform.RIPPLE, malform.loose)
        return face.paint(face.anatomy, moved).picture
    wrong = malform.SHAPES[kind](rng, face.anatomy)
    return face.paint(wrong).picture
