"""What is drawn onto a face, as seen from the front at rest: lips, brows, lashes, folds, beard.

The maps are looked up by x and y of the resting face. They cover SPAN centimetres.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.face import points
from realishuman.synthetic.face.head import landmark
from realishuman.synthetic.face.person import Person

SPAN = 20.0  # centimetres that a map covers, its middle at the origin
SIDE = 400
SHIFT = 4  # bits of a pixel's fraction, for OpenCV
CHANNELS = ("lips", "seam", "lash", "fold", "line", "hollow", "beard", "brow")
Map = NDArray[np.float32]

_FOLDS = ((247, 30, 29, 27, 28, 56, 190), (467, 260, 259, 257, 258, 286, 414))  # above the lids
_BAGS = ((110, 24, 23, 22, 26, 112), (339, 254, 253, 252, 256, 341))  # below the eyes
_SMILE = ((129, 203, 206, 216), (358, 423, 426, 436))  # from the nose past the mouth
# From ear to ear along the jaw, and back below the nose.
_BEARD: points.Row = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379)
_BEARD += (365, 397, 288, 361, 323, 454, 366, 411, 436, 426, 327, 2, 98, 206, 216, 187, 137)


def draw_atlas(rng: np.random.Generator, person: Person) -> Tensor:
    """Return the maps (1, C, SIDE, SIDE) of a person, 0..1, in the order of CHANNELS."""
    maps = [*_common(), _brows(rng, person)]
    return torch.from_numpy(np.stack(maps)[None])


def look_up(atlas: Tensor, rest: Tensor) -> dict[str, Tensor]:
    """Return each map's values (N,) at resting points (N, 3), metres."""
    place = (rest[:, :2] * (200 / SPAN)).view(1, 1, -1, 2)
    values = F.grid_sample(atlas, place, align_corners=False)[0, :, 0]
    return dict(zip(CHANNELS, values, strict=True))


@lru_cache(maxsize=1)
def _common() -> tuple[Map, ...]:
    """The maps that everybody has; shared, do not write to them."""
    lips = _blur(_fill(landmark(points.OUTER_LIPS)), 0.05)
    lash, fold, line, hollow = (np.zeros((SIDE, SIDE), np.float32) for _ in range(4))
    for eye, above, below, smile in zip(points.EYES, _FOLDS, _BAGS, _SMILE, strict=True):
        ends = (eye[0], *eye[1:8], eye[8])
        lash = np.maximum(lash, _stroke(_smooth(landmark(ends)), 0.10, 0.035))
        lower = (eye[0], *eye[:7:-1])
        lash = np.maximum(lash, 0.35 * _stroke(_smooth(landmark(lower)), 0.05, 0.04))
        lids = _smooth(0.55 * landmark(above) + 0.45 * landmark(eye[1:8]))
        fold = np.maximum(fold, _stroke(lids, 0.05, 0.06))
        line = np.maximum(line, _stroke(_smooth(landmark(smile)), 0.1, 0.16))
        bag = _smooth(landmark(below) + np.array([0, 0.004, 0]))
        hollow = np.maximum(hollow, _stroke(bag, 0.3, 0.3))
    for corner in (61, 291):
        line = np.maximum(line, 0.8 * _blur(_dot(landmark(corner), 0.12), 0.12))
    beard = _blur(_fill(landmark(_BEARD)), 0.55)
    beard = np.maximum(beard - 1.1 * _blur(_fill(landmark(points.OUTER_LIPS)), 0.12), 0)
    seam = _blur(_fill(landmark(points.INNER_LIPS)), 0.03)
    return lips, seam, lash, fold, line, hollow, np.asarray(beard, np.float32)


def _brows(rng: np.random.Generator, person: Person) -> Map:
    """Draw hair by hair: upwards at the inner end, along the brow farther out."""
    thick, arch, density = person.brow_shape
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for side, (lower, upper) in zip((-1, 1), points.BROWS, strict=True):
        low, high = _smooth(landmark(lower)), _smooth(landmark(upper))
        middle, half = 0.5 * (low + high), 0.5 * thick * (high - low)
        for _ in range(int(170 * density)):
            along = rng.beta(1.15, 1.0) * (len(low) - 1)
            across = rng.uniform(-1, 1)
            share = along / (len(low) - 1)  # 0 at the outer end
            root = _between(middle, along) + across * _between(half, along) * min(
                1, 0.35 + 1.3 * share
            )
            root[1] -= 0.002 * arch * (1 - abs(2 * share - 0.75))
            lean = 0.15 + 0.95 * share**2 - 0.35 * across
            way = np.array([side * np.cos(lean), -np.sin(lean) * 0.8, 0]) * rng.uniform(
                0.004, 0.0065
            )
            ends = _texels(np.stack([root, root + way]))
            start, stop = ends.tolist()
            cv2.line(canvas, start, stop, 130, 1, cv2.LINE_AA, SHIFT)
    soft = _blur(np.asarray(canvas / 130, np.float32), 0.035)
    return np.asarray(np.clip(1.1 * soft, 0, 1), np.float32)


def _between(curve: Floats, place: float) -> Floats:
    low = min(int(place), len(curve) - 2)
    return np.asarray(curve[low] + (place - low) * (curve[low + 1] - curve[low]))


def _smooth(corners: Floats, count: int = 24) -> Floats:
    """Return a curve (count, 3) through corners."""
    at = np.linspace(0, len(corners) - 1, count)
    low = np.clip(at.astype(int), 0, len(corners) - 2)
    padded = np.concatenate(
        [2 * corners[:1] - corners[1:2], corners, 2 * corners[-1:] - corners[-2:-1]]
    )
    t = (at - low)[:, None]
    a, b, c, d = (padded[low + k] for k in range(4))
    # Catmull and Rom 1974.
    return np.asarray(
        b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    )


def _texels(place: Floats) -> NDArray[np.int32]:
    at = (place[:, :2] * (100 / SPAN) + 0.5) * SIDE - 0.5
    return np.asarray(np.round(at * (1 << SHIFT)), np.int32)


def _fill(outline: Floats) -> Map:
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(canvas, [_texels(outline)], 255, cv2.LINE_AA, SHIFT)
    return np.asarray(canvas / 255, np.float32)


def _stroke(curve: Floats, width: float, soft: float) -> Map:
    """A line of this width, blurred; cm."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    thick = max(1, round(width * SIDE / SPAN))
    cv2.polylines(canvas, [_texels(curve)], False, 255, thick, cv2.LINE_AA, SHIFT)
    soft_line = _blur(np.asarray(canvas / 255, np.float32), soft)
    return np.asarray(soft_line / max(float(soft_line.max()), 1e-6), np.float32)


def _dot(place: Floats, radius: float) -> Map:
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = 0.01 * radius * np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1)
    return _fill(place + ring)


def _blur(values: Map, soft: float) -> Map:
    """Blur by `soft` cm."""
    sigma = max(soft * SIDE / SPAN, 0.3)
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
