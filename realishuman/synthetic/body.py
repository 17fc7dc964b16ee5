"""The hand with its forearm as one closed skin, fine enough to be looked at; and sleeves.

The template ends in a stump. Here the stump is cut off and the skin runs on from the very vertices
of the cut, so that no ring shows at the wrist. Everything is in the rest frame of the template.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.hand_template import Floats, HandTemplate, hand_template

Faces = NDArray[np.int32]
Indices = NDArray[np.signedinteger]

CUT = 0.006  # metres behind the wrist where the stump is cut
FOREARM = 0.46
RINGS = 26
BLEND = 0.05  # metres over which the cut's outline becomes an ellipse
# Metres behind the wrist, half thickness, half width of a forearm.
_PROFILE = np.array(
    [
        (0.00, 0.0185, 0.0265),
        (0.04, 0.0195, 0.0265),
        (0.09, 0.0240, 0.0305),
        (0.16, 0.0320, 0.0375),
        (0.24, 0.0380, 0.0410),
        (0.46, 0.0420, 0.0420),
    ]
)


@dataclass(frozen=True)
class Body:
    """A surface at rest.

    vertices  (V, 3) metres; also where its texture is looked up.
    faces     (F, 3) int32, outward.
    weights   (V, 21) share of each skinning bone, as HandTemplate has them.
    behind    (V,) metres behind the wrist, negative towards the fingers.
    """

    vertices: Floats
    faces: Faces
    weights: Floats
    behind: Floats


@lru_cache(maxsize=1)
def arm() -> Body:
    """Return hand and forearm as one smooth surface; shared, do not write to it."""
    template = hand_template()
    behind = distance_behind(template, template.vertices)
    faces: Indices = template.faces[(behind[template.faces] <= CUT).all(axis=1)]
    used = np.unique(faces)
    number = np.full(len(behind), -1)
    number[used] = np.arange(len(used))
    faces = number[faces]
    vertices, weights = template.vertices[used], template.weights[used]
    vertices, faces = _grow(template, vertices, faces)
    grown = np.zeros((len(vertices) - len(weights), 21))
    grown[:, 0] = 1.0
    both, faces = subdivide(
        np.concatenate([vertices, np.concatenate([weights, grown])], axis=1), faces
    )
    vertices, weights = np.ascontiguousarray(both[:, :3]), np.ascontiguousarray(both[:, 3:])
    return Body(vertices, faces.astype(np.int32), weights, distance_behind(template, vertices))


def distance_behind(template: HandTemplate, points: Floats) -> Floats:
    """Return how many metres points (N, 3) lie behind the wrist, seen from the middle knuckle."""
    back = template.landmarks[0] - template.landmarks[9]
    return np.asarray((points - template.landmarks[0]) @ (back / np.linalg.norm(back)))


def outline(distance: Floats) -> tuple[Floats, Floats]:
    """Return half thickness and half width of a forearm, metres, at distances behind the wrist."""
    thick, wide = (np.interp(distance, _PROFILE[:, 0], _PROFILE[:, k]) for k in (1, 2))
    return thick, wide


def sleeve(rng: np.random.Generator, start: float, ease: float) -> Body:
    """Return a sleeve that begins `start` metres behind the wrist, `ease` metres off the skin."""
    template = hand_template()
    around, along = 72, 60
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    distance = start + (FOREARM - start) * np.linspace(0, 1, along) ** 1.3
    cuff = start + rng.uniform(0.015, 0.03) if rng.random() < 0.6 else start
    fold = np.zeros((along, around))
    for _ in range(9):
        waves, slope = rng.integers(1, 4), rng.uniform(60, 220)
        fold += np.sin(waves * turn + slope * distance[:, None] + rng.uniform(0, 7)) / 9
    loose = np.clip((distance - cuff) / 0.03, 0, 1)[:, None]
    off = ease * (0.75 + 0.5 * loose + 0.9 * loose * fold) + 0.0025 * (distance[:, None] < cuff)
    # The hem turns inwards, so that the cloth has a thickness where it ends.
    distance = np.concatenate([[start + 0.006, start - 0.0005], distance])
    off = np.concatenate([np.full((1, around), 0.0006), off[:1] - 0.001, off])
    thick, wide = outline(distance)
    thick, wide = thick[:, None] + off, wide[:, None] + off
    centre, across, side, back = _frame(template)
    points = (
        centre
        + distance[:, None, None] * back
        + (thick * np.cos(turn))[..., None] * across
        + (wide * np.sin(turn))[..., None] * side
    )
    vertices = points.reshape(-1, 3)
    faces = outward(vertices, grid(len(distance), around), centre + 0.3 * back)
    weights = np.zeros((len(vertices), 21))
    weights[:, 0] = 1.0
    return Body(vertices, faces.astype(np.int32), weights, np.repeat(distance, around))


def grid(rows: int, around: int) -> Indices:
    """Return the triangles between the neighbours of closed rings of vertices."""
    index = np.arange(rows * around).reshape(rows, around)
    here, there = index[:-1], index[1:]
    next_here, next_there = np.roll(here, -1, 1), np.roll(there, -1, 1)
    halves = ((here, there, next_here), (next_here, there, next_there))
    return np.concatenate([np.stack(half, -1).reshape(-1, 3) for half in halves])


def outward(vertices: Floats, faces: Indices, inside: Floats) -> Indices:
    """Turn all faces round if most look at a point inside."""
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return faces if np.median((normal * (corner[:, 0] - inside)).sum(1)) > 0 else faces[:, ::-1]


def _frame(template: HandTemplate) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the middle of the wrist and the directions out of its back, across it, behind it."""
    back = template.landmarks[0] - template.landmarks[9]
    back /= np.linalg.norm(back)
    near = np.abs(distance_behind(template, template.vertices)) < 0.004
    centre = template.vertices[near].min(0) / 2 + template.vertices[near].max(0) / 2
    centre = centre - ((centre - template.landmarks[0]) @ back) * back
    side = np.array([0.0, 0.0, 1.0]) - back[2] * back
    side /= np.linalg.norm(side)
    return centre, np.cross(side, back), side, back


def _grow(template: HandTemplate, vertices: Floats, faces: Indices) -> tuple[Floats, Indices]:
    """Let the skin run on from the rim of the cut into a forearm."""
    rim = _rim(faces)
    centre, across, side, back = _frame(template)
    off = vertices[rim] - centre
    start = off @ back
    turn = np.arctan2(off @ side / _PROFILE[0, 2], off @ across / _PROFILE[0, 1])
    steps = np.linspace(0, 1, RINGS + 1)[1:] ** 1.4
    for step in steps:
        distance = start + step * (FOREARM - start)
        thick, wide = outline(distance)
        ellipse = (thick * np.cos(turn))[:, None] * across + (wide * np.sin(turn))[:, None] * side
        rest = off - start[:, None] * back
        share = np.clip((distance - start) / BLEND, 0, 1)[:, None]
        share = share * share * (3 - 2 * share)
        ring = centre + distance[:, None] * back + (1 - share) * rest + share * ellipse
        fresh = len(vertices) + np.arange(len(rim))
        near, near_next, far_next = rim, np.roll(rim, -1), np.roll(fresh, -1)
        quads = [(near_next, near, fresh), (near_next, fresh, far_next)]
        faces = np.concatenate([faces, *(np.stack(quad, 1) for quad in quads)])
        vertices, rim = np.concatenate([vertices, ring]), fresh
    return vertices, faces


def _rim(faces: Indices) -> Indices:
    """Return the vertices of the one open edge, in the direction of its faces."""
    edges = {
        (int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)
    }
    following = {a: b for a, b in edges if (b, a) not in edges}
    rim = [min(following)]
    while following[rim[-1]] != rim[0]:
        rim.append(following[rim[-1]])
    return np.array(rim)


def subdivide(values: Floats, faces: Indices) -> tuple[Floats, Indices]:
    """Cut each face into four and smooth; columns of values (V, C) are all treated as positions.

    Source: Loop 1987, with Warren's simpler weights; vertices of an open edge stay.
    """
    pairs = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    edges, which, count = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    across = np.zeros((len(edges), values.shape[1]))
    np.add.at(across, which, values[opposite])
    ends = values[edges].sum(1)
    inner = (count == 2)[:, None]
    middle = np.where(inner, 3 / 8 * ends + across / 8, ends / 2)

    near, degree = np.zeros_like(values), np.zeros((len(values), 1))
    for a, b in (edges.T, edges.T[::-1]):
        np.add.at(near, a, values[b])
        np.add.at(degree, a, 1)
    share = np.where(degree == 3, 3 / 16, 3 / (8 * degree))
    moved = (1 - degree * share) * values + share * near
    fixed = np.unique(edges[~inner[:, 0]])
    moved[fixed] = values[fixed]

    m01, m12, m20 = len(values) + which.reshape(3, -1)
    a, b, c = faces.T
    corners = [(a, m01, m20), (b, m12, m01), (c, m20, m12), (m01, m12, m20)]
    fine = np.concatenate([np.stack(corner, 1) for corner in corners])
    return np.concatenate([moved, middle]), fine
