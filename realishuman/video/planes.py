"""A frame as a video stores it: planes of brightness and colour, and their way to RGB and back.

A change that was made in RGB is added to the planes, so that what did not change keeps the exact
values of the file, whatever its bit depth, colour matrix and range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import Box

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Values = NDArray[np.uint8] | NDArray[np.uint16]

# Kr and Kb by the numbers of ITU-T H.273, table 4.
WEIGHTS = {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114),
    7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593),
}  # fmt: skip
BT709, BT601 = 1, 6
HD = 720  # pixels of height from which a video that says nothing is taken for BT.709


@dataclass(frozen=True)
class Planes:
    """One frame.

    values  red, green and blue; or brightness and two colour differences, which may be smaller;
            or brightness alone. Each (h, w), of `bits` bits.
    matrix  of colour differences, a key of WEIGHTS; None where values are RGB.
    full    whether values use all of their range.
    alpha   (h, w) uint8, or None.
    """

    values: tuple[Values, ...]
    bits: int = 8
    matrix: int | None = None
    full: bool = True
    alpha: Pixels | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.values[0].shape
        return height, width

    def turn(self, quarters: int) -> Planes:
        """The frame turned to the left by so many quarter turns."""
        turned: list[Values] = [np.rot90(one, quarters) for one in self.values]
        return replace(self, values=tuple(turned))

    def rgb(self) -> Pixels:
        """(H, W, 3) uint8."""
        if self.matrix is None and self.bits == 8:
            stacked = self.values if len(self.values) == 3 else self.values * 3
            return np.ascontiguousarray(np.dstack(stacked), np.uint8)
        signals = [self._signal(one, place) for place, one in enumerate(self.values)]
        if self.matrix is None or len(signals) == 1:
            colours = np.dstack(signals if len(signals) == 3 else signals * 3)
        else:
            height, width = self.size
            signals = [cv2.resize(one, (width, height)) for one in signals]
            colours = np.dstack(signals) @ np.linalg.inv(to_differences(self.matrix)).T
        return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)

    def with_change(self, place: Box, before: Pixels, after: Pixels) -> Planes:
        """The frame with a change that was made in RGB.

        place          where, in whole pixels within the frame.
        before, after  (h, w, 3), what rgb() gave there, and what it became.
        """
        change = np.asarray((after.astype(np.float32) - before) / 255, np.float32)
        if self.matrix is not None:
            change = np.asarray(change @ to_differences(self.matrix).T, np.float32)
        x, y = int(place.x0), int(place.y0)
        made = []
        for number, values in enumerate(self.values):
            factors = [
                -(-whole // part) for whole, part in zip(self.size, values.shape, strict=True)
            ]
            added, (top, left) = _reduce(change[..., number], (y, x), factors)
            values = values.copy()
            height, width = added.shape
            window = values[top : top + height, left : left + width]
            added = added[: window.shape[0], : window.shape[1]] * self._scale(number)
            window[:] = np.clip(np.rint(window + added), 0, 2**self.bits - 1)
            made.append(values)
        return replace(self, values=tuple(made))

    def to_differences(self, halved: bool) -> Planes:
        """An RGB frame as BT.709 brightness and colour differences of limited range.

        halved  keep these at half the resolution.
        """
        signals = self.rgb().astype(np.float32) / 255 @ to_differences(BT709).T
        empty = replace(self, bits=8, matrix=BT709, full=False)
        made = []
        for number in range(3):
            signal = np.asarray(signals[..., number], np.float32)
            if halved and number:
                edges = [(0, side % 2) for side in signal.shape]
                signal, _ = _reduce(np.pad(signal, edges, mode="edge"), (0, 0), (2, 2))
            offset = 16 if number == 0 else 128
            made.append(np.rint(signal * empty._scale(number) + offset).astype(np.uint8))
        return replace(empty, values=tuple(made))

    def _signal(self, values: Values, number: int) -> Floats:
        """A plane as RGB or brightness in 0..1, or a colour difference in -0.5..0.5."""
        offset = 2.0 ** (self.bits - 1) if self._is_difference(number) else 0.0
        if not offset and not self.full and self.matrix is not None:
            offset = 16 * 2.0 ** (self.bits - 8)
        signal = (values.astype(np.float32) - offset) / self._scale(number)
        return np.asarray(signal, np.float32)

    def _scale(self, number: int) -> float:
        """How many levels of a plane are 1."""
        if self.full or self.matrix is None:
            return float(2**self.bits - 1)
        return (224 if self._is_difference(number) else 219) * 2.0 ** (self.bits - 8)

    def _is_difference(self, number: int) -> bool:
        return self.matrix is not None and number > 0


def planes_of(rgb: Pixels, alpha: Pixels | None = None) -> Planes:
    """A picture (H, W, 3) as a frame."""
    return Planes(tuple(np.ascontiguousarray(rgb[..., k]) for k in range(3)), alpha=alpha)


def to_differences(matrix: int) -> Floats:
    """(3, 3) from RGB in 0..1 to brightness and colour differences, ITU-T H.273."""
    red, blue = WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    rows = [luma, (np.eye(3)[2] - luma) / (2 * (1 - blue)), (np.eye(3)[0] - luma) / (2 * (1 - red))]
    return np.asarray(rows, np.float32)


def guess_matrix(told: int, height: int) -> int:
    """The matrix that a file names, or that players take where it names none that is known."""
    return told if told in WEIGHTS else (BT709 if height >= HD else BT601)


def _reduce(
    change: Floats, corner: tuple[int, int], factors: tuple[int, int] | list[int]
) -> tuple[Floats, tuple[int, int]]:
    """Means of a change over a smaller plane's pixels, and the first of them: row and column."""
    if list(factors) == [1, 1]:
        return change, corner
    starts = [at // by for at, by in zip(corner, factors, strict=True)]
    pads = [
        (at - start * by, -(at + length) % by)
        for at, start, by, length in zip(corner, starts, factors, change.shape, strict=True)
    ]
    padded = np.pad(change, pads)
    rows, columns = (side // by for side, by in zip(padded.shape, factors, strict=True))
    blocks = padded.reshape(rows, factors[0], columns, factors[1])
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32), (starts[0], starts[1])
