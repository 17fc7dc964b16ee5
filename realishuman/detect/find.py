"""Runs a single-shot detector over windows of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realishuman.detect.anchors import Candidates, decode, join
from realishuman.detect.base import Picture
from realishuman.detect.families import Finder
from realishuman.detect.regions import cut
from realishuman.detect.suppress import blend, drop_cut, keep_best_of
from realishuman.detect.tiles import Window
from realishuman.onnx_files.session import OnnxSession

BATCH = 8
LOWEST_SCORE = 0.1  # below this an answer is noise; bounds the work when everything is asked for
EDGE = 0.01  # sides of a window
CORNERS = np.array([[0, 1], [2, 1], [2, 3], [0, 3]])  # of a box x0, y0, x1, y1


def scan(
    session: OnnxSession, finder: Finder, picture: Picture, windows: Sequence[Window]
) -> list[Candidates]:
    """Return per window everything that scores at least LOWEST_SCORE, in 0..1 of the window."""
    anchors, found = finder.anchors, []
    for start in range(0, len(windows), BATCH):
        group = windows[start : start + BATCH]
        pixels = [cut(picture, w.region, finder.size, repeat_edge=False) for w in group]
        batch = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32)
        batch *= (1 - finder.low) / 255
        batch += finder.low
        out = session.run(image=np.ascontiguousarray(batch))
        found += [
            decode(regressors, logits, anchors, finder.size, LOWEST_SCORE)
            for regressors, logits in zip(out["regressors"], out["scores"], strict=True)
        ]
    return found


def keep_best(
    found: Sequence[Candidates], windows: Sequence[Window], threshold: float
) -> Candidates:
    """Return what scores at least `threshold` over all windows, once each, in picture pixels."""
    groups = []
    for raw, window in zip(found, windows, strict=True):
        kept = drop_cut(blend(raw[raw.scores >= threshold]), window.inner, EDGE)
        corners = window.region.to_picture(kept.boxes[:, CORNERS])
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        groups.append(Candidates(boxes, window.region.to_picture(kept.points), kept.scores))
    return keep_best_of(join(groups))
