"""One training pair per seed: a good hand, its malformed twin, and all that is known of both."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.errors import SettingsError
from realishuman.mesh.base import Mesh
from realishuman.mesh.embedded_hand import MIRROR
from realishuman.mesh.hand_template import Floats, hand_template
from realishuman.train.synthetic import malform
from realishuman.train.synthetic.body import arm
from realishuman.train.synthetic.paint import Painting, paint
from realishuman.train.synthetic.pose import (
    FAMILIES,
    draw_angles,
    draw_lengths,
    draw_rotation,
)
from realishuman.train.synthetic.posed import (
    Anatomy,
    Surface,
    bodies,
    mirrored,
    template_surface,
)
from realishuman.train.synthetic.scene import Camera, Scene, draw_camera, draw_scene

LEAST_CHANGED = 0.05  # of the hand's pixels; twins that differ less are drawn again
SEEN = 10  # levels of 255 that a pixel must differ by to count as changed
HAND_END = 0.066  # y of the resting hand, metres, where the forearm begins
ATTEMPTS = 6
SMALLEST = 64


@dataclass(frozen=True)
class SyntheticSample:
    """A pair of pictures with the same person, place, light, camera and noise.

    clean      (side, side, 3) uint8 RGB.
    malformed  (side, side, 3) uint8 RGB, equal to clean outside `changed`.
    kind       what is wrong, one of malform.KINDS.
    mesh       the clean hand in picture pixels, as a regressor would return it.
    part       "left" or "right".
    joints     (21, 3) float32, the landmarks of mesh.
    mask       (side, side) bool, pixels that show the clean hand.
    changed    (side, side) bool, pixels where clean and malformed differ.
    fingers    how many the malformed hand has, thumb included.
    tone       individual typology angle of the skin in degrees, -65 (very dark) to 63.
    family     the pose, one of pose.FAMILIES.
    """

    clean: NDArray[np.uint8]
    malformed: NDArray[np.uint8]
    kind: str
    mesh: Mesh
    part: str
    joints: NDArray[np.float32]
    mask: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    fingers: int
    tone: float
    family: str


@dataclass(frozen=True)
class _Hand:
    """A clean hand before its camera."""

    anatomy: Anatomy
    rotation: Floats
    scene: Scene
    camera: Camera
    family: str
    mesh: Mesh

    def surfaces(self, anatomy: Anatomy) -> list[Surface]:
        """Pose an anatomy as this hand is posed."""
        cloth = self.scene.cloth.body if self.scene.cloth else None
        posed = bodies(hand_template(), anatomy, self.rotation, arm(), cloth)
        return [mirrored(item) for item in posed] if self.scene.left else posed

    def paint(self, surfaces: list[Surface]) -> Painting:
        """Paint surfaces where this hand is."""
        return paint(surfaces, self.camera, self.scene)


def sample(seed: int, side: int = 256, kind: str | None = None) -> SyntheticSample:
    """Return the pair of this seed, always the same.

    side  64 or more.
    kind  what should be wrong, one of malform.KINDS; drawn if not given.
    Raises SettingsError on a smaller side or an unknown kind.
    """
    if side < SMALLEST or (kind is not None and kind not in malform.KINDS):
        raise SettingsError(
            f"synthetic hands were asked for with side {side} and kind {kind!r}; the side must be "
            f"{SMALLEST} or more, the kind one of {', '.join(malform.KINDS)}, or none"
        )
    redraw = 0
    while True:  # until a pose shows the defect
        rng = np.random.default_rng((seed, redraw))
        wrong = kind or str(rng.choice(malform.KINDS))
        hand = _draw_hand(rng, side, wrong)
        good = hand.paint(hand.surfaces(hand.anatomy))
        mask = _hand_mask(good)
        for _ in range(ATTEMPTS):
            picture, fingers = _twin(rng, hand, good, wrong)
            picture, changed = _difference(good.picture, picture)
            if changed.sum() >= LEAST_CHANGED * mask.sum():
                return SyntheticSample(
                    good.picture,
                    picture,
                    wrong,
                    hand.mesh,
                    "left" if hand.scene.left else "right",
                    hand.mesh.joints,
                    mask,
                    changed,
                    fingers,
                    hand.scene.skin.tone,
                    hand.family,
                )
        redraw += 1


def _draw_hand(rng: np.random.Generator, side: int, kind: str) -> _Hand:
    template = hand_template()
    family = str(rng.choice(malform.FAMILIES_OF.get(kind, FAMILIES)))
    angles = draw_angles(rng, template, family)
    wrist = np.clip(rng.normal(0, (0.25, 0.12)), -0.6, 0.6)
    anatomy = Anatomy(angles, draw_lengths(rng), wrist)
    rotation = draw_rotation(rng)
    scene = draw_scene(rng, side)
    flip = MIRROR if scene.left else np.ones(3)
    vertices, joints = (p * flip for p in template_surface(template, anatomy, rotation))
    camera = draw_camera(rng, vertices, side)
    faces = template.faces[:, ::-1] if scene.left else template.faces
    mesh = Mesh(
        camera.project(vertices).astype(np.float32),
        np.ascontiguousarray(faces, np.int32),
        camera.project(joints).astype(np.float32),
    )
    return _Hand(anatomy, rotation, scene, camera, family, mesh)


def _twin(
    rng: np.random.Generator, hand: _Hand, good: Painting, kind: str
) -> tuple[NDArray[np.uint8], int]:
    """Paint a malformed twin; also return its number of fingers."""
    if kind == "melted":
        return malform.melted(rng, good.picture, hand.mesh.joints.astype(np.float64)), 5
    if kind == "rippled":
        surfaces = malform.rippled(rng, hand.surfaces(hand.anatomy), 0.02)
        return hand.paint(surfaces).picture, 5
    defect = malform.BONES[kind](rng, hand_template(), hand.anatomy)
    return hand.paint(hand.surfaces(defect.anatomy)).picture, defect.fingers


def _hand_mask(painting: Painting) -> NDArray[np.bool_]:
    """Return the pixels of the hand without the forearm."""
    return painting.skin & (np.nan_to_num(painting.rest[..., 1], nan=1.0) < HAND_END)


def _difference(
    clean: NDArray[np.uint8], twin: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the twin, equal to `clean` wherever no eye sees a difference, and where one does."""
    apart = np.abs(clean.astype(np.int16) - twin).max(axis=2)
    core = cv2.morphologyEx((apart >= SEEN).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2)))
    changed = cv2.dilate(core, np.ones((5, 5))).astype(bool) & (apart > 0)
    return np.where(changed[..., None], twin, clean), changed
