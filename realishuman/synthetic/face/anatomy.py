"""One head, its expression and its defects, turned into surfaces to paint.

Frame: axes of the camera (x right, y down, z away from the viewer), metres, origin of head.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from realishuman.mesh.embedded_face import LANDMARKS
from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.face.build import Build
from realishuman.synthetic.face.expression import Expression, Moves, moves
from realishuman.synthetic.face.hair import Cut, hair
from realishuman.synthetic.face.head import head
from realishuman.synthetic.face.organs import HEAD, ears, eyeball, mouth, surface
from realishuman.synthetic.posed import Surface

PIVOT = np.array([0.0, 0.075, 0.05])  # where a head turns on its neck


@dataclass(frozen=True)
class Move:
    """A defect: handles that go elsewhere together.

    handles  landmarks.
    shift    (3,) metres.
    grow     by how much they spread from their middle.
    tilt     radians, in the plane of the face.
    """

    handles: tuple[int, ...]
    shift: Floats
    grow: float = 1.0
    tilt: float = 0.0

    def of(self, face: Floats) -> Moves:
        """Return where each handle of a face (V, 3) goes, metres."""
        here = face[list(self.handles)]
        off = here - here.mean(0)
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        turned = off @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        far = self.grow * turned - off + self.shift
        return dict(zip(self.handles, far, strict=True))


@dataclass(frozen=True)
class FaceAnatomy:
    """One head, looking where it looks.

    turn       (3, 3) of the head; stance (3, 3) of the body.
    ears       size, and radians they stand off.
    gaze       (2, 2) radians of the right and the left eye.
    lids       (2,) how far they are open.
    iris       (2, 3) linear RGB.
    eye_sizes  (2,) over a usual one.
    moves      defects.
    blank      (K, 3) metres at rest, around which nothing is drawn on the skin.
    """

    build: Build
    expression: Expression
    cut: Cut
    lattice: Tensor
    turn: Floats
    stance: Floats
    ears: tuple[float, float]
    gaze: Floats
    lids: Floats
    iris: Floats
    eye_sizes: Floats = field(default_factory=lambda: np.ones(2))
    moves: tuple[Move, ...] = ()
    blank: Floats = field(default_factory=lambda: np.zeros((0, 3)))

    def face(self) -> tuple[Floats, Floats]:
        """Return the head's vertices (V, 3) at rest, and with its expression and defects."""
        shaped = self.build.shape(head().vertices)
        total = moves(shaped, replace(self.expression, lids=self.lids))
        for defect in self.moves:
            after = shaped.copy()
            after[list(total)] += np.array(list(total.values()))
            for handle, far in defect.of(after).items():
                total[handle] = total.get(handle, np.zeros(3)) + far
        return shaped, shaped + head().spread_moves(total)

    def surfaces(self, body: list[Surface]) -> list[Surface]:
        """Return everything there is to paint; `body` stands as the head's own frame does."""
        shaped, face = self.face()
        skin = surface(face, head().faces, head().vertices, HEAD, head().face)
        parts = [skin, *mouth(face, self.expression.open_)]
        for side in range(2):
            if self.lids[side] > 0:
                parts.append(eyeball(face, side, self.gaze[side], float(self.eye_sizes[side])))
        for ear in ears(*self.ears):
            parts.append(replace(ear, vertices=self.build.shape(ear.vertices)))
        parts += hair(self.cut, self.lattice, shaped)
        placed = [_turn(part, self.turn) for part in parts]
        return placed + [_turn(part, self.stance) for part in body]

    def landmarks(self) -> Floats:
        """Return the 468 landmarks."""
        return _about_pivot(self.face()[1][:LANDMARKS], self.turn)


def _turn(part: Surface, rotation: Floats) -> Surface:
    return replace(part, vertices=_about_pivot(part.vertices, rotation))


def _about_pivot(place: Floats, rotation: Floats) -> Floats:
    return np.asarray((place - PIVOT) @ rotation.T + PIVOT)
