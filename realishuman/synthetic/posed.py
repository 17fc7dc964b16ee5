"""Bend the arm into a pose, with whatever is wrong with it: the surfaces that get painted.

Frame: axes of the camera (x right, y down, z away from the viewer), metres, origin at the wrist.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.embedded_hand import MIRROR, THICKNESS, surface
from realishuman.mesh.hand_joints import HandPose, Placed, landmarks, move
from realishuman.mesh.hand_template import Floats, HandTemplate
from realishuman.mesh.skinning import skin
from realishuman.synthetic.body import Body, Faces

STIFF = 0.012  # metres before the wrist from which on the skin follows the forearm
SOFT = 0.05  # metres over which it does
# Least share of a finger's bones in a vertex that is copied with it, and in one that stays.
OWN, FULL = 0.2, 0.97
ROOT = 0.2  # of the bone before, how far behind its joint a copy's root is drawn


@dataclass(frozen=True)
class Graft:
    """A second copy of a finger's end, where none belongs.

    finger, bone  it is copied from this bone on; 0 thumb .. 4 little, bones as in HandTemplate.
    angles        (5, 4, 3) the pose it is copied in, relative to rest.
    lengths       (5, 4) log bone lengths it is copied with.
    shift         (3,) metres from there to where it goes, in the rest frame.
    onto          joint of the same finger its first joint is put on; None to leave it.
    girth         its thickness over the finger's own.
    """

    finger: int
    bone: int
    angles: Floats
    lengths: Floats
    shift: Floats
    onto: int | None = None
    girth: float = 1.0


@dataclass(frozen=True)
class Anatomy:
    """One hand: its pose, its build and its defects.

    angles   (5, 4, 3) radians relative to rest.
    lengths  (5, 4) log bone lengths over the template's.
    wrist    (2,) radians: the forearm's bend and sideways turn against the hand.
    girth    (5, 4) thickness of each bone over a hand's own.
    grafts   what there is too much of.
    """

    angles: Floats
    lengths: Floats
    wrist: Floats
    girth: Floats = field(default_factory=lambda: np.ones((5, 4)))
    grafts: tuple[Graft, ...] = ()


@dataclass(frozen=True)
class Surface:
    """Something that can be painted.

    vertices  (V, 3) metres, frame of the module.
    faces     (F, 3) int32, outward.
    rest      (V, 3) metres, the same points at rest: where the texture is looked up.
    rest_faces  (F, 3) int32, outward at rest: not those of a mirrored hand.
    share     (V,) 0..1, how much of a region whose look differs: the thumb, or the face.
    number    0 or more for skin, each copy or piece its own; negative for cloth and all else.
    """

    vertices: Floats
    faces: Faces
    rest: Floats
    rest_faces: Faces
    share: Floats
    number: int
    origins: NDArray[np.intp] | None = None


def hand_pose(anatomy: Anatomy, rotation: Floats) -> HandPose:
    """Return the pose in the terms of the package's kinematics."""
    return HandPose(rotation, np.zeros(3), 0.0, anatomy.angles, anatomy.lengths)


def template_surface(
    template: HandTemplate, anatomy: Anatomy, rotation: Floats
) -> tuple[Floats, Floats]:
    """Return the posed template itself, vertices and 21 landmarks: what a regressor would find."""
    return surface(template, hand_pose(anatomy, rotation))


def bodies(
    template: HandTemplate, anatomy: Anatomy, rotation: Floats, arm: Body, cloth: Body | None
) -> list[Surface]:
    """Pose arm, grafts and, if given, the sleeve."""
    pose = hand_pose(anatomy, rotation)
    placed = move(template, pose)
    result = [_bent(template, arm, anatomy, pose, placed, 0)]
    for number, graft in enumerate(anatomy.grafts, start=1):
        result.append(_graft(template, arm, anatomy, rotation, placed, graft, number))
    if cloth is not None:
        result.append(_bent(template, cloth, anatomy, pose, placed, -1))
    return result


def _bent(
    template: HandTemplate,
    body: Body,
    anatomy: Anatomy,
    pose: HandPose,
    placed: Placed,
    number: int,
) -> Surface:
    """Skin a body: the bones carry the hand, the wrist's own bend the forearm."""
    share = np.clip((body.behind + STIFF) / SOFT, 0, 1)
    share = share * share * (3 - 2 * share)
    centre = template.landmarks[0]
    turned = _swing(body.vertices - centre, share * anatomy.wrist[0], 0, 1)
    turned = _swing(turned, share * anatomy.wrist[1], 1, 2) + centre
    linear = _linear(template, anatomy, pose, placed)
    moved = np.concatenate([pose.wrist[None], placed.pivots.reshape(20, 3)])
    vertices = skin(turned, body.weights, linear, template.pivots, moved)
    thumb = body.weights[:, 1:5].sum(1)
    return Surface(vertices, body.faces, body.vertices, body.faces, thumb, number)


def _linear(template: HandTemplate, anatomy: Anatomy, pose: HandPose, placed: Placed) -> Floats:
    """(21, 3, 3) turn and stretch of each skinning bone."""
    along = template.offsets / np.linalg.norm(template.offsets, axis=-1, keepdims=True)
    lengthwise = along[..., :, None] * along[..., None, :]
    thick = THICKNESS * anatomy.girth[..., None, None]
    grow = thick * np.eye(3) + (np.exp(anatomy.lengths)[..., None, None] - thick) * lengthwise
    wrist = pose.rotation * THICKNESS
    return np.concatenate([wrist[None], (placed.rotations @ grow).reshape(20, 3, 3)])


def _swing(points: Floats, angle: Floats, first: int, second: int) -> Floats:
    """Turn points (N, 3) in the plane of two axes, each by its own angle (N,)."""
    turned = points.copy()
    cosine, sine = np.cos(angle), np.sin(angle)
    turned[:, first] = cosine * points[:, first] - sine * points[:, second]
    turned[:, second] = sine * points[:, first] + cosine * points[:, second]
    return turned


def _graft(
    template: HandTemplate,
    arm: Body,
    anatomy: Anatomy,
    rotation: Floats,
    placed: Placed,
    graft: Graft,
    number: int,
) -> Surface:
    """Pose the whole arm as the graft wants it and keep the end of that finger."""
    girth = np.full((5, 4), graft.girth)
    other = Anatomy(graft.angles, graft.lengths, anatomy.wrist, girth)
    pose = hand_pose(other, rotation)
    again = move(template, pose)
    whole = _bent(template, arm, other, pose, again, number)
    first = 1 + 4 * graft.finger
    own = arm.weights[:, first + graft.bone : first + 4].sum(1)
    faces = arm.faces[(own > OWN)[arm.faces].all(axis=1)]
    shift = rotation @ graft.shift
    if graft.onto is not None:
        shift = shift + placed.pivots[graft.finger, graft.onto]
        shift = shift - again.pivots[graft.finger, graft.bone]
    used = np.unique(faces)
    index = np.zeros(len(own), np.int32)
    index[used] = np.arange(len(used), dtype=np.int32)
    faces = index[faces]
    # The open root is drawn together and back, into the flesh it grows from.
    pivot = again.pivots[graft.finger, graft.bone]
    root = pivot + ROOT * (again.pivots[graft.finger, graft.bone - 1] - pivot)
    share = np.clip((FULL - own[used]) / (FULL - OWN), 0, 1)[:, None]
    share = share * share * (3 - 2 * share)
    vertices = whole.vertices[used] + 0.9 * share * (root - whole.vertices[used])
    return Surface(
        vertices + shift, faces, whole.rest[used], faces, whole.share[used], number, used
    )


def pose_landmarks(template: HandTemplate, anatomy: Anatomy, rotation: Floats) -> Floats:
    """Return the 21 landmarks (21, 3)."""
    pose = hand_pose(anatomy, rotation)
    return landmarks(pose, move(template, pose))


def mirror(item: Surface) -> Surface:
    """Return the surface of the other side's hand."""
    return replace(item, vertices=item.vertices * MIRROR, faces=item.faces[:, ::-1])
