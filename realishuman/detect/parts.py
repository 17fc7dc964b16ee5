"""Which parts are worth refining, and the square crop around each.

`select` and `crop_box` are what the pipeline uses: every part is cropped on its own, and hands that
merely come near each other are never merged. The released rules for DWPose's keypoints are in
detect.released.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from realishuman.detect.base import Part
from realishuman.figures import tell_apart
from realishuman.imaging.boxes import Box, intersection, square
from realishuman.settings import Settings


def crop_box(part: Part, margin: float) -> Box:
    """Return the square to crop for a part, with whole-pixel edges.

    margin   side of the square, in longer sides of the part's keypoint box.
    Returns  a box in picture pixels that may leave the picture; its side is at least 2 px.
    """
    wish = square(part.box, margin)
    side = max(math.ceil(wish.width), 2)
    (cx, cy) = wish.centre
    x0, y0 = math.floor(cx - side / 2 + 0.5), math.floor(cy - side / 2 + 0.5)
    return Box(float(x0), float(y0), float(x0 + side), float(y0 + side))


def select(
    parts: Sequence[Part], settings: Settings, size: tuple[int, int]
) -> list[tuple[Part, str]]:
    """Say for every part whether it is refined.

    size     height and width of the picture, in pixels.
    Returns  the parts in their order, each with "" or the reason, as a sentence, why it is left
             alone. The score is not asked again: the detector knows which places the user named and
             what a second try found.
    """
    return [(part, _unfit(part, settings, size)) for part in parts]


def _unfit(part: Part, settings: Settings, size: tuple[int, int]) -> str:
    """The reason why a part cannot be refined, or ""."""
    if part.kind not in settings.parts:
        return f"A {part.kind} was found, but only {', '.join(settings.parts)} was asked for."
    if part.doubt:
        return part.doubt
    side = part.box.longer_side
    if not math.isfinite(side):
        return f"The box of this {part.kind} is not finite."
    if side < settings.min_size:
        told, limit = tell_apart(side, settings.min_size)
        return f"This {part.kind} is only {told} px long; lower min_size ({limit}) to refine it."
    height, width = size
    share = intersection(part.box, Box(0, 0, width, height)) / (height * width)
    if not share:
        return f"This {part.kind} lies outside the picture."
    if share < settings.min_area:
        told, limit = tell_apart(share, settings.min_area, percent=True)
        return f"This {part.kind} covers {told} of the picture; min_area is {limit}."
    if share > settings.max_area:
        told, limit = tell_apart(share, settings.max_area, percent=True)
        return f"This {part.kind} covers {told} of the picture; max_area is {limit}."
    return ""
