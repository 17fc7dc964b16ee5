"""Figures in sentences: rounded, but never so far that the sentence reads false."""

from __future__ import annotations

MOST_DIGITS = 6


def tell_apart(value: float, limit: float, *, percent: bool = False) -> tuple[str, str]:
    """Two numbers with as few decimals as tell them apart: 25.3 and 25 become "25.3" and "25.0".

    percent  show both as percentages.
    """
    kind = "%" if percent else "f"
    for digits in range(MOST_DIGITS):
        shown = f"{value:.{digits}{kind}}", f"{limit:.{digits}{kind}}"
        if shown[0] != shown[1] or value == limit:
            break
    return shown
