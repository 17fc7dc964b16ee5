"""HaMeR's two frames: the crop it looks at, and the camera that puts its hand into the picture.

Source  hamer/datasets/vitdet_dataset.py, datasets/utils.py and utils/renderer.py of
        geopavlakos/hamer, with the released pipeline's box factor of 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Picture
from realishuman.imaging.boxes import Box

SIDE = 256  # of the crop, in pixels
GROW = 2.0  # box around the keypoints to box of the crop
WIDTH = 192  # of what the backbone sees of it
FOCAL = 5000 / SIDE  # in longer sides of the picture
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, of RGB 0..255
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HandFrame:
    """The square around one hand.

    x, y  centre in picture pixels.
    side  in picture pixels.
    left  whether it is a left hand, which HaMeR sees in the mirror.
    """

    x: float
    y: float
    side: float
    left: bool


def hand_frame(box: Box, left: bool) -> HandFrame:
    """The square HaMeR crops for a hand, given the tight box around its keypoints.

    Computed in float32, as the original does.
    """
    corners = np.array([box.x0, box.y0, box.x1, box.y1], np.float32)
    x, y = (corners[2:] + corners[:2]) / 2
    size = GROW * (corners[2:] - corners[:2]) / 200 * 200  # arrays stay float32, also in numpy 1
    side = np.maximum(size[1:], size[:1] * SIDE / WIDTH)[0]
    return HandFrame(float(x), float(y), float(side), left)


def hand_crop(picture: Picture, frame: HandFrame) -> NDArray[np.float32]:
    """What the network sees.

    picture  (H, W, 3) uint8 RGB.
    Returns  (3, 256, 256) float32, ImageNet's mean and deviation taken out; black outside the
             picture. Left hands are mirrored.
    """
    image: NDArray[Any] = picture
    x = np.float32(frame.x)
    if frame.left:
        image, x = image[:, ::-1], picture.shape[1] - x - 1  # the original's 1 pixel, not a half
    turn = _to_crop(x, np.float32(frame.y), np.float32(frame.side))
    sigma = (frame.side / SIDE / 2 - 1) / 2  # a blur against aliasing, from a factor of 1.1
    if sigma > 0.05:
        image, turn = _blur(image, turn, sigma)
    crop = cv2.warpAffine(np.ascontiguousarray(image), turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    normal = (crop.astype(np.float32) - np.array(MEAN)) / np.array(DEVIATION)
    return np.ascontiguousarray(normal.transpose(2, 0, 1), np.float32)


def in_picture(
    points: NDArray[np.float32],
    camera: NDArray[np.float32],
    frame: HandFrame,
    size: tuple[int, int],
) -> tuple[Floats, float]:
    """Project points of the network's hand into the picture.

    points   (N, 3) metres as the network gives them: x right, y down, z away, a right hand.
    camera   (3,) scale, x and y, as the network gives them.
    size     height and width of the picture.
    Returns  (N, 3): x and y in picture pixels, z away from the viewer in pixels at the hand's
             depth; and that depth in metres, negative or not finite for a hand that is not before
             the camera.
    """
    height, width = size
    mirror = -1.0 if frame.left else 1.0
    scale, x, y = np.asarray(camera, np.float64)
    focal = FOCAL * max(height, width)
    apparent = frame.side * scale + 1e-9
    depth = 2 * focal / apparent
    middle = np.array([width / 2, height / 2])
    aside = 2 * (np.array([frame.x, frame.y]) - middle) / apparent + (mirror * x, y)
    placed = np.asarray(points, np.float64) * (mirror, 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a hand at the camera: see Returns
        flat = focal * (placed[:, :2] + aside) / (placed[:, 2:] + depth) + middle
    return np.column_stack([flat, placed[:, 2] * focal / depth]), float(depth)


def _to_crop(x: np.float32, y: np.float32, side: np.float32) -> Floats:
    """The affine map (2, 3) of the square to the crop, between pixel indices."""
    half, middle = side * np.float32(0.5), np.float32(SIDE / 2)
    theirs = np.array([[x, y], [x, y + half], [x + half, y]], np.float32)
    ours = np.array([[middle, middle], [middle, SIDE], [SIDE, middle]], np.float32)
    return np.asarray(cv2.getAffineTransform(theirs, ours), np.float64)


def _blur(image: Picture, turn: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Blur the part of an image that the crop shows; the map is that of the part."""
    radius = int(4 * sigma + 0.5)
    corners = np.array([[0, 0, 1], [SIDE, SIDE, 1]]) @ cv2.invertAffineTransform(turn).T
    low = np.floor(corners[0]).astype(int) - radius - 2
    high = np.ceil(corners[1]).astype(int) + radius + 3
    height, width = image.shape[:2]
    x0, x1 = np.clip([low[0], high[0]], 0, width)
    y0, y1 = np.clip([low[1], high[1]], 0, height)
    if x0 == x1 or y0 == y1:  # nothing of the picture is in sight: any of it will do
        x0, y0, x1, y1 = 0, 0, 1, 1
    kernel = cv2.getGaussianKernel(2 * radius + 1, sigma, cv2.CV_64F)
    part = image[y0:y1, x0:x1].astype(np.float64)
    part = cv2.sepFilter2D(part, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    moved = turn.copy()
    moved[:, 2] += turn[:, :2] @ (x0, y0)
    return part, moved
