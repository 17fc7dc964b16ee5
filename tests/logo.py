"""A third kind of part: red squares, found by their colour and meshed flat."""

from __future__ import annotations

import numpy as np

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box
from realishuman.mesh.base import Mesh


class RedSquare:
    provider, note = "toy", ""

    def __init__(self, _provider):
        pass

    def detect(self, picture, kinds, *, confidence, given=()):
        rows, columns = np.nonzero((picture == (200, 0, 0)).all(axis=2))
        if not len(rows):
            return []
        ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return [at_rest(Box(*map(float, ends)), None, picture.shape[:2])]

    def release(self):
        pass


class FlatMesh:
    note = ""

    def regress(self, picture, parts):
        faces = np.int32([(0, 1, 2), (0, 2, 3)])
        return [Mesh(part.keypoints, faces, part.keypoints) for part in parts]

    def release(self):
        pass


def at_rest(box, side, size):
    corners = [(box.x0, box.y0), (box.x0, box.y1), (box.x1, box.y1), (box.x1, box.y0)]
    return Part("logo", None, box, 1.0, np.float32([(x, y, 0) for x, y in corners]))
