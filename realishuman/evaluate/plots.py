"""Bars with confidence intervals as SVG text, and contact sheets as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.evaluate.metrics import Interval

Pixels = NDArray[np.uint8]

WIDTH, BAR, GAP, NAMES, NUMBERS = 760, 18, 8, 290, 110  # pixels; names left, numbers right
TILE, LINE, PAPER, INK = 160, 18, 245, (20, 20, 20)


def bars(title: str, entries: Sequence[tuple[str, Interval | None]], digits: int) -> str:
    """An <svg> of one bar per entry, with its interval as a line over the bar's end."""
    known = [interval for _, interval in entries if interval is not None]
    most = max([abs(each) for one in known for each in (one.low, one.high)] or [1.0]) or 1.0
    low = min([0.0, *(one.low for one in known)])
    scale = (WIDTH - NAMES - NUMBERS) / (max(most, 0.0) - low)
    height = LINE + GAP + len(entries) * (BAR + GAP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f'<text x="0" y="14" font-weight="bold">{escape(title)}</text>',
    ]
    zero = NAMES - low * scale
    for place, (name, interval) in enumerate(entries):
        y = LINE + GAP + place * (BAR + GAP)
        parts.append(f'<text x="{NAMES - 6}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        if interval is None:
            parts.append(f'<text x="{NAMES}" y="{y + 13}">-</text>')
            continue
        end, first, last = (
            NAMES + (value - low) * scale for value in (interval.mean, interval.low, interval.high)
        )
        middle = y + BAR / 2
        parts += [
            f'<rect x="{min(zero, end):.1f}" y="{y}" width="{abs(end - zero):.1f}" '
            f'height="{BAR}" fill="#7aa6c2"/>',
            f'<line x1="{first:.1f}" x2="{last:.1f}" y1="{middle}" y2="{middle}" stroke="#222"/>',
            f'<text x="{WIDTH - NUMBERS + 6}" y="{y + 13}">{interval.mean:.{digits}f}</text>',
        ]
    return "\n".join([*parts, "</svg>"])


def contact_sheet(rows: Sequence[Sequence[tuple[str, Pixels]]], tile: int = TILE) -> Pixels:
    """One picture: a row per pair, a captioned square tile per picture; (H, W, 3) uint8.

    tile  side of a tile in pixels.
    """
    columns = max((len(row) for row in rows), default=1)
    sheet = np.full(((tile + LINE) * len(rows), tile * columns, 3), PAPER, np.uint8)
    for down, row in enumerate(rows):
        top = down * (tile + LINE)
        for across, (caption, picture) in enumerate(row):
            left = across * tile
            small = _fit(picture, tile)
            height, width = small.shape[:2]
            sheet[top + LINE : top + LINE + height, left : left + width] = small
            cv2.putText(
                sheet, caption[:26], (left + 2, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1,
                cv2.LINE_AA,
            )  # fmt: skip
    return sheet


def _fit(picture: Pixels, tile: int) -> Pixels:
    """At most tile - 2 on each side, in its own proportions."""
    scale = (tile - 2) / max(picture.shape[:2])
    size = tuple(max(round(n * scale), 1) for n in picture.shape[1::-1])
    small: Pixels = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small
