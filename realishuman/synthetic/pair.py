"""A pair of pictures, good and malformed; what a kind of part must offer for one to be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.base import Mesh

SEEN = 10  # levels of 255 that a pixel must differ by to count as changed


@dataclass(frozen=True)
class SyntheticSample:
    """A pair of pictures with the same person, place, light, camera and noise.

    clean      (side, side, 3) uint8 RGB.
    malformed  (side, side, 3) uint8 RGB, equal to clean outside `changed`.
    kind       what is wrong, one of sample.KINDS of the part.
    mesh       the clean part in picture pixels, as a regressor would return it.
    part       "left" or "right" hand; None for a face.
    joints     (21, 3) or (468, 3) float32, the landmarks of mesh.
    mask       (side, side) bool, pixels that show the clean hand or face.
    changed    (side, side) bool, pixels where clean and malformed differ.
    fingers    how many the malformed hand has, thumb included; 0 for a face.
    tone       individual typology angle of the skin in degrees, -65 (very dark) to 63.
    family     the hand's pose, one of pose.FAMILIES, or the face's expression.FAMILIES.
    """

    clean: NDArray[np.uint8]
    malformed: NDArray[np.uint8]
    kind: str
    mesh: Mesh
    part: str | None
    joints: NDArray[np.float32]
    mask: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    fingers: int
    tone: float
    family: str


@dataclass(frozen=True)
class Subject:
    """A good part, painted, and how to paint it malformed; fields as in SyntheticSample.

    twin  draws a malformed picture (side, side, 3) and how many fingers it shows.
    """

    clean: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    mesh: Mesh
    part: str | None
    tone: float
    family: str
    twin: Callable[[np.random.Generator], tuple[NDArray[np.uint8], int]]


def pair(
    rng: np.random.Generator, subject: Subject, kind: str, least: float
) -> SyntheticSample | None:
    """Draw a twin; None if it differs in less than this share of the part's pixels."""
    picture, fingers = subject.twin(rng)
    picture, changed = difference(subject.clean, picture)
    if changed.sum() < least * subject.mask.sum():
        return None
    return SyntheticSample(
        subject.clean,
        picture,
        kind,
        subject.mesh,
        subject.part,
        subject.mesh.joints,
        subject.mask,
        changed,
        fingers,
        subject.tone,
        subject.family,
    )


def difference(
    clean: NDArray[np.uint8], twin: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the twin, equal to `clean` wherever no eye sees a difference, and where one does."""
    apart = np.abs(clean.astype(np.int16) - twin).max(axis=2)
    core = cv2.morphologyEx((apart >= SEEN).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2)))
    changed = cv2.dilate(core, np.ones((5, 5))).astype(bool) & (apart > 0)
    return np.where(changed[..., None], twin, clean), changed
