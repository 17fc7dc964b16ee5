"""A synthetic hand that moves: frames of a clip, each good and malformed as generators make them.

The hand turns, bends and wanders smoothly. What is wrong stays the same, but how far it is wrong
drifts and jumps from frame to frame, as it does in generated videos: some frames are nearly good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from realishuman.mesh.hand_template import Floats, hand_template
from realishuman.synthetic import malform
from realishuman.synthetic.hand import Hand, draw_hand_for
from realishuman.synthetic.pair import SyntheticSample, difference
from realishuman.synthetic.pose import about
from realishuman.synthetic.posed import Anatomy

PERIOD = 48  # frames of the slowest swing
TURN, ROLL = np.radians(14), np.radians(9)  # of the hand, to each side
BEND = 0.1  # radians by which every joint bends and stretches
WANDER = 0.06  # of the picture's side
WRONG, DRIFT, JUMP = 0.85, 0.25, 0.15  # share of the defect: mean, slow and per-frame deviations


@dataclass(frozen=True)
class _Swing:
    """Smooth ways to and fro, in [-1, 1], each with its own beat."""

    phases: Floats
    beats: Floats

    def at(self, frame: int) -> Floats:
        """(N,) where they are in a frame."""
        turns = 2 * np.pi * (self.beats * frame / PERIOD + self.phases)
        return np.asarray(np.sin(turns) - np.sin(2 * np.pi * self.phases), np.float64) / 2


def moving_hand(
    seed: int, frames: int, side: int = 256, kind: str = "bent finger"
) -> Iterator[SyntheticSample]:
    """Frames of one clip, the same for a seed; each as sample() returns a picture.

    kind  one of malform.BONES.
    """
    rng = np.random.default_rng((seed, frames, side))
    hand = draw_hand_for(rng, side, kind)
    defect = malform.BONES[kind](rng, hand_template(), hand.anatomy)
    swing = _Swing(rng.random(6), rng.uniform(0.7, 1.8, 6))
    drift = 0.0
    for frame in range(frames):
        drift = 0.85 * drift + DRIFT * rng.normal() * np.sqrt(1 - 0.85**2)
        share = float(np.clip(WRONG + drift + JUMP * rng.normal(), 0, 1.2))
        now, good = _move(hand, swing.at(frame), side, rng)
        clean = now.paint(now.surfaces(good))
        wrong = _mix(good, hand.anatomy, defect.anatomy, share)
        picture, changed = difference(clean.picture, now.paint(now.surfaces(wrong)).picture)
        yield SyntheticSample(
            clean.picture,
            picture,
            kind,
            now.mesh,
            now.side,
            now.mesh.joints,
            now.mask_of(clean),
            changed,
            defect.fingers,
            now.scene.skin.tone,
            now.family,
        )


def _move(hand: Hand, swings: Floats, side: int, rng: np.random.Generator) -> tuple[Hand, Anatomy]:
    """The hand in a frame, and its anatomy there."""
    turned = about(2, ROLL * swings[0]) @ hand.rotation @ about(1, TURN * swings[1])
    angles = hand.anatomy.angles.copy()
    angles[1:, 1:, 0] += BEND * swings[2]
    limits = hand_template().limits
    good = replace(hand.anatomy, angles=np.clip(angles, limits.low, limits.high))
    centre = hand.camera.centre + WANDER * side * swings[3:5]
    places = rng.integers(0, side, 2)  # the sensor's noise is another in every frame
    grain = np.roll(hand.scene.grain, places.tolist(), axis=(0, 1))
    scene = replace(hand.scene, grain=grain)
    camera = replace(hand.camera, centre=centre)
    return hand.posed(good, turned, scene, camera), good


def _mix(now: Anatomy, good: Anatomy, defect: Anatomy, share: float) -> Anatomy:
    """The anatomy of a frame with so much of a defect that was drawn for another."""
    moved = now.angles - good.angles
    return Anatomy(
        now.angles + share * (defect.angles - good.angles),
        now.lengths + share * (defect.lengths - good.lengths),
        now.wrist,
        now.girth + share * (defect.girth - good.girth),
        tuple(replace(one, angles=one.angles + moved) for one in defect.grafts if share > 0.5),
    )
