"""Face meshes without downloads: the detector's 468 landmarks, triangulated and grown a little.

The landmarks are the surface. MediaPipe's canonical face gives the triangles, eyes and mouth
closed, and, laid over the landmarks, the directions in which two more rings continue the surface up
the forehead and round the temples, which a face mesh of the 3DMM family covers and the landmarks do
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realishuman.advice import command
from realishuman.detect.base import Part, Picture
from realishuman.errors import ModelError
from realishuman.mesh.align import align
from realishuman.mesh.base import Mesh
from realishuman.mesh.face_from_68 import place

Floats = NDArray[np.float64]

LANDMARKS, FEW = 468, 68
# How far the rings reach beyond the outermost landmarks, in heights of the face (measured, see
# docs/meshes.md), and how far back they turn on the way: as the surface itself does at its rim.
FOREHEAD, SIDES, CHIN = 0.06, 0.015, 0.01
SLOPE_ALONG, SLOPE_ACROSS = 0.5, 3.0
RINGS = (0.5, 1.0)


@dataclass(frozen=True)
class FaceTemplate:
    """The canonical face with its rings; frame of its vertices: x right, y down, z inwards.

    vertices  (468, 3).
    faces     (F, 3) int32, outward; the rings' vertices follow the landmarks, ring by ring.
    loop      (36,) int, the outermost landmarks in the order of their edges.
    growth    (36, 3) from a landmark of the loop to its vertex on the last ring.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    loop: NDArray[np.int64]
    growth: Floats


class EmbeddedFace:
    """Mesh regressor of faces; holds nothing but the template."""

    def __init__(self) -> None:
        """Read the template."""
        self._template = face_template()

    def regress(self, picture: Picture, parts: Sequence[Part]) -> list[Mesh]:
        """Return one mesh per face; `picture` is not looked at.

        The mesh is open at its last ring only; its first 468 vertices, and Mesh.joints, are the
        landmarks. Of a face with 68 keypoints these are the canonical face's, placed by them.
        Raises ModelError when a part is no face, or its landmarks are not finite or are one point.
        """
        return [self._mesh(number, part) for number, part in enumerate(parts)]

    @property
    def note(self) -> str:
        """Empty: there is no network."""
        return ""

    def release(self) -> None:
        """There is nothing to let go of."""

    def _mesh(self, number: int, part: Part) -> Mesh:
        points, face = _points(number, part), self._template
        if len(points) == FEW:
            points = place(face.vertices, points)
        rotation, size = align(face.vertices, points)
        growth = size * face.growth @ rotation.T
        rings = [points[face.loop] + share * growth for share in RINGS]
        vertices = np.concatenate([points, *rings]).astype(np.float32)
        return Mesh(vertices, face.faces.copy(), points.astype(np.float32))


def _points(number: int, part: Part) -> Floats:
    points = np.asarray(part.keypoints, np.float64)
    if points.shape not in ((LANDMARKS, 3), (FEW, 3)):
        raise ModelError(
            f"part {number} is a {part.kind} with keypoints of shape {points.shape}, but a face "
            f"mesh needs ({LANDMARKS}, 3) or ({FEW}, 3): pass only faces to this regressor"
        )
    if not np.isfinite(points).all():
        raise ModelError(
            f"face {number} has keypoints that are not finite: leave this face out, and check the "
            f"detector's files with `{command('doctor')}`"
        )
    if np.ptp(points[:, :2], axis=0).max() < 1e-3:
        raise ModelError(
            f"the keypoints of face {number} all lie at one point: leave this face out, or draw a "
            "box around it"
        )
    return points


@lru_cache(maxsize=1)
def face_template() -> FaceTemplate:
    """Read the shipped template and grow its rings; the arrays are shared, do not write to them."""
    source = resources.files("realishuman") / "assets" / "face" / "template.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
        # The file's y points up and its z out of the face.
        vertices = data["vertices"].astype(np.float64) * [1.0, -1.0, -1.0]
        faces = data["faces"].astype(np.int32)
    loop = _loop(faces)
    rings = [loop, *(LANDMARKS + len(loop) * n + np.arange(len(loop)) for n in range(len(RINGS)))]
    strips = [strip(inner, outer) for inner, outer in pairwise(rings)]
    return FaceTemplate(vertices, np.concatenate([faces, *strips]), loop, _growth(vertices[loop]))


def _loop(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Follow the edges that only one face has."""
    edges = {
        tuple(edge) for corners in ((0, 1), (1, 2), (2, 0)) for edge in faces[:, corners].tolist()
    }
    following = {a: b for a, b in edges if (b, a) not in edges}
    loop = [min(following)]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    return np.array(loop, np.int64)


def strip(inner: NDArray[np.int64], outer: NDArray[np.int64]) -> NDArray[np.int32]:
    """Two faces per edge between two rings; a shared edge runs the other way in its neighbour."""
    after_inner, after_outer = np.roll(inner, -1), np.roll(outer, -1)
    lower = np.stack([after_inner, inner, outer], axis=1)
    upper = np.stack([after_inner, outer, after_outer], axis=1)
    return np.concatenate([lower, upper]).astype(np.int32)


def _growth(loop: Floats) -> Floats:
    """Grow by FOREHEAD at the top, by SIDES at the sides and by CHIN at the chin."""
    height = np.ptp(loop[:, 1])
    outward = loop - loop.mean(0)
    outward[:, 2] = 0.0
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    # The squares of sine and cosine sum to one, so the outline stays smooth.
    across, along = outward[:, 0] ** 2, outward[:, 1] ** 2
    amount = height * (SIDES * across + np.where(outward[:, 1] < 0, FOREHEAD, CHIN) * along)
    outward[:, 2] = SLOPE_ALONG * along + SLOPE_ACROSS * across
    return np.asarray(outward * amount[:, None], np.float64)
