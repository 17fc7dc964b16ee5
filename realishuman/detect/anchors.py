"""Turns the raw output of MediaPipe's single-shot detectors into boxes, points and scores.

The detectors predict offsets from the centres of a fixed grid of anchors, in pixels of their input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """N detections, in whatever frame their maker says.

    boxes   (N, 4): x0, y0, x1, y1.
    points  (N, K, 2): the detector's own few keypoints.
    scores  (N,): 0..1.
    """

    boxes: Floats
    points: Floats
    scores: Floats

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Candidates:
        """Return those that a mask or index array names."""
        return Candidates(self.boxes[which], self.points[which], self.scores[which])


def join(groups: Sequence[Candidates]) -> Candidates:
    """Return all candidates of at least one group as one."""
    return Candidates(
        np.concatenate([group.boxes for group in groups]),
        np.concatenate([group.points for group in groups]),
        np.concatenate([group.scores for group in groups]),
    )


def centres(size: int, layers: Sequence[tuple[int, int]]) -> Floats:
    """Return the anchor centres (A, 2) in 0..1 of the input, row by row, layer after layer.

    size    side of the square input in pixels.
    layers  stride in pixels and anchors per cell of each layer.
    """
    grids = []
    for stride, repeat in layers:
        ticks = (np.arange(size // stride) + 0.5) * stride / size
        rows, columns = np.meshgrid(ticks, ticks, indexing="ij")
        cells = np.stack([columns.ravel(), rows.ravel()], axis=1)
        grids.append(np.repeat(cells, repeat, axis=0))
    return np.concatenate(grids)


def decode(
    regressors: NDArray[np.float32],
    logits: NDArray[np.float32],
    anchors: Floats,
    size: int,
    lowest: float,
) -> Candidates:
    """Return the anchors that score at least `lowest`, in 0..1 of the input.

    regressors  (A, 4 + 2K): box centre, box size, K points, in pixels of the input.
    logits      (A, 1).
    """
    scores = 1 / (1 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -100, 100)))
    kept = scores >= lowest
    values = regressors.astype(np.float64).reshape(len(scores), -1, 2)[kept] / size
    origin = anchors[kept]
    centre, half = values[:, 0] + origin, values[:, 1] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return Candidates(boxes, values[:, 2:] + origin[:, None], scores[kept])
