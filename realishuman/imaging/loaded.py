"""A picture in memory: its pixels, and what is kept of the file that it came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import PictureError
from realishuman.imaging.metadata import Metadata
from realishuman.imaging.modes import Stored, deep_colours, eight_bit


@dataclass(frozen=True)
class LoadedPicture:
    """A picture and all that is needed to write it back.

    rgb       (H, W, 3) uint8, upright.
    alpha     (H, W) uint8, or None.
    pixels    the file's own values, upright.
    metadata  what else the file says; metadata.lost names what of it could not be read.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    pixels: Stored
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def deep(self) -> NDArray[np.uint16] | None:
        """(H, W, 3) RGB or (H, W, 4) RGBA, uint16, of a picture with 16 bits; else None."""
        return deep_colours(self.pixels)

    def with_parameters(self, parameters: str) -> LoadedPicture:
        """The same with other generation parameters."""
        return replace(self, metadata=replace(self.metadata, parameters=parameters))


def picture_of(array: NDArray[Any]) -> LoadedPicture:
    """A picture that is no file, as load_picture returns one; arguments and errors of as_rgb."""
    rgb, alpha = as_rgb(array)
    array, mode = np.asarray(array), "RGB" if alpha is None else "RGBA"
    if array.dtype == np.uint16 and array.shape[2:] in ((3,), (4,)):
        return LoadedPicture(rgb, alpha, Stored(f"{mode};16", array))
    values = rgb if alpha is None else np.dstack([rgb, alpha])
    return LoadedPicture(rgb, alpha, Stored(mode, values))


def as_rgb(array: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Turn an array into 8-bit RGB and alpha.

    array    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8, uint16 or float in [0, 1].
    Returns  (H, W, 3) uint8, which for uint8 RGB shares the array's memory, and alpha (H, W) uint8
             or None.
    Raises   PictureError on any other shape, type or range.
    """
    array = np.asarray(array)
    shape = array.shape
    if (
        len(shape) not in (2, 3)
        or (len(shape) == 3 and shape[2] not in (1, 3, 4))
        or not array.size
    ):
        raise PictureError(
            f"a picture must have shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {shape}"
        )
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # also refuses NaN
            raise PictureError(
                f"a picture of type {array.dtype} must lie in 0..1, not {low:g}..{high:g}; divide "
                "by its largest value or pass uint8"
            )
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"a picture must be uint8, uint16 or float, not {array.dtype}")
    values = eight_bit(array).reshape(*shape[:2], -1)
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2), None
    if values.shape[2] == 4:
        return np.ascontiguousarray(values[..., :3]), values[..., 3].copy()
    return values, None
