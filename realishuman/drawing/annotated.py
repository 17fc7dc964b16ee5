"""Draws what was found on the picture, before anything is repainted.

Numbered boxes, keypoints, the mesh as the networks will see it, its outline, and the ring between
m_d (red, outside) and m_e (green, inside): what lies between them is repainted. Parts that are not
ticked have a grey box and no ring.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.drawing.outlines import trace
from realishuman.drawing.sheet import INNER, MANY, OUTER
from realishuman.imaging.boxes import Box, intersection
from realishuman.kinds import KINDS
from realishuman.parts.found import Found
from realishuman.parts.prepare import PreparedPart

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

LONGEST = 1536  # pixels of a preview's longer side
GREY: Colour = (150, 150, 150)
PLATE: Colour = (20, 20, 20)
VEIL = 0.45  # share of the pose image where it lies over the picture
_STEPS = 6  # heights of a label by which it may stand away from its box
_FAR = 1e5  # pixels; beyond it OpenCV's coordinates overflow


def annotate(
    rgb: Pixels,
    found: Found,
    prepared: Sequence[PreparedPart] = (),
    chosen: Collection[int] | None = None,
    longest: int = LONGEST,
) -> Pixels:
    """Draw found parts on a copy of the picture.

    rgb       (H, W, 3) uint8 RGB.
    prepared  parts whose mesh and ring are drawn.
    chosen    numbers of the ticked parts; None means all that are not left alone.
    Returns   (h, w, 3) uint8 in the picture's proportions, longer side at most `longest`.
    """
    if chosen is None:
        chosen = [one.number for one in found.chosen]
    view = resize(rgb, longest)
    size = view.shape[1], view.shape[0]
    scales = (size[0] / rgb.shape[1], size[1] / rgb.shape[0])
    width = max(round(max(size) / 700), 1)
    for one in prepared:
        if one.number in chosen:
            _draw_mesh(view, one, scales)
            _draw_outline(view, one, one.masks.m, KINDS[one.part.kind].colour, width, scales)
            _draw_outline(view, one, one.masks.m_d, OUTER, width, scales)
            _draw_outline(view, one, one.masks.m_e, INNER, width, scales)
    for part, number in ((one.part, one.number) for one in found.parts):
        ticked = number in chosen
        colour = KINDS[part.kind].colour if ticked else GREY
        if ticked:
            _draw_keypoints(view, part, colour, width, scales)
        _draw_box(view, part, colour, width, scales)
    taken: list[Box] = []
    for part, number in ((one.part, one.number) for one in found.parts):
        colour = KINDS[part.kind].colour if number in chosen else GREY
        texts = (f"{number} {part.name}", str(number))
        if plate := _draw_label(view, _scale(part.box, scales), texts, colour, width, taken):
            taken.append(plate)
    return view


def resize(rgb: Pixels, longest: int) -> Pixels:
    """A copy whose longer side has at most so many pixels."""
    scale = min(longest / max(rgb.shape[:2]), 1)
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    if scale == 1:
        return rgb.copy()
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _draw_mesh(view: Pixels, one: PreparedPart, scales: tuple[float, float]) -> None:
    """Lay the pose image over the view, half see-through, where it is not black."""
    per_x, per_y = scales[0] / one.crop.scale, scales[1] / one.crop.scale
    left, top = one.crop.box.x0 * scales[0], one.crop.box.y0 * scales[1]
    x0, y0 = max(int(left), 0), max(int(top), 0)
    x1 = min(int(left + one.crop.size * per_x) + 1, view.shape[1])
    y1 = min(int(top + one.crop.size * per_y) + 1, view.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    shift_x, shift_y = left - x0 + per_x / 2 - 0.5, top - y0 + per_y / 2 - 0.5
    matrix = np.array([[per_x, 0, shift_x], [0, per_y, shift_y]], np.float32)
    pose = (one.pose.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    laid = cv2.warpAffine(pose, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    there = laid.any(axis=2)
    window = view[y0:y1, x0:x1]
    mixed = window[there] * (1 - VEIL) + laid[there] * VEIL
    window[there] = mixed.astype(np.uint8)


def _draw_outline(
    view: Pixels,
    one: PreparedPart,
    mask: NDArray[np.bool_],
    colour: Colour,
    width: int,
    scales: tuple[float, float],
) -> None:
    lines = [(line * scales).round() for line in trace(mask, one.crop)]
    cv2.polylines(view, [line.astype(np.int32) for line in lines], True, colour, width, cv2.LINE_AA)


def _draw_keypoints(
    view: Pixels, part: Part, colour: Colour, width: int, scales: tuple[float, float]
) -> None:
    points = part.keypoints[:, :2] * np.array(scales, np.float32)
    if not (np.abs(points) < _FAR).all():
        return
    whole = points.round().astype(np.int32)
    if len(whole) <= MANY:
        for line in KINDS[part.kind].lines:
            cv2.polylines(view, [whole[list(line)]], False, colour, width, cv2.LINE_AA)
        for x, y in whole:
            cv2.circle(view, (int(x), int(y)), width + 1, PLATE, -1, cv2.LINE_AA)
            cv2.circle(view, (int(x), int(y)), width, (255, 255, 255), -1, cv2.LINE_AA)
        return
    for x, y in whole[::5]:
        cv2.circle(view, (int(x), int(y)), width, colour, -1, cv2.LINE_AA)


def _scale(box: Box, scales: tuple[float, float]) -> Box:
    return Box(box.x0 * scales[0], box.y0 * scales[1], box.x1 * scales[0], box.y1 * scales[1])


def _draw_box(
    view: Pixels, part: Part, colour: Colour, width: int, scales: tuple[float, float]
) -> None:
    box = _scale(part.box, scales)
    corners = np.array([[box.x0, box.y0], [box.x1, box.y1]])
    if (np.abs(corners) < _FAR).all():
        start, end = corners.round().astype(int).tolist()
        cv2.rectangle(view, start, end, colour, width, cv2.LINE_AA)


def _draw_label(
    view: Pixels,
    box: Box,
    texts: Sequence[str],
    colour: Colour,
    width: int,
    taken: Sequence[Box],
) -> Box | None:
    """Write the first of the texts that finds a free place at the box; returns that place.

    taken  places of other labels. Where all are taken, the last text hides as little as it can.
    """
    if not all(abs(side) < _FAR for side in (box.x0, box.y0, box.x1, box.y1)):
        return None
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.45 + 0.2 * width
    hidden = []
    for text in texts:
        (wide, high), below = cv2.getTextSize(text, font, size, width)
        for place in _places(box, wide + 6, high + below + 5, (view.shape[1], view.shape[0])):
            over = sum(intersection(place, other) for other in taken)
            hidden.append((over, text, place, below))
            if not over:
                break
        if not hidden[-1][0]:
            break
    over, text, place, below = hidden[-1] if not hidden[-1][0] else min(hidden, key=lambda h: h[0])
    x0, y0, x1, y1 = (round(side) for side in (place.x0, place.y0, place.x1, place.y1))
    cv2.rectangle(view, (x0, y0), (x1, y1), PLATE, -1)
    cv2.putText(view, text, (x0 + 3, y1 - below - 2), font, size, colour, width, cv2.LINE_AA)
    return place


def _places(box: Box, wide: float, high: float, size: tuple[int, int]) -> Iterator[Box]:
    """Where a label of this size may stand: at the box's corners, then farther up and down."""
    columns = (box.x0, box.x1 - wide)
    rows = [box.y0 - high, box.y1, box.y0, box.y1 - high]
    for step in range(1, _STEPS):
        rows += [box.y0 - (step + 1) * high, box.y1 + step * high]
    for y in rows:
        for x in columns:
            left = max(min(x, size[0] - wide), 0.0)
            top = max(min(y, size[1] - high), 0.0)
            yield Box(left, top, left + wide, top + high)
