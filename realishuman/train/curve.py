"""Draws a run's curve.csv: the smoothed loss over the steps as SVG text, on a log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 30, 30, 45  # pixels, then margins
POINTS = 500  # the line has at most about so many
MEMORY = 0.02  # share of the run over which the loss is averaged


def curve_svg(title: str, steps: Sequence[int], losses: Sequence[float]) -> str:
    """A whole SVG file; losses that are not positive numbers are left out."""
    seen = [(s, math.log10(v)) for s, v in zip(steps, losses, strict=True) if 0 < v < math.inf]
    points = _smooth(seen)
    lows = [value for _, value in points] or [0.0]
    low, high = min(lows) - 0.02, max(lows) + 0.02
    last = max([step for step, _ in points], default=1)
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    marks = [low + (high - low) * share for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(LEFT, 18, f"{title}: loss, smoothed, {last} steps", "start"),
        _text(LEFT + across / 2, HEIGHT - 8, "step", "middle"),
        f'<g transform="translate(14 {TOP + down / 2}) rotate(-90)">'
        + _text(0, 0, "loss (log)", "middle")
        + "</g>",
    ]
    for mark in marks:
        y = TOP + down * (high - mark) / (high - low)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{across}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{10**mark:.3g}", "end"))
    for quarter in range(5):
        x = LEFT + across * quarter / 4
        parts.append(_text(x, HEIGHT - BOTTOM + 18, str(round(last * quarter / 4)), "middle"))
    line = " ".join(
        f"{LEFT + across * step / last:.1f},{TOP + down * (high - value) / (high - low):.1f}"
        for step, value in points
    )
    parts.append(f'<polyline points="{line}" fill="none" stroke="#27c" stroke-width="1.5"/>')
    return "\n".join([*parts, "</svg>", ""])


def _smooth(seen: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Averages that forget over MEMORY of the run, thinned; the last one is always there."""
    keep, every = 1 / max(1.0, MEMORY * len(seen)), max(1, len(seen) // POINTS)
    result, mean = [], 0.0
    for number, (step, value) in enumerate(seen, start=1):
        mean += (value - mean) * max(keep, 1 / number)  # at first a plain average
        if number % every == 0 or number == len(seen):
            result.append((step, mean))
    return result


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
