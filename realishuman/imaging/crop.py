"""Square crops of a picture: the map between the two frames, and the pixels in both directions.

Both frames are continuous: pixel (i, j) covers [j, j+1) x [i, i+1). Image tensors of this package's
`imaging` are float32 in [0, 1]. A crop whose box has whole-pixel edges is resampled exactly once;
any other box costs one further bilinear step, of less than a pixel, at the finer of both scales.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from kornia.geometry.transform import warp_affine
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from realishuman.errors import PictureError
from realishuman.imaging.boxes import Box

RELEASED_SIZE = 512
Padding = Literal["reflect", "zeros"]


@dataclass(frozen=True)
class Crop:
    """A square of the picture and the size it is worked on at.

    box   the square, in picture pixels; may leave the picture, may have fractional edges.
    size  side of the crop's tensors, in pixels.

    Raises PictureError unless the box is a square with an area.
    """

    box: Box
    size: int = RELEASED_SIZE

    def __post_init__(self) -> None:
        """Refuse what has no inverse."""
        width, height = self.box.width, self.box.height
        if not (width > 0 and self.size > 0 and abs(width - height) <= 1e-6 * width):
            raise PictureError(
                f"a crop needs a square box and a positive size, not {width:g} x {height:g} pixels "
                f"at size {self.size}; make the box with detect.parts.crop_box"
            )

    @property
    def scale(self) -> float:
        """Crop pixels per picture pixel."""
        return self.size / self.box.width

    def to_crop(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map points from the picture into the crop.

        points   (N, 2) x, y or (N, 3) x, y, z in picture pixels; z is only scaled.
        Returns  the same shape in crop pixels; inside the crop x and y lie in [0, size].
        """
        moved: NDArray[np.float64] = (np.asarray(points, np.float64) - self._origin(points)) * (
            self.scale
        )
        return moved

    def to_picture(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map points (N, 2) or (N, 3) in crop pixels back into the picture; inverse of to_crop."""
        back: NDArray[np.float64] = np.asarray(points, np.float64) / self.scale + self._origin(
            points
        )
        return back

    def pixels(self) -> tuple[int, int, int, int]:
        """Return x0, y0, x1, y1 of the smallest whole-pixel rectangle around the box."""
        box = self.box
        return math.floor(box.x0), math.floor(box.y0), math.ceil(box.x1), math.ceil(box.y1)

    def is_whole(self) -> bool:
        """Whether every edge of the box lies between two pixels."""
        box = self.box
        return self.pixels() == (box.x0, box.y0, box.x1, box.y1)

    def _origin(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.array([self.box.x0, self.box.y0, 0.0])[: np.shape(points)[1]]


def gather(
    picture: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp], padding: Padding
) -> NDArray[np.uint8]:
    """Return picture[rows][:, columns], where indices may lie outside: only this region is read.

    picture  (H, W) or (H, W, C).
    padding  "reflect": mirrored at the border pixel, over and over; "zeros": black.
    """
    height, width = picture.shape[:2]
    region = picture[np.ix_(_mirror(rows, height), _mirror(columns, width))]
    if padding == "zeros":
        region[(rows < 0) | (rows >= height)] = 0
        region[:, (columns < 0) | (columns >= width)] = 0
    return region


def extract(picture: NDArray[np.uint8], crop: Crop, padding: Padding = "reflect") -> Tensor:
    """Cut a crop out of a picture and resize it, antialiased when it shrinks.

    picture  (H, W, 3) uint8 RGB.
    padding  what lies outside the picture; "zeros" is the released choice.
    Returns  (3, size, size) float32 in [0, 1].
    Source   for whole-pixel boxes and zeros, the released crop and its resize.
    """
    x0, y0, x1, y1 = crop.pixels()
    region = gather(picture, np.arange(y0, y1), np.arange(x0, x1), padding)
    image = torch.from_numpy(region).permute(2, 0, 1).float() / 255
    if crop.is_whole():
        return resize_released(image, crop.size)
    shrunk = _shrink(image, crop.scale)
    per_x, per_y = shrunk.shape[2] / (x1 - x0), shrunk.shape[1] / (y1 - y0)
    step_x, step_y = crop.scale / per_x, crop.scale / per_y
    offset = ((crop.box.x0 - x0) * crop.scale, (crop.box.y0 - y0) * crop.scale)
    return _warp(shrunk, (step_x, step_y), offset, (crop.size, crop.size))


def restore(image: Tensor, crop: Crop) -> Tensor:
    """Resample a crop's image to the picture's own pixels, antialiased when it shrinks.

    image    (C, size, size) float32.
    Returns  (C, y1 - y0, x1 - x0) float32 for the rectangle crop.pixels(); may over- or undershoot
             the input's range a little (bicubic).
    """
    x0, y0, x1, y1 = crop.pixels()
    if crop.is_whole():
        whole: Tensor = F.interpolate(
            image[None], size=(y1 - y0, x1 - x0), mode="bicubic", antialias=True
        )[0]
        return whole
    shrunk = _shrink(image, 1 / crop.scale)
    step = shrunk.shape[1] / image.shape[1] * crop.scale
    offset = (x0 - crop.box.x0, y0 - crop.box.y0)
    return _warp(shrunk, (1 / step, 1 / step), offset, (y1 - y0, x1 - x0))


def restore_mask(mask: NDArray[np.bool_], crop: Crop) -> NDArray[np.bool_]:
    """Sample a crop's mask (size, size) at the centres of the pixels of crop.pixels().

    Returns  (y1 - y0, x1 - x0) bool; False where a centre lies outside the box.
    """
    x0, y0, x1, y1 = crop.pixels()
    side = max(x1 - x0, y1 - y0)
    steps = np.arange(side)[:, None] + 0.5
    places = np.floor(crop.to_crop(np.add(steps, (x0, y0)))).astype(np.intp)
    columns, rows = places[: x1 - x0, 0], places[: y1 - y0, 1]
    inside = [(index >= 0) & (index < crop.size) for index in (rows, columns)]
    sampled = mask[np.ix_(*(np.clip(index, 0, crop.size - 1) for index in (rows, columns)))]
    kept: NDArray[np.bool_] = sampled & inside[0][:, None] & inside[1][None]
    return kept


def in_picture(mask: NDArray[np.bool_], crop: Crop, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A crop's mask (size, size) at the pixels of a picture of this height and width."""
    x0, y0, x1, y1 = crop.pixels()
    height, width = shape
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    whole = np.zeros((height, width), bool)
    if left < right and top < bottom:
        seen = restore_mask(mask, crop)[top - y0 : bottom - y0, left - x0 : right - x0]
        whole[top:bottom, left:right] = seen
    return whole


def resize_released(image: Tensor, size: int = RELEASED_SIZE) -> Tensor:
    """Resize (C, H, W) float32 to (C, size, size): bilinear, antialiased, half-pixel centres.

    Source  torchvision's Resize on tensors, which the released data sets use.
    """
    resized: Tensor = F.interpolate(
        image[None], size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )[0]
    return resized


def _mirror(index: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Fold any index into [0, count), mirrored at the first and last pixel's centre."""
    if count == 1:
        return np.zeros_like(index)
    folded = np.abs(index) % (2 * (count - 1))
    mirrored: NDArray[np.intp] = np.minimum(folded, 2 * (count - 1) - folded)
    return mirrored


def _shrink(image: Tensor, scale: float) -> Tensor:
    """Shrink by `scale`, to whole pixels, antialiased; unchanged when scale is 1 or more."""
    if scale >= 1:
        return image
    height, width = (max(1, round(n * scale)) for n in image.shape[1:])
    small: Tensor = F.interpolate(
        image[None], size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )[0]
    return small


def _warp(
    image: Tensor, step: tuple[float, float], offset: tuple[float, float], shape: tuple[int, int]
) -> Tensor:
    """Return out(x, y) = image((x + offset) / step), bilinear, in continuous coordinates."""
    # kornia counts from pixel centres: x_out + 0.5 = step (x_in + 0.5) - offset
    rows = [
        [step[0], 0.0, step[0] / 2 - offset[0] - 0.5],
        [0.0, step[1], step[1] / 2 - offset[1] - 0.5],
    ]
    matrix = torch.tensor([rows], dtype=image.dtype, device=image.device)
    warped: Tensor = warp_affine(
        image[None], matrix, dsize=shape, mode="bilinear", padding_mode="border", align_corners=True
    )[0]
    return warped
