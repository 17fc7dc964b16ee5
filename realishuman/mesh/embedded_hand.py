"""Hand meshes without downloads: a generic hand, fitted to the landmarks and skinned.

The 21 landmarks say where the joints are in the picture, the metric landmarks how they lie in
depth. A plausible hand is fitted to both (mesh/hand_fit.py) and the template's surface follows it.
Left hands are fitted in the mirror. A corrector (mesh/hand_corrector.py), where one is given, first
says where the landmarks of the good hand would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realishuman.advice import command
from realishuman.detect.base import Part, Picture
from realishuman.errors import ModelError
from realishuman.mesh.base import Mesh
from realishuman.mesh.hand_corrector import PHOTOGRAPHED, TURNS, WRONG, HandCorrector
from realishuman.mesh.hand_fit import Trust, fit
from realishuman.mesh.hand_joints import HandPose, landmarks, move
from realishuman.mesh.hand_template import Floats, HandTemplate, hand_template
from realishuman.mesh.skinning import skin

THICKNESS = 1.1  # across the bones, over the template's; measured, see docs/meshes.md
AS_SEEN = Trust(length=0.3, stretch=0.7)  # a malformed hand's bones may have any length
MIRROR = np.array([-1.0, 1.0, 1.0])


class EmbeddedHand:
    """Mesh regressor of hands.

    corrector  corrects the landmarks first; without one they are fitted as found.
    """

    def __init__(self, corrector: HandCorrector | None = None) -> None:
        self._template = hand_template()
        self._corrector = corrector

    def regress(self, picture: Picture, parts: Sequence[Part]) -> list[Mesh]:
        """Return one mesh per hand; only a corrector looks at `picture`.

        Mesh.joints are the 21 landmarks of the fitted hand. A hand of unknown side counts as a
        right one.
        Raises ModelError when a part is no hand, or its landmarks are not finite or are one point.
        """
        if self._corrector is None:
            return [self._mesh(number, part) for number, part in enumerate(parts)]
        units = [metric(number, part)[1] for number, part in enumerate(parts)]
        good = self._corrector.correct(picture, parts, units)
        return [
            replace(
                self._mesh(number, after.part),
                seen=self._mesh(number, before, AS_SEEN).vertices,
                wrong=after.wrong,
            )
            for number, (before, after) in enumerate(zip(parts, good, strict=True))
        ]

    @property
    def note(self) -> str:
        """Empty: there is no network, or one that always runs on the CPU."""
        return ""

    def release(self) -> None:
        """Let go of the corrector's memory; it opens again at its next use."""
        if self._corrector is not None:
            self._corrector.release()

    def _mesh(self, number: int, part: Part, trust: Trust | None = None) -> Mesh:
        target, unit = metric(number, part)
        left = part.side == "left"
        flip = MIRROR if left else np.ones(3)
        pose = fit(self._template, target * flip, trust)
        vertices, joints = (points * flip * unit for points in surface(self._template, pose))
        faces = self._template.faces[:, ::-1] if left else self._template.faces
        return Mesh(
            vertices.astype(np.float32),
            np.ascontiguousarray(faces, np.int32),
            joints.astype(np.float32),
        )


def metric(number: int, part: Part) -> tuple[Floats, float]:
    """Return the landmarks (21, 3) in metres in the picture's axes, and pixels per metre.

    Depth is that of the metric landmarks: the one in the picture's pixels is much less reliable.
    Without metric landmarks it serves all the same, and a hand's length is assumed.
    """
    points = np.asarray(part.keypoints, np.float64)
    world = None if part.world is None else np.asarray(part.world, np.float64)
    if points.shape != (21, 3) or (world is not None and world.shape != (21, 3)):
        raise ModelError(
            f"part {number} is a {part.kind} with keypoints of shape {points.shape}, but a hand "
            "mesh needs (21, 3): pass only hands to this regressor"
        )
    if not np.isfinite(points).all() or (world is not None and not np.isfinite(world).all()):
        raise ModelError(
            f"hand {number} has keypoints that are not finite: leave this hand out, and check the "
            f"detector's files with `{command('doctor')}`"
        )
    shape = points if world is None else world
    unit = _pixels_per_metre(points, shape) if world is not None else 5 * _reach(points)
    if not 1e-3 < unit < 1e9:
        raise ModelError(
            f"the keypoints of hand {number}, in the picture or in metres, all lie at one point: "
            "leave this hand out, or draw a box around it"
        )
    depth = world[:, 2] if world is not None else points[:, 2] / unit
    return np.column_stack([points[:, :2] / unit, depth]), unit


def _reach(points: Floats) -> float:
    """Longest distance between two points in the picture."""
    return float(_distances(points).max())


def _distances(points: Floats) -> Floats:
    first, second = np.triu_indices(len(points), 1)
    apart = points[first, :2] - points[second, :2]
    return np.asarray(np.linalg.norm(apart, axis=1), np.float64)


def _pixels_per_metre(points: Floats, world: Floats) -> float:
    """Scale of the weak perspective: the median ratio of distances, weighted by the distance.

    The median, so that one stretched finger does not scale the depth of the whole hand.
    """
    pixels, metres = _distances(points), _distances(world)
    seen = metres > 1e-6
    if not seen.any():
        return 0.0
    ratios, weights = pixels[seen] / metres[seen], metres[seen]
    order = np.argsort(ratios)
    half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(ratios[order][half])


def surface(
    template: HandTemplate, pose: HandPose, thickness: float = THICKNESS
) -> tuple[Floats, Floats]:
    """Return vertices (V, 3) and landmarks (21, 3) of the posed hand, in the pose's frame.

    thickness  of palm and fingers across the bones, over the template's at the same size.
    """
    placed = move(template, pose)
    along = template.offsets / np.linalg.norm(template.offsets, axis=-1, keepdims=True)
    along_along = along[..., :, None] * along[..., None, :]
    stretch = np.exp(pose.lengths)[..., None, None]
    grow = thickness * np.eye(3) + (stretch - thickness) * along_along
    wrist = pose.rotation * thickness
    size = np.exp(pose.size)
    linear = size * np.concatenate([wrist[None], (placed.rotations @ grow).reshape(20, 3, 3)])
    moved = np.concatenate([pose.wrist[None], placed.pivots.reshape(20, 3)])
    vertices = skin(template.vertices, template.weights, linear, template.pivots, moved)
    return vertices, landmarks(pose, placed)


def corrected_hand() -> EmbeddedHand:
    """Return the regressor of rendered hands that may be malformed."""
    return EmbeddedHand(HandCorrector())


def corrected_photographed_hand() -> EmbeddedHand:
    """Return the regressor of photographed hands that may be malformed."""
    return EmbeddedHand(HandCorrector(PHOTOGRAPHED, WRONG, TURNS))
