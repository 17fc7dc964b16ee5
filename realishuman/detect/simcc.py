"""Reads the 133 keypoints of a person with DWPose's pose network, from a box around the person.

The network answers per keypoint with one row of values along x and one along y, two values per
pixel of its input; where they peak is the keypoint.
Source: Yang et al., DWPose, arXiv 2307.15880; Jiang et al., RTMPose, arXiv 2303.07399; constants
of DWPose's onnxpose.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Picture
from realishuman.detect.regions import sample, shrunk
from realishuman.onnx_files.session import Network, OnnxSession

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 288, 384
POINTS = 133
PER_PIXEL = 2  # values
PADDING = 1.25
MEAN, SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, RGB, 0..255
FINE = 1024  # steps per pixel
MOST = 8  # people at a time

NETWORK = Network(
    {"image": (None, 3, HEIGHT, WIDTH)},
    {"x": (None, POINTS, PER_PIXEL * WIDTH), "y": (None, POINTS, PER_PIXEL * HEIGHT)},
    by_place=True,  # the published files' names are promised nowhere
)


@dataclass(frozen=True)
class PersonView:
    """The upright rectangle of the picture that the network sees: centre and size in pixels."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def around(cls, box: NDArray[np.floating]) -> PersonView:
        """The view of a person's box x0, y0, x1, y1: a quarter larger, three wide to four high."""
        x0, y0, x1, y1 = box.tolist()
        width, height = (x1 - x0) * PADDING, (y1 - y0) * PADDING
        ratio = WIDTH / HEIGHT
        if width > height * ratio:
            height = width / ratio
        else:
            width = height * ratio
        return cls((x0 + x1) * 0.5, (y0 + y1) * 0.5, width, height)

    def to_picture(self, points: NDArray[np.floating]) -> Floats:
        """Points (..., 2) in pixels of the network's input, in picture pixels."""
        size = np.array([self.width, self.height])
        placed: Floats = points / (WIDTH, HEIGHT) * size + (self.x, self.y) - size / 2
        return placed

    def cut(self, picture: Picture) -> Picture:
        """Sample the view as (384, 288, 3) uint8, bilinear, black outside the picture.

        Pixel indices are taken as coordinates, as in the network's training.
        """
        columns = np.arange(WIDTH) * (self.width / WIDTH)
        rows = np.arange(HEIGHT) * (self.height / HEIGHT) + (self.y - self.height / 2)
        # OpenCV 4's warpAffine rounds so; OpenCV 5's samples otherwise.
        columns = np.rint(columns * FINE) + np.rint((self.x - self.width / 2) * FINE)
        columns, rows = (
            np.floor((line + 16) / 32) / 32 for line in (columns, np.rint(rows * FINE))
        )
        height, width = picture.shape[:2]
        x0, x1 = (_within(edge, width) for edge in (columns[0] - 2, columns[-1] + 3))
        y0, y1 = (_within(edge, height) for edge in (rows[0] - 2, rows[-1] + 3))
        # Only the needed part goes to OpenCV, which refuses pictures over 32767 pixels.
        patch = picture[y0 : y1 + 1, x0 : x1 + 1]
        patch, scale_x, scale_y = shrunk(patch, self.width / WIDTH)
        columns = (columns - x0 + 0.5) / scale_x - 0.5
        rows = (rows - y0 + 0.5) / scale_y - 0.5
        return sample(patch, *np.meshgrid(columns, rows), repeat_edge=False)


def read_people(
    session: OnnxSession, picture: Picture, boxes: NDArray[np.floating], *, swapped: bool
) -> tuple[Floats, Floats]:
    """Return the keypoints (N, 133, 2) in picture pixels and their scores (N, 133).

    picture  (H, W, 3) uint8 RGB.
    boxes    (N, 4) of people, N from 1.
    swapped  show the network blue, green, red, as the released code does; it was trained on RGB.
    Scores are what the network says, mostly 0 to 1, at times a little more.
    """
    views = [PersonView.around(box) for box in boxes]
    pixels = np.stack([view.cut(picture) for view in views])
    if swapped:
        pixels = pixels[..., ::-1]
    normal = ((pixels - np.array(MEAN)) / np.array(SPREAD)).astype(np.float32)
    out = session.run_all(MOST, image=np.ascontiguousarray(normal.transpose(0, 3, 1, 2)))
    found, scores = peaks(out["x"], out["y"])
    placed = [view.to_picture(points) for view, points in zip(views, found, strict=True)]
    return np.stack(placed), scores


def peaks(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Return where the rows (N, K, W) and (N, K, H) peak, in pixels, and how high.

    The lower of the two peaks is the score. Without a positive one the point is at -0.5, -0.5.
    """
    scores = np.minimum(x.max(axis=-1), y.max(axis=-1)).astype(np.float64)
    places = np.stack([x.argmax(axis=-1), y.argmax(axis=-1)], axis=-1).astype(np.float64)
    places[scores <= 0] = -1
    return places / PER_PIXEL, scores


def _within(edge: float, size: int) -> int:
    return int(min(max(edge, 0.0), size - 1.0))
