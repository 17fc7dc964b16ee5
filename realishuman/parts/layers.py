"""Which of two overlapping parts lies before the other in the picture.

Where one part lies before another, its outline is seen across the other; the outline of the one
behind ends at it. So the outlines of both meshes are laid on the picture, and the one along which
colours change is in front. A hand that overlaps a face is expected before it, and of two hands the
one that the detector is surer of, for it is the whole one. Where nothing speaks for either, neither
is said to be in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box, around, intersection, square
from realishuman.imaging.crop import Crop, extract
from realishuman.kinds import KINDS
from realishuman.mesh.base import Mesh
from realishuman.parts.found import FoundPart
from realishuman.render.raster import rasterise

Mask = NDArray[np.bool_]

SIZE = 192  # side in pixels of the view of what two parts share
VIEW = 1.3  # side of that view, in longer sides of what they share
LEAST = 0.02  # share of the smaller part in the view below which two parts only touch
REACH = 5  # pixels of the view by which a mesh's outline may miss the picture's
FEW = 12  # pixels of outline that say nothing yet
PER_SCORE = 0.3  # what a detector's score is worth, in differences of edges
UNDECIDED = 0.02  # of less it is better to say nothing: fingers that are clasped, say


def find_front(picture: NDArray[np.uint8], parts: Sequence[FoundPart]) -> dict[int, frozenset[int]]:
    """Return by each part's number the numbers of those that overlap it and lie before it.

    picture  (H, W, 3) uint8 RGB.
    """
    front: dict[int, set[int]] = {one.number: set() for one in parts}
    boxes = {one.number: around(one.mesh.vertices) for one in parts}
    for one, other in combinations(parts, 2):
        view = _view(boxes[one.number], boxes[other.number])
        if view is None:
            continue
        first, second = _cover(one.mesh, view), _cover(other.mesh, view)
        smaller = min(first.sum(), second.sum())
        if (first & second).sum() <= LEAST * smaller:
            continue
        lead = _guess_order(one.part, other.part) + _edges(picture, view, first, second)
        if abs(lead) > UNDECIDED:
            nearer, behind = (one, other) if lead > 0 else (other, one)
            front[behind.number].add(nearer.number)
    return {number: frozenset(nearer) for number, nearer in front.items()}


def _view(a: Box, b: Box) -> Crop | None:
    """A square around what two boxes share; None if that is nothing."""
    if intersection(a, b) <= 0:
        return None
    shared = Box(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1))
    return Crop(square(shared, VIEW), SIZE)


def _cover(mesh: Mesh, view: Crop) -> Mask:
    vertices = torch.from_numpy(view.to_crop(mesh.vertices).astype(np.float32))
    faces = torch.from_numpy(mesh.faces.astype(np.int64))
    covered: Mask = rasterise(vertices, faces, view.size, view.size).coverage.numpy()
    return covered


def _guess_order(one: Part, other: Part) -> float:
    """How much speaks for `one` in front before the picture is looked at."""
    if one.kind != other.kind:
        return KINDS[one.kind].nearness - KINDS[other.kind].nearness
    return PER_SCORE * (one.score - other.score)


def _edges(picture: NDArray[np.uint8], view: Crop, first: Mask, second: Mask) -> float:
    """How much more colours change along the outline of `first` within `second`; -1..1."""
    pixels = extract(picture, view).permute(1, 2, 0).contiguous().numpy()
    lab = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), (0, 0), 1.0)
    slopes = [cv2.Sobel(lab, cv2.CV_32F, dx, dy) for dx, dy in ((1, 0), (0, 1))]
    change = np.sqrt(sum(slope**2 for slope in slopes).sum(axis=2))
    near = cv2.dilate(change, _disc(REACH))
    lines = [_outline(a) & _inside(b) for a, b in ((first, second), (second, first))]
    if min(line.sum() for line in lines) < FEW:
        return 0.0
    one, other = (float(near[line].mean()) for line in lines)
    return (one - other) / max(one + other, 1e-6)


def _outline(mask: Mask) -> Mask:
    return np.asarray(mask & ~_shrunk(mask, 1), bool)


def _inside(mask: Mask) -> Mask:
    """What lies so far inside that the mask's own outline is not near."""
    return _shrunk(mask, 2 * REACH)


def _shrunk(mask: Mask, by: int) -> Mask:
    shrunk = cv2.erode(mask.view(np.uint8), _disc(by), borderValue=1)
    return np.asarray(shrunk, bool)


def _disc(radius: int) -> NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
