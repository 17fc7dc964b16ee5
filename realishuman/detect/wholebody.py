"""The order of DWPose's keypoints: the 133 of COCO-WholeBody and the 134 of OpenPose's order.

Source: models of COCO-WholeBody and DWPose's wholebody.py and __init__.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.simcc import Floats

BODY, FEET, FACE = slice(0, 18), slice(18, 24), slice(24, 92)
LEFT_HAND, RIGHT_HAND = slice(92, 113), slice(113, 134)
HANDS = (("left", LEFT_HAND), ("right", RIGHT_HAND))  # side and place of each of a kind of part
FACES = ((None, FACE),)
FOUND = 0.3  # a point that scores less counts as not found
SHOULDERS, NECK = (5, 6), 17  # of the 133; where the neck is put in
# OpenPose's body joints 0..17 (nose, neck, right arm, left arm, right leg, left leg, eyes, ears)
# among COCO's with the neck after them.
OPENPOSE = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)


@dataclass(frozen=True)
class People:
    """Keypoints of N people in OpenPose's order.

    points  (N, 134, 2) in picture pixels.
    scores  (N, 134).
    """

    points: Floats
    scores: Floats

    @classmethod
    def of(cls, points: Floats, scores: Floats) -> People:
        """From the 133 keypoints (N, 133, 2) of COCO-WholeBody.

        The neck lies between the shoulders and scores 1 if both are found, else 0.
        """
        shoulders = list(SHOULDERS)
        neck = points[:, shoulders].mean(axis=1)
        known = (scores[:, shoulders] > FOUND).all(axis=1).astype(np.float64)
        order = [*OPENPOSE, *range(NECK + 1, points.shape[1] + 1)]
        points = np.insert(points, NECK, neck, axis=1)[:, order]
        return cls(points, np.insert(scores, NECK, known, axis=1)[:, order])

    def to_released(self, width: int, height: int) -> Stored:
        """What the released code would write for a picture of this size."""
        placed = self.points / (width, height)
        bodies = placed[:, BODY].reshape(-1, 2).copy()
        placed[self.scores < FOUND] = -1
        hands = np.concatenate([placed[:, LEFT_HAND], placed[:, RIGHT_HAND]])
        hands_score = np.concatenate([self.scores[:, LEFT_HAND], self.scores[:, RIGHT_HAND]])
        numbers = np.arange(len(bodies), dtype=np.float64).reshape(-1, BODY.stop)
        subset = np.where(self.scores[:, BODY] > FOUND, numbers, -1.0)
        return Stored(bodies, subset, hands, hands_score, placed[:, FACE])


@dataclass(frozen=True)
class Stored:
    """The arrays of the released code's pickles; places are shares of width and height.

    bodies       (18 N, 2); points that were not found are where the network guessed.
    subset       (N, 18): the number of a joint in bodies, or -1 if it was not found.
    hands        (2 N, 21, 2): all left ones, then all right ones; -1 where not found, as in faces.
    hands_score  (2 N, 21).
    faces        (N, 68, 2).
    """

    bodies: Floats
    subset: NDArray[np.float64]
    hands: Floats
    hands_score: Floats
    faces: Floats
