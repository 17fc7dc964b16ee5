"""A small network that says which fingers of a hand are wrong, and where their joints belong.

A detector's landmarks follow what is there: a bent finger stays bent, a sixth one may be taken for
the fifth. The network sees the hand upright, mirrored to a right one, with these landmarks, and
answers with those of the good hand; only fingers that it calls wrong are moved. It knows the
pictures it was trained on (`realishuman train corrector`). There are two: one was trained on
rendered hands, as the demo pack was, and is used with that alone; the other also on photographed
hands made malformed.
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
FINGERS = 5
KNUCKLES = (5, 9, 13, 17)  # bases of the four fingers
INPUTS: Mapping[str, tuple[int | None, ...]] = {
    "crop": (None, 3, SIDE, SIDE),
    "found": (None, JOINTS, 3),
}
CORRECTOR = Network(INPUTS, {"joints": (None, JOINTS, 3), "wrong": (None, FINGERS)})
WRONG = 0.5  # for PHOTOGRAPHED: from this probability on a finger is moved; measured
# Radians by which PHOTOGRAPHED sees a hand turned. The mean of several answers is better than one:
# on photographs set aside, malformed hands are told from good ones with an AUC of 0.92, not 0.90.
TURNS = (0.0, -0.28, 0.28)
AT_ONCE = 16  # views per run of the network

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HandView:
    """How the network sees a hand: a turned square of the picture, a left hand mirrored.

    size  of the crop, in pixels.
    """

    region: Region
    left: bool
    size: int = SIDE

    def turn(self, angle: float) -> HandView:
        """The same square, turned by an angle in radians."""
        return replace(self, region=replace(self.region, angle=self.region.angle + angle))

    def crop(self, picture: Picture) -> Picture:
        """(size, size, 3) uint8; what lies outside the picture repeats its edge."""
        pixels = cut(picture, self.region, self.size, repeat_edge=True)
        return np.ascontiguousarray(pixels[:, ::-1]) if self.left else pixels

    def to_crop(self, points: NDArray[np.floating]) -> Floats:
        """Points (K, 3) of the picture in sides of the crop; depth is only scaled."""
        turned = (np.asarray(points, np.float64)[:, :2] - self._centre) @ self._axes.T
        placed = turned / self.region.side + 0.5 + self._half_pixel
        if self.left:
            placed[:, 0] = 1 - placed[:, 0]
        return np.column_stack([placed, np.asarray(points)[:, 2] / self.region.side])

    def to_picture(self, points: NDArray[np.floating]) -> Floats:
        """The inverse of to_crop."""
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


def frame_hand(keypoints: NDArray[np.floating], left: bool, margin: float, size: int) -> HandView:
    """The square around a hand with its knuckles above its wrist, `margin` longer sides wide."""
    points = np.asarray(keypoints, np.float64)[:, :2]
    angle = heading(points[0], points[list(KNUCKLES)].mean(axis=0), UP)
    turned = Region(0.0, 0.0, 1.0, angle)
    box = around(points @ turned.turn(np.eye(2)).T)
    x, y = turned.turn(np.array(box.centre))
    return HandView(Region(float(x), float(y), margin * box.longer_side, angle), left, size)


@dataclass(frozen=True)
class Corrected:
    """A hand after correction.

    part   with the landmarks of the good hand, also in metres; all else as it was.
    wrong  (5,) how likely each finger is malformed, 0 to 1, thumb first; None where all fingers
           are moved without asking.
    """

    part: Part
    wrong: NDArray[np.float32] | None


class HandCorrector:
    """Corrects the landmarks of hands.

    wrong   probability from which on a finger is moved; None moves all of them.
    turns   radians: the answer is the mean over views of the hand turned by these.
    Raises  ModelError if the file is missing, damaged or another network.
    """

    def __init__(
        self,
        path: Path = RENDERED,
        wrong: float | None = None,
        turns: Sequence[float] = (0.0,),
    ) -> None:
        self._wrong = wrong
        self._turns = turns
        self._session: OnnxSession = open_session(path, CORRECTOR, provider="cpu")

    def release(self) -> None:
        """Let go of the network's memory; it opens again at the next use."""
        self._session.release()

    def correct(
        self, picture: Picture, parts: Sequence[Part], units: Sequence[float]
    ) -> list[Corrected]:
        """The hands with the landmarks of good ones.

        picture  (H, W, 3) uint8 RGB.
        parts    hands with finite landmarks that are not all one point.
        units    pixels per metre of each.
        """
        if not parts:
            return []
        views = [
            frame_hand(part.keypoints, part.side == "left", MARGIN, SIDE).turn(angle)
            for part in parts
            for angle in self._turns
        ]
        seen = [deepen(*each) for each in zip(parts, units, strict=True) for _ in self._turns]
        found = [
            encode_landmarks(one.to_crop(points)) for one, points in zip(views, seen, strict=True)
        ]
        crops = [encode_crop(one.crop(picture)) for one in views]
        answer = self._session.run_all(AT_ONCE, crop=np.stack(crops), found=np.stack(found))
        joints = np.stack([v.to_picture(j) for v, j in zip(views, answer["joints"], strict=True)])
        shape = len(parts), len(self._turns)
        points = joints.reshape(*shape, JOINTS, 3).mean(axis=1)
        wrong = answer["wrong"].reshape(*shape, FINGERS).mean(axis=1)
        return [self._correct_one(*each) for each in zip(parts, points, units, wrong, strict=True)]

    def _correct_one(
        self, part: Part, points: Floats, unit: float, wrong: NDArray[np.float32]
    ) -> Corrected:
        if self._wrong is None:
            return Corrected(_move_fingers(part, points, unit, np.ones(FINGERS, bool)), None)
        return Corrected(_move_fingers(part, points, unit, wrong >= self._wrong), wrong)


def encode_crop(crop: Picture) -> NDArray[np.float32]:
    """(R, R, 3) uint8 as the network's (3, R, R) in [-1, 1]."""
    return np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32) / np.float32(127.5) - 1


def encode_landmarks(points: Floats) -> NDArray[np.float32]:
    """Landmarks (21, 3) in sides of the crop as the network takes them: depth from its mean on."""
    centred = points.copy()
    centred[:, 2] -= points[:, 2].mean()
    return centred.astype(np.float32)


def deepen(part: Part, unit: float) -> Floats:
    """The landmarks with the depth of the metric ones, which is the more reliable."""
    points = np.array(part.keypoints, np.float64)
    if part.world is not None:
        points[:, 2] = np.asarray(part.world, np.float64)[:, 2] * unit
    return points


def _move_fingers(part: Part, points: Floats, unit: float, wrong: NDArray[np.bool_]) -> Part:
    """The hand with the joints of wrong fingers (5,) at these points (21, 3).

    The wrist moves only with all five: while one finger is right it is where it was found.
    """
    moved = np.concatenate([[wrong.all()], np.repeat(wrong, (JOINTS - 1) // FINGERS)])
    points = np.where(moved[:, None], points, deepen(part, unit))
    world = (points - points.mean(axis=0)) / unit
    return replace(part, keypoints=points.astype(np.float32), world=world.astype(np.float32))
