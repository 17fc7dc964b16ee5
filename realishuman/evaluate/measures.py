"""Protocol A's measures: one repair of a synthetic hand held against the truth.

A detector tells whether a hand is seen at all and where its joints are. How sure it is tells
nothing about whether the hand is well formed, so it is reported and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, Part
from realishuman.evaluate import metrics
from realishuman.evaluate.halo import halo
from realishuman.evaluate.pairs import HAND, Method, Repair, true_part
from realishuman.evaluate.scorer import Score, Scores
from realishuman.imaging.boxes import around, iou
from realishuman.synthetic.sample import SyntheticSample
from realishuman.synthetic.skin import TONES

Pixels = NDArray[np.uint8]

THIRDS = ("dark", "middle", "light")  # of the skin tones
CLEAN = "clean"  # the kind of a pair that was not malformed
CONFIDENCE = 0.5  # a hand that scores less is not detected
SAME_PLACE = 0.1  # IoU with the true hand from which on a detected hand is that hand


@dataclass(frozen=True)
class Measures:
    """One method on one pair. None: there was nothing to measure.

    kind          of the malformation; "clean" when the method was given the clean picture.
    tone          third of the skin tones, one of THIRDS.
    refined       whether a part was repainted, and why not.
    psnr_changed  dB against the clean picture where malformed and clean picture differ.
    psnr_hand     dB where the clean picture shows the hand.
    delta_e       CIE76, mean colour where the clean picture shows the hand.
    seam          metrics.seam_ratio around what was repainted, against the clean picture.
    halo          halo.halo of what was repainted around the true hand, likewise.
    outside       pixels changed outside of what may change; must be 0.
    detected, confidence  by the embedded detector; confidence 0 if no hand is seen there.
    keypoints     error of the detected joints, % of the hand's size; None if not detected.
    malformed     how likely the scorer takes it for malformed, 0..1, given the true mesh.
    as_asked      the same given the mesh that the repair was asked to follow.
    mesh_error    of the joints of the mesh that was followed, like keypoints; None without one.
    counted, fingers  as the scorer counts them, and as the input picture has them.
    """

    seed: int
    kind: str
    tone: str
    family: str
    method: str
    pose: str
    refined: bool
    reason: str
    psnr_changed: float | None
    psnr_hand: float | None
    delta_e: float | None
    seam: float | None
    outside: int
    detected: bool
    confidence: float
    keypoints: float | None
    malformed: float | None = None
    counted: int | None = None
    fingers: int = 5
    as_asked: float | None = None
    mesh_error: float | None = None
    halo: float | None = None


def measure(
    pair: SyntheticSample,
    seed: int,
    method: Method,
    repair: Repair,
    detector: Detector,
    scorer: Scores | None = None,
) -> tuple[Measures, Score | None]:
    """Hold one repair against the truth; also returns the scorer's answer given the true mesh."""
    image, truth = repair.image, pair.clean
    hand = find_true_hand(detector, image, pair)
    seen = hand is not None and hand.score >= CONFIDENCE
    touched = repair.allowed & (image != pair.malformed).any(axis=2)
    score = scorer(image, true_part(pair), pair.mesh) if scorer else None
    asked = scorer(image, *repair.followed) if scorer and repair.followed else None
    measures = Measures(
        seed=seed,
        kind=pair.kind,
        tone=third(pair.tone),
        family=pair.family,
        method=method.name,
        pose=method.pose,
        refined=repair.refined,
        reason=repair.reason,
        psnr_changed=metrics.psnr(image, truth, pair.changed),
        psnr_hand=metrics.psnr(image, truth, pair.mask),
        delta_e=metrics.mean_colour_difference(image, truth, pair.mask),
        seam=metrics.seam_ratio(image, truth, repair.allowed) if touched.any() else None,
        outside=metrics.count_changed_outside(image, pair.malformed, repair.allowed),
        detected=seen,
        confidence=hand.score if hand is not None else 0.0,
        keypoints=metrics.keypoint_error(hand.keypoints, pair.joints) if hand and seen else None,
        malformed=score.malformed if score else None,
        counted=score.fingers if score else None,
        fingers=pair.fingers,
        as_asked=asked.malformed if asked else None,
        mesh_error=(
            metrics.keypoint_error(repair.followed[1].joints, pair.joints)
            if repair.followed
            else None
        ),
        halo=halo(image, truth, repair.allowed, pair.mask) if touched.any() else None,
    )
    return measures, score


def third(tone: float) -> str:
    """The third of the skin tones a tone in degrees lies in."""
    share = (tone - TONES[0]) / (TONES[1] - TONES[0])
    return THIRDS[min(max(int(len(THIRDS) * share), 0), len(THIRDS) - 1)]


def find_true_hand(detector: Detector, image: Pixels, pair: SyntheticSample) -> Part | None:
    """The detected hand that is the true one, if any."""
    box = around(pair.joints)
    hands = detector.detect(image, [HAND], confidence=CONFIDENCE)
    near = [hand for hand in hands if iou(hand.box, box) >= SAME_PLACE]
    return max(near, key=lambda hand: iou(hand.box, box), default=None)
