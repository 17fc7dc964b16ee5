"""The resting head: the face template with open eyes and mouth, grown on over the skull.

Frame: x right, y down, z inwards, metres, origin of the face template (between the eyes and the
mouth, behind the nose). The first 468 vertices are the landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.embedded_face import face_template, strip
from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.body import Faces, Indices, subdivide
from realishuman.synthetic.face import points

TEMPLATE_FACES = 898  # of the face proper; the rest are the rings of the mesh regressor
SKULL, RADII = np.array([0.0, -3.5, 4.0]), np.array([7.7, 9.3, 9.8])  # centimetres
OCCIPUT = np.array([0.0, 0.25, 1.0])  # direction from the skull's centre
RINGS = 12
ONTO_SKULL = 1.0  # radians from the face's rim until the surface is the skull's
FREE = 3  # rings behind the face that still move with it
EYELID = ((0.10, 0.24), (-0.25, 0.75))  # of each ring of a rim: cm into the hole, cm behind
LIP = ((0.12, 0.45), (-0.1, 1.1))
FIRM = 1e4  # weight of a handle against one of smoothness


@dataclass(frozen=True)
class Head:
    """A surface at rest and how it gives way when some of its points are moved.

    vertices  (V, 3) metres.
    faces     (F, 3) int32, outward.
    face      (V,) 1 on the face, 0 on the skull.
    handles   (H,) landmarks that can be moved.
    follow    (V, H) how far each vertex goes with each handle.
    """

    vertices: Floats
    faces: Faces
    face: Floats
    handles: NDArray[np.int64]
    follow: Floats

    def spread_moves(self, moves: dict[int, Floats]) -> Floats:
        """Return how far each vertex goes (V, 3) when handles go by `moves`, the others stay."""
        place = {int(handle): row for row, handle in enumerate(self.handles)}
        far = np.zeros((len(self.handles), 3))
        for landmark, move in moves.items():
            far[place[landmark]] = move
        return np.asarray(self.follow @ far)


@lru_cache(maxsize=1)
def head() -> Head:
    """Build the head; shared, do not write to it."""
    vertices, faces = _cut_open(face_template().vertices.copy(), face_template().faces)
    front = len(vertices)
    vertices, faces = _skull(vertices, faces, face_template().loop)
    handles = np.array(_handles(), np.int64)
    still = np.arange(front + FREE * len(face_template().loop), len(vertices))
    follow = _follow(vertices, faces, handles, still)
    share = (np.arange(len(vertices)) < front).astype(float)
    values = np.column_stack([vertices / 100, share, follow])
    values, cut = subdivide(values, faces)
    return Head(
        np.ascontiguousarray(values[:, :3]),
        np.ascontiguousarray(cut, np.int32),
        values[:, 3].clip(0, 1),
        handles,
        np.ascontiguousarray(values[:, 4:]),
    )


def landmark(number: int | tuple[int, ...]) -> Floats:
    """Return where landmarks are at rest, metres."""
    return np.asarray(head().vertices[np.array(number)])


def _cut_open(vertices: Floats, faces: Indices) -> tuple[Floats, Indices]:
    """Cut eyes and mouth out and turn their rims inwards, so that lids and lips have thickness."""
    faces = faces[:TEMPLATE_FACES]
    holes = (*points.EYES, points.INNER_LIPS)
    for hole in holes:
        faces = faces[~np.isin(faces, hole).all(axis=1)]
    edges = {(int(a), int(b)) for k in range(3) for a, b in faces[:, [k, (k + 1) % 3]]}
    for hole, profile in zip(holes, (EYELID, EYELID, LIP), strict=True):
        rim = np.array(hole if (hole[0], hole[1]) in edges else hole[::-1])
        outline = vertices[rim]
        inward = outline.mean(0) - outline
        inward[:, 2] = 0
        inward /= np.linalg.norm(inward, axis=1, keepdims=True)
        for into, behind in profile:
            ring = outline + into * inward + [0, 0, behind]
            fresh = len(vertices) + np.arange(len(rim))
            faces = np.concatenate([faces, strip(rim, fresh)])
            vertices, rim = np.concatenate([vertices, ring]), fresh
    return vertices, faces


def _skull(vertices: Floats, faces: Indices, loop: Indices) -> tuple[Floats, Indices]:
    """Let the surface run on from the face's rim over the skull to one point at its back."""
    off = vertices[loop] - SKULL
    radius = np.linalg.norm(off, axis=1, keepdims=True)
    start, end = off / radius, OCCIPUT / np.linalg.norm(OCCIPUT)
    arc = np.arccos(start @ end)[:, None]
    rim: Indices = loop
    for step in np.linspace(0, 1, RINGS + 2)[1:-1]:
        turned = (np.sin((1 - step) * arc) * start + np.sin(step * arc) * end) / np.sin(arc)
        share = np.clip(step * arc / ONTO_SKULL, 0, 1)
        share = share * share * (3 - 2 * share)
        skull = 1 / np.linalg.norm(turned / RADII, axis=1, keepdims=True)
        ring = SKULL + turned * ((1 - share) * radius + share * skull)
        fresh = len(vertices) + np.arange(len(loop))
        faces = np.concatenate([faces, strip(rim, fresh)])
        vertices, rim = np.concatenate([vertices, ring]), fresh
    pole = SKULL + end / np.linalg.norm(end / RADII)
    fan = np.stack([np.roll(rim, -1), rim, np.full(len(rim), len(vertices))], 1)
    return np.concatenate([vertices, pole[None]]), np.concatenate([faces, fan])


def _handles() -> list[int]:
    rows = [*points.EYES, points.OUTER_LIPS, points.INNER_LIPS, *points.ORBITS]
    rows += [*points.CHEEKS, *points.JAW, points.CHIN, points.NOSE, points.STILL]
    return [n for row in rows for n in row] + [n for brow in points.BROWS for n in brow[0]]


def _follow(vertices: Floats, faces: Indices, handles: Indices, still: Indices) -> Floats:
    """Spread moves of handles smoothly over the surface; `still` vertices stay.

    Source: bending energy, squared Laplacian, as in Botsch and Kobbelt 2004.
    """
    count = len(vertices)
    near = np.zeros((count, count))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        length = np.linalg.norm(vertices[faces[:, a]] - vertices[faces[:, b]], axis=1)
        near[faces[:, a], faces[:, b]] = near[faces[:, b], faces[:, a]] = 1 / (length + 0.05)
    laplace = np.eye(count) - near / near.sum(1, keepdims=True)
    held = np.concatenate([handles, still])
    system = laplace.T @ laplace
    system[held, held] += FIRM
    right = np.zeros((count, len(handles)))
    right[handles, np.arange(len(handles))] = FIRM
    return np.asarray(np.linalg.solve(system, right))
