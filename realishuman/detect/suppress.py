"""Decides which detections are the same thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.anchors import Candidates, Floats
from realishuman.detect.base import Part
from realishuman.imaging.boxes import containment, iou

SAME_CANDIDATE = 0.3  # IoU from which two answers of a detector mean one part (MediaPipe's)
SAME_PART = 0.5  # IoU from which two parts are one
INSIDE = 0.7  # a part with this share of it inside another is part of the other
TOUCHING_HANDS = 0.7  # IoU that a left and a right hand of like size may have: clasped hands


def overlaps(box: Floats, others: Floats) -> Floats:
    """Return the IoU of one box (4,) with others (N, 4)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - shared
    share: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def blend(found: Candidates) -> Candidates:
    """Merge overlapping answers of one pass: places averaged by score, the best score kept.

    Source: MediaPipe, non_max_suppression_calculator.cc, algorithm WEIGHTED.
    """
    left = np.argsort(-found.scores, kind="stable")
    boxes, points, scores = [], [], []
    while len(left):
        best = left[0]
        same = overlaps(found.boxes[best], found.boxes[left]) > SAME_CANDIDATE
        same[0] = True  # also when its box is empty
        group, left = left[same], left[~same]
        weights = found.scores[group] / found.scores[group].sum()
        boxes.append(weights @ found.boxes[group])
        points.append(np.tensordot(weights, found.points[group], axes=1))
        scores.append(found.scores[best])
    if not boxes:
        return found
    return Candidates(np.stack(boxes), np.stack(points), np.array(scores))


def keep_best_of(found: Candidates) -> Candidates:
    """Keep the best of the candidates that several passes gave for the same place."""
    left = np.argsort(-found.scores, kind="stable")
    kept = []
    while len(left):
        kept.append(left[0])
        same = overlaps(found.boxes[left[0]], found.boxes[left]) > SAME_CANDIDATE
        same[0] = True
        left = left[~same]
    return found[np.array(kept, np.intp)]


def drop_cut(found: Candidates, inner: tuple[bool, bool, bool, bool], margin: float) -> Candidates:
    """Drop what touches an edge of its window beyond which the picture goes on.

    found   in 0..1 of the window.
    inner   whether the picture goes on at the left, top, right, bottom edge.
    margin  how near counts as touching, in sides of the window.
    """
    near: NDArray[np.bool_] = np.column_stack(
        [found.boxes[:, :2] < margin, found.boxes[:, 2:] > 1 - margin]
    )
    return found[~(near & np.array(inner)).any(axis=1)]


def drop_covered(parts: Sequence[Part]) -> list[Part]:
    """Return the parts, best first, without those that a better one already covers."""
    kept: list[Part] = []
    for part in sorted(parts, key=lambda part: -part.score):
        if not any(_same(part, other) for other in kept):
            kept.append(part)
    return kept


def _same(a: Part, b: Part) -> bool:
    """Tell whether two parts of one kind are one, also a small one found within the other."""
    areas = sorted((a.box.area, b.box.area))
    if a.side != b.side and areas[0] > areas[1] / 2:
        return iou(a.box, b.box) > TOUCHING_HANDS
    return iou(a.box, b.box) > SAME_PART or containment(a.box, b.box) > INSIDE
