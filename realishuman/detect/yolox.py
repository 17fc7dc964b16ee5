"""Finds people with YOLOX: letterbox, grid decoding and suppression, as DWPose's own code has them.

The network sees blue, green, red from 0 to 255.
Source: Ge et al., YOLOX, arXiv 2107.08430; constants of DWPose's onnxdet.py.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Picture
from realishuman.onnx_files.session import Network, OnnxSession

Boxes = NDArray[np.float32]  # (N, 4): x0, y0, x1, y1

SIDE = 640
STRIDES = (8, 16, 32)
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)
CLASSES = 80  # of COCO; the first is a person
LARGEST = 20.0  # logarithm, in strides: what is larger overflows
FILL = 114  # grey of what the picture does not cover
LEAST_SCORE = 0.3
MOST_OVERLAP = 0.45  # IoU above which the weaker of two boxes goes

NETWORK = Network(
    {"image": (None, 3, SIDE, SIDE)},
    {"cells": (None, CELLS, 5 + CLASSES)},
    by_place=True,  # the published files' names are promised nowhere
)


def find_people(session: OnnxSession, picture: Picture) -> Boxes:
    """Return the boxes of all people, best first: (N, 4) float32, x0, y0, x1, y1 in picture pixels.

    picture  (H, W, 3) uint8 RGB.
    """
    pixels, scale = letterbox(picture)
    boxes = decode_people(session.run(image=pixels)["cells"][0], scale)
    size = np.array(picture.shape[1::-1] * 2, np.float32)
    seen = (boxes[:, :2] < size[:2]).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    return np.clip(boxes[seen], -size, 2 * size)  # what lies farther away says nothing


def letterbox(picture: Picture) -> tuple[NDArray[np.float32], float]:
    """Return the picture at the top left of a grey square, and how much it was scaled.

    Returns  (1, 3, 640, 640) float32, BGR, 0..255.
    """
    height, width = picture.shape[:2]
    scale = min(SIDE / height, SIDE / width)
    small = (max(int(width * scale), 1), max(int(height * scale), 1))
    canvas = np.full((SIDE, SIDE, 3), FILL, np.uint8)
    canvas[: small[1], : small[0]] = cv2.resize(picture, small, interpolation=cv2.INTER_LINEAR)
    planes = canvas[:, :, ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(planes, np.float32), scale


def decode_people(cells: NDArray[np.float32], scale: float) -> Boxes:
    """Decode the network's output (8400, 85) into boxes (N, 4) of people, best first.

    A cell holds centre and size relative to its place and stride, whether it is a thing at all, and
    how much it is one of 80 classes. A weaker box never removes a stronger one, so only cells that
    can stay are looked at.
    """
    scores = cells[:, 4] * cells[:, 5]
    kept = scores > LEAST_SCORE
    corners, strides = _grid()
    centres = (cells[kept, :2] + corners[kept]) * strides[kept]
    halves = np.exp(np.minimum(cells[kept, 2:4], LARGEST)) * strides[kept] / np.float32(2)
    boxes: Boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    boxes /= np.float32(scale)
    finite = np.isfinite(boxes).all(axis=1)
    boxes, scores = boxes[finite], scores[kept][finite]
    return boxes[_distinct(boxes, scores)]


def pick_largest(boxes: Boxes) -> Boxes:
    """Return only the box (1, 4) with the largest area; none of none."""
    if not len(boxes):
        return boxes
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[[int(np.argmax(areas))]]


def _grid() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each cell's column and row (8400, 2), and its stride in pixels (8400, 1)."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.divmod(np.arange((SIDE // stride) ** 2), SIDE // stride)
        corners.append(np.stack([columns, rows], axis=1))
        strides.append(np.full((len(rows), 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _distinct(boxes: Boxes, scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Which boxes stay, best first. Sizes count a pixel more, as in DWPose's code."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    left = np.argsort(-scores, kind="stable")
    stay: list[np.intp] = []
    while len(left):
        best, rest = left[0], left[1:]
        stay.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low + 1, 0).prod(axis=1)
        union = sizes[best].prod() + sizes[rest].prod(axis=1) - shared
        left = rest[shared / union <= MOST_OVERLAP]
    return np.array(stay, np.intp)
