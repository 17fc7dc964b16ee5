"""Each kind's two networks, and how the answer of one leads to where the next looks.

Constants are those of MediaPipe 0.10.21's graphs palm_detection_cpu, hand_landmark_cpu,
face_detection_full_range and face_landmark_front_cpu.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.anchors import Floats, centres
from realishuman.detect.regions import Region, heading, upright
from realishuman.detect.tiles import Levels
from realishuman.imaging.boxes import Box, around, square
from realishuman.onnx_files.session import Network

UP, RIGHT = math.pi / 2, 0.0
WRIST, INDEX, MIDDLE, RING = 0, 5, 9, 13  # hand landmarks: the wrist and the base of three fingers
PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # fingertips move too much to place the region
EYES = 33, 263  # face landmarks: outer corners
EYES_OF_68 = slice(36, 42), slice(42, 48)  # of iBUG's points of a face: image left, image right
FACE_OF_68 = 1.75  # side in longer sides of the 68 points' box, which ends at the eyebrows
ABOVE = 0.12  # how much higher its centre is, in the same unit
QUARTERS = (0.0, math.pi / 2, math.pi, -math.pi / 2)


@dataclass(frozen=True)
class Finder:
    """A single-shot detector.

    layers  stride and anchors per cell.
    low     what black becomes; white becomes 1.
    """

    file: str
    size: int
    layers: tuple[tuple[int, int], ...]
    points: int
    low: float

    @property
    def anchors(self) -> Floats:
        """Anchor centres (A, 2), 0..1."""
        return centres(self.size, self.layers)

    @property
    def network(self) -> Network:
        """What the file must contain."""
        count = sum((self.size // stride) ** 2 * each for stride, each in self.layers)
        return Network(
            {"image": (None, 3, self.size, self.size)},
            {"regressors": (None, count, 4 + 2 * self.points), "scores": (None, count, 1)},
        )


@dataclass(frozen=True)
class Reader:
    """A landmark network; its picture input is 0..1.

    depth            what the network's z is divided by to have the scale of x and y.
    presence_logit   whether presence comes before the sigmoid.
    sided            whether it also gives handedness and landmarks in metres.
    features         shape (C, H, W) of what it gives of its inside, if anything: see detect.feet.
    """

    file: str
    size: int
    landmarks: int
    depth: float
    presence_logit: bool
    sided: bool
    features: tuple[int, int, int] | None = None

    @property
    def network(self) -> Network:
        """What the file must contain."""
        outputs: dict[str, tuple[int | None, ...]] = {
            "landmarks": (None, 3 * self.landmarks),
            "presence": (None, 1),
        }
        if self.sided:
            outputs |= {"handedness": (None, 1), "world": (None, 3 * self.landmarks)}
        if self.features:
            outputs["features"] = (None, *self.features)
        return Network({"image": (None, 3, self.size, self.size)}, outputs)


@dataclass(frozen=True)
class Family:
    """All that finding one kind of part takes.

    from_detection  region of the landmark network, from a detected box and its points.
    from_landmarks  the same from landmarks (K, 3) of a first pass, in picture pixels.
    from_people     the same from DWPose's keypoints (K, 3) and their box, where these are others
                    than the landmarks.
    turns           angles tried when a box is all there is to go by.
    levels          how finely the detector divides pictures.
    rolls           turns of a part that its networks do not know, for they have learnt upright
                    ones: the detector sees the whole picture turned like that as well, and a first
                    reading is compared with others.
    sure            presence from which a first reading is the right way up without comparing.
    skin            whether its networks know parts in the colours of skin only: a picture in which
                    nothing is found is then searched in such colours as well.
    """

    finder: Finder
    reader: Reader
    from_detection: Callable[[Box, Floats], Region]
    from_landmarks: Callable[[NDArray[np.floating]], Region]
    turns: tuple[float, ...]
    levels: Levels
    rolls: tuple[float, ...] = ()
    sure: float = 0.0
    skin: bool = False
    from_people: Callable[[NDArray[np.floating], Box], Region] | None = None


def hand_from_palm(box: Box, points: Floats) -> Region:
    """Return the region of a hand from its palm: wrist below, middle finger above."""
    angle = heading(points[0], points[2], UP)
    # Half a palm towards the fingers, which the palm's box leaves out.
    shift = Region(0, 0, 1, angle).turn(np.array([0.0, -0.5 * box.height]))
    return Region(
        box.centre[0] + float(shift[0]),
        box.centre[1] + float(shift[1]),
        box.longer_side * 2.6,
        angle,
    )


def hand_from_landmarks(landmarks: NDArray[np.floating]) -> Region:
    """Return the region of a hand from its own landmarks (21, 3)."""
    flat = np.asarray(landmarks[:, :2], np.float64)
    ahead = (flat[INDEX] + flat[RING]) / 4 + flat[MIDDLE] / 2
    angle = heading(flat[WRIST], ahead, UP)
    turned = Region(0, 0, 1, -angle).turn(flat[list(PALM)])
    box = around(turned)
    centre = (box.centre[0], box.centre[1] - 0.1 * box.height)
    x, y = Region(0, 0, 1, angle).turn(np.array(centre)).tolist()
    return Region(x, y, box.longer_side * 2.0, angle)


def face_from_detection(box: Box, points: Floats) -> Region:
    """Return the region of a face from its detected box: eyes level."""
    region = upright(box, 1.5)
    return Region(region.x, region.y, region.side, heading(points[0], points[1], RIGHT))


def face_from_landmarks(landmarks: NDArray[np.floating]) -> Region:
    """Return the region of a face from its own landmarks (468, 3)."""
    eyes = landmarks[list(EYES), :2]
    region = upright(square(around(landmarks), 1.0), 1.5)
    return Region(region.x, region.y, region.side, heading(eyes[0], eyes[1], RIGHT))


def face_from_people(keypoints: NDArray[np.floating], box: Box) -> Region:
    """Return the region of a face from the 68 keypoints of the pose network and their box."""
    first, second = (keypoints[eye, :2].mean(axis=0) for eye in EYES_OF_68)
    angle = heading(first, second, RIGHT)
    up = Region(0, 0, 1, angle).turn(np.array([0.0, -ABOVE * box.longer_side]))
    (x, y), side = box.centre, box.longer_side * FACE_OF_68
    return Region(x + float(up[0]), y + float(up[1]), side, angle)


HAND = Family(
    Finder("palm_detection_full.onnx", 192, ((8, 2), (16, 6)), points=7, low=0.0),
    Reader("hand_landmark_full.onnx", 224, 21, 0.4, False, True, features=(192, 7, 7)),
    hand_from_palm,
    hand_from_landmarks,
    turns=QUARTERS,
    levels=Levels(step=2.0, finest=680.0, closer=0.1),
    skin=True,
)
FACE = Family(
    Finder("face_detection_full_range_sparse.onnx", 192, ((4, 1),), points=6, low=-1.0),
    Reader("face_landmark.onnx", 192, 468, 1.0, presence_logit=True, sided=False),
    face_from_detection,
    face_from_landmarks,
    turns=(0.0,),
    levels=Levels(step=2.0, finest=680.0),
    rolls=QUARTERS[1:],
    # Faces read the right way up have 1 - 1e-7 (5th percentile), others at most 1 - 3e-6.
    sure=1 - 3e-7,
    from_people=face_from_people,
)
