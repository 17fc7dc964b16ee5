"""Cuts a face out of a picture as 3DDFA-V3 wants it, and maps points of that crop back.

Five points of the face give a scale and a place; the picture is scaled, never turned, and 224 x 224
pixels of it are the crop. Sizes and places are whole pixels, cut off towards zero as released, so
the map back uses the rounded values and is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.advice import command
from realishuman.detect.base import Picture
from realishuman.errors import ModelError
from realishuman.mesh.face_basis import SIDE

Floats = NDArray[np.float64]

# Eye at the picture's left, eye at its right, nose tip, corners of the mouth: the points' places in
# a detector's set, by the set's size; a place is the mean of its points (68: iBUG, 468: MediaPipe).
FIVE = {
    68: ((36, 39), (42, 45), (30,), (48,), (54,)),
    468: ((33, 133), (362, 263), (4,), (61,), (291,)),
}
STANDARD = np.array(  # the same points of a mean face: x right, y up, z out of the face
    [
        [-0.31148657, 0.29036078, 0.13377953],
        [0.30979887, 0.28972036, 0.13179526],
        [0.0032535, -0.04617932, 0.55244243],
        [-0.25216928, -0.38133916, 0.22405732],
        [0.2484662, -0.38128236, 0.22235769],
    ]
)
SIZE = 102.0  # crop pixels per unit of STANDARD
LARGEST = 1000.0  # times a face may be enlarged: a smaller one is no face


@dataclass(frozen=True)
class Alignment:
    """How the crop lies in the scaled picture.

    size    (width, height) of the picture, in pixels.
    scaled  the same once scaled.
    corner  (left, up) of the crop in the scaled picture; may be negative.
    """

    size: tuple[int, int]
    scaled: tuple[int, int]
    corner: tuple[int, int]

    def to_picture(self, points: Floats) -> Floats:
        """Points (N, 2+) of the crop, continuous, to (N, 2) of the picture, also continuous."""
        return np.asarray((points[:, :2] + self.corner) * self.enlarged, np.float64)

    @property
    def enlarged(self) -> Floats:
        """Picture pixels per crop pixel, in x and in y."""
        return np.asarray(np.array(self.size) / np.array(self.scaled), np.float64)

    def crop(self, picture: Picture) -> NDArray[np.float32]:
        """The crop (3, 224, 224) float32 RGB in [0, 1]; black outside the picture.

        Only this part of the scaled picture is made: the whole one of a small face is huge.
        Source  resize_n_crop_img of 3DDFA-V3: bicubic, antialiased.
        """
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        first = np.maximum(0, -np.array(self.corner))
        last = np.minimum(SIDE, np.array(self.scaled) - self.corner)
        if (last > first).all():
            x0, y0 = (first + self.corner) * self.enlarged
            x1, y1 = np.minimum((last + self.corner) * self.enlarged, self.size)
            columns, rows = (int(n) for n in last - first)
            inside = Image.fromarray(picture)
            # Columns before rows, as Pillow did it all at once until it chose the cheaper order.
            for size, box in (
                ((columns, self.size[1]), (float(x0), 0.0, float(x1), float(self.size[1]))),
                ((columns, rows), (0.0, float(y0), float(columns), float(y1))),
            ):
                inside = inside.resize(size, Image.Resampling.BICUBIC, box=box)
            pixels[first[1] : last[1], first[0] : last[0]] = np.asarray(inside)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32) / np.float32(255)


def five_points(keypoints: NDArray[np.floating]) -> Floats:
    """The five points (5, 2) of a face, in the frame of its keypoints (K, 2+).

    Raises ModelError unless there are 68 or 468 keypoints, and these five are finite.
    """
    if keypoints.ndim != 2 or len(keypoints) not in FIVE:
        known = " or ".join(map(str, FIVE))
        raise ModelError(
            f"a face with keypoints of shape {keypoints.shape} cannot be aligned, because 3DDFA-V3 "
            f"needs {known} points: pass only faces to this regressor"
        )
    places = FIVE[len(keypoints)]
    points = np.array([keypoints[list(place), :2].mean(axis=0) for place in places], np.float64)
    if not np.isfinite(points).all():
        raise ModelError(
            "the eyes, nose or mouth of a face are not finite: leave this face out, and check the "
            f"detector's files with `{command('doctor')}`"
        )
    return points


def align_face(points: Floats, size: tuple[int, int]) -> Alignment:
    """Find the crop of a face.

    points  (5, 2) in picture pixels, continuous, in the order of STANDARD.
    size    (width, height) of the picture.
    Raises  ModelError when the points lie in one line or point, or the face is far too small or
            large for the picture.
    Source  align_img of 3DDFA-V3, whose points are pixel indices with y up.
    """
    width, height = size
    targets = np.stack([points[:, 0] - 0.5, height - 1 - (points[:, 1] - 0.5)])
    system = np.hstack([STANDARD, np.ones((len(STANDARD), 1))])
    solved = np.linalg.lstsq(system, targets.T, rcond=None)[0]  # rows: x, y, z, 1
    spread = float(np.linalg.norm(solved[:3], axis=0).mean())
    if not spread > SIZE / LARGEST:
        raise ModelError(
            f"the eyes, nose and mouth of a face lie within {np.ptp(points, axis=0).max():.2g} "
            "pixels: leave this face out, or draw a box around it"
        )
    scale, (x, y) = SIZE / spread, solved[3]
    scaled = int(width * scale), int(height * scale)
    if min(scaled) < 1:
        raise ModelError(
            f"a face of {spread:.0f} pixels does not fit a picture of {width} x {height}: leave "
            "this face out"
        )
    left = int(scaled[0] / 2 - SIDE / 2 + (x - width / 2) * scale)
    up = int(scaled[1] / 2 - SIDE / 2 + (height / 2 - y) * scale)
    return Alignment(size, scaled, (left, up))
