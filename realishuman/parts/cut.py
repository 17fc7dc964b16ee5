"""Which square is cut out of the picture for which parts, by the setting `crop`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import Part
from realishuman.detect.parts import crop_box
from realishuman.detect.released import ReleasedBox, square_around
from realishuman.imaging.boxes import Box, around, hull
from realishuman.imaging.crop import gather
from realishuman.imaging.fades import Fade
from realishuman.parts.found import FoundPart


@dataclass(frozen=True)
class Cut:
    """A square of the picture.

    parts   that are repainted in it: one, or two hands whose released crops overlap.
    box     in picture pixels, with whole-pixel edges; may leave the picture.
    fades   around each part, for pasting as released.
    square  the released box it is; None where it follows the part's size.
    """

    parts: tuple[FoundPart, ...]
    box: Box
    fades: tuple[Fade, ...]
    square: ReleasedBox | None = None

    def pixels(self, picture: NDArray[np.uint8]) -> Tensor:
        """(3, N, N) float32 in [0, 1], at the picture's own size; picture (H, W, 3) uint8 RGB.

        Outside the picture it is mirrored, or black where the released box is cut out.
        """
        rows, columns = self._range()
        if not self.square:
            region = gather(picture, rows, columns, "reflect")
        elif self.beyond(picture.shape[:2]).all():  # the released code cannot cut that far out
            region = np.zeros((len(rows), len(columns), 3), np.uint8)
        else:
            region = crop_released(picture, self.square)
        return torch.from_numpy(region).permute(2, 0, 1).float() / 255

    def beyond(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """(N, N), what lies outside a picture of height and width `shape` and is black for that."""
        rows, columns = self._range()
        if not self.square:
            return np.zeros((len(rows), len(columns)), bool)
        outside = [(at < 0) | (at >= size) for at, size in zip((rows, columns), shape, strict=True)]
        beyond: NDArray[np.bool_] = outside[0][:, None] | outside[1][None]
        return beyond

    def _range(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        box = self.box
        return np.arange(int(box.y0), int(box.y1)), np.arange(int(box.x0), int(box.x1))


def cut_out(chosen: Sequence[FoundPart], rule: str, margin: float) -> list[Cut]:
    """Return the squares of these parts, each part in one of them.

    rule    the setting `crop`.
    margin  side of a square of the rule "part", in longer sides of the part.
    """
    if rule == "part":
        boxes = [crop_box(_whole(one), margin) for one in chosen]
        return [
            Cut((one,), box, (_fade(square_around(one.part.box)),))
            for one, box in zip(chosen, boxes, strict=True)
        ]
    squares: dict[tuple[str, ReleasedBox], list[FoundPart]] = {}
    for one in chosen:
        square = one.part.square or square_around(_whole(one).box)
        squares.setdefault((one.part.kind, square), []).append(one)
    return [_cut_as_released(tuple(parts), square) for (_, square), parts in squares.items()]


def crop_released(picture: NDArray[np.uint8], box: ReleasedBox) -> NDArray[np.uint8]:
    """Cut a box out of a picture (H, W, 3), black outside.

    The released code pads by the side of the square and slices, so that a box farther out is cut
    short, not square, or wraps around; slicing the indices in place of the pixels gives the same.
    """
    pad = 2 * box.extend_side
    height, width = picture.shape[:2]
    rows = np.arange(-pad, height + pad)[box.top + pad : box.bottom + pad]
    columns = np.arange(-pad, width + pad)[box.left + pad : box.right + pad]
    return gather(picture, rows, columns, "zeros")


def _cut_as_released(parts: tuple[FoundPart, ...], square: ReleasedBox) -> Cut:
    merged = square.width is None
    around_each = [square_around(one.part.box) if merged else square for one in parts]
    box = Box(*(float(edge) for edge in (square.left, square.top, square.right, square.bottom)))
    return Cut(parts, box, tuple(map(_fade, around_each)), square)


def _fade(square: ReleasedBox) -> Fade:
    return Fade(*square.centre, max(square.width or 0, square.height or 0) // 2)


def _whole(one: FoundPart) -> Part:
    """The part with all of a corrected mesh's joints in its box, which the found ones may miss."""
    part, mesh = one.part, one.mesh
    return part if mesh.seen is None else replace(part, box=hull(part.box, around(mesh.joints)))
