"""A contact sheet of what was found: where people would rather look than read.

Top: the picture with numbered boxes, keypoints and the ring m_d - m_e. Below, one row per part:
crop, mesh over the crop, pose image, and the masks (m_d outline outside, m_e outline inside).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import Box
from realishuman.kinds import KINDS
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import PreparedPart

Pixels = NDArray[np.uint8]

OUTER, INNER = (255, 64, 64), (64, 255, 96)  # outlines of m_d and m_e
MANY = 30  # keypoints of which only some are drawn
LARGE = 768  # side of a part's crop in a comparison, in pixels, where the sheet is that wide
TILE, MARGIN, WIDTH = 256, 8, 1064  # WIDTH holds four tiles and their margins
PAPER, PLATE, INK, SCALE = 24, (24, 24, 24), (235, 235, 235), 0.5


def contact_sheet(
    rgb: Pixels, found: Sequence[FoundPart], prepared: Sequence[PreparedPart]
) -> Pixels:
    """Draw the sheet, (H, 1064, 3) uint8 RGB.

    rgb       (H, W, 3) uint8, the picture.
    found     its parts, all of them.
    prepared  the parts that would be refined.
    """
    rows = [_overview(rgb, found, prepared)]
    rows += [_row(one) for one in prepared]
    rows += [_line(f"{_label(one)}: left alone, {one.reason}") for one in found if one.reason]
    if not found:
        rows.append(_line("No part was found."))
    sheet: Pixels = np.vstack(rows)
    return sheet


def before_after(before: Pixels, after: Pixels, parts: Sequence[tuple[str, Box]] = ()) -> Pixels:
    """Two pictures (H, W, 3) uint8 RGB side by side, each at least 2 TILE high, named above.

    parts  names and squares of repainted parts, in picture pixels: each is shown large, before
           and after, in a row of its own below.
    """
    rows = [_two(before, after, ("before", "after"), -(-2 * TILE // before.shape[0]))]
    for name, box in parts:
        crops = [_cut(picture, box) for picture in (before, after)]
        width = (rows[0].shape[1] - 3 * MARGIN) // 2
        large = [_enlarge(crop, min(width, LARGE)) for crop in crops]
        row = _two(large[0], large[1], (f"{name} before", f"{name} after"), 1)
        room = rows[0].shape[1] - row.shape[1]
        rows.append(np.pad(row, ((0, 0), (0, room), (0, 0)), constant_values=PAPER))
    sheet: Pixels = np.vstack(rows)
    return sheet


def _two(before: Pixels, after: Pixels, names: tuple[str, str], scale: int) -> Pixels:
    """Two views side by side, enlarged by whole pixels, each with its name above."""
    views = [image.repeat(max(scale, 1), 0).repeat(max(scale, 1), 1) for image in (before, after)]
    height, width = views[0].shape[:2]
    sheet = np.full((height + 28 + MARGIN, 2 * width + 3 * MARGIN, 3), PAPER, np.uint8)
    for place, (name, view) in enumerate(zip(names, views, strict=True)):
        left = MARGIN + place * (width + MARGIN)
        sheet[28 : 28 + height, left : left + width] = view
        _write(sheet, name, (left, 19), INK)
    return sheet


def _cut(picture: Pixels, box: Box) -> Pixels:
    """What of the picture lies in the box; never empty."""
    height, width = picture.shape[:2]
    x0, y0 = min(max(int(box.x0), 0), width - 1), min(max(int(box.y0), 0), height - 1)
    x1, y1 = max(min(round(box.x1), width), x0 + 1), max(min(round(box.y1), height), y0 + 1)
    return picture[y0:y1, x0:x1]


def _enlarge(crop: Pixels, side: int) -> Pixels:
    """The crop with its longer side as asked."""
    scale = side / max(crop.shape[:2])
    size = max(round(crop.shape[1] * scale), 1), max(round(crop.shape[0] * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    view: Pixels = cv2.resize(np.ascontiguousarray(crop), size, interpolation=way)
    return view


def _label(one: FoundPart) -> str:
    return f"{one.number} {one.part.name}"


def _overview(rgb: Pixels, found: Sequence[FoundPart], prepared: Sequence[PreparedPart]) -> Pixels:
    scale = min((WIDTH - 2 * MARGIN) / rgb.shape[1], 1000 / rgb.shape[0])
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    view = np.ascontiguousarray(cv2.resize(rgb, size, interpolation=way))
    for one in prepared:
        _draw_ring(view, one, scale)
    for each in found:
        part = each.part
        colour = KINDS[part.kind].colour
        for x, y in part.keypoints[:: 6 if len(part.keypoints) > MANY else 1, :2] * scale:
            if abs(x) < 1e5 and abs(y) < 1e5:
                cv2.circle(view, (int(x), int(y)), 1, colour, -1, cv2.LINE_AA)
        box = part.box
        x0, y0, x1, y1 = (round(v * scale) for v in (box.x0, box.y0, box.x1, box.y1))
        cv2.rectangle(view, (x0, y0), (x1, y1), colour, 2)
        _write(view, f"{_label(each)} {part.score:.2f}", (max(x0, 2), max(y0 - 6, 14)), colour)
    sheet = np.full((view.shape[0] + 2 * MARGIN, WIDTH, 3), PAPER, np.uint8)
    left = (WIDTH - view.shape[1]) // 2
    sheet[MARGIN:-MARGIN, left : left + view.shape[1]] = view
    return sheet


def _draw_ring(view: Pixels, one: PreparedPart, scale: float) -> None:
    """Outline m_d and m_e of one part on the scaled picture, in place."""
    for mask, colour in ((one.masks.m_d, OUTER), (one.masks.m_e, INNER)):
        for contour in _contours(mask):
            points = one.crop.to_picture(contour[:, 0].astype(np.float32) + 0.5) * scale
            cv2.polylines(view, [points.round().astype(np.int32)], True, colour, 1, cv2.LINE_AA)


def _contours(mask: NDArray[np.bool_]) -> Sequence[NDArray[np.int32]]:
    found: Sequence[NDArray[np.int32]] = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )[0]
    return found


def _row(one: PreparedPart) -> Pixels:
    crop, pose = (_pixels(t.permute(1, 2, 0).numpy()) for t in (one.image, one.pose))
    drawn = pose.any(axis=2, keepdims=True)
    overlay = np.where(drawn, crop // 2 + pose // 2, crop)
    ring = crop.copy()
    m_f = one.masks.m_f
    ring[m_f] = ring[m_f] // 2 + np.array([96, 32, 96], np.uint8)
    for mask, colour in ((one.masks.m_d, OUTER), (one.masks.m_e, INNER)):
        cv2.drawContours(ring, _contours(mask), -1, colour, 2, cv2.LINE_AA)
    row = np.full((TILE + MARGIN, WIDTH, 3), PAPER, np.uint8)
    names = (f"{one.number} crop", "mesh", "pose", "ring m_d - m_e")
    for place, (name, tile) in enumerate(zip(names, (crop, overlay, pose, ring), strict=True)):
        small = cv2.resize(np.ascontiguousarray(tile), (TILE, TILE), interpolation=cv2.INTER_AREA)
        _write(small, name, (6, 18), INK)
        left = MARGIN + place * (TILE + MARGIN)
        row[:TILE, left : left + TILE] = small
    return row


def _pixels(image: NDArray[np.float32]) -> Pixels:
    pixels: Pixels = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels


def _line(text: str) -> Pixels:
    line = np.full((28, WIDTH, 3), PAPER, np.uint8)
    _write(line, text, (MARGIN, 19), INK)
    return line


def _write(view: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Write on a dark plate, kept inside the view; `at` is the left end of the baseline."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, SCALE, 1)
    x = max(min(at[0], view.shape[1] - width - 4), 0)
    y = max(at[1], height + 2)
    cv2.rectangle(view, (x - 3, y - height - 3), (x + width + 3, y + below), PLATE, -1)
    cv2.putText(view, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, SCALE, colour, 1, cv2.LINE_AA)
