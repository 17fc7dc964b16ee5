"""A small network that says where the joints of the good hand behind a malformed one would be.

A detector's landmarks follow what is there: a bent finger stays bent, a sixth one may be taken for
the fifth. The network sees the hand upright, mirrored to a right one, with these landmarks, and
answers with those of the good hand. It knows the pictures it was trained on (`realishuman train
corrector`). There are two: one was trained on rendered hands, as the demo pack was, and is used
with that alone; the other also on photographed hands made malformed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.detect.families import UP
from realishuman.detect.regions import Region, cut, heading
from realishuman.imaging.boxes import around
from realishuman.onnx_files.session import Network, OnnxSession, open_session

FOLDER = Path(__file__).parents[1] / "assets" / "corrector"
RENDERED, PHOTOGRAPHED = FOLDER / "hand.onnx", FOLDER / "photographed-hand.onnx"
SIDE, MARGIN = 128, 1.6  # of the crop: pixels, and longer sides of the upright hand; as trained
JOINTS = 21
KNUCKLES = (5, 9, 13, 17)  # bases of the four fingers
INPUTS: Mapping[str, tuple[int | None, ...]] = {
    "crop": (None, 3, SIDE, SIDE),
    "found": (None, JOINTS, 3),
}
CORRECTOR = Network(INPUTS, {"joints": (None, JOINTS, 3)})
STAYS = 0.07  # for PHOTOGRAPHED: a good finger is moved less, and best not at all; measured
AT_ONCE = 16  # hands per run of the network

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """How the network sees a hand: a turned square of the picture, a left hand mirrored.

    size  of the crop, in pixels.
    """

    region: Region
    left: bool
    size: int = SIDE

    def crop(self, picture: Picture) -> Picture:
        """(size, size, 3) uint8; what lies outside the picture repeats its edge."""
        pixels = cut(picture, self.region, self.size, repeat_edge=True)
        return np.ascontiguousarray(pixels[:, ::-1]) if self.left else pixels

    def inside(self, points: NDArray[np.floating]) -> Floats:
        """Points (K, 3) of the picture in sides of the crop; depth is only scaled."""
        turned = (np.asarray(points, np.float64)[:, :2] - self._centre) @ self._axes.T
        placed = turned / self.region.side + 0.5 + self._half_pixel
        if self.left:
            placed[:, 0] = 1 - placed[:, 0]
        return np.column_stack([placed, np.asarray(points)[:, 2] / self.region.side])

    def outside(self, points: NDArray[np.floating]) -> Floats:
        """The inverse of `inside`."""
        placed = np.array(points[:, :2], np.float64)
        if self.left:
            placed[:, 0] = 1 - placed[:, 0]
        turned = (placed - 0.5 - self._half_pixel) * self.region.side
        return np.column_stack(
            [turned @ self._axes + self._centre, points[:, 2] * self.region.side]
        )

    @property
    def _axes(self) -> Floats:
        """(2, 2): the region's axes, one per row, along the picture's."""
        return self.region.turn(np.eye(2))

    @property
    def _centre(self) -> Floats:
        """(2,): `cut` takes pixel indices for coordinates, but pixel 0 has its centre at 0.5."""
        return np.array([self.region.x, self.region.y]) + 0.5

    @property
    def _half_pixel(self) -> float:
        """So it does in the crop, in sides of it."""
        return 0.5 / self.size


def view(keypoints: NDArray[np.floating], left: bool, margin: float, size: int) -> View:
    """The square around a hand with its knuckles above its wrist, `margin` longer sides wide."""
    points = np.asarray(keypoints, np.float64)[:, :2]
    angle = heading(points[0], points[list(KNUCKLES)].mean(axis=0), UP)
    turned = Region(0.0, 0.0, 1.0, angle)
    box = around(points @ turned.turn(np.eye(2)).T)
    x, y = turned.turn(np.array(box.centre))
    return View(Region(float(x), float(y), margin * box.longer_side, angle), left, size)


class HandCorrector:
    """Corrects the landmarks of hands.

    stays   of the hand's longer side: a finger whose joints would all move less stays as it was
            found.
    Raises  ModelError if the file is missing, damaged or another network.
    """

    def __init__(self, path: Path = RENDERED, stays: float = 0.0) -> None:
        self._stays = stays
        self._session: OnnxSession = open_session(path, CORRECTOR, provider="cpu")

    def release(self) -> None:
        """Let go of the network's memory; it opens again at the next use."""
        self._session.release()

    def correct(
        self, picture: Picture, parts: Sequence[Part], units: Sequence[float]
    ) -> list[Part]:
        """The hands with the landmarks of good ones, also in metres; nothing else changes.

        picture  (H, W, 3) uint8 RGB.
        parts    hands with finite landmarks that are not all one point.
        units    pixels per metre of each.
        """
        views = [view(p.keypoints, p.side == "left", MARGIN, SIDE) for p in parts]
        found = [
            given(one.inside(deep(part, unit)))
            for one, part, unit in zip(views, parts, units, strict=True)
        ]
        crops = [shown(one.crop(picture)) for one in views]
        if not parts:
            return []
        good = self._session.run_all(AT_ONCE, crop=np.stack(crops), found=np.stack(found))["joints"]
        return [
            _corrected(part, one.outside(joints), unit, self._stays)
            for part, one, joints, unit in zip(parts, views, good, units, strict=True)
        ]


def shown(crop: Picture) -> NDArray[np.float32]:
    """(R, R, 3) uint8 as the network's (3, R, R) in [-1, 1]."""
    return np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32) / np.float32(127.5) - 1


def given(points: Floats) -> NDArray[np.float32]:
    """Landmarks (21, 3) in sides of the crop as the network takes them: depth from its mean on."""
    centred = points.copy()
    centred[:, 2] -= points[:, 2].mean()
    return centred.astype(np.float32)


def deep(part: Part, unit: float) -> Floats:
    """The landmarks with the depth of the metric ones, which is the more reliable."""
    points = np.array(part.keypoints, np.float64)
    if part.world is not None:
        points[:, 2] = np.asarray(part.world, np.float64)[:, 2] * unit
    return points


def _corrected(part: Part, points: Floats, unit: float, stays: float) -> Part:
    points = np.where(_moved(part, points, stays)[:, None], points, deep(part, unit))
    world = (points - points.mean(axis=0)) / unit
    return replace(part, keypoints=points.astype(np.float32), world=world.astype(np.float32))


def _moved(part: Part, points: Floats, stays: float) -> NDArray[np.bool_]:
    """(21,) the joints of fingers that are somewhere else; the wrist moves with all five."""
    found = np.asarray(part.keypoints, np.float64)[:, :2]
    apart = np.linalg.norm(points[:, :2] - found, axis=1) / around(found).longer_side
    fingers = apart[1:].reshape(5, 4).max(axis=1) >= stays
    return np.concatenate([[bool(fingers.all())], np.repeat(fingers, 4)])
